"""Competition metrics over whole sets, by scikit-learn (fastai 0.7 averaged batches)."""

from __future__ import annotations

import numpy as np
from sklearn import metrics as sk


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log probability of the true class; rows are renormalised as Kaggle does."""
    rows = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(sk.log_loss(truth, rows, labels=np.arange(rows.shape[1])))


def accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of rows whose most probable class is the true one."""
    return float(sk.accuracy_score(truth, probabilities.argmax(axis=1)))


def error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of rows whose most probable class is not the true one."""
    return 1 - accuracy(truth, probabilities)


SCORES = {"log_loss": log_loss, "accuracy": accuracy, "error": error}


def score(metric: str, truth: np.ndarray, predictions: np.ndarray) -> float:
    """One metric: truth (N,) class numbers, predictions (N, C) probabilities."""
    return SCORES[metric](truth, predictions)
