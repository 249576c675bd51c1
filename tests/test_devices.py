"""Beside an accelerator: what trains and predicts never mixes its tensors with the CPU's.

torch's fake tensors have shapes and devices but no numbers, and refuse to be mixed as real ones do,
so that this needs no accelerator. Theirs is `meta`, the one device that every build of torch has.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from stages.fit import fitting, losses, mixing
from stages.fit.groups import layer_groups
from stages.fit.stepper import Stepper
from stages.learner import prediction
from stages.model import folding, hardware, tasks
from stages.model.hardware import Precision
from stages.model.network import Network, build_backbone, build_head

ACCELERATOR = torch.device("meta")
CLASSES = 3
TARGETS = {
    "multiclass": torch.tensor([0, 1, 2, 1]),
    "multilabel": torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1]]),
    "regression": torch.tensor([[0.5, 1, 2], [1, 2, 3], [0, 0, 1], [2, 1, 0]]),
}


@pytest.fixture
def network(monkeypatch):
    """A network on the accelerator; it cannot be moved there, so it is made there."""
    monkeypatch.setattr(nn.Module, "to", lambda module, *_, **__: module)
    monkeypatch.setattr(Precision, "autocast", lambda _: nullcontext())  # meta knows none
    monkeypatch.setattr(folding, "folded", lambda backbone, _: backbone)  # compares numbers
    with FakeTensorMode(allow_non_fake_inputs=True):
        with ACCELERATOR:
            backbone = build_backbone("test_resnet")
            head = build_head(2 * backbone.num_features, CLASSES, [8], [0.25, 0.5])
            made = Network(backbone, head, "concat", [0.5] * 3, [0.2] * 3)
        made.precision = Precision(ACCELERATOR)
        yield made


def loss_of(task, class_weights="none", focal_gamma=0.0, label_smoothing=0.0):
    options = SimpleNamespace(
        class_weights=class_weights, focal_gamma=focal_gamma, label_smoothing=label_smoothing
    )
    return losses.of(tasks.of(task, [1.0] * 3, [2.0] * 3).loss, options, TARGETS[task], CLASSES)


LOSSES = [
    *((task, loss_of(task)) for task in TARGETS),
    *((task, loss_of(task, "balanced", 2, 0.1)) for task in ("multiclass", "multilabel")),
    *((task, loss_of(task, "balanced")) for task in ("multiclass", "multilabel")),
]


def step(make_learner, network, task="multiclass", loss=None, mixing=None, **changes):
    """Train on a batch, and predict it with the weights that are judged."""
    network.freeze_to("all")
    network.train()
    learner = make_learner(network, layer_groups(network.backbone, network.head), **changes)
    learner.task, learner.loss = tasks.of(task, [1.0] * 3, [2.0] * 3), loss
    learner.mixing, learner.device = mixing, ACCELERATOR
    stepper = Stepper(learner, [0.1] * 3)
    batch = torch.zeros(4, 3, 32, 32, dtype=torch.uint8), TARGETS[task]
    stepper.step(batch, 1.0)
    assert stepper.smoothed.sum.device == ACCELERATOR  # nothing was waited for
    with stepper.judged():
        return fitting.predict(network, iter([batch]), ACCELERATOR)


@pytest.mark.parametrize("on", [True, False])
def test_cuda_repeats_itself_or_takes_what_is_fastest(monkeypatch, on):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    for flag in ("deterministic", "benchmark"):
        monkeypatch.setattr(cudnn, flag, getattr(cudnn, flag))
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    try:
        hardware.resolve_device(SimpleNamespace(device="auto", deterministic=on))
        assert (cudnn.deterministic, cudnn.benchmark) == (on, not on)
        assert torch.are_deterministic_algorithms_enabled() == on
        assert not torch.utils.deterministic.fill_uninitialized_memory  # costs a kernel each time
    finally:
        torch.use_deterministic_algorithms(before)


def test_tensors_of_two_devices_are_refused(network):
    with pytest.raises(RuntimeError, match="device"):
        network(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize(("task", "loss"), LOSSES)
def test_a_step_and_what_is_validated_after_it(make_learner, network, task, loss):
    outputs, targets = step(make_learner, network, task, loss)
    assert outputs.shape == (4, CLASSES)
    assert {outputs.device.type, targets.device.type} == {"cpu"}


@pytest.mark.parametrize("changes", [{"name": "adamw"}, {"ema": 0.9}])
def test_with_other_optimizers(make_learner, network, changes):
    step(make_learner, network, **changes)


@pytest.mark.parametrize("mixed", [mixing.mixup, mixing.cutmix])
def test_with_mixed_images(make_learner, network, monkeypatch, mixed):
    monkeypatch.setattr(mixing, "_side", lambda *_: (2, 9))  # it draws a number
    step(make_learner, network, mixing=lambda pixels: mixed(pixels, 0.3))


def predictions(compute, monkeypatch, batches=1):
    """Of two images in five views a batch."""
    pixels = torch.zeros(2, 5, 3, 32, 32, dtype=torch.uint8)

    def load(views, todo, workers, device):
        assert device == ACCELERATOR  # so that batches are prepared ahead
        return [(pixels, range(2))] * batches

    monkeypatch.setattr(prediction, "load", load)
    views = SimpleNamespace(rows=range(2 * batches), which=[""] * 5)
    return prediction.of_views(compute, views, 10, 1, ACCELERATOR)


def test_predictions_come_back(network, monkeypatch):
    [outputs] = predictions(network.eval(), monkeypatch)
    assert outputs.shape == (2, 5, CLASSES)
    assert outputs.device.type == "cpu"


def test_the_next_batch_is_under_way_before_the_last_is_waited_for(network, monkeypatch):
    begun, network = [], network.eval()

    def compute(pixels):
        begun.append(pixels.device)
        return network(pixels)

    seen = [len(begun) for _ in predictions(compute, monkeypatch, batches=3)]
    assert seen == [2, 3, 3]
    assert set(begun) == {ACCELERATOR}


class Copies(TorchFunctionMode):
    """Watches which copies to a device are waited for."""

    def __init__(self, device=ACCELERATOR):
        super().__init__()
        self.device, self.waited = device, []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.Tensor.to and self.device in args:
            self.waited.append(not kwargs.get("non_blocking"))
        return function(*args, **kwargs)


def test_no_batch_is_freed_before_it_is_copied(make_learner, network, monkeypatch):
    """MPS goes on reading the memory of a batch that is not waited for, whoever has it by then."""
    with Copies() as copies:
        step(make_learner, network)
        list(predictions(network.eval(), monkeypatch))
    assert copies.waited == [True] * 4  # the step's images and labels, and what was predicted


@pytest.mark.parametrize(("task", "loss"), LOSSES)
def test_no_step_on_cuda_waits_for_what_its_loss_is_made_of(task, loss):
    cuda, known = torch.device("cuda", 0), TARGETS[task]
    with FakeTensorMode(allow_non_fake_inputs=True), Copies(cuda) as copies:
        targets = torch.empty(known.shape, dtype=known.dtype, device=cuda)
        assert loss(torch.empty(4, CLASSES, device=cuda), targets).device == cuda
    assert not any(copies.waited)


@pytest.mark.parametrize(("device", "waits"), [("cuda", False), ("mps", True), ("cpu", True)])
def test_cuda_alone_copies_while_it_works(device, waits):
    found = SimpleNamespace(to=lambda _, non_blocking: non_blocking)
    assert hardware.moved(found, torch.device(device)) != waits
