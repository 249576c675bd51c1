"""`repodium views`: what training and prediction see of an image."""

from __future__ import annotations

import click

from stages.base import params, paths, terminal
from stages.base.errors import UserError
from stages.shell import completing
from stages.shell.command import Command

SIDE, LABEL = 115, 76  # pixels of a view, and of the name of a line
FEWEST = 4  # columns: there is to be room for a name


@click.command(
    cls=Command,
    examples={
        "repodium views": "three training images, in reports/views.png",
        "repodium views 0002": "one, by its id or by its file",
    },
)
@click.argument("images", nargs=-1, shell_complete=completing.images)
def command(images: tuple[str, ...]) -> None:
    """Show the augmented images that are trained on.

    Of each of IMAGES the plain view and those of the first epochs at each size, then those of TTA,
    in reports/views.png: the very pixels of the batches. Of three training images if none is named.
    """
    from stages.figures import contact as figure
    from stages.images.pack import Pack
    from stages.learner import sheet

    s = params.read()
    if not paths.PACK.exists():
        raise UserError("the images are not resized yet; run `dvc repro resize` first.")
    pack, lines = Pack(paths.PACK), list(sheet.lines(s))
    shown = [
        figure.Line(
            *named(line.about), line.pixels(pack, image, s), [*map(titled, line.names)],
            heading=image if line is lines[0] else "",
        )
        for image in sheet.chosen(pack, images)
        for line in lines
    ]  # fmt: skip
    columns = max(FEWEST, *(len(line.names) for line in lines))
    figure.draw(paths.picture("views"), shown, columns, SIDE, LABEL)
    if mixed := [name for name in ("mixup", "cutmix") if getattr(s.batches, name)]:
        click.echo(
            f"{terminal.warning('note')}: {' and '.join(mixed)} blends what is shown with other "
            "images."
        )
    click.echo(f"picture: {paths.picture('views')}; the numbers are those of the epochs.")


def named(about: str) -> tuple[str, str]:
    """What a line shows, in two: 72 px, TTA."""
    size, _, more = about.partition(", ")
    return size, more


def titled(name: str) -> str:
    """The name of a view, under it: augment 0 is that of its first epoch."""
    return name.replace("/", " ") or "plain"
