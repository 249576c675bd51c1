"""Whatever becomes of a params file, it is read, or refused in sentences that name it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hypothesis import event, given

from stages.base import params
from stages.base.errors import SettingsError
from stages.base.settings import Settings
from stages.cli import main
from tests.project import ROOT
from tests.strategies import changed_params, scaled

SOUND = [p.read_bytes() for p in (ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml")))]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "params.yaml"


@given(data=changed_params(SOUND))
def test_a_changed_file_is_read_or_refused_in_lines_that_name_it(file, data):
    file.write_bytes(data)
    try:
        assert isinstance(params.read(file), Settings)
        event("ok")
    except SettingsError as error:
        for line in error.message.split("\n"):
            assert line.startswith(f"{file}: "), line
            assert line.endswith((".", "?"))
            assert line.isprintable()
            assert len(line) < 1000
        event("refused")


@scaled(1 / 4)
@given(data=changed_params(SOUND))
def test_check_says_good_or_what_is_wrong_and_never_a_traceback(file, data):
    file.write_bytes(data)
    result = CliRunner().invoke(main, ["check", str(file)], catch_exceptions=False)
    assert result.exit_code in (0, 2)
    assert (result.output == f"{file}: good.\n") == (result.exit_code == 0)
    assert result.output.strip()


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seed: 42", "seed: " + "[" * 3000 + "]" * 3000, "not YAML: a value cannot be read (Recu"),
        ("seed: 42", "seed: !!bool x", "not YAML: a value cannot be read (KeyError: 'x')."),
        ("seed: 42", 'seed: "\\U00110000"', "not YAML: chr() arg not in range(0x110000)."),
        ("seed: 42", 'seed: 42\n"a\\nb\\e": 1', r"unknown key a\nb\x1b; the file has competi"),
        ("seed: 42", "seed: 42\na.b: 1", "unknown key a.b; the file has competition, "),
        ("seed: 42", "seed: 0x" + "f" * 5000, "below 4294967296, not a number of thousands of dig"),
        ("seed: 42", "seed: 2001-01-01", "seed: expected a whole number, not 2001-01-01."),
        ("val_pct: 0.2", "val_pct: 5e-324", "split.val_pct: expected a number of at least 1e-06"),
        ("label_pattern: null", "label_pattern: a{99999999999}", "is not a regular expression"),
        ("label_pattern: null", f"label_pattern: {'(' * 900}", "is not a regular expression"),
        ("source: demo", 'source: "\\ud800"', r"text without half a surrogate pair, not '\ud800'."),
        ("label_columns: [label]", "label_columns: &a [*a]", "expected text, not [[...]]."),
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_values_beyond_what_python_or_yaml_can_hold_are_sentences(tmp_path, key, value, sentence):
    file = tmp_path / "params.yaml"
    file.write_text(SOUND[0].decode().replace(key, value, 1))
    with pytest.raises(SettingsError) as error:
        params.read(file)
    assert sentence in error.value.message
    assert all(line.startswith(f"{file}: ") for line in error.value.message.split("\n"))
