"""params.yaml: each fault is one sentence with the file, the key and the remedy, no other line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from stages.base import params
from stages.base.errors import SettingsError
from stages.base.settings import Settings
from stages.cli import main
from tests.project import ROOT

SHIPPED = (ROOT / "params.yaml").read_text()
FILES = [ROOT / "params.yaml", *sorted((ROOT / "recipes").rglob("*.yaml"))]
FOLDS = SHIPPED[SHIPPED.index("folds:") : SHIPPED.index("\n\nseed:")]
HEAD_LR = "{lr: 0.1, cycles: 3, cycle_len: 4, cycle_mult: 2, weight_decay: 0.01}"


def told(tmp_path: Path, text: str | bytes) -> list[str]:
    """The lines that `repodium check` says of a file, without the file's name."""
    file = tmp_path / "params.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = CliRunner().invoke(main, ["check", str(file)], catch_exceptions=False)
    assert result.exit_code == 2
    lines = result.output.removeprefix("Error: ").splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def swap(old: str, new: str) -> str:
    assert SHIPPED.count(old) >= 1, old
    return SHIPPED.replace(old, new, 1)


def unfreezing(old: str, new: str) -> str:
    """The shipped file with one key of `unfreeze` changed."""
    before, group, after = SHIPPED.partition("\nunfreeze:")
    assert old in after
    return before + group + after.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (unfreezing("image_size:", "image_sise:"),
         "unknown key unfreeze.image_sise; did you mean unfreeze.image_size?"),
        (unfreezing("image_size:", "size:"),
         "unknown key unfreeze.size; did you mean unfreeze.image_size or unfreeze.batch_size?"),
        (swap("  momentum:", "  clip: 0.1\n  momentum:"),
         "unknown key optimizer.clip; did you mean blend.clip?"),
        (swap("  momentum:", "  xyzzy: 0.1\n  momentum:"),
         "unknown key optimizer.xyzzy; optimizer has name, momentum, weight_decay, ema, "
         "layer_decay."),
        (swap("  momentum:", "  7: 0.1\n  momentum:"),
         "unknown key optimizer.7; optimizer has name, momentum, weight_decay, ema, "
         "layer_decay."),
        (swap("layers: head", "layer: head"),
         "unknown key progressive.steps.0.layer; did you mean progressive.steps.0.layers?"),
        (swap("    - {lr: 0.1, cycles: 3", "    - {lr: 0.1, rate: 0.1, cycles: 3"),
         "unknown key head.fits.0.rate; head.fits.0 has lr, cycles, cycle_len, cycle_mult, "
         "schedule, weight_decay."),
        (swap("  plain_weight:", "  plain_wieght:"),
         "unknown key tta.plain_wieght; did you mean tta.plain_weight?"),
        (swap("\nsubmission:", "\nsubmision:"),
         "unknown key submision; did you mean submission?"),
        (swap("  plain_weight: 0.2                   # the augmented views share the rest\n", ""),
         "tta.plain_weight is missing: every key is needed, take it from recipes/."),
        (SHIPPED[: SHIPPED.index("runtime:")],
         "runtime is missing: every key is needed, take it from recipes/."),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_the_right_one(tmp_path, text, sentence):
    assert told(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (swap("momentum: 0.9", "momentum: high"),
         "optimizer.momentum: expected a number, not 'high'."),
        (swap("momentum: 0.9", "momentum: true"),
         "optimizer.momentum: expected a number, not true."),
        (swap("batches: 40", "batches: 60.0"),
         "find_lr.batches: expected a whole number, not 60.0."),
        (swap("shorter_side: 80", "shorter_side: true"),
         "resize.shorter_side: expected a whole number, not true."),
        (swap("shorter_side: 80", "shorter_side: 9999"),
         "resize.shorter_side: expected a number of at most 4096, not 9999."),
        (swap("slug: digits", "slug: 5"), "competition.slug: expected text, not 5."),
        (swap("slug: digits", "slug: ../Digits"),
         "competition.slug: expected small letters, digits and hyphens, as in the competition's "
         "address, not '../Digits'."),
        (swap("metric: log_loss", "metric: acuracy"),
         "competition.metric: expected 'log_loss', 'auc', 'accuracy', 'error', "
         "'balanced_accuracy', 'mcc', 'qwk', 'f1_micro', 'f1_macro', 'f1_samples', 'f2', 'rmse' or "
         "'mae' or map@ and a number (map@5), not 'acuracy'."),
        (swap("freeze_batchnorm: false", "freeze_batchnorm: no"),
         "model.freeze_batchnorm: expected true or false, not 'no'."),
        (swap("workers: auto", "workers: many"),
         "runtime.workers: expected 'auto' or a whole number, not 'many'."),
        (swap("layers: head", "layers: body"),
         "progressive.steps.0.layers: expected 'head' or 'all', not 'body'."),
        (swap("  - 0", "  - ful"), "folds.0: expected a whole number or 'full', not 'ful'."),
        (swap("  - 0", "  - -1"), "folds.0: expected a number of at least 0 or 'full', not -1."),
        (swap(HEAD_LR, "{lr: null, cycles: 5}"),
         "head.fits.0.lr: expected 'auto' or a number or a list, not null."),
        (swap(HEAD_LR, "{lr: 0, cycles: 5}"),
         "head.fits.0.lr: expected 'auto' or a number above 0 or a list, not 0."),
        (unfreezing("[0.02, 0.05, 0.1]", "[0.02, -1, 0.1]"),
         "unfreeze.fits.0.lr.1: expected a number above 0, not -1."),
        (swap(FOLDS, "folds: []"), "folds: expected a list of at least 1, not []."),
        (swap(FOLDS, "folds: 5"), "folds: expected a list, not 5."),
        (swap("[0.25, 0.5]", "[0.25, 1.0]"),
         "model.dropout.1: expected a number below 1, not 1.0."),
        (swap("end: 10.0", "end: .inf"), "find_lr.end: expected a finite number, not inf."),
        (swap("file: submission.csv", "file: ../s.csv"),
         "submission.file: expected a name of the form submission.csv, without a folder, not "
         "'../s.csv'."),
        (swap("seed: 42", "seed: 4294967296"),
         "seed: expected a number below 4294967296, not 4294967296."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_what_was_expected(tmp_path, text, sentence):
    assert told(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (swap("  - 0", "  - 5"),
         "folds: there is no fold 5; with split.val_pct 0.2 they are 0 to 4."),
        (swap("  - 0", "  - 0\n  - 0"), "folds: [0, 0] names a fold twice."),
        (unfreezing("[0.02, 0.05, 0.1]", "[0.02, 0.1]"),
         "unfreeze.fits.0.lr: 2 rates for 3 layer groups; give one rate or 3."),
        (swap(HEAD_LR, "{lr: [0.1, 0.1, 0.1], cycles: 5}"),
         "head.fits.0.lr: 3 rates for 1 layer group; give one rate."),
        (swap("layer_decay: null", "layer_decay: 0.75"),
         "unfreeze.fits.0.lr: 3 rates; with optimizer.layer_decay give the highest."),
        (swap(HEAD_LR, "{lr: 0.1, cycles: 1, schedule: one_cycle}"),
         "head.fits.0.schedule: one_cycle is one; set cycles to 1, cycle_len to its epochs."),
        (swap(HEAD_LR, "{lr: 0.1, cycles: 2, cycle_len: 3, schedule: one_cycle}"),
         "head.fits.0.schedule: one_cycle is one; set cycles to 1, cycle_len to its epochs."),
        (swap(HEAD_LR, "{lr: auto, cycles: 1}").replace("[head, unfreeze]", "[unfreeze]"),
         "head.fits.0.lr: auto is what the finder suggests; add head to find_lr.before."),
        (unfreezing("[0.02, 0.05, 0.1]", "auto").replace("[head, unfreeze]", "[head]"),
         "unfreeze.fits.0.lr: auto is what the finder suggests; add unfreeze to find_lr.before."),
        (unfreezing("snapshots: none", "snapshots: weights"),
         "tta.snapshots: weights needs those of unfreeze; set unfreeze.cycle_save to true, and "
         "give it fits."),
        (unfreezing("how: mean", "how: rank_mean"),
         "blend.how: rank_mean keeps an order alone, and log_loss reads more; use mean."),
        (unfreezing("experiments: []", "experiments: [a, b, a]"),
         "blend.experiments: ['a', 'b', 'a'] names a run twice; blend.weights weighs them."),
        (unfreezing("image_size: 72", "image_size: 128"),
         "unfreeze.image_size: 128 is above the pack's resize.shorter_side 80; lower the one or "
         "raise the other."),
        (swap("[0.25, 0.5]", "[0.5]"),
         "model.dropout: needs 2 values, one before each linear layer of a head with head_layers "
         "[512], and has 1."),
        (swap("end: 10.0", "end: 1e-6"),
         "find_lr.end: must be above find_lr.start, which is 0.0001."),
        (swap("group_column: null", "group_column: who"),
         "split.method: group and stratified_group go with competition.group_column, and that with "
         "one of them."),
        (swap("method: random", "method: group"),
         "split.method: group and stratified_group go with competition.group_column, and that with "
         "one of them."),
        (swap("id_column: id", "id_column: null"),
         "competition.id_column: needed, for labels is a csv."),
        (swap("label_columns: [label]", "label_columns: []"),
         "competition.label_columns: needed, for labels is a csv."),
        (swap("label_columns: [label]", "label_columns: [a, a]"),
         "competition.label_columns: ['a', 'a'] names a column twice."),
        (swap("label_columns: [label]", 'label_columns: ["a\\tb", c]'),
         "competition.label_columns: a name holds a tab, which stands between labels here."),
        (swap("label_pattern: null", "label_pattern: (cat|dog)"),
         "competition.label_pattern: goes with labels: filenames, and that with it."),
        (swap("label_separator: null", "label_separator: ' '"),
         "competition.label_separator: goes with task: multilabel in one label column, and that "
         "with it."),
        (swap("metric: log_loss", "metric: f2"),
         "competition.metric: f2 does not score a multiclass task; use log_loss, auc, accuracy, "
         "error, balanced_accuracy, mcc, qwk, f1_micro, f1_macro, map@5."),
        (swap("task: multiclass", "task: regression").replace("metric: log_loss", "metric: qwk")
         .replace("label_columns: [label]", "label_columns: [a, b]"),
         "competition.label_columns: qwk scores one column of ratings; name it alone."),
        (swap("cut_points: tuned", "cut_points: [1.5, 0.5]"),
         "submission.cut_points: [1.5, 0.5] must climb."),
    ],
)  # fmt: skip
def test_values_that_do_not_belong_together_are_told(tmp_path, text, sentence):
    assert told(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("class_weights: none", "class_weights: balanced", "loss.class_weights"),
        ("focal_gamma: 0.0", "focal_gamma: 2.0", "loss.focal_gamma"),
        ("label_smoothing: 0.0", "label_smoothing: 0.1", "loss.label_smoothing"),
        ("oversample: 0.0", "oversample: 0.5", "batches.oversample"),
    ],
)
def test_a_regression_has_no_classes_to_balance(tmp_path, old, new, key):
    text = swap("task: multiclass", "task: regression").replace("log_loss", "rmse")
    off = old.partition(": ")[2].removesuffix(".0")
    said = f"{key}: about classes, and task is regression; set it to {off}."
    assert told(tmp_path, text.replace(old, new)) == [said]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("how: mean", "how: gmean", "blend.how: gmean averages probabilities; for a regression "
         "use mean."),
        ("temperature: 1.0", "temperature: tuned",
         "blend.temperature: about probabilities, and a regression has none; set it to 1."),
        ("  clip: 0.0", "  clip: tuned",
         "blend.clip: about probabilities, and a regression has none; set it to 0."),
    ],
)  # fmt: skip
def test_a_regression_has_no_probabilities_to_blend(tmp_path, old, new, said):
    text = swap("task: multiclass", "task: regression").replace("log_loss", "rmse")
    assert told(tmp_path, text.replace(old, new)) == [said]


def test_several_faults_are_a_line_each_in_the_files_order(tmp_path):
    text = swap("shorter_side: 80", "shorter_side: 2").replace("momentum: 0.9", "momentum: high")
    text = text.replace(HEAD_LR, "{lr: 0.1, cycle: 5}")
    text = text.replace("  clip: 0.0", "  clip: 0.0\n  clip_: 1")
    assert [line.split(";")[0].split(" expected")[0] for line in told(tmp_path, text)] == [
        "resize.shorter_side:", "optimizer.momentum:", "unknown key head.fits.0.cycle",
        "unknown key blend.clip_",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told_of"),
    [
        pytest.param(swap("seed: 42", "seed: 42\nseed: 43"), 'duplicate key "seed"', id="twice"),
        pytest.param(swap("seed: 42", "seed: [42"), "expected ',' or ']'", id="open bracket"),
        pytest.param(swap("  quality", "\tquality"), "cannot start any token", id="tab"),
        pytest.param(SHIPPED + "\n---\na: 1\n", "expected a single document", id="two documents"),
        pytest.param(swap("seed: 42", "seed: !!python/name:os.system ''"), "constructor", id="tag"),
        pytest.param(b"seed: \xff\xfe", "'utf-8' codec can't decode", id="not text"),
        pytest.param("seed: \0", "unacceptable character", id="zero byte"),
    ],
)
def test_what_is_not_yaml_is_one_line(tmp_path, text, told_of):
    (line,) = told(tmp_path, text)
    assert told_of in line
    assert "not YAML" in line


def test_a_folder_is_not_a_params_file(tmp_path):
    result = CliRunner().invoke(main, ["check", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 2
    assert result.output == f"Error: {tmp_path}: cannot be read: Is a directory.\n"


def test_a_long_value_is_shortened(tmp_path):
    (line,) = told(tmp_path, swap("seed: 42", f"seed: {['word'] * 100}"))
    assert line.startswith("seed: expected a whole number, not ['word', 'word', ")
    assert len(line) < 120


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
    assert "start: 1e-4" in SHIPPED
    assert params.read(ROOT / "params.yaml").find_lr.start == 0.0001


def test_the_shipped_file_has_every_group_and_no_other() -> None:
    groups = YAML(typ="safe").load(SHIPPED)
    assert set(groups) == set(Settings.model_fields)


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
