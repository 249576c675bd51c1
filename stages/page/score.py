"""The score of the cross-validation, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stages.page.tables import cell, words

NOTHING = "No row is validated: every model was trained on all of them, and none has a score."


def sentences(metric: str, found: Mapping[str, Any]) -> Iterator[str]:
    """The score, where it lies over all such images, and how far the folds are apart."""
    key, rows = f"cv_{metric}", found["validation_rows"]
    if found.get(key) is None:
        yield NOTHING if not rows else f"The validated rows leave {words(metric)} undefined."
        return
    yield (
        f"{words(metric)} {cell(found[key])} in cross-validation, over {rows:,} rows that the "
        "models predicting them were not trained on."
    )
    if (low := found.get(f"{key}_low")) is not None:
        high = cell(found[f"{key}_high"])
        yield f"Over all images like these it lies from {cell(low)} to {high}, 95 times in 100."
    if (low := found.get(f"{key}_lowest_fold")) is not None:
        yield f"The folds lie from {cell(low)} to {cell(found[f'{key}_highest_fold'])}."


def others(metric: str, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The other scores, name and value."""
    own = f"cv_{metric}"
    ends = [f"{own}{end}" for end in ("", "_low", "_high", "_lowest_fold", "_highest_fold")]
    scores = {k: v for k, v in found.items() if k.startswith("cv_") and k not in ends}
    return [(words(name.removeprefix("cv_")), cell(value)) for name, value in scores.items()]
