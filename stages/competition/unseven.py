"""Where py7zr unpacks to: numbered files in a folder, so that no name in the archive matters."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from py7zr.io import Py7zIO, WriterFactory


class Numbered(WriterFactory):
    """Writes each member of a 7z to a numbered file; `of` finds it by the member's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.of: dict[str, Path] = {}

    def create(self, filename: str) -> Py7zIO:
        """A new file for a member."""
        path = self._folder / f"7z-{len(self.of)}"
        self.of[filename] = path
        return _File(path.open("w+b"))


class _File(Py7zIO):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0

    def write(self, s: bytes | bytearray) -> int:
        self._size += len(s)
        return self._file.write(s)

    def read(self, size: int | None = None) -> bytes:
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def flush(self) -> None:
        self._file.flush()

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        self._file.close()
