"""A recording as the answer to a request: as it was recorded, or the other way round.

In goes a recording and whether a stream is wanted, out comes an exchange to play. A stream that was recorded is merged
for whoever wants one answer, a single answer is cut into chunks for whoever wants a stream; both take as long as the
recording.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream import ChatCompletionStream
from chatstream.chunking import blocks_of, chunks_of
from chatstream.errors import APIStreamError, ChatStreamError
from chatstream.recording import Exchange, Read
from chatstream.recording.changes import as_bytes
from chatstream.server.http import error_exchange, json_exchange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chatstream.recording import Recording

__all__ = ["Merged", "as_one_answer", "as_stream", "merged", "paced", "stream_of"]

_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
_BAD_STATUS = 400
_SLOWEST = 1e9  # times as slow as recorded: the next step is never


class Merged(msgspec.Struct, frozen=True):
    """What a recording adds up to: the whole completion, or the error that it ended with."""

    completion: dict[str, Any] | None
    failure: ChatStreamError | None = None


def merged(recording: Recording) -> Merged:
    """The whole answer of a recording, whatever was recorded."""
    with ChatCompletionStream(recording.play(speed=None)) as stream:
        try:
            return Merged(_completion_of(stream.final_chat_completion()))
        except ChatStreamError as error:
            return Merged(None, error)


def _completion_of(completion: Any) -> dict[str, Any]:
    """A merged completion as the API writes one: null where the API has null, and nothing else that was not sent."""
    whole: dict[str, Any] = completion.to_dict(exclude_none=True)
    for choice in whole.get("choices", []):
        choice.setdefault("logprobs", None)
        message = choice.setdefault("message", {})
        for name in ("content", "refusal"):
            message.setdefault(name, None)
    return whole


def _is_stream(recording: Recording) -> bool:
    """Whether an event stream was recorded, and not a single answer."""
    if recording.form != "tape":
        return recording.form != "completion"
    headers = (recording.response or {}).get("headers")
    content_type = headers.get("content-type") if isinstance(headers, dict) else None
    if isinstance(content_type, str) and "json" in content_type:
        return False
    return not recording.bytes.lstrip().startswith(b"{")


def as_stream(recording: Recording, whole: Merged, *, include_usage: bool) -> Exchange:
    """The recording as a stream. What went wrong then goes wrong again, as it did."""
    if _is_stream(recording) or _status(recording) >= _BAD_STATUS or whole.completion is None:
        return as_bytes(recording)
    return stream_of(chunks_of(whole.completion, include_usage=include_usage), after=recording.duration)


def as_one_answer(recording: Recording, whole: Merged) -> Exchange:
    """The recording as one JSON answer, after as long as it took."""
    if not _is_stream(recording) or _status(recording) >= _BAD_STATUS:
        return as_bytes(recording)
    if whole.completion is not None:
        answer = json_exchange(whole.completion)
    elif isinstance(whole.failure, APIStreamError):
        failure = whole.failure
        code = None if failure.code is None else str(failure.code)
        answer = error_exchange(500, failure.message, code=code, param=failure.param, type=failure.type)
    else:
        reason = type(whole.failure).__name__
        message = f"the recorded stream {recording.name} is no whole answer ({reason}): it can only be streamed"
        answer = error_exchange(502, message, code="incomplete_tape")
    reads = [Read(recording.duration, read.data) for read in answer.reads]
    return msgspec.structs.replace(answer, reads=reads, head=recording.duration)


def stream_of(chunks: Sequence[Mapping[str, Any]], *, after: float = 0.0, pace: float = 0.0) -> Exchange:
    """Chunks as a stream: the first after so many seconds, each other one ``pace`` seconds after the one before."""
    intervals = chain([after], repeat(pace, len(chunks) - 1), [0.0])
    reads = [Read(interval, block) for interval, block in zip(intervals, blocks_of(chunks), strict=True)]
    return Exchange(form="sse", name="stream", response={"status": 200, "headers": _EVENT_STREAM}, reads=reads)


def paced(exchange: Exchange, speed: float | None) -> Exchange:
    """The exchange so many times as fast as it was recorded; None: without waiting."""
    if speed == 1:
        return exchange
    factor = 0.0 if speed is None else min(1 / speed, _SLOWEST)
    reads = [Read((read.interval or 0.0) * factor, read.data) for read in exchange.reads]
    return msgspec.structs.replace(exchange, reads=reads, head=exchange.head * factor, rest=exchange.rest * factor)


def _status(exchange: Exchange) -> int:
    status = (exchange.response or {}).get("status")
    return status if type(status) is int else 200
