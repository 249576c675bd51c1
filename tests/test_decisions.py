"""Thresholds, cut points and rankings: the best there are, and honestly scored."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, fbeta_score

from stages.competition import cut_points, metrics, thresholds
from stages.competition.decisions import Question, decide, learn, out_of_sample, scores
from stages.errors import UserError

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
    truth = rng.choice(ratings, n, p=np.array([5, 1, 2, 1, 1])[:ratings] / 10)
    return truth[:, None].astype(float), (1 + 0.4 * truth + rng.normal(0, noise * 0.5, n))[:, None]


def scikit(metric, truth, said):
    if metric == "f2":
        return fbeta_score(truth, said, beta=2, average="samples", zero_division=0)
    return f1_score(truth, said, average=metric.removeprefix("f1_"), zero_division=0)


def every_threshold(predictions):
    """Thresholds that part the values in every possible way."""
    values = np.unique(np.concatenate([[0.0], predictions.ravel(), [1.0]]))
    return (values[:-1] + values[1:]) / 2


@pytest.mark.parametrize("metric", F_BETAS)
@pytest.mark.parametrize("seed", range(4))
def test_the_single_threshold_is_the_best_of_all(metric, seed):
    truth, p = tagged(seed)
    tried = [scikit(metric, truth, p > t) for t in every_threshold(p)]
    assert scikit(metric, truth, p > thresholds.one(metric, truth, p)) == pytest.approx(max(tried))


def test_the_single_threshold_is_at_least_as_good_as_fastais_seven():
    """recipe: max over .17, .18 ... .23 of sklearn's fbeta, beta 2, samples, preds > th."""
    truth, p = tagged(1, n=300)
    seven = [scikit("f2", truth, p > t) for t in np.arange(0.17, 0.24, 0.01)]
    assert len(seven) == 7
    assert scikit("f2", truth, p > thresholds.one("f2", truth, p)) >= max(seven)


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_of_macro_f1_are_each_the_best(seed):
    truth, p = tagged(seed)
    found = thresholds.per_class("f1_macro", truth, p)
    best = [
        max(f1_score(truth[:, c], p[:, c] > t, zero_division=0) for t in every_threshold(p[:, c]))
        for c in range(4)
    ]
    assert scikit("f1_macro", truth, p > found) == pytest.approx(np.mean(best))


@pytest.mark.parametrize("metric", F_BETAS)
@pytest.mark.parametrize("seed", range(4))
def test_a_threshold_a_class_is_never_worse_than_one_for_all(metric, seed):
    truth, p = tagged(seed)
    single = scikit(metric, truth, p > thresholds.one(metric, truth, p))
    assert scikit(metric, truth, p > thresholds.per_class(metric, truth, p)) >= single - 1e-12


@pytest.mark.parametrize("metric", ["f1_micro", "f1_samples", "f2"])
def test_no_single_class_can_be_improved_any_more(metric):
    truth, p = tagged(2, n=25, c=2)
    found = thresholds.per_class(metric, truth, p)
    reached = scikit(metric, truth, p > found)
    for c, t in itertools.product(range(2), every_threshold(p)):
        other = found.copy()
        other[c] = t
        assert scikit(metric, truth, p > other) <= reached + 1e-12


@pytest.mark.parametrize("metric", F_BETAS)
@pytest.mark.parametrize(
    ("truth", "p"),
    [
        (np.zeros((5, 3)), np.full((5, 3), 0.4)),
        (np.ones((5, 3)), np.full((5, 3), 0.4)),
        (np.eye(3), np.zeros((3, 3))),
        (np.eye(3), np.ones((3, 3))),
        (np.array([[1.0]]), np.array([[0.3]])),
        (np.column_stack([np.ones(4), np.zeros(4)]), np.linspace(0, 1, 8).reshape(4, 2)),
    ],
    ids=["none true", "all true", "all nought", "all one", "one cell", "one class never true"],
)
def test_odd_rows_have_thresholds_too(metric, truth, p):
    one, many = thresholds.one(metric, truth, p), thresholds.per_class(metric, truth, p)
    assert 0 <= one <= 1
    assert ((many >= 0) & (many <= 1)).all()


def kappa(truth, numbers, points):
    return cohen_kappa_score(
        truth.ravel().astype(int), np.searchsorted(points, numbers.ravel()),
        weights="quadratic", labels=range(5),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_cut_points_climb_and_are_no_worse_than_rounding(seed):
    truth, numbers = rated(seed)
    points = cut_points.tuned(truth.ravel(), numbers.ravel(), 0, 4)
    assert (np.diff(points) > 0).all()
    rounded = kappa(truth, numbers, [0.5, 1.5, 2.5, 3.5])
    assert kappa(truth, numbers, points) > rounded + 0.01  # they lean to the middle


@pytest.mark.parametrize("seed", range(3))
def test_no_single_cut_point_can_be_improved_any_more(seed):
    truth, numbers = rated(seed, n=60)
    points = cut_points.tuned(truth.ravel(), numbers.ravel(), 0, 4)
    reached = kappa(truth, numbers, points)
    ends = [-np.inf, *points, np.inf]
    values = np.sort(numbers.ravel())
    for k, t in itertools.product(range(4), (values[:-1] + values[1:]) / 2):
        if ends[k] < t < ends[k + 2]:
            assert kappa(truth, numbers, [*points[:k], t, *points[k + 1 :]]) <= reached + 1e-9


def test_two_ratings_get_the_very_best_cut():
    truth, numbers = tagged(3, n=50, c=1)
    points = cut_points.tuned(truth.ravel(), numbers.ravel(), 0, 1)
    tried = [
        cohen_kappa_score(truth.ravel(), numbers.ravel() > t, weights="quadratic")
        for t in every_threshold(numbers)
    ]
    found = cohen_kappa_score(truth.ravel(), numbers.ravel() > points[0], weights="quadratic")
    assert found == pytest.approx(max(tried))


def test_one_rating_needs_no_cut():
    ask = Question("qwk", "regression", ratings=(3, 3))
    rule = learn(ask, np.full((4, 1), 3.0), np.arange(4.0)[:, None])
    assert decide(ask, rule, np.array([[0.0], [9.0]])).tolist() == [[3], [3]]


def test_ratings_begin_at_the_lowest_that_there_is():
    ask = Question("qwk", "regression", cut_points="rounded", ratings=(1, 4))
    rule = learn(ask, np.empty((0, 1)), np.empty((0, 1)))
    assert rule == (1.5, 2.5, 3.5)
    assert decide(ask, rule, np.array([[-3], [1.4], [2.6], [9]])).tolist() == [[1], [1], [3], [4]]


def test_own_cut_points_and_thresholds_are_taken_as_they_are():
    ask = Question("qwk", "regression", cut_points=[0.3, 1.9], ratings=(0, 2))
    assert learn(ask, *rated(0)) == (0.3, 1.9)
    assert learn(Question("f2", "multilabel", 0.2), *tagged(0)) == (0.2,)


def test_a_wrong_number_of_cut_points_is_refused():
    ask = Question("qwk", "regression", cut_points=[0.3], ratings=(0, 2))
    with pytest.raises(UserError, match="1 points for the 3 ratings 0 to 2; give 2"):
        learn(ask, *rated(0))


@pytest.mark.parametrize(
    ("ask", "key"),
    [(Question("f2", "multilabel"), "threshold"), (Question("qwk", "regression"), "cut_points")],
)
def test_without_validation_rows_there_is_nothing_to_choose_by(ask, key):
    with pytest.raises(UserError, match=rf"^submission\.{key}: \w+ is chosen on validation rows"):
        learn(ask, np.empty((0, 1)), np.empty((0, 1)))


def test_a_class_is_the_likeliest_and_a_ranking_the_likeliest_first():
    p = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])
    assert decide(Question("accuracy", "multiclass"), (), p).tolist() == [1, 0]
    assert decide(Question("map@2", "multiclass"), (), p).tolist() == [[1, 2], [0, 2]]
    assert decide(Question("log_loss", "multiclass"), (), p) is p
    assert decide(Question("auc", "multilabel"), (), p) is p


def parts_of(n, count=5):
    return np.random.default_rng(9).permutation(n) % count


@pytest.mark.parametrize(
    ("ask", "rows"),
    [(Question("f2", "multilabel"), tagged(0, n=60)),
     (Question("f1_macro", "multilabel", "per_class"), tagged(0, n=60)),
     (Question("qwk", "regression", ratings=(0, 4)), rated(0))],
)  # fmt: skip
def test_no_row_has_a_say_in_the_rule_by_which_it_is_scored(ask, rows):
    truth, p = rows
    parts = parts_of(len(truth))
    before = out_of_sample(ask, truth, p, parts)
    for part in range(5):
        changed = np.where((parts == part)[:, None], truth.max() - truth, truth)
        after = out_of_sample(ask, changed, p, parts)
        assert (after[parts == part] == before[parts == part]).all()


def test_decisions_are_those_of_the_others_rule():
    truth, p = tagged(4, n=60)
    ask, parts = Question("f2", "multilabel"), parts_of(60)
    found = out_of_sample(ask, truth, p, parts)
    rule = thresholds.one("f2", truth[parts != 2], p[parts != 2])
    assert (found[parts == 2] == (p[parts == 2] > rule)).all()


def test_the_naive_figure_flatters_and_the_honest_one_does_not():
    """On labels that are noise a threshold a class seems to help; on other rows it does not."""
    ask, gaps, honest, chance = Question("f1_macro", "multilabel", "per_class"), [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth, p = (rng.uniform(0, 1, (40, 3)) < 0.3).astype(float), rng.uniform(0, 1, (40, 3))
        found = scores(ask, truth, p, parts_of(40))
        gaps.append(found["f1_macro_naive"] - found["f1_macro"])
        honest.append(found["f1_macro"])
        chance.append(scikit("f1_macro", truth, np.ones((40, 3))))
    assert np.mean(gaps) > 3 * np.std(gaps) / np.sqrt(len(gaps))
    assert np.mean(honest) < np.mean(chance)  # all labels always is the best that noise allows


def test_a_metric_without_a_choice_has_one_figure():
    truth, p = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    found = scores(Question("accuracy", "multiclass"), truth, p, parts_of(3))
    assert found == {"accuracy": pytest.approx(2 / 3)}
    assert metrics.score("accuracy", truth, p) == found["accuracy"]


def test_a_number_given_is_no_choice():
    assert set(scores(Question("f2", "multilabel", 0.2), *tagged(0), parts_of(40))) == {"f2"}
