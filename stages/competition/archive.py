"""The competition's files, read from inside the archive that `fetch` brings."""

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
    """Every file of the competition, by its name.

    Names are sorted, so that no result depends on the order inside the archive.

    Raises:
        UserError: there is no archive at `path`, or it is broken.

    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise UserError(f"{path} is not there; run `dvc repro fetch` first.") from None
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
            raise UserError(
                f"{path} is not a whole zip archive; delete it and fetch again."
            ) from None
        self._files = {m.filename: m for m in self._zip.infolist() if not m.is_dir()}
        self.names = sorted(self._files)

    def read(self, name: str) -> bytes:
        """The bytes of one file; from any thread.

        Raises:
            UserError: there is no such file, it is too large, or its checksum is wrong.

        """
        if name not in self._files:
            raise UserError(f"the competition has no file {name}; it has {self._some()}.")
        if self.size(name) > LARGEST:
            raise UserError(f"{name} is larger than {LARGEST >> 30} GiB; leave it out.")
        try:
            return self._zip.read(name)
        except BROKEN as error:
            raise UserError(f"{name} cannot be read from its archive: {error}.") from None

    def size(self, name: str) -> int:
        """The bytes of one file, counted."""
        return self._files[name].file_size

    def checksum(self, name: str) -> int:
        """The CRC-32 of one file, which a zip holds ready."""
        return self._files[name].CRC

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
