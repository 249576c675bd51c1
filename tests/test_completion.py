"""What Tab completes, as click asks for it, and in a real bash."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from stages.cli import COMMANDS, main
from stages.competition import ledger
from tests.project import ROOT, commit, git
from tests.terminal import on_path
from tests.test_ledger import row

SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a branch, a tag, one of DVC's experiments, and files to submit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    for name in ("submission.csv", "blended.csv"):
        (tmp_path / "submissions" / name).touch()
    ledger.write([row(7), row(12), row(13)])
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "start")
    git(tmp_path, "branch", "wider")
    git(tmp_path, "tag", "v1")
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    git(tmp_path, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/jolly-tick", head)
    git(tmp_path, "update-ref", "refs/exps/exec/EXEC_HEAD", head)
    return tmp_path


def completed(line):
    """What is offered for the last word of a line."""
    *words, incomplete = line.split(" ")[1:]
    asked = ShellComplete(main, {}, "repodium", "_REPODIUM_COMPLETE")
    return [item.value for item in asked.get_completions(words, incomplete)]


def test_commands_and_options():
    assert completed("repodium ") == list(COMMANDS)
    assert completed("repodium s") == ["summary", "score", "submit", "schema"]
    assert completed("repodium ledger --") == ["--offline", "--help"]
    assert completed("repodium completion ") == SHELLS


@pytest.mark.usefixtures("repository")
def test_runs_are_branches_tags_and_experiments():
    runs = ["HEAD", "HEAD~1", "jolly-tick", "main", "v1", "wider"]
    assert sorted(completed("repodium compare ")) == runs
    assert sorted(completed("repodium compare main ")) == sorted([*runs, "workspace"])
    assert completed("repodium compare main wi") == ["wider"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("command", ["submit", "score", "check-submission"])
def test_files_are_those_of_submissions_and_else_any(command):
    files = ["submissions/blended.csv", "submissions/submission.csv"]
    assert completed(f"repodium {command} ") == files
    assert completed(f"repodium {command} submissions/s") == files[1:]
    asked = ShellComplete(main, {}, "repodium", "_REPODIUM_COMPLETE")
    [other] = asked.get_completions([command], "data/")
    assert (other.type, other.value) == ("file", "data/")


def test_submissions_that_are_recorded_the_newest_first(repository):
    assert completed("repodium ledger ") == ["13", "12", "7"]
    assert completed("repodium ledger 1") == ["13", "12"]
    ledger.LEDGER.write_text("<<<<<<< HEAD\n")
    assert completed("repodium ledger ") == []


def test_training_images(repository):
    assert completed("repodium views ") == []
    (repository / "data").mkdir()
    lines = ["id,image,label,fold", "1,train/1.jpg,a,0", '2,"train/a, b.jpg",b,1']
    (repository / "data/labelled.csv").write_text("\n".join(lines))
    assert completed("repodium views ") == ["train/1.jpg", "train/a, b.jpg"]


def test_where_nothing_is_known_nothing_is_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completed("repodium ledger ") == []
    assert completed("repodium compare ") == ["HEAD", "HEAD~1"]
    monkeypatch.setenv("PATH", str(tmp_path))  # without git
    assert completed("repodium compare ") == ["HEAD", "HEAD~1"]


QUICK = """
import sys
from click.shell_completion import ShellComplete
from stages.cli import main
ShellComplete(main, {}, "repodium", "_REPODIUM_COMPLETE").get_completions(sys.argv[1:], "")
slow = "torch", "pandas", "numpy", "pydantic", "matplotlib"
print([name for name in slow if name in sys.modules])
"""


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_tab_and_help_load_nothing_that_is_slow(command, repository):
    words = [command] if command else []
    run = [sys.executable, "-c", QUICK, *words]
    said = subprocess.run(run, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert (said.stdout, said.stderr) == ("[]\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_that_of_the_shell(shell):
    said = CliRunner().invoke(main, ["completion", shell], catch_exceptions=False)
    assert said.exit_code == 0
    assert "repodium" in said.output
    assert f"_REPODIUM_COMPLETE={shell}_complete" in said.output
    if path := shutil.which(shell):
        parsed = subprocess.run([path, "-n"], input=said.output, capture_output=True, text=True)
        assert (parsed.returncode, parsed.stderr) == (0, "")


PRESS = """
source <(repodium completion bash)
COMP_WORDS=(repodium compare wi); COMP_CWORD=2
_repodium_completion repodium
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_tab_in_bash(repository, tmp_path, monkeypatch):
    on_path(tmp_path, monkeypatch)
    said = subprocess.run(["bash", "-c", PRESS], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("wider\n", "")
