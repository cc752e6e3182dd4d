"""`chatstream inspect`: what is on a recording, as a table and in totals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chatstream.cli.exits import WHOLE
from chatstream.cli.outlet import Outlet, visible
from chatstream.cli.progress import Progress
from chatstream.cli.shelf import found, load, numbered
from chatstream.cli.tables import one_line, padded, seconds, shortened
from chatstream.jsontext import write_json
from chatstream.tapes import inspect

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from chatstream.cli.options import Parser
    from chatstream.tapes import Inspection, Row

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "show what is on a recording: events and their times, and totals"
DESCRIPTION = "Show what was asked and answered, what came when, and what it adds up to."
EPILOG = """\
FILE may be a tape, or whatever else `chatstream replay` plays. Times are
seconds from the start. One read may bring several events: its number, its size
and the gap before it stand at the first.
"""

_BETWEEN = " \u00b7 "
_NARROWEST = 12  # columns of an event's name
_TEXT = 16  # columns that are left for its text, if there are any
_NUMBERS = 34  # columns before it


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a recording, or a folder of them; - is standard input"
    )
    parser.add_argument("--number", type=int, metavar="N", help="of several recordings in a file, this one")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--totals", action="store_true", help="without the table")
    shown.add_argument("--json", action="store_true", help="print all of it as a line of JSON for each recording")


def run(options: Namespace) -> int:
    """Show each recording; the exit code."""
    out = Outlet(sys.stdout)
    blank = ""
    progress = Progress(found(options.files))
    for file in progress:
        recordings = load(file)
        for number, recording in enumerate(numbered(recordings, options.number, file), options.number or 1):
            inspection = inspect(recording)
            progress.hide()
            if options.json:
                out.write_json(write_json({"file": file, "number": number, **inspection.to_dict()}))
                continue
            title = file if len(recordings) == 1 else f"{file}, recording {number} of {len(recordings)}"
            out.write(blank)
            _show(out, title, inspection, totals=options.totals)
            blank = "\n"
    return WHOLE


def _show(out: Outlet, title: str, inspection: Inspection, *, totals: bool) -> None:
    out.write(f"{one_line(title)}\n", "bold")
    out.write(one_line(_BETWEEN.join(_asked(inspection))) + "\n")
    if not totals:
        _show_table(out, inspection.rows)
    for line in _totals(inspection):
        out.write(one_line(line) + "\n")


def _asked(inspection: Inspection) -> Iterator[str]:
    yield inspection.form if inspection.source == "bytes" else f"{inspection.form} of chunks"
    if inspection.method is not None or inspection.url is not None:
        yield f"{inspection.method or ''} {inspection.url or ''}".strip()
    if inspection.model is not None:
        yield inspection.model
    if inspection.status is not None:
        yield f"status {inspection.status}"


# The table


def _show_table(out: Outlet, rows: list[Row]) -> None:
    longest = max((len(_name(row)) for row in rows), default=0)
    columns = out.columns
    names = longest if columns is None else min(longest, max(_NARROWEST, columns - _NUMBERS - 2 - _TEXT))
    out.write(f"{'at':>9} {'gap':>9} {'read':>5} {'bytes':>6}  event\n", "dim")
    for row in rows:
        line = f"{_number(row.at)} {_number(row.gap)} {row.read or '':>5} {_size(row):>6}  "
        name = padded(shortened(_name(row), names), names)
        text = one_line(_told(row))
        if columns is not None:
            text = shortened(visible(text), columns - _NUMBERS - names - 2)
        out.write(f"{line}{name}  {text}".rstrip() + "\n", "red" if row.kind in _ALARMS else "")


def _name(row: Row) -> str:
    """The type of the event, without what is plain from its text."""
    return row.kind.replace(".function", "")


def _told(row: Row) -> str:
    """The text, and before it whose it is: of which choice, unless that is the first one, and of which call."""
    choice = f"choice {row.choice} " if row.choice else ""
    call = f"#{row.call} " if row.call is not None else ""
    return f"{choice}{call}{row.text}"


_ALARMS = {"anomaly", "error"}


def _number(value: float | None) -> str:
    return f"{'' if value is None else seconds(value):>9}"


def _size(row: Row) -> str:
    return "" if row.size is None or row.read is None else str(row.size)


# The totals


def _totals(inspection: Inspection) -> Iterator[str]:
    if inspection.duration is not None:
        yield _BETWEEN.join(_times(inspection))
    yield _BETWEEN.join(_sizes(inspection))
    yield _BETWEEN.join(_ends(inspection))
    if inspection.problem is not None:
        yield f"failed: {inspection.problem}"
    yield from (f"problem: {problem}" for problem in inspection.problems)


def _times(inspection: Inspection) -> Iterator[str]:
    for name, value in (
        ("first byte after", inspection.first_byte),
        ("first token after", inspection.first_token),
        ("median gap", inspection.gap_median),
        ("longest gap", inspection.gap_max),
        ("all in", inspection.duration),
    ):
        if value is not None:
            yield f"{name} {seconds(value)} s"


def _sizes(inspection: Inspection) -> Iterator[str]:
    for count, noun in (
        (inspection.reads, "read"),
        (inspection.bytes, "byte"),
        (inspection.chunks, "chunk"),
        (inspection.masked or 0, "masked secret"),
        (len(inspection.faults), "fault"),
        (len(inspection.notes), "note"),
    ):
        if count or noun in {"read", "byte"}:
            yield f"{count} {noun}{'s'[: count != 1]}"


def _ends(inspection: Inspection) -> Iterator[str]:
    yield inspection.outcome
    yield from (str(reason or "no finish reason") for reason in inspection.finish_reasons)
    tokens = inspection.usage or {}
    if type(tokens.get("total_tokens")) is int:
        yield f"{tokens['total_tokens']} tokens"
    if inspection.integrity is not None:
        yield f"sha256 {inspection.integrity}"
    if inspection.torn:
        yield "the last line was cut"
    yield from (f"{kind} \u00d7 {count}" for kind, count in inspection.anomalies.items())
