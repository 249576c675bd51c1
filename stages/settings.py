"""The schema of params.yaml: every hyperparameter, its type, its limits and what it means.

A params file is complete: every key is present, and none is unknown. stages/params.py reads it.

No key may be called `size` or `nfiles`: DVC's run-cache takes those for facts about files and
leaves them out of its key (treeverse/dvc issue 10296), so that a changed size would silently bring
back the results of the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
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

    image_size: Size
    """Pixels of the square that the network sees."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images a training step."""
    fits: list[Fit]
    """The fits, in order; [] passes the model on unchanged."""


class Step(Group):
    """One size of progressive resizing."""

    image_size: Size
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
    """Clip probabilities this far from 0 and 1, before rows are made to sum to 1 again."""


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
        if self.competition.group_column:
            faults.append(
                "competition.group_column: split.method random does not keep groups together; "
                "set it to null"
            )
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
            yield (
                f"folds: there is no fold {fold}; with split.val_pct {s.split.val_pct} "
                f"they are 0 to {last}"
            )


def _sizes(s: Settings) -> Iterator[tuple[str, int]]:
    for name in ("head", "augment", "unfreeze"):
        yield f"{name}.image_size", getattr(s, name).image_size
    for i, step in enumerate(s.progressive.steps):
        yield f"progressive.steps.{i}.image_size", step.image_size


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
