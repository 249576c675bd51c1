"""`repodium`: its commands, what they say and their exit statuses."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits

from stages.cli import main
from stages.commands import check
from stages.competition import demo
from stages.competition.archive import Archive
from tests.project import heeds_signals

ROOT = Path(__file__).parents[1]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands(flag):
    result = run(flag)
    assert result.exit_code == 0
    listed = re.findall(r"^(?:  ([a-z-]+) {2,}|([A-Z].*):$)", result.output, re.MULTILINE)
    assert [command or title for command, title in listed] == [
        "Before training", "check", "doctor", "look", "plan", "views",
        "After training", "summary", "compare", "score",
        "Kaggle", "check-submission", "submit", "ledger",
        "Keeping house", "clean", "schema", "completion", "Options",
    ]  # fmt: skip


def test_check_says_good_of_each_good_file():
    files = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]
    result = run("check", *files)
    assert result.exit_code == 0
    assert result.output.splitlines() == [f"{file}: good." for file in files]


def test_check_without_a_file_checks_params_yaml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    assert run("check").output == "params.yaml: good.\n"


def test_check_refuses_a_bad_file(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text((ROOT / "params.yaml").read_text().replace("tta:", "ttaa:"))
    result = run("check", bad)
    assert result.exit_code == 2
    assert result.output == f"Error: {bad}: unknown key ttaa; did you mean tta?\n"


def test_summary_of_a_run_that_has_not_ended_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    result = run("summary")
    assert result.exit_code == 1
    assert result.output == "Error: head has not run to its end; run `dvc repro`.\n"


def test_summary_in_a_new_clone_shows_the_metrics_which_are_all_that_is_in_git(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    result = run("summary")
    assert result.exit_code == 0
    assert "Submission: submissions/submission.csv, which `dvc repro` makes\n" in result.output


def test_the_page_of_the_params_outside_the_repository_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("schema", "--markdown")
    assert result.exit_code == 1
    assert result.output == "Error: dvc.yaml is not here; run this in the folder that has it.\n"


def test_schema_is_json_and_describes_every_group():
    schema = json.loads(run("schema").output)
    assert set(schema["required"]) == set(schema["properties"]) > {"competition", "folds", "tta"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "digits.zip"
    demo.build(path)
    return Archive(path).read("sample_submission.csv").decode()


def test_score_of_the_uniform_sample_is_that_of_guessing(sample, tmp_path):
    (tmp_path / "submission.csv").write_text(sample)
    result = run("score", tmp_path / "submission.csv")
    assert result.exit_code == 0
    assert result.output.startswith("log_loss 2.30259, accuracy ")  # log 10
    assert result.output.endswith(f", rows {int(len(load_digits().target) / 4)}\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("digit_9", "digit_nine"), "this is not a submission of the"),
        (lambda text: re.sub(r"\n\d+,", "\n,", text, count=1), "this is not a submission of the"),
        (lambda text: text.replace("0.1", "many", 1), "the submission has cells that are no num"),
        (lambda text: text.replace("0.1", "", 1), "the submission has cells that are no numbers"),
        (lambda text: text.replace("0.1", "\udcff", 1), "{file} is not a csv in UTF-8: 'utf"),
        (lambda text: text.replace("0.1", "0.1,1", 1), "{file} is not a csv: line 2: 12 cells"),
        (lambda text: "", "{file} has no rows"),
    ],
)
def test_score_refuses_what_is_no_submission_of_the_bundled_competition(
    sample, tmp_path, change, said
):
    file = tmp_path / "submission.csv"
    file.write_bytes(change(sample).encode(errors="surrogateescape"))
    result = run("score", file)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {said.format(file=file)}")
    assert result.output.count("\n") == 1


def test_score_of_a_missing_file_is_a_usage_error(tmp_path):
    result = run("score", tmp_path / "none.csv")
    assert result.exit_code == 2
    assert "does not exist" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chek"], "There is no command `chek`; did you mean `check`?"),
        (["xyz"], "There is no command `xyz`; the help lists those there are."),
        (["ledger", "--ofline"], "No such option '--ofline'. Did you mean '--offline'?"),
    ],
)
def test_what_is_mistyped_is_told_with_what_may_be_meant(words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full: free some space (`repodium clean` shows what may go), "
         "then run again to go on."),
        (errno.EROFS, "reports: Read-only file system; change that, or work in a folder of your "
         "own."),
        (errno.EACCES, "reports: Permission denied; change that, or work in a folder of your own."),
    ],
)  # fmt: skip
def test_what_the_disk_refuses_is_a_sentence(number, said, monkeypatch):
    def refuse(*_):
        raise OSError(number, os.strerror(number), "reports")

    monkeypatch.setattr(check.params, "read", refuse)
    result = run("check")
    assert (result.exit_code, result.output) == (1, f"Error: {said}\n")


INTERRUPTED = """
import os, signal
from stages.cli import main
from stages.commands import {module}
{module}.params.read = lambda *_: os.kill(os.getpid(), signal.SIGINT) or signal.pause()
main(["{command}"])
"""


@pytest.mark.parametrize("command", ["check", "summary", "ledger"])
def test_ctrl_c_is_a_line_and_the_status_of_a_shell(command):
    code = INTERRUPTED.format(module=command, command=command)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
        preexec_fn=heeds_signals,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr.split("\n"), ran.stdout) == (
        130,
        ["", "Interrupted.", ""],
        "",
    )
