"""Names that fit into pictures."""

from __future__ import annotations


def short(text: str, longest: int) -> str:
    """The beginning of a text, at most so many characters; a $ starts no formula."""
    cut = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return plain(cut)


def end(text: str, longest: int) -> str:
    """The end of a text, as file names differ there."""
    cut = text if len(text) <= longest else f"...{text[3 - longest :]}"
    return plain(cut)


def plain(text: str) -> str:
    """A text that matplotlib shows as it is."""
    return text.replace("$", r"\$")
