"""Labelled rows with predictions that know something of the labels, and scikit-learn's F-beta."""

import numpy as np
from sklearn.metrics import f1_score, fbeta_score

F_BETAS = ["f1_micro", "f1_macro", "f1_samples", "f2"]


def tagged(seed, n=40, c=4, signal=1.0):
    """Flags (n, c) and probabilities that know something of them; some values are tied."""
    rng = np.random.default_rng(seed)
    truth = (rng.uniform(0, 1, (n, c)) < [0.1, 0.3, 0.5, 0.8][:c]).astype(float)
    outputs = signal * (2 * truth - 1) + rng.normal(0, 1.5, (n, c)) - 0.5
    return truth, (1 / (1 + np.exp(-outputs))).round(2)


def rated(seed, n=200, ratings=5, noise=0.9):
    """Ratings (n, 1) and numbers that lean to the middle, as a regression's do."""
    rng = np.random.default_rng(seed)
    share = np.array([5, 1, 2, 1, 1])[:ratings]
    truth = rng.choice(ratings, n, p=share / share.sum())
    return truth[:, None].astype(float), (1 + 0.4 * truth + rng.normal(0, noise * 0.5, n))[:, None]


def scikit(metric, truth, said):
    if metric == "f2":
        return fbeta_score(truth, said, beta=2, average="samples", zero_division=0)
    return f1_score(truth, said, average=metric.removeprefix("f1_"), zero_division=0)


def every_threshold(predictions):
    """Thresholds that part the values in every possible way, and 1."""
    values = np.unique(np.concatenate([[0.0], predictions.ravel(), [1.0]]))
    return np.append((values[:-1] + values[1:]) / 2, 1.0)
