"""What one sees while a stage works: the bar, its silence, the lesson's table."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from stages.base import bar
from stages.base.settings import Fit, Step
from stages.fit import fitting, stage_bar, table
from stages.fit.data import ActivationData, ImageData
from stages.fit.fitting import History, Rates
from stages.fit.pace import Pace, passes, time_left
from stages.fit.stage_bar import StageBar
from tests.project import ROOT, STAGES, run_all, run_stage, write_competition, write_project

HEADING = ["epoch", "size", "layers", "lr", "train_loss", "valid_loss", "accuracy", "seconds"]
SERVICE = {"CI": "true"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose stages have run."""
    source, folder = tmp_path_factory.mktemp("competition"), tmp_path_factory.mktemp("finished")
    write_competition(source)
    steps = [
        {"image_size": 40, "layers": "head", "fits": [{"lr": 0.01, "cycles": 2}]},
        {"image_size": 48, "layers": "head", "fits": []},
        {"image_size": 48, "layers": "all", "fits": [{"lr": 0.01, "cycles": 1}] * 2},
    ]
    write_project(folder, source, **{"progressive.steps": steps, "batches.oversample": 0.5})
    run_all(folder, ["0"], only=STAGES[: STAGES.index("progressive")])
    return folder


@pytest.fixture
def project(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "p")


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


def in_terminal(folder, *words, columns=100, **more):
    """What a command writes to a real terminal of so many columns; 0: it does not say."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        words, cwd=folder, env=environment(**more), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: heard(ours), b""))
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def heard(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's end of a terminal
        return b""


def screen(written):
    """The lines that a terminal shows in the end."""
    lines = []
    for line in written.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def test_a_terminal_shows_one_bar_for_the_whole_stage_and_in_the_end_the_table(project):
    written = in_terminal(project, sys.executable, "-m", "stages.head", "0")
    assert "\x1b" not in written
    drawn = [part for part in re.split(r"[\r\n]", written) if part.startswith("head@0")]
    assert all(len(part) <= 100 for part in drawn)
    number, time = r"[\d.e+-]+", r"\d+:\d\d"
    assert re.match(r"head@0 \|.*\| epoch 1/2 0/\d 0:00<\?$", drawn[0])
    losses = rf"loss {number} val {number} accuracy {number}"
    last = rf"epoch 2/2 (\d)/\1 {number} img/s lr 0.050 {losses} {time}<{time} *$"
    assert re.search(last, drawn[-1])
    left = screen(written)
    assert not any("head@0" in line for line in left)
    assert [line.split()[0] for line in left[:3]] == ["epoch", "0", "1"]
    assert left[0].split() == HEADING
    assert len({len(line) for line in left[:3]}) == 1


DRAWS = "from stages.base.bar import Bar; Bar('resize', total=9, initial=3).close()"


@pytest.mark.parametrize(("columns", "wide"), [(30, 30), (100, 100), (300, 120), (0, 80)])
def test_a_bar_is_as_wide_as_the_terminal_but_not_wider_than_is_good(columns, wide):
    written = in_terminal(ROOT, sys.executable, "-c", DRAWS, columns=columns)
    assert len(written.split("\r")[1]) == wide


def test_a_pipe_and_a_ci_terminal_get_the_table_and_no_bar(project):
    words = sys.executable, "-m", "stages.head", "0"
    piped = subprocess.run(
        words, cwd=project, env=environment(), check=True, capture_output=True, text=True
    )
    assert piped.stderr == ""
    service = in_terminal(project, *words, **SERVICE).replace("\r\n", "\n")
    for written in (piped.stdout, service):
        assert not re.search(r"[\r\x1b█]|img/s", written)
        assert [line.split()[0] for line in written.splitlines()[:3]] == ["epoch", "0", "1"]


@pytest.mark.parametrize("stage", ["resize", "explore", "precompute", "find_lr_head"])
def test_every_other_bar_has_the_same_look_and_the_same_silence(project, stage, monkeypatch):
    monkeypatch.setattr(bar, "watched", lambda: True)
    fold = ["0"] if stage == "find_lr_head" else []
    name = "find_lr" if stage == "find_lr_head" else stage
    shutil.rmtree(project / "work")
    seen = re.findall(rf"\r({name} \|.*?) *(?=\r)", run_stage(project, stage, *fold).output)
    assert re.fullmatch(rf"{name} \|.+\| 0/\d+  \? (images|batches)/s  00:00<\?", seen[0])
    monkeypatch.setattr(bar, "watched", lambda: False)
    shutil.rmtree(project / "work")
    assert "\r" not in run_stage(project, stage, *fold).output


@pytest.mark.parametrize("name", ["true", "True", "1", "woodpecker"])
def test_ci_silences_in_a_terminal_too(monkeypatch, name):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("CI", name)
    assert not bar.watched()


@pytest.mark.parametrize("name", [None, "", "0", "false"])
def test_without_ci_a_terminal_is_watched(monkeypatch, name):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.delenv("CI", raising=False)
    if name is not None:
        monkeypatch.setenv("CI", name)
    assert bar.watched()
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert not bar.watched()


def test_a_line_comes_at_once_in_a_pipe():
    code = "import os; from stages.base import bar; bar.write('a row'); os._exit(0)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout == "a row\n"


class Counted(bar.Bar):
    """A bar that nobody sees, and where it stood first and last."""

    made: ClassVar[list] = []

    def __init__(self, name, **about):
        super().__init__(name, wanted=False, **about)
        self.first, self.moves = about["initial"], []
        self.made.append(self)

    def update(self, n):
        self.moves.append(n)

    @property
    def last(self):
        return self.first + sum(self.moves)


@pytest.fixture
def bars(monkeypatch):
    """The bars of the stages that train, though nobody looks."""
    monkeypatch.setattr(stage_bar.bar, "watched", lambda: True)
    monkeypatch.setattr(stage_bar.bar, "Bar", Counted)
    monkeypatch.setattr(Counted, "made", [])
    return Counted.made


@pytest.fixture
def images(monkeypatch):
    """How many images the network was given in training and validation, batch by batch."""
    seen, load = [], ImageData._load

    def counting(data, batches):
        for batch in load(data, batches):
            seen.append(len(batch[1]))
            yield batch

    monkeypatch.setattr(ImageData, "_load", counting)
    return seen


def test_the_total_is_of_all_fits_sizes_and_validations(project, bars, images):
    assert run_stage(project, "progressive", "0").exit_code == 0
    [one] = bars
    assert one.first == 0
    assert one.total == one.last == sum(images)


def test_without_validation_the_total_is_what_is_trained_on(make_learner, bars):
    nothing = torch.empty(0, 6), torch.empty(0).long()
    data = ActivationData((torch.randn(9, 1, 6), torch.arange(9) % 3), nothing, 4, seed=1)
    steps = [Step(image_size=64, layers="head", fits=[Fit(lr=0.1, cycles=2)])]
    history, learner = History(), make_learner(torch.nn.Linear(6, 3))
    with stage_bar.stage_bar("head@full", steps, data, history.rows) as shown:
        about = {"stage": "head", "size": 64, "layers": "head"}
        rates = Rates(None, 10)
        fitting.fit_all(learner, data, steps[0].fits, rates, history, shown, **about)
    assert [(one.total, one.last) for one in bars] == [(18, 18)]


class Killed(BaseException):
    """The end of a process, as far as one process can play it."""


@pytest.mark.parametrize("steps", [3, 8, 17])
def test_a_run_that_goes_on_starts_the_bar_where_it_stands(
    project, bars, images, monkeypatch, steps
):
    """After the third step, in the second epoch, and in the second of the sizes."""
    from stages.base.unfinished import Kept
    from stages.fit.progress import Progress

    save = Progress.after_step
    left = iter(range(steps, -1, -1))

    def dies(progress):
        save(progress)
        if next(left) == 1:
            raise Killed

    monkeypatch.setattr(Kept, "due", lambda kept: True)
    monkeypatch.setattr(Progress, "after_step", dies)
    with pytest.raises(Killed):
        run_stage(project, "progressive", "0")
    monkeypatch.setattr(Progress, "after_step", save)
    done = sum(images)
    images.clear()
    assert run_stage(project, "progressive", "0").exit_code == 0
    killed, again = bars
    assert again.first == done
    assert again.total == again.last == killed.total == done + sum(images)


def test_a_run_that_has_only_the_reading_left_shows_the_rest(project, bars, images, monkeypatch):
    assert run_stage(project, "progressive", "0").exit_code == 0
    images.clear()
    assert run_stage(project, "progressive", "0").exit_code == 0
    assert bars[1].first == bars[1].total - sum(images)
    assert bars[1].last == bars[1].total


class Clock:
    """A time that passes when it is told to."""

    now = 1000.0

    def __call__(self):
        return self.now


def planned(*sizes, images=64, cycles=2):
    """The passes of a stage that trains a head at these sizes."""
    data = SimpleNamespace(images=images, validated=32, batch_size=4, labels=torch.zeros(64))
    fits = [Fit(lr=0.1, cycles=cycles)]
    return passes([Step(image_size=size, layers="head", fits=fits) for size in sizes], data)


def test_the_time_left_is_that_of_the_whole_stage(bars, monkeypatch):
    """Exactly, once each kind of image was measured; before that the larger ones are foreseen."""
    clock = Clock()
    monkeypatch.setattr(stage_bar, "monotonic", clock)
    costs = [0.3, 0.2] * 2 + [1.2, 0.8] * 2 + [0.8]  # seconds an image of each pass
    todo = planned(100, 200)
    left = sum(cost * one.images for cost, one in zip(costs, todo, strict=True))
    shown, errors = StageBar("progressive@0", todo, rows := []), []
    for number, (cost, one) in enumerate(zip(costs, todo, strict=True)):
        for _ in shown.over(iter(range(one.batches))):
            clock.now += cost * 4
            left -= cost * 4
        errors.append(abs(time_left(shown._left) - left) / max(left, 1))
        if number % 2:
            rows.append({"valid_loss": 1.0, "accuracy": 0.5})
    assert max(errors[:4]) < 0.2
    assert max(errors[5:]) < 1e-6


def test_the_first_batch_which_sets_things_up_is_not_in_the_speed(bars, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stage_bar, "monotonic", clock)
    shown = StageBar("augment@0", planned(64), [])
    for batch in shown.over(iter(range(16))):
        clock.now += 1 if batch else 100
    assert " 4.0 img/s" in shown._look_of(100)


def test_the_work_of_a_kind_that_was_not_seen_tells_its_pace():
    forward, backward, larger = Pace(1), Pace(3), Pace(12)
    left = {forward: 10, backward: 10, larger: 10}
    assert time_left(left) is None
    backward.add(images=5, seconds=15)
    assert time_left(left) == pytest.approx(10 + 30 + 120)
    forward.add(images=5, seconds=1)
    assert time_left({forward: 10, backward: 10}) == pytest.approx(2 + 30)


def test_nothing_is_put_into_words_but_when_the_bar_is_drawn(monkeypatch):
    clock, drawn = Clock(), []
    monkeypatch.setattr(stage_bar, "monotonic", clock)
    monkeypatch.setattr(StageBar, "_look_of", lambda *_: drawn.append(clock.now) or "")
    monkeypatch.setattr(stage_bar.bar, "watched", lambda: True)
    with StageBar("head@0", planned(64, images=4000, cycles=1), []) as shown:
        for _ in shown.over(iter(range(1000))):
            pass
        assert len(drawn) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [(None, "?"), (0, "0:00"), (65.4, "1:05"), (3599.6, "1h00"), (45060, "12h31")],
)
def test_times_are_told_in_minutes_or_hours(given, told):
    assert stage_bar.clock(given) == told


USUAL = {
    "name": "unfreeze@0", "bar": "|{bar}|", "epoch": "epoch 3/7", "batch": "12/45",
    "speed": "98 img/s", "lr": "lr 0.0031", "loss": "loss 0.412", "valid": "val 0.381",
    "metric": "accuracy 0.913", "time": "1:12<2:31",
}  # fmt: skip
LONG = {
    "name": "progressive@0", "bar": "|{bar}|", "epoch": "epoch 13/27", "batch": "112/145",
    "speed": "150 img/s", "lr": "lr 0.0031", "loss": "loss 0.412", "valid": "val 0.381",
    "metric": "accuracy 0.913", "time": "1h12<12h31",
}  # fmt: skip


def lost_in(width, fields):
    line = bar.arrange(fields, stage_bar.FIRST_TO_GO, width)
    assert len(line) <= width
    lost = {name for name, text in fields.items() if text not in line}
    return [name for name in stage_bar.FIRST_TO_GO if name in lost]


def test_a_hundred_columns_show_everything_and_fewer_the_most_important():
    gone = list(stage_bar.FIRST_TO_GO)
    assert lost_in(100, USUAL) == []
    assert lost_in(80, USUAL) == ["bar", "batch", "lr"]
    assert lost_in(120, LONG) == []
    assert lost_in(100, LONG) == ["bar"]
    assert lost_in(60, LONG) == ["bar", "batch", "lr", "speed", "metric"]
    assert lost_in(20, LONG) == gone
    assert bar.arrange(LONG, gone, 5) == "progr"


def test_the_table_has_columns_that_stand_below_each_other(capsys):
    row = {"stage": "head", "epoch": 9, "size": 56, "layers": "head", "lr": 0.1}
    rows = [row | {"train_loss": 0.5, "valid_loss": loss, "f2": 1.0} for loss in (2e-7, 123456.0)]
    for count in (1, 2):
        table.show(rows[:count], seconds=None if count == 1 else 12.34)
    heading, first, second = capsys.readouterr().out.splitlines()
    ends = [[m.end() for m in re.finditer(r"\S+", line)] for line in (heading, first, second)]
    assert ends[0] == ends[1] == ends[2]
    assert first.split() == ["9", "56", "head", "0.1", "0.50000", "2.0000e-07", "1.0000", "-"]
    assert second.split()[-3:] == ["1.2346e+05", "1.0000", "12.3"]


def test_time_is_shown_and_enters_no_history(make_learner, capsys):
    data = ActivationData(
        (torch.randn(8, 1, 6), torch.arange(8) % 3), (torch.randn(4, 6), torch.arange(4) % 3), 4, 1
    )
    learner, history = make_learner(torch.nn.Linear(6, 3)), History()
    about = {"stage": "head", "size": 64, "layers": "head"}
    fitting.fit_all(learner, data, [Fit(lr=0.1, cycles=1)], Rates(None, 10), history, **about)
    assert capsys.readouterr().out.splitlines()[0].split() == HEADING
    assert list(history.rows[0]) == [
        "epoch", "stage", "size", "layers", "lr", "train_loss", "valid_loss", "accuracy"
    ]  # fmt: skip
