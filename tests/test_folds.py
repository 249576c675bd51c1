"""Folds: fastai's get_cv_idxs to the index, without its surprises."""

import numpy as np
import pandas as pd
import pytest

from stages.rows import folds, strata, tables
from stages.rows.folds import TRAIN_ONLY, get_cv_idxs

DOG_BREEDS, PLANET = 10222, 40479


@pytest.mark.parametrize(
    ("cv_idx", "first", "last"),
    [(4, [3694, 1573, 6281], [5734, 5191, 5390]), (0, [2882, 4514, 7717], [8922, 6774, 37])],
)
def test_dog_breeds_validation_rows_are_the_lessons(cv_idx, first, last):
    rows = get_cv_idxs(DOG_BREEDS, cv_idx)
    assert list(rows[:3]) == first
    assert list(rows[-3:]) == last


@pytest.mark.parametrize(("n", "size"), [(DOG_BREEDS, 2044), (PLANET, 8095), (10, 2), (9, 1)])
def test_a_fold_has_a_fifth_of_the_rows_rounded_down(n, size):
    assert len(get_cv_idxs(n)) == size


def test_val_pct_and_seed_change_the_rows():
    assert len(get_cv_idxs(100, val_pct=0.3)) == 30
    assert set(get_cv_idxs(100, seed=1)) != set(get_cv_idxs(100, seed=2))


def test_folds_are_disjoint():
    rows = np.concatenate([get_cv_idxs(DOG_BREEDS, k) for k in range(5)])
    assert len(set(rows)) == len(rows) == 5 * 2044


def test_numpys_global_random_state_is_left_alone():
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    get_cv_idxs(100)
    assert list(np.random.random(3)) == list(expected)  # noqa: NPY002


@pytest.mark.parametrize(("cv_idx", "val_pct"), [(5, 0.2), (4, 0.25), (3, 0.3), (-1, 0.2)])
def test_a_fold_past_the_last_row_is_refused(cv_idx, val_pct):
    with pytest.raises(ValueError, match=f"no fold {cv_idx}"):
        get_cv_idxs(DOG_BREEDS, cv_idx, val_pct)


@pytest.mark.parametrize("cv_idx", [0, 7])
def test_a_fold_without_rows_is_refused(cv_idx):
    """A fifth of four rows is none: fastai then trained without validating, and said nothing."""
    with pytest.raises(ValueError, match=f"no fold {cv_idx}"):
        get_cv_idxs(4, cv_idx)


def test_assign_gives_each_row_the_fold_that_validates_it():
    fold_of_row = folds.assign(DOG_BREEDS, 5, 0.2, 42)
    for k in range(5):
        assert set(np.flatnonzero(fold_of_row == k)) == set(get_cv_idxs(DOG_BREEDS, k))


def test_rows_left_over_by_the_folds_are_train_only():
    fold_of_row = folds.assign(DOG_BREEDS, 5, 0.2, 42)
    assert (fold_of_row == TRAIN_ONLY).sum() == DOG_BREEDS - 5 * 2044 == 2


def test_split_keeps_table_order_and_trains_on_all_that_does_not_validate():
    train, valid = tables.split(pd.DataFrame({"fold": [1, 0, TRAIN_ONLY, 1, 0]}), "1")
    assert list(train) == [1, 2, 4]
    assert list(valid) == [0, 3]


def test_full_trains_on_every_row_and_validates_none():
    train, valid = tables.split(pd.DataFrame({"fold": [1, 0, TRAIN_ONLY]}), "full")
    assert list(train) == [0, 1, 2]
    assert len(valid) == 0


RARE = ["a"] * 500 + ["b"] * 63 + ["c"] * 2 + ["d"]


def test_stratified_folds_share_out_every_class_evenly():
    fold = folds.assign_stratified(RARE, 5, seed=42)
    table = pd.crosstab(np.array(RARE), fold)
    assert (table.max(axis=1) - table.min(axis=1) <= 1).all()
    assert np.ptp(np.bincount(fold)) <= 1


def test_stratified_folds_depend_on_the_seed_alone():
    first, again = (folds.assign_stratified(RARE, 5, seed=42) for _ in range(2))
    assert list(first) == list(again) != list(folds.assign_stratified(RARE, 5, seed=43))


@pytest.mark.parametrize("strata", [["a", "b", "c", "d", "e"], ["a"] * 5, list("aabbccd")])
def test_classes_of_one_or_two_rows_are_dealt_out_too(strata):
    assert set(folds.assign_stratified(strata, 5, seed=0)) == set(range(5))


@pytest.mark.parametrize("rare", [0, 1, 2, 5])
def test_stratified_groups_stay_together_and_classes_are_shared_out(rare):
    classes = ["a", "a", "b"] * 40 + ["c"] * rare
    groups = [f"patient {i // 4}" for i in range(len(classes))]
    fold = folds.assign_stratified_groups(classes, groups, 5, seed=1)
    assert pd.Series(fold).groupby(groups).nunique().max() == 1
    table = pd.crosstab(np.array(classes), fold)
    assert np.ptp(table.loc["b"]) <= 4


def test_stratified_groups_of_rare_classes_alone_do_not_crash():
    groups = [f"g{i // 2}" for i in range(12)]
    fold = folds.assign_stratified_groups([str(i) for i in range(12)], groups, 5, seed=0)
    assert set(fold) == set(range(5))


@pytest.mark.parametrize("assign", [
    lambda: folds.assign_stratified(list("abcd"), 5, 0),
    lambda: folds.assign_stratified_groups(list("aabb"), list("ppqq"), 3, 0),
])  # fmt: skip
def test_fewer_rows_or_groups_than_folds_are_refused(assign):
    with pytest.raises(ValueError, match="folds"):
        assign()


def test_strata_are_classes_rarest_labels_and_tenths_of_the_numbers():
    assert strata.of(["a", "b"], "multiclass") == ["a", "b"]
    assert strata.of(["x\ty", "x", "x\tz\ty", "x", ""], "multilabel") == ["y", "x", "z", "x", ""]
    numbers = np.random.default_rng(0).permutation(100)
    found = strata.of([f"{n}.5\t0" for n in numbers], "regression")
    assert found == (numbers // 10).tolist()
