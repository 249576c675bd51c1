"""Whether Kaggle would take a submission, and whether it says what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from stages.base import paths
from stages.base.errors import UserError, some
from stages.base.settings import Competition, Settings
from stages.competition import lookup
from stages.competition.archive import Archive
from stages.competition.csv_files import parse, read_sample
from stages.competition.forms import Form, form_of
from stages.rows import tables
from stages.scoring import predictions
from stages.scoring.predictions import Predicted

TURNED = 0.5  # in correlation: how much more a column looks like another class than its own
ALIKE = 0.6  # and how much it looks like that other class: among many, some do by chance
MANY = 50  # rows from which on correlations tell something from nothing
FEWEST = 10  # rows from which on they tell one class from another: of 3, one in 12 is mistaken
OFTEN = 20  # rows that say something of a class: a ranking of few places hardly names a rare one
SAME = 1e-5  # between the highest and the lowest of a column: the model says the same of all rows


def faults_of(path: Path, s: Settings) -> list[str]:
    """What is wrong with any file that is to be submitted; nothing if it is good.

    Raises:
        UserError: the file is no csv, or the competition is not there yet.

    """
    for needed in (paths.FOLDS, paths.CLASSES):
        if not needed.exists():
            raise UserError(f"{needed} is not there yet; run `dvc repro split` first.")
    sample = read_sample(Archive(paths.COMPETITION), s.competition.sample_submission)
    classes = tables.classes(paths.CLASSES)
    truth = tables.targets(tables.read(paths.FOLDS), classes, s.competition.task)
    form = form_of(sample.columns[1:], classes, s.competition, truth)
    return list(faults(parse(path.read_bytes(), str(path)), sample, form, reference()))


def notes(c: Competition) -> list[str]:
    """Where the competition's sample submission and its images disagree; sentences."""
    archive = Archive(paths.COMPETITION)
    ids = read_sample(archive, c.sample_submission).iloc[:, 0]
    found = lookup.find(ids, c.test_images, archive, c.suffix)
    return list(lookup.differences(ids, found, archive, c))


def reference() -> Predicted | None:
    """The model's own predictions for the test rows, if they are there."""
    return predictions.read(paths.BLENDED) if paths.BLENDED.exists() else None


def faults(
    cells: pd.DataFrame, sample: pd.DataFrame, form: Form, reference: Predicted | None = None
) -> Iterator[str]:
    """What is wrong with a submission, a clause each; nothing if it is good.

    `cells` and `sample` are tables of text, ids first; the model's own predictions, the
    `reference`, tell which way round values are.
    """
    if list(cells.columns) != list(sample.columns):
        yield f"columns are {some(cells.columns)}, and the sample has {some(sample.columns)}"
        return
    wrong = [*_id_faults(list(cells.iloc[:, 0]), list(sample.iloc[:, 0]))]
    wrong += [*form.faults(cells.iloc[:, 1:])] if len(cells) else []
    yield from wrong
    if wrong:
        return
    if reference and not reference.ids:  # no test images: the sample's values may be ours too
        return
    if len(cells) >= MANY and cells.iloc[:, 1:].equals(sample.iloc[:, 1:]):  # few may be right
        yield "its values are those of the sample submission"
    elif reference:
        yield from _turned(list(cells.iloc[:, 0]), *form.scores(cells.iloc[:, 1:]), reference)


def _id_faults(ids: list[str], wanted: list[str]) -> Iterator[str]:
    """Ids that are missing, extra, repeated, written otherwise, or in another order."""
    if ids == wanted:
        return
    missing, extra = sorted(set(wanted) - set(ids)), sorted(set(ids) - set(wanted))
    plain = {_plain(name): name for name in missing}
    if extra and _plain(extra[0]) in plain:
        yield f"ids are written otherwise: {extra[0]!r}, and the sample has " + repr(
            plain[_plain(extra[0])]
        )
    elif missing or extra:
        if missing:
            yield f"{len(missing)} ids of the sample are missing: {some(missing)}"
        if extra:
            yield f"{len(extra)} ids are not in the sample: {some(extra)}"
    elif len(ids) != len(wanted):
        yield f"{len(ids)} rows, and the sample has {len(wanted)}: ids are repeated"
    else:
        yield "rows are in another order than the sample's"


def _plain(name: str) -> str:
    """An id without what programs add and take away: padding, a decimal point, a suffix."""
    return name.strip().lower().partition(".")[0].lstrip("0")


def _turned(
    ids: list[str], classes: list[str], values: np.ndarray, reference: Predicted
) -> Iterator[str]:
    """Columns that look like another class than their own, or like their own upside down."""
    known = {name: i for i, name in enumerate(reference.ids)}
    shared = [i for i, name in enumerate(ids) if name in known]
    if len(shared) < FEWEST:
        return
    ours = reference.numbers[[known[ids[i]] for i in shared]]
    if np.ptp(ours, axis=0).max() < SAME:  # a network that has collapsed: it orders nothing
        return
    values = values[shared]
    found = _correlations(values, ours)
    own_of = [found[row, reference.classes.index(name)] for row, name in enumerate(classes)]
    if len(shared) >= MANY and np.mean(own_of) < 2 / np.sqrt(len(shared)):
        yield "values have nothing to do with the model's own: are they in another order than ids?"
        return
    said = (values > values.min(axis=0)).sum(axis=0)
    for row in np.flatnonzero(said >= min(OFTEN, len(shared) - 1)):
        name, own, best = classes[row], own_of[row], int(found[row].argmax())
        if found[row, best] > max(ALIKE, own + TURNED):
            yield f"values for {name} look like those of {reference.classes[best]}"
            return
        if own < -TURNED:
            yield f"values for {name} run against the model's own: are they upside down?"
            return


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's between each column of (N, A) and of (N, B); 0 where one is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt(np.outer((a**2).sum(axis=0), (b**2).sum(axis=0)))
    return np.divide(a.T @ b, scale, out=np.zeros_like(scale), where=scale > 1e-12)
