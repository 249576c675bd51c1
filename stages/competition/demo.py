"""The bundled competition: scikit-learn's handwritten digits, laid out exactly as Kaggle would.

1,797 real 8x8 grey images (UCI Optical Recognition of Handwritten Digits). Three quarters are
labelled; the answers of the rest are in no file of the competition.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

TEST_SHARE = 0.25
SEED = 2018
CLASSES = [f"digit_{d}" for d in range(10)]
NEVER = (1980, 1, 1, 0, 0, 0)  # the zip format's earliest date: the archive's bytes never change


def build(path: Path) -> None:
    """Write the competition's archive: train/, test/, labels.csv, sample_submission.csv."""
    images, digits, is_test = _digits()
    ids = np.array([f"{i:04d}" for i in range(len(digits))])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for image, name, test in zip(images, ids, is_test, strict=True):
            _write(archive, f"{'test' if test else 'train'}/{name}.png", _png(image))
        labels = pd.DataFrame({"id": ids, "label": [CLASSES[d] for d in digits]})[~is_test]
        _write(archive, "labels.csv", labels.to_csv(index=False).encode())
        sample = pd.DataFrame({"id": ids[is_test]} | dict.fromkeys(CLASSES, 0.1))
        _write(archive, "sample_submission.csv", sample.to_csv(index=False).encode())


def answers() -> dict[str, int]:
    """The digit of each test image, which no file of the competition tells."""
    _, digits, is_test = _digits()
    return {f"{i:04d}": digit for i, digit in enumerate(digits) if is_test[i]}


def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (1797, 8, 8) of 0..255, digits (1797,), and which of them are test rows."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    order = np.random.RandomState(SEED).permutation(len(images))
    is_test = np.zeros(len(images), dtype=bool)
    is_test[order[: int(TEST_SHARE * len(images))]] = True
    return images, bunch.target, is_test


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, NEVER), data, zipfile.ZIP_DEFLATED)
