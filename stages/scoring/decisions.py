"""From predictions to what a metric reads: a class, labels, a ranking, whole ratings.

What has to be chosen for that (thresholds, cut points) is chosen on out-of-fold predictions, and
scored on rows that it was not chosen on: scored on the same rows it flatters, as the lesson's F2
of Planet did.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from stages.base.errors import UserError
from stages.scoring import cut_points, honest, metrics, thresholds
from stages.scoring.fbeta import NAMED, FBeta


@dataclass(frozen=True)
class Question:
    """What a competition asks for, and how it is to be answered."""

    metric: str
    task: str
    threshold: str | float = "one"
    """one | per_class, chosen; or the number itself."""
    cut_points: str | list[float] = "tuned"
    """tuned | rounded | the points."""
    ratings: tuple[int, int] = (0, 0)
    """The lowest and the highest rating that there is."""

    @property
    def tagged(self) -> bool:
        """Whether labels are given above a threshold."""
        return self.task == "multilabel" and metrics.find(self.metric).reads == "classes"

    @property
    def rated(self) -> bool:
        """Whether a regression's numbers become whole ratings."""
        return self.task == "regression" and self.metric == "qwk"

    @property
    def chooses(self) -> bool:
        """Whether there is anything to choose."""
        return (self.tagged and isinstance(self.threshold, str)) or (
            self.rated and self.cut_points == "tuned"
        )


def asked(competition: SimpleNamespace, submission: SimpleNamespace, truth: np.ndarray) -> Question:
    """What params.yaml asks for; `truth` is that of all labelled rows, whose ratings there are.

    Raises:
        UserError: qwk, and the labels are not whole ratings.

    """
    rated = competition.task == "regression" and competition.metric == "qwk"
    if rated and (truth % 1).any():
        raise UserError(
            "competition.metric: qwk scores whole ratings, and the labels are not whole."
        )
    how = {"threshold": submission.threshold, "cut_points": submission.cut_points}
    ratings = (int(truth.min()), int(truth.max()))
    return Question(competition.metric, competition.task, **how, ratings=ratings)


Rule = tuple[float, ...]
"""Thresholds, one or one a class; or cut points; or nothing."""


def learn(ask: Question, truth: np.ndarray, predictions: np.ndarray) -> Rule:
    """The rule that serves the metric best on these rows.

    Raises:
        UserError: something is to be chosen and there are no rows, or too few cut points.

    """
    if ask.chooses and not len(truth):
        key = "threshold" if ask.tagged else "cut_points"
        raise UserError(
            f"submission.{key}: {getattr(ask, key)} is chosen on validation rows, and there are "
            "none; train a fold too, or give it in numbers."
        )
    if ask.tagged:
        return _thresholds(ask, truth, predictions)
    return _cut_points(ask, truth, predictions) if ask.rated else ()


def _thresholds(ask: Question, truth: np.ndarray, predictions: np.ndarray) -> Rule:
    if ask.threshold == "one":
        return (thresholds.one(ask.metric, truth, predictions),)
    if ask.threshold == "per_class":
        return tuple(map(float, thresholds.per_class(ask.metric, truth, predictions)))
    return (float(ask.threshold),)


def _cut_points(ask: Question, truth: np.ndarray, predictions: np.ndarray) -> Rule:
    lowest, highest = ask.ratings
    if ask.cut_points == "rounded":
        return tuple(map(float, cut_points.halves(lowest, highest)))
    if ask.cut_points == "tuned":
        found = cut_points.tuned(truth.ravel(), predictions.ravel(), lowest, highest)
        return tuple(map(float, found))
    if len(ask.cut_points) != highest - lowest:
        raise UserError(
            f"submission.cut_points: {len(ask.cut_points)} points for the {highest - lowest + 1} "
            f"ratings {lowest} to {highest}; give {highest - lowest}."
        )
    return tuple(ask.cut_points)


def decide(ask: Question, rule: Rule, predictions: np.ndarray) -> np.ndarray:
    """What the metric reads, from predictions (N, C)."""
    if ask.tagged:
        return _tags(predictions, predictions > np.array(rule), NAMED[ask.metric])
    if ask.rated:
        return ask.ratings[0] + np.searchsorted(rule, predictions)
    metric = metrics.find(ask.metric)
    if metric.reads == "ranking":
        return np.argsort(-predictions, axis=1, kind="stable")[:, : metric.most]
    return predictions.argmax(axis=1) if metric.reads == "classes" else predictions


def _tags(predictions: np.ndarray, said: np.ndarray, f: FBeta) -> np.ndarray:
    """Flags (N, C); of the mean over rows, a row above no threshold gets its likeliest tag.

    A row of which nothing is said scores 0, whatever is true of it.
    """
    if f.average == "samples":
        none = np.flatnonzero(~said.any(axis=1))
        said[none, predictions[none].argmax(axis=1)] = True
    return said.astype(int)


def out_of_sample(
    ask: Question, truth: np.ndarray, predictions: np.ndarray, parts: np.ndarray
) -> np.ndarray:
    """What the metric reads of every row, by a rule of the other parts' rows if there is one."""
    if not ask.chooses:
        return decide(ask, learn(ask, truth, predictions), predictions)
    return honest.out_of_sample(
        lambda rows: learn(ask, truth[rows], predictions[rows]),
        lambda rule, rows: decide(ask, rule, predictions[rows]),
        parts,
    )


def score(ask: Question, truth: np.ndarray, predictions: np.ndarray) -> float | None:
    """The metric of these rows, by the rule that serves them best: where it is chosen, too good."""
    rule = learn(ask, truth, predictions)
    return metrics.score(ask.metric, truth, decide(ask, rule, predictions))


def scores(
    ask: Question, truth: np.ndarray, predictions: np.ndarray, parts: np.ndarray
) -> dict[str, float | None]:
    """The metric, and where something is chosen also the flattering figure, `_naive`.

    The first is of decisions by rules of other rows, the second by the rule of these very rows,
    and alone where all rows are of one part.
    """
    naive = score(ask, truth, predictions)
    if not ask.chooses:
        return {ask.metric: naive}
    if len(np.unique(parts)) == 1:
        return {f"{ask.metric}_naive": naive}
    given = out_of_sample(ask, truth, predictions, parts)
    return {ask.metric: metrics.score(ask.metric, truth, given), f"{ask.metric}_naive": naive}
