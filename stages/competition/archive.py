"""The competition's files, read from inside their archives: nothing is unpacked."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from posixpath import splitext

from stages.base.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"})
LARGEST = 2 << 30  # bytes of a file that is read into memory
BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError,
    NotImplementedError, UnicodeDecodeError,
)  # fmt: skip


class Archive:
    """Every file in a folder of archives and loose files, by its name inside the competition.

    Names are sorted, so that no result depends on the order on disk or inside an archive.

    Raises:
        UserError: the folder is empty, an archive is broken, or two files share a name.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._zips: dict[str, zipfile.ZipFile | None] = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            self._add(path)
        if not self._zips:
            raise UserError(f"{folder} holds no files; run `dvc repro fetch` first.")
        self.names = sorted(self._zips)

    def _add(self, path: Path) -> None:
        if path.suffix.lower() != ".zip":
            self._own(path.relative_to(self._folder).as_posix(), None)
            return
        try:
            opened = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
            raise UserError(
                f"{path} is not a whole zip archive; delete it and fetch again."
            ) from None
        for member in opened.infolist():
            if not member.is_dir():
                self._own(member.filename, opened)

    def _own(self, name: str, holder: zipfile.ZipFile | None) -> None:
        if name in self._zips:
            raise UserError(f"{self._folder} holds two files named {name}; keep one of them.")
        self._zips[name] = holder

    def read(self, name: str) -> bytes:
        """The bytes of one file; from any thread.

        Raises:
            UserError: there is no such file, it is too large, or its checksum is wrong.

        """
        if name not in self._zips:
            raise UserError(f"the competition has no file {name}; it has {self._some()}.")
        if self.size(name) > LARGEST:
            raise UserError(f"{name} is larger than {LARGEST >> 30} GiB; leave it out.")
        holder = self._zips[name]
        try:
            return holder.read(name) if holder else (self._folder / name).read_bytes()
        except BROKEN as error:
            raise UserError(f"{name} cannot be read from its archive: {error}.") from None

    def size(self, name: str) -> int:
        """The bytes of one file, counted."""
        holder = self._zips[name]
        return holder.getinfo(name).file_size if holder else (self._folder / name).stat().st_size

    def checksum(self, name: str) -> int:
        """The CRC-32 of one file, which a zip holds ready."""
        holder = self._zips[name]
        return holder.getinfo(name).CRC if holder else zlib.crc32(self.read(name))

    def images(self, folder: str) -> list[str]:
        """The images under a folder of the competition, sorted.

        Raises:
            UserError: there are none.

        """
        prefix = "" if folder in ("", ".") else folder.strip("/") + "/"
        found = [n for n in self.names if n.startswith(prefix) and is_image(n)]
        if not found and not (folders := self._folders()):
            raise UserError(
                f"the competition has no image files, only {self._some()}; write the images that "
                "are in them as PNG files, and set competition.source to the folder."
            )
        if not found:
            raise UserError(
                f"the competition has no images in {folder!r}; its folders are "
                f"{', '.join(folders)}: set competition.train_images and competition.test_images."
            )
        return found

    def _folders(self) -> list[str]:
        return sorted({str(PurePosixPath(n).parent) for n in self.names if is_image(n)})[:8]

    def _some(self) -> str:
        loose = [n for n in self.names if not is_image(n)] or self.names
        return ", ".join(loose[:8]) + (" ..." if len(loose) > 8 else "")


def is_image(name: str) -> bool:
    """Whether a file name ends as an image's does."""
    return splitext(name)[1].lower() in IMAGE_SUFFIXES
