"""`chatstream check`: whether tapes are in order, as a gate for CI."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from chatstream.cli.exits import WHOLE, CommandError
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.progress import Progress
from chatstream.cli.secrets import EPILOG as ABOUT_SECRETS
from chatstream.cli.secrets import add_secret_options, secrets_of
from chatstream.cli.shelf import failing, found, load_with_bytes
from chatstream.cli.tables import one_line
from chatstream.jsontext import write_json
from chatstream.tapes import FindingKind, check, check_mode

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser
    from chatstream.recording import Recording
    from chatstream.tapes import Finding

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "say whether tapes are whole, unchanged and without secrets; a gate for CI"
DESCRIPTION = "Say whether recordings are whole, unchanged and without secrets."
EPILOG = f"""\
The exit code is 0 if all is well, 1 if something was found. KINDS are of
{", ".join(get_args(FindingKind))}.
A secret is never shown.

{ABOUT_SECRETS}"""

_FOUND = 1


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a recording, or a folder of them; - is standard input"
    )
    parser.add_argument("--allow", type=_kinds, default=[], metavar="KINDS", help="what is no finding, as torn,no_end")
    parser.add_argument("--private", action="store_true", help="a file that others may read is a finding, too")
    add_secret_options(parser)
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each file")


def run(options: Namespace) -> int:
    """Check each file; the exit code."""
    secrets = secrets_of(options)
    out = Outlet(sys.stdout)
    total = recorded = 0
    progress = Progress(found(options.files))
    for file in progress:
        recordings, data = load_with_bytes(file)
        findings = [*check(recordings, secrets, data), *_of_mode(file, wanted=options.private)]
        findings = [finding for finding in findings if finding.kind not in options.allow]
        progress.hide()
        _tell(out, file, recordings, findings, as_json=options.json)
        total += len(findings)
        recorded += len(recordings)
    if not options.json:
        say(Outlet(sys.stderr), f"{_count(recorded, 'recording')} checked, {_count(total, 'finding')}")
    return _FOUND if total else WHOLE


def _of_mode(file: str, *, wanted: bool) -> list[Finding]:
    if not wanted or file == "-":
        return []
    with failing(file):
        return check_mode(Path(file))


def _tell(out: Outlet, file: str, recordings: list[Recording], findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        found = [finding.to_dict() for finding in findings]
        out.write_json(write_json({"file": file, "recordings": len(recordings), "findings": found}))
        return
    for finding in findings:
        number = f"recording {finding.number}: " if len(recordings) > 1 and finding.number is not None else ""
        out.write(one_line(f"{file}: {number}{finding.message} ({finding.kind})") + "\n")


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in get_args(FindingKind):
            raise CommandError(f"--allow takes {', '.join(get_args(FindingKind))}, not {kind[:40]!r}")
    return kinds


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s'[: number != 1]}"
