"""explore: what the competition's images and labels look like, before anything is trained."""

import io

import pandas as pd
from PIL import Image
from tqdm import tqdm

from stages.base import command, params, paths, records
from stages.base.errors import UserError
from stages.competition.archive import Archive
from stages.figures import overview
from stages.rows import cells, tables


@command.stage("explore")
def main() -> None:
    """Count the classes and measure the images."""
    s = params.load("explore")
    archive = Archive(paths.RAW)
    rows, test = tables.read(paths.SCREENED), tables.read(paths.TEST)
    names = [*rows["image"], *test["image"]]
    sizes = pd.DataFrame(
        [size(archive, n) for n in tqdm(names, "explore", unit="image", disable=None)],
        columns=["width", "height"],
    )
    overview.draw_sizes(paths.picture("sizes"), sizes, s.resize.shorter_side)
    records.write_metrics(
        "explore",
        {
            "train_images": len(rows),
            "test_images": len(test),
            **explore_labels(rows, s.competition.task),
            "median_width": float(sizes["width"].median()),
            "median_height": float(sizes["height"].median()),
        },
    )


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


def size(archive: Archive, name: str) -> tuple[int, int]:
    """Width and height of an image, from its header alone.

    Raises:
        UserError: the file is not an image.

    """
    try:
        return Image.open(io.BytesIO(archive.read(name))).size
    except OSError as error:
        raise UserError(f"{name} is not a readable image: {error}.") from None


if __name__ == "__main__":
    main()
