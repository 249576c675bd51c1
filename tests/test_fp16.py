"""fp16, the precision of GPUs without bf16: gradients too small or too large for it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages.fit import stepper as stepping
from stages.fit.stepper import Stepper

STEPS = 12
FIRST_SCALE = 65536.0  # torch's own


class Half(nn.Module):
    """A backbone in fp16 under a head in fp32, as the network is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone, self.head = nn.Linear(6, 16), nn.Linear(16, 3)
        self.half = True

    def forward(self, x):
        with torch.autocast("cpu", torch.float16, enabled=self.half):
            x = self.backbone(x)
        return self.head(x.float())


def batches(steps=STEPS):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(steps, 5, 6, generator=generator)
    return list(zip(inputs, torch.randint(0, 3, (steps, 5), generator=generator), strict=True))


def begun(make_learner, factor, *, half=True, scaled=True, rate=0.1):
    """A module, and a stepper that trains it on `factor` times the cross-entropy."""
    module = Half()
    module.half = half
    learner = make_learner(module)
    learner.scale_gradients = scaled
    learner.loss = lambda outputs, targets: factor * F.cross_entropy(outputs, targets)
    return module, Stepper(learner, [rate])


@pytest.mark.parametrize("scaled", [True, False])
def test_gradients_below_fp16s_smallest_number_are_not_lost(make_learner, scaled):
    moved = []
    for half in (True, False):
        module, stepper = begun(make_learner, 1e-8, half=half, scaled=half and scaled, rate=1e6)
        before = module.backbone.weight.detach().clone()
        stepper.step(batches()[0], 1.0)
        moved.append(module.backbone.weight.detach() - before)
    if scaled:
        torch.testing.assert_close(*moved, rtol=0.01, atol=1e-5)
    else:
        assert not moved[0].any()
        assert moved[1].any()


def test_a_step_whose_gradients_overflow_is_left_out_and_the_next_scaled_by_half(make_learner):
    module, stepper = begun(make_learner, 100)
    before = [p.detach().clone() for p in module.parameters()]
    stepper.step(batches()[0], 1.0)
    assert all(torch.equal(p, b) for p, b in zip(module.parameters(), before, strict=True))
    assert stepper.scaler.get_scale() == FIRST_SCALE / 2
    for batch in batches()[1:]:
        stepper.step(batch, 0.01)
    assert all(p.isfinite().all() for p in module.parameters())
    assert not torch.equal(module.backbone.weight, before[0])


@pytest.mark.parametrize("killed", [1, 7])
def test_steps_that_go_on_end_in_the_same_bits(make_learner, killed):
    """Among the first, which leave steps out, and later."""
    whole, stepper = begun(make_learner, 100)
    for number, batch in enumerate(batches(), 1):
        stepper.step(batch, 0.01)
        if number == killed:
            weights = {name: t.clone() for name, t in whole.state_dict().items()}
            kept = {name: t.clone() for name, t in stepper.tensors().items()}
            scaler = stepper.scaler.state_dict()
    second, again = begun(make_learner, 100)
    second.load_state_dict(weights)
    again.restore(kept, killed, scaler)
    for batch in batches()[killed:]:
        again.step(batch, 0.01)
    assert again.scaler.state_dict() == stepper.scaler.state_dict()
    for found, expected in zip(second.parameters(), whole.parameters(), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("first", [True, False])
def test_a_run_goes_on_where_gradients_are_scaled_otherwise(make_learner, first):
    """Begun on a GPU without bf16 and gone on with on one that has it, or the other way round."""
    module, stepper = begun(make_learner, 1, scaled=first)
    stepper.step(batches()[0], 1.0)
    second, again = begun(make_learner, 1, scaled=not first)
    second.load_state_dict(module.state_dict())
    again.restore(stepper.tensors(), 1, stepper.scaler.state_dict())
    for batch in batches()[1:]:
        again.step(batch, 1.0)
    assert all(p.isfinite().all() for p in second.parameters())
    assert not torch.equal(second.backbone.weight, module.backbone.weight)


def test_random_state_goes_back_to_the_kind_of_device_that_it_came_from(monkeypatch):
    asked = []

    class Device:
        """What torch.cuda and torch.mps have in common."""

        def __init__(self, device):
            self.device = device

        def get_rng_state(self):
            return torch.full((16,), 7, dtype=torch.uint8)

        def set_rng_state(self, state):
            asked.append((self.device.type, int(state[0])))

    monkeypatch.setattr(torch, "get_device_module", Device)
    states = stepping.random_state(torch.device("cuda"))
    for device in ("cpu", "mps", "cuda"):
        stepping.restore_random_state(torch.device(device), states)
    assert asked == [("cuda", 7)]
