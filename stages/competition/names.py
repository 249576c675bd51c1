"""How names are compared: ids, classes and columns against each other and against files."""

from __future__ import annotations

from unicodedata import normalize


def plain(name: str) -> str:
    """A name without surrounding spaces, composed (NFC); zips made on macOS hold decomposed names.

    For comparing alone: what is written keeps its own spelling, for Kaggle compares bytes.
    """
    return normalize("NFC", name.strip())
