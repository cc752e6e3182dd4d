"""What a recording adds up to: what each read brought, the completion as far as it came, and how it ended.

In goes an exchange, out come plain values. Rules: nothing raises for what was recorded; a failure is a value. The time
is that of the tape, and nobody waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.ends import Anomaly
from chatstream.errors import ChatStreamError
from chatstream.events import ChatStreamEvent, ErrorEvent
from chatstream.parser import ChatStreamParser
from chatstream.recording import Player

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.recording import Exchange

__all__ = ["Merged", "Step", "Walk", "merged"]


class Merged(msgspec.Struct, frozen=True):
    """The completion as a dict, None if no chunk came; why it is not whole; how it ended; what was odd about it.

    ``done``: whether ``[DONE]`` came.
    """

    completion: dict[str, Any] | None
    failure: ChatStreamError | None
    end: str
    anomalies: list[Anomaly]
    done: bool = False


class Step(msgspec.Struct, frozen=True):
    """What one read, or at last the end, brought: events, how many keep-alives, what was seen to be odd by then.

    ``at``: seconds from the start. ``size``: bytes; 0 for a parsed chunk, None at the end.
    """

    at: float
    size: int | None
    events: list[ChatStreamEvent]
    keep_alives: int
    anomalies: list[Anomaly]


def merged(exchange: Exchange) -> Merged:
    """What a recording adds up to, all of it. A body that is one JSON document is the answer that it is."""
    walk = Walk(exchange)
    for _ in walk:
        pass
    return walk.merged


class Walk:
    """A recording fed to a parser, read by read: an iterator of steps, the end last; then ``merged`` is there."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._parser = ChatStreamParser()
        self._now = 0.0
        self._failure: ChatStreamError | None = None

    def __iter__(self) -> Iterator[Step]:
        broken: ChatStreamError | None = None
        player = iter(Player(self._exchange, speed=1.0, sleep=self._wait))
        while True:
            try:
                data = next(player, None)
            except ChatStreamError as error:
                broken = error
                break
            if data is None:
                break
            yield self._step(data)
        events = self._parser.close() if broken is None else self._parser.fail(broken)
        yield self._told(None, events, self._parser.keep_alives)

    @property
    def merged(self) -> Merged:
        """What it all adds up to, by now."""
        parser = self._parser
        completion = None if parser.snapshot is None else parser.snapshot.to_dict()
        kind = parser.end.kind if parser.end is not None else "error"
        done = parser.end is not None and parser.end.done_seen is True
        return Merged(completion, self._failure, kind, parser.anomalies, done)

    def _wait(self, seconds: float) -> None:
        self._now = round(self._now + seconds, 9)

    def _step(self, data: bytes | dict[str, Any]) -> Step:
        before = self._parser.keep_alives
        if isinstance(data, dict):
            return self._told(0, self._parser.feed_chunk(data), before)
        return self._told(len(data), self._parser.feed(data), before)

    def _told(self, size: int | None, events: list[ChatStreamEvent], keep_alives: int) -> Step:
        if events and isinstance(events[-1], ErrorEvent):
            self._failure = events[-1].error
        return Step(self._now, size, events, self._parser.keep_alives - keep_alives, list(self._parser.anomalies))
