"""Calibration: probabilities made as sure as they have a right to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.scoring import predictions
from stages.scoring.blending import TINY

HOTTEST = 20  # a temperature from 1/20 to 20
MARGINS = [0.0, *np.geomspace(1e-5, 0.1, 33)]  # eight a power of ten

Loss = Callable[[np.ndarray], float]
"""The loss of predictions (N, C)."""


def temper(values: np.ndarray, temperature: float, task: str) -> np.ndarray:
    """Probabilities (..., C) at a temperature: above 1 less sure, below 1 surer.

    The softmax of log p / T; of several labels, each by itself, the sigmoid of its log odds / T
    (Guo et al., On calibration of modern neural networks, 2017). At 1 they stay as they are.
    """
    if temperature == 1:
        return values
    from scipy.special import expit, softmax  # half a second

    logs = np.log(np.maximum(values, TINY))
    if task == "multiclass":
        return softmax(logs / temperature, axis=-1)
    return expit((logs - np.log(np.maximum(1 - values, TINY))) / temperature)


def temperature(loss: Callable[[float], float]) -> float:
    """The temperature of the lowest loss, which is a function of it."""
    from scipy.optimize import minimize_scalar

    ends = (-np.log(HOTTEST), np.log(HOTTEST))
    found = minimize_scalar(lambda log: loss(float(np.exp(log))), bounds=ends, method="bounded")
    return float(np.exp(found.x))


def margin(loss: Loss, values: np.ndarray, task: str) -> float:
    """How far from 0 and 1 to clip probabilities (N, C) for the lowest loss."""
    losses = [loss(predictions.clip(values, margin, task)) for margin in MARGINS]
    return float(MARGINS[int(np.argmin(losses))])
