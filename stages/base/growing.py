"""Files that grow while a long stage works, of which a killed run finds what was whole."""

from __future__ import annotations

import io
import json
import math
import os
from contextlib import AbstractContextManager, suppress

import numpy as np

from stages.base.unfinished import Kept


class Growing(AbstractContextManager):
    """Files among a stage's unfinished work, open at the end of what is whole.

    How far they are whole is noted now and then, when it is safe on the disk; what a killed run
    wrote after its last note is cut off.
    """

    def __init__(self, kept: Kept, *names: str) -> None:
        self.kept, self._note, self._noted = kept, f"{names[0]}.json", True
        sizes = self._whole()
        mode = "rb" if kept.done else "a+b"  # what is done is shared with its place among the outs
        self.files = {name: (kept.folder / name).open(mode) for name in names}
        for name, file in self.files.items():
            if not kept.done:
                file.truncate(sizes.get(name, 0))

    def _whole(self) -> dict[str, int]:
        """How far each file is whole; nothing if one of them is not there as noted."""
        try:
            sizes = json.loads((self.kept.folder / self._note).read_text("utf-8"))
            there = all((self.kept.folder / n).stat().st_size >= s for n, s in sizes.items())
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
        return sizes if there else {}

    def size(self, name: str) -> int:
        """Bytes of a file so far."""
        return self.files[name].seek(0, os.SEEK_END)

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file."""
        self.files[name].write(data)
        self._noted = False

    def after_step(self) -> None:
        """Called when all files are whole: note it, if it is time to."""
        if self.kept.due():
            self.note()

    def note(self) -> None:
        """Note how far the files are whole."""
        with self.kept.writing(self._note) as part:
            for file in self.files.values():
                file.flush()
                os.fsync(file.fileno())
            part.write_text(json.dumps({name: self.size(name) for name in self.files}))
        self._noted = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Note the rest, unless something failed; what is not yet written may be what fails."""
        if kind is None and not self._noted:
            self.note()
        for file in self.files.values():
            with suppress(OSError):
                file.close()


class GrowingArray(Growing):
    """An .npy file, float32 of `shape`, that grows row by row."""

    def __init__(self, kept: Kept, name: str, shape: tuple[int, ...]) -> None:
        super().__init__(kept, name)
        self._name, header = name, _header(shape)
        if not self.size(name):
            self.append(name, header)
        self.rows = (self.size(name) - len(header)) // (4 * math.prod(shape[1:]))

    def add(self, rows: np.ndarray) -> None:
        """Append rows."""
        self.append(self._name, rows.astype(np.float32).tobytes())
        self.rows += len(rows)
        self.after_step()


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False}
    np.lib.format.write_array_header_1_0(buffer, about | {"shape": shape})
    return buffer.getvalue()
