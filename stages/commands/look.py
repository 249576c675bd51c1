"""`repodium look`: what was understood of a competition, before anything is trained."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from stages.base import params, paths, terminal
from stages.base.errors import some
from stages.shell.command import Command

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from stages.base.settings import Competition
    from stages.competition.archive import Archive

SHOWN = 9  # images on the contact sheet


@click.command(
    cls=Command,
    examples={"repodium look": "after `dvc repro fetch`: is this what you meant?"},
)
def command() -> None:
    """Show what is understood of the competition.

    Rows, classes, images, the form of a submission, and nine images in reports/look.png.
    """
    from stages.competition import labels
    from stages.competition.archive import Archive

    settings = params.read()
    c = settings.competition
    archive = Archive(paths.COMPETITION)
    rows = labels.with_image(labels.table(archive, c), c, settings.screen.bad_images)
    classes = labels.classes(rows, c)
    for name, text in (*_of_labels(rows, classes, c), *_of_files(archive, rows, classes, c)):
        click.echo(line(name, text))
    draw(archive, rows)
    click.echo(line("nine images", str(paths.picture("look"))))


def line(name: str, text: str) -> str:
    """A line of what is understood; on a terminal that is too narrow, several."""
    paint = terminal.warning if name == "note" else terminal.heading
    most = terminal.columns(sys.stdout)
    return paint(f"{name:<12}") + terminal.wrapped(text, most, indent=12)


def _of_labels(rows: pd.DataFrame, classes: list[str], c: Competition) -> Iterator[tuple[str, str]]:
    from stages.rows import cells

    yield "labels", f"{c.labels}, task {c.task}: {len(rows)} rows"
    if c.task == "regression":
        numbers = cells.targets(rows["label"], classes, c.task)
        yield "numbers", f"{', '.join(classes)}: {numbers.min():g} to {numbers.max():g}"
    else:
        count = Counter(name for cell in rows["label"] for name in cells.split(cell))
        yield "classes", f"{len(classes)}: " + some(f"{k} {count[k]}" for k in classes)
    if "group" in rows:
        yield "groups", f"{rows['group'].nunique()} of {c.group_column}"
    for i, row in enumerate(rows.head(3).itertuples(index=False)):
        said = ", ".join(cells.split(row.label)) or "no label"
        yield "" if i else "first rows", f"{row.id} | {row.image} | {said}"


def _of_files(
    archive: Archive, rows: pd.DataFrame, classes: list[str], c: Competition
) -> Iterator[tuple[str, str]]:
    from stages.competition import forms, lookup
    from stages.competition.csv_files import read_sample
    from stages.rows import cells

    sample = read_sample(archive, c.sample_submission)
    ids = sample.iloc[:, 0]
    found = lookup.find(ids, c.test_images, archive, c.suffix)
    for name, folders in (("images", c.train_images), ("", c.test_images)):
        suffixes = Counter(PurePosixPath(i).suffix for i in lookup.images(archive, folders))
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in suffixes.most_common())
        yield name, f"{', '.join(lookup.each(folders)) or 'test'}: {kinds or 'none'}"
    truth = cells.targets(rows["label"], classes, c.task)
    form = forms.form_of(sample.columns[1:], classes, c, truth)
    yield "submission", f"{c.sample_submission}: {len(sample)} rows, {some(sample.columns)}"
    yield "", f"{form.about}, for {c.metric}"
    yield "", f"first row {some(sample.iloc[0])}"
    for difference in lookup.differences(ids, found, archive, c):
        yield "note", difference


def draw(archive: Archive, rows: pd.DataFrame) -> None:
    """Draw a contact sheet of nine training images, evenly spread over the table."""
    import numpy as np

    from stages.figures import tiles
    from stages.figures.style import INK
    from stages.rows import cells

    step = max(1, len(rows) // SHOWN)
    chosen = rows.iloc[::step].head(SHOWN)
    pictures = {name: picture(archive, name) for name in chosen["image"]}
    titles = [
        f"{name} cannot be read" if pictures[name] is None else ", ".join(cells.split(cell))
        for name, cell in zip(chosen["image"], chosen["label"], strict=True)
    ]
    blank = np.full((256, 256, 3), 211, np.uint8)  # light grey
    shown = [
        tiles.Tile(blank if found is None else found, [(title, INK)])
        for found, title in zip(pictures.values(), titles, strict=True)
    ]
    tiles.draw(paths.picture("look"), [tiles.Section("", shown)])


def picture(archive: Archive, name: str) -> np.ndarray | None:
    """One image (H, W, 3), small; None, and why is told, if it cannot be read."""
    from stages.images import decoding

    try:
        return decoding.decode(archive.read(name), 256)
    except decoding.UnreadableError as error:
        click.echo(line("note", f"{name} cannot be read: {error}; see screen.bad_images."))
        return None
