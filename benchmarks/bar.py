"""What the bar of a training stage costs, beside the smallest step that it counts.

    python benchmarks/bar.py

trains on activations in a terminal of its own, a network of nothing but a linear layer and the
bundled competition's head, and measures a step, the bar's share of it, and one drawing.
"""

from __future__ import annotations

import os
import pty
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from stages.base import bar
from stages.base.settings import Fit, Step
from stages.fit.data import ActivationData
from stages.fit.pace import passes
from stages.fit.stage_bar import StageBar
from stages.fit.stepper import Learner, Stepper
from stages.model.tasks import TASKS
from tests.project import optimizer

ROUNDS = 7
BATCHES = 50_000  # that the bar alone counts
DRAWINGS = 500


@click.command()
def main() -> None:
    """Print a line a network; the figures are the least of several rounds."""
    torch.set_num_threads(1)
    wide = [nn.BatchNorm1d(2560), nn.Linear(2560, 512), nn.ReLU(), nn.Linear(512, 10)]
    for name, rows, module in (("linear", 8, nn.Linear(8, 3)), ("head", 32, nn.Sequential(*wide))):
        step, counting, drawing = measured(module, rows)
        share = counting / step + drawing / bar.EVERY
        click.echo(
            f"{name}: a step {step * 1e6:.0f} us, counting it {counting * 1e9:.0f} ns, a drawing "
            f"{drawing * 1e6:.0f} us each {bar.EVERY:g} s: {share:.3%}"
        )


def measured(module: nn.Module, rows: int) -> tuple[float, float, float]:
    """Seconds of a training step, of counting it, and of drawing the bar."""
    inputs = next(module.parameters()).shape[-1]
    pair = torch.randn(rows, inputs), torch.arange(rows) % 3
    learner = Learner(
        module, [list(module.parameters())], TASKS["multiclass"], optimizer(), 0,
        torch.device("cpu"),
    )  # fmt: skip
    stepper = Stepper(learner, [0.01])
    step = least(lambda: stepper.step(pair, 1.0), 300)
    data = ActivationData((pair[0][:, None], pair[1]), pair, 1, 0)
    data.images = BATCHES
    plan = passes([Step(image_size=64, layers="head", fits=[Fit(lr=0.1, cycles=9)])], data)
    with in_a_terminal(), StageBar("head@0", plan, [{"valid_loss": 0.3, "accuracy": 0.9}]) as shown:
        shown.enter(stepper)
        counting = least(lambda: deque(shown.over(iter(range(BATCHES))), 0), 1) / BATCHES
        drawing = least(shown._bar.refresh, DRAWINGS)
    return step, counting, drawing


@contextmanager
def in_a_terminal() -> Iterator[None]:
    """Standard error is a terminal, whose reader reads."""
    ours, theirs = pty.openpty()
    threading.Thread(target=_read, args=(ours,), daemon=True).start()
    before = sys.stderr
    with os.fdopen(theirs, "w") as sys.stderr:
        os.environ.pop("CI", None)
        yield
    sys.stderr = before


def _read(terminal: int) -> None:
    with suppress(OSError):  # its end
        while os.read(terminal, 65536):
            pass


def least(work: Callable[[], object], times: int) -> float:
    """Seconds of one, of the quickest of several rounds of so many."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - start) / times)
    return min(found)


if __name__ == "__main__":
    main()
