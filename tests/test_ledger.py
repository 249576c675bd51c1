"""The ledger: what was submitted, what made it, and the way back to the very file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy import stats

from stages.base.errors import UserError
from stages.commands import ledger as commands
from stages.competition import ledger, provenance
from stages.competition.ledger import COLUMNS
from stages.competition.submissions import Submission
from tests.project import ROOT, commit, dvc, edit, git

SLUG = "dog-breed-identification"
PIPELINE = """\
stages:
  submission:
    cmd: python stages/submission.py
    deps: [stages/submission.py]
    params: [seed, competition.metric]
    outs: [submissions/submission.csv]
    metrics:
      - metrics/submission.json:
          cache: false
"""
MAKER = """\
import hashlib, json, pathlib, re
params = pathlib.Path("params.yaml").read_text()
seed = int(re.search(r"^seed: (\\d+)", params, re.M)[1])
metric = re.search(r"^  metric: (\\w+)", params, re.M)[1]
made = f"id,a,b\\n1,{1 / (seed + 1):.6f},{seed / (seed + 1):.6f}\\n".encode()
for folder in ("submissions", "metrics"):
    pathlib.Path(folder).mkdir(exist_ok=True)
pathlib.Path("submissions/submission.csv").write_bytes(made)
about = {f"cv_{metric}": seed / 100, "sha256": hashlib.sha256(made).hexdigest()}
pathlib.Path("metrics/submission.json").write_text(json.dumps(about))
"""


def write_entry(folder: Path) -> Path:
    """A repository that enters a competition with a pipeline of one short stage, committed."""
    (folder / "stages").mkdir(parents=True)
    (folder / "stages/submission.py").write_text(MAKER)
    (folder / "dvc.yaml").write_text(PIPELINE)
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copy(ROOT / ".gitignore", folder)
    edit(folder / "params.yaml", **{"competition.slug": SLUG, "competition.source": "kaggle"})
    git(folder, "init", "-q", "-b", "main")
    dvc(folder, "init", "-q")
    make(folder, seed=1)
    return folder


def make(folder: Path, **changes: object) -> str:
    """Change params, run the pipeline, commit; the commit."""
    edit(folder / "params.yaml", **changes)
    said = dvc(folder, "repro")
    commit(folder, said[:20])
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    return write_entry(tmp_path_factory.mktemp("entry") / "entry")


@pytest.fixture
def entry(made_once, tmp_path, monkeypatch):
    """The repository, which is where the commands run."""
    folder = shutil.copytree(made_once, tmp_path / "entry")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def on_path(monkeypatch):
    """The commands of this environment, as in the user's shell."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(*words):
    return CliRunner().invoke(commands.command, [str(w) for w in words], catch_exceptions=False)


def row(number, **changes):
    plain = {
        "competition": SLUG,
        "ref": str(number),
        "date": f"2026-01-{number:02d}T00:00:00Z",
        "status": "COMPLETE",
    }
    return dict.fromkeys(COLUMNS, "") | plain | changes


def listed(number, message="by hand", **changes):
    plain = {"public": "0.5", "private": "", "status": "COMPLETE", "file": "submission.csv"}
    date = f"2026-01-{number:02d}T00:00:00Z"
    return Submission(**{"ref": str(number), "date": date, "message": message} | plain | changes)


def digits(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


MESSAGES = ["plain", 'a, "b" and c', "NA", "=1+1", "  spaces  ", "größer 漢字", "-", "\x85 odd"]


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [row(i, message=" ".join(m.split())) for i, m in enumerate(MESSAGES, 1)]
    ledger.write(rows, tmp_path / "ledger.csv")
    assert ledger.read(tmp_path / "ledger.csv") == rows
    assert (tmp_path / "ledger.csv").read_bytes().count(b"\n") == len(rows) + 1


def test_the_same_rows_give_the_same_bytes_in_whatever_order(tmp_path):
    rows = [row(i, message=m) for i, m in enumerate("cab", 1)]
    ledger.write(rows, tmp_path / "one.csv")
    ledger.write(rows[::-1], tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.csv").read_text().startswith(
        "competition,ref,date,file,commit,made_by,sha256,metric,cv,public,private,status,message\n"
        f"{SLUG},1,2026-01-01"
    )  # fmt: skip


def test_another_competitions_rows_are_kept_apart(entry):
    other = row(1, competition="other", cv="0.9", public="0.8", metric="log_loss")
    found = ledger.merge([other], SLUG, [listed(1)])
    assert other in found
    assert [r["public"] for r in ledger.of(SLUG, found)] == ["0.5"]
    ledger.write(found)
    assert "0.8" not in run("--offline").output


def test_another_submission_is_another_line(entry):
    ledger.write([row(1), row(3)])
    commit(entry, "two")
    ledger.write([*ledger.read(), row(2, message="between")])
    assert git(entry, "diff", "--numstat").split() == ["1", "0", "submissions/ledger.csv"]


def test_where_there_is_no_ledger_nothing_was_submitted(tmp_path):
    assert ledger.read(tmp_path / "ledger.csv") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("ref,score\n1,2\n", 1),
        (",".join(COLUMNS) + "\n<<<<<<< HEAD\n", 2),
        (",".join(COLUMNS) + "\n" + ",".join(COLUMNS) + "\n", 2),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_with_its_line(tmp_path, text, line):
    (tmp_path / "ledger.csv").write_text(text)
    with pytest.raises(UserError, match=f"ledger.csv, line {line}: not a row of the ledger"):
        ledger.read(tmp_path / "ledger.csv")


def test_of_two_lines_of_one_submission_the_scored_one_is_kept(tmp_path):
    scored, pending = row(1, public="0.5"), row(1, status="PENDING")
    for rows in ([scored, pending], [pending, scored]):
        ledger.write(rows, tmp_path / "ledger.csv")
        assert ledger.read(tmp_path / "ledger.csv") == [scored]


def test_kaggle_brings_new_rows_and_scores_and_takes_none_away(tmp_path):
    rows = [row(1, public="0.4", private="0.3"), row(2, status="PENDING", cv="0.6")]
    found = ledger.merge(rows, SLUG, [listed(3), listed(2, public="0.7", private="0.8"), listed(1)])
    assert [r["ref"] for r in found] == ["1", "2", "3"]
    assert [r["public"] for r in found] == ["0.5", "0.7", "0.5"]
    assert [r["private"] for r in found] == ["0.3", "0.8", ""]
    assert (found[1]["status"], found[1]["cv"]) == ("COMPLETE", "0.6")
    assert ledger.merge(rows[:1], SLUG, []) == rows[:1]


def test_a_submission_is_made_by_a_commit_and_the_hash_of_its_lock(entry):
    about = provenance.current()
    assert about.commit == git(entry, "rev-parse", "HEAD")[:12]
    assert about.made_by == digits((entry / "dvc.lock").read_bytes())
    file = (entry / "submissions/submission.csv").read_bytes()
    assert about.sha256 == hashlib.sha256(file).hexdigest()
    assert (about.metric, about.cv) == ("log_loss", "0.01")


def test_without_validation_there_is_no_promise(entry):
    (entry / "metrics/submission.json").write_text(json.dumps({"sha256": "00"}))
    commit(entry, "full")
    assert provenance.made("HEAD").cv == ""


def test_a_message_names_what_made_the_file_and_is_understood_again(entry):
    about = provenance.current()
    for note in ("", "more epochs", "a\nb", "repodium is fine"):
        message = provenance.message(about, note)
        assert message.startswith(f"repodium {about.commit} made by {about.made_by}")
        assert provenance.note(message) == " ".join(note.split())
        assert provenance.claimed(message) == about


def test_an_older_commit_is_joined_with_what_it_made_then(entry):
    then = provenance.message(provenance.current())
    make(entry, seed=7)
    assert provenance.claimed(then).cv == "0.01"
    assert provenance.claimed(provenance.message(provenance.current())).cv == "0.07"


def test_a_claim_that_git_does_not_bear_out_is_not_believed(entry):
    head = git(entry, "rev-parse", "HEAD")[:12]
    lock = digits((entry / "dvc.lock").read_bytes())
    assert provenance.claimed(f"repodium {head} made by {lock}") is not None
    assert provenance.claimed(f"repodium {head} made by {'0' * 12}") is None
    assert provenance.claimed(f"repodium {'0' * 12} made by {lock}") is None
    assert provenance.claimed("first try") is None


@pytest.mark.parametrize(
    "changed", ["params.yaml", "dvc.yaml", "dvc.lock", "metrics/submission.json", "stages/new.py"]
)
def test_what_is_not_committed_made_nothing_yet(entry, changed):
    with (entry / changed).open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match=f"{changed}: not as in the last commit.*commit first"):
        provenance.current()


def test_what_makes_no_submission_need_not_be_committed(entry):
    (entry / "notes.md").write_text("tomorrow: more epochs")
    ledger.write([row(1)])
    assert provenance.current().cv == "0.01"


def test_without_a_commit_it_is_said_how_to_come_by_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="git add -A && git commit"):
        provenance.current()
    git(tmp_path, "init", "-q")
    with pytest.raises(UserError, match="git add -A && git commit"):
        provenance.current()


CV = [0.41, 0.35, 0.52, 0.35, 0.61]
PUBLIC = [0.43, 0.36, 0.50, 0.33, 0.70]


def test_the_table_is_aligned_and_says_how_cv_and_leaderboard_agree(entry):
    rows = [
        row(i, cv=str(cv), public=str(public), metric="log_loss", commit="a" * 12, message="try")
        for i, (cv, public) in enumerate(zip(CV, PUBLIC, strict=True), 1)
    ]
    ledger.write([*rows, row(6, status="ERROR"), row(7, cv="0.99", metric="accuracy")])
    said = run("--offline").output.splitlines()
    assert " ".join(said[0].split()) == "# ref date commit cv public private status note"
    assert [line.split()[0] for line in said[1:8]] == [*"1234567"]
    assert len({line.index("COMPLETE") for line in said[1:6]}) == 1
    pearson, spearman = stats.pearsonr(CV, PUBLIC)[0], stats.spearmanr(CV, PUBLIC)[0]
    wanted = f"(log_loss): Pearson {pearson:.3f}, Spearman {spearman:.3f}, 5 submissions."
    assert said[9] == f"CV against public score {wanted}"


def test_four_submissions_are_too_few_for_a_correlation(entry):
    ledger.write(row(i, cv="0.1", public="0.2", metric="log_loss") for i in range(1, 5))
    assert "4 of the 5 submissions that a correlation needs." in run("--offline").output


def test_scores_of_another_metric_do_not_compare():
    old = [row(i, cv="0.9", public="0.9", metric="accuracy") for i in (1, 2)]
    new = [row(i, cv="0.3", public="0.4", metric="log_loss") for i in (3, 5)]
    rows = [*old, new[0], row(4, public="0.5"), new[1]]
    assert ledger.scores(rows) == ("log_loss", {3: (0.3, 0.4), 5: (0.3, 0.4)})


def test_the_picture_is_drawn_of_what_has_both_scores(entry):
    ledger.write([row(1, cv="0.3", public="0.4", metric="log_loss")])
    run("--offline")
    one = (entry / "reports/ledger.png").read_bytes()
    assert one.startswith(b"\x89PNG")
    ledger.write([*ledger.read(), row(2, public="0.4")])
    run("--offline")
    assert (entry / "reports/ledger.png").read_bytes() == one


def test_an_empty_ledger_says_what_to_do(entry):
    assert run("--offline").output == "Nothing was submitted yet; `repodium submit` does.\n"
    assert not (entry / "reports").exists()


@pytest.fixture
def submitted(entry):
    """A submission of the first commit, after which the pipeline went on to another."""
    about = provenance.current()
    ledger.write(ledger.merge([], SLUG, [listed(1, provenance.message(about, "first"))]))
    commit(entry, "submitted")
    make(entry, seed=2)
    return about


def shell(folder, command, output):
    """Carry out the line of `output` that begins with `command`."""
    line = next(line.strip() for line in output.splitlines() if line.strip().startswith(command))
    subprocess.run(line, shell=True, cwd=folder, check=True, capture_output=True)
    return line


def test_one_row_leads_back_to_the_very_file_through_the_cache(entry, submitted, on_path):
    (entry / "params.yaml").write_text((entry / "params.yaml").read_text() + "# unfinished\n")
    said = run("1", "--offline").output
    for value in (submitted.commit, submitted.made_by, submitted.sha256, "0.01", "first"):
        assert value in said
    shell(entry, "dvc get", said)
    back = (entry / f"submissions/{submitted.commit}.csv").read_bytes()
    assert hashlib.sha256(back).hexdigest() == submitted.sha256
    assert git(entry, "status", "--short").split() == ["M", "params.yaml"]


def test_one_row_leads_back_to_the_very_file_without_the_cache(entry, submitted, on_path):
    shutil.rmtree(entry / ".dvc/cache")
    shell(entry, "git checkout", run("1", "--offline").output)
    back = (entry / "submissions/submission.csv").read_bytes()
    assert hashlib.sha256(back).hexdigest() == submitted.sha256
    assert git(entry, "status", "--short") == ""


def test_a_row_that_is_not_there_is_told_with_those_that_are(entry):
    ledger.write([row(1), row(2)])
    result = run("9", "--offline")
    assert result.exit_code == 1
    assert result.output == "Error: the ledger has no submission 9; the newest are 1, 2.\n"


def by_hand(site, message, **said):
    """What Kaggle holds of a submission that was made with the plain command."""
    row = {"ref": 100 + len(site.submissions), "fileName": "submission.csv", "left": 0}
    row |= {"date": f"2026-02-{len(site.submissions) + 1:02d}T10:00:00.5Z", "score": 0.02}
    site.submissions.append(row | {"description": message} | said)


def test_what_was_submitted_by_hand_is_recorded_with_its_commit(site, entry):
    about = provenance.current()
    subprocess.run(
        ["kaggle", "competitions", "submit", SLUG, "-f", "submissions/submission.csv", "-m",
         provenance.message(about)], check=True, capture_output=True,
    )  # fmt: skip
    site.submissions[0]["left"] = 0
    result = run()
    assert result.exit_code == 0
    assert result.output.startswith("submissions/ledger.csv: 1 new, 0 changed.\n")
    (found,) = ledger.read()
    for name in ("commit", "made_by", "sha256", "metric", "cv"):
        assert found[name] == getattr(about, name)
    score = site.score((entry / "submissions/submission.csv").read_bytes())
    assert (found["public"], found["status"]) == (str(score), "COMPLETE")


def test_what_names_no_commit_is_recorded_without_one(site, entry):
    lock = digits((entry / "dvc.lock").read_bytes())
    by_hand(site, "first, before repodium")
    by_hand(site, f"repodium {'0' * 12} made by {lock}")
    said = run().output
    rows = ledger.read()
    assert rows[0]["message"] == "first, before repodium"
    assert [(row["commit"], row["cv"], row["public"]) for row in rows] == [("", "", "0.02")] * 2
    assert "101: no CV, for the commit in the message is not in this clone" in said
    assert "CV against public score: no submission has both yet." in said


def test_a_commit_that_arrives_later_is_joined_then(site, entry, tmp_path):
    away = tmp_path / "away"
    git(entry, "clone", "-q", ".", str(away))
    head = make(away, seed=4)[:12]
    by_hand(site, f"repodium {head} made by {digits((away / 'dvc.lock').read_bytes())}")
    assert "git fetch" in run().output
    git(entry, "fetch", "-q", str(away))
    assert "git fetch" not in run().output
    assert [(row["commit"], row["cv"]) for row in ledger.read()] == [(head, "0.04")]


def test_private_scores_come_with_the_end_of_the_competition(site, entry):
    by_hand(site, "try")
    run()
    before = (entry / "submissions/ledger.csv").read_bytes()
    run()
    assert (entry / "submissions/ledger.csv").read_bytes() == before
    site.submissions[0]["private"] = "0.03"
    assert run().output.startswith("submissions/ledger.csv: 0 new, 1 changed.\n")
    assert [row["private"] for row in ledger.read()] == ["0.03"]


def test_offline_nobody_is_asked(site, entry):
    by_hand(site, "try")
    run("--offline")
    assert site.requests == []


def test_without_a_network_the_ledger_stays_and_offline_is_offered(site, entry):
    ledger.write([row(1)])
    site.faults["ListSubmissions"] = "cut"
    result = run()
    assert result.exit_code == 1
    assert result.output.startswith("Error: Kaggle did not list the submissions to dog-breed-ide")
    assert result.output.endswith("; `repodium ledger --offline` shows what is recorded.\n")
    assert ledger.read() == [row(1)]
