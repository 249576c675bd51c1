"""What the originals and the classes advise, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from stages.looking.headers import shorter

FAR_ABOVE = 1.5  # times the originals' shorter side: upscaled
FAR_BELOW = 1 / 3  # of it: detail is lost
APART = 1.5  # times, between training and test images: they are of two kinds
IMBALANCE = 10  # times as many images as another class has: the rare one is hardly seen


def of_sizes(headers: pd.DataFrame, shorter_side: int) -> Iterator[str]:
    """Whether the pack goes with most originals."""
    side = float(shorter(headers).median())
    originals = f"the originals' shorter side, {side:g} px in the median"
    share = shorter_side / side
    if share > FAR_ABOVE:
        yield (
            f"resize.shorter_side {shorter_side} is {share:.3g} times {originals}: upscaling adds "
            "no detail, only time, unless the network does better for it."
        )
    elif share < FAR_BELOW:
        yield (
            f"resize.shorter_side {shorter_side} is {share:.0%} of {originals}: if small details "
            "decide, raise it and the image sizes."
        )
    else:
        yield f"resize.shorter_side {shorter_side} goes with {originals}."


def of_weights(image_size: int, pretrained_size: int | None) -> Iterator[str]:
    """Whether the head sees images as large as the backbone did (Touvron et al. 2019)."""
    if pretrained_size and image_size < pretrained_size:
        yield (
            f"head.image_size {image_size} is below the {pretrained_size} px that the pretrained "
            "weights saw: try that (and resize.shorter_side at least as much), of small originals "
            "too; it is one forward pass an image."
        )


def of_kinds(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[str]:
    """Where training and test images are not alike, for then validation promises too much."""
    if test.empty:
        return
    a, b = (float(shorter(headers).median()) for headers in (train, test))
    if max(a, b) > APART * min(a, b):
        yield (
            f"Training images are {a:g} px on their shorter side and test images {b:g}, in the "
            "median: scores on validation rows may not hold on the test set."
        )
    for column in ("format", "mode"):
        a, b = (headers[column].mode()[0] for headers in (train, test))
        if a != b:
            yield (
                f"Most training images are of {column} {a} and most test images of {b}: scores on "
                "validation rows may not hold on the test set."
            )


def of_classes(counts: pd.Series) -> Iterator[str]:
    """Whether some classes are rare; counts of training images by class.

    Of a class without any, `split` has told, and nothing here helps.
    """
    counts = counts[counts > 0]
    if counts.max() > IMBALANCE * counts.min():
        rare, common = counts.idxmin(), counts.idxmax()
        yield (
            f"Class {rare} has {counts[rare]} training images and {common} {counts[common]}: "
            "batches.oversample: 1 shows both about as often, and a stratified split.method gives "
            "every fold its share."
        )
