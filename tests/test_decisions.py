"""From predictions to what a metric reads, honestly scored."""

import numpy as np
import pytest

from stages.base.errors import UserError
from stages.scoring import metrics, thresholds
from stages.scoring.decisions import Question, decide, learn, out_of_sample, scores
from tests.labelled import F_BETAS, rated, scikit, tagged

each_choice = pytest.mark.parametrize(
    "ask",
    [*[Question(name, "multilabel", how) for name in F_BETAS for how in ("one", "per_class")],
     Question("qwk", "regression", ratings=(0, 3))],
    ids=lambda ask: f"{ask.metric} {ask.threshold}",
)  # fmt: skip


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


@pytest.mark.parametrize("metric", ["f2", "f1_samples"])
def test_a_row_above_no_threshold_gets_its_likeliest_tag(metric):
    """Where rows are averaged it scores 0 without one; (1 + b^2) hits / (said + b^2 true) with."""
    ask, p = Question(metric, "multilabel", 0.5), np.array([[0.1, 0.3, 0.2], [0.9, 0.6, 0.1]])
    assert decide(ask, (0.5,), p).tolist() == [[0, 1, 0], [1, 1, 0]]
    squared = 4 if metric == "f2" else 1
    found = metrics.score(metric, np.array([[0, 1, 1], [1, 1, 0]]), decide(ask, (0.5,), p))
    assert found == pytest.approx(((1 + squared) / (1 + 2 * squared) + 1) / 2)


@pytest.mark.parametrize("metric", ["f1_micro", "f1_macro"])
def test_where_cells_or_classes_are_averaged_a_row_may_have_no_tag(metric):
    ask = Question(metric, "multilabel", 0.5)
    assert decide(ask, (0.5,), np.array([[0.1, 0.3]])).tolist() == [[0, 0]]


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


def noise(ask, seed, n):
    """Labels that the predictions know nothing of."""
    rng = np.random.default_rng(seed)
    if ask.rated:
        return rng.integers(0, 4, (n, 1)).astype(float), rng.normal(1.5, 1, (n, 1))
    return (rng.uniform(0, 1, (n, 4)) < 0.3).astype(float), rng.uniform(0, 1, (n, 4))


def chance(ask, truth):
    """The best that can be done on noise without looking: no agreement; all labels, always."""
    return 0.0 if ask.rated else scikit(ask.metric, truth, np.ones_like(truth))


@each_choice
def test_on_noise_the_naive_figure_flatters_and_the_honest_one_does_not(ask):
    rows = [noise(ask, seed, 120) for seed in range(60)]
    found = [scores(ask, truth, p, parts_of(120)) for truth, p in rows]
    honest = np.array([f[ask.metric] for f in found])
    naive = np.array([f[f"{ask.metric}_naive"] for f in found])
    luck = np.array([chance(ask, truth) for truth, _ in rows])

    def above(a, b):
        """By how many standard errors of the mean of their differences."""
        return (a - b).mean() / ((a - b).std() / np.sqrt(len(a)))

    assert above(naive, honest) > 5
    assert above(naive, luck) > 5
    assert above(honest, luck) < 2
    assert (honest - luck).mean() > -0.05


def test_a_metric_without_a_choice_has_one_figure():
    truth, p = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    found = scores(Question("accuracy", "multiclass"), truth, p, parts_of(3))
    assert found == {"accuracy": pytest.approx(2 / 3)}
    assert metrics.score("accuracy", truth, p) == found["accuracy"]


def test_a_number_given_is_no_choice():
    assert set(scores(Question("f2", "multilabel", 0.2), *tagged(0), parts_of(40))) == {"f2"}


def test_rows_of_one_part_have_no_honest_figure():
    truth, p = tagged(0, n=1)
    assert set(scores(Question("f2", "multilabel"), truth, p, np.zeros(1, int))) == {"f2_naive"}


@pytest.mark.parametrize("n", [2, 3, 6])
@each_choice
def test_parts_of_a_row_or_two_are_decided_upon(ask, n):
    truth, p = (rated if ask.rated else tagged)(1, n=n)
    found = out_of_sample(ask, truth, p, parts_of(n))
    assert found.shape == truth.shape
    assert np.isfinite(list(scores(ask, truth, p, parts_of(n)).values())).all()


def test_a_rating_that_the_other_parts_lack_does_not_shift_the_scale():
    truth, numbers = np.array([[0.0], [1], [2], [3], [3], [2]]), np.arange(6.0)[:, None] * 10
    parts = np.array([0, 1, 1, 1, 1, 1])  # the one row rated 0 is a part by itself
    ask = Question("qwk", "regression", cut_points=[5, 15, 25], ratings=(0, 3))
    assert out_of_sample(ask, truth, numbers, parts).ravel().tolist() == [0, 1, 2, 3, 3, 3]


def test_decisions_keep_the_order_of_the_rows():
    p = np.random.default_rng(0).uniform(0, 1, (30, 3))
    found = out_of_sample(Question("map@2", "multiclass"), np.zeros(30, int), p, parts_of(30))
    assert (found == np.argsort(-p, axis=1)[:, :2]).all()
