"""Values of params.yaml that must fit one another: what a schema of single keys cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stages.base.settings import Competition, Fit, Settings

METRICS = {
    "multiclass": (
        "log_loss", "auc", "accuracy", "error", "balanced_accuracy", "mcc", "qwk", "f1_micro",
        "f1_macro", "map@5",
    ),
    "multilabel": ("log_loss", "auc", "f1_micro", "f1_macro", "f1_samples", "f2", "map@5"),
    "regression": ("rmse", "mae", "qwk"),
}  # fmt: skip
LAYER_GROUPS = 3
IN_PATHS = ("folders", "filenames")  # competition.labels that are no csv


def faults(s: Settings) -> Iterator[str]:
    """One sentence for each thing that does not fit, led by the key to change."""
    yield from _layout(s.competition)
    yield from _labels(s.competition)
    yield from _metric(s.competition)
    yield from _ratings(s.competition)
    yield from _folds(s)
    yield from _network(s)
    yield from _sizes(s)
    yield from _rates(s)
    yield from _finders(s)
    yield from _schedules(s)
    yield from _classes(s)
    yield from _snapshots(s)
    yield from _blend(s)
    yield from _submission(s)


def _layout(c: Competition) -> Iterator[str]:
    """What a layout needs and has not, or has and cannot use."""
    csv = c.labels not in IN_PATHS
    for key in ("id_column", "label_columns"):
        if csv and not getattr(c, key):
            yield f"competition.{key}: needed, for labels is a csv"
    for key in ("id_column", "group_column"):
        if not csv and getattr(c, key):
            yield f"competition.{key}: a csv's column, and labels is {c.labels!r}; set it to null"
    if (c.labels == "filenames") != bool(c.label_pattern):
        yield "competition.label_pattern: goes with labels: filenames, and that with it"
    if c.label_pattern and not _groups(c.label_pattern):
        yield (
            f"competition.label_pattern: {c.label_pattern!r} is not a regular expression with a "
            "(group) that is the label"
        )


def _groups(pattern: str) -> int:
    """How many groups a regular expression has; none if it is not one."""
    try:
        return re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError):
        return 0


def _labels(c: Competition) -> Iterator[str]:
    """Which labels a task can be given."""
    tags = c.task == "multilabel" and len(c.label_columns) == 1
    if tags != bool(c.label_separator):
        yield (
            "competition.label_separator: goes with task: multilabel in one label column, "
            "and that with it"
        )
    if len(set(c.label_columns)) < len(c.label_columns):
        yield f"competition.label_columns: {c.label_columns} names a column twice"
    if any("\t" in name for name in c.label_columns):
        yield "competition.label_columns: a name holds a tab, which stands between labels here"
    if c.task == "multilabel" and c.labels in IN_PATHS:
        yield f"competition.labels: task multilabel needs a csv, not {c.labels}"
    if c.task == "regression" and c.labels == "folders":
        yield "competition.labels: task regression takes numbers from a csv or filenames"
    if c.positive_class is not None and c.task != "multiclass":
        yield f"competition.positive_class: a class, and task is {c.task}; set it to null"


def _metric(c: Competition) -> Iterator[str]:
    """Which metrics score a task; map@5 stands for map@ and any number."""
    name = re.sub(r"^map@\d+$", "map@5", c.metric)
    if name not in METRICS[c.task]:
        yield (
            f"competition.metric: {c.metric} does not score a {c.task} task; "
            f"use {', '.join(METRICS[c.task])}"
        )


def _ratings(c: Competition) -> Iterator[str]:
    if c.task == "regression" and c.metric == "qwk" and len(c.label_columns) > 1:
        yield "competition.label_columns: qwk scores one column of ratings; name it alone"


def _folds(s: Settings) -> Iterator[str]:
    if len(set(s.folds)) < len(s.folds):
        yield f"folds: {s.folds} names a fold twice"
    for fold in s.folds:
        if fold != "full" and fold >= s.split.folds:
            last = s.split.folds - 1
            yield (
                f"folds: there is no fold {fold}; with split.val_pct {s.split.val_pct} "
                f"they are 0 to {last}"
            )
    if ("group" in s.split.method) != bool(s.competition.group_column):
        yield (
            "split.method: group and stratified_group go with competition.group_column, and that "
            "with one of them"
        )


def _network(s: Settings) -> Iterator[str]:
    layers = len(s.model.head_layers) + 1
    if len(s.model.dropout) != layers:
        yield (
            f"model.dropout: needs {layers} values, one before each linear layer of a head with "
            f"head_layers {s.model.head_layers}, and has {len(s.model.dropout)}"
        )
    if s.find_lr.end <= s.find_lr.start:
        yield f"find_lr.end: must be above find_lr.start, which is {s.find_lr.start:g}"


def _sizes(s: Settings) -> Iterator[str]:
    sizes = {f"{name}.image_size": getattr(s, name) for name in ("head", "augment", "unfreeze")}
    sizes |= {f"progressive.steps.{i}.image_size": x for i, x in enumerate(s.progressive.steps)}
    for key, group in sizes.items():
        if group.image_size > s.resize.shorter_side:
            yield (
                f"{key}: {group.image_size} is above the pack's resize.shorter_side "
                f"{s.resize.shorter_side}; lower the one or raise the other"
            )


def _rates(s: Settings) -> Iterator[str]:
    for key, fit, groups in _fits(s):
        if s.optimizer.layer_decay and isinstance(fit.lr, list) and len(fit.lr) > 1:
            yield f"{key}.lr: {len(fit.lr)} rates; with optimizer.layer_decay give the highest"
        elif isinstance(fit.lr, list) and len(fit.lr) not in (1, groups):
            yield (
                f"{key}.lr: {len(fit.lr)} rates for {groups} layer group{'s' * (groups > 1)}; "
                f"give one rate{f' or {groups}' if groups > 1 else ''}"
            )


def _finders(s: Settings) -> Iterator[str]:
    for key, fit, _ in _fits(s):
        before = "unfreeze" if key.startswith("unfreeze") else "head"
        if fit.lr == "auto" and before not in s.find_lr.before:
            yield f"{key}.lr: auto is what the finder suggests; add {before} to find_lr.before"


def _schedules(s: Settings) -> Iterator[str]:
    for key, fit, _ in _fits(s):
        if fit.schedule == "one_cycle" and (fit.cycles > 1 or fit.cycle_len is None):
            yield f"{key}.schedule: one_cycle is one; set cycles to 1, cycle_len to its epochs"


def _classes(s: Settings) -> Iterator[str]:
    """What is about classes, of which a regression has none."""
    off = {
        "loss.class_weights": "none", "loss.focal_gamma": 0, "loss.label_smoothing": 0,
        "batches.oversample": 0,
    }  # fmt: skip
    for key, value in off.items():
        group, _, leaf = key.partition(".")
        if s.competition.task == "regression" and getattr(getattr(s, group), leaf) != value:
            yield f"{key}: about classes, and task is regression; set it to {value}"


def _fits(s: Settings) -> Iterator[tuple[str, Fit, int]]:
    """Every fit: its key, itself, and how many layer groups it trains."""
    trained = [("head", s.head, 1), ("augment", s.augment, 1), ("unfreeze", s.unfreeze, 3)]
    steps = [
        (f"progressive.steps.{i}", step, 1 if step.layers == "head" else LAYER_GROUPS)
        for i, step in enumerate(s.progressive.steps)
    ]
    for key, group, groups in trained + steps:
        for i, fit in enumerate(group.fits):
            yield f"{key}.fits.{i}", fit, groups


def _blend(s: Settings) -> Iterator[str]:
    b, c = s.blend, s.competition
    if b.how == "gmean" and c.task == "regression":
        yield "blend.how: gmean averages probabilities; for a regression use mean"
    if b.how == "rank_mean" and c.metric != "auc":
        yield f"blend.how: rank_mean keeps an order alone, and {c.metric} reads more; use mean"
    if len(set(b.experiments)) < len(b.experiments):
        yield f"blend.experiments: {b.experiments} names a run twice; blend.weights weighs them"
    for key, value in (("temperature", 1), ("clip", 0)):
        what = "a regression has none" if c.task == "regression" else "rank_mean leaves none"
        if getattr(b, key) != value and (c.task == "regression" or b.how == "rank_mean"):
            yield f"blend.{key}: about probabilities, and {what}; set it to {value}"


def _snapshots(s: Settings) -> Iterator[str]:
    if s.tta.snapshots != "none" and not (s.unfreeze.cycle_save and s.unfreeze.fits):
        yield (
            f"tta.snapshots: {s.tta.snapshots} needs those of unfreeze; set unfreeze.cycle_save to "
            "true, and give it fits"
        )


def _submission(s: Settings) -> Iterator[str]:
    points = s.submission.cut_points
    if isinstance(points, list) and points != sorted(set(points)):
        yield f"submission.cut_points: {points} must climb"
