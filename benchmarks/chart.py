"""Figures as an SVG chart: a panel a shape, a line a contestant, microseconds a chunk on one logarithmic scale.

In go figures and a theme, light or dark, out comes the text of an SVG file. Rules: no colour tells what its label does
not; a panel has its own scale marks, so that it can be read alone; no library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from benchmarks.framing import FRAMINGS
from benchmarks.table import digits, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.measure import Figure

THEMES = {
    "light": {
        "ground": "#ffffff",
        "ink": "#1f2328",
        "quiet": "#59636e",
        "grid": "#e4e7eb",
        "own": "#0b5fd0",
        "rival": "#9a6700",
        "floor": "#6e7781",
    },
    "dark": {
        "ground": "#0d1117",
        "ink": "#f0f6fc",
        "quiet": "#9198a1",
        "grid": "#262c36",
        "own": "#58a6ff",
        "rival": "#d8a13a",
        "floor": "#8b949e",
    },
}
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"

WIDTH = 960
COLUMN = WIDTH // 2
LABELS = 130  # of the contestants, left of the scale
VALUES = 62  # right of it
LINE = 17
HEAD = 44  # a panel's title and its scale marks
GAP = 18
TOP = 62


def chart(figures: Sequence[Figure], theme: str) -> str:
    """The chart as SVG, of those figures in which somebody was timed."""
    colours = THEMES[theme]
    panels = [figure for figure in figures if ranked(figure)]
    scale = _scale([entry["microseconds"] for figure in panels for _, entry in ranked(figure)])
    places, height = _places([len(_rows(figure)) for figure in panels])
    parts = [*_head(height, colours)]
    for figure, (x, y) in zip(panels, places, strict=True):
        parts += _panel(figure, x, y, scale, colours)
    return "\n".join([*parts, "</svg>", ""])


def _rows(figure: Figure) -> list[tuple[str, Mapping[str, Any]]]:
    """Who has a line: who was timed, and below them who was wrong, for that is no small difference."""
    others = figure["contestants"].items()
    return [*ranked(figure), *(pair for pair in others if pair[1].get("left_out", "").startswith("wrong"))]


def _scale(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which all values lie."""
    low = math.floor(math.log10(min(values, default=1)))
    return low, max(low + 1, math.ceil(math.log10(max(values, default=10))))


def _places(lines: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """Where each panel stands, two a row, and the height of it all."""
    places, y = [], TOP
    for start in range(0, len(lines), 2):
        row = lines[start : start + 2]
        places += [(column * COLUMN, y) for column in range(len(row))]
        y += HEAD + max(row) * LINE + GAP
    return places, y


def _head(height: int, colours: Mapping[str, str]) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="{FONT}" font-size="12" role="img">'
    )
    yield "<title>Microseconds a chunk, by shape and contestant</title>"
    yield f'<rect width="{WIDTH}" height="{height}" fill="{colours["ground"]}"/>'
    yield _text(16, 26, "Microseconds a chunk", colours["ink"], size=16, weight=600)
    note = "Bytes to the final completion; best round; logarithmic scale, further left is faster."
    yield _text(16, 44, note, colours["quiet"])
    x = 584
    for role, label in (("own", "chatstream"), ("rival", "rivals"), ("floor", "floors: no events, no completion")):
        yield _mark(role, x, 40, colours)
        yield _text(x + 9, 44, label, colours["quiet"])
        x += 24 + 7 * len(label)


def _panel(figure: Figure, x: int, y: int, scale: tuple[int, int], colours: Mapping[str, str]) -> Iterator[str]:
    rows = _rows(figure)
    yield f'<g transform="translate({x} {y})">'
    yield (
        f'<text x="16" y="14" fill="{colours["quiet"]}"><tspan font-size="13" font-weight="600" '
        f'fill="{colours["ink"]}">{escape(figure["shape"])}</tspan>'
        f'<tspan dx="8">{escape(FRAMINGS[figure["framing"]])}</tspan></text>'
    )
    yield from _grid(len(rows), scale, colours)
    for number, (name, entry) in enumerate(rows):
        yield from _row(name, entry, HEAD + (number + 0.5) * LINE, scale, colours)
    yield "</g>"


def _row(
    name: str, entry: Mapping[str, Any], y: float, scale: tuple[int, int], colours: Mapping[str, str]
) -> Iterator[str]:
    role = entry["role"]
    ink, weight = (colours["ink"], 600) if role == "own" else (colours["quiet"], 400)
    yield _text(LABELS + 8, y + 4, name, ink, anchor="end", weight=weight)
    if "microseconds" not in entry:
        yield _text(LABELS + 16, y + 4, "wrong result", ink)
        return
    at = _at(entry["microseconds"], scale)
    yield _line(LABELS + 16, y, at, y, colours[role], opacity=0.45)
    yield _mark(role, at, y, colours)
    yield _text(at + 9, y + 4, digits(entry["microseconds"]), ink, weight=weight)


def _grid(rows: int, scale: tuple[int, int], colours: Mapping[str, str]) -> Iterator[str]:
    for power in range(scale[0], scale[1] + 1):
        at = _at(10.0**power, scale)
        yield _line(at, HEAD - 8, at, HEAD + rows * LINE, colours["grid"])
        yield _text(at, HEAD - 12, f"{10.0**power:,g}", colours["quiet"], size=10, anchor="middle")


def _at(value: float, scale: tuple[int, int]) -> float:
    low, high = scale
    start, end = LABELS + 16, COLUMN - VALUES
    return start + (math.log10(value) - low) / (high - low) * (end - start)


def _mark(role: str, x: float, y: float, colours: Mapping[str, str]) -> str:
    if role == "floor":  # hollow: nobody one could use
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours["ground"]}" '
            f'stroke="{colours["floor"]}" stroke-width="1.5"/>'
        )
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 if role == "own" else 4}" fill="{colours[role]}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, opacity: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-opacity="{opacity}"/>'
    )


def _text(
    x: float, y: float, text: str, colour: str, *, size: int = 12, anchor: str = "start", weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
