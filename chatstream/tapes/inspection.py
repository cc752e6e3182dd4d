"""What is on a recording: what was asked and answered, what came when, and what it adds up to.

In goes an exchange, out comes an Inspection, of plain values and JSON throughout. Rules: what is not known is None, and
never made up; a recording without times has none. Whatever was recorded, nothing raises.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.events import ErrorEvent, UsageEvent
from chatstream.jsontext import members, write_json
from chatstream.recording.exchange import joined
from chatstream.stats import StreamStats
from chatstream.tapes.merging import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.events import ChatStreamEvent
    from chatstream.recording import Exchange
    from chatstream.tapes.merging import Step

__all__ = ["Inspection", "Row", "inspect"]

_SAID = ("delta", "arguments_delta", "input_delta", "name", "finish_reason")  # of which a row tells one
_DIGITS = 9  # of seconds: nanoseconds, as the reader has them


class Row(msgspec.Struct, frozen=True):
    """One line of the table. ``at``: seconds from the start. ``gap``: since the read before, on the first of a read.

    ``read``: its number from 1, and ``size`` its bytes, on the first row of a read. ``kind``: the type of an event, or
    ``response``, ``keep-alive``, ``partial`` (a read that ends no event), ``done`` (``[DONE]`` alone), ``unread`` (it
    came after that), ``anomaly``, ``note``, ``fault``, ``end``. ``choice`` and ``call``: the indexes that an event has.
    """

    at: float | None
    kind: str
    text: str = ""
    gap: float | None = None
    read: int | None = None
    size: int | None = None
    choice: int | None = None
    call: int | None = None


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What is on a recording. Times are in seconds, None where none were recorded; ``to_dict()`` gives all of it.

    ``integrity``: ``ok``, ``broken``, or None where the tape does not say what it should be. ``end``: what the tape's
    last line says. ``outcome``: how the stream ended, as ``StreamEnd.kind`` has it. ``problem``: why it failed.
    """

    name: str
    form: str
    source: str
    method: str | None
    url: str | None
    model: str | None
    status: int | None
    reads: int
    bytes: int
    sha256: str
    integrity: str | None
    head: float | None
    first_byte: float | None
    first_token: float | None
    gap_median: float | None
    gap_max: float | None
    duration: float | None
    chunks: int
    end: dict[str, Any] | None
    outcome: str
    problem: str | None
    finish_reasons: list[str | None]
    usage: dict[str, Any] | None
    anomalies: dict[str, int]
    masked: int | None
    faults: list[str]
    notes: list[Any]
    torn: bool
    problems: list[str]
    rows: list[Row]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


def inspect(exchange: Exchange) -> Inspection:
    """Look at a recording: play it through the parser, at once, and tell what came."""
    table = _Table(exchange)
    rows = list(table)
    whole, stats = table.walk.merged, table.stats
    body = joined(exchange.reads)
    sha256 = hashlib.sha256(body).hexdigest()
    completion = members(whole.completion)
    request, end = members(exchange.request), members(exchange.end)
    timed = table.timed
    return Inspection(
        name=exchange.name,
        form=exchange.form,
        source=exchange.source,
        method=_text(request.get("method")),
        url=_text(request.get("url")),
        model=_text(members(request.get("body")).get("model")) or _text(completion.get("model")),
        status=_whole(members(exchange.response).get("status")),
        reads=len(exchange.reads),
        bytes=len(body),
        sha256=sha256,
        integrity=_integrity(end, len(body), sha256),
        head=exchange.head if timed and exchange.response is not None else None,
        first_byte=stats.first_byte if timed else None,
        first_token=stats.first_output if timed else None,
        gap_median=_rounded(stats.gap_p50) if timed else None,
        gap_max=_rounded(stats.gap_max) if timed else None,
        duration=stats.duration if timed else None,
        chunks=stats.chunks,
        end=exchange.end,
        outcome=whole.end,
        problem=None if whole.failure is None else f"{whole.failure} ({type(whole.failure).__name__})",
        finish_reasons=[choice.get("finish_reason") for choice in completion.get("choices", [])],
        usage=completion.get("usage"),
        anomalies={anomaly.kind: anomaly.count for anomaly in whole.anomalies},
        masked=_whole(end.get("masked")),
        faults=[str(fault) for fault in exchange.faults],
        notes=[note.value for note in exchange.notes],
        torn=exchange.torn,
        problems=exchange.problems,
        rows=rows,
    )


class _Table:
    """The rows of a recording, in order; ``stats`` are complete when all were taken."""

    def __init__(self, exchange: Exchange) -> None:
        self.timed: bool = any(read.interval is not None for read in exchange.reads) or exchange.rest > 0
        self.walk: Walk = Walk(exchange)
        self._exchange = exchange
        self._now = 0.0
        self.stats: StreamStats = StreamStats(clock=lambda: self._now)
        self._odd: set[str] = set()
        self._over = False  # [DONE] has come

    def __iter__(self) -> Iterator[Row]:
        for fault in self._exchange.faults:
            yield Row(None, "fault", str(fault))
        aside = deque(self._aside())
        self.stats.begin()
        for number, step in enumerate(self.walk, 1):
            while aside and (aside[0][0] < number or step.size is None):
                yield aside.popleft()[1]
            yield from self._taken(number, step)
        self.stats.finish()

    def _aside(self) -> list[tuple[int, Row]]:
        """The response head and the notes, in order, each with how many reads come before it."""
        response = self._exchange.response
        rows = [(note.after, note.at, "note", write_json(note.value)) for note in self._exchange.notes]
        if response is not None:
            rows.append((0, self._exchange.head, "response", str(response.get("status", ""))))
        rows.sort(key=lambda row: row[:2])
        return [(after, Row(self._at(at), kind, text)) for after, at, kind, text in rows]

    def _taken(self, number: int, step: Step) -> Iterator[Row]:
        """The rows of one read; the first one has its number, its size, and the time since the one before."""
        rows = [*self._events(step)]
        gap, self._now = step.at - self._now, step.at
        at = self._at(step.at)
        if step.size is None:
            self.stats.note_late(step.events)
            rows.append(self._end(gap))
            yield from (msgspec.structs.replace(row, at=at) for row in rows)
            return
        self.stats.note(step.at, step.size, step.events)
        first, *others = rows or [Row(None, self._without_events(step))]
        gap_shown = round(gap, _DIGITS) if self.timed else None
        yield msgspec.structs.replace(first, at=at, gap=gap_shown, read=number, size=step.size)
        for row in others:
            yield msgspec.structs.replace(row, at=at)

    def _without_events(self, step: Step) -> str:
        """What to call a read that brought no event to tell."""
        if self._over:
            return "unread"
        self._over = any(event.type == "end" for event in step.events)
        return "done" if self._over else "keep-alive" if step.keep_alives else "partial"

    def _events(self, step: Step) -> Iterator[Row]:
        told = [event for event in step.events if event.type not in {"chunk", "end"}]
        for event in told or [event for event in step.events if event.type == "chunk"][:1]:
            choice, call = getattr(event, "choice_index", None), getattr(event, "index", None)
            yield Row(None, event.type, _said(event), choice=choice, call=call)
        for anomaly in step.anomalies:
            if anomaly.kind not in self._odd:
                self._odd.add(anomaly.kind)
                yield Row(None, "anomaly", anomaly.kind)

    def _end(self, gap: float) -> Row:
        end = self._exchange.end
        words = [str(end[name]) for name in ("end", "error", "phase") if name in end] if end else ["not recorded"]
        if words == ["cancel"] and self.walk.merged.done:
            words.append("behind [DONE]")  # which is a clean end
        return Row(None, "end", " ".join(words), gap=round(gap, _DIGITS) if self.timed else None)

    def _at(self, at: float) -> float | None:
        return at if self.timed else None


def _said(event: ChatStreamEvent) -> str:
    """What is worth reading of an event: the piece that came, or the name of what began or ended."""
    if event.type == "chunk":
        return _delta(event.to_dict().get("chunk"))
    if isinstance(event, ErrorEvent):
        return f"{event.error} ({type(event.error).__name__})"
    if isinstance(event, UsageEvent):
        return write_json(event.usage.to_dict())
    values = (getattr(event, name, None) for name in _SAID)
    return next((value for value in values if isinstance(value, str)), "")


def _delta(chunk: Any) -> str:
    choices = members(chunk).get("choices") or [{}]
    return write_json(members(choices[0]).get("delta", {}))


def _integrity(end: dict[str, Any], size: int, sha256: str) -> str | None:
    said = [(end[name], real) for name, real in (("bytes", size), ("sha256", sha256)) if name in end]
    if not said:
        return None
    return "ok" if all(claimed == real for claimed, real in said) else "broken"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _DIGITS)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
