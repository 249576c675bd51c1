"""Metrics against scikit-learn and against plain Python, on whole sets."""

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from stages.base import consistency
from stages.scoring import metrics
from stages.scoring.metrics import METRICS, find, score

RNG = np.random.default_rng(0)
N, C = 80, 5
CLASS = RNG.integers(0, C, N)
SAID = RNG.integers(0, C, N)
P = RNG.dirichlet(np.ones(C), N)
FLAGS = RNG.integers(0, 2, (N, C))
FLAGS[3] = 0
SAID_FLAGS = RNG.integers(0, 2, (N, C))
SAID_FLAGS[4] = 0
INDEPENDENT = RNG.uniform(0, 1, (N, C))
NUMBERS, FORECAST = RNG.normal(3, 2, (2, N, 2))
RATINGS, RATED = RNG.integers(0, 5, (2, N))


@pytest.mark.parametrize(
    ("name", "truth", "given", "expected"),
    [
        ("log_loss", CLASS, P, sk.log_loss(CLASS, P)),
        ("accuracy", CLASS, SAID, sk.accuracy_score(CLASS, SAID)),
        ("error", CLASS, SAID, sk.zero_one_loss(CLASS, SAID)),
        ("balanced_accuracy", CLASS, SAID, sk.balanced_accuracy_score(CLASS, SAID)),
        ("mcc", CLASS, SAID, sk.matthews_corrcoef(CLASS, SAID)),
        ("auc", CLASS, P, sk.roc_auc_score(CLASS, P, multi_class="ovr")),
        ("qwk", RATINGS, RATED, sk.cohen_kappa_score(RATINGS, RATED, weights="quadratic")),
        ("f1_micro", CLASS, SAID, sk.f1_score(CLASS, SAID, average="micro")),
        ("f1_macro", CLASS, SAID, sk.f1_score(CLASS, SAID, average="macro")),
        ("log_loss", FLAGS, INDEPENDENT,
         np.mean([sk.log_loss(FLAGS[:, c], INDEPENDENT[:, c]) for c in range(C)])),
        ("auc", FLAGS, INDEPENDENT, sk.roc_auc_score(FLAGS, INDEPENDENT, average="macro")),
        ("f1_micro", FLAGS, SAID_FLAGS, sk.f1_score(FLAGS, SAID_FLAGS, average="micro")),
        ("f1_macro", FLAGS, SAID_FLAGS, sk.f1_score(FLAGS, SAID_FLAGS, average="macro")),
        ("f1_samples", FLAGS, SAID_FLAGS,
         sk.f1_score(FLAGS, SAID_FLAGS, average="samples", zero_division=0)),
        ("f2", FLAGS, SAID_FLAGS,
         sk.fbeta_score(FLAGS, SAID_FLAGS, beta=2, average="samples", zero_division=0)),
        ("rmse", NUMBERS, FORECAST,
         sk.root_mean_squared_error(NUMBERS, FORECAST)),
        ("mae", NUMBERS, FORECAST, sk.mean_absolute_error(NUMBERS, FORECAST)),
    ],
)  # fmt: skip
def test_a_metric_is_scikit_learns(name, truth, given, expected):
    assert score(name, truth, given) == pytest.approx(expected, rel=1e-9)


def test_log_loss_by_hand():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    assert score("log_loss", np.array([0, 1]), p) == pytest.approx(
        -(math.log(0.7) + math.log(0.1)) / 2
    )


def test_log_loss_renormalises_rows_as_kaggle_does():
    p = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 1.6]])
    assert score("log_loss", np.array([0, 2]), p) == pytest.approx(
        -(math.log(0.7) + math.log(0.8)) / 2
    )


def test_log_loss_of_two_classes_and_of_one_column_is_the_same():
    p, truth = INDEPENDENT[:, 0], FLAGS[:, 0]
    two = score("log_loss", truth, np.column_stack([1 - p, p]))
    assert two == pytest.approx(score("log_loss", truth[:, None], p[:, None]))


def test_certainty_that_is_wrong_costs_kaggles_limit():
    found = score("log_loss", np.array([[1.0]]), np.array([[0.0]]))
    assert found == pytest.approx(-math.log(1e-15))


def test_auc_of_two_classes_is_the_share_of_pairs_in_order():
    p, truth = INDEPENDENT[:30, 0].round(1), FLAGS[:30, 0]
    pairs = [(a > b) + 0.5 * (a == b) for a in p[truth == 1] for b in p[truth == 0]]
    found = score("auc", truth, np.column_stack([1 - p, p]))
    assert found == pytest.approx(np.mean(pairs))


def test_aucs_are_scikit_learns_column_by_column_ties_or_not(monkeypatch):
    monkeypatch.setattr(metrics, "AT_ONCE", 2 * N)  # two columns at a time
    values = INDEPENDENT.round(1)
    wanted = [sk.roc_auc_score(true, p) for true, p in zip(FLAGS.T, values.T, strict=True)]
    assert metrics.aucs(FLAGS, values) == pytest.approx(wanted, abs=1e-12)
    with pytest.warns(UserWarning, match="leaves out 2 of 2"):
        assert score("auc", np.empty((0, 2)), np.empty((0, 2))) is None


def test_auc_leaves_out_a_column_with_one_value_only():
    truth = np.column_stack([FLAGS[:, 0], np.zeros(N)])
    with pytest.warns(UserWarning, match="leaves out 1 of 2 classes"):
        found = score("auc", truth, INDEPENDENT[:, :2])
    assert found == pytest.approx(sk.roc_auc_score(FLAGS[:, 0], INDEPENDENT[:, 0]))


def test_there_is_no_auc_where_no_column_has_both_values():
    with pytest.warns(UserWarning, match=r"leaves out 2 of 2 classes.*so there is none"):
        assert score("auc", np.ones((4, 2)), INDEPENDENT[:4, :2]) is None


def test_auc_of_two_classes_is_the_second_ones():
    """Column 1 tells these rows apart, column 0 has lost it to rounding; or the other way."""
    p = np.array([[1.0, 1e-20], [1.0, 1e-18]])
    assert score("auc", np.array([0, 1]), p) == 1
    assert score("auc", np.array([0, 1]), p[:, ::-1]) == 0.5


def test_balanced_accuracy_is_over_the_classes_that_there_are():
    truth, said = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    assert score("balanced_accuracy", truth, said) == pytest.approx((2 / 3 + 1) / 2)


def test_kappa_by_its_formula():
    """1 - sum(w O) / sum(w E), E the outer product of the marginals, w the squared distance."""
    observed = np.zeros((5, 5))
    np.add.at(observed, (RATINGS, RATED), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / N
    weights = (np.arange(5)[:, None] - np.arange(5)) ** 2
    found = 1 - (weights * observed).sum() / (weights * expected).sum()
    assert score("qwk", RATINGS, RATED) == pytest.approx(found)


def test_kappa_counts_ratings_that_nobody_gave_between():
    truth, said = np.array([0, 0, 4, 4]), np.array([0, 4, 4, 0])
    assert score("qwk", truth, said) == pytest.approx(0)
    assert score("qwk", truth, np.array([0, 1, 4, 3])) == pytest.approx(
        1 - 2 / (2 * (0 + 1 + 16 + 9) / 4 + 2 * (16 + 9 + 0 + 1) / 4)
    )


def test_kappa_of_one_rating_alone_says_nothing():
    assert score("qwk", np.array([[2.0], [2.0]]), np.array([[2], [2]])) == 0


def average_precision(true: set[int], ranking: list[int]) -> float:
    """Kaggle's AP@K in plain Python."""
    hits, total = 0, 0.0
    for place, name in enumerate(ranking, 1):
        if name in true:
            hits += 1
            total += hits / place
    return total / min(len(true), len(ranking)) if true else 0.0


@pytest.mark.parametrize("k", [1, 3, 5])
def test_map_is_kaggles(k):
    ranking = np.argsort(-INDEPENDENT, axis=1)[:, :k]
    rows = list(zip(FLAGS, CLASS, ranking, strict=True))
    several = [average_precision(set(np.flatnonzero(t)), list(r)) for t, _, r in rows]
    single = [average_precision({c}, list(r)) for _, c, r in rows]
    assert score(f"map@{k}", FLAGS, ranking) == pytest.approx(np.mean(several))
    assert score(f"map@{k}", CLASS, ranking) == pytest.approx(np.mean(single))


def test_map_of_one_class_is_one_over_its_place():
    ranking = np.array([[3, 1, 2], [2, 1, 3], [2, 3, 1], [0, 2, 3]])
    assert score("map@3", np.array([3, 1, 1, 1]), ranking) == pytest.approx(
        np.mean([1, 1 / 2, 1 / 3, 0])
    )


def test_rmse_is_the_mean_of_the_columns_own():
    truth, said = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[3.0, 1.0], [3.0, 1.0]])
    assert score("rmse", truth, said) == 2  # and not the root of the mean of all squares, 2.24


def test_scores_are_over_the_whole_set_and_not_the_mean_of_batches():
    halves = [score("f1_macro", CLASS[i], SAID[i]) for i in (slice(0, 60), slice(60, N))]
    assert score("f1_macro", CLASS, SAID) != pytest.approx(np.mean(halves))


@pytest.mark.parametrize("task", consistency.METRICS)
def test_every_metric_of_a_task_is_known(task):
    for name in consistency.METRICS[task]:
        assert find(name).reads in ("probabilities", "classes", "ranking", "numbers")
    assert set(metrics.USUAL[task]) <= set(consistency.METRICS[task])


def given(name, task, n, alike):
    """Truth and what a metric reads, of n rows; all alike, or as different as can be."""
    choice = np.zeros(n, int) if alike else np.arange(n) % 2
    reads = find(name).reads
    truth = {"multiclass": choice, "multilabel": np.eye(3)[choice],
             "regression": choice[:, None].astype(float)}[task]  # fmt: skip
    if reads == "probabilities":
        return truth, np.full((n, 3), 1 / 3)
    if reads == "ranking":
        return truth, np.tile([0, 1, 2], (n, 1))
    return truth, np.zeros_like(truth)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for task, names in consistency.METRICS.items() for name in names],
)
def test_odd_rows_have_a_finite_score_or_none_and_no_warning(name, task, n, alike):
    truth, said = given(name, task, n, alike)
    with warnings.catch_warnings(action="error"):
        warnings.filterwarnings("ignore", "AUC leaves out")
        found = score(name, truth, said)
    if name == "auc" and len(np.unique(truth, axis=0)) == 1:
        assert found is None
    else:
        assert math.isfinite(found)


def test_one_label_alone_is_multilabel_too():
    truth, said = np.array([[1], [0], [1]]), np.array([[1], [1], [0]])
    assert score("f1_samples", truth, said) == pytest.approx(1 / 3)
    assert score("f1_macro", truth, said) == score("f1_micro", truth, said) == 0.5


def test_accuracy_and_error_take_probabilities_too():
    assert score("accuracy", CLASS, P) == sk.accuracy_score(CLASS, P.argmax(axis=1))
    assert score("error", CLASS, P) == 1 - score("accuracy", CLASS, P)


def test_every_metric_scores_some_task():
    assert set(METRICS) == {n for names in consistency.METRICS.values() for n in names} - {"map@5"}


def test_an_unknown_metric_is_an_error():
    with pytest.raises(ValueError, match="no metric 'acuracy'"):
        find("acuracy")


@pytest.mark.parametrize("name", METRICS)
def test_greater_is_better_where_it_is_said_so(name):
    """The truth itself scores better than noise."""
    metric = find(name)
    if metric.reads == "numbers":
        right, noise = score(name, NUMBERS, NUMBERS), score(name, NUMBERS, FORECAST)
    elif metric.reads == "probabilities":
        right, noise = score(name, CLASS, np.eye(C)[CLASS]), score(name, CLASS, P)
    elif name in ("f1_samples", "f2"):
        right, noise = score(name, FLAGS, FLAGS), score(name, FLAGS, SAID_FLAGS)
    else:
        right, noise = score(name, CLASS, CLASS), score(name, CLASS, SAID)
    assert (right > noise) == metric.greater_is_better
