"""The unfinished work of a long stage, from which it goes on after it was killed.

DVC deletes the outs of a stage before it runs it again, so what is done so far lies in a folder of
its own, work/checkpoints/<stage>@<fold>-<fingerprint>. A changed param, module or input has another
fingerprint and never goes on from an old run.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stages.base import fingerprint, paths, records

EVERY = 5.0  # seconds of work that a kill may cost ...
SHARE = 100  # ... or as many times what keeping it takes: a hundredth of the time at most
DONE = "done"
MACHINES = "machines.json"


class Kept:
    """A folder of unfinished work, and when it is time to write into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last, self._cost = time.monotonic(), 0.0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> bool:
        """Whether the stage had finished, and DVC alone did not live to record it."""
        return (self.folder / DONE).exists()

    def due(self) -> bool:
        """Whether it is time to keep what is done."""
        return time.monotonic() - self._last >= max(EVERY, SHARE * self._cost)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield the path for a file of the folder: whole, and on the disk, or not there at all.

        What it takes is measured: the dearer it is, the rarer it is due.
        """
        start = time.monotonic()
        with records.whole(self.folder / name) as part:
            yield part
            _to_disk(part)
        self._last = time.monotonic()
        self._cost = self._last - start

    def machines(self, used: dict[str, Any]) -> dict[str, Any]:
        """What the work was done on: `used`, and what interrupted runs before this one used.

        Values that differ are joined, so that a result of two machines says so.
        """
        path = self.folder / MACHINES
        seen = []
        with suppress(OSError, ValueError):  # there is none, or it was damaged
            seen = json.loads(path.read_text("utf-8"))
        if used not in seen:
            seen.append(used)
            records.write_text(path, json.dumps(seen))
        return {name: _joined([run[name] for run in seen]) for name in used}

    def place(self, name: str, target: Path) -> None:
        """Give a finished file its place among the outs, without a copy where the disk can link.

        To be called when the work is done: a file that is linked is not written to any more.
        """
        with records.whole(target) as part:
            try:
                os.link(self.folder / name, part)
            except OSError:
                shutil.copyfile(self.folder / name, part)

    def finish(self) -> None:
        """Mark the work as done, and free what other params left of this stage."""
        (self.folder / DONE).touch()
        for other in folders():
            if other != self.folder and stage_of(other) == stage_of(self.folder):
                shutil.rmtree(other, ignore_errors=True)


def keep(stage: str, fold: str | None = None) -> Kept:
    """The unfinished work of this very stage, params, code and inputs; empty at first."""
    return Kept(paths.CHECKPOINTS / f"{addressed(stage, fold)}-{fingerprint.of(stage, fold)}")


def addressed(stage: str, fold: str | None = None) -> str:
    """A stage as DVC writes it: tta@0."""
    return f"{stage}@{fold}" if fold else stage


def folders() -> list[Path]:
    """Every folder of unfinished work."""
    return sorted(p for p in paths.CHECKPOINTS.glob("*-*") if p.is_dir())


def stage_of(folder: Path) -> str:
    """The stage whose unfinished work a folder holds."""
    return folder.name.rpartition("-")[0]


def free_finished(running: str) -> None:
    """Remove what finished stages left. The next stage has started: DVC has recorded them."""
    for folder in folders():
        if (folder / DONE).exists() and stage_of(folder) != running:
            shutil.rmtree(folder, ignore_errors=True)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _joined(values: list[Any]) -> Any:
    different = list(dict.fromkeys(values))
    return different[0] if len(different) == 1 else ", then ".join(map(str, different))
