"""`repodium submit`: the real `kaggle` command, and a Kaggle of our own that goes wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from stages.base.errors import UserError
from stages.commands import ledger as ledger_command
from stages.commands import submit
from stages.competition import ledger, provenance, submissions
from tests.kaggle_server import KEY
from tests.project import ROOT, commit, edit, git, heeds_signals
from tests.test_ledger import SLUG, make, write_entry

FILE = Path("submissions/submission.csv")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    return write_entry(tmp_path_factory.mktemp("entry") / "entry")


@pytest.fixture
def entry(made_once, tmp_path, monkeypatch):
    """A repository with a committed submission; its check is another file's tests."""
    folder = shutil.copytree(made_once, tmp_path / "entry")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(submit, "faults", lambda file, settings: [])
    monkeypatch.setattr(submissions, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(submissions, "PATIENCE", 0.1)
    return folder


def run(*words, command=submit.command):
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


def sentence(result):
    """The one sentence of a command that failed."""
    assert result.exit_code == 1, result.output
    last = result.output.splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Traceback" not in result.output
    assert KEY not in result.output
    return last.removeprefix("Error: ")


def test_the_file_reaches_kaggle_and_its_score_stands_beside_the_cv(site, entry):
    result = run("-m", "first try")
    assert result.exit_code == 0, result.output
    assert site.uploads == [FILE.read_bytes()]
    score = site.score(FILE.read_bytes())
    assert result.output.splitlines() == [
        f"{FILE} is submission 100 to {SLUG}, recorded in submissions/ledger.csv.",
        f"log_loss: public {score}, CV 0.01",
    ]
    head, about = git(entry, "rev-parse", "HEAD")[:12], provenance.made("HEAD")
    assert ledger.read() == [
        {
            "competition": SLUG, "ref": "100", "date": "2026-01-01T00:00:00Z",
            "file": "submission.csv",
            "commit": head, "made_by": about.made_by, "sha256": about.sha256,
            "metric": "log_loss", "cv": "0.01", "public": str(score), "private": "",
            "status": "COMPLETE",
            "message": f"repodium {head} made by {about.made_by}: first try",
        }
    ]  # fmt: skip


def test_the_same_file_twice_is_two_submissions(site, entry):
    assert run().exit_code == 0
    assert run().exit_code == 0
    rows = ledger.read()
    assert [row["ref"] for row in rows] == ["100", "101"]
    assert rows[0]["message"] == rows[1]["message"]


def test_a_file_that_kaggle_cannot_score_is_an_error_and_recorded(site, entry):
    site.becomes = "ERROR"
    said = sentence(run())
    assert f"it says why at https://www.kaggle.com/competitions/{SLUG}/submissions" in said
    assert [row["status"] for row in ledger.read()] == ["ERROR"]


def test_a_score_that_does_not_come_in_time_is_no_success_and_not_lost(site, entry):
    site.pending = 1000
    said = sentence(run("--timeout", "0.5"))
    assert "has not scored submission 100 within 0.5 s" in said
    assert "`repodium ledger` shows its score once it has" in said
    assert [row["status"] for row in ledger.read()] == ["PENDING"]
    site.submissions[0]["left"] = 0
    assert run(command=ledger_command.command).exit_code == 0
    assert [row["status"] for row in ledger.read()] == ["COMPLETE"]


def test_ctrl_c_while_waiting_is_no_success_and_the_submission_is_recorded(site, entry):
    site.pending = 1000
    code = (
        "from stages.commands import submit; submit.faults = lambda *_: []; submit.command(['-m', '"
        "in time'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=heeds_signals,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not ledger.LEDGER.exists():
        assert time.monotonic() < end, "nothing was submitted"
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "is submission 100" in out
    assert err.splitlines()[-1].startswith("Error: stopped before Kaggle had scored; `repodium led")
    assert "waiting" not in out + err  # no progress line in a pipe
    assert [(row["ref"], row["status"]) for row in ledger.read()] == [("100", "PENDING")]


@pytest.mark.parametrize("status", [400, 503])
def test_an_upload_that_is_refused_is_no_submission(site, entry, status):
    site.faults["PUT"] = (status, None)
    said = sentence(run())
    assert f"{FILE} was not submitted: Kaggle's storage did not take the file; submit again" in said
    assert not ledger.LEDGER.exists()


def test_the_daily_limit_asks_to_wait_until_tomorrow(site, entry):
    message = "Your team has used its daily Submission allowance (5) today, please try again"
    site.faults["CreateSubmission"] = (400, message)
    said = sentence(run())
    assert "was not submitted: the competition's submissions of today are used up" in said
    assert "submit again after midnight UTC" in said
    assert not ledger.LEDGER.exists()


ANSWERS = {
    401: (None, "make one at https://www.kaggle.com/settings"),
    403: (None, f"accept the competition's rules at https://www.kaggle.com/competitions/{SLUG}/ru"),
    404: (None, "check competition.slug"),
    429: (None, "wait some minutes"),
    500: (None, "Kaggle has trouble of its own; run again later"),
    400: (
        "The sun is too bright.",
        "Kaggle said: The sun is too bright; see https://www.kaggle.com",
    ),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_what_kaggle_refuses_is_one_sentence(site, status):
    message, remedy = ANSWERS[status]
    site.faults["ListSubmissions"] = (status, message)
    with pytest.raises(UserError) as error:
        submissions.listed(SLUG)
    said = error.value.message
    assert said.startswith(f"Kaggle did not list the submissions to {SLUG}: ")
    assert remedy in said
    assert "\n" not in said
    assert KEY not in said


def test_a_connection_that_breaks_before_the_upload_is_one_sentence(site, entry):
    site.faults["ListSubmissions"] = "cut"
    assert "look to the network" in sentence(run())
    assert site.uploads == []


def test_a_connection_that_breaks_at_the_upload_is_no_submission(site, entry):
    site.faults["StartSubmissionUpload"] = "cut"
    assert f"{FILE} was not submitted: " in sentence(run())
    assert not ledger.LEDGER.exists()


def test_an_answer_that_gets_lost_is_no_failure(site, entry):
    site.faults["AfterCreate"] = "cut"
    result = run()
    assert result.exit_code == 0, result.output
    assert [(row["ref"], row["status"]) for row in ledger.read()] == [("100", "COMPLETE")]


ON_FIRE = (400, "on fire")


def test_a_fault_while_waiting_is_waited_out(site, entry, monkeypatch):
    monkeypatch.setattr(submissions, "PATIENCE", 30)
    site.faults["ListSubmissions"] = [None, ON_FIRE, None, ON_FIRE]  # before, then each second look
    result = run()
    assert result.exit_code == 0, result.output
    assert site.faults["ListSubmissions"] == []
    assert [row["status"] for row in ledger.read()] == ["COMPLETE"]


def test_a_submission_that_kaggle_took_and_never_lists_is_not_called_a_success(site, entry):
    site.faults["ListSubmissions"] = [None, *[ON_FIRE] * 99]
    said = sentence(run())
    assert (
        f"whether {FILE} was submitted is not known: Kaggle took it, but does not list it" in said
    )
    assert "look with `repodium ledger`" in said


def test_what_went_wrong_last_is_told_when_time_is_up(site, entry):
    site.faults["ListSubmissions"] = [None, None, *[ON_FIRE] * 99]
    said = sentence(run("--timeout", "0.1"))
    assert "has not scored submission 100 within 0.1 s" in said
    assert "on fire" in said


REFUSED = {
    "params.yaml": "params.yaml: not as in the last commit",
    "stages/submission.py": "stages/submission.py: not as in the last commit",
    "submissions/submission.csv": "is not the file that dvc.lock holds; run `dvc repro`, then",
}


@pytest.mark.parametrize("changed", REFUSED)
def test_a_file_that_no_commit_made_is_not_submitted(site, entry, changed):
    with (entry / changed).open("a") as file:
        file.write("\n")
    assert REFUSED[changed] in sentence(run())
    assert site.requests == []


def test_the_file_of_another_commit_is_not_submitted(site, entry):
    make(entry, seed=3)
    git(entry, "checkout", "-q", "HEAD~1")
    assert "is not the file that dvc.lock holds" in sentence(run())
    assert site.requests == []


def test_a_change_that_was_committed_and_not_carried_out_is_not_submitted(site, entry):
    edit(entry / "params.yaml", seed=3)
    commit(entry, "forgot dvc repro")
    assert "the last commit would make another file" in sentence(run())
    assert site.requests == []


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("submissions/other.csv", "is not in dvc.lock; run `dvc repro`"),
        ("../elsewhere.csv", "is not in this repository"),
    ],
)
def test_a_file_that_the_pipeline_does_not_make_is_not_submitted(site, entry, file, reason):
    (entry / file).write_text("id,a,b\n")
    assert reason in sentence(run(file))
    assert site.requests == []


def test_a_file_that_is_gone_is_brought_back_by_dvc(site, entry):
    FILE.unlink()
    assert f"{FILE} is not there; run `dvc checkout {FILE}`" in sentence(run())


def test_a_file_that_kaggle_would_refuse_is_not_submitted(site, entry, monkeypatch):
    monkeypatch.setattr(submit, "faults", lambda file, settings: ["2 ids are missing", "a NaN"])
    assert sentence(run()) == f"{FILE} would be refused: 2 ids are missing; a NaN."
    assert site.requests == []


def test_the_bundled_competition_is_scored_here(site, entry):
    edit(entry / "params.yaml", **{"competition.source": "demo"})
    commit(entry, "demo")
    assert f"`repodium score {FILE}`" in sentence(run())
    assert site.requests == []
