"""A stream as a person reads it: one part after the other, each under its heading, each growing as it came.

In go events, out goes text. Rules: the parts of an answer (reasoning, content, a tool call, …) never run into each
other, however their pieces were interleaved. So one part grows at a time, and what comes meanwhile for another one
waits until that is done: calls wait for the call being shown, choices for the choice being shown. To switch headings
with each piece would be closer to what came, but two calls that come token by token would be a screen of headings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from chatstream.events import (
    AbortEvent,
    AudioDeltaEvent,
    AudioDoneEvent,
    ChoiceDoneEvent,
    ChunkEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    CustomToolCallInputDeltaEvent,
    CustomToolCallInputDoneEvent,
    EndEvent,
    ErrorEvent,
    FunctionCallArgumentsDeltaEvent,
    FunctionCallArgumentsDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
    ToolCallAddedEvent,
    UsageEvent,
)

if TYPE_CHECKING:
    from chatstream.cli.outlet import Outlet, Style
    from chatstream.events import ChatStreamEvent

    _CallEvent: TypeAlias = (
        ToolCallAddedEvent
        | FunctionToolCallArgumentsDeltaEvent
        | FunctionToolCallArgumentsDoneEvent
        | CustomToolCallInputDeltaEvent
        | CustomToolCallInputDoneEvent
        | FunctionCallArgumentsDeltaEvent
        | FunctionCallArgumentsDoneEvent
    )

__all__ = ["Screen"]

_KINDS = {"content.delta": "answer", "reasoning.delta": "reasoning", "refusal.delta": "refusal"}
_STYLES: dict[str, Style] = {"reasoning": "dim", "refusal": "red"}
_NOT_WHOLE = "(not a whole JSON object)"


class _Part:
    """One text of the answer: what it is, and which of its pieces are still to be shown."""

    def __init__(self, choice: int, kind: str, index: int | None) -> None:
        self.choice = choice
        self.kind = kind
        self.index = index  # of a call; None for a text
        self.name: str | None = None
        self.call_id: str | None = None
        self.waiting: list[tuple[str, Style]] = []
        self.begun = False  # its heading was shown
        self.told_id: str | None = None  # the id that stood there
        self.done = False

    @property
    def style(self) -> Style:
        return _STYLES.get(self.kind, "")

    def heading(self) -> str:
        words = [self.kind, self.name or "", f"({self.call_id})" if self.call_id else ""]
        words.append("continued" if self.begun else "")
        words.append(f"[choice {self.choice}]" if self.choice else "")
        return "\u2500\u2500 " + " ".join(" ".join(words).split())  # names are the peer's: no line breaks


class Screen:
    """Shows events on an outlet."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._parts: dict[tuple[int, str, int | None], _Part] = {}
        self._live: _Part | None = None  # the one that grows
        self._done_choices: set[int] = set()
        self.is_empty: bool = True

    def show(self, event: ChatStreamEvent) -> None:
        """Show what an event adds to the screen."""
        match event:
            case ContentDeltaEvent() | ReasoningDeltaEvent() | RefusalDeltaEvent():
                self._grow(self._text(event.choice_index, _KINDS[event.type]), event.delta)
            case AudioDeltaEvent():
                self._grow(self._text(event.choice_index, "audio"), event.transcript_delta)
            case ChoiceDoneEvent():
                self._done_choices.add(event.choice_index)
                self._show_waiting()
            case ContentDoneEvent() | ReasoningDoneEvent() | RefusalDoneEvent() | AudioDoneEvent():
                pass  # a text keeps nothing of its own choice waiting
            case LogprobsContentDeltaEvent() | LogprobsContentDoneEvent():
                pass
            case LogprobsRefusalDeltaEvent() | LogprobsRefusalDoneEvent():
                pass
            case ChunkEvent() | UsageEvent() | EndEvent() | ErrorEvent() | AbortEvent():
                pass  # nothing to see, or in the closing line
            case _:
                self._show_call(event)

    def _show_call(self, event: _CallEvent) -> None:
        part = self._call(event)
        match event:
            case ToolCallAddedEvent():
                pass  # its heading waits for what it is called with: until then the name may still grow
            case FunctionToolCallArgumentsDeltaEvent() | FunctionCallArgumentsDeltaEvent():
                self._grow(part, event.arguments_delta)
            case CustomToolCallInputDeltaEvent():
                self._grow(part, event.input_delta)
            case FunctionToolCallArgumentsDoneEvent() | FunctionCallArgumentsDoneEvent():
                self._finish(part, "" if event.complete else _NOT_WHOLE)
            case CustomToolCallInputDoneEvent():
                self._finish(part, "")
            case _:
                assert_never(event)

    def pause(self) -> None:
        """Something is being shown elsewhere, and perhaps on the same terminal: keep clear of it."""
        self._outlet.end_line()
        self.is_empty = False

    def close(self) -> None:
        """The stream is over: show what still waits, and end the line."""
        for part in self._parts.values():
            if part.waiting or not part.begun:
                self._go_to(part)
        self._outlet.end_line()

    # Parts

    def _text(self, choice: int, kind: str) -> _Part:
        return self._parts.setdefault((choice, kind, None), _Part(choice, kind, None))

    def _call(self, event: _CallEvent) -> _Part:
        """The part of a call, with what is known by now of its name and id."""
        kind, index, call_id = "function call", 0, None
        if not isinstance(event, FunctionCallArgumentsDeltaEvent | FunctionCallArgumentsDoneEvent):
            kind, index, call_id = "tool call", event.index, event.tool_call_id
        key = event.choice_index, kind, index
        part = self._parts.setdefault(key, _Part(*key))
        part.name = event.name or part.name
        part.call_id = call_id or part.call_id
        return part

    # Which one grows

    def _grow(self, part: _Part, text: str, style: Style | None = None) -> None:
        part.waiting.append((text, part.style if style is None else style))
        if self._may_show(part):
            self._go_to(part)

    def _finish(self, part: _Part, remark: str) -> None:
        part.done = True
        if part.begun and part.call_id != part.told_id:
            self._grow(part, f"\n(its id is {part.call_id})", "dim")
        self._grow(part, f"\n{remark}" if remark else "", "red")
        self._show_waiting()

    def _may_show(self, part: _Part) -> bool:
        live = self._live
        if live is None or live is part:
            return True
        if live.choice != part.choice:
            return live.choice in self._done_choices
        return live.done or live.index is None or part.index is None

    def _go_to(self, part: _Part) -> None:
        """Show what waits of a part, under its heading if another one was being shown."""
        waiting, part.waiting = part.waiting, []
        if part is not self._live and (not part.begun or any(text for text, _ in waiting)):
            self._show_heading(part)
            self._live = part
        for text, style in waiting:
            self._outlet.write(text, style)

    def _show_heading(self, part: _Part) -> None:
        self._outlet.end_line()
        first_answer = self.is_empty and part.kind == "answer" and not part.choice
        if not first_answer:  # an answer that is all there is needs no heading
            blank = "" if self.is_empty else "\n"
            self._outlet.write(f"{blank}{part.heading()}\n", "dim" if part.style == "dim" else "bold")
        self.is_empty = False
        part.begun = True
        part.told_id = part.call_id

    def _show_waiting(self) -> None:
        """Something is done: the parts that waited for it have their turn, those of the same choice first."""
        while ready := [part for part in self._parts.values() if part.waiting and self._may_show(part)]:
            live = self._live
            self._go_to(min(ready, key=lambda part: live is not None and part.choice != live.choice))
