"""Good submissions of every shape, broken in every way we know: each is caught, none falsely."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from stages.base.errors import UserError
from stages.competition import check, forms, sample
from stages.competition.csv_files import parse
from stages.rows import cells
from stages.scoring import decisions
from stages.scoring.decisions import Question
from stages.scoring.predictions import Predicted
from tests.layouts import LAYOUTS, Layout

ROWS = 130


@dataclass(frozen=True)
class Good:
    """A good submission as a file, and what it is checked against."""

    text: str
    form: forms.Form
    wanted: pd.DataFrame
    reference: Predicted
    metric: str


def good(layout: Layout, seed: int = 0, reference_seed: int = 0) -> Good:
    """What the pipeline would write for a layout, with as many test rows as a real one has."""
    c, rng = layout.competition, np.random.default_rng(seed)
    given = layout.texts[c.sample_submission]
    header, first, *_ = (given if isinstance(given, str) else given.decode()).splitlines()
    suffix = re.search(r"(\.\w+)?$", layout.tests[0][0])[0]
    rows = [f"{i:04d}{suffix},{first.split(',', 1)[1]}" for i in range(1, ROWS + 1)]
    if '"c, d"' in first:
        rows = [f'"{i:04d}, x",{first.rsplit(",", 2)[1]},0.5' for i in range(1, ROWS + 1)]
    wanted = parse("\n".join([header, *rows]).encode(), "sample")
    truth = cells.targets([row[2] for row in layout.rows], layout.classes, c.task)
    form = forms.form_of(wanted.columns[1:], layout.classes, c, truth)
    values = predicted(layout, truth, rng)
    ratings = (int(truth.min()), int(truth.max()))
    ask = Question(c.metric, c.task, 0.5, "rounded", ratings)
    decided = decisions.decide(ask, decisions.learn(ask, truth, values), values)
    table = sample.fill(wanted, form, decided)
    noise = np.random.default_rng(reference_seed).normal(0, 0.7 * values.std(), values.shape)
    ours = Predicted(list(wanted.iloc[:, 0]), layout.classes, values + noise)
    return Good(table.to_csv(index=False, float_format="%.9g"), form, wanted, ours, c.metric)


def predicted(layout: Layout, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Predictions (ROWS, C) such as a model makes, every class likeliest somewhere."""
    count = len(layout.classes)
    if layout.competition.task == "regression":
        return rng.uniform(truth.min(axis=0), truth.max(axis=0), (ROWS, count))
    if layout.competition.task == "multilabel":
        return rng.uniform(0, 1, (ROWS, count))
    peaks = 4 * np.eye(count)[np.arange(ROWS) % count] + rng.uniform(0, 1, (ROWS, count))
    return np.exp(peaks) / np.exp(peaks).sum(axis=1, keepdims=True)


def faults(text: str, about: Good) -> list[str]:
    try:
        table = parse(text.encode(), "submission.csv")
    except UserError as error:
        return [error.message]
    return list(check.faults(table, about.wanted, about.form, about.reference))


each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@each_layout
@pytest.mark.parametrize("seed", range(5))
def test_a_good_submission_has_no_fault(layout: Layout, seed: int) -> None:
    about = good(layout, seed, reference_seed=seed + 100)
    assert faults(about.text, about) == []


@each_layout
def test_a_model_that_says_the_same_of_all_rows_has_no_order(
    layout: Layout,
) -> None:
    about = good(layout)
    constant = np.full_like(about.reference.numbers, 1 / len(layout.classes))
    about = replace(about, reference=about.reference._replace(numbers=constant))
    assert faults(about.text, about) == []


@pytest.mark.parametrize("count", [200, 1000])
def test_a_ranking_of_many_classes_is_taken_for_what_it_is(count: int) -> None:
    """Of which each is in few rows, so that it may look like another by chance."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(count, 16))
    points = kinds[rng.integers(count, size=3 * count)] + rng.normal(size=(3 * count, 16)) / 2
    said = softmax(points @ kinds.T, axis=1)
    names, ids = [f"w_{i}" for i in range(count)], [str(i) for i in range(3 * count)]
    form, model = forms.Names("Id", names, " ", 5), Predicted(ids, names, said)

    def faults(order: np.ndarray) -> list[str]:
        cells = form.write(np.argsort(-order, axis=1, kind="stable")[:, :5])
        cells.insert(0, "Image", ids)
        return list(check.faults(cells, cells.assign(Id="w_0"), form, model))

    assert faults(said) == []
    assert "nothing to do with" in faults(said[:, rng.permutation(count)])[0]


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_few_rows_may_say_what_the_sample_says(rows: int) -> None:
    """A code competition shows a test image or three: the sample's class may be the true one."""
    form = forms.Names("label", ["0", "4"], None, 1)
    wanted = pd.DataFrame({"image_id": [f"{i}.jpg" for i in range(rows)], "label": "4"})
    classes = np.tile([[0.1, 0.9]], (rows, 1)) + np.arange(rows)[:, None] / 100
    ours = Predicted(list(wanted["image_id"]), form.classes, classes)
    assert list(check.faults(wanted, wanted, form, ours)) == []


@pytest.mark.parametrize("rows", [3, 6])
def test_few_rows_are_too_few_to_tell_one_class_from_another(rows: int) -> None:
    """Of 3 rows, 8 rankings in 100 looked turned beside the very predictions that they say."""
    names, ids = [f"w_{i}" for i in range(5)], [str(i) for i in range(rows)]
    form, rng = forms.Names("Id", names, " ", 5), np.random.default_rng(0)
    for _ in range(100):
        said = rng.dirichlet([1] * 5, rows)
        table = form.write(np.argsort(-said, axis=1))
        table.insert(0, "Image", ids)
        assert (
            list(check.faults(table, table.assign(Id="w_0"), form, Predicted(ids, names, said)))
            == []
        )


@each_layout
def test_a_good_submission_may_be_written_otherwise(layout: Layout) -> None:
    about = good(layout)
    assert faults(about.text.replace("\n", "\r\n"), about) == []
    assert faults("\ufeff" + about.text, about) == []
    assert faults(about.text.rstrip("\n"), about) == []
    assert faults(table_of(about.text).to_csv(index=False, quoting=csv.QUOTE_ALL), about) == []


# Ways to break a file: lines (the header first) to lines, or None where it does not apply.
Lines = list[str]


def table_of(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def edited(change: Callable[[pd.DataFrame, Good], object]) -> Callable[[Good], str | None]:
    """A break that edits the table; it returns the new one, or None where it does not apply."""

    def broken(about: Good) -> str | None:
        table = change(table_of(about.text), about)
        return None if table is None else table.to_csv(index=False)

    return broken


def cell(make: Callable[[str], str], row: int = 7) -> Callable[[Good], str | None]:
    """A break of one value."""

    def change(table: pd.DataFrame, about: Good) -> pd.DataFrame:
        table.iloc[row, 1] = make(table.iloc[row, 1])
        return table

    return edited(change)


def ids(make: Callable[[str], str], rows: slice = slice(None)) -> Callable[[Good], str | None]:
    """A break of ids."""

    def change(table: pd.DataFrame, about: Good) -> pd.DataFrame | None:
        before = list(table.iloc[:, 0])
        table.iloc[rows, 0] = [make(name) for name in table.iloc[rows, 0]]
        return None if list(table.iloc[:, 0]) == before else table

    return edited(change)


def numeric(change: Callable[[pd.DataFrame], pd.DataFrame | None], **only: object):
    """A break of numbers in columns; `only` are attributes that the form must have."""

    def broken(table: pd.DataFrame, about: Good) -> pd.DataFrame | None:
        form = about.form
        fits = isinstance(form, forms.Columns)
        fits = fits and all(getattr(form, name) == value for name, value in only.items())
        values = change(table.iloc[:, 1:].astype(float)) if fits else None
        if values is None:
            return None
        return pd.concat([table.iloc[:, :1], values.map(lambda v: f"{v:.9g}")], axis=1)

    return edited(broken)


def named(make: Callable[[str, forms.Names], str | None]) -> Callable[[Good], str | None]:
    """A break of names in a column."""

    def broken(table: pd.DataFrame, about: Good) -> pd.DataFrame | None:
        if not isinstance(about.form, forms.Names):
            return None
        rows = [row for row, text in enumerate(table.iloc[:, 1]) if text]
        value = make(table.iloc[rows[0], 1], about.form)
        if value is None:
            return None
        table.iloc[rows[0], 1] = value
        return table

    return edited(broken)


def several(form: forms.Names) -> bool:
    return form.separator is not None


def in_a_row(values: pd.DataFrame, value: object) -> pd.DataFrame:
    """One row with other values."""
    values.iloc[5] = value
    return values


def swapped_values(values: pd.DataFrame) -> pd.DataFrame | None:
    """The values of two columns under each other's name: a wrong order of classes."""
    if values.shape[1] < 2:
        return None
    a, b = values.columns[:2]
    return values.assign(**{a: values[b], b: values[a]})


def reversed_columns(values: pd.DataFrame) -> pd.DataFrame | None:
    if values.shape[1] < 2:
        return None
    return pd.DataFrame(values.to_numpy()[:, ::-1], columns=values.columns)


def shifted_columns(values: pd.DataFrame) -> pd.DataFrame | None:
    if values.shape[1] < 3:
        return None
    return pd.DataFrame(np.roll(values.to_numpy(), 1, axis=1), columns=values.columns)


def coarse(values: pd.DataFrame) -> pd.DataFrame | None:
    """Too few digits, where that takes a row's sum away from 1."""
    rounded = values.round(2)
    return rounded if (rounded.sum(axis=1) - 1).abs().max() > 0.001 else None


def other_names(text: str, form: forms.Names) -> str | None:
    return text.swapcase() if text.swapcase() != text else None


def turned_names(table: pd.DataFrame, about: Good) -> pd.DataFrame | None:
    """Every class under the next one's name: the order of classes is wrong."""
    form = about.form
    if not isinstance(form, forms.Names):
        return None
    following = dict(zip(form.classes, [*form.classes[1:], form.classes[0]], strict=True))
    split = (lambda t: t.split(form.separator)) if form.separator else (lambda t: [t])
    between = form.separator or ""
    table.iloc[:, 1] = [
        between.join(following[n] for n in split(text) if n) for text in table.iloc[:, 1]
    ]
    return table


BREAKS: dict[str, Callable[[Good], str | None]] = {
    # the file
    "an empty file": lambda g: "",
    "the header alone": lambda g: g.text.splitlines()[0] + "\n",
    "no header": lambda g: g.text.split("\n", 1)[1],
    "semicolons": lambda g: g.text.replace(",", ";"),
    "tabs": lambda g: g.text.replace(",", "\t"),
    "a web page": lambda g: "<html><body>Sign in</body></html>\n",
    "cut in the middle": lambda g: g.text[: len(g.text) // 2],
    "a cell too many": lambda g: g.text.replace("\n", ",\n").replace(",\n", "\n", 1),
    "in another encoding": lambda g: "\x00" + g.text.replace("\n", "\n\x00"),
    # columns
    "the index written": edited(lambda t, g: t.reset_index()),
    "the id column missing": edited(lambda t, g: t.iloc[:, 1:]),
    "a column missing": edited(lambda t, g: t.iloc[:, :-1]),
    "a column more": edited(lambda t, g: t.assign(more=0)),
    "columns in another order": edited(lambda t, g: t[[*t.columns[1:], t.columns[0]]]),
    "the id column renamed": edited(lambda t, g: t.rename(columns={t.columns[0]: "identity"})),
    "a value column renamed": edited(lambda t, g: t.rename(columns={t.columns[-1]: "value_1"})),
    "headers in capitals": lambda g: (
        None if g.text.split("\n")[0].isupper() else
        g.text.split("\n", 1)[0].swapcase() + "\n" + g.text.split("\n", 1)[1]),
    "headers swapped": edited(
        lambda t, g: t.set_axis([t.columns[1], t.columns[0], *t.columns[2:]], axis=1)),
    # rows
    "the first row missing": edited(lambda t, g: t.iloc[1:]),
    "the last row missing": edited(lambda t, g: t.iloc[:-1]),
    "half the rows": edited(lambda t, g: t.iloc[::2]),
    "a row twice": edited(lambda t, g: pd.concat([t, t.iloc[:1]])),
    "a row twice instead of another": edited(lambda t, g: pd.concat([t.iloc[1:], t.iloc[1:2]])),
    "every row twice": edited(lambda t, g: pd.concat([t, t])),
    "rows backwards": edited(lambda t, g: t.iloc[::-1]),
    "rows sorted as text": edited(lambda t, g: t.sort_values(t.columns[0], ascending=False)),
    "rows shifted under their ids": edited(
        lambda t, g: pd.concat([t.iloc[:, :1], pd.DataFrame(
            np.roll(t.iloc[:, 1:].to_numpy(), 7, axis=0), columns=t.columns[1:])], axis=1)),
    # ids
    "one id more": edited(lambda t, g: pd.concat([t, t.iloc[:1].assign(**{t.columns[0]: "new"})])),
    "one other id": ids(lambda name: "other" + name, slice(3, 4)),
    "one id empty": ids(lambda name: "", slice(3, 4)),
    "padding lost": ids(lambda name: name.lstrip("0")),
    "ids padded": ids(lambda name: "0" + name),
    "ids as decimals": ids(lambda name: name.partition(".")[0] + ".0"),
    "suffix lost or added": ids(lambda name: name[:-4] if name.endswith(".jpg") else name + ".jpg"),
    "a folder before ids": ids(lambda name: "test/" + name),
    "a space after ids": ids(lambda name: name + " "),
    "ids counted from nought": edited(
        lambda t, g: t.assign(**{t.columns[0]: [str(i) for i in range(len(t))]})),
    "ids of the training rows": ids(lambda name: "train_" + name),
    # any value
    "a value empty": lambda g: (
        None if getattr(g.form, "fewest", 1) == 0 else cell(lambda v: "")(g)),
    "a value nan": cell(lambda v: "nan"),
    "a value null": cell(lambda v: "null"),
    "a value of words": cell(lambda v: "tensor(0.5)"),
    "a value in brackets": cell(lambda v: f"[{v}]"),
    "the sample's own values": lambda g: g.wanted.to_csv(index=False),
    # numbers
    "infinite": numeric(lambda v: v.replace(v.iloc[3, 0], np.inf)),
    "a decimal comma": edited(
        lambda t, g: t.assign(**{t.columns[1]: [x.replace(".", ",") for x in t.iloc[:, 1]]})
        if isinstance(g.form, forms.Columns) and not g.form.whole else None),
    "underscores in numbers": cell(lambda v: "1_0"),
    "negative": numeric(lambda v: v.assign(**{v.columns[0]: -1 - v.iloc[:, 0]}), low=0),
    "in per cent": numeric(lambda v: v * 100, high=1),
    "logits": numeric(lambda v: np.log(v.clip(lower=1e-9)), high=1, whole=False),
    "a thousandfold": numeric(lambda v: v * 1000 + 1000),
    "a value far off": numeric(lambda v: in_a_row(v, 1e9)),
    "all nought": numeric(lambda v: v * 0, sums=True),
    "rows that sum to 2": numeric(lambda v: v * 2, sums=True),
    "a row that does not sum to 1": numeric(lambda v: in_a_row(v, v.iloc[5] / 2), sums=True),
    "too few digits": numeric(coarse, sums=True),
    "one minus the probability": numeric(lambda v: 1 - v, high=1),
    "upside down": numeric(lambda v: v.max() + v.min() - v),
    "two columns' values swapped": numeric(swapped_values),
    "columns' values backwards": numeric(reversed_columns),
    "columns' values moved by one": numeric(shifted_columns),
    "half a flag or rating": numeric(lambda v: in_a_row(v, 0.5), whole=True),
    "a rating too high": numeric(lambda v: in_a_row(v, v.max().max() + 10), whole=True),
    # names
    "an unknown class": named(lambda text, form: "unicorn"),
    "the class's number": named(lambda text, form: "99"),
    "another spelling": named(other_names),
    "no class": named(lambda text, form: "" if form.fewest else None),
    "a class twice": named(lambda text, form: f"{text} {text}" if several(form) else None),
    "commas between": named(
        lambda text, form: ",".join(form.classes[:3]) if several(form) else None),
    "one too many": named(
        lambda text, form: " ".join(form.classes) if 1 < form.most < len(form.classes) else None),
    "two classes for one": named(
        lambda text, form: None if several(form) else " ".join(form.classes[:2])),
    "a list in Python": named(lambda text, form: str(text.split()) if several(form) else None),
    "each class under the next one's name": edited(turned_names),
}  # fmt: skip


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_submission_is_caught_in_every_shape(how: str) -> None:
    """A way to break a file applies to at least one shape, and is caught in all that it fits."""
    missed, tried = [], 0
    for name, layout in LAYOUTS.items():
        about = good(layout)
        text = BREAKS[how](about)
        if text is None or text == about.text:
            continue
        tried += 1
        if not faults(text, about):
            missed.append(name)
    assert tried
    assert missed == []


def test_there_are_at_least_fifty_ways() -> None:
    assert len(BREAKS) >= 50
