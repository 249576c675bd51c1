"""`repodium clean`: what interrupted stages and downloads take, and freeing it."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from stages.base.command import only_writer
from stages.commands import clean


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with an interrupted stage and a download, which data/ shares."""
    monkeypatch.chdir(tmp_path)
    kept, downloads = tmp_path / "work/checkpoints/augment@0-abc", tmp_path / "work/downloads"
    for place in (kept, downloads, tmp_path / "data"):
        place.mkdir(parents=True)
    (kept / "progress.safetensors").write_bytes(bytes(2_500_000))
    (downloads / "digits.zip").write_bytes(bytes(1_000_000))
    os.link(downloads / "digits.zip", tmp_path / "data/competition.zip")
    (downloads / "other.zip").write_bytes(bytes(3_000_000))
    return tmp_path


def said(*words):
    result = CliRunner().invoke(clean.command, words)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def left(folder):
    return sorted(p.name for p in (folder / "work").rglob("*") if p.is_file() and p.suffix)


def test_it_shows_what_there_is_and_frees_nothing(folder):
    assert said() == [
        "checkpoints  augment@0   2.5 MB",
        "downloads    digits.zip  0.0 MB",  # the same file as data/competition.zip
        "downloads    other.zip   3.0 MB",
    ]
    assert left(folder) == ["digits.zip", "other.zip", "progress.safetensors"]


def test_it_frees_what_it_is_told_to(folder):
    assert "checkpoints  augment@0   2.5 MB  freed" in said("--checkpoints")
    assert left(folder) == ["digits.zip", "other.zip"]
    said("--downloads")
    assert left(folder) == []
    assert said() == ["checkpoints  none", "downloads    none"]


def test_a_lock_of_dvcs_that_a_kill_cut_off_is_freed_and_a_whole_one_is_not(folder):
    lock = folder / ".dvc/tmp/rwlock"
    lock.parent.mkdir(parents=True)
    for text, freed in (('{"read": {"params.yaml": [', True), ("", True), ('{"read": {}}', False)):
        lock.write_text(text)
        assert ("was cut off when DVC was killed" in said()[0]) == freed
        assert lock.exists() != freed


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_lock_of_dvcs_goes_once_all_whom_it_names_are_gone(folder, kind):
    """Their notes made a `dvc repro` with nothing to do a quarter longer."""
    lock = folder / ".dvc/tmp/rwlock"
    lock.parent.mkdir(parents=True)
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    for pids, freed in (([os.getpid(), int(ended.stdout)], False), ([int(ended.stdout)], True)):
        notes = [{"pid": pid, "cmd": "dvc repro"} for pid in pids]
        held = {"params.yaml": notes} if kind == "read" else dict(enumerate(notes))
        lock.write_text(json.dumps({kind: held}))
        assert ("held the notes of a DVC that was killed" in said()[0]) == freed
        assert lock.exists() != freed


def test_what_a_running_stage_keeps_is_spared(folder):
    pid = os.fork()
    if not pid:  # a stage that runs, holding its lock
        with only_writer("augment@0"):
            (folder / "held").touch()
            while not (folder / "end").exists():
                pass
        os._exit(0)
    while not (folder / "held").exists():
        pass
    try:
        assert said("--checkpoints")[0] == "checkpoints  none"
        assert "progress.safetensors" in left(folder)
    finally:
        (folder / "end").touch()
        os.waitpid(pid, 0)
