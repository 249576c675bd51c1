"""fetch: bring the competition's files to data/raw, archives kept whole."""

import shutil
import zipfile
from pathlib import Path

import click

from stages import params, paths, records
from stages.competition import download as kaggle
from stages.errors import UserError


@click.command()
def main() -> None:
    """Fetch the competition: from Kaggle, from a path, or the bundled one."""
    s = params.load("fetch")
    slug, source = s.competition.slug, s.competition.source
    target = paths.RAW / f"{slug}.zip"
    if source == "kaggle":
        download(slug, target)
    elif source == "demo":
        build_demo(target)
    else:
        copy(Path(source), target)
    with zipfile.ZipFile(target) as archive:
        files = [m for m in archive.infolist() if not m.is_dir()]
    records.write_metrics("fetch", {"files": len(files), "bytes": target.stat().st_size})


def download(slug: str, target: Path) -> None:
    """Download outside DVC's outs, which it clears before each run: a cut download is resumed."""
    archive = kaggle.download(slug, paths.DOWNLOADS)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(archive, target)


def build_demo(target: Path) -> None:
    """Build the bundled competition; the import waits until then, for scikit-learn is slow."""
    from stages.competition import demo

    with records.whole(target) as part:
        demo.build(part)


def copy(source: Path, target: Path) -> None:
    """Copy a zip, or store a folder as one, in sorted order.

    Raises:
        UserError: there is neither at `source`.

    """
    if not source.is_dir() and not zipfile.is_zipfile(source):
        raise UserError(
            f"competition.source: {source} is neither a folder nor a zip archive; "
            "give one of those, or kaggle, or demo."
        )
    with records.whole(target) as part:
        if source.is_dir():
            store(source, part)
        else:
            shutil.copyfile(source, part)


def store(folder: Path, target: Path) -> None:
    """Store a folder's files as a zip, uncompressed: images do not shrink."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            archive.writestr(info, path.read_bytes())


if __name__ == "__main__":
    main()
