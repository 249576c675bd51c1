"""explore: what the competition's images and labels look like, before anything is trained."""

from collections.abc import Iterator
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.bar import Bar
from stages.competition.archive import Archive
from stages.figures import contact as figure
from stages.figures import overview
from stages.images.pack import Pack
from stages.looking import advice, contact, headers
from stages.rows import cells, tables


@command.stage("explore")
def main() -> None:
    """Count the classes, measure the images, draw a contact sheet, and say what that advises."""
    s = params.load("explore")
    rows, test = tables.read(paths.SCREENED), tables.read(paths.TEST)
    names = Bar("explore", [*rows["image"], *test["image"]])
    found = headers.read(Archive(paths.COMPETITION), names)
    overview.draw_sizes(paths.picture("sizes"), found, s.resize.shorter_side)
    draw_contact(rows, s.competition.task)
    labels = explore_labels(rows, s.competition.task)
    said = "".join(f"{line}\n" for line in advised(found, len(rows), s))
    records.write_text(paths.ADVICE, said)
    click.echo(said, nl=False)
    about = {"train_images": len(rows), "test_images": len(test), **labels}
    records.write_metrics("explore", about | of_images(found))


def explore_labels(rows: pd.DataFrame, task: str) -> dict[str, float]:
    """Draw how often each class is, or each number of a regression; the extremes."""
    picture, classes = paths.picture("classes"), tables.read(paths.CLASSES)
    if task == "regression":
        numbers = cells.targets(rows["label"], list(classes["class"]), task)
        overview.draw_numbers(picture, numbers, list(classes["class"]))
        return {"lowest": float(numbers.min()), "highest": float(numbers.max())}
    counts = classes.set_index("class")["rows"].astype(int)
    overview.draw_counts(picture, counts)
    extremes = {"rarest_class": int(counts.min()), "commonest_class": int(counts.max())}
    return {"classes": len(counts), **extremes}


def of_images(found: pd.DataFrame) -> dict[str, float]:
    """The median size, and how many images are of each format and mode."""
    medians = {f"median_{side}": float(found[side].median()) for side in ("width", "height")}
    return medians | headers.counts(found)


def draw_contact(rows: pd.DataFrame, task: str) -> None:
    """Draw a contact sheet from the pack."""
    classes, pack = tables.classes(paths.CLASSES), Pack(paths.PACK)
    truth, images = cells.targets(rows["label"], classes, task), rows["image"]
    if task == "regression":
        lines = contact.of_numbers(truth, classes)
    else:
        one = task == "multiclass"
        flags = truth[:, None] == np.arange(len(classes)) if one else truth > 0
        lines = contact.of_classes(flags, classes)
    drawn = [
        figure.Line(
            line.name, line.about,
            [pack.image(place) for place in pack.rows(images.iloc[line.rows])], line.captions,
        )
        for line in lines
    ]  # fmt: skip
    figure.draw(paths.picture("contact"), drawn, contact.COLUMNS)


def advised(found: pd.DataFrame, training: int, s: SimpleNamespace) -> Iterator[str]:
    """The sentences; of the headers, the first are those of the training images."""
    yield from advice.of_sizes(found, s.resize.shorter_side)
    size = records.read_metrics("backbone")["pretrained_size"]
    yield from advice.of_weights(s.head.image_size, size)
    yield from advice.of_kinds(found[:training], found[training:])
    if s.competition.task != "regression":
        classes = tables.read(paths.CLASSES).set_index("class")["rows"].astype(int)
        yield from advice.of_classes(classes)


if __name__ == "__main__":
    main()
