"""What is confused, most wrong, badly told or too sure: one class, several labels, numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from stages.looking import captions, examples, per_class, reliability
from stages.looking.confused import confused, largest_errors, most_confused
from stages.scoring import out_of_fold
from stages.scoring.out_of_fold import Table
from tests.project import run_stage, write_project

CLASSES = ["a", "b", "c"]


@pytest.fixture
def many():
    """400 rows of 5 classes, mostly right, of differing sureness."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 5, 400)
    scores = rng.normal(0, 1, (400, 5)) + 1.5 * (truth[:, None] == np.arange(5))
    return truth, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def test_one_class_a_row_is_counted_under_what_was_said():
    values = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    matrix, names = confused("multiclass", np.array([0, 1, 2]), values, CLASSES)
    assert names == CLASSES
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_several_labels_a_row_are_missed_for_others_or_for_nothing():
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]])
    values = np.array([[0.9, 0.2, 0.8], [0.3, 0.1, 0.1], [0.1, 0.6, 0.1], [0.1, 0.9, 0.2]])
    matrix, names = confused("multilabel", truth, values, CLASSES)
    assert names == [*CLASSES, "nothing"]
    found = {(names[t], names[s]): n for (t, s), n in np.ndenumerate(matrix) if n}
    assert found == {
        ("a", "a"): 1, ("b", "b"): 1, ("b", "c"): 1, ("a", "nothing"): 1, ("nothing", "b"): 1,
    }  # fmt: skip


def test_pairs_are_sorted_by_how_often_they_are_confused():
    pairs = most_confused(np.array([[5, 1, 0], [3, 9, 0], [0, 0, 7]]), CLASSES)
    assert pairs.to_numpy().tolist() == [["b as a", "b", "a", 3], ["a as b", "a", "b", 1]]


def test_the_largest_errors_of_numbers_come_first():
    truth, said = np.array([[1.0], [5.0], [9.0]]), np.array([[1.5], [2.0], [9.0]])
    found = largest_errors(pd.Series(["x", "y", "z"]), truth, said)
    assert found.iloc[0].tolist() == ["y", 5.0, 2.0, 3.0]
    assert list(found["pair"]) == ["y", "x", "z"]


def test_no_rows_have_no_errors():
    assert largest_errors(pd.Series([], dtype=str), np.empty((0, 1)), np.empty((0, 1))).empty


def test_most_wrong_has_the_lowest_probability_of_the_true_class(many):
    truth, values = many
    p = values[np.arange(len(truth)), truth]
    wrong = np.flatnonzero(values.argmax(axis=1) != truth)
    right = np.flatnonzero(values.argmax(axis=1) == truth)
    kinds = examples.of_task("multiclass", truth, values)
    assert kinds[0].rows.tolist() == wrong[np.argsort(p[wrong])][: examples.SHOWN].tolist()
    assert kinds[1].rows.tolist() == right[np.argsort(-p[right])][: examples.SHOWN].tolist()
    assert kinds[0].title == f"Most wrong, of {len(wrong)} wrong rows in {len(truth)}"
    unsure = stats.entropy(values, axis=1).argsort()[::-1][: examples.SHOWN]
    assert kinds[2].rows.tolist() == unsure.tolist()


def test_no_right_row_is_shown_as_wrong():
    values = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    wrong, right, unsure = examples.of_task("multiclass", np.array([0, 1, 1]), values)
    assert [kind.rows.tolist() for kind in (wrong, right, unsure)] == [[1], [0, 2], [1, 2, 0]]


def test_of_several_labels_the_worst_flag_counts_and_all_flags_doubt():
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    values = np.array([[0.9, 0.8], [0.05, 0.9], [0.0, 0.45]])
    wrong, right, unsure = examples.of_task("multilabel", truth, values)
    assert wrong.rows.tolist() == [1, 0]
    assert right.rows.tolist() == [2]
    halves = [stats.entropy([p, 1 - p]) for p in values.ravel()]
    order = np.argsort(-np.reshape(halves, (3, 2)).sum(axis=1))
    assert unsure.rows.tolist() == order.tolist()


def test_of_numbers_the_largest_and_the_smallest_errors_are_shown():
    truth, said = np.array([[1.0, 1], [2, 2], [3, 3]]), np.array([[1.0, 0], [2, 5], [3, 3]])
    kinds = examples.of_task("regression", truth, said)
    assert [kind.rows.tolist() for kind in kinds] == [[1, 0, 2], [2, 0, 1]]


def test_a_caption_has_what_was_said_and_what_is_true():
    one = np.array([[0.004, 0.3, 0.696]])
    assert captions.of_row("multiclass", np.array([0]), one, CLASSES, 0) == ("0.70 c", "<0.01 a")
    several = np.array([[0.8, 0.1, 0.999]])
    truth = np.array([[1, 1, 0]])
    said, true = captions.of_row("multilabel", truth, several, CLASSES, 0)
    assert (said, true) == (">0.99 c, 0.80 a", "a, b")
    missed = captions.of_row("multilabel", truth * 0 + [1, 1, 1], several, CLASSES, 0)
    assert missed == ("0.10 b, 0.80 a, >0.99 c", "a, b, c")
    nothing = captions.of_row("multilabel", truth * 0, several * 0, CLASSES, 0)
    assert nothing == ("0 a", "nothing")
    numbers = np.array([[1.0, 2.0]]), np.array([[1.5, 7.25]])
    assert captions.of_row("regression", *numbers, ["x", "y"], 0) == ("7.25 y", "2 y")


def test_scores_of_a_class_are_scikit_learns_of_it_against_the_rest(many):
    truth, values = many
    table = per_class.of_classes(truth, values, [f"c{i}" for i in range(5)])
    assert table["f1"].is_monotonic_increasing
    for row in table.itertuples():
        column = int(row[1][1:])
        true, said = truth == column, values.argmax(axis=1) == column
        assert (row.rows, row.said) == (true.sum(), said.sum())
        assert row.precision == pytest.approx(precision_score(true, said))
        assert row.recall == pytest.approx(recall_score(true, said))
        assert row.f1 == pytest.approx(f1_score(true, said))
        assert row.auc == pytest.approx(roc_auc_score(true, values[:, column]))


def test_scores_that_are_not_defined_are_nought_or_empty_without_a_warning():
    truth = np.array([[1, 0, 1], [0, 0, 1]])
    table = per_class.of_classes(truth, np.array([[0.8, 0.2, 0.1], [0.3, 0.1, 0.2]]), CLASSES)
    found = {row[0]: row[1:] for row in table.itertuples(index=False)}
    assert found["a"] == (1, 1, 1.0, 1.0, 1.0, 1.0)
    assert found["b"][:5] == (0, 0, 0.0, 0.0, 0.0)
    assert found["c"][:5] == (2, 0, 0.0, 0.0, 0.0)
    assert np.isnan([found["b"][5], found["c"][5]]).all()


def test_errors_of_a_number_are_in_its_unit():
    truth, said = np.array([[1.0, 10], [3, 20]]), np.array([[2.0, 10], [5, 20]])
    table = per_class.of_numbers(truth, said, ["x", "y"])
    assert table["number"].tolist() == ["x", "y"]
    assert table.iloc[0, 1:].tolist() == pytest.approx([2, np.sqrt(2.5), 1.5, 1.5])
    assert table.iloc[1, 1:].tolist() == [2, 0, 0, 0]


def test_calibration_error_is_that_of_the_formula(many):
    truth, values = many
    sure, right = reliability.claims("multiclass", truth, values)
    error = 0.0
    for low in np.arange(10) / 10:  # Guo et al., equation 3
        inside = (sure >= low) & (sure < low + 0.1)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert reliability.error(reliability.curve(sure, right)) == pytest.approx(error)


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not():
    certain = np.ones(4)
    assert reliability.error(reliability.curve(certain, certain > 0)) == 0
    assert reliability.error(reliability.curve(certain, certain > 1)) == 1


def test_every_flag_is_a_claim_and_no_number_is():
    truth, values = np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.1], [0.6, 0.2]])
    sure, right = reliability.claims("multilabel", truth, values)
    assert sure.tolist() == [0.9, 0.1, 0.6, 0.2]
    assert right.tolist() == [True, False, True, True]
    assert len(reliability.claims("regression", truth, values)[0]) == 0


def project(folder, make_pack, task, classes, count):
    """A project of `count` validated rows, as the stages before leave it."""
    rng = np.random.default_rng(1)
    write_project(folder, Path("unused"), **{"competition.task": task} | OF_TASK[task])
    pictures = {f"{i}.png": rng.integers(0, 255, (20, 30, 3), np.uint8) for i in range(5)}
    make_pack(pictures)
    (folder / "data").mkdir()
    shutil.move(folder.parent / "pack", folder / "data/resized")
    labels = {
        "multiclass": [classes[i % len(classes)] for i in range(count)],
        "multilabel": ["\t".join(classes[: i % 3]) for i in range(count)],
        "regression": ["\t".join([f"{i}"] * len(classes)) for i in range(count)],
    }[task]
    images = [f"{i % 5}.png" for i in range(count)]
    rows = pd.DataFrame({"id": [f"row{i}" for i in range(count)], "image": images,
                         "fold": "0", "label": labels, "group": ""})  # fmt: skip
    values = rng.dirichlet(np.ones(len(classes)), count).reshape(count, len(classes))
    out_of_fold.write(folder / "data/out_of_fold.csv", Table(rows, classes, values))
    return folder


OUTS = ["confusion.png", "images.png", "calibration.png", "most_confused.csv", "per_class.csv"]
OF_TASK = {
    "multiclass": {},
    "multilabel": {"competition.label_separator": " "},
    "regression": {"competition.metric": "rmse"},
}


@pytest.mark.parametrize("count", [0, 40])
@pytest.mark.parametrize(
    ("task", "classes"),
    [("multiclass", 2), ("multiclass", 120), ("multilabel", 3), ("regression", 1)],
)
def test_every_out_is_there_and_the_same_each_time(tmp_path, make_pack, task, classes, count):
    names = ["cost $5_or $x^", *(f"class {i}" for i in range(1, classes))]
    folder = project(tmp_path / "p", make_pack, task, names, count)
    seen = []
    for _ in range(2 if count else 1):
        assert run_stage(folder, "interpret").exit_code == 0
        seen.append([(folder / "reports" / name).read_bytes() for name in OUTS])
    assert seen[0] == seen[-1]
    found = json.loads((folder / "metrics/interpret.json").read_text())
    assert found["rows"] == count
    assert ("calibration_error" in found) == (count > 0 and task != "regression")
    assert len(pd.read_csv(folder / "reports/per_class.csv")) == (classes if count else 0)


def test_pictures_of_many_classes_stay_small_enough_to_read(tmp_path, make_pack):
    folder = project(tmp_path / "p", make_pack, "multiclass", [f"c{i}" for i in range(200)], 300)
    run_stage(folder, "interpret")
    for name in OUTS[:3]:
        width, height = Image.open(folder / "reports" / name).size
        assert width <= 900
        assert height <= 2000
