"""The bundled competition: laid out as Kaggle's, honest about its answers."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from stages.base.errors import UserError
from stages.competition import demo, leaderboard

CLASSES = [f"digit_{d}" for d in range(10)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "competition.zip"
    demo.build(path)
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def sample(archive):
    return table(archive, "sample_submission.csv")


@pytest.fixture
def perfect(sample):
    answers = load_digits().target[sample["id"].astype(int)]
    return sample.assign(**{c: (answers == d) * 1.0 for d, c in enumerate(CLASSES)})


def table(archive, name):
    return pd.read_csv(io.BytesIO(archive.read(name)), dtype={"id": str})


def ids(archive, folder):
    names = [name for name in archive.namelist() if name.startswith(f"{folder}/")]
    return [name.removeprefix(f"{folder}/").removesuffix(".png") for name in names]


def test_the_archive_has_what_kaggles_have(archive):
    kinds = {name.split("/")[0] for name in archive.namelist()}
    assert kinds == {"train", "test", "labels.csv", "sample_submission.csv"}
    assert len(set(archive.namelist())) == len(archive.namelist()) == 1797 + 2


def test_a_quarter_of_the_images_is_to_be_predicted(archive):
    assert (len(ids(archive, "train")), len(ids(archive, "test"))) == (1348, 449)


def test_labels_name_every_training_image(archive):
    labels = table(archive, "labels.csv")
    assert list(labels.columns) == ["id", "label"]
    assert sorted(labels["id"]) == sorted(ids(archive, "train"))
    assert set(labels["label"]) == set(CLASSES)


def test_labels_are_right(archive):
    labels = table(archive, "labels.csv")
    digits = load_digits().target[labels["id"].astype(int)]
    assert labels["label"].tolist() == [f"digit_{d}" for d in digits]


def test_images_are_the_digits(archive):
    expected = load_digits().images
    for name in (f"train/{ids(archive, 'train')[3]}.png", f"test/{ids(archive, 'test')[5]}.png"):
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(name))))
        digit = expected[int(name[-8:-4])]
        assert np.abs(pixels - digit * 255 / 16).max() <= 0.5


def test_the_sample_asks_for_every_test_image_and_class(archive, sample):
    assert list(sample.columns) == ["id", *CLASSES]
    assert sorted(sample["id"]) == sorted(ids(archive, "test"))


def test_answers_of_test_images_are_in_no_file(archive, sample):
    assert not set(table(archive, "labels.csv")["id"]) & set(sample["id"])
    assert (sample[CLASSES] == 0.1).all(axis=None)
    for info in archive.infolist():
        assert not info.comment
        assert not info.extra


def test_the_order_of_test_images_tells_nothing(sample):
    assert sample["id"].is_monotonic_increasing


def test_two_builds_give_the_same_bytes(tmp_path):
    for name in ("a.zip", "b.zip"):
        demo.build(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_perfect_submission_is_perfect(perfect):
    scores = leaderboard.score(perfect)
    assert scores["accuracy"] == 1
    assert scores["log_loss"] == pytest.approx(0, abs=1e-9)
    assert scores["rows"] == 449


def test_the_sample_itself_scores_as_guessing_does(sample):
    assert leaderboard.score(sample)["log_loss"] == pytest.approx(np.log(10))


def test_the_order_of_rows_does_not_matter(perfect):
    backwards = perfect.iloc[::-1]
    assert leaderboard.score(backwards) == leaderboard.score(perfect)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.rename(columns={"digit_3": "three"}),
        lambda t: t[["id", *CLASSES[::-1]]],
        lambda t: t.drop(columns="digit_9"),
        lambda t: t.iloc[1:],
        lambda t: t.assign(id="0000"),
        lambda t: pd.concat([t, t.iloc[:1]]),
        lambda t: pd.concat([t] * 2),
    ],
    ids=["name", "order", "column", "row", "ids", "one row twice", "all rows twice"],
)
def test_other_files_are_refused(perfect, change):
    with pytest.raises(UserError, match="not a submission of the bundled competition"):
        leaderboard.score(change(perfect))


def test_a_submission_with_a_missing_value_is_refused(perfect):
    perfect.loc[3, "digit_3"] = np.nan
    with pytest.raises(UserError):
        leaderboard.score(perfect)
