"""Names that fit into pictures."""

from __future__ import annotations

from bisect import bisect_right

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

INCH = 72  # points


def short(text: str, longest: int) -> str:
    """The beginning of a text, at most so many characters; a $ starts no formula."""
    return plain(text if len(text) <= longest else f"{text[: longest - 3]}...")


def plain(text: str) -> str:
    """A text that matplotlib shows as it is."""
    return text.replace("$", r"\$")


def fitted(text: str, inches: float, points: float, weight: str = "normal") -> str:
    """A text that is at most so wide; a $ starts no formula.

    What is too much is left out in the middle: file names differ at their ends.
    """
    if width(text, points, weight) <= inches:
        return plain(text)
    kept = bisect_right(
        range(len(text)), inches, key=lambda n: width(_without_middle(text, n), points, weight)
    )
    return plain(_without_middle(text, max(0, kept - 1)))


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


def width(text: str, points: float, weight: str = "normal") -> float:
    """How wide a text is in letters of so many points, inches."""
    font = FontProperties(size=points, weight=weight)
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] / INCH
