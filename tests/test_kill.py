"""Real processes, really killed: `dvc repro` goes on, to the same bytes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.project import dvc, heeds_signals, write_competition, write_repository

AGAIN = ("repro", "--force", "--single-item", "unfreeze@0")
PROGRESS = "unfreeze@0-*/progress.safetensors"
MEASURED = "        self._cost = self._last - start\n"
HOLD = """\
        self.times = getattr(self, "times", 0) + 1
        while self.times == 20 and "HELD" in os.environ:
            time.sleep(1)
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository that has trained, and that keeps what it does after every step.

    Where it is held it trains 20 steps at most: it cannot end before the signal, however late
    that comes.
    """
    source = tmp_path_factory.mktemp("competition")
    write_competition(source)
    fits = [{"lr": [0.001, 0.003, 0.01], "cycles": 6, "cycle_len": 1, "cycle_mult": 2}]
    changes = {"unfreeze.fits": fits, "augment.fits": [], "progressive.steps": []}
    folder = write_repository(tmp_path_factory.mktemp("r") / "r", source, **changes)
    path = folder / "stages/base/unfinished.py"
    changed = path.read_text().replace("EVERY = 5.0", "EVERY = 0.0").replace("100 ", "0 ")
    assert MEASURED in changed
    path.write_text(changed.replace(MEASURED, MEASURED + HOLD))
    dvc(folder, "repro", "unfreeze@0")
    assert (folder / "data/models/0/unfreeze.safetensors").exists()
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_kept(repository):
    """What the run before kept is gone, or training would have nothing to do."""
    shutil.rmtree(repository / "work/checkpoints")


def start(folder):
    """Start training that is held, as a group of processes of its own."""
    dvc_command = Path(sys.executable).parent / "dvc"
    path = f"{dvc_command.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [dvc_command, *AGAIN], cwd=folder, start_new_session=True, preexec_fn=heeds_signals,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(folder), "HELD": "1"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def kept(folder):
    """When the stage last kept what it has done; 0 if there is nothing."""
    found = [p.stat().st_mtime_ns for p in (folder / "work/checkpoints").glob(PROGRESS)]
    return max(found, default=0)


def wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def recorded(folder):
    """What DVC recorded, and the metrics."""
    files = [folder / "dvc.lock", *sorted((folder / "metrics").rglob("*.json"))]
    return [file.read_bytes() for file in files]


def test_killed_in_every_way_it_ends_in_what_an_uninterrupted_run_recorded(repository):
    expected = recorded(repository)
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        before, running = kept(repository), start(repository)
        wait_until(lambda before=before: kept(repository) > before)
        os.killpg(running.pid, how)
        output, _ = running.communicate()
        assert running.returncode != 0
        assert "Traceback" not in output
        if how == signal.SIGINT:
            assert "unfreeze@0 was interrupted; `dvc repro` goes on from there." in output
        assert kept(repository) > 0
    assert "goes on after" in dvc(repository, *AGAIN)
    assert recorded(repository) == expected


def test_beside_a_stage_that_outlived_dvc_nothing_is_written(repository):
    expected, before, running = recorded(repository), kept(repository), start(repository)
    wait_until(lambda: kept(repository) > before)
    # A shell that does not replace itself may stand between DVC and the stage.
    children = psutil.Process(running.pid).children(recursive=True)
    stage = {p.pid: p for p in children if "stages.unfreeze" in " ".join(p.cmdline())}
    running.kill()
    running.wait()
    output = dvc(repository, *AGAIN)
    [named] = re.findall(r"unfreeze@0 still runs, as process (\d+)", output)
    stage[int(named)].kill()
    psutil.wait_procs(stage.values())
    assert "goes on after" in dvc(repository, *AGAIN)
    assert recorded(repository) == expected
