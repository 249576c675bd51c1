"""Competitions of four shapes on real images that a small network learns, with leaderboards."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green sea": (40, 180, 90), "red": (200, 50, 40)}
TAGS = {"dusk": (60, 40, 90), "forest": (30, 110, 40), "sand": (220, 200, 150)}
TRAIN, TEST = 48, 15


@dataclass(frozen=True)
class Competition:
    """The files of a competition, the params that describe it, and how Kaggle would score it."""

    slug: str
    files: dict[str, bytes]
    params: dict
    score: Callable[[bytes], float]
    """The leaderboard's figure for a submission, computed from the answers that it alone has."""
    guess: float
    """What the best constant submission scores."""
    greater_is_better: bool

    def archive(self) -> bytes:
        """All files in a zip, as Kaggle sends them."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as opened:
            for name, data in self.files.items():
                opened.writestr(name, data)
        return buffer.getvalue()


def folders() -> Competition:
    """A folder a class, whose file names repeat; the class's name is asked for."""
    names = list(COLOURS)
    files, answers = {}, {}
    for i in range(TRAIN):
        files[f"train/{names[i % 3]}/{i // 3}.png"] = stripes(i, [COLOURS[names[i % 3]]], "PNG")
    for i in range(TRAIN, TRAIN + TEST):
        files[f"test/{i}.png"] = stripes(i, [COLOURS[names[i % 3]]], "PNG")
        answers[f"{i}.png"] = names[i % 3]
    files["sample_submission.csv"] = table(["file", "species"], [(i, "red") for i in answers])
    params = {"labels": "folders", "id_column": None, "label_columns": [], "suffix": "",
              "metric": "accuracy"}  # fmt: skip

    def score(data: bytes) -> float:
        said = dict(read(data))
        return sum(said[i] == truth for i, truth in answers.items()) / len(answers)

    return Competition("colours-in-folders", files, prefixed(params), score, 1 / 3, True)


def tags() -> Competition:
    """Any number of tags an image, space-separated, scored by the mean F2 of the rows."""
    names, rng = list(TAGS), np.random.default_rng(5)
    files, answers, rows = {}, {}, []
    for i in range(TRAIN + TEST):
        chosen = [n for n, yes in zip(names, rng.integers(0, 2, 3), strict=True) if yes] or ["sand"]
        where = "train-jpg/train" if i < TRAIN else "test-jpg/test"
        files[f"{where}_{i}.jpg"] = stripes(i, [TAGS[n] for n in chosen], "JPEG")
        if i < TRAIN:
            rows.append((f"train_{i}", " ".join(chosen)))
        else:
            answers[f"test_{i}"] = set(chosen)
    files["train_v2.csv"] = table(["image_name", "tags"], rows)
    sample = [(i, "forest sand") for i in answers]
    files["sample_submission_v2.csv"] = table(["image_name", "tags"], sample)
    params = {"task": "multilabel", "metric": "f2", "labels": "train_v2.csv",
              "id_column": "image_name", "label_columns": ["tags"], "label_separator": " ",
              "train_images": "train-jpg", "test_images": "test-jpg", "suffix": ".jpg",
              "sample_submission": "sample_submission_v2.csv"}  # fmt: skip

    def score(data: bytes) -> float:
        said = {name: set(cell.split()) for name, cell in read(data)}
        both = [(5 * len(said[i] & t)) / (len(said[i]) + 4 * len(t)) for i, t in answers.items()]
        return sum(both) / len(both)

    everything = table(["image_name", "tags"], [(i, " ".join(names)) for i in answers])
    return Competition("stripes", files, prefixed(params), score, score(everything), True)


def numbers() -> Competition:
    """A number an image, its brightness, scored by RMSE; with a space after the header's comma."""
    rng = np.random.default_rng(6)
    files, answers, rows = {}, {}, []
    for i in range(TRAIN + TEST):
        value = int(rng.integers(1, 101))
        where = "train" if i < TRAIN else "test"
        files[f"{where}/p{i}.jpg"] = stripes(i, [(2 * value + 20,) * 3], "JPEG", noise=12)
        if i < TRAIN:
            rows.append((f"p{i}", str(value)))
        else:
            answers[f"p{i}"] = value
    files["train.csv"] = table(["Id", " Pawpularity"], rows)
    files["sample_submission.csv"] = table(["Id", " Pawpularity"], [(i, "50") for i in answers])
    params = {"task": "regression", "metric": "rmse", "labels": "train.csv", "id_column": "Id",
              "label_columns": ["Pawpularity"], "suffix": ".jpg"}  # fmt: skip
    deviation = float(np.std(list(answers.values())))

    def score(data: bytes) -> float:
        squares = [(float(cell) - answers[name]) ** 2 for name, cell in read(data)]
        return math.sqrt(sum(squares) / len(answers))

    return Competition("brightness", files, prefixed(params), score, deviation, False)


def csv_columns() -> Competition:
    """A csv of labels and a probability a class, scored by log loss."""
    names = list(COLOURS)
    files, answers, rows = {}, {}, []
    for i in range(TRAIN + TEST):
        where = "train" if i < TRAIN else "test"
        files[f"{where}/{i:03d}.jpg"] = stripes(i, [COLOURS[names[i % 3]]], "JPEG")
        if i < TRAIN:
            rows.append((f"{i:03d}", names[i % 3]))
        else:
            answers[f"{i:03d}"] = names[i % 3]
    files["labels.csv"] = table(["id", "label"], rows)
    columns = ["red", "blue", "green sea"]
    uniform = [(i, "0.3", "0.3", "0.4") for i in reversed(answers)]
    files["sample_submission.csv"] = table(["id", *columns], uniform)

    def score(data: bytes) -> float:
        said = {name: dict(zip(columns, map(float, cells), strict=True)) for name, *cells in
                read(data)}  # fmt: skip
        losses = [-math.log(max(said[i][t], 1e-15)) for i, t in answers.items()]
        return sum(losses) / len(losses)

    params = prefixed({"suffix": ".jpg"})
    return Competition("colours", files, params, score, math.log(3), False)


ALL = {"csv": csv_columns, "folders": folders, "tags": tags, "numbers": numbers}


def prefixed(params: dict) -> dict:
    """Keys of the `competition` group as params.yaml names them."""
    return {f"competition.{key}": value for key, value in params.items()}


def stripes(i: int, colours: list[tuple], form: str, noise: int = 30) -> bytes:
    """One image: a stripe of each colour under noise, its size depending on `i`."""
    rng = np.random.default_rng(i)
    height, width = rng.integers(48, 72, 2)
    rows = np.repeat(colours, -(-height // len(colours)), axis=0)[:height, None]
    pixels = rng.normal(rows, noise, (height, width, 3)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def table(header: list[str], rows: list[tuple]) -> bytes:
    """A csv."""
    return "\n".join([",".join(header), *[",".join(row) for row in rows]]).encode() + b"\n"


def read(data: bytes) -> list[list[str]]:
    """The rows of a submission, as Kaggle reads them."""
    return list(csv.reader(io.StringIO(data.decode())))[1:]
