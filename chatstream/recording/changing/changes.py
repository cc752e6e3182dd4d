"""An exchange after a change: what it says of itself follows.

In go an exchange and what is other about it, out comes a new exchange. Rules: what was said of the bytes (their number
and sha256, content-length) goes as soon as they are others, so that nothing lies; what a change does not touch stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chatstream.jsontext import write_json
from chatstream.recording.changing.body import Body
from chatstream.recording.exchange import Exchange, Read
from chatstream.recording.tape import block_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DONE", "as_bytes", "changed", "error_document", "refused", "stopped", "timed", "undescribed"]

_E = TypeVar("_E", bound=Exchange)

DONE = b"data: [DONE]\n\n"


def as_bytes(exchange: _E) -> _E:
    """The exchange with bytes for chunks, as a server would have sent them: ``[DONE]`` last, if it ended well."""
    if exchange.source == "bytes":
        return exchange
    reads = [Read(read.interval, block_of(read.data)) for read in exchange.reads]
    ended = exchange.end.get("end") == "eof" if exchange.end is not None else exchange.form != "tape"
    if not ended or exchange.torn or exchange.flaw:
        return msgspec.structs.replace(exchange, source="bytes", reads=reads)
    untimed = bool(reads) and reads[-1].interval is None
    reads.append(Read(None if untimed else exchange.rest, DONE))
    return undescribed(msgspec.structs.replace(exchange, source="bytes", reads=reads, rest=0.0))


def timed(exchange: _E, body: Body) -> _E:
    """The exchange whose bytes come at other times, or in other reads."""
    return msgspec.structs.replace(exchange, reads=body.reads(), rest=body.rest)


def changed(exchange: _E, body: Body) -> _E:
    """The exchange with other bytes."""
    return undescribed(timed(exchange, body))


def stopped(exchange: _E, body: Body, end: dict[str, Any]) -> _E:
    """The exchange that ends there; also what was wrong with its file further on is not reached any more."""
    whole = msgspec.structs.replace(changed(exchange, body), end=end, flaw=None, torn=False)
    if whole.reads or whole.rest >= whole.head:
        return whole
    return msgspec.structs.replace(whole, rest=whole.head)  # without reads, the end is counted from the start too


def refused(exchange: _E, status: int, document: bytes, headers: Mapping[str, str]) -> _E:
    """The exchange with an error for an answer, as soon as the head came; ``headers`` beside those it had."""
    kept = _headers(exchange, without={"content-type", "content-length", "content-encoding", *headers})
    answered = msgspec.structs.replace(
        exchange,
        response={"status": status, "headers": {**kept, "content-type": "application/json", **headers}},
        reads=[Read(exchange.head, document)],
        rest=0.0,
    )
    return stopped(answered, Body.of(answered), {"end": "eof"})


def error_document(message: str, kind: str, *, code: str | None = None, param: str | None = None) -> bytes:
    """An error as the API words it: one JSON document."""
    return write_json({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def undescribed(exchange: _E) -> _E:
    """The exchange without what was said of its bytes: their number, their sha256, content-length."""
    end = {name: value for name, value in (exchange.end or {}).items() if name not in {"bytes", "sha256"}}
    response = exchange.response and {**exchange.response, "headers": _headers(exchange, without={"content-length"})}
    return msgspec.structs.replace(exchange, end=exchange.end and end, response=response)


def _headers(exchange: Exchange, *, without: set[str]) -> dict[str, Any]:
    headers: Any = (exchange.response or {}).get("headers")
    if type(headers) is not dict:  # a tape may have been written by hand
        return {}
    return {name: value for name, value in headers.items() if name.lower() not in without}
