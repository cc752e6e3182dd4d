"""Chunks to events, and to the completion they add up to.

In go chunks, out come the events that each of them brings about, and at any moment a snapshot. Rules: merging is by
field, each by its own rule (merging.md); an event handed out never changes; text that grows costs nothing but itself,
and whatever else changes makes a new frame. How a stream may end is not known here: that is ``parser``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.choices import Choice
from chatstream.chunks import has_error, mend_chunk, plain_mapping, read_chunk, read_error, read_payload
from chatstream.ends import Limits
from chatstream.errors import ChatStreamError, StreamLimitError
from chatstream.events import ChunkEvent, UsageEvent
from chatstream.frames import Frame
from chatstream.jsontext import copied, plain
from chatstream.ledger import Ledger, approximate_size
from chatstream.members import Members
from chatstream.readers import Readers
from chatstream.templates import Example, Templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chatstream.chunks import Chunk
    from chatstream.ends import Anomaly
    from chatstream.events import ChatStreamEvent
    from chatstream.types import ChatCompletion

__all__ = ["APPEND_FIELDS", "ChatCompletionAccumulator"]

# Unknown strings of a delta that are known to come in pieces, whoever sends them.
APPEND_FIELDS = frozenset({"reasoning_text", "thinking", "thought"})

_FIRST = ("id", "model", "created")
_LAST = ("service_tier", "system_fingerprint")
_OWN_RULE = frozenset({*_FIRST, "object", "choices", "usage", "obfuscation", "error", *_LAST})


class ChatCompletionAccumulator:
    """Adds chunks up: ``add`` gives the events of a chunk, ``snapshot`` the completion so far.

    ``limits`` bounds what it may grow to; ``append_fields`` names unknown strings of a delta that come in pieces.
    """

    def __init__(
        self,
        *,
        limits: Limits = Limits(),  # noqa: B008  frozen
        append_fields: Iterable[str] = APPEND_FIELDS,
        readers: Readers | None = None,
    ) -> None:
        self.ledger: Ledger = Ledger(limits)
        self.choices: dict[int, Choice] = {}  # by wire index: its value is the peer's, their number is limited
        self.templates: Templates = Templates(self.ledger)
        self._append_fields = frozenset(append_fields)
        self._readers = readers or Readers()
        self._first: dict[str, Any] = dict.fromkeys(_FIRST)
        self._members = Members(self.ledger)
        self._usage: Any = None
        self._merged = 0  # chunks that went the general way
        self._tree: dict[str, Any] | None = None  # of the last frame; None when something but text changed

    def add(self, chunk: Mapping[str, Any]) -> list[ChatStreamEvent]:
        """The events that a chunk brings about, the ChunkEvent first.

        Raises StreamProtocolError for what is no chunk and APIStreamError for a chunk that carries an error (what else
        it says is merged), with the completion so far attached; StreamLimitError past a limit, whose ``events`` holds
        what came of the chunk until then; TypeError for what is no mapping.
        """
        if not hasattr(chunk, "keys") or not hasattr(chunk, "__getitem__"):
            problem = f"add() takes a mapping, not {type(chunk).__name__}"
            raise TypeError(problem)
        self.ledger.event_number += 1
        out: list[ChatStreamEvent] = []
        try:
            self._add(chunk, out)
        except ChatStreamError as error:
            error.completion = self.snapshot if self.chunks else None
            if isinstance(error, StreamLimitError):
                error.events = out
            raise
        return out

    def _add(self, chunk: Mapping[str, Any], out: list[ChatStreamEvent]) -> None:
        raw, odd = plain_mapping(chunk, self.ledger.limits.max_depth)
        self.ledger.event_size = approximate_size(raw)
        failed = has_error(raw)
        read = self.read(read_payload(raw) if failed else raw, odd=odd)
        if read is not None:
            self.add_chunk(read, plain(raw, keep_infinities=True), out)
        if failed:
            raise read_error(raw)

    def read(self, raw: dict[str, Any], *, odd: bool) -> Chunk | None:
        """The chunk that a JSON object is, or None if it says nothing; ``odd``: its strings may hold surrogates."""
        if odd:
            mended = mend_chunk(raw, self._append_fields)
            if mended != raw:
                self.ledger.note("lone_surrogate")
            raw = mended
        return read_chunk(raw)

    def add_chunk(self, chunk: Chunk, data: bytes | Mapping[str, Any], out: list[ChatStreamEvent]) -> None:
        """Merge a chunk and append its events, the ChunkEvent with ``data`` first; past a limit, those until then."""
        place = len(out)
        self._merged += 1
        ledger = self.ledger
        tree, changes, begun, marks = self._tree, ledger.changes, ledger.begun, tuple(ledger.marks)
        text_left = ledger.text_left
        try:
            self._add_members(chunk.members)
            for said in chunk.choices:
                self._choice(said.index).add(said, out)
            if chunk.usage is not None:
                self._add_usage(chunk.usage, out)
        finally:
            # It is the first event, and shows the state after the last one.
            frame = self.frame()
            out.insert(place, ChunkEvent(data, frame.tree, frame.marks))
            only_grew = frame.tree is tree and ledger.changes == changes and len(frame.marks) == len(marks)
            if not only_grew or ledger.begun != begun:
                self.templates.forget()
        if only_grew and type(data) is bytes and len(chunk.choices) == 1:
            grown = {slot: mark - marks[slot] for slot, mark in enumerate(ledger.marks) if mark != marks[slot]}
            choice = self.choices[chunk.choices[0].index]
            charged = text_left - ledger.text_left
            self.templates.learn(Example(data, chunk.members, out[place:], choice, grown, charged, frame.tree))

    def _add_usage(self, usage: Any, out: list[ChatStreamEvent]) -> None:
        if type(usage) is not dict:
            self.ledger.note("odd_shape")
        elif usage != self._usage and repr(usage) != repr(self._usage):  # NaN equals nothing, and is still the same
            self._usage = usage
            self._tree = None
            out.append(UsageEvent(usage))

    def _choice(self, index: int) -> Choice:
        choice = self.choices.get(index)
        if choice is None:
            limit = self.ledger.limits.max_choices
            if limit is not None and len(self.choices) >= limit:
                raise StreamLimitError(limit="max_choices", value=limit)
            choice = self.choices[index] = Choice(index, self.ledger, self._readers, self._append_fields)
        return choice

    def _add_members(self, members: dict[str, Any]) -> None:
        first = self._first
        for key in _FIRST:
            value = members.get(key)
            if value == first[key] or not value or value != value:  # noqa: PLR0124  NaN says nothing
                continue
            if not first[key]:
                self.ledger.charge_extras(approximate_size(value))
                first[key] = value
                self._tree = None
            elif key == "id":
                self.ledger.note("id_changed")
        self.ledger.completion_id = first["id"]
        for key, value in members.items():
            if value is None:
                continue
            if key in _LAST or key not in _OWN_RULE:
                changed = self._members.set(key, value)
                self._tree = None if changed else self._tree

    def frame(self) -> Frame:
        """This moment, cheaply kept."""
        if self._tree is None or any(choice.node is None for choice in self.choices.values()):
            choices = [self.choices[index].make_node() for index in sorted(self.choices)]
            named = {**self._first, "object": "chat.completion", "choices": choices, "usage": self._usage}
            self._tree = {**dict.fromkeys(_LAST), **self._members.values, **named}
        return Frame(self._tree, tuple(self.ledger.marks))

    @property
    def chunks(self) -> int:
        """How many chunks were merged."""
        return self._merged + self.ledger.short_events

    @property
    def snapshot(self) -> ChatCompletion:
        """The completion so far, built when asked for; what you hold never changes afterwards."""
        return self.frame().completion()

    @property
    def anomalies(self) -> list[Anomaly]:
        """What was odd so far, one record a kind."""
        return self.ledger.anomalies()

    def parsed_values(self) -> dict[str, Any]:
        """The completion so far as plain values, with ``parsed`` and ``parsed_arguments`` where there are any."""
        values = self.frame().values()
        for choice in values["choices"]:
            state = self.choices[choice["index"]]
            # A peer may have sent members of these names: what is parsed is told by nobody but us.
            _put(choice["message"], "parsed", state.parsed)
            nodes = choice["message"].get("tool_calls") or []
            for call, node in zip(state.calls.in_order(), nodes, strict=True):
                if not call.is_custom:
                    _put(node["function"], "parsed_arguments", call.parsed)
        return values


def _put(node: dict[str, Any], key: str, value: Any) -> None:
    node.pop(key, None)
    if value is not None:
        node[key] = copied(value)
