"""Work on recordings: look at one, compare two, change, scrub, check and convert them, and write them down again.

What goes in is an ``Exchange``, or the ``Recording`` that is one; what comes out is another, or plain values. Nothing
here plays a stream at its speed, and nothing needs the network.
"""

from chatstream.tapes.checking import Finding, FindingKind, check, check_mode
from chatstream.tapes.comparison import MISSING, Difference, compare
from chatstream.tapes.conversion import Converted, Target, as_tape, convert
from chatstream.tapes.editing import (
    cut,
    cut_seconds,
    join,
    keep,
    keep_seconds,
    with_fault,
    with_gap,
    with_max_gap,
    with_note,
    with_speed,
    without_faults,
)
from chatstream.tapes.inspection import Inspection, Row, inspect
from chatstream.tapes.leftovers import leaking, leftovers
from chatstream.tapes.merging import Merged, merged
from chatstream.tapes.scrubbing import Scrubbed, scrub
from chatstream.tapes.writing import save, tape_text, write_file

__all__ = [
    "MISSING",
    "Converted",
    "Difference",
    "Finding",
    "FindingKind",
    "Inspection",
    "Merged",
    "Row",
    "Scrubbed",
    "Target",
    "as_tape",
    "check",
    "check_mode",
    "compare",
    "convert",
    "cut",
    "cut_seconds",
    "inspect",
    "join",
    "keep",
    "keep_seconds",
    "leaking",
    "leftovers",
    "merged",
    "save",
    "scrub",
    "tape_text",
    "with_fault",
    "with_gap",
    "with_max_gap",
    "with_note",
    "with_speed",
    "without_faults",
    "write_file",
]
