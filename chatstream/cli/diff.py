"""`chatstream diff`: whether two recordings mean the same, and where they do not."""

from __future__ import annotations

import argparse
import difflib
import math
import re
import sys
from itertools import zip_longest
from typing import TYPE_CHECKING

from chatstream.cli.exits import WHOLE, CommandError
from chatstream.cli.outlet import Outlet, visible
from chatstream.cli.shelf import load
from chatstream.cli.tables import one_line, shortened
from chatstream.jsontext import write_json
from chatstream.tapes import MISSING, Difference, compare

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from chatstream.cli.options import Parser
    from chatstream.recording import Recording

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "compare two recordings: what they mean, and if asked how they were sent"
DESCRIPTION = "Compare what was asked, what the answer says, and how it ended."
EPILOG = """\
The exit code is 0 if there is no difference, and 1 if there is one. A text that
changed is shown once, [-what went-] and {+what came+} in their places. Files of
several recordings are compared one by one, in their order.
"""

_DIFFERENT = 1
_TOLERANCE = 0.05  # seconds
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 4000  # of a text that is compared by words, which takes the square of their number at worst
_CONTEXT = 40  # characters shown beside a change


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument("first", metavar="A", help="a recording; - is standard input")
    parser.add_argument("second", metavar="B", help="another one")
    parser.add_argument("--timing", action="store_true", help="also reads whose gaps differ")
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=_TOLERANCE,
        metavar="SECONDS",
        help=f"by which gaps may differ with --timing (default: {_TOLERANCE})",
    )
    parser.add_argument("--ids", action="store_true", help="also ids, created and system_fingerprint")
    parser.add_argument("--bytes", action="store_true", help="also the bytes, and where the reads end")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each difference")


def run(options: Namespace) -> int:
    """Compare two files; the exit code."""
    if options.first == options.second == "-":
        raise CommandError("only one of the two can come on standard input")
    out = Outlet(sys.stdout)
    first, second = load(options.first), load(options.second)
    code = WHOLE
    for number, (one, other) in enumerate(zip_longest(first, second), 1):
        for difference in _differences(one, other, options):
            code = _DIFFERENT
            if options.json:
                out.write_json(write_json({"number": number, **difference.to_dict()}))
            else:
                prefix = f"recording {number}: " if max(len(first), len(second)) > 1 else ""
                _show(out, prefix, difference)
    return code


def _differences(one: Recording | None, other: Recording | None, options: Namespace) -> list[Difference]:
    if one is None or other is None:
        there = "there is none", "there is one"
        return [Difference("recording", *(there if one is None else there[::-1]))]
    timing = options.tolerance if options.timing else None
    return compare(one, other, timing=timing, ids=options.ids, reads=options.bytes)


def _show(out: Outlet, prefix: str, difference: Difference) -> None:
    out.write(f"{one_line(prefix + difference.place)}\n", "bold")
    first, second = difference.first, difference.second
    if isinstance(first, str) and isinstance(second, str) and MISSING not in (first, second):
        _show_text(out, first, second)
        return
    for mark, value in (("-", first), ("+", second)):
        if value is not MISSING:
            text = write_json(value)
            if out.columns is not None:
                text = shortened(visible(text), out.columns - 4)
            out.write(f"  {mark} {text}\n", "red" if mark == "-" else "")


def _show_text(out: Outlet, first: str, second: str) -> None:
    out.write("  ")
    for kind, text in _changes(first, second):
        shown = text.replace("\n", "\n  ")
        if kind == "same":
            out.write(shown)
        else:
            out.write(f"[-{shown}-]" if kind == "gone" else f"{{+{shown}+}}", "red" if kind == "gone" else "bold")
    out.end_line()


def _changes(first: str, second: str) -> Iterator[tuple[str, str]]:
    """What is the same, what is gone and what is new, in order; of what is the same, what stands next to a change."""
    pattern = _WORD if max(len(first), len(second)) < 5 * _MOST_WORDS else re.compile(r"[^\n]*\n?")
    before, after = (pattern.findall(text) for text in (first, second))
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for place, (kind, start, stop, new_start, new_stop) in enumerate(steps):
        if kind == "equal":
            same = "".join(before[start:stop])
            yield "same", _short(same, opens=place > 0, closes=place < len(steps) - 1)
            continue
        if stop > start:
            yield "gone", "".join(before[start:stop])
        if new_stop > new_start:
            yield "new", "".join(after[new_start:new_stop])


def _short(text: str, *, opens: bool, closes: bool) -> str:
    """The ends of a text that stand beside a change."""
    start = text[:_CONTEXT] if opens else ""
    end = text[-_CONTEXT:] if closes else ""
    return text if len(text) <= 2 * _CONTEXT else f"{start} \u2026 {end}"


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value
