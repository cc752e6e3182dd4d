"""What each fault does: an exchange goes in, an exchange comes out that has the fault.

Whoever plays it needs to know nothing of faults: a reset is an exchange that ends so, a stall one that waits. Rules:
nothing is changed in place, nothing raises whatever the bytes are, the same seed gives the same result. What a fault
does not hit keeps its bytes, its bounds and its times. Where it does change bytes, what the exchange says of them
(their number and sha256, content-length) is left out, so that nothing lies.

An event that is not there, past the end of the stream, cannot be spoilt: then a fault that stops or stalls the stream
does so at its end, and any other does nothing. A body that is one JSON document is one event, whatever ``after`` says.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chatstream.recording.changing.body import Body, missing_end, newline_of
from chatstream.recording.changing.changes import as_bytes, changed, error_document, refused, stopped, timed
from chatstream.recording.exchange import Exchange, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatstream.recording.changing.body import Event
    from chatstream.recording.faults import Fault, FaultName

__all__ = ["inject", "is_struck"]

_E = TypeVar("_E", bound=Exchange)

_NOT_JSON = b"{{"  # whatever follows: behind a bracket comes a string or its end
_NOT_UTF8 = b"\xff\xfe"
_LARGEST_PIECE = 64  # bytes, of a split at random
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
# Where an answer's own text begins, in a chunk or in a completion: what is put there is seen by whoever reads it.
_TEXT = re.compile(rb'"(?:content|arguments|input|refusal|reasoning_content|reasoning)"\s*+:\s*+"')
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"(\s*+:)?|\\?\Z)', re.DOTALL)


def inject(exchange: _E, faults: Sequence[Fault], *, seed: int = 0) -> _E:
    """The exchange with these faults, one after the other; a source of chunks becomes one of bytes if there are any.

    ``seed`` decides what the faults leave open: which event is hit, and where in it. Whether a request is struck at all
    is not asked here: see ``is_struck``. The faults that the exchange itself has are not among them unless given.
    """
    for fault in faults:
        exchange = _FAULTS[fault.name](as_bytes(exchange), fault, _draws(seed, fault.name))
    return exchange


def is_struck(fault: Fault, number: int, *, seed: int = 0) -> bool:
    """Whether the fault strikes the request of this number, from 1: always, but for ``times`` and ``probability``.

    The same seed strikes the same requests.
    """
    if fault.times is not None and number > fault.times:
        return False
    if fault.probability is None:
        return True
    return _draws(seed, number, fault.name).random() < fault.probability


def _draws(*seeds: object) -> Random:
    # Seeded by a text: numbers near each other would give the same results at first.
    return Random(" ".join(map(str, seeds)))  # noqa: S311  to be repeated, and no secret


# Instead of the answer, and before it


def _status(exchange: _E, fault: Fault, _random: Random) -> _E:
    status = fault.status or _SERVER_ERRORS
    kind = "server_error" if status >= _SERVER_ERRORS else "invalid_request_error"
    if status == _TOO_MANY_REQUESTS:
        kind = "rate_limit_exceeded"
    return refused(exchange, status, error_document(f"a fault that was asked for: {fault}", kind), {})


def _rate_limit(exchange: _E, fault: Fault, _random: Random) -> _E:
    seconds = 1 if fault.seconds is None else fault.seconds
    headers = {"retry-after": str(math.ceil(seconds))}
    if seconds != int(seconds):
        headers["retry-after-ms"] = str(math.ceil(seconds * 1000))
    error = error_document(f"a fault that was asked for: {fault}", "rate_limit_exceeded", code="rate_limit_exceeded")
    return refused(exchange, _TOO_MANY_REQUESTS, error, headers)


def _delay_first(exchange: _E, fault: Fault, _random: Random) -> _E:
    seconds = 1 if fault.seconds is None else fault.seconds
    later = msgspec.structs.replace(exchange, head=exchange.head + seconds)
    if not exchange.reads:
        return msgspec.structs.replace(later, rest=exchange.rest + seconds)
    first, *others = exchange.reads
    interval = exchange.head if first.interval is None else first.interval
    return msgspec.structs.replace(later, reads=[Read(interval + seconds, first.data), *others])


# At one event


def _hit(body: Body, fault: Fault, draws: Random, *, wanted: Callable[[Event], bool] | None = None) -> Event | None:
    """The event that a fault hits: the one it names, or one that is drawn, of those that are wanted if there are any.

    Never one behind [DONE], where nobody looks; but [DONE] itself, if any event will do.
    """
    events = body.events()
    if fault.after is not None and not body.is_document:
        return events[fault.after] if fault.after < len(events) else None
    done = next((place for place, event in enumerate(events) if event.is_done(body.data)), len(events))
    if wanted is not None:
        live = events[:done]
        candidates = [event for event in live if wanted(event)] or live
    else:
        candidates = events[: done + 1]
    return draws.choice(candidates) if candidates else None


def _told(body: Body) -> Callable[[Event], bool]:
    """Whether an event carries a part of the answer, so that spoiling it is noticed."""
    return lambda event: event.has_delta(body.data)


def _inside(body: Body, hit: Event, draws: Random) -> int:
    """A place in the middle of an event's data: behind its first byte, and before its last."""
    first, last = hit.values[0][0], hit.values[-1][1]
    text = body.data[first:last]
    first, last = first + len(text) - len(text.lstrip()), first + len(text.rstrip())
    return draws.randrange(first + 1, last) if last - first > 1 else min(first, last)


def _stall(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = _hit(body, fault, draws)
    at = hit.start if hit else len(body.data)
    if fault.seconds is not None:
        return timed(exchange, body.paused(at, fault.seconds))
    silent = msgspec.structs.replace(body.cut(at), rest=0.0)
    return stopped(exchange, silent, {"end": "timeout", "phase": "idle"})


def _disconnect(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = _hit(body, fault, draws)
    at = len(body.data) if hit is None else _inside(body, hit, draws) if body.is_document else hit.start
    return stopped(exchange, body.cut(at), {"end": "error", "error": "RemoteProtocolError"})


def _reset(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = _hit(body, fault, draws)
    at = _inside(body, hit, draws) if hit else len(body.data)
    return stopped(exchange, body.cut(at), {"end": "error", "error": "ConnectionResetError"})


def _truncate(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = _hit(body, fault, draws, wanted=_told(body))
    return stopped(exchange, body.cut(_inside(body, hit, draws)), {"end": "eof"}) if hit else exchange


def _error_event(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    error = error_document(f"a fault that was asked for: {fault}", "server_error")
    hit = _hit(body, fault, draws)
    if body.is_document:
        told = body.replaced(0, len(body.data), error)
    else:
        start, stop = (hit.start, hit.stop) if hit else (len(body.data), len(body.data))
        before = missing_end(body.data) if hit is None else b""
        newline = newline_of(body.data)
        told = body.cut(stop).replaced(start, stop, before + b"data: " + error + 2 * newline)
    return stopped(exchange, msgspec.structs.replace(told, rest=0.0), {"end": "eof"})


def _malformed(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = _hit(body, fault, draws, wanted=_told(body))
    if hit is None:
        return exchange
    start, stop = hit.values[0]
    # One bracket too many where there is one: a typing error, and not a foreign body.
    extra = _NOT_JSON[:1] if body.data[start:stop].startswith(_NOT_JSON[:1]) else _NOT_JSON
    return changed(exchange, body.replaced(start, start, extra))


def _bad_utf8(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = _hit(body, fault, draws, wanted=_told(body))
    at = _in_a_string(body, hit) if hit else None
    return exchange if at is None else changed(exchange, body.replaced(at, at, _NOT_UTF8))


def _in_a_string(body: Body, hit: Event) -> int | None:
    """The beginning of a string in an event's JSON: of the answer's text, or else of any value, or else of a key."""
    for start, stop in hit.values:
        if text := _TEXT.search(body.data, start, stop):
            return text.end()
    strings = [string for start, stop in hit.values for string in _STRING.finditer(body.data, start, stop)]
    found = next((string for string in strings if string[1] is None), strings[0] if strings else None)
    return found.start() + 1 if found else None


def _drop_event(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = None if body.is_document else _hit(body, fault, draws, wanted=_told(body))
    return changed(exchange, body.replaced(hit.start, hit.stop, b"")) if hit else exchange


def _duplicate_event(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    hit = None if body.is_document else _hit(body, fault, draws, wanted=_told(body))
    if hit is None:
        return exchange
    block = body.data[hit.start : hit.stop]
    return changed(exchange, body.replaced(hit.stop, hit.stop, missing_end(block) + block))


def _reorder(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    followers = {first.start: second for first, second in pairwise(body.events())}
    told = _told(body)

    def is_one_of_two(event: Event) -> bool:
        following = followers.get(event.start)
        return following is not None and told(event) and told(following)

    hit = _hit(body, fault, draws, wanted=is_one_of_two)
    following = followers.get(hit.start) if hit else None
    if hit is None or following is None:
        return exchange
    first, second = body.data[hit.start : hit.stop], body.data[following.start : following.stop]
    swapped = second + missing_end(second) + body.data[hit.stop : following.start] + first
    return changed(exchange, body.replaced(hit.start, following.stop, swapped))


# All over the body


def _no_done(exchange: _E, _fault: Fault, _random: Random) -> _E:
    body = without = Body.of(exchange)
    for event in reversed(body.events()):
        if event.is_done(body.data):
            without = without.replaced(event.start, event.stop, b"")
    return exchange if without is body else changed(exchange, without)


def _split(exchange: _E, fault: Fault, draws: Random) -> _E:
    body = Body.of(exchange)
    ends: list[int] = []
    start = 0
    for _, end in body.bounds:
        while start < end:
            start = min(end, start + (fault.size or draws.randint(1, _LARGEST_PIECE)))
            ends.append(start)
    return timed(exchange, body.recut(ends))


def _coalesce(exchange: _E, fault: Fault, _random: Random) -> _E:
    body = Body.of(exchange)
    if body.is_document:
        return exchange
    stops = [event.stop for event in body.events()]
    return timed(exchange, body.recut(stops[fault.size - 1 :: fault.size] if fault.size else []))


_FAULTS: dict[FaultName, Callable[[Any, Fault, Random], Any]] = {
    "status": _status,
    "rate_limit": _rate_limit,
    "delay_first": _delay_first,
    "stall": _stall,
    "disconnect": _disconnect,
    "reset": _reset,
    "truncate": _truncate,
    "malformed": _malformed,
    "drop_event": _drop_event,
    "duplicate_event": _duplicate_event,
    "reorder": _reorder,
    "error_event": _error_event,
    "bad_utf8": _bad_utf8,
    "no_done": _no_done,
    "split": _split,
    "coalesce": _coalesce,
}
