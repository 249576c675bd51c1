"""The examples in the help of every command, each run in a project whose pipeline has run."""

from __future__ import annotations

import io
import shlex
import subprocess
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stages.cli import COMMANDS, main
from stages.competition import demo
from stages.competition.archive import Archive
from stages.learner import timing
from tests.kaggle_server import loopback
from tests.project import (
    ROOT,
    commit,
    dvc,
    git,
    run_all,
    write_competition,
    write_repository,
)
from tests.terminal import on_path

SLUG = "colours"
NAMED = "41234567"  # the submission of which the help of `ledger` speaks


def examples(name: str) -> list[str]:
    """The lines of a command's help that begin as a shell's."""
    said = CliRunner().invoke(main, [name, "--help"], catch_exceptions=False).output
    beginning, _, last = said.rpartition("\nExamples:\n")
    assert beginning, f"the help of {name} does not end with examples"
    return [
        line[4:].partition("  #")[0].strip()
        for line in last.splitlines()
        if line.startswith("  $ ")
    ]


EXAMPLES = [(name, line) for name in COMMANDS for line in examples(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A Kaggle with the tiny competition, and a submission of before."""
    folder, home = tmp_path_factory.mktemp("competition"), tmp_path_factory.mktemp("home")
    (home / ".config/fish/completions").mkdir(parents=True)
    write_competition(folder)
    called_as_in_the_help(folder, "002", "0002")
    with pytest.MonkeyPatch.context() as patch, loopback(patch, home) as kaggle:
        kaggle.archive = zipped(folder)
        kaggle.competitions = [{"ref": SLUG, "userHasEntered": True}]
        kaggle.files = [{"name": "train.zip", "totalBytes": 500_000}]
        about = {"fileName": "submission.csv", "date": "2026-01-01T00:00:00Z", "left": 0}
        kaggle.submissions = [about | {"ref": NAMED, "description": "by hand", "score": 0.5}]
        yield kaggle


def called_as_in_the_help(folder: Path, name: str, wanted: str) -> None:
    """Give a training image the id of which the help of `views` speaks."""
    [path] = folder.glob(f"train/{name}.*")
    path.rename(path.with_stem(wanted))
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text().replace(f"\n{name},", f"\n{wanted},"))


def zipped(folder: Path) -> bytes:
    """The files of a folder as Kaggle sends them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def finished(site, tmp_path_factory):
    """A repository that enters it, and whose pipeline has run to its end; two commits."""
    folder = write_repository(tmp_path_factory.mktemp("finished") / "r", Path("kaggle"))
    (folder / "recipes").mkdir()
    (folder / "docs").mkdir()
    for recipe in (ROOT / "recipes").glob("*.yaml"):
        (folder / "recipes" / recipe.name).write_text(recipe.read_text())
    run_all(folder, ["0"])
    said = dvc(folder, "commit", "--force")
    assert (folder / "dvc.lock").exists(), said
    commit(folder, "first run")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a note")
    return folder


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """That repository as the folder to work in, and `repodium` in the shell."""
    on_path(tmp_path, monkeypatch)
    monkeypatch.chdir(finished)
    monkeypatch.setattr(timing, "WHILE", 0.01)
    return finished


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_every_example_runs(here, name, line, tmp_path, monkeypatch):
    if name == "score":  # of another competition
        monkeypatch.chdir(bundled(tmp_path))
    if ">" in line:
        ran = subprocess.run(line, shell=True, capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, "")
    else:
        words = shlex.split(line)
        assert words[:2] == ["repodium", name]
        ran = CliRunner().invoke(main, words[1:], catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
        assert ran.output


def bundled(folder: Path) -> Path:
    """A folder with a submission to the bundled competition."""
    (folder / "submissions").mkdir()
    demo.build(folder / "digits.zip")
    sample = Archive(folder / "digits.zip").read("sample_submission.csv")
    (folder / "submissions/submission.csv").write_bytes(sample)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_names_it(name):
    assert examples(name)
    assert all(line.startswith(f"repodium {name}") for line in examples(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_help_of_each_begins_with(name):
    command = main.get_command(click.Context(main), name)
    assert command.help.partition("\n\n")[0].replace("\n", " ") == COMMANDS[name]


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_fits_on_a_terminal_of_80_columns(name):
    said = CliRunner().invoke(main, [*filter(None, [name]), "-h"]).output
    assert max(map(len, said.splitlines())) <= 80
    assert "..." not in said.partition("Examples:")[0].replace("]...", "")
