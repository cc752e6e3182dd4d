"""One choice of a completion: its deltas -> events, its state -> its part of a frame.

In go what chunks say about the choice, out come events in the order of merging.md, "Events of one chunk, in order".
Rules: every ``…done`` fires exactly once, with the whole value so far; what comes after it still counts and is noted.
How a field is merged is not known here (``message``, ``tool_calls``), nor how a stream may end (``parser``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.events import (
    AudioDeltaEvent,
    AudioDoneEvent,
    ChoiceDoneEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    CustomToolCallInputDeltaEvent,
    CustomToolCallInputDoneEvent,
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
)
from chatstream.jsontext import copied
from chatstream.members import Members
from chatstream.message import Message
from chatstream.partial_json import read_whole_object
from chatstream.text import Tokens
from chatstream.tool_calls import Addition, Call, ToolCalls

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.chunks import ChunkChoice
    from chatstream.events import ChatStreamEvent
    from chatstream.ledger import Ledger
    from chatstream.readers import Readers

__all__ = ["Choice"]

_OWN_RULE = frozenset({
    "role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call", "audio",
    "reasoning_details", "annotations", "images",
})  # fmt: skip
_SOMETHING = tuple(_OWN_RULE - {"role"})
# What the first delta of a tool call brings to its end.
_BEFORE_CALLS = frozenset({"reasoning", "content", "refusal", "logprobs.content", "logprobs.refusal"})
_UNUSABLE = frozenset({"length", "content_filter"})  # finishes after which an empty text is no answer

_LOGPROBS_EVENTS: dict[str, tuple[Callable[..., ChatStreamEvent], Callable[..., ChatStreamEvent]]] = {
    "content": (LogprobsContentDeltaEvent, LogprobsContentDoneEvent),
    "refusal": (LogprobsRefusalDeltaEvent, LogprobsRefusalDoneEvent),
}


class Choice:
    """One choice: parts that are open, parts that are done, and the message."""

    __slots__ = (
        "_aside", "_begun", "_done", "_logprobs", "_logprobs_others", "_others", "calls", "finish_reason", "index",
        "ledger", "message", "node", "parsed", "readers", "streamed",
    )  # fmt: skip

    def __init__(self, index: int, ledger: Ledger, readers: Readers, append_fields: frozenset[str]) -> None:
        self.index: int = index
        self.message: Message = Message(ledger, append_fields)
        self.calls: ToolCalls = ToolCalls(ledger)
        self.finish_reason: str | None = None
        self.node: dict[str, Any] | None = None  # as it stands in frames; None when something but text changed
        self.parsed: Any = None
        self.streamed: bool = False  # something came in deltas
        self.ledger: Ledger = ledger
        self.readers: Readers = readers
        self._others = Members(ledger)
        self._logprobs: dict[str, Tokens] = {}
        self._logprobs_others = Members(ledger)
        self._aside: dict[str, Any] | None = None  # a whole message beside the deltas
        # What has begun and is not done yet, in that order, with what makes its done event; calls by their index.
        self._begun: dict[str | int, Callable[[list[ChatStreamEvent]], None]] = {}
        self._done: set[str | int] = set()

    def add(self, said: ChunkChoice, out: list[ChatStreamEvent]) -> None:
        """Merge what one chunk says, and append the events it brings about."""
        before = len(out)
        if said.message is not None:
            self._aside = said.message
        if said.finish_reason is not None and not said.delta and self._aside is not None and not self.streamed:
            self.run_aside(out, said.logprobs)
        elif said.delta or said.logprobs is not None:
            self._add_delta(said.delta, said.logprobs, out)
        for key, value in said.others.items():
            if self._others.merge(key, value):
                self.node = None
        if self.finish_reason is not None:
            self._add_late(said.finish_reason, out[before:])
        elif said.finish_reason is not None:
            self.run_aside(out)
            self._finish(said.finish_reason, out)

    def _add_late(self, finish_reason: str | None, events: list[ChatStreamEvent]) -> None:
        """Note what came after the finish: it counts, but for a second reason."""
        if events:
            self.ledger.note("after_finish")
        if finish_reason is not None and finish_reason != self.finish_reason:
            self.ledger.note("finish_reason_changed")

    def run_aside(self, out: list[ChatStreamEvent], logprobs: Any = None) -> None:
        """Run the message kept aside through as one delta, if nothing was streamed."""
        message, self._aside = self._aside, None
        if message is not None and not self.streamed:
            self._add_delta(_with_places(message), logprobs, out)

    def _add_delta(self, delta: dict[str, Any], logprobs: Any, out: list[ChatStreamEvent]) -> None:
        """The fields in the order of their events; then those that bring none about."""
        if not self.streamed:
            self.streamed = any(map(delta.get, _SOMETHING))
        try:
            self._add_fields(delta, logprobs, out)
        finally:
            # Also past a limit: what was merged until then is part of what had arrived.
            if self.message.node is None or self.calls.changed:
                self.node = None

    def _add_fields(self, delta: dict[str, Any], logprobs: Any, out: list[ChatStreamEvent]) -> None:
        self._add_texts(delta, out)
        if type(logprobs) is dict:
            self._add_logprobs(logprobs, out)
        get = delta.get
        if get("function_call") is not None:
            self._add_function_call(self.message.take_function_call(get("function_call")), out)
        if get("tool_calls"):
            self._add_calls(get("tool_calls"), out)
        if get("audio") is not None:
            self._add_audio(*self.message.take_audio(get("audio")), out)
        if get("role") is not None:
            self.message.take_role(get("role"))
        self._add_silent(delta)

    def _add_texts(self, delta: dict[str, Any], out: list[ChatStreamEvent]) -> None:
        get = delta.get
        content = get("content")
        thinking = ""
        if type(content) is list or type(content) is dict:
            content, thinking = self.message.take_content_parts(content)
        if thinking or get("reasoning_content") is not None or get("reasoning") is not None:
            self._add_reasoning(self.message.take_reasoning(delta, thinking), out)
        if content is not None:
            self._add_content(self.message.take_text("content", content), out)
        if get("refusal") is not None:
            self._add_refusal(self.message.take_text("refusal", get("refusal")), out)

    def _add_silent(self, delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if value is None or (key in _OWN_RULE and key not in {"annotations", "images", "reasoning_details"}):
                continue
            if key in {"annotations", "images"}:
                self.message.take_entries(key, value)
            elif key == "reasoning_details":
                self.message.take_details(value)
            else:
                self.message.take_other(key, value)

    def _begin(self, key: str | int, end: Callable[[list[ChatStreamEvent]], None]) -> None:
        """Something came for a part: it is open from now on, unless it was done already."""
        if key in self._begun:
            return
        if key in self._done:
            self.ledger.note("after_done")
        else:
            self._begun[key] = end
            self.ledger.begun += 1

    def _end(self, key: str | int, out: list[ChatStreamEvent]) -> None:
        end = self._begun.pop(key, None)
        if end is not None:
            self._done.add(key)
            if type(key) is str:  # a call knows itself that it is done
                self.ledger.changes += 1
            end(out)

    def _add_reasoning(self, delta: str, out: list[ChatStreamEvent]) -> None:
        if delta:
            self._begin("reasoning", self._end_reasoning)
            text = self.message.text("reasoning")
            out.append(ReasoningDeltaEvent(self.index, delta, text, text.length))

    def _end_reasoning(self, out: list[ChatStreamEvent]) -> None:
        lost = self.message.last_half("reasoning")
        text = self.message.text("reasoning")
        if lost:
            out.append(ReasoningDeltaEvent(self.index, lost, text, text.length))
        out.append(ReasoningDoneEvent(self.index, text.read()))

    def _add_content(self, delta: str, out: list[ChatStreamEvent]) -> None:
        if delta:
            if "reasoning" in self._begun:
                self._end("reasoning", out)
            self._begin("content", self._end_content)
            text = self.message.text("content")
            out.append(ContentDeltaEvent(self.index, delta, text, text.length, self.readers.has_format))

    def _end_content(self, out: list[ChatStreamEvent]) -> None:
        lost = self.message.last_half("content")
        text = self.message.text("content")
        if lost:
            out.append(ContentDeltaEvent(self.index, lost, text, text.length, self.readers.has_format))
        content = text.read()
        # Who refuses in the middle of an answer leaves half a text behind, which nobody meant to be read.
        refused = "refusal" in self._begun or "refusal" in self._done
        if self.finish_reason not in _UNUSABLE and not refused:
            self.parsed = self.readers.read_content(content)
        out.append(ContentDoneEvent(self.index, content, copied(self.parsed)))

    def _add_refusal(self, delta: str, out: list[ChatStreamEvent]) -> None:
        if delta:
            self._end("reasoning", out)
            self._begin("refusal", self._end_refusal)
            text = self.message.text("refusal")
            out.append(RefusalDeltaEvent(self.index, delta, text, text.length))

    def _end_refusal(self, out: list[ChatStreamEvent]) -> None:
        lost = self.message.last_half("refusal")
        text = self.message.text("refusal")
        if lost:
            out.append(RefusalDeltaEvent(self.index, lost, text, text.length))
        out.append(RefusalDoneEvent(self.index, text.read()))

    def _add_logprobs(self, logprobs: dict[str, Any], out: list[ChatStreamEvent]) -> None:
        for key in _LOGPROBS_EVENTS:
            tokens = logprobs.get(key)
            if type(tokens) is list and tokens:
                self._add_tokens(key, tokens, out)
        for key, value in logprobs.items():
            if key not in _LOGPROBS_EVENTS and self._logprobs_others.set(key, value):
                self.node = None

    def _add_tokens(self, key: str, tokens: list[Any], out: list[ChatStreamEvent]) -> None:
        self.ledger.charge_event()
        kept = self._logprobs.get(key)
        if kept is None:
            kept = self._logprobs[key] = Tokens(self.ledger.marks)
            self.node = None
        start = len(kept.values)
        mark = kept.extend(tokens)
        delta_event, done_event = _LOGPROBS_EVENTS[key]

        def end(out: list[ChatStreamEvent]) -> None:
            out.append(done_event(self.index, kept, len(kept.values)))

        self._begin(f"logprobs.{key}", end)
        out.append(delta_event(self.index, kept, start, mark))

    def tokens(self, key: str) -> Tokens | None:
        """The tokens of the content or of the refusal, with their log probabilities; None before the first."""
        return self._logprobs.get(key)

    def _add_function_call(self, delta: str, out: list[ChatStreamEvent]) -> None:
        call = self.message.function_call
        if call is not None:
            self._begin("function_call", self._end_function_call)
            if delta and call.arguments is not None:
                text = call.arguments
                out.append(FunctionCallArgumentsDeltaEvent(self.index, call.name, delta, text, text.length))

    def _end_function_call(self, out: list[ChatStreamEvent]) -> None:
        call = self.message.function_call
        if call is None:
            return
        lost = call.last_half()
        if lost and call.arguments is not None:
            out.append(
                FunctionCallArgumentsDeltaEvent(self.index, call.name, lost, call.arguments, call.arguments.length),
            )
        arguments = call.arguments.read() if call.arguments is not None else ""
        _, complete = self._read_arguments(arguments)
        out.append(FunctionCallArgumentsDoneEvent(self.index, call.name, arguments, complete))

    def _read_arguments(self, arguments: str) -> tuple[dict[str, Any] | None, bool]:
        """The object that the arguments are, and whether they are complete."""
        if not arguments.strip():
            usable = self.finish_reason not in _UNUSABLE
            return ({} if usable else None), usable
        value = read_whole_object(arguments)
        return value, value is not None

    def _add_calls(self, entries: Any, out: list[ChatStreamEvent]) -> None:
        """Done events that these deltas bring about, then what each delta adds."""
        if type(entries) is not list:
            entries = [entries]
        additions = self.calls.add(entries)
        if not additions:
            return
        touched = {addition.call.index for addition in additions}
        settled = [call.index for call in self.calls.settled.values() if call.index not in touched and call.is_whole()]
        for key in [key for key in self._begun if key in _BEFORE_CALLS or key in settled]:
            self._end(key, out)
        for addition in additions:
            self._add_call(addition, out)

    def _add_call(self, addition: Addition, out: list[ChatStreamEvent]) -> None:
        call = addition.call
        if call.index not in self._done or addition.arguments or addition.input:
            self._begin(call.index, lambda out: self._end_call(call, out))
        if addition.opened:
            out.append(ToolCallAddedEvent(self.index, call.index, addition.id, addition.type, addition.name))
        about = (self.index, call.index, addition.id, addition.name)
        if addition.arguments and call.arguments is not None:
            out.append(
                FunctionToolCallArgumentsDeltaEvent(
                    *about,
                    addition.arguments,
                    call.arguments,
                    addition.arguments_mark,
                ),
            )
        if addition.input and call.input is not None:
            out.append(CustomToolCallInputDeltaEvent(*about, addition.input, call.input, addition.input_mark))

    def _end_call(self, call: Call, out: list[ChatStreamEvent]) -> None:
        self.calls.end(call)
        lost = call.last_half()
        about = (self.index, call.index, call.id, call.name)
        if call.is_custom:
            text = call.input
            if lost and text is not None:
                out.append(CustomToolCallInputDeltaEvent(*about, lost, text, text.length))
            out.append(CustomToolCallInputDoneEvent(*about, text.read() if text is not None else ""))
            return
        text = call.arguments
        if lost and text is not None:
            out.append(FunctionToolCallArgumentsDeltaEvent(*about, lost, text, text.length))
        arguments = text.read() if text is not None else ""
        value, complete = self._read_arguments(arguments)
        if value is not None or self.finish_reason not in _UNUSABLE:  # what is no object may be told to be unfit
            call.parsed = self.readers.read_arguments(call.name, arguments.strip() or "{}", value)
        parsed = copied(call.parsed)
        out.append(FunctionToolCallArgumentsDoneEvent(*about, arguments, parsed, complete))

    def _add_audio(self, data: bytes, transcript: str, out: list[ChatStreamEvent]) -> None:
        if data or transcript:
            self._begin("audio", self._end_audio)
            out.append(AudioDeltaEvent(self.index, data, transcript))

    def _end_audio(self, out: list[ChatStreamEvent]) -> None:
        audio = self.message.audio
        if audio is not None:
            lost = audio.last_half()
            if lost:
                out.append(AudioDeltaEvent(self.index, b"", lost))
            out.append(AudioDoneEvent(self.index, audio.make_node(), tuple(self.ledger.marks)))

    def _finish(self, reason: str, out: list[ChatStreamEvent]) -> None:
        self.ledger.charge_extras(len(reason))
        self.finish_reason = reason
        self.end_parts(out)
        out.append(ChoiceDoneEvent(self.index, reason))

    def end_parts(self, out: list[ChatStreamEvent]) -> None:
        """Bring to its end whatever is not done yet, in the order in which it began."""
        self.calls.name_the_nameless(self.ledger.completion_id, self.index)
        # A text that was half a character alone has not begun yet.
        self._add_reasoning(self.message.last_half("reasoning"), out)
        self._add_content(self.message.last_half("content"), out)
        self._add_refusal(self.message.last_half("refusal"), out)
        if self.message.audio is not None:
            self._add_audio(b"", self.message.audio.last_half(), out)
        for key in list(self._begun):
            self._end(key, out)
        self.message.last_halves()
        self.node = None

    def end_unfinished(self, out: list[ChatStreamEvent]) -> None:
        """The stream ended well: what began after the finish is done now, and a choice that was never finished, too."""
        if self._begun or (self.finish_reason is None and self.streamed):
            self.end_parts(out)
            if self.finish_reason is None:
                out.append(ChoiceDoneEvent(self.index, None))

    def make_node(self) -> dict[str, Any]:
        """The choice as it stands in a frame."""
        if self.node is None:
            calls = [call.make_node() for call in self.calls.in_order()]
            self.calls.changed = False
            self.node = {
                "index": self.index,
                "finish_reason": self.finish_reason,
                "logprobs": self._logprobs_node(),
                "message": self.message.make_node(calls),
                **self._others.values,
            }
        return self.node

    def _logprobs_node(self) -> dict[str, Any] | None:
        others = self._logprobs_others.values
        if not self._logprobs and not others:
            return None
        return {"content": self._logprobs.get("content"), "refusal": self._logprobs.get("refusal"), **others}


def _with_places(message: dict[str, Any]) -> dict[str, Any]:
    """A whole message whose calls are told apart by their places: two that share an id, or an index, are two."""
    calls = message.get("tool_calls")
    if type(calls) is not list:
        return message
    placed = [{**call, "index": at} if type(call) is dict else call for at, call in enumerate(calls)]
    return {**message, "tool_calls": placed}
