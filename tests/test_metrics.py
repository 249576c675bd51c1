"""Competition metrics against formulas written out."""

import numpy as np
import pytest

from stages.competition import metrics

TRUTH = np.array([0, 2, 1, 2])
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4]])


def test_log_loss_is_the_mean_negative_log_of_the_true_class():
    expected = -np.mean(np.log([0.7, 0.4, 0.6, 0.4]))
    assert metrics.score("log_loss", TRUTH, P) == pytest.approx(expected)


def test_log_loss_renormalises_rows():
    assert metrics.score("log_loss", TRUTH, 3 * P) == pytest.approx(metrics.log_loss(TRUTH, P))


def test_log_loss_knows_classes_that_the_truth_lacks():
    assert metrics.score("log_loss", np.array([1, 1]), P[:2]) == pytest.approx(
        -np.mean(np.log([0.2, 0.5]))
    )


@pytest.mark.parametrize("classes", [2, 10, 120])
def test_log_loss_of_guessing_is_the_log_of_the_classes(classes):
    truth = np.arange(classes)
    uniform = np.full((classes, classes), 1 / classes)
    assert metrics.score("log_loss", truth, uniform) == pytest.approx(np.log(classes))


def test_log_loss_of_a_certain_error_is_large_and_finite():
    assert 10 < metrics.score("log_loss", np.array([0]), np.array([[0.0, 1.0]])) < 1000


def test_float32_predictions_score_as_float64_ones():
    found = metrics.score("log_loss", TRUTH, P.astype(np.float32))
    assert found == pytest.approx(metrics.log_loss(TRUTH, P), rel=1e-6)


def test_accuracy_is_the_share_of_rows_that_are_right():
    assert metrics.score("accuracy", TRUTH, P) == 3 / 4


def test_error_is_the_share_of_rows_that_are_wrong():
    assert metrics.score("error", TRUTH, P) == 1 / 4
