"""Where py7zr unpacks to: files with names of our own, so that none in the archive matters."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO

from py7zr.io import Py7zIO, WriterFactory


class Renamed(WriterFactory):
    """Writes each member of a 7z to a file of a new name; `of` finds it by the member's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.of: dict[str, Path] = {}

    def create(self, filename: str) -> Py7zIO:
        """A new file for a member; from any thread, for py7zr has one for each block."""
        file = tempfile.NamedTemporaryFile(dir=self._folder, delete=False)  # noqa: SIM115
        self.of[filename] = Path(file.name)
        return _File(file)


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
