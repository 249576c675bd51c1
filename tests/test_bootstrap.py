"""How sure a score is, and how sure a difference: against formulas and planted effects."""

import numpy as np
import pandas as pd
import pytest

from stages.base.errors import UserError
from stages.scoring import bootstrap, comparison, cross_validation
from stages.scoring.bootstrap import Sample
from stages.scoring.decisions import Question
from stages.scoring.out_of_fold import Table

N = 400


def mean_of(values):
    return lambda rows: float(values[rows].mean())


def test_the_interval_of_a_mean_is_the_formulas():
    values = np.random.default_rng(0).normal(5, 2, N)
    found = bootstrap.interval(mean_of(values), Sample((N,)))
    error = values.std() / N**0.5
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(error, rel=0.1)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_an_interval_holds_the_truth_95_times_in_100_and_another_set_of_rows_83():
    """Of sums of two errors, as two sets have: P(|z| < 1.96 / sqrt 2) = 0.834."""
    rng, truth, again = np.random.default_rng(0), [], []
    for values, others in rng.normal(0, 1, (400, 2, 100)):
        found = bootstrap.interval(mean_of(values), Sample((100,)))
        truth.append(found.low <= 0 <= found.high)
        again.append(found.low <= others.mean() <= found.high)
    assert np.mean(truth) == pytest.approx(0.95, abs=0.03)
    assert np.mean(again) == pytest.approx(0.834, abs=0.05)


def test_rows_of_a_group_are_drawn_together():
    of_group = np.random.default_rng(0).normal(0, 1, 40)
    values, groups = np.repeat(of_group, 10), [str(i // 10) for i in range(N)]
    found = bootstrap.interval(mean_of(values), Sample((N,), groups))
    assert found.error == pytest.approx(of_group.std() / 40**0.5, rel=0.1)


def test_a_score_that_some_samples_leave_undefined_has_an_interval_all_the_same():
    rare = np.arange(N) == 0
    found = bootstrap.interval(lambda rows: 1.0 if rare[rows].any() else None, Sample((N,)))
    assert (found.value, found.low, found.high) == (1, 1, 1)
    assert bootstrap.interval(lambda _: None, Sample((N,))) is None


def test_one_row_or_one_group_says_nothing_of_others():
    values = np.random.default_rng(0).normal(5, 2, N)
    assert bootstrap.interval(mean_of(values[:1]), Sample((1,))) is None
    assert bootstrap.interval(mean_of(values), Sample((N,), ["a"] * N)) is None


@pytest.mark.filterwarnings("ignore:AUC leaves out")
@pytest.mark.parametrize("metric", ["f2", "f1_macro", "log_loss"])
def test_a_single_validated_row_has_no_interval_and_is_said_to_be_too_few(metric):
    ask, one = Question(metric, "multilabel"), table(["a", "b"], [[0.8, 0.3]], ["a"])
    found = cross_validation.scores(ask, one)
    assert found["cv_log_loss"] == pytest.approx(-np.log([0.8, 0.7]).mean())
    assert not [name for name in found if name.endswith(("_low", "_high"))]
    assert all(" is of 1 row, too few" in s for s in cross_validation.remarks(metric, found, 1))


def test_a_paired_difference_is_surer_than_two_scores_apart():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, N)
    second = first + rng.normal(0.05, 0.1, N)
    found = bootstrap.difference(mean_of(first), mean_of(second), Sample((N,)))
    assert found.beside_zero
    assert found.error == pytest.approx((second - first).std() / N**0.5, rel=0.1)
    assert found.smallest == pytest.approx(2.8 * found.error)


def table(classes, values, labels, ids=None, group=""):
    rows = {"image": ids or [f"i{k}" for k in range(len(labels))], "id": "", "fold": "0"}
    return Table(pd.DataFrame(rows | {"label": labels, "group": group}), classes, np.array(values))


def sure(labels, classes, p):
    """Predictions that give the true class the probability p."""
    rest = (1 - p) / (len(classes) - 1)
    return [[p if c == label else rest for c in classes] for label in labels]


LABELS = ["a", "b", "c", "a"] * 50
CLASSES = ["a", "b", "c"]
LOSS = Question("log_loss", "multiclass")
ACCURACY = Question("accuracy", "multiclass")


@pytest.mark.parametrize(("p", "word"), [(0.8, "better"), (0.6, "worse"), (0.7, "within noise")])
def test_a_run_is_better_worse_or_within_noise(p, word):
    a, b = (table(CLASSES, sure(LABELS, CLASSES, q), LABELS) for q in (0.7, p))
    found = comparison.compare(a, b, LOSS)
    assert found.word == word
    assert found.difference.value == pytest.approx(np.log(0.7) - np.log(p))
    assert found.rows == 200


def test_where_more_is_better_more_is_better():
    wrong = sure(["b"] * 100 + LABELS[100:], CLASSES, 0.8)
    a, b = (table(CLASSES, v, LABELS) for v in (wrong, sure(LABELS, CLASSES, 0.8)))
    assert comparison.compare(a, b, ACCURACY).word == "better"
    assert comparison.compare(b, a, ACCURACY).word == "worse"


def test_what_is_better_on_every_row_is_better_and_not_the_same():
    wrong, right = ([[1 - p, p]] * 100 for p in (0.2, 0.8))
    a, b = (table(["a", "b"], values, ["b"] * 100) for values in (wrong, right))
    assert "accuracy: 0 -> 1 on the 100 rows that both validated: better" in (
        comparison.compare(a, b, ACCURACY).sentence
    )
    assert "the same on any of them" in comparison.compare(b, b, ACCURACY).sentence


def test_only_rows_that_both_validated_count_in_any_order_of_rows_and_classes():
    a = table(CLASSES, sure(LABELS, CLASSES, 0.7), LABELS)
    turned = CLASSES[::-1]
    half = LABELS[::-1][:100]
    ids = [f"i{k}" for k in range(200)][::-1][:100]
    b = table(turned, sure(half, turned, 0.7), half, ids)
    found = comparison.compare(a, b, LOSS)
    assert found.rows == 100
    assert found.difference.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (table(CLASSES, sure(LABELS, CLASSES, 0.7), LABELS, [f"x{k}" for k in range(200)]),
         "no validated row"),
        (table(CLASSES[:2], sure(["a"] * 200, CLASSES[:2], 0.7), ["a"] * 200),
         "do not have the same classes"),
        (table(CLASSES, sure(LABELS, CLASSES, 0.7), ["b"] * 200), "other labels for the same rows"),
        (table(CLASSES, sure(LABELS, CLASSES, 0.8), LABELS, group="one patient"), "one group"),
        (table(CLASSES, sure(LABELS[:1], CLASSES, 0.8), LABELS[:1]), "one row"),
    ],
    ids=["rows", "classes", "labels", "a group", "a row"],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(b, said):
    a = table(CLASSES, sure(LABELS, CLASSES, 0.7), LABELS)
    with pytest.raises(UserError, match=said):
        comparison.compare(a, b, LOSS)


def test_rows_that_are_all_right_have_no_interval():
    labels = LABELS[:12]  # as a model wrong once in five does 7 times in 100
    cv = cross_validation.scores(ACCURACY, table(CLASSES, sure(labels, CLASSES, 0.9), labels))
    assert cv["cv_accuracy"] == 1
    assert "cv_accuracy_low" not in cv
    (said,) = cross_validation.remarks("accuracy", cv, len(labels))
    assert said.startswith("accuracy 1 is of 12 rows, too few or too alike to show how sure it is")
