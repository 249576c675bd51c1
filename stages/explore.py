"""explore: what the competition's images and labels look like, before anything is trained."""

import io

import click
import pandas as pd
from PIL import Image
from tqdm import tqdm

from stages import params, paths, records
from stages.competition import tables
from stages.competition.archive import Archive
from stages.errors import UserError
from stages.figures import overview


@click.command()
def main() -> None:
    """Count the classes and measure the images."""
    s = params.load("explore")
    archive = Archive(paths.RAW)
    rows, test = tables.read(paths.FOLDS), tables.read(paths.TEST)
    names = [*rows["image"], *test["image"]]
    sizes = pd.DataFrame(
        [size(archive, n) for n in tqdm(names, "explore", unit="image", disable=None)],
        columns=["width", "height"],
    )
    counts = rows["label"].value_counts().sort_index()
    overview.draw_counts(paths.picture("classes"), counts)
    overview.draw_sizes(paths.picture("sizes"), sizes, s.resize.shorter_side)
    records.write_metrics(
        "explore",
        {
            "train_images": len(rows),
            "test_images": len(test),
            "classes": len(counts),
            "rarest_class": int(counts.min()),
            "commonest_class": int(counts.max()),
            "median_width": float(sizes["width"].median()),
            "median_height": float(sizes["height"].median()),
        },
    )


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
