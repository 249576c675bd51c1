"""screen: what becomes of the images that cannot be read, now that their rows are known."""

import click
import pandas as pd

from stages.base import command, params, paths, records
from stages.base.errors import UserError, some
from stages.rows import tables

MOST = 0.5  # of the images may be unreadable: more is a format that Pillow does not know
FATE = {
    "training": "it is quarantined: not trained on",
    "test": "its row gets the mean prediction",
}


@command.stage("screen")
def main() -> None:
    """Refuse or leave out training images that cannot be read, and name all such images."""
    s = params.load("screen")
    rows = {"training": tables.read(paths.LABELLED), "test": tables.read(paths.WANTED)}
    faults = tables.read(paths.UNREADABLE).set_index("image")["fault"]
    found = unreadable(rows, faults)
    check(found, rows, s.screen.bad_images)
    for image, use, fault in found.itertuples(index=False):
        click.echo(f"{image} cannot be read: {fault}; {FATE[use]}.")
    kept = {use: table[~table["image"].isin(faults.index)] for use, table in rows.items()}
    outs = {paths.SCREENED: kept["training"], paths.TEST: kept["test"], paths.QUARANTINE: found}
    for path, table in outs.items():
        records.write_table(path, table)
    about = {"training_images": len(kept["training"]), "test_images": len(kept["test"])}
    for use, listed in found.groupby("use")["image"]:
        about |= {f"unreadable_{use}": len(listed), f"unreadable_{use}_images": some(listed)}
    records.write_metrics("screen", about)


def unreadable(rows: dict[str, pd.DataFrame], faults: pd.Series) -> pd.DataFrame:
    """The images that are used and cannot be read: image, use, fault."""
    listed = [
        (image, use, faults[image])
        for use, table in rows.items()
        for image in table.loc[table["image"].isin(faults.index), "image"]
    ]
    return pd.DataFrame(listed, columns=["image", "use", "fault"])


def check(found: pd.DataFrame, rows: dict[str, pd.DataFrame], bad_images: str) -> None:
    """Refuse what cannot be gone on with.

    Raises:
        UserError: training images are unreadable and are to `fail`, each of them named; or so many
            images are that it is no broken file here and there.

    """
    count = found["use"].value_counts()
    if count.get("training", 0) and bad_images == "fail":
        training = found[found["use"] == "training"]
        each = "\n".join(f"  {image}: {fault}" for image, _, fault in training.itertuples(False))
        raise UserError(
            f"{len(training)} training images cannot be read:\n{each}\nmend them, or set "
            "screen.bad_images to quarantine, which leaves them out."
        )
    for use, table in rows.items():
        if count.get(use, 0) > MOST * len(table):
            raise UserError(
                f"{count[use]} of {len(table)} {use} images cannot be read, the first is "
                f"{found.loc[found['use'] == use, 'image'].iloc[0]}; is their format one that "
                "Pillow reads?"
            )


if __name__ == "__main__":
    main()
