"""Fitting: rates, printed losses, whole-set scores, names of epochs, repeatability."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stages.base.errors import UserError
from stages.base.growing import GrowingArray
from stages.base.settings import Fit
from stages.base.unfinished import Kept
from stages.fit import fitting
from stages.fit.data import ActivationData
from stages.fit.fitting import History, Rates
from stages.fit.sampling import Sampler
from stages.fit.stepper import Stepper
from stages.images.loading import chunks
from stages.model import activations
from stages.model.tasks import TASKS

NO_FINDER = Rates(suggestion=None, ratio=10)


def random_pair(rows, features=6, classes=3):
    generator = torch.Generator().manual_seed(rows)
    inputs = torch.randn(rows, features, generator=generator)
    return inputs, torch.randint(0, classes, (rows,), generator=generator)


def in_one_view(pair):
    """A training pair whose inputs have a single view."""
    return pair[0][:, None], pair[1]


def small_data(rows=20, batch_size=4, seed=1):
    return ActivationData(in_one_view(random_pair(rows)), random_pair(7), batch_size, seed)


def module_with_dropout():
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))


def run(learner, data, *fits, history=None, rates=NO_FINDER):
    history = history or History()
    fitting.fit_all(learner, data, fits, rates, history, stage="head", size=64, layers="head")
    return history.rows


def named(learner, data, names):
    """Rows of one constant fit over the epochs named."""
    fit = Fit(lr=0.01, cycles=len(names))
    return list(fitting.fit(Stepper(learner, [0.01]), data, fit, names))


def recorded(losses):
    """The multiclass task, which keeps every training loss."""

    def loss(outputs, targets):
        value = F.cross_entropy(outputs, targets)
        if outputs.requires_grad:
            losses.append(value.item())
        return value

    return replace(TASKS["multiclass"], loss=loss)


def test_every_step_has_the_rate_of_the_schedule(make_learner):
    learner, data = make_learner(module_with_dropout()), small_data()
    run(learner, data, Fit(lr=0.1, cycles=2, cycle_len=1, cycle_mult=2))
    assert data.steps == 5
    cosine = [[(1 + np.cos(np.pi * t / n)) / 2 for t in range(n)] for n in (5, 10)]
    expected = 0.1 * np.array([0.01, *cosine[0][1:], *cosine[1]])
    np.testing.assert_allclose(np.array(learner.optimizers[0])[:, 0], expected)


def test_layer_groups_have_their_own_rates_on_one_schedule(make_learner):
    module = module_with_dropout()
    learner = make_learner(module, [list(module[i].parameters()) for i in (0, 2)])
    run(learner, small_data(), Fit(lr=[0.01, 0.1], cycles=1, cycle_len=1))
    first, last = np.array(learner.optimizers[0]).T
    np.testing.assert_allclose(first * 10, last)
    assert last[1] == pytest.approx(0.1 * (1 + np.cos(np.pi / 5)) / 2)


def test_a_fit_may_have_a_weight_decay_of_its_own(make_learner):
    """Without a gradient a step multiplies each weight by 1 - rate * decay."""

    def after(**own):
        module = nn.Linear(6, 3)
        nn.init.ones_(module.weight)
        learner = make_learner(module, momentum=0, weight_decay=0.5)
        stepper = Stepper(learner, [0.1], Fit(lr=0.1, cycles=1, **own).weight_decay)
        stepper.step((torch.zeros(2, 6), torch.tensor([0, 1])), 1.0)
        return module.weight.detach().numpy()

    assert after() == pytest.approx(np.full((3, 6), 0.95), rel=1e-6)
    assert after(weight_decay=0.2) == pytest.approx(np.full((3, 6), 0.98), rel=1e-6)
    assert np.array_equal(after(weight_decay=0.0), np.ones((3, 6)))


def test_each_fit_has_a_fresh_optimizer(make_learner):
    learner = make_learner(module_with_dropout())
    run(learner, small_data(), Fit(lr=0.1, cycles=1), Fit(lr=0.2, cycles=2))
    assert [steps[0] for steps in learner.optimizers] == [[0.1], [0.2]]
    assert [len(steps) for steps in learner.optimizers] == [5, 10]


def test_the_rate_of_a_row_is_the_highest_of_its_epoch(make_learner):
    fits = Fit(lr=0.1, cycles=2, cycle_len=2)
    rows = run(make_learner(module_with_dropout()), small_data(), fits)
    later = 0.1 * (1 + np.cos(np.pi * 5 / 10)) / 2
    assert [row["lr"] for row in rows][1:] == pytest.approx([later, 0.1, later])


def test_the_training_loss_is_a_debiased_average_over_the_whole_fit(make_learner):
    losses = []
    learner = make_learner(module_with_dropout(), task=recorded(losses))
    rows = run(learner, small_data(), Fit(lr=0.1, cycles=3))
    average, expected = 0, []
    for k, loss in enumerate(losses, 1):
        average = 0.98 * average + 0.02 * loss
        expected.append(average / (1 - 0.98**k))
    assert [row["train_loss"] for row in rows] == pytest.approx(expected[4::5], rel=1e-5)


def test_scores_are_of_the_whole_set_and_no_mean_of_batches(make_learner):
    """Batches of 4, 4 and 3 with 4, 4 and 0 right: 8/11, where their mean would be 2/3."""
    outputs = 3 * F.one_hot(torch.tensor([0, 1] * 5 + [0])).float()
    targets = torch.tensor([0, 1] * 4 + [1, 0, 1])
    data = ActivationData(in_one_view(random_pair(8)), (outputs, targets), 4, seed=1)
    learner = make_learner(nn.Identity(), [[nn.Parameter(torch.zeros(1))]])
    [[_, valid]] = data.epochs(["any"])
    scores, _ = fitting.evaluate(learner, valid)
    assert scores["accuracy"] == pytest.approx(8 / 11)
    right, wrong = np.log(1 + np.exp(-3)), np.log(1 + np.exp(3))
    assert scores["valid_loss"] == pytest.approx((8 * right + 3 * wrong) / 11)


def test_scores_are_taken_without_dropout_and_leave_statistics_alone(make_learner):
    module, data = module_with_dropout(), small_data()
    [row] = run(make_learner(module), data, Fit(lr=0.1, cycles=1))
    with torch.inference_mode():
        outputs = module.eval()(data.valid[0])
    loss = F.cross_entropy(outputs, data.valid[1]).item()
    assert row["valid_loss"] == pytest.approx(loss, rel=1e-6)


def test_without_validation_rows_there_are_no_scores(make_learner, capsys):
    data = ActivationData(
        in_one_view(random_pair(8)), (torch.empty(0, 6), torch.empty(0).long()), 4, seed=1
    )
    [row] = run(make_learner(module_with_dropout()), data, Fit(lr=0.1, cycles=1))
    assert row["valid_loss"] is None
    assert row["accuracy"] is None
    assert capsys.readouterr().out.split()[-3:-1] == ["-", "-"]


def test_epochs_are_counted_on_over_all_fits(make_learner):
    history = History()
    for fits in ([Fit(lr=0.1, cycles=2)] * 2, [Fit(lr=0.1, cycles=1)]):
        run(make_learner(module_with_dropout()), small_data(), *fits, history=history)
    assert [row["epoch"] for row in history.rows] == [0, 1, 2, 3, 4]


def test_epochs_are_named_by_stage_and_number(make_learner):
    data, names = small_data(), []
    epochs = data.epochs
    data.epochs = lambda wanted, skip: names.extend(wanted) or epochs(wanted, skip)
    run(make_learner(module_with_dropout()), data, Fit(lr=0.1, cycles=2), Fit(lr=0.1, cycles=1))
    assert names == ["head/0", "head/1", "head/2"]


def test_rows_say_stage_size_and_layers_and_the_heading_is_printed_once(make_learner, capsys):
    rows = run(make_learner(module_with_dropout()), small_data(), *[Fit(lr=0.1, cycles=2)] * 2)
    assert all((r["stage"], r["size"], r["layers"]) == ("head", 64, "head") for r in rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    heading = " ".join(lines[0].split())
    assert heading == "epoch size layers lr train_loss valid_loss accuracy seconds"
    assert [line.split()[0] for line in lines[1:]] == ["0", "1", "2", "3"]


def test_training_lowers_the_loss(make_learner):
    inputs, _ = random_pair(60)
    pair = inputs, (inputs[:, 0] > 0).long()
    data = ActivationData(in_one_view(pair), pair, 10, seed=1)
    rows = run(make_learner(nn.Linear(6, 2)), data, Fit(lr=0.1, cycles=4, cycle_len=1))
    assert rows[-1]["accuracy"] > 0.95


def test_a_rate_at_which_the_loss_is_no_number_any_more_is_refused(make_learner):
    history, fits = History(), [Fit(lr=0.1, cycles=1), Fit(lr=1e38, cycles=3)]
    with pytest.raises(UserError, match=r"head: the loss is not a number.* lr 1e\+38 is too high"):
        run(make_learner(nn.Linear(6, 3)), small_data(), *fits, history=history)
    assert [row["epoch"] for row in history.rows] == [0]


def test_lr_auto_is_the_finders_suggestion_and_earlier_groups_a_ratio_lower():
    rates = Rates(suggestion=0.02, ratio=10)
    assert rates.of(Fit(lr="auto", cycles=1), 1) == [0.02]
    assert rates.of(Fit(lr="auto", cycles=1), 3) == pytest.approx([2e-4, 2e-3, 2e-2])


def test_a_rate_that_is_given_needs_no_finder():
    assert NO_FINDER.of(Fit(lr=0.1, cycles=1), 3) == [0.1] * 3


def test_lr_auto_without_a_suggestion_asks_for_a_number():
    with pytest.raises(UserError, match="give the rate as a number"):
        NO_FINDER.of(Fit(lr="auto", cycles=1), 1)


def in_views(views=4, rows=40):
    """Activations that say which image and which view they are."""
    which = torch.cartesian_prod(torch.arange(rows), torch.arange(views)).view(rows, views, 2)
    plain = -torch.ones(3, 2), torch.arange(3)
    return ActivationData((which, torch.arange(rows)), plain, 8, seed=1)


def seen_in(data, name):
    """The view in which an epoch sees each image, by image."""
    [(train, _)] = data.epochs([name])
    batches = list(train)
    assert all(torch.equal(found[:, 0], targets) for found, targets in batches)
    return dict(row.tolist() for found, _ in batches for row in found)


def test_an_epoch_sees_each_image_once_in_one_of_its_views():
    found = seen_in(in_views(), "head/0")
    assert sorted(found) == list(range(40))
    assert set(found.values()) == {0, 1, 2, 3}


def test_the_views_of_an_epoch_depend_on_its_name_and_the_seed_alone():
    assert seen_in(in_views(), "head/0") == seen_in(in_views(), "head/0")
    assert seen_in(in_views(), "head/0") != seen_in(in_views(), "head/1")


def test_over_many_epochs_every_view_comes_up_equally_often():
    found = [seen_in(in_views(), f"head/{i}") for i in range(50)]
    counts = np.bincount([view for epoch in found for view in epoch.values()])
    assert counts / 2000 == pytest.approx([0.25] * 4, abs=4 * np.sqrt(0.25 * 0.75 / 2000))


def test_validation_sees_the_plain_view():
    [(_, valid)] = in_views().epochs(["head/0"])
    assert [(found.tolist(), targets.tolist()) for found, targets in valid] == [
        ([[-1, -1]] * 3, [0, 1, 2])
    ]


def test_training_rows_are_seen_in_the_plain_view_as_many_as_validate():
    [(found, targets)] = in_views().plain()
    assert found[:, 1].tolist() == [0, 0, 0]
    assert torch.equal(found[:, 0], targets)
    assert len(set(targets.tolist())) == 3


def test_which_of_them_are_seen_is_a_fair_choice_of_the_seed_alone():
    def seen(seed):
        return Sampler(np.arange(40), 0.5, seed).some(3).tolist()

    assert seen(1) == seen(1) == Sampler(np.zeros(40), 0, 1).some(3).tolist()
    counts = np.bincount([row for seed in range(1000) for row in seen(seed)], minlength=40)
    share = 3 / 40
    assert counts / 1000 == pytest.approx(
        [share] * 40, abs=4.5 * np.sqrt(share * (1 - share) / 1000)
    )
    assert Sampler(np.arange(2), 0, 1).some(3).tolist() == [0, 1]


def test_the_losses_of_the_last_epoch_and_of_the_best_at_its_size_are_kept():
    history = History()
    epochs = [(64, 0.1), (128, 0.5), (128, 0.3), (128, 0.3), (128, 0.4)]
    for number, (size, loss) in enumerate(epochs):
        row = {"epoch": number, "size": size, "valid_loss": loss}
        history.add(row, torch.tensor([loss, number]))
    assert history.last[1] == 4
    assert history.best[1] == 2


def test_a_last_batch_of_one_joins_the_one_before(make_learner):
    """BatchNorm cannot train on a single row."""
    data = small_data(rows=9)
    [[train, _]] = data.epochs(["any"])
    assert [len(targets) for _, targets in train] == [4, 5]
    assert data.steps == 2
    assert len(run(make_learner(module_with_dropout()), data, Fit(lr=0.1, cycles=1))) == 1


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [(8, 4, [4, 4]), (10, 4, [4, 4, 2]), (9, 4, [4, 5]), (1, 4, [1]), (3, 1, [1, 2]), (0, 4, [])],
)
def test_chunks(rows, size, sizes):
    cuts = chunks(range(rows), size)
    assert [len(cut) for cut in cuts] == sizes
    assert [i for cut in cuts for i in cut] == list(range(rows))


def test_an_epoch_trains_once_on_every_row():
    data = small_data(rows=21)
    [[train, valid]] = data.epochs(["head/0"])
    inputs = torch.cat([x for x, _ in train])
    assert sorted(inputs[:, 0].tolist()) == sorted(data.train[0][:, 0, 0].tolist())
    assert torch.equal(torch.cat([x for x, _ in valid]), data.valid[0])


def test_the_same_seed_gives_the_same_bits(make_learner):
    results = []
    for noise in (1, 2):
        module = module_with_dropout()
        torch.manual_seed(noise)
        rows = run(make_learner(module), small_data(), Fit(lr=0.1, cycles=2, cycle_len=1))
        weights = [t.numpy().tobytes() for t in module.state_dict().values()]
        results.append((json.dumps(rows), weights))
    assert results[0] == results[1]


def test_another_seed_gives_another_training(make_learner):
    found = [
        run(make_learner(module_with_dropout(), seed=s), small_data(), Fit(lr=0.1, cycles=1))
        for s in (1, 2)
    ]
    assert found[0][0]["train_loss"] != found[1][0]["train_loss"]


def test_an_epoch_repeated_by_itself_has_the_same_batches_and_dropout(make_learner):
    def seen(names):
        module, kept = module_with_dropout(), []
        module[1].register_forward_hook(lambda m, _, out: kept.append(out == 0))
        module[0] = nn.Identity()  # what dropout is given must not depend on training so far
        named(make_learner(module), small_data(), names)
        per_epoch = len(kept) // len(names)
        return torch.cat(kept[-per_epoch:])

    assert torch.equal(seen(["head/0", "head/1"]), seen(["head/1"]))
    assert not torch.equal(seen(["head/0"]), seen(["head/1"]))


def test_an_epochs_order_depends_on_seed_and_name_alone():
    def order(name, seed=1):
        [*_, (train, _)] = small_data(seed=seed).epochs(["other", name])
        return torch.cat([y for _, y in train]).tolist()

    assert order("head/1") == order("head/1")
    assert order("head/1") != order("head/2")
    assert order("head/1") != order("head/1", seed=2)


def test_activations_are_read_by_name_whatever_the_order(tmp_path):
    names = ["train/b.jpg", "NA", "train/a.jpg"]
    kept = Kept(tmp_path / "kept")
    with GrowingArray(kept, activations.FEATURES, (3, 2)) as array:
        array.add(np.array([[1.0, 2], [3, 4]]))
        array.add(np.array([[5.0, 6]]))
    activations.place(kept, tmp_path, names)
    found = activations.read(["train/a.jpg", "train/b.jpg", "NA", "NA"], tmp_path)
    assert found.tolist() == [[[5, 6]], [[1, 2]], [[3, 4]], [[3, 4]]]


def test_the_views_of_two_files_are_joined_and_in_memory_but_once(tmp_path):
    names = [f"{i}.jpg" for i in range(300)]
    plain, more = np.random.default_rng(0).random((2, 300, 7, 640), np.float32)
    for folder, array, order in (("plain", plain[:, 0], names), ("more", more, names[::-1])):
        activations.write_index(tmp_path / folder, order)
        np.save(tmp_path / folder / activations.FEATURES, array)
    some = names[:200]
    tracemalloc.start()
    found = activations.read(some, tmp_path / "plain", tmp_path / "more")
    beside = tracemalloc.get_traced_memory()[1]  # torch's own memory is not seen by it
    tracemalloc.stop()
    assert np.array_equal(found, np.concatenate([plain[:, :1], more[::-1]], axis=1)[:200])
    assert beside < found.nbytes / 2
