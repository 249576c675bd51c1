"""Losses, outputs and the lesson's metric of each task, against independent computations."""

import numpy as np
import pytest
import torch
from sklearn.metrics import fbeta_score

from stages.model import tasks


@pytest.fixture
def outputs():
    return torch.from_numpy(np.random.default_rng(0).normal(0, 2, (40, 5))).float()


@pytest.fixture
def tags():
    return torch.from_numpy(np.random.default_rng(1).integers(0, 2, (40, 5))).float()


def test_multilabel_probabilities_are_independent(outputs):
    found = tasks.of("multilabel").activation(outputs).numpy()
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-outputs.numpy())), rtol=1e-5)


def test_multilabel_loss_is_the_mean_over_rows_and_classes(outputs, tags):
    p, t = 1 / (1 + np.exp(-outputs.double().numpy())), tags.numpy()
    expected = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert float(tasks.of("multilabel").loss(outputs, tags)) == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_the_mean_of_the_rows_losses(outputs, tags):
    classes, wide = tags[:, 0].long(), tasks.of("regression", [1.0] * 5, [2.0] * 5)
    for task, targets in [
        (tasks.of("multiclass"), classes), (tasks.of("multilabel"), tags), (wide, 3 * tags),
    ]:  # fmt: skip
        rows = task.row_losses(outputs, targets)
        alone = [float(task.loss(outputs[[i]], targets[[i]])) for i in range(40)]
        assert rows.tolist() == pytest.approx(alone, rel=1e-5)
        assert float(rows.mean()) == pytest.approx(float(task.loss(outputs, targets)), rel=1e-5)


def test_f2_is_scikit_learns_at_the_threshold_of_planet(outputs, tags):
    said = 1 / (1 + np.exp(-outputs.numpy())) > 0.2
    tags[3] = 0  # a row without a tag
    expected = fbeta_score(tags.numpy(), said, beta=2, average="samples", zero_division=0)
    assert tasks.of("multilabel").score(outputs, tags) == pytest.approx(expected, rel=1e-6)


def test_a_regression_predicts_in_the_unit_of_its_numbers():
    task = tasks.of("regression", [40.0], [20.0])
    assert task.activation(torch.tensor([[0.0], [1.5]])).tolist() == [[40], [70]]
    assert task.score(torch.tensor([[0.0], [1.0]]), torch.tensor([[40.0], [50.0]])) == (
        pytest.approx(np.sqrt(50))
    )


def test_the_loss_of_a_regression_does_not_depend_on_the_unit():
    outputs, numbers = torch.randn(30, 2), torch.randn(30, 2)
    one = tasks.of("regression", [1.0, 2.0], [3.0, 4.0]).loss(outputs, numbers)
    cents = tasks.of("regression", [100.0, 200.0], [300.0, 400.0]).loss(outputs, 100 * numbers)
    assert float(cents) == pytest.approx(float(one), rel=1e-5)


def test_always_predicting_the_mean_loses_one():
    numbers = torch.randn(1000, 1) * 7 + 3
    centre, spread = [float(numbers.mean())], [float(numbers.std(correction=0))]
    found = tasks.of("regression", centre, spread).loss(torch.zeros(1000, 1), numbers)
    assert float(found) == pytest.approx(1, rel=1e-4)


def test_the_error_of_several_columns_is_the_mean_of_theirs():
    task = tasks.of("regression", [0.0, 0.0], [1.0, 1.0])
    outputs, truth = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[1.0, 3.0], [1.0, 0.0]])
    assert task.score(outputs, truth) == pytest.approx((2**0.5 + 12.5**0.5) / 2)
