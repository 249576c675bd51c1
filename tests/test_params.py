"""params.yaml: each mistake is one sentence that names the file, the key and the remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages import params
from stages.cli import main
from stages.errors import SettingsError
from tests.project import ROOT

SHIPPED = (ROOT / "params.yaml").read_text()
FILES = [ROOT / "params.yaml", *sorted((ROOT / "recipes").rglob("*.yaml"))]


def change(pattern: str, replacement: str) -> str:
    """The shipped params file with the first match of a pattern replaced."""
    changed, count = re.subn(pattern, lambda _: replacement, SHIPPED, count=1, flags=re.M)
    assert count == 1, pattern
    return changed


MISTAKES = {
    "a mistyped key": (
        r"^  plain_weight:", "  plain_wieght:", "tta.plain_wieght", "tta.plain_weight"),
    "a mistyped group": (r"^submission:", "submision:", "submision", "submission"),
    "a key in another group": (r"^tta:", "tta:\n  pool: avg", "tta.pool", "model.pool"),
    "an unknown key": (r"^tta:", "tta:\n  zebra: 1", "tta.zebra", "augmented, plain_weight"),
    "a mistyped key of a fit": (
        r"cycles: 5", "cycle: 5", "head.fits.0.cycle", "head.fits.0.cycles"),
    "a missing key": (r"^  plain_weight:.*\n", "", "tta.plain_weight", "missing"),
    "text for a number": (
        r"batch_size: 32", "batch_size: many", "unfreeze.batch_size", "whole number"),
    "a fraction for a count": (
        r"batch_size: 32", "batch_size: 3.5", "unfreeze.batch_size", "whole"),
    "true for a count": (
        r"batch_size: 32", "batch_size: true", "unfreeze.batch_size", "whole number"),
    "text for a list": (r"\[0.25, 0.5\]", "half", "model.dropout", "a list"),
    "nothing for a group": (r"^runtime:", "runtime: null\nmore:", "runtime", "group of keys"),
    "an unknown choice": (r"augment: basic", "augment: mirror", "transforms.augment", "'side_on'"),
    "a size above the pack's": (
        r"image_size: 80", "image_size: 800", "image_size", "shorter_side 96"),
    "a fold that is not there": (r"^  - 0", "  - 5", "folds", "0 to 4"),
    "a fold twice": (r"^  - 0", "  - 0\n  - 0", "folds", "twice"),
    "no fold": (r"^folds:.*\n  - 0", "folds: []", "folds", "at least 1"),
    "a number of folds": (r"^folds:.*\n  - 0", "folds: 5", "folds", "a list"),
    "two rates for three groups": (
        r"\[0.001, 0.01, ", "[0.01, ", "unfreeze.fits.0.lr", "give one rate or 3"),
    "three rates for the head": (
        r"lr: 0.01, cycles: 5", "lr: [1, 1, 1], cycles: 5", "head.fits.0.lr", "1 layer group"),
    "a negative rate": (
        r"lr: 0.01, cycles: 5", "lr: -0.01, cycles: 5", "head.fits.0.lr", "above 0"),
    "a rate in words": (r"lr: 0.01, cycles: 5", "lr: high, cycles: 5", "head.fits.0.lr", "'auto'"),
    "one dropout for two layers": (r"\[0.25, 0.5\]", "[0.5]", "model", "2 values"),
    "a dropout of 1": (r"\[0.25, 0.5\]", "[0.25, 1.0]", "model.dropout.1", "below 1"),
    "a finder that falls": (r"end: 10.0", "end: 1e-6", "find_lr", "above start"),
    "an infinite rate": (r"end: 10.0", "end: .inf", "find_lr.end", "finite"),
    "another task's metric": (
        r"metric: log_loss", "metric: rmse", "competition.metric", "accuracy"),
    "layers that are none": (
        r"layers: head", "layers: body", "progressive.steps.0.layers", "'all'"),
    "a file outside submissions/": (
        r"file: submission.csv", "file: ../s.csv", "submission.file", "form"),
    "a group column without a use": (
        r"group_column: null", "group_column: who", "competition.group_column", "null"),
    "a csv without its columns": (r"id_column: id", "id_column: null", "competition", "id_column"),
    "file names without a pattern": (
        r"labels: labels.csv", "labels: filenames", "competition", "label_pattern"),
    "a key twice": (r"^seed: 42", "seed: 1\nseed: 42", "line 34", 'duplicate key "seed"'),
    "broken YAML": (r"\[0.25, 0.5\]", "[0.25, 0.5", "line 50", "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_the_key_and_the_remedy(
    tmp_path: Path, mistake: str
) -> None:
    pattern, replacement, key, remedy = MISTAKES[mistake]
    file = tmp_path / "params.yaml"
    file.write_text(change(pattern, replacement))
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 2
    lines = [line for line in result.output.splitlines() if remedy in line]
    assert len(lines) == 1, result.output
    assert lines[0].removeprefix("Error: ").startswith(f"{file}: ")
    assert key in lines[0]


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(SHIPPED.replace("quality: 95", "quality: 950").replace("tta:", "tta:\n  a: 1"))
    with pytest.raises(SettingsError) as told:
        params.read(file)
    assert len(told.value.message.splitlines()) == 2


@pytest.mark.parametrize("text", ["", "- a\n", "5\n", "competition\n"])
def test_a_file_without_groups_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="expected groups of keys"):
        params.read(file)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nowhere.yaml: there is no such file"):
        params.read(Path("nowhere.yaml"))


def test_an_exponent_is_a_number() -> None:
    assert "start: 1e-5" in SHIPPED
    assert params.read(ROOT / "params.yaml").find_lr.start == 0.00001


def test_the_shipped_file_has_every_group_and_no_other() -> None:
    groups = YAML(typ="safe").load(SHIPPED)
    assert set(groups) == set(params.Settings.model_fields)


def test_a_stage_sees_what_it_declares_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    view = params.load("fetch")
    assert view.competition.slug == "digits"
    assert view.runtime.device == "auto"
    with pytest.raises(AttributeError):
        _ = view.competition.metric
    with pytest.raises(AttributeError):
        _ = view.seed


def test_the_schema_beside_the_recipes_is_todays() -> None:
    committed = (ROOT / "recipes" / "params.schema.json").read_text()
    assert CliRunner().invoke(main, ["schema"]).output == committed


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_the_first_line_names_the_schema_and_the_file_satisfies_it(file: Path) -> None:
    text = file.read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    schema = json.loads((ROOT / named[1]).read_text())  # as seen from params.yaml's place
    jsonschema.validate(YAML(typ="safe", pure=True).load(text), schema)


def test_the_schema_tells_an_editor_what_a_key_means() -> None:
    schema = json.loads((ROOT / "recipes" / "params.schema.json").read_text())
    groups = [g for name, g in schema["$defs"].items()]
    assert all("description" in p for g in groups for p in g["properties"].values())
