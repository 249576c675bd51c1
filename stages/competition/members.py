"""The files inside a folder or an archive (zip, 7z, tar), one by one, none of them trusted."""

from __future__ import annotations

import copy
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from operator import attrgetter
from os import SEEK_END
from pathlib import Path, PurePosixPath
from typing import IO

from stages.base.errors import UserError

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ARCHIVES = (".zip", ".7z", *TAR)
GIB = 2**30
MOST = 200  # times its packed size that an archive may grow beyond one GiB: pictures hardly shrink
RUBBISH = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._[^/]*$|Icon\r$)")  # what macOS adds
UNFIT = re.compile("[\\r\\ud800-\\udfff]|^[.]?$|/$")  # as a name in our tables: it is not text
LONGEST_NAME = 2**16 - 1  # bytes, in a zip
ENCRYPTED = 1  # the bit of a zip member's flags
LONGEST_END = 22 + 2**16  # bytes of a zip's end with its comment
LIKE_ZIP64 = 2**16 - 1  # the number of files that says: see the longer one
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, UnicodeDecodeError,
)  # fmt: skip
BLOCK = 2**20  # bytes
PIECE = re.compile(r"\.\d{3}$")  # after the name of an archive that was cut: train.zip.001
UNPACK = "unpack it yourself, and set competition.source to the folder"


@dataclass(frozen=True)
class Member:
    """A file inside an archive."""

    name: str
    """Its path there, with slashes."""
    bytes: int
    """Its size as the archive states it."""
    open: Callable[[], IO[bytes]]
    """A stream of its content, to be read before the next member's."""


def is_archive(name: str) -> bool:
    """Whether a file name ends as an archive's does."""
    return name.lower().endswith(ARCHIVES)


def stem(name: str) -> str:
    """A file's name without folder and without an archive's suffix."""
    plain = PurePosixPath(name).name
    suffix = max((s for s in ARCHIVES if plain.lower().endswith(s)), key=len, default="")
    return plain[: len(plain) - len(suffix)]


def joined(found: list[Member]) -> list[tuple[str, list[Member]]]:
    """Each file's name and its pieces: itself, or all that an archive was cut into, in order."""
    names, result = {member.name for member in found}, []
    cut: dict[str, list[Member]] = {}
    for member in found:
        whole = PIECE.sub("", member.name)
        if not is_archive(whole) or whole in names:
            result.append((member.name, [member]))
        else:
            if whole not in cut:
                result.append((whole, cut.setdefault(whole, [])))
            cut[whole].append(member)
    return [(name, sorted(pieces, key=attrgetter("name"))) for name, pieces in result]


@contextmanager
def of(path: Path, name: str, scratch: Path) -> Iterator[list[Member]]:
    """Yield the files in a folder or an archive, which are called `name` in any refusal.

    A 7z is unpacked into `scratch`, under names of our own; nothing else is.

    Raises:
        UserError: it is broken or encrypted, or a member is one that no competition needs: its
            name climbs out or is no text, or it is a link or a device.

    """
    kind = _folder if path.is_dir() else _kind_of(name)
    try:
        with kind(path, name, scratch) as found:
            kept = [m for m in found if not RUBBISH.search(_checked(m, name).name)]
            yield [_nameable(m, name) for m in kept]
    except BROKEN as error:
        raise _broken(name, error) from None


def _kind_of(name: str) -> Callable:
    if name.lower().endswith(".7z"):
        return _seven
    return _tar if name.lower().endswith(TAR) else _zip


def _checked(member: Member, archive: str) -> Member:
    """A member whose name stays inside.

    Raises:
        UserError: it does not.

    """
    parts = PurePosixPath(member.name).parts
    outside = member.name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", member.name)
    if outside or "\0" in member.name:
        raise UserError(
            f"{archive} holds {member.name!r}, which would climb out of its folder: it is not "
            f"safe; if you trust it, {UNPACK}."
        )
    return member


def _nameable(member: Member, archive: str) -> Member:
    """A member whose name can be written to our zip and tables.

    Raises:
        UserError: it cannot.

    """
    if UNFIT.search(member.name) or len(member.name.encode()) > LONGEST_NAME:
        raise UserError(
            f"{archive} holds {member.name[:100]!r}, which is no name in UTF-8 of one line; "
            f"{UNPACK}, once it is renamed."
        )
    return member


def check_growth(archive: str, member: str, unpacked: int, packed: int) -> None:
    """Refuse what is a bomb rather than pictures.

    Raises:
        UserError: it unpacks to more than one GiB and to more than 200 times its packed size.

    """
    if unpacked > GIB and unpacked > MOST * packed:
        raise UserError(
            f"{archive} holds {member!r}, at which it unpacks to {unpacked / GIB:,.0f} GiB out of "
            f"{packed / GIB:.2g}: that is no competition; if you trust it, {UNPACK}."
        )


def _plain(name: str) -> str:
    """A name as it is written on all systems; some programs of Windows write backslashes."""
    folder = "/" if name.endswith(("/", "\\")) else ""
    return PurePosixPath(name.replace("\\", "/")).as_posix() + folder


@contextmanager
def _folder(path: Path, name: str, _: Path) -> Iterator[list[Member]]:
    found = sorted(path.rglob("*"))
    for p in found:
        if (p.is_dir() and p.is_symlink()) or not (p.is_dir() or p.is_file()):
            raise UserError(
                f"{name} holds {p.relative_to(path).as_posix()!r}, a link to a folder or to "
                "nothing, or no file at all; put the files themselves there."
            )
    files = [p for p in found if p.is_file()]
    yield [
        Member(p.relative_to(path).as_posix(), p.stat().st_size, lambda p=p: p.open("rb"))
        for p in files
    ]


@contextmanager
def _zip(path: Path, name: str, _: Path) -> Iterator[list[Member]]:
    with _opened(path) as opened:
        _check_count(opened)
        found = []
        for info in opened.infolist():
            written = _plain(info.orig_filename)  # zipfile itself stops at a NUL
            if written.endswith("/"):
                continue
            if info.flag_bits & ENCRYPTED:
                raise _encrypted(name, info.filename)
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _link(name, info.filename)
            check_growth(name, info.filename, info.file_size, info.compress_size)
            longer = copy.copy(info)
            longer.file_size += 1  # else zipfile reads no further than the stated size
            found.append(Member(written, info.file_size, lambda info=longer: opened.open(info)))
        yield found


def _opened(path: Path) -> zipfile.ZipFile:
    """A zip, its names read as UTF-8 where they can be: the Finder and `zip` do not flag it."""
    try:
        return zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(path)


def _check_count(opened: zipfile.ZipFile) -> None:
    """Compare the list with the number of files that its end states (APPNOTE 4.3.16).

    Raises:
        BadZipFile: it is not so long; `zipfile` lets a damaged length hide what follows. Or a file
            would lie before the start.

    """
    if any(info.header_offset < 0 for info in opened.infolist()):
        raise zipfile.BadZipFile("a part is missing")
    opened.fp.seek(max(0, opened.fp.seek(0, SEEK_END) - LONGEST_END))
    end = opened.fp.read()
    stated = int.from_bytes(end[end.rfind(b"PK\5\6") :][10:12], "little")
    if stated not in (LIKE_ZIP64, len(opened.infolist()) % 2**16):
        raise zipfile.BadZipFile(f"its list has {len(opened.infolist())} files instead of {stated}")


@contextmanager
def _tar(path: Path, name: str, _: Path) -> Iterator[list[Member]]:
    with tarfile.open(path) as opened:
        found = []
        for info in opened:
            check_growth(name, info.name, opened.offset, path.stat().st_size)
            if not (info.isdir() or info.isreg()):
                raise _link(name, info.name)
            if info.isreg():
                stream = lambda info=info: opened.extractfile(info)  # noqa: E731
                found.append(Member(_plain(info.name), info.size, stream))
        _check_end(opened)
        yield found


def _check_end(opened: tarfile.TarFile) -> None:
    """Read on to the end, where gzip's checksum is compared.

    Raises:
        ReadError: there is more than zeros; `tarfile` takes a damaged header for the end.

    """
    opened.fileobj.seek(opened.offset)
    while block := opened.fileobj.read(BLOCK):
        if block.count(0) != len(block):
            raise tarfile.ReadError("a header is damaged")


@contextmanager
def _seven(path: Path, name: str, scratch: Path) -> Iterator[list[Member]]:
    """py7zr can only unpack all at once: when the first member is opened, all have been checked."""
    import py7zr  # slow to import, and few competitions need it

    from stages.competition.unseven import Renamed

    try:
        with py7zr.SevenZipFile(path) as opened:
            infos = [info for info in opened.list() if not info.is_directory]
            for info in infos:
                if opened.needs_password():
                    raise _encrypted(name, info.filename)
                if not info.is_file:
                    raise _link(name, info.filename)
            files = Renamed(scratch)
            unpack = cache(lambda: opened.extract(factory=files))

            def stream(info: py7zr.FileInfo) -> IO[bytes]:
                try:
                    unpack()
                except py7zr.exceptions.CrcError as error:
                    raise lzma.LZMAError(f"{error.args[-1]} is broken") from None
                except py7zr.exceptions.ArchiveError as error:
                    raise lzma.LZMAError(str(error)) from None
                return files.of[str(PurePosixPath(info.filename))].open("rb")

            yield [Member(_plain(i.filename), i.uncompressed, partial(stream, i)) for i in infos]
    except py7zr.exceptions.PasswordRequired:
        raise _encrypted(name, "its list of files") from None
    except py7zr.exceptions.ArchiveError as error:
        raise _broken(name, error) from None


def _broken(archive: str, error: Exception) -> UserError:
    """In one line; `tarfile` has one for each format that it tried."""
    said = (str(error).splitlines() or ["it ends too early"])[0].rstrip(":")
    return UserError(f"{archive} is not a whole archive ({said}); fetch it again.")


def _encrypted(archive: str, member: str) -> UserError:
    return UserError(f"{archive} holds {member!r} encrypted; {UNPACK}.")


def _link(archive: str, member: str) -> UserError:
    return UserError(
        f"{archive} holds {member!r}, which is no file but a link or device; {UNPACK}."
    )
