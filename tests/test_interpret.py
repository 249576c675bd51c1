"""What is confused: one class, several labels, numbers."""

import numpy as np
import pandas as pd

from stages.looking.confused import confused, largest_errors, most_confused

CLASSES = ["a", "b", "c"]


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
