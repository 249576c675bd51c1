"""duplicates: images that are copies of others, told, and kept in one fold if they are to be."""

from collections.abc import Sequence
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.errors import UserError
from stages.competition.archive import Archive
from stages.copies import exact, hashes, near, report, together
from stages.figures import tiles
from stages.figures.style import GREY, INK, RED
from stages.figures.tiles import Section, Tile
from stages.images.pack import Pack
from stages.model import activations
from stages.rows import cells, tables

SHOWN = 8  # pairs in the picture
NONE = Section("", [], "No image is a copy of another.")


@command.stage("duplicates")
def main() -> None:
    """Find copies among the training and test images, and write the folds that are trained on."""
    s = params.load("duplicates")
    rows, test = tables.read(paths.SCREENED), tables.read(paths.TEST)
    names = list(dict.fromkeys([*rows["image"], *test["image"]]))
    pack = Pack(paths.PACK)
    pairs = find(names, pack, s.duplicates)
    folds = rows if s.split.keep_together == "none" else kept_together(rows, pairs)
    table = report.described(pairs, folds)
    records.write_table(paths.FOLDS, folds)
    records.write_table(paths.COPIES, table)
    draw(pack, table.head(SHOWN))
    found, moved = report.counts(table), int((folds["fold"] != rows["fold"]).sum())
    click.echo(f"duplicates: {report.sentence(found, moved)}")
    records.write_metrics("duplicates", found | {"rows_moved": moved})


def find(names: Sequence[str], pack: Pack, limits: SimpleNamespace) -> pd.DataFrame:
    """Pairs of copies: image_a, image_b, kind, cosine, distance.

    Of a file under many names each is paired with the first, which alone is compared with others.
    """
    same = exact.sets(Archive(paths.COMPETITION), names)
    copies = [(a, b, "exact", 1.0, 0) for a, *others in same for b in others]
    known = {name for _, name, *_ in copies}
    alike = look_alikes([name for name in names if name not in known], pack, limits)
    found = [pd.DataFrame(copies, columns=alike.columns), alike]
    return pd.concat([table for table in found if len(table)] or found[:1], ignore_index=True)


def look_alikes(names: Sequence[str], pack: Pack, limits: SimpleNamespace) -> pd.DataFrame:
    """Pairs that look alike, in the columns of `find`."""
    features = np.load(paths.ACTIVATIONS / activations.FEATURES, mmap_mode="r")
    rows, images = pack.rows(names), np.array(names, dtype=object)
    found = near.pairs(features, rows, hashes.of_pack(pack, rows), limits)
    ends = {f"image_{end}": images[found[end].to_numpy(dtype=int)] for end in "ab"}
    return pd.DataFrame(
        {**ends, "kind": "near", "cosine": found["cosine"], "distance": found["distance"]}
    )


def kept_together(rows: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows with copies in one fold.

    Raises:
        UserError: a fold would be empty.

    """
    folds = together.regrouped(rows, pairs[report.PAIR].itertuples(index=False, name=None))
    if lost := together.emptied(rows["fold"], folds["fold"]):
        raise UserError(
            f"split.keep_together: fold {lost[0]} has no rows left once copies are in one fold; "
            "raise split.val_pct, or set split.keep_together to none."
        )
    return folds


def draw(pack: Pack, table: pd.DataFrame) -> None:
    """Draw the first pairs, two in a line; contradicting labels are told in red."""
    shown = []
    for row in table.itertuples(index=False):
        ends = [(row.image_a, row.label_a), (row.image_b, row.label_b)]
        title = f"{row.where}: {row.kind}, {row.distance} bits, cosine {row.cosine:.2f}"
        pair = [tile(pack, image, label) for image, label in ends]
        shown.append(Section(title, pair, colour=RED if row.agree == "no" else INK))
    tiles.draw(paths.picture("duplicates"), shown or [NONE], columns=2, beside=2)


def tile(pack: Pack, image: str, label: str | float) -> Tile:
    """An image, under it what it is, and its name."""
    known = ", ".join(cells.split(label)) or "no label" if isinstance(label, str) else "test image"
    [place] = pack.rows([image])
    return Tile(pack.image(place), [(known, INK), (image, GREY)])


if __name__ == "__main__":
    main()
