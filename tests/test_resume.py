"""A killed stage goes on: the bytes of an uninterrupted run, and never another run's work."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from stages.base import command, fingerprint, unfinished
from stages.base.errors import UserError
from stages.base.growing import Growing, GrowingArray
from stages.base.unfinished import Kept
from stages.fit.stepper import Stepper
from stages.model import checkpoint, hardware
from tests.project import edit, run_all, run_stage, write_competition, write_project

LONG = ["resize", "precompute", "head_views", "augment", "progressive", "unfreeze", "tta"]
OUTS = {
    "resize": ["data/resized", "data/unreadable.csv"],
    "precompute": ["data/activations"],
    "head_views": ["data/head_views"],
    "augment": ["data/models/0/augment.safetensors", "data/history/0/augment.csv"],
    "progressive": ["data/models/0/progressive.safetensors", "data/history/0/progressive.csv"],
    "unfreeze": [
        "data/models/0/unfreeze.safetensors",
        "data/history/0/unfreeze.csv",
        "data/snapshots/0",
    ],
    "tta": ["data/predictions/0"],
}


class Killed(BaseException):
    """The end of a process, as far as one process can play it."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose stages have run, with an image that cannot be read."""
    source, folder = tmp_path_factory.mktemp("competition"), tmp_path_factory.mktemp("finished")
    write_competition(source)
    (source / "train/004.jpg").write_text("no image")
    write_project(folder, source, **{"screen.bad_images": "quarantine"})
    run_all(folder, ["0"])
    shutil.rmtree(folder / "work/checkpoints")
    return folder


@pytest.fixture
def project(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "p")


def make_deadly(monkeypatch):
    """Everything is kept at once, and each time the process dies right after."""
    writing = Kept.writing

    @contextmanager
    def and_die(kept, name):
        with writing(kept, name) as part:
            yield part
        raise Killed

    monkeypatch.setattr(unfinished, "EVERY", 0)
    monkeypatch.setattr(unfinished, "SHARE", 0)
    monkeypatch.setattr(Kept, "writing", and_die)


@pytest.fixture
def _deadly(monkeypatch):
    make_deadly(monkeypatch)


def outs(folder, stage):
    """The hash of each file that a stage wrote."""
    paths = [p for out in OUTS[stage] for p in [folder / out, *(folder / out).rglob("*")]]
    paths += (folder / "metrics").rglob(f"{stage}.json")
    return {
        p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in paths
        if p.is_file()
    }


def wipe(folder, stage):
    """Delete the outs, as DVC does before it runs a stage."""
    for out in OUTS[stage]:
        path = folder / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def run_with_deaths(folder, stage, fold):
    """Run a stage again and again until it ends; how often it died."""
    for deaths in range(1000):
        wipe(folder, stage)
        try:
            result = run_stage(folder, stage, *fold)
        except Killed:
            continue
        assert result.exit_code == 0, result.output
        return deaths
    raise AssertionError("it never ended")


@pytest.mark.usefixtures("_deadly")
@pytest.mark.parametrize(
    ("stage", "keeps"),
    # 57 images; a batch of 57; 45 images by 32; an epoch of 5 steps; the same; 3 epochs; 9 and 12
    # images by twos
    [("resize", 57), ("precompute", 1), ("head_views", 2), ("augment", 5), ("progressive", 5),
     ("unfreeze", 15), ("tta", 10)],
)  # fmt: skip
def test_a_stage_killed_after_every_single_step_ends_in_the_same_bytes(project, stage, keeps):
    expected = outs(project, stage)
    assert len(expected) >= 2
    assert run_with_deaths(project, stage, ["0"] if stage not in LONG[:3] else []) == keeps
    assert outs(project, stage) == expected


OPTIONS = {
    "optimizer.name": "adamw", "optimizer.ema": 0.9, "optimizer.layer_decay": 0.8,
    "optimizer.weight_decay": 0.01,
    "loss.class_weights": "balanced", "loss.focal_gamma": 1.0, "loss.label_smoothing": 0.1,
    "batches.oversample": 0.7, "batches.mixup": 0.4, "batches.cutmix": 1.0,
    "augment.fits": [{"lr": 0.003, "cycles": 1}, {"lr": 0.001, "cycles": 1, "cycle_len": 1}],
    "unfreeze.cycle_save": True,
    "unfreeze.fits": [{"lr": 0.001, "cycles": 1, "cycle_len": 2, "schedule": "one_cycle"}],
}  # fmt: skip


@pytest.mark.parametrize("stage", ["augment", "unfreeze"])
def test_with_every_option_on_a_killed_stage_ends_in_the_same_bytes(project, monkeypatch, stage):
    plain = outs(project, stage)
    edit(project / "params.yaml", **OPTIONS)
    wipe(project, stage)
    assert run_stage(project, stage, "0").exit_code == 0
    expected = outs(project, stage)
    assert all(expected[file] != plain[file] for file in plain)
    shutil.rmtree(project / "work/checkpoints")
    make_deadly(monkeypatch)
    assert run_with_deaths(project, stage, ["0"]) >= 10  # two epochs of five steps or more
    assert outs(project, stage) == expected


def test_what_each_validation_row_lost_outlives_a_kill(project, monkeypatch):
    """It decides whether a stage overfits. Here too high a rate makes the last epoch worse."""

    def lost():
        [kept] = (project / "work/checkpoints").iterdir()
        tensors = checkpoint.load_file(kept / "progress.safetensors")
        return [tensors[name].numpy().tobytes() for name in ("last", "best")]

    fits = [{"lr": 0.01, "cycles": 2}, {"lr": 1.0, "cycles": 1}]
    edit(project / "params.yaml", **{"unfreeze.fits": fits})
    assert run_stage(project, "unfreeze", "0").exit_code == 0
    expected, written = lost(), outs(project, "unfreeze")
    assert expected[0] != expected[1]
    shutil.rmtree(project / "work/checkpoints")
    make_deadly(monkeypatch)
    run_with_deaths(project, "unfreeze", ["0"])
    assert lost() == expected
    assert outs(project, "unfreeze") == written


def test_what_was_finished_but_not_recorded_is_not_done_again(project, monkeypatch):
    """DVC was killed between the end of a stage and its record of it."""
    assert run_stage(project, "unfreeze", "0").exit_code == 0
    expected = outs(project, "unfreeze")
    wipe(project, "unfreeze")
    monkeypatch.setattr("stages.fit.stepper.Stepper.step", None)
    assert run_stage(project, "unfreeze", "0").exit_code == 0
    assert outs(project, "unfreeze") == expected


def test_the_next_stage_frees_what_a_finished_one_kept(project):
    run_stage(project, "resize")
    assert [p.name[:7] for p in (project / "work/checkpoints").iterdir()] == ["resize-"]
    run_stage(project, "screen")
    assert list((project / "work/checkpoints").iterdir()) == []


@pytest.mark.usefixtures("_deadly")
def test_another_param_starts_anew_and_the_first_goes_on_where_it_was(project):
    kept = project / "work/checkpoints"
    for rate in (0.01, 0.02):
        edit(project / "params.yaml", **{"augment.fits": [{"lr": rate, "cycles": 1}]})
        for _ in range(2):
            with pytest.raises(Killed):
                run_stage(project, "augment", "0")
    assert len(list(kept.iterdir())) == 2
    edit(project / "params.yaml", **{"augment.fits": [{"lr": 0.01, "cycles": 1}]})
    assert run_with_deaths(project, "augment", ["0"]) == 3  # of five steps, two are done
    assert len(list(kept.iterdir())) == 1


def test_a_damaged_checkpoint_is_told_and_the_stage_starts_anew(project):
    expected = outs(project, "augment")
    run_stage(project, "augment", "0")
    [kept] = (project / "work/checkpoints").iterdir()
    path = kept / "progress.safetensors"
    for damaged in (path.read_bytes()[:1000], b"", b"{" * 100):
        path.write_bytes(damaged)
        wipe(project, "augment")
        assert "is damaged: the stage starts anew" in run_stage(project, "augment", "0").output
        assert outs(project, "augment") == expected


def test_two_machines_of_one_result_are_both_recorded(tmp_path):
    first = {"device": "Tesla T4", "threads": 2}
    assert Kept(tmp_path).machines(first) == first
    joined = {"device": "Tesla T4, then cpu", "threads": 2}
    assert Kept(tmp_path).machines({"device": "cpu", "threads": 2}) == joined
    assert Kept(tmp_path).machines({"device": "cpu", "threads": 2}) == joined


def fingerprints(folder, monkeypatch, *stages):
    monkeypatch.chdir(folder)
    return [fingerprint.of(stage, "0") for stage in stages]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"augment.fits": []}, {"augment"}),
        ({"seed": 1}, {"augment", "tta"}),
        ({"tta.augmented": 3}, {"tta"}),
        ({"runtime.workers": 3}, set()),
        ({"blend.clip": 0.1}, set()),
        ("data/folds.csv", {"augment", "tta"}),
        ("data/test.csv", {"tta"}),
        ("data/resized/index.csv", {"augment", "tta"}),
        ("data/models/0/head.safetensors", {"augment"}),
        ("reports/0/find_lr_head.png", set()),
    ],
)
def test_the_fingerprint_is_of_what_decides_the_result(project, monkeypatch, change, changed):
    before = fingerprints(project, monkeypatch, "augment", "tta")
    if isinstance(change, dict):
        edit(project / "params.yaml", **change)
    else:
        with (project / change).open("ab") as file:
            file.write(b"\n")
    after = fingerprints(project, monkeypatch, "augment", "tta")
    names = ("augment", "tta")
    assert {n for n, a, b in zip(names, before, after, strict=True) if a != b} == changed


def test_folds_and_stages_and_code_have_fingerprints_of_their_own(project, monkeypatch, tmp_path):
    code = shutil.copytree(fingerprint.CODE / "stages", tmp_path / "code/stages")
    monkeypatch.chdir(project)
    shutil.copytree("data/models/0", "data/models/1")
    shutil.copytree("metrics/0", "metrics/1")
    found = [fingerprint.of("augment", "0"), fingerprint.of("augment", "1")]
    monkeypatch.setattr(fingerprint, "CODE", tmp_path / "code")
    assert fingerprint.of("augment", "0") == found[0]
    (code / "fit/fitting.py").write_text("# other code\n")
    found += [fingerprint.of("augment", "0"), fingerprint.of("resize")]
    assert len(set(found)) == 4


def test_an_array_that_was_cut_off_goes_on_at_the_last_whole_row(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    with GrowingArray(Kept(tmp_path), "a.npy", (4, 3)) as array:
        array.add(rows[:2])
    with (tmp_path / "a.npy").open("ab") as file:
        file.write(b"half a row")
    with GrowingArray(Kept(tmp_path), "a.npy", (4, 3)) as array:
        assert array.rows == 2
        array.add(rows[2:])
    assert np.array_equal(np.load(tmp_path / "a.npy"), rows)


@pytest.mark.parametrize("damage", ["a.npy", "a.npy.json"])
def test_an_array_whose_file_or_note_is_damaged_starts_anew(tmp_path, damage):
    rows = np.ones((4, 3), dtype=np.float32)
    with GrowingArray(Kept(tmp_path), "a.npy", (4, 3)) as array:
        array.add(rows)
    (tmp_path / damage).write_bytes(b"{")
    with GrowingArray(Kept(tmp_path), "a.npy", (4, 3)) as array:
        assert array.rows == 0
        array.add(rows)
    assert np.array_equal(np.load(tmp_path / "a.npy"), rows)


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path):
    with Growing(Kept(tmp_path), "kept") as growing:
        growing.append("kept", b"safe")
    (tmp_path / "full").symlink_to("/dev/full")  # never any space: the real ENOSPC
    with (
        pytest.raises(UserError, match="the disk is full: free some space"),
        command.told("resize"),
        (tmp_path / "full").open("wb") as file,
    ):
        file.write(b"x" * 1_000_000)
    assert Growing(Kept(tmp_path), "kept").size("kept") == 4


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 1 MB; only root can."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False)
    if made.returncode:
        pytest.skip("a small disk needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(not shutil.which("mount"), reason="no mount here")
def test_a_disk_that_is_full_before_a_stage_begins_is_told(tmp_path, small_disk):
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(bytes(2_000_000))
    (tmp_path / "work").symlink_to(small_disk)
    result = run_stage(tmp_path, "split")
    assert result.exit_code == 1
    assert result.output.startswith("Error: the disk is full: free some space")


@pytest.mark.skipif(not shutil.which("mount"), reason="no mount here")
def test_a_checkpoint_that_finds_the_disk_full_is_told_and_another_run_goes_on(
    project, small_disk, monkeypatch
):
    monkeypatch.setattr(unfinished, "EVERY", 0)
    monkeypatch.setattr(unfinished, "SHARE", 0)
    expected = outs(project, "unfreeze")
    wipe(project, "unfreeze")
    kept = project / "work/checkpoints"
    kept.symlink_to(small_disk)
    result = run_stage(project, "unfreeze", "0")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error: the disk is full: free some space")
    kept.unlink()
    assert run_stage(project, "unfreeze", "0").exit_code == 0
    assert outs(project, "unfreeze") == expected


LIVING = """
import sys, time
from stages.base import command
with command.only_writer("augment@0"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_says_so_until_the_first_is_gone(project):
    env = os.environ | {"PYTHONPATH": str(fingerprint.CODE)}
    first = subprocess.Popen(
        [sys.executable, "-c", LIVING], cwd=project, env=env, stdout=subprocess.PIPE
    )
    try:
        assert first.stdout.readline() == b"held\n"
        expected = outs(project, "augment")
        result = run_stage(project, "augment", "0")
        assert result.exit_code == 1
        assert f"augment@0 still runs, as process {first.pid}" in result.output
        assert outs(project, "augment") == expected
    finally:
        first.kill()
        first.wait()
    assert run_stage(project, "augment", "0").exit_code == 0


def test_out_of_memory_is_told_with_a_batch_size_and_what_was_kept_stays(project, monkeypatch):
    step, count = Stepper.step, iter(range(100))

    def greedy(self, *batch):
        if next(count) == 3:
            torch.empty(2**50)  # really more than there is
        return step(self, *batch)

    monkeypatch.setattr(unfinished, "EVERY", 0)
    monkeypatch.setattr(unfinished, "SHARE", 0)
    monkeypatch.setattr(Stepper, "step", greedy)
    expected = outs(project, "unfreeze")
    result = run_stage(project, "unfreeze", "0")
    assert result.exit_code == 1
    said = "unfreeze.batch_size: the cpu has no memory for 8 images at once; try 4. What was done"
    assert said in result.output
    again = run_stage(project, "unfreeze", "0")
    assert "goes on after 3 steps of fit 1" in again.output
    assert outs(project, "unfreeze") == expected


@pytest.mark.parametrize("message", ["CUDA out of memory. Tried to allocate 2 GiB", "other fault"])
def test_only_a_lack_of_memory_becomes_a_sentence(message):
    kind = UserError if "memory" in message else RuntimeError
    with pytest.raises(kind), hardware.enough_memory("tta.batch_size", 64, torch.device("cuda")):
        raise RuntimeError(message)


def test_a_stage_takes_its_fold_from_dvc(project, monkeypatch):
    expected = outs(project, "tta")
    wipe(project, "tta")
    monkeypatch.setenv("DVC_STAGE", "tta@0")
    assert run_stage(project, "tta").exit_code == 0
    assert outs(project, "tta") == expected


def test_under_dvc_a_folder_is_what_dvc_recorded_as_long_as_it_has_that_size(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_STAGE", "tta@0")
    pack = project / "data/resized"
    files = list(pack.iterdir())
    size = sum(file.stat().st_size for file in files)

    def fingerprint_with(md5, size):
        out = {"path": "data/resized", "md5": md5, "size": size, "nfiles": len(files)}
        (project / "dvc.lock").write_text(json.dumps({"stages": {"resize": {"outs": [out]}}}))
        return fingerprint.of("tta", "0")

    assert fingerprint_with("aa.dir", size) != fingerprint_with("bb.dir", size)
    assert fingerprint_with("aa.dir", size + 1) == fingerprint_with("bb.dir", size + 1)
    recorded = fingerprint_with("aa.dir", size)
    with (pack / "index.csv").open("ab") as file:
        file.write(b"\n")
    assert fingerprint_with("aa.dir", size) != recorded
