"""The schema of params.yaml: every hyperparameter, its type, its limits and what it means.

A params file is complete (every key present) and checked as a whole before any stage works, so
that a mistyped key costs seconds, not the night. `load(stage)` then hands a stage only the keys
that it declares in dvc.yaml: a stage that reads a key DVC does not watch fails at once instead of
going stale.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from stages import paths
from stages.errors import SettingsError

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=8, le=4096)]
Quality = Annotated[int, Field(ge=1, le=100)]
Probability = Annotated[float, Field(ge=0, le=1)]
Fold = Annotated[int, Field(ge=0)] | Literal["full"]

LAYER_GROUPS = 3


class Group(BaseModel):
    """A group of keys; unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class Competition(Group):
    """What the competition is and how its files are laid out; never guessed."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """The last part of the competition's address: kaggle.com/competitions/<slug>."""
    source: str
    """kaggle (download), demo (the bundled digits), or the path of a folder or zip laid out
    as Kaggle's."""
    task: Literal["multiclass", "multilabel", "regression"]
    """multiclass: one class an image. multilabel: any number. regression: a number."""
    metric: Literal["log_loss", "accuracy", "error", "f2", "rmse", "mae"]
    """The competition's own metric."""
    train_images: str
    """The folder of the training images inside the competition's files."""
    test_images: str
    """The folder of the test images."""
    suffix: str
    """What follows an id in a file name (.jpg), or auto: found among the files."""
    labels: str
    """The csv with one row an image, or `folders` (a folder a class), or `filenames`."""
    id_column: str | None
    """The csv's column that names the image."""
    label_columns: list[str]
    """The csv's column or columns that hold the label."""
    label_separator: str | None
    """multilabel in one column: what stands between the labels."""
    label_pattern: str | None
    """labels: filenames: a regular expression whose first group is the label."""
    group_column: str | None
    """The csv's column whose equal values must stay in one fold (a patient, a place)."""
    sample_submission: str
    """The csv that shows the form of a submission."""
    positive_class: str | None
    """Two classes and one probability column: the class that it is the probability of."""

    @model_validator(mode="after")
    def _labels_can_be_read(self) -> Competition:
        if self.labels == "filenames" and not self.label_pattern:
            raise ValueError("label_pattern is needed when labels is 'filenames'")
        if self.labels not in ("filenames", "folders") and not (
            self.id_column and self.label_columns
        ):
            raise ValueError("id_column and label_columns are needed when labels is a csv")
        return self


class Split(Group):
    """Which rows validate."""

    method: Literal["random"]
    """random: fastai's get_cv_idxs."""
    val_pct: Annotated[float, Field(gt=0, le=0.5)]
    """The share of rows in one fold."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of the permutation; 42 in the lesson."""

    @property
    def folds(self) -> int:
        """How many folds there are: disjoint, each with val_pct of the rows."""
        return int(1 / self.val_pct + 1e-9)


class Resize(Group):
    """The pack of resized images."""

    shorter_side: Size
    """Pixels of the shorter side; at least the largest size trained at, better 1.1 times that."""
    quality: Quality
    """JPEG quality of the pack."""


class Model(Group):
    """The network: a pretrained backbone and a new head."""

    architecture: str
    """Any timm model name."""
    weights: str
    """hub (timm's download), package (a pip package), none (random), or the path of a file."""
    pool: Literal["concat", "avg", "max"]
    """How the feature map becomes a vector; concat is fastai's max and average side by side."""
    head_layers: list[Count]
    """Widths of the head's hidden layers; [] is one linear layer."""
    dropout: list[Fraction]
    """Dropout before each of the head's linear layers, one more than head_layers."""
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    """auto: what the hardware is fast at, by rule, recorded with the metrics."""
    freeze_batchnorm: bool
    """Keep pretrained BatchNorm statistics even in unfrozen layers (fastai's bn_freeze)."""

    @model_validator(mode="after")
    def _dropout_fits_head(self) -> Model:
        if len(self.dropout) != len(self.head_layers) + 1:
            raise ValueError(
                f"dropout needs {len(self.head_layers) + 1} values, one before each linear layer "
                f"of a head with head_layers {self.head_layers}, and has {len(self.dropout)}"
            )
        return self


class Optimizer(Group):
    """SGD, as in fastai 0.7."""

    momentum: Fraction
    """0.9 in fastai, without Nesterov."""
    weight_decay: Annotated[float, Field(ge=0)]
    """0 in fastai."""


class Transforms(Group):
    """What augmentation does to a training image, and to the augmented views of TTA."""

    augment: Literal["side_on", "top_down", "basic", "none"]
    """basic: rotate and light. side_on: and mirror. top_down: and all eight symmetries."""
    max_zoom: Annotated[float, Field(ge=1, le=4)]
    """With probability 0.75, zoom in by a factor up to this."""
    rotate: Annotated[float, Field(ge=0, le=180)]
    """With probability 0.75, turn by up to this many degrees either way."""
    lighting: Annotated[float, Field(ge=0, lt=1)]
    """Change brightness and contrast by up to this."""


class Precompute(Group):
    """The backbone's activations, computed once."""

    batch_size: Count
    """Images a forward pass; changes the last digits in fp32."""


class FindLr(Group):
    """The learning-rate finder, run before `head` and again before `unfreeze`."""

    before: list[Literal["head", "unfreeze"]]
    """The stages before which the finder runs."""
    start: Positive
    """The first rate."""
    end: Positive
    """The rate after the last batch, unless the loss explodes before."""
    batches: Annotated[int, Field(ge=20)]
    """Over how many batches the rate climbs."""
    group_ratio: Annotated[float, Field(ge=1)]
    """Each earlier layer group's rate is this many times lower: 10 for photographs, 3 for
    satellite or medical images. Also what `lr: auto` uses for unfrozen layers."""

    @model_validator(mode="after")
    def _climbs(self) -> FindLr:
        if self.end <= self.start:
            raise ValueError("end must be above start")
        return self


class Fit(Group):
    """One call of fastai's `learn.fit(lr, cycles, cycle_len, cycle_mult)`."""

    lr: Literal["auto"] | Positive | list[Positive]
    """The highest rate: a number, one a layer group (earliest first), or auto (find_lr's)."""
    cycles: Count
    """How many cosine cycles; epochs when there is no cycle_len."""
    cycle_len: Count | None = None
    """Epochs of the first cycle; without it the rate stays constant."""
    cycle_mult: Count = 1
    """Each cycle is this many times longer than the one before."""


class Training(Group):
    """A stage that trains at one image size."""

    size: Size
    """Pixels of the square that the network sees."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images a training step."""
    fits: list[Fit]
    """The fits, in order; [] passes the model on unchanged."""


class Step(Group):
    """One size of progressive resizing."""

    size: Size
    """Pixels of the square that the network sees."""
    layers: Literal["head", "all"]
    """Train the head on the frozen backbone, or everything."""
    fits: list[Fit]
    """The fits, in order."""


class Progressive(Group):
    """Progressive resizing: train on, at larger and larger sizes."""

    batch_size: Annotated[int, Field(ge=2)]
    """Images a training step."""
    steps: list[Step]
    """Any number of sizes; [] passes the model on unchanged."""


class Tta(Group):
    """Test-time augmentation."""

    augmented: Annotated[int, Field(ge=0)]
    """Augmented views beside the plain one; 0 is plain prediction."""
    plain_weight: Probability
    """Weight of the plain view; the augmented ones share the rest."""
    batch_size: Count
    """Images a forward pass; changes the last digits in fp32."""


class Submission(Group):
    """The submission file."""

    file: Annotated[str, Field(pattern=r"^[\w][\w.-]*\.csv$")]
    """Its name inside submissions/."""
    blend: Literal["mean", "gmean"]
    """How folds are averaged: arithmetic, or geometric (what fastai's first TTA did)."""
    clip: Annotated[float, Field(ge=0, lt=0.5)]
    """Keep probabilities this far from 0 and 1."""


class Runtime(Group):
    """Your machine; declared by no stage, and what it changes is recorded with the metrics."""

    workers: Literal["auto"] | Annotated[int, Field(ge=0)]
    """Processes that prepare images; never changes a result."""
    device: Literal["auto", "cpu", "cuda", "mps"]
    """Where the network runs."""


class Settings(Group):
    """params.yaml as a whole."""

    competition: Competition
    folds: Annotated[list[Fold], Field(min_length=1)]
    """Which folds to train, or full: every row, without validation."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """First weights of the head, order of images, dropout, augmentation."""
    split: Split
    resize: Resize
    model: Model
    optimizer: Optimizer
    transforms: Transforms
    precompute: Precompute
    find_lr: FindLr
    head: Training
    augment: Training
    progressive: Progressive
    unfreeze: Training
    tta: Tta
    submission: Submission
    runtime: Runtime

    @model_validator(mode="after")
    def _belongs_together(self) -> Settings:
        faults = [*_fold_faults(self), *_size_faults(self), *_rate_faults(self)]
        if self.competition.metric not in METRICS[self.competition.task]:
            faults.append(
                f"competition.metric: {self.competition.metric} does not score a "
                f"{self.competition.task} task; use {', '.join(METRICS[self.competition.task])}"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self


METRICS = {
    "multiclass": ("log_loss", "accuracy", "error"),
    "multilabel": ("f2", "log_loss"),
    "regression": ("rmse", "mae"),
}


def _fold_faults(s: Settings) -> Iterator[str]:
    if len(set(s.folds)) < len(s.folds):
        yield f"folds: {s.folds} names a fold twice"
    for fold in s.folds:
        if fold != "full" and fold >= s.split.folds:
            last = s.split.folds - 1
            yield f"folds: there is no fold {fold}; with split.val_pct {s.split.val_pct} they are 0 to {last}"


def _sizes(s: Settings) -> Iterator[tuple[str, int]]:
    for name in ("head", "augment", "unfreeze"):
        yield f"{name}.size", getattr(s, name).size
    for i, step in enumerate(s.progressive.steps):
        yield f"progressive.steps.{i}.size", step.size


def _size_faults(s: Settings) -> Iterator[str]:
    for key, size in _sizes(s):
        if size > s.resize.shorter_side:
            yield (
                f"{key}: {size} is above the pack's resize.shorter_side {s.resize.shorter_side}; "
                "lower the one or raise the other"
            )


def _fits(s: Settings) -> Iterator[tuple[str, Fit, int]]:
    trained = [("head", s.head, 1), ("augment", s.augment, 1), ("unfreeze", s.unfreeze, 3)]
    steps = [
        (f"progressive.steps.{i}", step, 1 if step.layers == "head" else LAYER_GROUPS)
        for i, step in enumerate(s.progressive.steps)
    ]
    for key, group, groups in trained + steps:
        for i, fit in enumerate(group.fits):
            yield f"{key}.fits.{i}.lr", fit, groups


def _rate_faults(s: Settings) -> Iterator[str]:
    for key, fit, groups in _fits(s):
        if isinstance(fit.lr, list) and len(fit.lr) not in (1, groups):
            yield (
                f"{key}: {len(fit.lr)} rates for {groups} layer group{'s' * (groups > 1)}; "
                f"give one rate{f' or {groups}' if groups > 1 else ''}"
            )


def keys(group: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every dotted key of the schema; list items appear under their list's own key."""
    for name, field in group.model_fields.items():
        yield f"{prefix}{name}"
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from keys(inner, f"{prefix}{name}.")


def read(path: Path = paths.PARAMS) -> Settings:
    """Read and check a whole params file.

    Raises:
        SettingsError: one sentence a fault, each naming the file, the key and the remedy.

    """
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError:
        raise SettingsError(f"{path}: there is no such file; run this where {path} is.") from None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(f"{path}: not readable as YAML: {_first_line(error)}.") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected groups of keys such as `competition:`.")
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path}: {s}." for s in _sentences(error))) from None


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.split(" To suppress this check")[0]


def _sentences(error: ValidationError) -> list[str]:
    """One sentence a fault; alternatives of one value are joined, and a mistyped key is one fault."""
    faults: dict[str, list[dict[str, Any]]] = {}
    for fault in error.errors(include_url=False):
        faults.setdefault(_dotted(fault), []).append(dict(fault))
    said, meant = [], set()
    for key, found in faults.items():
        if found[0]["type"] == "extra_forbidden":
            near = _nearest(key)
            meant.add(near)
            said.append(f"unknown key {key}{f'; did you mean {near}?' if near else ''}".rstrip("?"))
    for key, found in faults.items():
        if found[0]["type"] == "missing" and key not in meant:
            said.append(f"{key} is missing; every key is needed")
        elif found[0]["type"] == "value_error":
            lines = str(found[0]["ctx"]["error"]).split("\n")
            said.extend(f"{key}: {line}" if key else line for line in lines)
        elif found[0]["type"] not in ("missing", "extra_forbidden"):
            expected = " or ".join(_expected(f["msg"]) for f in found)
            said.append(f"{key}: {expected}, not {found[0]['input']!r}")
    return said


def _expected(message: str) -> str:
    return message.removeprefix("Input ").rstrip(".")


def _dotted(fault: Any) -> str:
    """The key as the user wrote it, without pydantic's names for the alternatives of a type."""
    names = {key.split(".")[-1] for key in keys()}
    parts = list(fault["loc"])
    while parts and fault["type"] not in ("extra_forbidden", "missing"):
        if isinstance(parts[-1], int) or parts[-1] in names:
            break
        parts.pop()
    return ".".join(map(str, parts))


def _nearest(key: str) -> str | None:
    """The schema's key most like `key`: a sibling if one is near, else any."""
    *parents, leaf = key.split(".")
    plain = ".".join(p for p in parents if not p.isdigit())
    siblings = [k.split(".")[-1] for k in keys() if k.rpartition(".")[0] == plain]
    if near := difflib.get_close_matches(leaf, siblings, n=1):
        return ".".join([*parents, near[0]])
    leaves = {k.split(".")[-1]: k for k in keys()}
    near = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)
    return leaves[near[0]] if near else None


def declared(stage: str, pipeline: Path = paths.PIPELINE) -> list[str]:
    """The params that `stage` declares in dvc.yaml."""
    stages = YAML(typ="safe", pure=True).load(pipeline.read_text(encoding="utf-8"))["stages"]
    return stages[stage].get("params", [])


def only(settings: Settings, wanted: Iterable[str]) -> SimpleNamespace:
    """`settings` with nothing in it but the dotted keys in `wanted`."""
    view = SimpleNamespace()
    for key in wanted:
        *groups, leaf = key.split(".")
        source, target = settings, view
        for group in groups:
            source = getattr(source, group)
            target = vars(target).setdefault(group, SimpleNamespace())
        setattr(target, leaf, getattr(source, leaf))
    return view


def load(stage: str) -> SimpleNamespace:
    """The checked params that `stage` may see: what it declares in dvc.yaml, and `runtime`."""
    return only(read(), [*declared(stage), "runtime"])
