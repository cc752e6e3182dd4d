"""The events: one immutable class for each thing that can happen in a stream.

In go the values of the moment and the marks of what was still growing; out come a delta for free, and a snapshot for
whoever reads it. Rules: an event never changes after it was handed out; what costs something is computed when read, by
the reader; every class has ``type`` as a class-level literal, so that a ``match`` over the union is checked for being
complete. Nothing here knows how events come about: that is ``choices`` and ``parser``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from chatstream.ends import StreamEnd
from chatstream.errors import APIUserAbortError, ChatStreamError
from chatstream.events.event import Event, jsonable
from chatstream.frames import Frame, Whole, read_tree
from chatstream.jsontext import entries, plain, read_json
from chatstream.partial_json import partial_value
from chatstream.text import Text, Tokens

if TYPE_CHECKING:
    from chatstream.types import (
        ChatCompletion,
        ChatCompletionAudio,
        ChatCompletionChunk,
        ChatCompletionTokenLogprob,
        CompletionUsage,
    )

__all__ = [
    "EVENT_TYPES",
    "AbortEvent",
    "AudioDeltaEvent",
    "AudioDoneEvent",
    "ChatStreamEvent",
    "ChoiceDoneEvent",
    "ChunkEvent",
    "ContentDeltaEvent",
    "ContentDoneEvent",
    "CustomToolCallInputDeltaEvent",
    "CustomToolCallInputDoneEvent",
    "EndEvent",
    "ErrorEvent",
    "EventType",
    "FunctionCallArgumentsDeltaEvent",
    "FunctionCallArgumentsDoneEvent",
    "FunctionToolCallArgumentsDeltaEvent",
    "FunctionToolCallArgumentsDoneEvent",
    "LogprobsContentDeltaEvent",
    "LogprobsContentDoneEvent",
    "LogprobsRefusalDeltaEvent",
    "LogprobsRefusalDoneEvent",
    "ReasoningDeltaEvent",
    "ReasoningDoneEvent",
    "RefusalDeltaEvent",
    "RefusalDoneEvent",
    "ToolCallAddedEvent",
    "UsageEvent",
]

T = TypeVar("T")

EventType = Literal[
    "chunk",
    "content.delta",
    "content.done",
    "refusal.delta",
    "refusal.done",
    "reasoning.delta",
    "reasoning.done",
    "tool_calls.added",
    "tool_calls.function.arguments.delta",
    "tool_calls.function.arguments.done",
    "tool_calls.custom.input.delta",
    "tool_calls.custom.input.done",
    "function_call.arguments.delta",
    "function_call.arguments.done",
    "audio.delta",
    "audio.done",
    "logprobs.content.delta",
    "logprobs.content.done",
    "logprobs.refusal.delta",
    "logprobs.refusal.done",
    "usage",
    "choice.done",
    "end",
    "error",
    "abort",
]


def _with_deltas(payload: dict[str, Any]) -> dict[str, Any]:
    """The chunk, its whole messages as the deltas that they are, where a service did not stream: changed in place."""
    for choice in entries(payload.get("choices")):
        if type(choice) is dict and type(choice.get("message")) is dict and choice.get("delta") is None:
            choice["delta"] = delta = choice.pop("message")
            for index, call in enumerate(entries(delta.get("tool_calls"))):
                if type(call) is dict:
                    call.setdefault("index", index)
    return payload


class ChunkEvent(Event, frozen=True, eq=False, gc=False):
    """A chunk arrived; it comes before the events that the chunk brings about.

    ``data``: the chunk as it came, bytes of JSON or a mapping; read-only, for it is shared with the event's own models.
    """

    type: ClassVar[Literal["chunk"]] = "chunk"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    data: bytes | Mapping[str, Any]
    _tree: dict[str, Any]
    _marks: tuple[int, ...]

    @property
    def chunk(self) -> ChatCompletionChunk:
        """The chunk as a model, built when read."""
        from chatstream.types import ChatCompletionChunk, build

        return build(ChatCompletionChunk, self._payload())

    @property
    def snapshot(self) -> ChatCompletion:
        """The completion as of this chunk, built when read."""
        return Frame(self._tree, self._marks).completion()

    def __hash__(self) -> int:
        return hash((type(self), sum(self._marks)))

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)

    def _payload(self) -> dict[str, Any]:
        if isinstance(self.data, bytes):
            raw, flags = read_json(self.data, max_depth=None)
            raw = raw[0] if type(raw) is list else raw  # an error alone in a list
            payload: dict[str, Any] = plain(raw, keep_infinities=True) if flags else raw
            return _with_deltas(payload)
        copied: dict[str, Any] = plain(dict(self.data), keep_infinities=True)
        return _with_deltas(copied)

    def to_dict(self, *, lazies: bool = False) -> dict[str, Any]:
        """The event as plain JSON values: ``chunk`` is the chunk as it came."""
        values: dict[str, Any] = {"type": self.type, "chunk": plain(self._payload())}
        if lazies:
            values["snapshot"] = jsonable(self.snapshot)
        return values


class ContentDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Text was added to the content of a choice."""

    type: ClassVar[Literal["content.delta"]] = "content.delta"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot", "parsed")

    choice_index: int
    delta: str
    _text: Text
    _mark: int
    _has_format: bool = False

    @property
    def snapshot(self) -> str:
        """The content so far."""
        return self._text.read(self._mark)

    @property
    def parsed(self) -> Any:
        """What can be read of the unfinished JSON so far, when a response format was given; else None.

        The values of all these events share the lists and objects that are closed: treat them as read-only.
        """
        return partial_value(self._text, self._mark, self.delta) if self._has_format else None


class ContentDoneEvent(Event, Generic[T], frozen=True, eq=False, gc=False):
    """The content of a choice is whole; ``parsed`` is what the given response format makes of it."""

    type: ClassVar[Literal["content.done"]] = "content.done"

    choice_index: int
    content: str
    parsed: T | None = None


class RefusalDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Text was added to the refusal of a choice."""

    type: ClassVar[Literal["refusal.delta"]] = "refusal.delta"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    choice_index: int
    delta: str
    _text: Text
    _mark: int

    @property
    def snapshot(self) -> str:
        """The refusal so far."""
        return self._text.read(self._mark)


class RefusalDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The refusal of a choice is whole."""

    type: ClassVar[Literal["refusal.done"]] = "refusal.done"

    choice_index: int
    refusal: str


class ReasoningDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Text was added to the reasoning of a choice, whatever the provider calls it."""

    type: ClassVar[Literal["reasoning.delta"]] = "reasoning.delta"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    choice_index: int
    delta: str
    _text: Text
    _mark: int

    @property
    def snapshot(self) -> str:
        """The reasoning so far."""
        return self._text.read(self._mark)


class ReasoningDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The reasoning of a choice is whole."""

    type: ClassVar[Literal["reasoning.done"]] = "reasoning.done"

    choice_index: int
    reasoning: str


class ToolCallAddedEvent(Event, frozen=True, eq=False, gc=False):
    """A tool call began; ``index`` counts a choice's calls in the order of first sight. Id and name may yet be None."""

    type: ClassVar[Literal["tool_calls.added"]] = "tool_calls.added"

    choice_index: int
    index: int
    tool_call_id: str | None
    tool_type: str
    name: str | None


class FunctionToolCallArgumentsDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Text was added to the arguments of a function tool call."""

    type: ClassVar[Literal["tool_calls.function.arguments.delta"]] = "tool_calls.function.arguments.delta"
    _computed: ClassVar[tuple[str, ...]] = ("arguments", "parsed_arguments")

    choice_index: int
    index: int
    tool_call_id: str | None
    name: str | None
    arguments_delta: str
    _text: Text
    _mark: int

    @property
    def arguments(self) -> str:
        """The arguments so far."""
        return self._text.read(self._mark)

    @property
    def parsed_arguments(self) -> Any:
        """What can be read of the unfinished arguments so far, or None.

        The values of all these events share the lists and objects that are closed: treat them as read-only.
        """
        return partial_value(self._text, self._mark, self.arguments_delta)


class FunctionToolCallArgumentsDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The arguments of a function tool call are all there.

    ``complete``: they are one whole JSON object, or none were needed; only then may the call be run. Arguments that
    were cut (``length``) are shown as they came, with ``complete=False`` and ``parsed_arguments=None``.
    """

    type: ClassVar[Literal["tool_calls.function.arguments.done"]] = "tool_calls.function.arguments.done"

    choice_index: int
    index: int
    tool_call_id: str | None
    name: str | None
    arguments: str
    parsed_arguments: Any
    complete: bool


class CustomToolCallInputDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Text was added to the input of a custom tool call."""

    type: ClassVar[Literal["tool_calls.custom.input.delta"]] = "tool_calls.custom.input.delta"
    _computed: ClassVar[tuple[str, ...]] = ("input",)

    choice_index: int
    index: int
    tool_call_id: str | None
    name: str | None
    input_delta: str
    _text: Text
    _mark: int

    @property
    def input(self) -> str:
        """The input so far."""
        return self._text.read(self._mark)


class CustomToolCallInputDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The input of a custom tool call is all there."""

    type: ClassVar[Literal["tool_calls.custom.input.done"]] = "tool_calls.custom.input.done"

    choice_index: int
    index: int
    tool_call_id: str | None
    name: str | None
    input: str


class FunctionCallArgumentsDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Text was added to the arguments of the legacy function_call."""

    type: ClassVar[Literal["function_call.arguments.delta"]] = "function_call.arguments.delta"
    _computed: ClassVar[tuple[str, ...]] = ("arguments",)

    choice_index: int
    name: str | None
    arguments_delta: str
    _text: Text
    _mark: int

    @property
    def arguments(self) -> str:
        """The arguments so far."""
        return self._text.read(self._mark)


class FunctionCallArgumentsDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The arguments of the legacy function_call are all there; ``complete`` as for a function tool call."""

    type: ClassVar[Literal["function_call.arguments.done"]] = "function_call.arguments.done"

    choice_index: int
    name: str | None
    arguments: str
    complete: bool


class AudioDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Audio was added: ``data`` decoded to bytes, and what was added to the transcript. Either may be empty."""

    type: ClassVar[Literal["audio.delta"]] = "audio.delta"

    choice_index: int
    data: bytes
    transcript_delta: str


class AudioDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The audio of a choice is whole."""

    type: ClassVar[Literal["audio.done"]] = "audio.done"

    choice_index: int
    _node: dict[str, Any]
    _marks: tuple[int, ...]

    @property
    def audio(self) -> ChatCompletionAudio:
        """Id, data (base64), transcript and the Unix time in seconds at which the service forgets it."""
        from chatstream.types import ChatCompletionAudio, build

        return build(ChatCompletionAudio, read_tree(self._node, self._marks))

    def _names(self) -> tuple[str, ...]:
        return ("choice_index", "audio")


class LogprobsContentDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Log probabilities of content tokens were added."""

    type: ClassVar[Literal["logprobs.content.delta"]] = "logprobs.content.delta"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    choice_index: int
    _tokens: Tokens
    _start: int
    _mark: int

    @property
    def content(self) -> list[ChatCompletionTokenLogprob]:
        """The tokens that were added."""
        return _token_logprobs(self._tokens.read(self._mark, self._start))

    @property
    def snapshot(self) -> list[ChatCompletionTokenLogprob]:
        """The tokens so far."""
        return _token_logprobs(self._tokens.read(self._mark))

    def _names(self) -> tuple[str, ...]:
        return ("choice_index", "content")


class LogprobsContentDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The log probabilities of the content are all there."""

    type: ClassVar[Literal["logprobs.content.done"]] = "logprobs.content.done"

    choice_index: int
    _tokens: Tokens
    _mark: int

    @property
    def content(self) -> list[ChatCompletionTokenLogprob]:
        """All tokens of the content."""
        return _token_logprobs(self._tokens.read(self._mark))

    def _names(self) -> tuple[str, ...]:
        return ("choice_index", "content")


class LogprobsRefusalDeltaEvent(Event, frozen=True, eq=False, gc=False):
    """Log probabilities of refusal tokens were added."""

    type: ClassVar[Literal["logprobs.refusal.delta"]] = "logprobs.refusal.delta"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    choice_index: int
    _tokens: Tokens
    _start: int
    _mark: int

    @property
    def refusal(self) -> list[ChatCompletionTokenLogprob]:
        """The tokens that were added."""
        return _token_logprobs(self._tokens.read(self._mark, self._start))

    @property
    def snapshot(self) -> list[ChatCompletionTokenLogprob]:
        """The tokens so far."""
        return _token_logprobs(self._tokens.read(self._mark))

    def _names(self) -> tuple[str, ...]:
        return ("choice_index", "refusal")


class LogprobsRefusalDoneEvent(Event, frozen=True, eq=False, gc=False):
    """The log probabilities of the refusal are all there."""

    type: ClassVar[Literal["logprobs.refusal.done"]] = "logprobs.refusal.done"

    choice_index: int
    _tokens: Tokens
    _mark: int

    @property
    def refusal(self) -> list[ChatCompletionTokenLogprob]:
        """All tokens of the refusal."""
        return _token_logprobs(self._tokens.read(self._mark))

    def _names(self) -> tuple[str, ...]:
        return ("choice_index", "refusal")


def _token_logprobs(values: list[Any]) -> list[ChatCompletionTokenLogprob]:
    from chatstream.types import ChatCompletionTokenLogprob, build

    # A token that is no object stays as it is.
    copies: list[Any] = [plain(value, keep_infinities=True) for value in values]
    return [build(ChatCompletionTokenLogprob, value) if type(value) is dict else value for value in copies]


class UsageEvent(Event, frozen=True, eq=False, gc=False):
    """The token counts arrived, or changed."""

    type: ClassVar[Literal["usage"]] = "usage"

    _usage: Any

    @property
    def usage(self) -> CompletionUsage:
        """The token counts."""
        from chatstream.types import CompletionUsage, build

        return build(CompletionUsage, plain(self._usage, keep_infinities=True))

    def _names(self) -> tuple[str, ...]:
        return ("usage",)


class ChoiceDoneEvent(Event, frozen=True, eq=False, gc=False):
    """A choice is finished; ``finish_reason`` is None where the server named none."""

    type: ClassVar[Literal["choice.done"]] = "choice.done"

    choice_index: int
    finish_reason: str | None


class EndEvent(Event, frozen=True, eq=False, gc=False):
    """The stream ended well: always the last event. ``end`` says how."""

    type: ClassVar[Literal["end"]] = "end"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    end: StreamEnd
    _frame: Frame | Whole

    @property
    def snapshot(self) -> ChatCompletion:
        """The whole completion, built when read."""
        return self._frame.completion()


class ErrorEvent(Event, frozen=True, eq=False, gc=True):
    """The stream, or the run, failed: always the last event. Whoever reads gets ``error`` raised there."""

    type: ClassVar[Literal["error"]] = "error"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    error: ChatStreamError
    _frame: Frame | Whole | None = None

    @property
    def snapshot(self) -> ChatCompletion | None:
        """What had arrived until then, or None if nothing had."""
        return None if self._frame is None else self._frame.completion()


class AbortEvent(Event, frozen=True, eq=False, gc=True):
    """You stopped the stream, or the run: always the last event."""

    type: ClassVar[Literal["abort"]] = "abort"
    _computed: ClassVar[tuple[str, ...]] = ("snapshot",)

    error: APIUserAbortError
    _frame: Frame | Whole | None = None

    @property
    def snapshot(self) -> ChatCompletion | None:
        """What had arrived until then, or None if nothing had."""
        return None if self._frame is None else self._frame.completion()


ChatStreamEvent: TypeAlias = (
    ChunkEvent
    | ContentDeltaEvent
    | ContentDoneEvent[Any]
    | RefusalDeltaEvent
    | RefusalDoneEvent
    | ReasoningDeltaEvent
    | ReasoningDoneEvent
    | ToolCallAddedEvent
    | FunctionToolCallArgumentsDeltaEvent
    | FunctionToolCallArgumentsDoneEvent
    | CustomToolCallInputDeltaEvent
    | CustomToolCallInputDoneEvent
    | FunctionCallArgumentsDeltaEvent
    | FunctionCallArgumentsDoneEvent
    | AudioDeltaEvent
    | AudioDoneEvent
    | LogprobsContentDeltaEvent
    | LogprobsContentDoneEvent
    | LogprobsRefusalDeltaEvent
    | LogprobsRefusalDoneEvent
    | UsageEvent
    | ChoiceDoneEvent
    | EndEvent
    | ErrorEvent
    | AbortEvent
)

EVENT_TYPES: tuple[EventType, ...] = EventType.__args__  # type: ignore[attr-defined]
