"""Tool calls: which call a delta belongs to, and how its parts merge.

In go the entries of ``delta.tool_calls``, out come the calls they went to and what each of them added. The rules, with
their numbers, are those of merging.md, "Tool calls: whose delta is it"; every provider's odd shape of a tool call is
dealt with here. What fires when is not known here: that is ``choices``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.errors import StreamLimitError
from chatstream.jsontext import is_null, write_json
from chatstream.members import Members
from chatstream.partial_json import ObjectScanner

if TYPE_CHECKING:
    from chatstream.ledger import Ledger
    from chatstream.text import Text

__all__ = ["Addition", "Call", "ToolCalls"]

_CALL_KEYS = frozenset({"index", "id", "type", "function", "custom"})
_FUNCTION_KEYS = frozenset({"name", "arguments"})


class Call:
    """One call, or the legacy function_call: name, arguments or input, and whatever else came with it."""

    __slots__ = (
        "_scanner", "arguments", "done", "ends_in_brace", "extras", "function_extras", "id", "index", "input", "ledger",
        "name", "node", "parsed", "wire_index", "wire_type",
    )  # fmt: skip

    def __init__(self, ledger: Ledger, index: int = 0) -> None:
        self.ledger: Ledger = ledger
        self.index: int = index  # the place in the order of first sight
        self.wire_index: int | None = None
        self.id: str | None = None
        self.wire_type: str | None = None
        self.name: str | None = None
        self.arguments: Text | None = None
        self.input: Text | None = None
        self.extras: Members = Members(ledger)
        self.function_extras: Members = Members(ledger)
        self.node: dict[str, Any] | None = None  # as it stands in frames; None when something but text changed
        self.parsed: Any = None
        self.done: bool = False
        self._scanner = ObjectScanner()
        self.ends_in_brace: bool = False  # the arguments end in `}`: only then can they be whole

    @property
    def type(self) -> str:
        """The type that came first, else custom if it has a custom part, else function."""
        return self.wire_type or ("custom" if self.input is not None else "function")

    @property
    def is_custom(self) -> bool:
        """Whether its text is an input and not arguments."""
        return self.type == "custom"

    def is_whole(self) -> bool:
        """Whether its arguments are, by now, one whole JSON object."""
        return self.ends_in_brace and self.arguments is not None and self._scanner.is_whole(self.arguments)

    def has_text(self) -> bool:
        """Whether arguments or input have come."""
        return bool((self.arguments and self.arguments.length) or (self.input and self.input.length))

    def take_name(self, name: Any) -> None:
        """Set it if it is empty; take a longer one in its place; append a fragment while there are no arguments."""
        if type(name) is not str or not name or name == self.name:
            return
        before = self.name or ""
        if not name.startswith(before):
            if self.has_text():
                return
            name = before + name
        # What is copied is charged, and not what is added: names are short, and not meant to grow for ever.
        self.ledger.charge_extras(len(name))
        self.name = name
        self.node = None

    def take_arguments(self, value: Any) -> str:
        """Append to the arguments; what was appended: "" for nothing, or for the whole of them once more."""
        if self.arguments is None:
            self.arguments = self.ledger.text()
            self.node = None
        fragment = self._fragment(value, self.arguments)
        if not fragment:
            return ""
        if len(fragment) == self.arguments.length and fragment == self.arguments.read() and self.is_whole():
            self.ledger.note("repeated_arguments")
            return ""
        self._append(self.arguments, fragment)
        self.ends_in_brace = fragment[-1] == "}"
        return fragment

    def take_input(self, value: Any) -> str:
        """Append to the input of a custom call; what was appended."""
        if self.input is None:
            self.input = self.ledger.text()
            self.node = None
        fragment = self._fragment(value, self.input)
        if fragment:
            self._append(self.input, fragment)
        return fragment

    def _fragment(self, value: Any, text: Text) -> str:
        if is_null(value):
            return ""
        if type(value) is not str:
            value = write_json(value)
        return self.ledger.mended(text, value)

    def _append(self, text: Text, fragment: str) -> None:
        if text.length + len(fragment) > self.ledger.max_arguments:
            raise StreamLimitError(limit="max_arguments", value=self.ledger.limits.max_arguments)
        self.ledger.charge_text(len(fragment))
        text.append(fragment)

    def last_half(self) -> str:
        """Append what a lost half of a surrogate pair at the end stands for; what was appended."""
        text = self.input if self.is_custom else self.arguments
        lost = text.last_half() if text is not None else ""
        if lost and text is not None:
            self.ledger.note("lone_surrogate")
            self._append(text, lost)
            self.ends_in_brace = False
        return lost

    def take_function(self, function: Any) -> str:
        """Merge the ``function`` part, or a legacy function_call; what was appended to the arguments."""
        if type(function) is not dict:
            if function is not None:
                self.ledger.note("odd_shape")
            return ""
        self.take_name(function.get("name"))
        added = self.take_arguments(function["arguments"]) if "arguments" in function else ""
        for key, value in function.items():
            if key not in _FUNCTION_KEYS and self.function_extras.set(key, value):
                self.node = None
        return added

    def take_custom(self, custom: Any) -> str:
        """Merge the ``custom`` part; what was appended to the input."""
        if type(custom) is not dict:
            if custom is not None:
                self.ledger.note("odd_shape")
            return ""
        self.take_name(custom.get("name"))
        added = self.take_input(custom.get("input"))
        for key, value in custom.items():
            if key not in {"name", "input"} and self.function_extras.set(key, value):
                self.node = None
        return added

    def make_node(self) -> dict[str, Any]:
        """The call as it stands in a frame."""
        if self.node is None:
            self.node = {"id": self.id, "type": self.type}
            if self.is_custom:
                self.node["custom"] = {**self.function_extras.values, "name": self.name, "input": self.input or ""}
                if self.arguments is not None:
                    self.node["function"] = {"name": self.name, "arguments": self.arguments}
            else:
                self.node["function"] = self.function_node()
                if self.input is not None:
                    self.node["custom"] = {"name": self.name, "input": self.input}
            self.node.update(self.extras.values)
        return self.node

    def function_node(self) -> dict[str, Any]:
        """Name and arguments, as they stand in a frame."""
        arguments: Any = "" if self.arguments is None else self.arguments
        # What is ours comes last: the other part of the call may have sent a member of the same name.
        return {**self.function_extras.values, "name": self.name, "arguments": arguments}


class Addition(msgspec.Struct, gc=False):
    """What one entry of ``delta.tool_calls`` did: to which call, whether it opened it, and the text it added."""

    call: Call
    opened: bool
    id: str | None
    type: str
    name: str | None
    arguments: str
    input: str
    arguments_mark: int
    input_mark: int


class ToolCalls:
    """The calls of one choice."""

    __slots__ = ("_by_id", "_by_index", "_ended", "_ledger", "calls", "changed", "settled")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.calls: list[Call] = []  # in the order of first sight
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}  # the newest call of each wire index
        self.changed: bool = False  # something but text changed since the last time somebody looked
        self.settled: dict[int, Call] = {}  # open calls whose arguments may be whole: those that ended in `}` once
        self._ended = 0  # how many of them are done: a guess among several open ones is worth a note

    def add(self, entries: list[Any]) -> list[Addition]:
        """Merge the entries of one chunk; what each of them did, in order."""
        additions: list[Addition] = []
        first_new = len(self.calls)
        for entry in entries:
            if type(entry) is dict:
                additions.append(self._add(entry, first_new))
            elif entry is not None:
                self._ledger.note("odd_shape")
        return additions

    def _add(self, entry: dict[str, Any], first_new: int) -> Addition:
        before = len(self.calls)
        call = self._route(entry, first_new)
        self._identify(call, entry)
        arguments = call.take_function(entry.get("function"))
        custom = entry.get("custom")
        added = call.take_custom(custom) if custom is not None else ""
        for key, value in entry.items():
            if key not in _CALL_KEYS and call.extras.set(key, value):
                call.node = None
        self.changed = self.changed or call.node is None
        marks = (call.arguments.length if call.arguments else 0, call.input.length if call.input else 0)
        if arguments and arguments[-1] == "}":
            self.settled[call.index] = call
        return Addition(
            call,
            len(self.calls) > before,
            call.id,
            call.type,
            call.name,
            arguments,
            added,
            *marks,
        )

    def _identify(self, call: Call, entry: dict[str, Any]) -> None:
        """Take id and type, each the first that is not empty."""
        call_id = _read_id(entry)
        if call_id and not call.id:
            self._ledger.charge_extras(len(call_id))
            call.id = call_id
            call.node = None
            self._by_id[call_id] = call
        wire_type = entry.get("type")
        if type(wire_type) is str and wire_type and not call.wire_type:
            self._ledger.charge_extras(len(wire_type))
            call.wire_type = wire_type
            call.node = None
        index = _read_index(entry)
        if index is not None and index not in self._by_index:
            self._by_index[index] = call
            if call.wire_index is None:
                call.wire_index = index
                call.node = None

    def _route(self, entry: dict[str, Any], first_new: int) -> Call:
        """The call this delta belongs to, made if it is a new one: the first rule that fits."""
        call_id, index, name = _read_id(entry), _read_index(entry), _read_name(entry)
        known = self._by_id.get(call_id) if call_id else None
        at_index = self._by_index.get(index) if index is not None else None
        if known is not None and (
            index is None or known is at_index or known.wire_index == index or (at_index is None and not name)
        ):
            return known  # rule 1
        if at_index is not None:
            return self._route_by_index(at_index, index, call_id, name)
        if index is not None:
            return self._open()  # rule 4
        return self._route_blindly(call_id, name, first_new)

    def _route_by_index(self, call: Call, index: int | None, call_id: str, name: str) -> Call:
        other_name = bool(name and call.name and name != call.name)
        if not call_id or not call.id or call_id == call.id:  # rule 2
            return self._reopen(index) if other_name and call.is_whole() else call
        if not name:  # rule 3
            return call
        return self._reopen(index) if name != call.name or call.is_whole() else call

    def _route_blindly(self, call_id: str, name: str, first_new: int) -> Call:
        """Rule 5: no index to go by."""
        if not self.calls or call_id:
            return self._open()  # an id that is known was dealt with by rule 1
        last = self.calls[-1]
        if name and (last.has_text() or last.index >= first_new):
            return self._open()
        if len(self.calls) - self._ended > 1:
            self._ledger.note("tool_call_guessed")
        return last

    def _reopen(self, index: int | None) -> Call:
        """A new call under a wire index that is in use: from now on the index means the new one."""
        new = self._open()
        if index is not None:
            self._by_index[index] = new
            new.wire_index = index
        return new

    def _open(self) -> Call:
        self._ledger.charge_call()
        call = Call(self._ledger, len(self.calls))
        self.calls.append(call)
        self.changed = True
        return call

    def may_end(self) -> bool:
        """Whether a call is whole by now, so that the next delta may bring it to its end, or begin another."""
        return any(call.is_whole() for call in self.settled.values())

    def note_end(self, call: Call, fragment: str) -> None:
        """The arguments of a call end with this fragment."""
        call.ends_in_brace = fragment[-1] == "}"
        if call.ends_in_brace:
            self.settled[call.index] = call

    def end(self, call: Call) -> None:
        """The call is done."""
        call.done = True
        self._ended += 1
        self.settled.pop(call.index, None)

    def name_the_nameless(self, completion_id: object, choice_index: int) -> None:
        """Give each call without an id one that is the same on every replay."""
        for call in self.calls:
            if not call.id:
                seed = f"{completion_id}\0{choice_index}\0{call.index}\0{call.name}"
                call.id = "call_" + sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]
                call.node = None
                self.changed = True

    def in_order(self) -> list[Call]:
        """The calls as the message lists them: by wire index where each has one of its own, else by first sight."""
        indexes = {call.wire_index for call in self.calls}
        if None in indexes or len(indexes) < len(self.calls):
            return self.calls
        return sorted(self.calls, key=lambda call: call.wire_index or 0)


def _read_id(entry: dict[str, Any]) -> str:
    value = entry.get("id")
    if type(value) is int:
        return str(value)
    return value if type(value) is str else ""


def _read_index(entry: dict[str, Any]) -> int | None:
    """A valid wire index, or None: a string, bool, float or negative one counts as missing."""
    value = entry.get("index")
    return value if type(value) is int and value >= 0 else None


def _read_name(entry: dict[str, Any]) -> str:
    for part in (entry.get("function"), entry.get("custom")):
        if type(part) is dict and type(part.get("name")) is str and part["name"]:
            name: str = part["name"]
            return name
    return ""
