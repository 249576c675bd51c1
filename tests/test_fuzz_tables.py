"""Csv files of any making: every cell to the byte as another reader has it, or a refusal."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.base.errors import UserError
from stages.competition import check, forms, labels
from stages.competition.csv_files import parse
from stages.rows import tables
from stages.rows.cells import reader
from stages.scoring import predictions
from tests.layouts import LAYOUTS, opened
from tests.strategies import damaged, scaled
from tests.test_mutations import good

COUNTS = [2, 3, 5]
LINE_ENDS = ["\n", "\r\n", "\r"]
SMALL = [name for name, layout in LAYOUTS.items() if len(layout.rows) < 20]
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
cells = st.text(characters, max_size=8) | st.sampled_from(
    [
        "0007",
        "NA",
        "nan",
        "null",
        "1e3",
        "-0",
        "True",
        " a",
        "a ",
        'a"b',
        "a,b",
        "a\r\nb",
        "x" * 200_000,
    ]
)
each = st.sampled_from


def read(data: bytes) -> pd.DataFrame | None:
    """The table of a file; none where it is refused."""
    try:
        return parse(data, "labels.csv")
    except UserError as error:
        said = error.message
    assert said.startswith("labels.csv ")
    return None


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def written(cell: str, always: bool) -> str:
    """A cell by RFC 4180."""
    plain = not always and not cell.startswith(" ") and not set('",\r\n') & set(cell)
    return cell if plain else quoted(cell)


@given(data=st.data(), columns=each(COUNTS), end=each(LINE_ENDS), always=st.booleans())
def test_every_cell_survives_however_it_is_written(data, columns, end, always):
    rows = data.draw(st.lists(st.tuples(*[cells] * columns), min_size=1, max_size=5))
    comma, start = data.draw(each([",", ", "])), data.draw(each(["", "\ufeff"]))
    lines = [[f"c{i}" for i in range(columns)], *rows]
    text = end.join(comma.join(written(cell, always) for cell in line) for line in lines)
    found = parse((start + text).encode(), "labels.csv")
    assert [tuple(row) for row in found.itertuples(index=False)] == rows


CSV = (
    b'id,label,note\r\n0007,"Setter, Irish",NA\r\n'
    b' b ,"two ""words""","of\nlines"\r\n\xc3\xa9,,x\r\n'
)


@given(data=damaged(CSV) | st.binary(max_size=60))
def test_a_damaged_file_is_refused_or_read_as_pandas_reads_it(data):
    found = read(data)
    if found is not None:
        options = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        expected = pd.read_csv(io.BytesIO(data), header=None, skipinitialspace=True, **options)
        cells = [[first.lstrip(" "), *rest] for first, *rest in found.to_numpy().tolist()]
        assert cells == expected.to_numpy()[1:].tolist()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,label\na,x\nb", "line 3: 1 cells under a header of 2"),
        ('id,label\na,"x', "line 2: unexpected end of data"),
        ('id,label\n"a"b,x', "line 2: ',' expected after '\"'"),
        ('id,label\n"a\rb",x', "a carriage return inside a cell"),
    ],
)
def test_what_readers_disagree_about_is_refused(text, sentence):
    with pytest.raises(UserError) as error:
        parse(text.encode(), "labels.csv")
    assert sentence in error.value.message


@pytest.mark.parametrize(
    ("task", "separator", "cell"),
    [("regression", None, "1e39"), ("regression", None, "1_0"), ("multilabel", " ", "a\tb c")],
)
def test_a_label_that_would_become_another_on_the_way_is_refused(task, separator, cell):
    with pytest.raises(ValueError, match=r"not a number|too large a number|holds a tab"):
        reader(task, ["label"], separator)([cell])


@pytest.mark.parametrize("name", SMALL)
@scaled(1 / 8)
@given(data=st.data())
def test_damaged_labels_are_refused_or_name_images_that_are_there(tmp_path_factory, name, data):
    layout = LAYOUTS[name]
    c, folder = layout.competition, layout.write(tmp_path_factory.mktemp("layout"))
    for file in layout.texts:
        (folder / file).write_bytes(data.draw(damaged((folder / file).read_bytes(), cuts=2)))
    try:
        rows = labels.with_image(labels.table(opened(folder), c), c, "fail")
        rows = labels.once(rows, c.labels)
        names = labels.classes(rows, c)
        tables.targets(rows, names, c.task)
        sample = parse((folder / c.sample_submission).read_bytes(), c.sample_submission)
        forms.form_of(sample.columns[1:], names, c, tables.targets(rows, names, c.task))
    except UserError:
        return
    known = {(name, image) for name, image, _ in layout.rows}
    assert {(i, image) for i, image in zip(rows["id"], rows["image"], strict=True)} <= known


@pytest.mark.parametrize("name", LAYOUTS)
@scaled(1 / 8)
@given(data=st.data())
def test_a_damaged_submission_is_judged_without_a_traceback(name, data):
    about = good(LAYOUTS[name])
    table = read(data.draw(damaged(about.text.encode())))
    if table is not None:
        for sentence in check.faults(table, about.wanted, about.form, about.reference):
            assert sentence.strip()


@scaled(1 / 2)
@given(ids=st.lists(cells, min_size=1, max_size=4), classes=st.lists(cells, min_size=2, max_size=3))
def test_ids_and_classes_survive_our_own_tables(tmp_path_factory, ids, classes):
    file = tmp_path_factory.mktemp("tables") / "t.csv"
    predictions.write(file, ids, classes, np.zeros((len(ids), len(classes))))
    assert predictions.read(file)[:2] == (ids, classes)
    pd.DataFrame({"id": ids, "fold": 0}).to_csv(file, index=False, lineterminator="\n")
    assert list(tables.read(file)["id"]) == ids
