"""Images whose files hold the same bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from stages.competition.archive import Archive

Images = list[str]


def sets(archive: Archive, names: Iterable[str]) -> list[Images]:
    """The sets of two or more images that are the same file under several names.

    Sizes and checksums, which an archive knows without unpacking, leave few files to compare.
    """
    return [
        same
        for of_size in _alike(names, archive.size)
        for of_checksum in _alike(of_size, archive.checksum)
        for same in _alike(of_checksum, archive.read)
    ]


def _alike(names: Iterable[str], fact: Callable[[str], Hashable]) -> list[Images]:
    """Names that share a fact, where there are several, in their order."""
    found: dict[Hashable, Images] = defaultdict(list)
    for name in names:
        found[fact(name)].append(name)
    return [several for several in found.values() if len(several) > 1]
