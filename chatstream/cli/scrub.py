"""`chatstream scrub`: secrets taken out of tapes that were written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chatstream.cli.exits import WHOLE, CommandError
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.progress import Progress
from chatstream.cli.secrets import EPILOG as ABOUT_SECRETS
from chatstream.cli.secrets import add_secret_options, secrets_of
from chatstream.cli.shelf import found, load_with_bytes, store
from chatstream.jsontext import write_json
from chatstream.tapes import as_tape, leaking, leftovers, scrub, tape_text

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser
    from chatstream.recording import Recording
    from chatstream.tapes import Scrubbed

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "put * for each character of a secret, in tapes that were written"
DESCRIPTION = "Take secrets out of tapes: lengths, bounds and times stay."
_MOST = 10  # lines that are named
EPILOG = f"""\
{ABOUT_SECRETS}
A secret is found in what was asked and answered, also where it is escaped,
where two reads cut it, and where it is spread over the deltas of a stream.
"""


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a tape, or a folder of them; - is standard input")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--in-place", action="store_true", help="write each file over itself")
    where.add_argument("-o", dest="out", metavar="OUT", help="write to this file; - is standard output")
    add_secret_options(parser)
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each file")


def run(options: Namespace) -> int:
    """Scrub each file; the exit code."""
    files = found(options.files)
    if options.out is not None and len(files) > 1:
        raise CommandError(f"-o takes one file, not {len(files)}; use --in-place")
    if options.json and options.out == "-":
        raise CommandError("--json and -o - would both be written to standard output")
    secrets = secrets_of(options)
    progress = Progress(files)
    for file in progress:
        recordings, data = load_with_bytes(file)
        is_tape = recordings[0].form == "tape"
        data = data if is_tape else b""  # what is no tape has no lines that are left out
        if options.in_place and (file == "-" or not is_tape):
            raise CommandError(f"{file}: only a tape can be written over itself; use -o, which writes a tape")
        scrubbed = [scrub(recording, secrets) for recording in recordings]
        is_clean = not any(one.found or one.headers for one in scrubbed) and not leaking(data, secrets)
        if not (options.in_place and is_clean):
            store(options.out or file, b"".join(tape_text(as_tape(one.exchange)[0]) for one in scrubbed))
        progress.hide()
        left_out = [] if options.in_place and is_clean else [line.number for line in leftovers(data)]
        _tell(file, scrubbed, left_out, as_json=options.json)
    return WHOLE


def _tell(file: str, scrubbed: list[Scrubbed[Recording]], left_out: list[int], *, as_json: bool) -> None:
    total = sum(sum(one.found.values()) for one in scrubbed)
    headers = sorted({name for one in scrubbed for name in one.headers})
    if as_json:
        found = [one.found for one in scrubbed]
        report = {"file": file, "masked": total, "found": found, "headers": headers, "lines_left_out": left_out}
        Outlet(sys.stdout).write_json(write_json(report))
        return
    err = Outlet(sys.stderr)
    say(err, f"{file}: {total} secret{'s'[: total != 1]} masked")
    if headers:
        say(err, f"{file}: headers left out: {', '.join(headers)}")
    if left_out:
        more = f" and {len(left_out) - _MOST} more" if len(left_out) > _MOST else ""
        named = ", ".join(map(str, left_out[:_MOST]))
        say(err, f"{file}: lines left out, which could not be read: {named}{more}")
