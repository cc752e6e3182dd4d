"""Recordings as other kinds of file: event-stream text, JSON lines of chunks, one completion, a tape.

In goes an exchange, out come the bytes of a file, and in words what it has no room for. Rules: the bytes of a stream
stay as they are where the other kind has bytes; what cannot be kept is told and never left out in silence. What becomes
a tape is masked on the way, as if it were recorded now, also where it was one before.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import msgspec

from chatstream.chunking import chunks_of
from chatstream.errors import ChatStreamError, RecordingError, StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json, write_json
from chatstream.recording import Exchange
from chatstream.recording.changing.body import Body
from chatstream.recording.changing.changes import DONE, as_bytes
from chatstream.recording.exchange import joined
from chatstream.recording.secrets import Secrets
from chatstream.recording.tape import block_of, json_text
from chatstream.tapes.merging import merged
from chatstream.tapes.scrubbing import scrub
from chatstream.tapes.writing import tape_text

__all__ = ["Converted", "Target", "as_tape", "convert"]

_E = TypeVar("_E", bound=Exchange)

Target = Literal["sse", "jsonl", "completion", "tape"]


class Converted(msgspec.Struct, frozen=True):
    """The bytes of the new file, what of the recording is not in them, in words, and why it is not a whole answer."""

    data: bytes
    lost: list[str]
    failure: ChatStreamError | None = None


def convert(exchange: Exchange, target: Target) -> Converted:
    """The recording as such a file; RecordingError where nothing in it could be."""
    if target not in get_args(Target):
        raise ValueError(f"a recording becomes one of {', '.join(get_args(Target))}, not {target!r}")
    if target == "tape":
        tape, lost = as_tape(exchange)
        return Converted(tape_text(tape), lost + _unread(exchange))
    if target == "completion":
        return _completion(exchange)
    chunks, broken = _chunks(exchange)
    if target == "jsonl":
        data = "".join(json_text(chunk) + "\n" for chunk in chunks).encode()
        odd = [f"{broken} {'event' if broken == 1 else 'events'} whose data is no chunk"] if broken else []
        return Converted(data, odd + _around(exchange) + _unread(exchange))
    return Converted(_event_stream(exchange, chunks), _around(exchange) + _unread(exchange))


def as_tape(exchange: _E) -> tuple[_E, list[str]]:
    """The exchange as a recorder would write it now, and in words what of it that would not have.

    Secrets are masked, headers that may hold one left out, and what is no tape and was read to its end gets one.
    """
    if exchange.form != "tape" and exchange.end is None and not (exchange.torn or exchange.flaw):
        exchange = msgspec.structs.replace(exchange, end={"end": "eof"})
    scrubbed = scrub(exchange, Secrets())
    masked = sum(scrubbed.found.values())
    lost = [f"headers: {', '.join(sorted(set(scrubbed.headers)))}"] if scrubbed.headers else []
    return scrubbed.exchange, [*lost, f"{masked} secret{'s'[: masked != 1]}, masked"] if masked else lost


def _completion(exchange: Exchange) -> Converted:
    whole = merged(exchange)
    if whole.completion is None:
        raise RecordingError(f"there is no answer in it: {whole.failure or 'no chunk came'}")
    return Converted((write_json(whole.completion) + "\n").encode(), _around(exchange), whole.failure)


def _event_stream(exchange: Exchange, chunks: list[dict[str, Any]]) -> bytes:
    """The bytes that came, or those that a server would have sent."""
    if exchange.source == "bytes" and not Body.of(exchange).is_document:
        return joined(exchange.reads)
    if exchange.source == "chunks":
        return joined(as_bytes(exchange).reads)
    return b"".join(map(block_of, chunks)) + DONE


def _chunks(exchange: Exchange) -> tuple[list[dict[str, Any]], int]:
    """The chunks of a stream, or those that would have streamed a completion; and how many events hold none."""
    if exchange.source == "chunks":
        return [read.data for read in exchange.reads if isinstance(read.data, dict)], 0
    body = Body.of(exchange)
    if body.is_document:
        whole = merged(exchange)
        if whole.completion is None:
            raise RecordingError(f"there is no answer in it: {whole.failure or 'no chunk came'}")
        return chunks_of(whole.completion), 0
    values = [_value(event.data(body.data)) for event in body.events() if not event.is_done(body.data)]
    chunks = [value for value in values if type(value) is dict]
    return chunks, len(values) - len(chunks)


def _value(data: bytes) -> Any:
    try:
        return read_json(data)[0]
    except (StreamProtocolError, StreamLimitError):
        return None


def _around(exchange: Exchange) -> list[str]:
    """What a recording has beside its body."""
    there = {
        "the request": exchange.request is not None,
        "the response head": exchange.response is not None,
        "times": any(read.interval is not None for read in exchange.reads),
        "where reads ended": exchange.source == "bytes" and len(exchange.reads) > 1,
        "faults": bool(exchange.faults),
        "notes": bool(exchange.notes),
        "how it ended": exchange.end is not None and exchange.end.get("end") != "eof",
    }
    return [name for name, is_there in there.items() if is_there]


def _unread(exchange: Exchange) -> list[str]:
    """What could not be read of the file."""
    flaw = [f"what comes after line {exchange.flaw.line}: {exchange.flaw.reason}"] if exchange.flaw else []
    return flaw + (["the last line, which was cut"] if exchange.torn else [])
