"""One prediction from several runs': weighted, averaged, calibrated, clipped, honestly scored.

What is to be chosen for that is chosen on out-of-fold predictions. The out-of-fold predictions
that come of it are by choices made without the row, so that whatever is scored on them is honest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stages.base import settings
from stages.base.errors import UserError
from stages.scoring import blending, calibration, decisions, honest, metrics, predictions
from stages.scoring.decisions import Question


@dataclass(frozen=True)
class Rule:
    """What was chosen, or given."""

    weights: tuple[float, ...]
    """One a run, of sum 1."""
    temperature: float = 1.0
    clip: float = 0.0


@dataclass(frozen=True)
class Blend:
    """How the runs of one competition are blended."""

    plan: settings.Blend
    ask: Question

    @property
    def chooses(self) -> list[str]:
        """The keys whose values are to be chosen."""
        keys = ("weights", "temperature", "clip")
        return [key for key in keys if getattr(self.plan, key) in ("greedy", "tuned")]

    def use(self, rule: Rule, stack: np.ndarray) -> np.ndarray:
        """Predictions (M, N, C) of all runs as one (N, C)."""
        task, average = self.ask.task, self._average(rule, stack)
        tempered = calibration.temper(average, rule.temperature, task)
        return predictions.clip(tempered, rule.clip, task)

    def learn(self, truth: np.ndarray, stack: np.ndarray) -> Rule:
        """What serves best on these rows: the weights first, then the temperature, then the clip.

        Weights are chosen by the competition's metric, the others by log loss.

        Raises:
            UserError: something is to be chosen and there are no rows.

        """
        if self.chooses and not len(truth):
            key = self.chooses[0]
            raise UserError(
                f"blend.{key}: {getattr(self.plan, key)} is chosen on validation rows that all "
                "runs share, and there are none; train a fold too, or choose it yourself."
            )
        rule = Rule(self._weights(truth, stack))
        rule = replace(rule, temperature=self._temperature(rule, truth, stack))
        return replace(rule, clip=self._margin(rule, truth, stack))

    def out_of_sample(self, truth: np.ndarray, stack: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """The runs' predictions as one (N, C), for each row by a rule of the other parts' rows."""
        if not self.chooses:
            return self.use(self.learn(truth, stack), stack)
        return honest.out_of_sample(
            lambda rows: self.learn(truth[rows], stack[:, rows]),
            lambda rule, rows: self.use(rule, stack[:, rows]),
            parts,
        )

    def _average(self, rule: Rule, stack: np.ndarray) -> np.ndarray:
        return blending.average(stack, self.plan.how, self.ask.task, rule.weights)

    def _weights(self, truth: np.ndarray, stack: np.ndarray) -> tuple[float, ...]:
        members = len(stack)
        if self.plan.weights == "equal" or members == 1:
            return (1 / members,) * members
        sign = 1 if metrics.find(self.ask.metric).greater_is_better else -1

        def score(weights: np.ndarray) -> float:
            values = self._average(Rule(tuple(weights)), stack)
            found = decisions.score(self.ask, truth, values)
            return -np.inf if found is None else sign * found

        return blending.greedy(score, members)

    def _temperature(self, rule: Rule, truth: np.ndarray, stack: np.ndarray) -> float:
        if self.plan.temperature != "tuned":
            return float(self.plan.temperature)
        return calibration.temperature(
            lambda t: metrics.log_loss(truth, self.use(replace(rule, temperature=t), stack))
        )

    def _margin(self, rule: Rule, truth: np.ndarray, stack: np.ndarray) -> float:
        if self.plan.clip != "tuned":
            return float(self.plan.clip)
        values = self.use(rule, stack)
        return calibration.margin(lambda v: metrics.log_loss(truth, v), values, self.ask.task)
