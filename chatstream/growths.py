"""Growths: what chunks of one kind add to, and the event that each addition is.

In goes a fragment that a template has found; out comes its event, once it is merged, or None where there is more to it
than to add it: a limit, half a character in wait, arguments that are whole. Rules: nothing is done unless all of it is;
what is done is what the general way (``choices``, ``message``, ``tool_calls``) does with a chunk that says no more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from chatstream.events import (
    ContentDeltaEvent,
    CustomToolCallInputDeltaEvent,
    FunctionToolCallArgumentsDeltaEvent,
    ReasoningDeltaEvent,
    RefusalDeltaEvent,
)

if TYPE_CHECKING:
    from chatstream.choices import Choice
    from chatstream.events import ChatStreamEvent
    from chatstream.ledger import Ledger
    from chatstream.text import Text
    from chatstream.tool_calls import Call, ToolCalls

__all__ = ["CallText", "Growth", "growth_of"]

_CallDelta = FunctionToolCallArgumentsDeltaEvent | CustomToolCallInputDeltaEvent

_DELTA = ("choices", 0, "delta")


class Growth(ABC):
    """A text that chunks of a kind add to."""

    __slots__ = ("index", "ledger", "path", "text", "twin")

    def __init__(self, choice: Choice, text: Text, *path: str | int) -> None:
        self.ledger: Ledger = choice.ledger
        self.index: int = choice.index
        self.text: Text = text
        self.twin: Text | None = None  # another text that the same fragments are added to
        self.path: tuple[str | int, ...] = (*_DELTA, *path)  # of the fragment in the JSON of the chunk

    @abstractmethod
    def add(self, fragment: str) -> ChatStreamEvent | None:
        """Merge a fragment; its event, or None, and nothing done, if there is more to it than to add it."""


class _Content(Growth):
    __slots__ = ("has_format",)

    def __init__(self, choice: Choice) -> None:
        super().__init__(choice, choice.message.text("content"), "content")
        self.has_format: bool = choice.readers.has_format

    def add(self, fragment: str) -> ChatStreamEvent | None:
        # Laid flat, for this is what most chunks of most streams come to.
        ledger, text = self.ledger, self.text
        left = ledger.text_left - len(fragment)
        if left < 0 or text.half:
            return None
        ledger.text_left = left
        text.length = mark = text.length + text.write(fragment)
        ledger.marks[text.slot] = mark
        return ContentDeltaEvent(self.index, fragment, text, mark, self.has_format)


class _Refusal(Growth):
    __slots__ = ()

    def __init__(self, choice: Choice) -> None:
        super().__init__(choice, choice.message.text("refusal"), "refusal")

    def add(self, fragment: str) -> ChatStreamEvent | None:
        text = self.text
        if text.half or not self.ledger.charge_plain_text(len(fragment)):
            return None
        return RefusalDeltaEvent(self.index, fragment, text, text.append(fragment))


class _Reasoning(Growth):
    """One text whatever a server calls it; what it calls ``reasoning_content`` is kept under that name as well."""

    __slots__ = ()

    def __init__(self, choice: Choice, name: str) -> None:
        super().__init__(choice, choice.message.text("reasoning"), name)
        if name != "reasoning":
            self.twin = choice.message.text(name)

    def add(self, fragment: str) -> ChatStreamEvent | None:
        text, twin = self.text, self.twin
        size = len(fragment)
        if text.half or (twin is not None and twin.half):
            return None
        if not self.ledger.charge_plain_text(size if twin is None else 2 * size):
            return None
        if twin is not None:
            twin.append(fragment)
        return ReasoningDeltaEvent(self.index, fragment, text, text.append(fragment))


class CallText(Growth):
    """The arguments of a function tool call, or the input of a custom one."""

    __slots__ = ("call", "calls", "event", "limit")

    def __init__(self, choice: Choice, said: _CallDelta) -> None:
        call = choice.calls.calls[said.index]
        is_input = type(said) is CustomToolCallInputDeltaEvent
        text = call.input if is_input else call.arguments
        path = ("custom", "input") if is_input else ("function", "arguments")
        super().__init__(choice, cast("Text", text), "tool_calls", 0, *path)
        self.event: type[_CallDelta] = type(said)
        self.calls: ToolCalls = choice.calls
        self.call: Call = call
        self.limit: int = self.ledger.max_arguments

    def add(self, fragment: str) -> ChatStreamEvent | None:
        """Merge a fragment; None also if a call is whole by now, or may be about to be sent again."""
        ledger, text, call = self.ledger, self.text, self.call
        size, before = len(fragment), text.length
        left = ledger.text_left - size
        # The same arguments once more, whole arguments, and a limit: there is more to it than to add to them.
        if size == before or before + size > self.limit or left < 0 or text.half or call.done:
            return None
        if self.calls.settled and self.calls.may_end():
            return None
        ledger.text_left = left
        text.length = mark = before + text.write(fragment)
        ledger.marks[text.slot] = mark
        if (fragment[-1] == "}" or call.ends_in_brace) and text is call.arguments:
            self.calls.note_end(call, fragment)
        return self.event(self.index, call.index, call.id, call.name, fragment, text, mark)


def growth_of(choice: Choice, said: ChatStreamEvent, delta: Any) -> Growth | None:
    """What a chunk added to, as its event tells; None for an event that has no short way."""
    if isinstance(said, ContentDeltaEvent):
        return _Content(choice)
    if isinstance(said, FunctionToolCallArgumentsDeltaEvent | CustomToolCallInputDeltaEvent):
        return CallText(choice, said)
    if isinstance(said, RefusalDeltaEvent):
        return _Refusal(choice)
    if isinstance(said, ReasoningDeltaEvent) and type(delta) is dict:
        return _Reasoning(choice, "reasoning_content" if delta.get("reasoning_content") else "reasoning")
    return None
