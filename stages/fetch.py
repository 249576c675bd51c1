"""fetch: bring the competition's files, as one archive that is read from inside."""

import zipfile
from pathlib import Path

from stages.base import command, params, paths, records
from stages.competition.download import download
from stages.competition.lift import lift
from stages.competition.local import local


@command.stage("fetch")
def main() -> None:
    """Fetch the competition: from Kaggle, from a path, or the bundled one.

    A download stays in work/downloads, for DVC removes what this made before it runs it again, as
    after a change of code; where nothing had to be rewritten the two are one file, linked. One
    that is refused stays too, and is refused again without another download.
    """
    s = params.load("fetch")
    slug, source = s.competition.slug, s.competition.source
    target = paths.COMPETITION
    if source == "demo":
        build_demo(target)
    else:
        lift(download(slug, paths.DOWNLOADS) if source == "kaggle" else local(source), target)
    with zipfile.ZipFile(target) as archive:
        files = [m for m in archive.infolist() if not m.is_dir()]
    records.write_metrics("fetch", {"files": len(files), "bytes": target.stat().st_size})


def build_demo(target: Path) -> None:
    """Build the bundled competition; the import waits until then, for scikit-learn is slow."""
    from stages.competition import demo

    with records.whole(target) as part:
        demo.build(part)


if __name__ == "__main__":
    main()
