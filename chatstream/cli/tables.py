"""Texts cut to the width that they have on a terminal, and numbers as a table shows them.

In goes text, out comes text on one line. Rules: East Asian wide characters and emoji take two columns, marks that sit
on another character none.
"""

from __future__ import annotations

import unicodedata

__all__ = ["one_line", "padded", "seconds", "shortened", "width"]

_ELLIPSIS = "\u2026"


def width(text: str) -> int:
    """How many columns a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def shortened(text: str, columns: int | None) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis; None: all of it."""
    if columns is None or width(text) <= columns:
        return text
    kept = 0
    for place, character in enumerate(text):
        kept += _columns(character)
        if kept > columns - 1:
            return text[:place] + _ELLIPSIS if columns > 0 else ""
    return text


def padded(text: str, columns: int) -> str:
    """The text with spaces behind it up to that width."""
    return text + " " * (columns - width(text))


def one_line(text: str) -> str:
    r"""The text with its line ends and tabs as ``\n``, ``\r`` and ``\t``, so that it stays in its row."""
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def seconds(value: float | None) -> str:
    """Seconds to the millisecond; a dash for what is not known."""
    return "-" if value is None else f"{value:.3f}"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
