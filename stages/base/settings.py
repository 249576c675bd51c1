"""The schema of params.yaml: every hyperparameter, its type, its limits and what it means.

A params file is complete: every key is present, and none is unknown. params.py reads it.

No key may be called `size` or `nfiles`: DVC's run-cache takes those for facts about files and
leaves them out of its key (treeverse/dvc issue 10296), so that a changed size would silently bring
back the results of the old one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=8, le=4096)]
Quality = Annotated[int, Field(ge=1, le=100)]
Probability = Annotated[float, Field(ge=0, le=1)]
Folders = str | Annotated[list[str], Field(min_length=1)]
Fold = Annotated[int, Field(ge=0)] | Literal["full"]

Metric = (
    Literal[
        "log_loss", "auc", "accuracy", "error", "balanced_accuracy", "mcc", "qwk", "f1_micro",
        "f1_macro", "f1_samples", "f2", "rmse", "mae",
    ]
    | Annotated[str, Field(pattern=r"^map@[1-9][0-9]*$")]
)  # fmt: skip


class Group(BaseModel):
    """A group of keys; unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        str_max_length=1000,  # counting, pydantic also refuses half a surrogate pair
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
    metric: Metric
    """The competition's own metric: what is written into the submission is what it reads."""
    train_images: Folders
    """The folder, or folders, of the training images inside the competition's files."""
    test_images: str | list[str]
    """The folder, or folders, of the test images; [] where none is visible (code competitions)."""
    suffix: str
    """What follows an id in a file name (.jpg), or auto: found among the files."""
    labels: str
    """The csv with one row an image, or `folders` (a folder a class), or `filenames`."""
    id_column: str | None
    """The csv's column that names the image."""
    label_columns: list[str]
    """The csv's column of labels; or several, each a class (0 or 1) or a number."""
    label_separator: Annotated[str, Field(min_length=1)] | None
    """multilabel in one column: what stands between the labels."""
    label_pattern: str | None
    """labels: filenames: a regular expression, searched in an image's path inside train_images;
    its first group is the label."""
    group_column: str | None
    """The csv's column whose equal values must stay in one fold (a patient, a place)."""
    sample_submission: str
    """The csv that shows the form of a submission."""
    positive_class: str | None
    """Two classes and one probability column: the class that it is the probability of."""


class Split(Group):
    """Which rows validate."""

    method: Literal["random", "stratified", "group", "stratified_group"]
    """random: fastai's get_cv_idxs. stratified: each class (or tenth of a regression's numbers) in
    equal shares. group: rows of one group_column value stay in one fold."""
    val_pct: Annotated[float, Field(ge=1e-6, le=0.5)]
    """The share of rows in one fold."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of the permutation; 42 in the lesson."""
    keep_together: Literal["none", "duplicates"]
    """duplicates: copies that the stage of that name finds are put into one fold."""

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


class Screen(Group):
    """Images that are missing or cannot be read."""

    bad_images: Literal["fail", "quarantine"]
    """Labelled ones: fail names them all; quarantine leaves them out, and lists them. A test image
    always keeps its row, with the mean prediction."""


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


class Optimizer(Group):
    """What takes the steps: SGD, as in fastai 0.7, or AdamW."""

    name: Literal["sgd", "adamw"]
    """sgd: with momentum, without Nesterov. adamw: Loshchilov and Hutter 2017, its second beta 0.99
    and its eps 1e-5, as in fastai's later versions; its rates are some hundred times lower."""
    momentum: Fraction
    """0.9 in fastai; of adamw, the first beta."""
    weight_decay: Annotated[float, Field(ge=0)]
    """0 in fastai; 0.01 in its later versions, with adamw."""
    ema: Fraction
    """Judge and keep an exponential moving average of the weights, that remembers this much at each
    step: 0.999, say. 0 keeps the weights themselves. A fit begins a new average."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None
    """Where all layers are trained, each layer's rate is this share of the next one's (0.75, say),
    and a fit names the highest; null: three groups of rates."""


class Loss(Group):
    """What is trained on; validation losses are always the task's own."""

    class_weights: Literal["none", "balanced"]
    """balanced: a row weighs n / (classes * rows of its class), as in scikit-learn."""
    focal_gamma: Annotated[float, Field(ge=0, le=10)]
    """Focal loss (Lin et al. 2017): rows that are right already count less; 2 in the paper."""
    label_smoothing: Fraction
    """This much of a label goes to all classes alike; of a tag, towards 0.5."""


class Batches(Group):
    """What a training batch is made of."""

    oversample: Probability
    """Copy the rows of rare classes, until each class has rows in proportion to n ** (1 - this):
    at 1 all have as many as the most frequent one. No row is left out: an epoch gets longer."""
    mixup: Annotated[float, Field(ge=0, le=10)]
    """Mixup (Zhang et al. 2018) with shares from Beta(this, this), in the stages on images; 0.2 to
    0.4, say."""
    cutmix: Annotated[float, Field(ge=0, le=10)]
    """CutMix (Yun et al. 2019) with areas from Beta(this, this), in the stages on images; 1 in the
    paper. With mixup, each batch is one or the other."""


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


class Duplicates(Group):
    """When two images count as copies: by their activations and by their perceptual hashes.

    The nearer the activations, the more bits may differ: none at `cosine`, `distance` at 1.
    Files of the same bytes always do.
    """

    cosine: Fraction
    """The least cosine of two images' activations, the mean of all images taken off."""
    distance: Annotated[int, Field(ge=0, le=64)]
    """The most bits of 64 in which their hashes may differ."""


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
    schedule: Literal["sgdr", "one_cycle"] = "sgdr"
    """sgdr: cosine cycles. one_cycle: up and down once (Smith 2018), over cycle_len epochs."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Of this fit (fastai's wds); without it, optimizer.weight_decay."""


class Training(Group):
    """A stage that trains at one image size."""

    image_size: Size
    """Pixels of the square that the network sees."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images a training step."""
    fits: list[Fit]
    """The fits, in order; [] passes the model on unchanged."""


class Unfreeze(Training):
    """All layers."""

    cycle_save: bool
    """Keep the weights at the end of each cycle, for tta.snapshots."""


class Head(Training):
    """The head on the activations of a frozen backbone."""

    views: Count
    """Views of each training image that are cached: 1 is the plain one, more are augmented. Each
    epoch takes one of them by chance."""


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
    snapshots: Literal["none", "predictions", "weights"]
    """Of the snapshots that unfreeze.cycle_save keeps, average the predictions (fastai's snapshot
    ensemble), or the weights (SWA, Izmailov et al. 2018); none: predict with the last weights."""
    batch_size: Count
    """Images a forward pass; changes the last digits in fp32."""


class Blend(Group):
    """One prediction from those of the folds, and of earlier runs."""

    experiments: list[str]
    """Earlier runs to blend with: commits, tags, or names of DVC's experiments. DVC watches the
    name alone: HEAD, or a branch, moves unseen."""
    how: Literal["mean", "gmean", "rank_mean"]
    """How folds and runs are averaged: arithmetic, geometric (what fastai's first TTA did), or, for
    AUC, the mean of ranks. These are no probabilities: the other scores of the blend, its confusion
    and calibration then say nothing."""
    weights: Literal["equal", "greedy"]
    """Of the runs. greedy: selected by the metric on out-of-fold rows (Caruana et al. 2004)."""
    temperature: Literal["tuned"] | Annotated[float, Field(ge=0.05, le=20)]
    """Of the average: above 1 makes its probabilities less sure, below 1 surer. tuned: for the
    lowest log loss of the out-of-fold rows. There one model of each run predicts a row; the average
    of several folds is less sure already, of which the score out of fold knows nothing."""
    clip: Literal["tuned"] | Annotated[float, Field(ge=0, lt=0.5)]
    """Clip probabilities this far from 0 and 1, before rows are made to sum to 1 again; tuned: for
    the lowest log loss of the out-of-fold rows."""


class Gradcam(Group):
    """Where the network looked when it was wrong: Grad-CAM (Selvaraju et al. 2017)."""

    images: Annotated[int, Field(ge=0, le=50)]
    """How many of the validated images that it was most wrong about; 0: none."""


class Submission(Group):
    """The submission file."""

    file: Annotated[str, Field(pattern=r"^[\w][\w.-]*\.csv$")]
    """Its name inside submissions/."""
    threshold: Literal["one", "per_class"] | Probability
    """multilabel classes: one threshold or one a class, tuned on out-of-fold predictions; or it."""
    cut_points: Literal["tuned", "rounded"] | list[float]
    """qwk of a regression: where one rating ends and the next begins, tuned on out-of-fold
    predictions; rounded, half-way; or the points themselves."""


class Runtime(Group):
    """Your machine; declared by no stage, and what it changes is recorded with the metrics."""

    workers: Literal["auto"] | Annotated[int, Field(ge=0)]
    """Threads that prepare images, auto one a core; never changes a result."""
    device: Literal["auto", "cpu", "cuda", "mps"]
    """Where the network runs."""
    deterministic: bool
    """On a GPU: the same bits in each run, for some speed; a CPU always does."""


class Settings(Group):
    """params.yaml as a whole."""

    competition: Competition
    folds: Annotated[list[Fold], Field(min_length=1)]
    """Which folds to train, or full: every row, without validation."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """First weights of the head, order of images, dropout, augmentation."""
    split: Split
    resize: Resize
    screen: Screen
    model: Model
    optimizer: Optimizer
    loss: Loss
    batches: Batches
    transforms: Transforms
    precompute: Precompute
    duplicates: Duplicates
    find_lr: FindLr
    head: Head
    augment: Training
    """The head, on augmented images: the backbone runs again for each view."""
    progressive: Progressive
    unfreeze: Unfreeze
    tta: Tta
    blend: Blend
    gradcam: Gradcam
    submission: Submission
    runtime: Runtime
