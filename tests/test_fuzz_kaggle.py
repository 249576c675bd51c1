"""Whatever Kaggle answers: rows, or one sentence; and no credential is ever in it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.base.errors import UserError
from stages.competition import kaggle, ledger, submissions
from stages.competition.kaggle import Answer
from stages.competition.submissions import Submission
from tests import kaggle_server
from tests.strategies import damaged, odd_text, odd_values

SLUG = "dog-breed-identification"
KEY = "0123456789abcdef0123456789abcdef"
ROW = {
    "ref": 101, "fileName": "submission.csv", "date": "2026-01-01T00:00:00.123Z",
    "description": "repodium", "status": "SubmissionStatus.COMPLETE", "publicScore": "0.2",
    "privateScore": None,
}  # fmt: skip
SIGNS = [fault.sign.split("|")[0] for fault in kaggle.FAULTS] + [*submissions.REMEDIES]
lines = st.lists(odd_text | st.sampled_from([*SIGNS, "Warning: a new version", "["]), max_size=4)


def listed(monkeypatch, out: str, status: int = 0) -> list[Submission] | None:
    """What is read of a list of submissions; none if it is refused, in one line."""
    monkeypatch.setattr(kaggle, "run", lambda *_: Answer(status, out, ""))
    try:
        return submissions.listed(SLUG)
    except UserError as error:
        said = error.message
    assert said.isprintable()
    assert said.endswith(".")
    assert SLUG in said
    return None


@given(out=lines.map("\n".join), status=st.sampled_from([0, 1]))
def test_a_list_of_anything_is_rows_or_one_sentence(monkeypatch, out, status):
    assert not listed(monkeypatch, out, status)


@given(data=st.data())
def test_a_damaged_list_is_rows_or_one_sentence(monkeypatch, data):
    sound = json.dumps([ROW, ROW | {"ref": 102}], indent=2).encode()
    for row in listed(monkeypatch, data.draw(damaged(sound)).decode(errors="replace")) or ():
        datetime.strptime(row.date, "%Y-%m-%dT%H:%M:%SZ")


@given(
    before=st.lists(odd_text.filter(lambda t: "[" not in t), max_size=2),
    changes=st.dictionaries(st.sampled_from([*ROW, "other"]), odd_values),
)
def test_rows_of_other_values_are_read_as_they_are_or_refused(monkeypatch, before, changes):
    row = ROW | changes
    out = "\n".join([*before, json.dumps([row], indent=2), "Warning: a new version"])
    found = listed(monkeypatch, out)
    if found:
        ref = "" if row["ref"] is None else str(row["ref"])
        assert found[0].ref == ref.encode("utf-8", "replace").decode()
        assert all(isinstance(value, str) for value in asdict(found[0]).values())


@given(before=lines.map("\n".join), after=lines.map("\n".join), how=st.integers(0, 3))
def test_no_credential_is_in_what_is_quoted(monkeypatch, before, after, how):
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    secret = [KEY, f"Bearer {KEY}", f"authorization: basic {KEY}", f"http://a/b?X-Sign={KEY} "][how]
    if how:
        monkeypatch.delenv("KAGGLE_KEY")
    answer = Answer(1, f"{before}{secret}\n", after)
    assert KEY not in answer.said
    assert KEY not in submissions.why(answer.said, SLUG)


@given(said=lines.map("\n".join))
def test_what_kaggle_says_becomes_one_line(said):
    for sentence in (kaggle.explain(said, SLUG), kaggle.quoted(said), submissions.why(said, SLUG)):
        assert sentence is None or (sentence.isprintable() and sentence.strip())


def test_a_long_answer_is_searched_for_credentials_at_once():
    assert len(Answer(1, "?" * 200_000, "").said) == 200_000


texts = {field.name: odd_text for field in fields(Submission)}
rows = st.builds(Submission, **texts | {"ref": st.integers(1, 3).map(str)})


@given(found=st.lists(rows, max_size=4))
def test_the_ledger_comes_back_as_it_was_written(tmp_path_factory, found):
    made = [submissions._row(json.loads(json.dumps(as_listed(one)))) for one in found]
    file = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    merged = ledger.merge([], SLUG, made)
    ledger.write(merged, file)
    assert ledger.read(file) == merged
    assert ledger.merge(merged, SLUG, made) == merged
    ledger.scores(merged)


def as_listed(one: Submission) -> dict:
    """A row as Kaggle lists it; its date is one."""
    scores = {"publicScore": one.public, "privateScore": one.private, "status": one.status}
    return ROW | scores | {"ref": one.ref, "fileName": one.file, "description": one.message}


@given(data=st.data())
def test_a_damaged_ledger_is_rows_or_refused(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    ledger.write(ledger.merge([], SLUG, [submissions._row(ROW)]), file)
    file.write_bytes(data.draw(damaged(file.read_bytes()) | st.binary(max_size=50)))
    try:
        found = ledger.read(file)
    except UserError as error:
        said = error.message
    else:
        ledger.scores(found)
        return
    assert said.startswith(str(file))


ODD_ANSWERS = [
    5, {"submissions": 5}, {"submissions": [{}]}, {"submissions": [{"date": "yesterday"}]},
    {"submissions": [{"ref": "x", "status": "ODD"}]}, {"submissions": {"a": "\x1b[2J"}},
]  # fmt: skip


@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=str)
def test_the_real_command_given_an_odd_answer_ends_in_one_sentence(site, monkeypatch, answer):
    monkeypatch.setitem(kaggle_server.METHODS, "ListSubmissions", lambda *_: answer)
    with pytest.raises(UserError) as error:
        submissions.listed(SLUG)
    assert SLUG in error.value.message
    assert error.value.message.isprintable()
