"""From whatever a competition comes in to one zip of all its files, for reading at random.

Kaggle's archive often holds archives: a zip of zips, a 7z, a tar in a 7z.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import IO

from stages.base.bar import Bar
from stages.base.errors import UserError
from stages.base.records import whole
from stages.competition import members
from stages.competition.archive import is_image
from stages.competition.members import BROKEN, GIB, UNPACK, Member

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
        UserError: an archive is broken, encrypted or not safe, two files share a name, there are
            no files, or the disk is too small.

    """
    try:
        with (
            whole(target) as part,
            _scratch(target.with_name(f".{target.name}.scratch")) as scratch,
            members.of(source, source.name, scratch) as found,
            closing(Flow(source, found)) as flow,
        ):
            flow.expect(found)
            if _is_plain(source, found):
                _check(source.name, found, flow)
                _link(source, part)
            else:
                _write(source.name, found, part, scratch, flow)
    except OSError as error:
        raise UserError(
            f"{source.name} cannot be brought to {target.parent} ({error.strerror or error}); make "
            "room or change permissions, then run again."
        ) from None


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder to unpack in, of one name: what a kill leaves in it goes with the next run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Flow:
    """The bytes that come out of a source: shown, with the time left, and no more than is sound."""

    def __init__(self, source: Path, found: list[Member]) -> None:
        self._name = source.name
        self._packed = _bytes(found) if source.is_dir() else source.stat().st_size
        self._bar = Bar("fetch", unit="B", unit_scale=True, total=0)
        self._unpacked = 0

    def close(self) -> None:
        """Show no more."""
        self._bar.close()

    def expect(self, found: list[Member]) -> None:
        """Add the files of another archive to what is to come.

        Raises:
            UserError: with them, the source grows as only a bomb does.

        """
        self._unpacked += _bytes(found)
        self._bar.total = self._unpacked
        largest = max(found, key=attrgetter("bytes"), default=None)
        if largest:
            members.check_growth(self._name, largest.name, self._unpacked, self._packed)

    def pour(self, name: str, member: Member, into: IO[bytes]) -> None:
        """Write the file `member` of the archive `name`.

        Raises:
            UserError: it is broken, or not as long as the archive states.

        """
        size, fault = 0, ""
        try:
            with member.open() as stream:
                while block := stream.read(BLOCK):
                    size += len(block)
                    into.write(block)
                    self._bar.update(len(block))
        except BROKEN as error:
            fault = str(error) or "it ends too early"
        if fault or size != member.bytes:
            fault = fault or f"it has {size} bytes instead of {member.bytes}"
            raise UserError(
                f"{name} holds {member.name!r}, which cannot be read ({fault}); fetch it again, "
                f"or {UNPACK}."
            )


def _bytes(found: list[Member]) -> int:
    return sum(member.bytes for member in found)


def _is_plain(source: Path, found: list[Member]) -> bool:
    """Whether it is a zip of plain files that can be read from as it is."""
    if not (found and source.is_file() and zipfile.is_zipfile(source)):
        return False
    with zipfile.ZipFile(source) as opened:
        as_written = {i.filename for i in opened.infolist() if not i.is_dir()}
    names = {member.name for member in found}
    return names == as_written and len(names) == len(found) and not any(
        members.is_archive(name) for name, _ in members.joined(found)
    )  # fmt: skip


def _check(name: str, found: list[Member], flow: Flow) -> None:
    """Read every file, so that a broken one is known now and not when a later stage needs it."""
    with Path(os.devnull).open("wb") as nowhere:
        for member in found:
            flow.pour(name, member, nowhere)


def _check_room(name: str, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
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
        _check_room(source.name, source.stat().st_size, target.parent)
        shutil.copyfile(source, target)


def _write(name: str, found: list[Member], target: Path, scratch: Path, flow: Flow) -> None:
    """Write the leaves of all archives to a new zip."""
    names: set[str] = set()
    with zipfile.ZipFile(target, "w") as out:
        for archive, place, member in _leaves(name, found, "", scratch, flow):
            if place in names:
                raise UserError(f"{name} holds two files named {place!r}; keep one of them.")
            names.add(place)
            with out.open(_info(place), "w", force_zip64=member.bytes > GIB) as file:
                flow.pour(archive, member, file)
        out.infolist().sort(key=attrgetter("filename"))  # the listing; a tar keeps its own order
    if not names:
        raise UserError(f"{name} holds no files; give competition.source its files.")


def _info(place: str) -> zipfile.ZipInfo:
    """How a file is stored; its date is the format's first, so that equal files are equal bytes."""
    info = zipfile.ZipInfo(place)
    info.compress_type = zipfile.ZIP_STORED if is_image(place) else zipfile.ZIP_DEFLATED
    return info


def _leaves(
    name: str, found: list[Member], folder: str, scratch: Path, flow: Flow, depth: int = 1
) -> Iterator[tuple[str, str, Member]]:
    """Every file that is no archive: the archive that holds it, its place, and itself."""
    if depth > DEEPEST:
        raise UserError(f"{name} holds archives more than {DEEPEST} deep; {UNPACK}.")
    _check_room(name, _bytes(found), scratch)
    files = members.joined(found)
    for file_name, pieces in files:
        if not members.is_archive(file_name):
            yield name, folder + file_name, pieces[0]
            continue
        with tempfile.TemporaryDirectory(dir=scratch) as room:
            path = Path(room) / "archive"
            with path.open("wb") as file:
                for piece in pieces:
                    flow.pour(name, piece, file)
            with members.of(path, file_name, Path(room)) as inner:
                flow.expect(inner)
                alone = depth == 1 and len(files) == 1
                place = "" if alone else folder + _place_of(file_name, inner)
                yield from _leaves(file_name, inner, place, Path(room), flow, depth + 1)


def _place_of(name: str, inner: list[Member]) -> str:
    """The folder for the files of an archive inside, with a slash at its end."""
    loose = len(inner) > 1 and any("/" not in member.name for member in inner)
    place = PurePosixPath(name).parent / (members.stem(name) if loose else "")
    return "" if place == PurePosixPath() else f"{place}/"
