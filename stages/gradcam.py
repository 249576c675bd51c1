"""gradcam: where the network looked in the images that it was most wrong about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from stages.base import command, params, paths, records
from stages.figures import heat, tiles
from stages.figures.style import BLUE, GREY, RED
from stages.figures.tiles import Section, Tile
from stages.images.pack import Pack
from stages.looking import captions, examples
from stages.scoring import out_of_fold
from stages.scoring.out_of_fold import Table

if TYPE_CHECKING:
    from stages.learner.gradcam import Explained

NONE_WANTED = "gradcam.images is 0: none is explained."
NOTES = {
    "multiclass": "Grad-CAM: the brighter, the more a place speaks for the class under the map.",
    "multilabel": "Grad-CAM: the brighter, the more a place speaks for the first tag.",
    "regression": "Grad-CAM: the brighter, the more a place raises the number.",
}


@command.stage("gradcam")
def main() -> None:
    """Draw the most wrong images, and over them what spoke for what was said and what is true."""
    s = params.load("gradcam")
    task, table = s.competition.task, out_of_fold.load(paths.OUT_OF_FOLD)
    truth = table.truth(task)
    worst = examples.of_task(task, truth, table.predicted, s.gradcam.images)[0]
    found, note = {}, worst.none if s.gradcam.images else NONE_WANTED
    if len(worst.rows):
        found, note = explained(task, table, truth, worst.rows)
    shown = [tile for row, one in found.items() for tile in drawn(task, table, truth, row, one)]
    columns = 3 if task == "multiclass" or not shown else 2  # of an image
    tiles.draw(paths.picture("gradcam"), [Section(worst.title, shown, note)], columns)
    layer = {"layer": next(iter(found.values())).layer} if found else {}
    records.write_metrics("gradcam", {"images": len(found), **layer})


def explained(
    task: str, table: Table, truth: np.ndarray, rows: np.ndarray
) -> tuple[dict[int, Explained], str]:
    """The rows, each by the model of the fold that validated it, and a sentence about all.

    If the network leaves no map there are none, and the sentence says so.
    """
    from stages.learner import gradcam  # torch and timm: seconds

    pack, about, found = Pack(paths.PACK), table.rows.iloc[rows], {}
    images = dict(zip(rows, pack.rows(about["image"]), strict=True))
    try:
        for fold in about["fold"].unique():
            header, network = gradcam.load(fold, task, table.classes)
            for row in rows[about["fold"] == fold]:
                outputs = captions.outputs(task, truth, table.predicted, row)
                found[row] = gradcam.explain(header, network, pack.image(images[row]), outputs)
    except gradcam.NoMapError as error:
        return {}, str(error)
    return {row: found[row] for row in rows}, NOTES[task]


def drawn(task: str, table: Table, truth: np.ndarray, row: int, one: Explained) -> Iterator[Tile]:
    """The image as the network saw it, then an output's heat each."""
    about, classes = table.rows.iloc[row], table.classes
    yield Tile(one.seen, [(about["id"], GREY), (f"fold {about['fold']}", GREY)])
    said, true = captions.of_row(task, truth, table.predicted, classes, row)
    lines = [(f"said {said}", RED), (f"true {true}", BLUE)]
    outputs = captions.outputs(task, truth, table.predicted, row)
    for output, place in zip(outputs, one.heat, strict=True):
        words = [lines.pop(0)] if len(outputs) > 1 else lines
        alone = captions.of_output(task, one.outputs[output], classes, output)
        more = [f"in this view {alone}", *([] if place.any() else ["no place speaks for it"])]
        yield Tile(heat.over(one.seen, place), [*words, *((line, GREY) for line in more)])


if __name__ == "__main__":
    main()
