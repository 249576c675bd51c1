"""What a terminal shows: colours on it alone, whole words, columns that align."""

from __future__ import annotations

import re
from types import SimpleNamespace

import click
import pytest

from stages.base import terminal
from stages.commands import compare
from stages.shell import tables
from tests.project import ROOT
from tests.terminal import piped, shown

RED, GREEN, BOLD = "\x1b[31m", "\x1b[32m", "\x1b[1m"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with good params and bad ones."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "bad.yaml").write_text(text.replace("tta:", "ttaa:"))


def test_colours_are_for_a_terminal_alone():
    status, said = shown("check")
    assert (status, said) == (0, f"params.yaml: {GREEN}good\x1b[0m.\n")
    assert piped("check") == "params.yaml: good.\n"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("words", [["check"], ["check", "bad.yaml"], ["--help"], ["chek"]])
def test_where_no_colours_are_wanted_a_terminal_shows_what_a_pipe_gets(words, environment):
    assert shown(*words, **environment)[1] == piped(*words)


@pytest.mark.parametrize("words", [["check", "bad.yaml"], ["chek"], ["check", "--foo"]])
def test_the_word_error_is_red_whoever_tells_it(words):
    status, said = shown(*words)
    assert status == 2
    assert said.count(f"{RED}Error:\x1b[0m ") == 1


def test_headings_of_help_are_bold():
    said = shown("--help")[1]
    assert f"\n{BOLD}Before training:\x1b[0m\n" in said
    assert click.unstyle(said) == shown("--help", NO_COLOR="1")[1]


@pytest.mark.parametrize("columns", [30, 50, 79])
def test_a_sentence_breaks_between_words_and_a_command_stays_whole(columns):
    said = shown("summary", columns=columns, NO_COLOR="1")[1]
    assert max(map(len, said.splitlines())) <= columns
    assert " ".join(said.split()) == "Error: head has not run to its end; run `dvc repro`."
    assert "`dvc repro`" in said


def test_text_of_wide_characters_breaks_where_the_terminal_ends():
    lines = terminal.wrapped("漢字 " * 6, 14, indent=4).split("\n")
    assert lines == ["漢字 漢字"] + ["    漢字 漢字"] * 2
    assert terminal.wrapped("a\nb", None, indent=2) == "a\n  b"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("größer", 6), ("gro\u0308ßer", 6), ("漢字", 4), ("🐕 dog", 6),
     ("\x1b[1mab\x1b[0m", 2)],
)  # fmt: skip
def test_the_columns_that_text_takes(text, columns):
    assert terminal.width(text) == columns


ROWS = [("name", "size"), ("漢字の犬", "12"), ("🐕", "3.5"), ("\x1b[32mplain\x1b[0m", "100")]


def test_numbers_end_in_line_and_words_begin_in_line_whatever_the_characters():
    assert tables.lines(ROWS, right=[1]) == [
        "name      size",
        "漢字の犬    12",
        "🐕         3.5",
        "\x1b[32mplain\x1b[0m      100",
    ]


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of 24 columns."""
    monkeypatch.setattr(terminal, "columns", lambda stream: 24)


@pytest.mark.usefixtures("narrow")
def test_a_table_too_wide_for_the_terminal_has_its_words_cut_and_its_numbers_whole():
    rows = [("a" * 30, "0.123456"), ("漢" * 20, "1"), ("short", "12345678")]
    lines = tables.lines(rows, right=[1], cut=[0])
    assert [terminal.width(line) for line in lines] == [24] * 3
    assert lines[0] == "aaaaaaaaaaaaa…  0.123456"
    assert lines[1].startswith("漢漢漢漢漢漢… ")
    assert lines[2] == "short           12345678"


@pytest.mark.usefixtures("narrow")
def test_where_cutting_does_not_help_nothing_is_lost():
    rows = [("a" * 20, "1" * 30)]
    assert tables.lines(rows, right=[1], cut=[0]) == [f"{'a' * 7}…  {'1' * 30}"]
    assert tables.lines(rows, right=[1]) == [f"{'a' * 20}  {'1' * 30}"]


def test_in_a_pipe_nothing_is_cut_and_a_very_long_cell_does_not_push_the_others_away():
    rows = [("a" * 200, "1"), ("b", "2"), ("c" * 9, "3")]
    assert tables.lines(rows, right=[1]) == [f"{'a' * 200}  1", f"{'b':9}  2", f"{'c' * 9}  3"]


@pytest.mark.parametrize(
    ("word", "colour"), [("better", 32), ("worse", 31), ("within noise", 33)]
)  # fmt: skip
def test_the_verdict_of_compare_is_in_colour(word, colour):
    sentence = f"log_loss: 0.5 -> 0.4 on the 100 rows that both validated: {word}, -0.1 (95 %: 0)."
    said = compare.coloured(SimpleNamespace(word=word, sentence=sentence))
    assert click.unstyle(said) == sentence
    assert re.findall(r"\x1b\[(\d+)m([a-z ]+)\x1b\[0m", said) == [(str(colour), word)]
