"""Bad images, as real files, through the real stages to the submission."""

import io
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.images.pack import Pack
from tests.project import CLASSES, picture, run_all, run_stage, write_competition, write_project

UNTIL_SCREEN = ["fetch", "split", "resize", "screen"]
NOISE = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)


def saved(form, mode="RGB", pixels=NOISE, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def bomb():
    """A png of 30000 x 30000 pixels in a few hundred bytes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data))
        )  # fmt: skip

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def deep():
    buffer = io.BytesIO()
    Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
    return buffer.getvalue()


def strip(width, height):
    return saved("PNG", pixels=np.full((height, width, 3), 90, np.uint8))


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 8
    return saved("JPEG", exif=exif)


def animated():
    buffer = io.BytesIO()
    frames = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def palette():
    image = Image.fromarray(NOISE).quantize(8)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=3)
    return buffer.getvalue()


UNREADABLE = {
    "truncated jpeg": (picture(1)[:900], "image file is truncated"),
    "truncated png": (saved("PNG")[:3000], "truncated"),
    "zero bytes": (b"", "it is empty"),
    "text": (b"<html>404 Not Found</html>", "it is not an image of a known format"),
    "bomb": (bomb(), "exceeds limit of"),
    "20000 x 2": (strip(20000, 2), "it is too long and thin, 20000 x 2"),
}
READABLE = {
    "1 x 1": (strip(1, 1), (56, 56)),
    "2000 x 20": (strip(2000, 20), (5600, 56)),
    "cmyk": (saved("JPEG", "CMYK"), (56, 67)),
    "16 bits": (deep(), (56, 67)),
    "transparent palette": (palette(), (56, 67)),
    "rotated by exif": (rotated(), (67, 56)),
    "animated": (animated(), (56, 67)),
    "a png called jpg": (saved("PNG"), (56, 67)),
}


def project(folder, bad, **changes):
    """A tiny competition, the first images of which, training and test, are `bad` ones."""
    source = folder / "competition"
    write_competition(source)
    for first, subset in ((1, "train"), (46, "test")):
        for number, data in enumerate(bad.values(), first):
            for old in (source / subset).glob(f"{number:03d}.*"):
                old.unlink()
            (source / subset / f"{number:03d}.jpg").write_bytes(data)
    return write_project(folder / "project", source, **changes)


def bytes_of(cases):
    return {name: data for name, (data, _) in cases.items()}


def test_fail_lists_every_unreadable_training_image_and_writes_nothing(tmp_path):
    folder = project(tmp_path, bytes_of(UNREADABLE))
    run_all(folder, [], UNTIL_SCREEN[:-1])
    result = run_stage(folder, "screen")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "Error: 6 training images cannot be read:"
    for number, (line, (_, fault)) in enumerate(zip(lines[1:], UNREADABLE.values(), strict=False)):
        assert line.startswith(f"  train/{number + 1:03d}.jpg: ")
        assert fault in line
    assert lines[-1].endswith("set screen.bad_images to quarantine, which leaves them out.")
    assert not (folder / "data/screened.csv").exists()


@pytest.fixture(scope="module")
def quarantined(tmp_path_factory):
    """A project with every kind of bad image that has run to the submission."""
    bad = bytes_of(UNREADABLE) | bytes_of(READABLE)
    changes = {"screen.bad_images": "quarantine"}
    folder = project(tmp_path_factory.mktemp("q"), dict(list(bad.items())[:11]), **changes)
    run_all(folder, ["0"])
    return folder


def test_quarantine_leaves_them_out_and_lists_them(quarantined):
    rows = pd.read_csv(quarantined / "data/folds.csv", dtype=str)
    bad = [f"train/{i:03d}.jpg" for i in range(1, 7)]
    assert not set(rows["image"]) & set(bad)
    assert len(rows) == 45 - 6
    listed = pd.read_csv(quarantined / "reports/unreadable.csv")
    assert listed.loc[listed["use"] == "training", "image"].tolist() == bad
    metrics = (quarantined / "metrics/screen.json").read_text()
    assert '"unreadable_training": 6' in metrics
    assert "train/001.jpg, train/002.jpg" in metrics


def test_every_other_row_keeps_the_fold_that_it_had(quarantined, tmp_path):
    folder = project(tmp_path, {})
    run_all(folder, [], UNTIL_SCREEN)
    before = pd.read_csv(folder / "data/screened.csv", dtype=str).set_index("id")["fold"]
    after = pd.read_csv(quarantined / "data/folds.csv", dtype=str).set_index("id")["fold"]
    assert after.equals(before.loc[after.index])


def test_an_unreadable_test_image_keeps_its_row_with_the_mean_and_is_named(quarantined):
    got = pd.read_csv(quarantined / "submissions/submission.csv", dtype={"id": str})
    assert len(got) == 12
    bad = got["id"].isin([f"{i:03d}" for i in range(46, 52)])
    mean = got.loc[~bad, CLASSES].mean()
    np.testing.assert_allclose(got.loc[bad, CLASSES], np.tile(mean, (6, 1)), atol=1e-6)
    assert '"unreadable_test": 6' in (quarantined / "metrics/screen.json").read_text()


def test_a_test_image_never_fails_the_run_and_is_told(tmp_path):
    source = tmp_path / "competition"
    write_competition(source)
    (source / "test/050.jpg").write_bytes(b"")
    folder = write_project(tmp_path / "project", source)
    run_all(folder, [], UNTIL_SCREEN[:-1])
    result = run_stage(folder, "screen")
    assert result.exit_code == 0
    sentence = "test/050.jpg cannot be read: it is empty; its row gets the mean prediction."
    assert sentence in result.output


def test_images_of_which_most_cannot_be_read_are_another_format(tmp_path):
    source = tmp_path / "competition"
    write_competition(source)
    for path in (source / "test").iterdir():
        path.write_bytes(b"DICM")
    folder = write_project(tmp_path / "project", source)
    run_all(folder, [], UNTIL_SCREEN[:-1])
    result = run_stage(folder, "screen")
    assert result.exit_code == 1
    assert "12 of 12 test images cannot be read, the first is test/056.png" in result.output


def test_odd_images_that_can_be_read_are_packed_upright_and_not_blank(tmp_path, monkeypatch):
    folder = project(tmp_path, bytes_of(READABLE))
    run_all(folder, [], UNTIL_SCREEN)
    pack = Pack(folder / "data/resized")
    for number, (name, (_, size)) in enumerate(READABLE.items(), 1):
        row = pack.rows([f"train/{number:03d}.jpg"])[0]
        image = pack.image(row)
        assert (image.shape[1], image.shape[0]) == size, name
        assert 20 < image.mean() < 235, name


def test_a_labelled_row_without_an_image_is_quarantined_too(tmp_path):
    source = tmp_path / "competition"
    write_competition(source)
    (source / "train/003.jpg").unlink()
    folder = write_project(tmp_path / "project", source)
    run_all(folder, [], ["fetch"])
    refused = run_stage(folder, "split")
    assert refused.exit_code == 1
    assert "1 of 45 ids have no image in 'train', the first is '003'" in refused.output
    folder = write_project(folder, source, **{"screen.bad_images": "quarantine"})
    told = run_stage(folder, "split")
    assert told.exit_code == 0
    assert "1 labelled ids have no image and are left out: 003." in told.output
    assert '"rows_without_image": 1' in (folder / "metrics/split.json").read_text()
