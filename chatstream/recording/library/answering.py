"""A recording as the answer to a request: as it was recorded, or the other way round.

In goes a recording and whether a stream is wanted, out comes an exchange to play. A stream that was recorded is merged
for whoever wants one answer, a single answer is cut into chunks for whoever wants a stream; both take as long as the
recording.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate, chain, repeat
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.chunking import chunks_of
from chatstream.errors import APIStreamError, ChatStreamError, StreamProtocolError
from chatstream.events import ErrorEvent
from chatstream.jsontext import read_json, write_json
from chatstream.parser import ChatStreamParser
from chatstream.recording.changing.body import Body
from chatstream.recording.changing.changes import DONE, as_bytes, changed
from chatstream.recording.exchange import Exchange, Read
from chatstream.recording.library.answers import error_exchange, json_exchange, status_of
from chatstream.recording.tape import block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chatstream.events import ChatStreamEvent
    from chatstream.recording.changing.body import Event
    from chatstream.recording.library import Tape
    from chatstream.recording.recording import Recording

__all__ = [
    "Merged",
    "as_asked",
    "as_one_answer",
    "as_stream",
    "is_stream",
    "merged",
    "paced",
    "renamed",
    "stream_of",
    "wants_usage",
]

_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
_BAD_STATUS = 400
# A name with its colon, a string, or a bracket.
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?|[\[\]{}]', re.DOTALL)
_SLOWEST = 1e9  # times as slow as recorded: the next step is never


class Merged(msgspec.Struct, frozen=True):
    """What a recording adds up to: the whole completion, or the error that it ended with."""

    completion: dict[str, Any] | None
    failure: ChatStreamError | None = None


def merged(recording: Recording) -> Merged:
    """The whole answer of a recording, whatever was recorded."""
    parser = ChatStreamParser()
    events: list[ChatStreamEvent] = []
    try:
        for data in recording.play(speed=None):
            events = parser.feed(data) if isinstance(data, bytes) else parser.feed_chunk(data)
            if parser.end is not None:
                break
    except ChatStreamError as error:
        events = parser.fail(error)
    events = events if parser.end is not None else parser.close()
    last = events[-1]
    return Merged(None, last.error) if isinstance(last, ErrorEvent) else Merged(_completion_of(parser))


def _completion_of(parser: ChatStreamParser) -> dict[str, Any]:
    """A merged completion as the API writes one: null where the API has null, and nothing else that was not sent."""
    from chatstream.types import build
    from chatstream.types.parsed import parsed_anything

    whole: dict[str, Any] = build(parsed_anything(), parser.parsed_values()).to_dict(exclude_none=True)
    for choice in whole.get("choices", []):
        choice.setdefault("logprobs", None)
        message = choice.setdefault("message", {})
        for name in ("content", "refusal"):
            message.setdefault(name, None)
    return whole


def is_stream(recording: Recording) -> bool:
    """Whether an event stream was recorded, and not a single answer."""
    if recording.form != "tape":
        return recording.form != "completion"
    return recording.source == "chunks" or not Body.of(recording).is_document


def as_asked(tape: Tape, body: Mapping[str, Any], *, stream: bool) -> Exchange:
    """The tape as the answer to a request with this body."""
    return as_stream(tape, include_usage=wants_usage(body)) if stream else as_one_answer(tape)


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Whether a request asks for a last chunk with the usage."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def as_stream(tape: Tape, *, include_usage: bool) -> Exchange:
    """The tape as a stream. What went wrong then goes wrong again, as it did."""
    recording = tape.recording
    if tape.is_stream or status_of(recording) >= _BAD_STATUS or tape.merged.completion is None:
        return as_bytes(recording)
    return stream_of(chunks_of(tape.merged.completion, include_usage=include_usage), after=recording.duration)


def as_one_answer(tape: Tape) -> Exchange:
    """The tape as one JSON answer, after as long as it took."""
    recording = tape.recording
    if not tape.is_stream or status_of(recording) >= _BAD_STATUS:
        return as_bytes(recording)
    answer = _whole_answer(tape.name, tape.merged)
    reads = [Read(recording.duration, read.data) for read in answer.reads]
    return msgspec.structs.replace(answer, reads=reads, head=recording.duration)


def _whole_answer(name: str, whole: Merged) -> Exchange:
    if whole.completion is not None:
        return json_exchange(whole.completion)
    failure = whole.failure
    if isinstance(failure, APIStreamError):
        code = None if failure.code is None else str(failure.code)
        return error_exchange(500, failure.message, code=code, param=failure.param, type=failure.type)
    message = f"the recorded stream {name} is no whole answer ({type(failure).__name__}): it can only be streamed"
    return error_exchange(502, message, code="incomplete_tape")


def renamed(exchange: Exchange, old: str | None, new: str) -> Exchange:
    """The exchange with another completion id in each chunk that has the old one; ``old`` None: that has none.

    Its reads end where they did.
    """
    body = Body.of(exchange)
    edits = [edit for event in body.events() for edit in _id_edit(body.data, event, old, write_json(new).encode())]
    stops = [stop for _, stop, _ in edits]
    longer = [0, *accumulate(len(text) - (stop - start) for start, stop, text in edits)]

    def moved(end: int) -> int:
        passed = bisect_right(stops, end)
        is_inside = passed < len(edits) and edits[passed][0] < end
        return stops[passed] + longer[passed + 1] if is_inside else end + longer[passed]

    parts: list[bytes] = []
    at = 0
    for start, stop, text in edits:
        parts += [body.data[at:start], text]
        at = stop
    parts.append(body.data[at:])
    bounds = [(interval, moved(end)) for interval, end in body.bounds]
    return changed(exchange, Body(b"".join(parts), bounds, body.rest))


def _id_edit(data: bytes, event: Event, old: str | None, new: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where the id of a chunk stands, and what is to stand there; nothing for what is no chunk, or has another id."""
    start, stop = event.values[0]
    depth = 0
    is_id = False
    begin = None
    for mark in _MARK.finditer(data, start, stop):
        token = mark[0]
        if token in b"{[":
            begin = mark.end() if begin is None else begin
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1 and is_id:
            if old is not None and mark[1] is None and _text_of(token) == old:
                yield mark.start(), mark.end(), new
            return
        is_id = depth == 1 and mark[1] is not None and _text_of(token[: token.rindex(b'"') + 1]) == "id"
    if begin is not None and old is None and len(event.values) == 1 and data[start:stop].lstrip().startswith(b"{"):
        yield begin, begin, b'"id":' + new + (b"," if data[begin:stop].lstrip()[:1] != b"}" else b"")


def _text_of(token: bytes) -> str | None:
    try:
        value, _ = read_json(token)
    except StreamProtocolError:
        return None
    return value if isinstance(value, str) else None


def stream_of(chunks: Sequence[Mapping[str, Any]], *, after: float = 0.0, pace: float = 0.0) -> Exchange:
    """Chunks as a stream: the first after so many seconds, each other one ``pace`` seconds after the one before."""
    blocks = [*map(block_of, chunks), DONE]
    intervals = chain([after], repeat(pace, len(chunks) - 1), [0.0])
    reads = [Read(interval, block) for interval, block in zip(intervals, blocks, strict=True)]
    return Exchange(form="sse", name="stream", response={"status": 200, "headers": _EVENT_STREAM}, reads=reads)


def paced(exchange: Exchange, speed: float | None) -> Exchange:
    """The exchange so many times as fast as it was recorded; None: without waiting."""
    if speed == 1:
        return exchange
    factor = 0.0 if speed is None else min(1 / speed, _SLOWEST)
    reads = [Read((read.interval or 0.0) * factor, read.data) for read in exchange.reads]
    return msgspec.structs.replace(exchange, reads=reads, head=exchange.head * factor, rest=exchange.rest * factor)
