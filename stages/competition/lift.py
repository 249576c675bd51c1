"""From whatever a competition comes in to one zip of all its files, for reading at random.

Kaggle's archive often holds archives: a zip of zips, a 7z, a tar in a 7z.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from stages.competition import members
from stages.competition.archive import is_image
from stages.competition.members import GIB, Member
from stages.errors import UserError
from stages.records import whole

DEEPEST = 5  # archives inside one another
BLOCK = 2**20  # bytes


def lift(source: Path, target: Path) -> None:
    """Write every file of a folder or an archive to the zip `target`, whole or not at all.

    A zip without archives inside is linked (or copied) as it is. Else everything is written anew,
    images stored as they are, other files deflated. A file from an archive inside lies where the
    archive lay, under its name there: train.zip holding train/1.jpg gives train/1.jpg. If some of
    an archive's several files have no folder of their own, all lie in a folder of the archive's
    name: train.zip holding 1.jpg and 2.jpg gives train/1.jpg and train/2.jpg. A source with
    nothing in it but one archive is taken for that archive. What macOS adds is left out.

    Raises:
        UserError: an archive is broken, encrypted or not safe, two files share a name, or the disk
            is too small.

    """
    with (
        whole(target) as part,
        tempfile.TemporaryDirectory(dir=part.parent) as scratch,
        members.of(source, source.name, Path(scratch)) as found,
    ):
        _check_room(source.name, found, part.parent)
        if _is_plain(source, found):
            _link(source, part)
        else:
            _write(source.name, found, part, Path(scratch))


def _is_plain(source: Path, found: list[Member]) -> bool:
    """Whether it is a zip of plain files that can be read from as it is."""
    if not (source.is_file() and zipfile.is_zipfile(source)):
        return False
    with zipfile.ZipFile(source) as opened:
        as_written = {i.filename for i in opened.infolist() if not i.is_dir()}
    names = {member.name for member in found}
    return names == as_written and len(names) == len(found) and not any(
        members.is_archive(name) for name in names
    )  # fmt: skip


def _check_room(name: str, found: list[Member], folder: Path) -> None:
    needed, free = sum(member.bytes for member in found), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{name} needs {needed / GIB:.1f} GiB of disk and {free / GIB:.1f} are free; make "
            "room, then run again."
        )


def _link(source: Path, target: Path) -> None:
    """Link a file, which takes no room; copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write(name: str, found: list[Member], target: Path, scratch: Path) -> None:
    """Write the leaves of all archives to a new zip."""
    names: set[str] = set()
    with (
        zipfile.ZipFile(target, "w") as out,
        tqdm(desc="fetch", unit="file", total=len(found), disable=None) as bar,
    ):
        for place, member in _leaves(name, found, "", scratch, 1):
            if place in names:
                raise UserError(f"{name} holds two files named {place}; keep one of them.")
            names.add(place)
            bar.total = max(bar.total, len(names))
            _copy(member, place, out)
            bar.update()


def _leaves(
    name: str, found: list[Member], folder: str, scratch: Path, depth: int
) -> Iterator[tuple[str, Member]]:
    """Every file that is no archive, also of archives inside, and its place in the competition."""
    if depth > DEEPEST:
        raise UserError(f"{name}: archives inside one another, more than {DEEPEST} deep.")
    for member in found:
        if not members.is_archive(member.name):
            yield folder + member.name, member
            continue
        with tempfile.TemporaryDirectory(dir=scratch) as room:
            path = Path(room) / "archive"
            _save(member, path)
            with members.of(path, member.name, Path(room)) as inner:
                _check_room(member.name, inner, scratch)
                alone = depth == 1 and len(found) == 1
                place = "" if alone else folder + _place_of(member.name, inner)
                yield from _leaves(member.name, inner, place, Path(room), depth + 1)


def _place_of(name: str, inner: list[Member]) -> str:
    """The folder for the files of an archive inside, with a slash at its end."""
    parent = str(PurePosixPath(name).parent)
    place = "" if parent == "." else f"{parent}/"
    loose = any("/" not in member.name for member in inner)
    return f"{place}{members.stem(name)}/" if loose and len(inner) > 1 else place


def _save(member: Member, path: Path) -> None:
    with member.open() as stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file, BLOCK)


def _copy(member: Member, place: str, out: zipfile.ZipFile) -> None:
    """Write one file; its date is the zip format's first, so that equal files are equal bytes."""
    info = zipfile.ZipInfo(place)
    info.compress_type = zipfile.ZIP_STORED if is_image(place) else zipfile.ZIP_DEFLATED
    with member.open() as stream, out.open(info, "w", force_zip64=member.bytes > GIB) as file:
        shutil.copyfileobj(stream, file, BLOCK)
