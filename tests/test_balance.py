"""Rare classes: how often their rows come up and what they weigh, against the formulas."""

from __future__ import annotations

import hashlib
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch import nn

from stages.base.settings import Fit, Transforms
from stages.fit import fitting, losses
from stages.fit.data import ActivationData, ImageData
from stages.fit.fitting import History, Rates
from stages.fit.sampling import Sampler
from stages.images.loading import Views
from stages.model import tasks

COUNTS = [23, 7, 60]
LABELS = np.repeat([2, 0, 1], [60, 23, 7])
TAGS = np.array([[1, 0, 0]] * 40 + [[1, 1, 0]] * 9 + [[0, 1, 1]] * 4 + [[0, 0, 0]] * 5)


def by_hash(*key):
    """The random generator of a key since the first commit."""
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def options(**changes):
    off = {"class_weights": "none", "focal_gamma": 0.0, "label_smoothing": 0.0}
    return SimpleNamespace(**(off | changes))


def data_of(labels, oversample=0.0, views=1):
    """Activations that say which row and which view they are, in batches of 8."""
    rows = torch.cartesian_prod(torch.arange(len(labels)), torch.arange(views))
    rows = rows.view(len(labels), views, 2).float()
    labels = torch.from_numpy(labels)
    return ActivationData((rows, labels), (rows[:4, 0], labels[:4]), 8, 1, oversample)


def epoch(data, name="head/0", skip=0):
    """Rows and views of an epoch's training batches, in order, and the batches' sizes."""
    [(train, _)] = data.epochs([name], skip)
    batches = [found.long() for found, _ in train]
    return torch.cat(batches).tolist(), [len(batch) for batch in batches]


def shares(labels, oversample, name="head/0"):
    """How many rows of each class an epoch has."""
    rows, _ = Sampler(labels, oversample, seed=1).epoch(name)
    return np.bincount(labels[rows])


# Without any option


def test_by_default_every_row_comes_once_in_the_order_of_the_first_commit():
    found, sizes = epoch(data_of(LABELS))
    assert [row for row, _ in found] == by_hash("order", 1, "head/0").permutation(90).tolist()
    assert sizes == [8] * 11 + [2]


def test_by_default_a_fit_has_the_bits_of_a_plain_loop(make_learner):
    """torch's SGD and cross-entropy; order and dropout by the hash of seed and epoch."""
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 3)))
    ours, plain = networks
    data, learner = data_of(LABELS), make_learner(ours)
    learner.loss = losses.of(learner.task.loss, options(), data.labels, 3)
    fits, about = [Fit(lr=0.1, cycles=2)], {"stage": "head", "size": 64, "layers": "head"}
    fitting.fit_all(learner, data, fits, Rates(None, 10), History(), **about)

    sgd = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9, weight_decay=0.0)
    rows, labels = data.train[0][:, 0], data.train[1]
    for name in ("head/0", "head/1"):
        order = torch.from_numpy(by_hash("order", 1, name).permutation(90))
        torch.manual_seed(int(by_hash(42, "torch", name).integers(2**63)))
        for part in order.split(8):
            sgd.zero_grad()
            F.cross_entropy(plain(rows[part]), labels[part]).backward()
            sgd.step()
    found, expected = ours.state_dict(), plain.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "task", [tasks.of(t) for t in tasks.TASKS] + [tasks.of("regression", [0.0], [1.0])]
)
def test_by_default_the_loss_is_the_tasks_very_own(task):
    assert losses.of(task.loss, options(), torch.zeros(3, 2), 2) is task.loss


# Oversampling


def test_oversampled_to_the_full_all_classes_are_equal():
    assert shares(LABELS, 1.0).tolist() == [60, 60, 60]


@pytest.mark.parametrize("oversample", [0.25, 0.5, 0.8])
def test_in_between_a_class_has_rows_in_proportion_to_a_power_of_its_count(oversample):
    expected = 60 * (np.array(COUNTS) / 60) ** (1 - oversample)
    assert np.abs(shares(LABELS, oversample) - expected).max() < 1


def test_no_row_is_left_out_and_none_is_copied_more_than_its_class_needs():
    rows, _ = Sampler(LABELS, 0.5, seed=1).epoch("head/0")
    found = Counter(rows.tolist())
    for row, label in enumerate(LABELS):
        assert found[row] - (60 / COUNTS[label]) ** 0.5 == pytest.approx(0, abs=1)
        assert found[row] >= 1


def test_every_epoch_has_the_same_length_and_the_batches_for_it():
    data = data_of(LABELS, 0.7)
    lengths = {sum(epoch(data, f"head/{i}")[1]) for i in range(20)}
    assert lengths == {int(sum(n * (60 / n) ** 0.7 for n in COUNTS))}
    assert data.steps == len(epoch(data)[1])


def test_over_many_epochs_the_rows_of_a_class_are_copied_equally_often():
    """7 rows share 20 or 21 places, 2 or 3 each; their means over 400 epochs agree."""
    sampler = Sampler(LABELS, 0.5, seed=1)
    found = np.zeros(90)
    for i in range(400):
        found += np.bincount(sampler.epoch(f"head/{i}")[0], minlength=90)
    rare = found[83:] / 400
    assert rare == pytest.approx(np.full(7, rare.mean()), abs=4 * 0.5 / 20)


def test_the_order_of_copies_depends_on_seed_and_name_alone_and_is_mixed():
    def order(name, seed=1):
        return Sampler(LABELS, 1.0, seed).epoch(name)[0].tolist()

    assert order("head/1") == order("head/1")
    assert order("head/1") != order("head/2")
    assert order("head/1") != order("head/1", seed=2)
    drawn = LABELS[order("head/1")]
    assert np.abs(np.bincount(drawn[:90]) - 30).max() < 15  # no class comes first


def test_an_epoch_that_is_gone_on_with_has_the_batches_of_a_whole_one():
    data = data_of(LABELS, 0.6)
    whole, sizes = epoch(data)
    rest, _ = epoch(data, skip=3)
    assert rest == whole[sum(sizes[:3]) :]


def test_the_copies_of_a_row_are_seen_in_different_views():
    found, _ = epoch(data_of(LABELS, 1.0, views=9))  # no class is copied more than nine times
    assert len({tuple(pair) for pair in found}) == len(found) == 180


def test_a_row_of_several_tags_follows_its_rarest_and_one_without_comes_once():
    rows, _ = Sampler(TAGS, 1.0, seed=1).epoch("head/0")
    found = np.bincount(rows)
    wanted = [1] * 40 + [49 / 13] * 9 + [49 / 4] * 4 + [1] * 5
    assert np.abs(found - wanted).max() < 1
    assert found[:40].tolist() == [1] * 40
    assert found[53:].tolist() == [1] * 5
    assert found[49:53].sum() == pytest.approx(49, abs=1)


def test_the_copies_of_an_image_are_different_views_of_it(make_pack):
    rng = np.random.default_rng(0)
    names = [f"{i}.jpg" for i in range(6)]
    pack = make_pack({name: rng.integers(0, 256, (26, 30, 3), np.uint8) for name in names})
    transforms = Transforms(augment="top_down", max_zoom=1.2, rotate=10, lighting=0.05)
    views = Views(pack, pack.rows(names), 20, transforms, 42)
    labels = torch.tensor([0, 0, 0, 1, 1, 0])
    rows = np.array([0, 1, 2, 3])  # three of class 0, one of class 1
    data = ImageData(views, labels, rows, np.array([4, 5]), 4, 2, oversample=1.0)
    [(train, valid)] = data.epochs(["augment/0"])
    batches = list(train)
    pixels, found = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    assert found.bincount().tolist() == [3, 3]
    assert len({x.numpy().tobytes() for x in pixels}) == 6
    assert [y.tolist() for _, y in valid] == [[1, 0]]
    assert data.steps == len(batches) == 2


# Weights, focus, smoothing


@pytest.fixture
def outputs():
    return torch.from_numpy(np.random.default_rng(0).normal(0, 2, (58, 3))).float()


@pytest.fixture
def classes():
    return torch.from_numpy(np.random.default_rng(1).choice(3, 58, p=[0.7, 0.2, 0.1]))


def trained_on(task, targets, **changes):
    return losses.of(tasks.of(task).loss, options(**changes), targets, 3)


def log_softmax(outputs):
    x = outputs.double().numpy()
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def test_class_weights_are_scikit_learns():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    found = losses.class_weights(torch.from_numpy(LABELS), 3)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_class_that_is_not_trained_on_weighs_one_and_is_not_counted():
    labels = torch.tensor([0, 0, 0, 2])
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels.numpy())
    found = losses.class_weights(labels, 4)
    np.testing.assert_allclose(found[[0, 2]], expected, rtol=1e-6)
    assert found[[1, 3]].tolist() == [1, 1]


def test_the_weighted_loss_is_the_weighted_mean(outputs, classes):
    weights = compute_sample_weight("balanced", classes.numpy())
    rows = -log_softmax(outputs)[np.arange(58), classes]
    found = trained_on("multiclass", classes, class_weights="balanced")(outputs, classes)
    assert float(found) == pytest.approx(np.average(rows, weights=weights), rel=1e-5)


def test_the_weights_are_of_all_rows_and_not_of_a_batch(outputs, classes):
    loss = trained_on("multiclass", classes, class_weights="balanced")
    weights = compute_sample_weight("balanced", classes.numpy())[:10]
    rows = -log_softmax(outputs)[np.arange(10), classes[:10]]
    found = float(loss(outputs[:10], classes[:10]))
    assert found == pytest.approx(np.average(rows, weights=weights), rel=1e-5)


def test_smoothing_gives_its_part_to_all_classes_alike(outputs, classes):
    aims = 0.9 * np.eye(3)[classes] + 0.1 / 3
    expected = -(aims * log_softmax(outputs)).sum(axis=1).mean()
    found = trained_on("multiclass", classes, label_smoothing=0.1)(outputs, classes)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_focal_loss_is_that_of_the_paper(outputs, classes, weights):
    p = np.exp(log_softmax(outputs))[np.arange(58), classes]
    alpha = compute_sample_weight(weights if weights != "none" else None, classes.numpy())
    expected = np.average(-((1 - p) ** 2) * np.log(p), weights=alpha)
    loss = trained_on("multiclass", classes, focal_gamma=2.0, class_weights=weights)
    assert float(loss(outputs, classes)) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_tends_to_cross_entropy(outputs, classes):
    found = trained_on("multiclass", classes, focal_gamma=1e-6, label_smoothing=0.1)
    expected = trained_on("multiclass", classes, label_smoothing=0.1)
    assert float(found(outputs, classes)) == pytest.approx(float(expected(outputs, classes)))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_sure_and_right_row_has_a_gradient_whatever_the_focus(task):
    outputs = torch.tensor([[200.0, -200.0, -200.0]], requires_grad=True)
    targets = torch.tensor([0]) if task == "multiclass" else torch.tensor([[1.0, 0, 0]])
    trained_on(task, targets, focal_gamma=0.5)(outputs, targets).backward()
    assert outputs.grad.isfinite().all()


@pytest.fixture
def tags():
    return torch.from_numpy(TAGS).float()


def bce(outputs, aims):
    """Binary cross-entropy of every tag, and the probability of what is true."""
    p = 1 / (1 + np.exp(-outputs.double().numpy()))
    return -(aims * np.log(p) + (1 - aims) * np.log(1 - p)), np.where(aims > 0.5, p, 1 - p)


def test_tags_are_smoothed_towards_a_half(outputs, tags):
    cells, _ = bce(outputs, TAGS * 0.8 + 0.1)
    found = trained_on("multilabel", tags, label_smoothing=0.2)(outputs, tags)
    assert float(found) == pytest.approx(cells.mean(), rel=1e-5)


def test_each_tag_is_balanced_by_itself(outputs, tags):
    cells, _ = bce(outputs, TAGS)
    weights = [compute_sample_weight("balanced", tag) for tag in TAGS.T]
    found = trained_on("multilabel", tags, class_weights="balanced")(outputs, tags)
    assert float(found) == pytest.approx((cells * np.transpose(weights)).mean(), rel=1e-5)


def test_focal_loss_of_tags_is_that_of_the_paper(outputs, tags):
    cells, right = bce(outputs, TAGS)
    found = trained_on("multilabel", tags, focal_gamma=2.0)(outputs, tags)
    assert float(found) == pytest.approx(((1 - right) ** 2 * cells).mean(), rel=1e-5)


def test_a_tag_that_all_rows_have_weighs_one():
    tags = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    absent, present = losses.tag_weights(tags)
    assert present.tolist() == pytest.approx([1, 3 / 2])
    assert absent.tolist() == pytest.approx([1, 3 / 4])


def test_validation_is_by_the_tasks_own_loss(make_learner):
    data, learner = data_of(LABELS), make_learner(nn.Linear(2, 3))
    learner.loss = trained_on("multiclass", data.labels, class_weights="balanced", focal_gamma=2.0)
    [(_, valid)] = data.epochs(["head/0"])
    rows, labels = data.valid
    expected = F.cross_entropy(learner.module(rows), labels).item()
    assert fitting.evaluate(learner, valid)[0]["valid_loss"] == pytest.approx(expected, rel=1e-6)
