"""Line charts as SVG within the page: they take its colours, by day and by night."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from stages.page.ticks import Axis, axis

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 50, 428, 30, 226
DOTTED = 80  # points up to which each has a dot
APART = 12  # pixels between two labels that can both be read

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A line, of parts that are not joined."""

    name: str
    parts: Sequence[Points]
    faint: bool = False

    def finite(self) -> list[list[tuple[float, float]]]:
        """The parts, without what is infinite or not a number."""
        return [[p for p in part if all(map(math.isfinite, p))] for part in self.parts]


@dataclass(frozen=True)
class Chart:
    """What is drawn; `says` is the chart in words."""

    title: str
    says: str
    lines: Sequence[Line]
    x: str
    y: str
    log_x: bool = False
    log_y: bool = True
    marks: Sequence[tuple[float, str]] = field(default=())  # upright lines, and what they are


def draw(chart: Chart) -> Markup:
    """The chart as an SVG element; nothing where there is no point to draw."""
    points = [p for line in chart.lines for part in line.finite() for p in part]
    if not points:
        return Markup("")
    x = axis(chart.x, [p[0] for p in points], log=chart.log_x)
    y = axis(chart.y, [p[1] for p in points], log=chart.log_y)
    many = len(points) > DOTTED
    inner = [frame(x, y), *marks(chart.marks, x)]
    inner += [curve(n, line, x, y, many) for n, line in enumerate(chart.lines)]
    inner += [legend(chart.lines)]
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, chart.says, Markup("").join(inner)
    )


def at(x: Axis, y: Axis, point: tuple[float, float]) -> tuple[float, float]:
    """Where a point lies in the picture."""
    return across(x, point[0]), BOTTOM - (BOTTOM - TOP) * y.share(point[1])


def across(x: Axis, value: float) -> float:
    """How far to the right a value lies."""
    return LEFT + (RIGHT - LEFT) * x.share(value)


def frame(x: Axis, y: Axis) -> Markup:
    """The axes: grid, numbers and labels."""
    found = [text(LEFT, 14, y.label, "start"), text(RIGHT, HEIGHT - 6, x.label, "end")]
    for tick in y.ticks():
        height = BOTTOM - (BOTTOM - TOP) * y.share(tick)
        found += [path("grid", f"M{LEFT} {height:.1f}H{RIGHT}")]
        found += [text(LEFT - 6, height + 4, f"{tick:g}", "end")]
    found += [text(across(x, tick), BOTTOM + 18, f"{tick:g}", "middle") for tick in x.ticks()]
    return Markup("").join(found)


def marks(places: Iterable[tuple[float, str]], x: Axis) -> Iterator[Markup]:
    """Upright lines, each with its name beside it unless the one before is too near."""
    last = -math.inf
    for value, name in places:
        if not 0 <= x.share(value) <= 1:
            continue
        here = across(x, value)
        yield path("mark", f"M{here:.1f} {TOP}V{BOTTOM}")
        if here - last >= APART:
            last = here
            yield Markup('<g transform="translate({:.1f} {}) rotate(90)">{}</g>').format(
                here + 3, TOP + 2, text(0, 0, name, "start", "small")
            )


def curve(number: int, line: Line, x: Axis, y: Axis, many: bool) -> Markup:
    """A line; with a dot a point, unless they are many."""
    look = f"line line{number}" + " faint" * line.faint
    places = [[at(x, y, p) for p in part] for part in line.finite()]
    drawn = "".join("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in p) for p in places if p)
    dots = [
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2"/>').format(look, *place)
        for part in places
        for place in part
    ]
    return path(look, drawn) + Markup("").join([] if many else dots)


def legend(lines: Sequence[Line]) -> Markup:
    """The names of the lines, below, if there are several."""
    found, here = [], LEFT
    for number, line in enumerate(lines if len(lines) > 1 else ()):
        found += [path(f"line line{number}", f"M{here} {HEIGHT - 10}h18")]
        found += [text(here + 23, HEIGHT - 6, line.name, "start")]
        here += 40 + 7 * len(line.name)
    return Markup("").join(found)


def path(look: str, drawn: str) -> Markup:
    """A path of a class."""
    return Markup('<path class="{}" d="{}"/>').format(look, drawn)


def text(x: float, y: float, words: str, anchor: str, look: str = "") -> Markup:
    """Words at a place."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, look, words
    )
