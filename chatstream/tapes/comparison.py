"""Two recordings compared: first what they mean, and only if asked how they were sent.

In go two exchanges, out come their differences, each with its place. Rules: what two senders write differently and mean
alike is no difference (the order of members, 1 for 1.0, how a text was cut into deltas); what is new with every answer,
ids and times, counts only if it is asked for.
"""

from __future__ import annotations

from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.jsontext import copied, entries, members, plain
from chatstream.recording.exchange import joined
from chatstream.recording.library.matching import canonical
from chatstream.tapes.merging import merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.recording import Exchange
    from chatstream.tapes.merging import Merged

__all__ = ["MISSING", "Difference", "compare"]

MISSING = "\0missing"  # what stands for a value that one side does not have; no JSON text that means something

_IDS = ("id", "created", "system_fingerprint", "request_id")  # of a completion
_ID_HEADERS = ("x-request-id", "openai-processing-ms")


class Difference(msgspec.Struct, frozen=True):
    """One place where two recordings differ, such as ``answer.choices[0].message.content``, and both values there.

    ``first`` or ``second`` is MISSING where that one has nothing there.
    """

    place: str
    first: Any
    second: Any

    def to_dict(self) -> dict[str, Any]:
        """The place, and those values that there are."""
        values = {"place": self.place, "first": self.first, "second": self.second}
        return {name: plain(value) for name, value in values.items() if value is not MISSING}


def compare(
    first: Exchange, second: Exchange, *, timing: float | None = None, ids: bool = False, reads: bool = False
) -> list[Difference]:
    """The differences in what was asked, what the answer says, and how it ended; none if they mean the same.

    ``timing``: also reads whose intervals differ by more than so many seconds. ``ids``: also ids, ``created`` and
    fingerprints. ``reads``: also the bytes, and where the reads end.
    """
    found = list(_walk(_meaning(first, ids=ids), _meaning(second, ids=ids), ""))
    if timing is not None:
        found += _times(first, second, timing)
    if reads:
        found += _bytes(first, second)
    return found


def _meaning(exchange: Exchange, *, ids: bool) -> dict[str, Any]:
    whole = merged(exchange)
    request = {name: members(exchange.request).get(name, MISSING) for name in ("method", "url", "body")}
    response = {"status": members(exchange.response).get("status", MISSING)}
    if ids:
        headers = members(members(exchange.response).get("headers"))
        response |= {name: headers[name] for name in _ID_HEADERS if name in headers}
    completion = _without_twins(whole.completion)
    if not ids:
        completion = _without_ids(completion)
    failure = None if whole.failure is None else type(whole.failure).__name__
    return {
        "request": request,
        "response": response,
        "answer": MISSING if completion is None else completion,
        "outcome": failure or whole.end,
        "end": _end(exchange, whole),
        "faults": [str(fault) for fault in exchange.faults],
    }


def _end(exchange: Exchange, whole: Merged) -> Any:
    """How reading ended. Who stops at [DONE], as SDKs do, has read to the end, whatever his recorder made of it."""
    end = members(exchange.end).get("end", MISSING)
    return "eof" if end == "cancel" and whole.done else end


def _without_twins(completion: dict[str, Any] | None) -> dict[str, Any] | None:
    """A copy of the completion that tells its reasoning once: services name it in two ways, and some in both."""
    copy: dict[str, Any] | None = copied(completion)
    for choice in entries(members(copy).get("choices")):
        message = members(members(choice).get("message"))
        if "reasoning" in message and message["reasoning"] == message.get("reasoning_content"):
            del message["reasoning_content"]
    return copy


def _without_ids(completion: dict[str, Any] | None) -> dict[str, Any] | None:
    """The completion without what is new in every answer."""
    if completion is None:
        return None
    kept = {name: value for name, value in completion.items() if name not in _IDS}
    for choice in entries(kept.get("choices")):
        for call in entries(members(members(choice).get("message")).get("tool_calls")):
            members(call).pop("id", None)
    return kept


def _walk(first: Any, second: Any, place: str) -> Iterator[Difference]:
    """The places where two values differ, no deeper than it takes to tell them apart."""
    if type(first) is dict and type(second) is dict:
        for name in {**first, **second}:
            inner = f"{place}.{name}" if place else name
            yield from _walk(first.get(name, MISSING), second.get(name, MISSING), inner)
    elif type(first) is list and type(second) is list:
        for index, (one, other) in enumerate(zip_longest(first, second, fillvalue=MISSING)):
            yield from _walk(one, other, f"{place}[{index}]")
    elif first is not second and (MISSING in (first, second) or canonical(plain(first)) != canonical(plain(second))):
        yield Difference(place, first, second)


def _times(first: Exchange, second: Exchange, tolerance: float) -> Iterator[Difference]:
    if len(first.reads) != len(second.reads):
        yield Difference("timing.reads", len(first.reads), len(second.reads))
    for place, (one, other) in enumerate(zip(_intervals(first), _intervals(second), strict=False)):
        if abs(one - other) > tolerance:
            yield Difference(f"timing.intervals[{place}]", one, other)
    if abs(first.rest - second.rest) > tolerance:
        yield Difference("timing.rest", first.rest, second.rest)


def _intervals(exchange: Exchange) -> list[float]:
    return [read.interval or 0.0 for read in exchange.reads]


def _bytes(first: Exchange, second: Exchange) -> Iterator[Difference]:
    one, other = joined(first.reads), joined(second.reads)
    if len(one) != len(other):
        yield Difference("bytes.size", len(one), len(other))
    if one != other:
        same = _same(one, other)
        start = max(0, same - 20)
        yield Difference(f"bytes[{same}]", _text(one[start : same + 40]), _text(other[start : same + 40]))
    yield from _walk(_bounds(first), _bounds(second), "bytes.reads")


def _same(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _bounds(exchange: Exchange) -> list[int]:
    """Where each read ends."""
    return list(accumulate(len(joined([read])) for read in exchange.reads))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
