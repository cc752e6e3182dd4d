"""Whether a tape is in order: whole, unchanged, and without secrets.

In go the recordings of a file, out come findings, none if all is well. Rules: a finding says what and where, and never
the value: what it prints may stand in a public log. What can be played and is still not as it was counts, too.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chatstream.errors import NotAStreamError
from chatstream.tapes.foreign import hidden, shown
from chatstream.tapes.leftovers import leaking
from chatstream.tapes.merging import merged
from chatstream.tapes.scrubbing import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chatstream.recording import Exchange
    from chatstream.recording.secrets import Secrets
    from chatstream.tapes.scrubbing import Scrubbed

__all__ = ["Finding", "FindingKind", "check", "check_mode"]

FindingKind = Literal[
    "empty",  # nothing was recorded
    "unknown",  # it is neither a tape nor anything else that a stream is kept in
    "torn",  # the last line was cut
    "broken",  # a line makes no sense, and what comes after it is not read
    "no_end",  # the recorder died, or was stopped, before the end
    "changed",  # number or sha256 of the bytes, or lines after the end
    "lost",  # the recorder could not write something
    "secret",  # something is, or looks like, a secret
    "header",  # a header that no tape may have
    "readable",  # others may read the file
]

_PLACES = {
    "header": "the header",
    "q": "the request",
    "h": "the response head",
    "data": "the answer",
    "n": "a note",
    "e": "the end line",
}


class Finding(msgspec.Struct, frozen=True):
    """Something that is not in order. ``number``: of the recording in its file, from 1; None: of the file itself."""

    kind: FindingKind
    message: str
    number: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


def check(recordings: Sequence[Exchange], secrets: Secrets, data: bytes = b"") -> list[Finding]:
    """What is not in order with the recordings of a file.

    ``data``: the bytes of the file, unpacked. Secrets are then looked for also in what is not played of it: in lines of
    a tape that are not read, since they were cut, say, and in all of a file that is no tape, headers included.
    """
    if _is_tape(recordings):
        unread = [f"a secret in line {line.number}, which is not read" for line in leaking(data, secrets)]
        return [Finding("secret", message) for message in unread] + _played(recordings, _scrubbed(recordings, secrets))
    headers = shown(recordings, data)
    known = [text for header in headers for text in header.texts]
    secrets = secrets.also(known)
    scrubbed = _scrubbed(recordings, secrets)
    both = zip(recordings, (one.exchange for one in scrubbed), strict=True)
    aside = [f"a secret in line {line}, which is not played" for line in hidden(data, secrets, known, both)]
    return [
        *(Finding("secret", f"a secret in the header {header.name[:40]}", header.number) for header in headers),
        *(Finding("secret", message) for message in aside),
        *_played(recordings, scrubbed),
    ]


def _is_tape(recordings: Sequence[Exchange]) -> bool:
    return any(exchange.form == "tape" for exchange in recordings)


def _scrubbed(recordings: Sequence[Exchange], secrets: Secrets) -> list[Scrubbed[Exchange]]:
    return [scrub(exchange, secrets) for exchange in recordings]


def _played(recordings: Sequence[Exchange], scrubbed: Sequence[Scrubbed[Exchange]]) -> list[Finding]:
    """What is not in order with that of a file which is played."""
    return [
        msgspec.structs.replace(finding, number=number)
        for number, (exchange, one) in enumerate(zip(recordings, scrubbed, strict=True), 1)
        for finding in (*_integrity(exchange), *_secrets(one))
    ]


def check_mode(path: Path) -> list[Finding]:
    """A finding if others than the owner may read a file; OSError as the file system gives it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    others = mode & (stat.S_IRGRP | stat.S_IROTH)
    return [Finding("readable", f"others may read it (mode {mode:04o})")] if others else []


def _integrity(exchange: Exchange) -> Iterator[Finding]:
    if exchange.torn:
        yield Finding("torn", "the last line was cut")
    if exchange.flaw is not None:
        yield Finding("broken", f"line {exchange.flaw.line}: {exchange.flaw.reason}")
    if exchange.form == "tape" and exchange.end is None and not (exchange.torn or exchange.flaw):
        yield Finding("no_end", "it has no end: the recorder was stopped, or died")
    there = (exchange.reads, exchange.request, exchange.response, exchange.notes, exchange.torn, exchange.flaw)
    if not any(there):
        yield Finding("empty", "nothing was recorded")
    elif exchange.form in {"sse", "completion"} and isinstance(merged(exchange).failure, NotAStreamError):
        yield Finding("unknown", "neither a tape, nor an event stream, nor a completion")
    for problem in exchange.problems:
        yield Finding("changed", problem)
    for note in exchange.notes:
        if type(note.value) is dict and "lost" in note.value:
            yield Finding("lost", "the recorder could not write all of it")


def _secrets(scrubbed: Scrubbed[Exchange]) -> Iterator[Finding]:
    for code, count in scrubbed.found.items():
        noun = "a secret" if count == 1 else f"{count} secrets"
        yield Finding("secret", f"{noun} in {_PLACES[code]}")
    if scrubbed.exchange.form == "tape":  # others may have what they like, if it is no secret
        for name in sorted(set(scrubbed.headers)):
            yield Finding("header", f"the header {name[:40]} is not one that a tape may have")
