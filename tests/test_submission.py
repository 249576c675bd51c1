"""Predictions on their way to Kaggle: nothing lost, nothing reordered, every fault found."""

import numpy as np
import pandas as pd
import pytest

from stages.competition import predictions, sample
from stages.errors import UserError

CLASSES = ["ant", "bee", "cow"]
IDS = ["0001", "NA", "c"]
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]])


@pytest.fixture
def form():
    """A sample submission whose columns and rows are in an order of their own."""
    uniform = dict.fromkeys(["cow", "ant", "bee"], 1 / 3)
    return pd.DataFrame({"image_id": ["c", "0001", "NA"]} | uniform)


@pytest.fixture
def filled(form):
    return sample.fill(form, IDS, CLASSES, P)


def some_probabilities(rows=50, classes=120):
    rng = np.random.default_rng(0)
    return rng.dirichlet([0.1] * classes, size=rows).astype(np.float32)


def test_columns_and_rows_follow_the_sample(form, filled):
    assert list(filled.columns) == ["image_id", "cow", "ant", "bee"]
    assert filled["image_id"].tolist() == ["c", "0001", "NA"]
    assert filled[CLASSES].to_numpy().tolist() == P[[2, 0, 1]].tolist()


def test_predictions_that_the_sample_does_not_ask_for_are_left_out(form, filled):
    few = form.iloc[[2, 0]]
    found = sample.fill(few, IDS, CLASSES, P)
    assert found["image_id"].tolist() == ["NA", "c"]
    assert found["cow"].tolist() == [0.8, 0.25]


def test_an_id_without_a_prediction_is_refused_by_name(form):
    with pytest.raises(UserError, match="1 ids of the sample have no prediction: NA"):
        sample.fill(form, ["0001", "c"], CLASSES, P[:2])


@pytest.mark.parametrize("columns", [["ant", "bee"], ["ant", "bee", "dog"], [*CLASSES, "dog"]])
def test_columns_that_are_not_the_classes_are_refused(columns):
    form = pd.DataFrame({"id": IDS} | dict.fromkeys(columns, 0.5))
    with pytest.raises(UserError, match="are not the classes"):
        sample.fill(form, IDS, CLASSES, P)


def test_a_refusal_shows_only_some_of_many_names(form):
    many = [f"class {i}" for i in range(120)]
    with pytest.raises(UserError, match=r"class 4 \.\.\. 120 in all"):
        sample.fill(form, IDS, many, np.zeros((3, 120)))


def test_a_filled_sample_has_no_faults(form, filled):
    assert list(sample.faults(filled, form)) == []


def changed(table, row, column, value):
    return table.assign(**{column: table[column].where(table.index != row, value)})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: changed(t, 1, "ant", np.nan), "missing or infinite"),
        (lambda t: changed(t, 1, "ant", np.inf), "missing or infinite"),
        (lambda t: t.assign(ant=t["ant"] - 1, bee=t["bee"] + 1), "outside 0 to 1"),
        (lambda t: changed(t, 1, "ant", 0.71), "do not sum to 1"),
        (lambda t: t.assign(ant=0.0, bee=0.0, cow=0.0), "do not sum to 1"),
        (lambda t: t.iloc[::-1], "image_id differs"),
        (lambda t: t.iloc[1:], "image_id differs"),
        (lambda t: t.iloc[:0], "image_id differs"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "image_id differs"),
        (lambda t: changed(t, 1, "image_id", "d"), "image_id differs"),
        (lambda t: t[["image_id", *CLASSES]], "columns are"),
        (lambda t: t.drop(columns="bee"), "columns are"),
        (lambda t: t.reset_index(), "columns are"),
    ],
    ids=[
        *("nan", "infinite", "negative", "sum", "zeros", "order", "missing row", "no rows"),
        *("row twice", "other id", "column order", "missing column", "index written"),
    ],
)
def test_what_kaggle_would_refuse_is_found(form, filled, change, fault):
    assert fault in "; ".join(sample.faults(change(filled), form))


def test_rounding_in_a_file_is_no_fault(form):
    p = some_probabilities(3, 3).astype(float).round(9)
    assert list(sample.faults(sample.fill(form, IDS, CLASSES, p), form)) == []


def test_written_predictions_keep_every_bit_of_a_float32(tmp_path):
    values = some_probabilities()
    values[0, :4] = [0, 1, np.finfo(np.float32).tiny, np.nextafter(np.float32(0.1), np.float32(1))]
    ids, classes = [f"{i:04d}" for i in range(50)], [f"class {i}" for i in range(120)]
    predictions.write(tmp_path / "p.csv", ids, classes, values)
    found = predictions.read(tmp_path / "p.csv")[2]
    assert np.array_equal(found.astype(np.float32), values)


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


def test_a_mean_blend_is_the_arithmetic_mean():
    stack = np.stack([P, P[::-1]])
    np.testing.assert_allclose(predictions.blend(stack, "mean"), (P + P[::-1]) / 2)


def test_a_gmean_blend_is_the_geometric_mean_with_rows_of_sum_one():
    stack = np.stack([P, P[::-1], P])
    root = (P * P[::-1] * P) ** (1 / 3)
    expected = root / root.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictions.blend(stack, "gmean"), expected)


def test_a_gmean_blend_survives_a_zero():
    found = predictions.blend(np.array([[[0.0, 1.0]], [[0.5, 0.5]]]), "gmean")
    assert np.isfinite(found).all()
    assert found[0, 0] < 1e-6


@pytest.mark.parametrize("how", ["mean", "gmean"])
def test_one_fold_is_its_own_blend(how):
    np.testing.assert_allclose(predictions.blend(P[None], how), P)


def test_clipping_keeps_rows_of_sum_one_and_away_from_certainty():
    certain = np.eye(3)
    found = predictions.clip(certain, 0.01)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found, (0.98 * certain + 0.01) / 1.01)
    assert found.min() > 0
    assert found.max() < 1


def test_clipping_by_zero_changes_nothing():
    np.testing.assert_allclose(predictions.clip(P, 0), P)
