"""Predictions on their way to Kaggle: nothing lost, nothing reordered, in the form asked for."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.base.errors import UserError
from stages.competition import forms, sample
from stages.scoring import blending, decisions, predictions
from tests.layouts import DEFAULTS

CLASSES = ["ant", "bee", "cow"]
IDS = ["0001", "NA", "c"]
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]])
FLAGS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def form_of(columns, classes=CLASSES, truth=(0.0,), **params):
    return forms.form_of(columns, classes, SimpleNamespace(**DEFAULTS | params), np.array(truth))


def cells_of(form, decided):
    return form.write(np.array(decided)).to_numpy().tolist()


NO_TRUTH = np.empty(0, int)


def some_probabilities(rows=50, classes=120):
    rng = np.random.default_rng(0)
    return rng.dirichlet([0.1] * classes, size=rows).astype(np.float32)


def test_columns_and_rows_follow_the_sample():
    wanted = pd.DataFrame({"image_id": ["c", "0001", "NA"], "cow": 0, "ant": 0, "bee": 0})
    values = sample.complete(wanted["image_id"], IDS, P, NO_TRUTH)
    found = sample.fill(wanted, form_of(["cow", "ant", "bee"]), values)
    assert list(found.columns) == ["image_id", "cow", "ant", "bee"]
    assert found["image_id"].tolist() == ["c", "0001", "NA"]
    assert found[CLASSES].to_numpy().tolist() == P[[2, 0, 1]].tolist()


def test_predictions_that_the_sample_does_not_ask_for_are_left_out():
    assert sample.complete(["NA", "c"], IDS, P, NO_TRUTH).tolist() == P[[1, 2]].tolist()


def test_an_id_without_a_prediction_gets_the_mean_of_the_others():
    found = sample.complete(["c", "unseen", "0001"], IDS, P, NO_TRUTH)
    np.testing.assert_allclose(found, [P[2], P.mean(axis=0), P[0]])


TRUTHS = {
    "multiclass": ([0, 2, 2, 2], [0.25, 0, 0.75]),
    "multilabel": ([[1, 1, 0], [0, 1, 0]], [0.5, 1, 0]),
    "regression": ([[1.5, 0, -2], [2.5, 0, 4]], [2, 0, 1]),
}


@pytest.mark.parametrize(("truth", "mean"), TRUTHS.values(), ids=TRUTHS)
def test_without_any_prediction_all_ids_get_the_mean_of_the_labels(truth, mean):
    found = sample.complete(["a", "b"], [], np.empty((0, 3)), np.array(truth))
    assert found.tolist() == [mean, mean]


def test_log_loss_takes_a_probability_a_class():
    assert cells_of(form_of(["cow", "ant", "bee"]), P) == P[:, [2, 0, 1]].tolist()


def test_one_column_takes_the_positive_class():
    form = form_of(["p"], ["cat", "dog"], positive_class="dog", metric="auc")
    assert cells_of(form, [[0.9, 0.1], [0.2, 0.8]]) == [[0.1], [0.8]]


def test_one_column_of_a_metric_of_classes_says_whether_it_is_the_positive_one():
    form = form_of(["is_dog"], ["cat", "dog"], positive_class="dog", metric="accuracy")
    assert cells_of(form, [1, 0, 1]) == [[1], [0], [1]]


def test_accuracy_takes_the_name_of_the_class():
    assert cells_of(form_of(["label"], metric="accuracy"), [2, 0]) == [["cow"], ["ant"]]


def test_accuracy_with_a_column_a_class_takes_flags():
    found = cells_of(form_of(["bee", "cow", "ant"], metric="accuracy"), [2, 0])
    assert found == [[0, 1, 0], [0, 0, 1]]


def test_f2_takes_tags_in_one_column():
    form = form_of(["tags"], task="multilabel", metric="f2", label_separator=" ")
    assert cells_of(form, FLAGS) == [["ant cow"], [""], ["bee"]]


def test_tags_stand_apart_as_the_labels_do():
    form = form_of(["tags"], task="multilabel", metric="f1_samples", label_separator="|")
    assert cells_of(form, FLAGS[:1]) == [["ant|cow"]]


def test_f1_with_a_column_a_class_takes_flags():
    form = form_of(["cow", "bee", "ant"], task="multilabel", metric="f1_macro")
    assert cells_of(form, FLAGS) == FLAGS[:, ::-1].tolist()


def test_a_ranking_is_a_list_with_the_best_first():
    found = cells_of(form_of(["Id"], metric="map@2"), [[2, 0], [1, 2]])
    assert found == [["cow ant"], ["bee cow"]]


def test_a_regression_writes_its_number_under_the_samples_one_column():
    form = form_of(["Pawpularity"], ["score"], [[1.0], [9.0]], task="regression", metric="rmse")
    assert cells_of(form, [[3.25], [4.0]]) == [[3.25], [4.0]]


def test_ratings_are_whole_numbers():
    form = form_of(["d"], ["diagnosis"], [[0.0], [4.0]], task="regression", metric="qwk")
    found = form.write(np.array([[3.0], [4.0]]))
    assert found.to_csv(index=False) == "d\n3\n4\n"


@pytest.mark.parametrize(
    ("columns", "params"),
    [
        (["ant", "bee"], {}),
        (["ant", "bee", "dog"], {}),
        ([*CLASSES, "dog"], {}),
        (["p"], {}),
        (["a", "b"], {"metric": "map@5"}),
        (CLASSES, {"metric": "map@5"}),
        (["p"], {"task": "multilabel", "metric": "auc"}),
    ],
)
def test_columns_that_are_not_the_classes_are_refused(columns, params):
    with pytest.raises(UserError, match="are not the classes of the labels"):
        form_of(columns, **params)


def test_two_classes_and_one_column_ask_for_the_positive_class():
    with pytest.raises(UserError, match=r"one of two, name it in competition\.positive_class"):
        form_of(["p"], ["cat", "dog"])


@pytest.mark.parametrize(
    ("columns", "classes", "positive"),
    [(["p"], ["cat", "dog"], "fox"), (["p", "q"], ["cat", "dog"], "cat"), (["p"], CLASSES, "ant")],
)
def test_a_positive_class_that_cannot_be_is_refused(columns, classes, positive):
    with pytest.raises(UserError, match=r"^competition\.positive_class: .* one of two classes"):
        form_of(columns, classes, positive_class=positive)


def test_a_refusal_shows_only_some_of_many_names():
    with pytest.raises(UserError, match=r"class 4 \.\.\. 120 in all"):
        form_of(CLASSES, [f"class {i}" for i in range(120)])


def test_a_class_that_only_the_sample_or_the_labels_have_is_named():
    """A breed of 120 that no training image shows, or that is spelled otherwise."""
    wide = [f"breed {i}" for i in range(120)]
    with pytest.raises(UserError, match=r"; only the one or the other has breed 7\.$"):
        form_of(wide, [name for name in wide if name != "breed 7"])
    with pytest.raises(UserError, match=r"; only the one or the other has Pug, pug\.$"):
        form_of([*wide, "pug"], ["Pug", *wide])


def test_kappa_of_labels_that_are_not_whole_is_refused():
    about = SimpleNamespace(threshold="one", cut_points="tuned")
    s = SimpleNamespace(competition=SimpleNamespace(task="regression", metric="qwk"),
                        submission=about)  # fmt: skip
    assert decisions.asked(s.competition, s.submission, np.array([[0.0], [4.0]])).ratings == (0, 4)
    with pytest.raises(UserError, match="qwk scores whole ratings, and the labels are not whole"):
        decisions.asked(s.competition, s.submission, np.array([[0.5], [4.0]]))


def test_written_predictions_keep_every_bit_of_a_float32(tmp_path):
    values = some_probabilities()
    values[0, :4] = [0, 1, np.finfo(np.float32).tiny, np.nextafter(np.float32(0.1), np.float32(1))]
    ids, classes = [f"{i:04d}" for i in range(50)], [f"class {i}" for i in range(120)]
    predictions.write(tmp_path / "p.csv", ids, classes, values)
    found = predictions.read(tmp_path / "p.csv")[2]
    assert np.array_equal(found.astype(np.float32), values)


def test_predictions_are_written_as_pandas_writes_them(tmp_path):
    ids, classes = ["a,b", 'say "a"', "", "a\r\nb"], ["id", "new york, ny", 'the "x"']
    values = np.array([[1 / 3, 0, 1], [1e-20, 2.5, -1], [1e5, 123456789012, 7e-5], [0.1, 0.2, 0.7]])
    predictions.write(tmp_path / "p.csv", ids, classes, values)
    table = pd.DataFrame(values, columns=classes)
    table.insert(0, "id", ids, allow_duplicates=True)
    expected = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    assert (tmp_path / "p.csv").read_bytes().decode() == expected


def test_ids_and_classes_come_back_as_they_were(tmp_path):
    classes = ["id", "1", "new york, ny", "é", "NA"]
    predictions.write(tmp_path / "p.csv", [*IDS, "1e5"], classes, np.full((4, 5), 0.2))
    ids, found, values = predictions.read(tmp_path / "p.csv")
    assert ids == [*IDS, "1e5"]
    assert found == classes
    assert values.shape == (4, 5)


def test_no_predictions_are_a_table_without_rows(tmp_path):
    predictions.write(tmp_path / "p.csv", [], CLASSES, np.empty((0, 3)))
    ids, classes, values = predictions.read(tmp_path / "p.csv")
    assert (ids, classes, values.shape) == ([], CLASSES, (0, 3))


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_a_mean_blend_is_the_arithmetic_mean(task):
    stack = np.stack([P, P[::-1]])
    np.testing.assert_allclose(blending.average(stack, "mean", task), (P + P[::-1]) / 2)


def test_a_gmean_blend_is_the_geometric_mean_with_rows_of_sum_one():
    stack = np.stack([P, P[::-1], P])
    root = (P * P[::-1] * P) ** (1 / 3)
    expected = root / root.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(blending.average(stack, "gmean", "multiclass"), expected)


def test_a_gmean_blend_of_several_labels_leaves_each_to_itself():
    stack = np.array([[[0.9, 0.4]], [[0.4, 0.1]]])
    np.testing.assert_allclose(blending.average(stack, "gmean", "multilabel"), [[0.6, 0.2]])


def test_a_gmean_blend_survives_a_zero():
    found = blending.average(np.array([[[0.0, 1.0]], [[0.5, 0.5]]]), "gmean", "multiclass")
    assert np.isfinite(found).all()
    assert found[0, 0] < 1e-6


@pytest.mark.parametrize("how", ["mean", "gmean"])
def test_one_fold_is_its_own_blend(how):
    np.testing.assert_allclose(blending.average(P[None], how, "multiclass"), P)


def test_clipping_keeps_rows_of_sum_one_and_away_from_certainty():
    certain = np.eye(3)
    found = predictions.clip(certain, 0.01, "multiclass")
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found, (0.98 * certain + 0.01) / 1.01)


def test_clipping_leaves_each_label_to_itself_and_numbers_alone():
    assert predictions.clip(np.array([[0, 1]]), 0.01, "multilabel").tolist() == [[0.01, 0.99]]
    assert predictions.clip(np.array([[63.0]]), 0.01, "regression").tolist() == [[63.0]]


def test_clipping_by_zero_changes_nothing():
    np.testing.assert_allclose(predictions.clip(P, 0, "multiclass"), P)
