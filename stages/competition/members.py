"""The files inside a folder or an archive (zip, 7z, tar), one by one, none of them trusted."""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from stages.errors import UserError

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ARCHIVES = (".zip", ".7z", *TAR)
GIB = 2**30
MOST = 200  # times its packed size that an archive may grow beyond one GiB: pictures hardly shrink
RUBBISH = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._[^/]*$)")  # what macOS adds
ENCRYPTED = 1  # the bit of a zip member's flags
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


@contextmanager
def of(path: Path, name: str, scratch: Path) -> Iterator[list[Member]]:
    """Yield the files in a folder or an archive, which are called `name` in any refusal.

    A 7z is unpacked into `scratch`, under names of our own; nothing else is.

    Raises:
        UserError: it is broken or encrypted, or a member is one that no competition needs: its
            name climbs out, or it is a link or a device.

    """
    kind = _folder if path.is_dir() else _kind_of(name)
    try:
        with kind(path, name, scratch) as found:
            yield [m for m in found if not RUBBISH.search(_checked(m, name).name)]
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise UserError(f"{name} is not a whole archive ({error}); fetch it again.") from None


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
    return name.replace("\\", "/").removeprefix("./")


@contextmanager
def _folder(path: Path, *_: object) -> Iterator[list[Member]]:
    files = sorted(p for p in path.rglob("*") if p.is_file())
    yield [
        Member(p.relative_to(path).as_posix(), p.stat().st_size, lambda p=p: p.open("rb"))
        for p in files
    ]


@contextmanager
def _zip(path: Path, name: str, _: Path) -> Iterator[list[Member]]:
    with zipfile.ZipFile(path) as opened:
        found = []
        for info in opened.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & ENCRYPTED:
                raise _encrypted(name, info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _link(name, info.filename)
            check_growth(name, info.filename, info.file_size, info.compress_size)
            written = _plain(info.orig_filename)  # zipfile itself stops at a NUL
            found.append(Member(written, info.file_size, lambda info=info: opened.open(info)))
        yield found


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
        yield found


@contextmanager
def _seven(path: Path, name: str, scratch: Path) -> Iterator[list[Member]]:
    """py7zr can only unpack all at once; the files are numbered, so that no name matters."""
    import py7zr  # slow to import, and few competitions need it

    from stages.competition.unseven import Numbered

    try:
        with py7zr.SevenZipFile(path) as opened:
            if opened.needs_password():
                raise _encrypted(name, "files")
            infos = [info for info in opened.list() if not info.is_directory]
            for info in infos:
                if info.is_symlink:
                    raise _link(name, info.filename)
            total = sum(info.uncompressed for info in infos)
            check_growth(name, "files", total, path.stat().st_size)
            files = Numbered(scratch)
            opened.extract(factory=files)
    except (py7zr.exceptions.ArchiveError, py7zr.exceptions.PasswordRequired) as error:
        raise UserError(f"{name} is not a whole archive ({error}); fetch it again.") from None
    yield [
        Member(_plain(i.filename), i.uncompressed, lambda i=i: files.of[i.filename].open("rb"))
        for i in infos
    ]


def _encrypted(archive: str, member: str) -> UserError:
    return UserError(f"{archive} holds {member!r} encrypted; {UNPACK}.")


def _link(archive: str, member: str) -> UserError:
    return UserError(
        f"{archive} holds {member!r}, which is no file but a link or device; {UNPACK}."
    )
