"""Fixtures that several test files share."""

import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from stages.base.unfinished import Kept
from stages.fit.stepper import Learner
from stages.images import decoding, pack, packing
from stages.model.tasks import TASKS
from tests import browser
from tests.kaggle_server import loopback
from tests.project import optimizer

COMMON = {"deadline": None, "database": None, "suppress_health_check": [*HealthCheck]}
settings.register_profile("default", max_examples=40, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=2000, derandomize=False, **COMMON)
settings.load_profile(os.environ.get("REPODIUM_FUZZ", "default"))


LONGEST = ("test_docs", "test_kill", "test_pipeline", "test_repro")


def pytest_collection_modifyitems(items):
    """Put the files that take minutes first: one that is begun last would be waited for alone."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


class Watched(Learner):
    """A learner that keeps the rates of every optimizer step, one list a new optimizer."""

    def new_optimizer(self, rates, weight_decay=None):
        optimizer, steps = super().new_optimizer(rates, weight_decay), []
        optimizer.register_step_pre_hook(
            lambda o, *_: steps.append([group["lr"] for group in o.param_groups])
        )
        self.optimizers = [*getattr(self, "optimizers", []), steps]
        return optimizer


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """The tensors here are tiny: on a busy machine threads would wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def make_learner():
    """Make a watched learner of a module on the CPU; one layer group unless told otherwise.

    `changes` are of the optimizer.
    """

    def make(module, groups=None, task=TASKS["multiclass"], seed=42, **changes):
        groups = groups or [list(module.parameters())]
        settings = optimizer(**changes)
        return Watched(module, groups, task, settings, seed, torch.device("cpu"))

    return make


@pytest.fixture
def site(monkeypatch, tmp_path):
    """Kaggle's stand-in, and an environment in which the real command knows no other."""
    (tmp_path / "home").mkdir()
    with loopback(monkeypatch, tmp_path / "home") as kaggle:
        yield kaggle


@pytest.fixture
def smooth():
    """Make a picture, uint8 (H, W, 3), without fine detail: any good resize agrees about it."""

    def make(width, height):
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        waves = [np.sin(4 * x + y), np.cos(3 * y - x), np.sin(2 * x + 5 * y)]
        return np.stack([127 + 100 * w for w in waves], axis=-1).round().astype(np.uint8)

    return make


@pytest.fixture
def make_pack(tmp_path):
    """Write pictures (by name, arrays (H, W, 3)) to a pack, as JPEGs, and open it."""

    def make(pictures, folder="pack"):
        kept = Kept(tmp_path / f"{folder}-kept")
        with packing.Writer(kept) as writer:
            for name, pixels in pictures.items():
                jpeg = decoding.to_jpeg(pixels, 95)
                writer.add(name, jpeg, pixels.shape[1], pixels.shape[0], training=True)
        packing.place(kept, tmp_path / folder)
        return pack.Pack(tmp_path / folder)

    return make


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """A tab of a headless Chromium; without one the test is skipped."""
    if not browser.found():
        pytest.skip("no Chromium is installed")
    with browser.tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab
