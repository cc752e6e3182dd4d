"""The events of a tool loop, beside those of its streams: one immutable class for each thing that can happen.

In go the messages, completions and calls of a run, out comes what its listeners are called with. Rules: those of the
stream's events; a message is told as the dict that it is in the next request, a completion as the model that it came
as; what went wrong with a call is told in the words that the model gets to read, and no exception is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from chatstream.events.event import Event
from chatstream.events.stream import ChatStreamEvent

if TYPE_CHECKING:  # nobody decodes an event, so its annotations are read by type checkers alone
    from chatstream.types import (
        ChatCompletionMessageParam,  # noqa: TC004
        CompletionUsage,  # noqa: TC004
        ParsedChatCompletion,  # noqa: TC004
        ParsedChatCompletionMessage,  # noqa: TC004
    )

__all__ = [
    "LOOP_EVENT_TYPES",
    "ChatCompletionEvent",
    "ConnectEvent",
    "FinalChatCompletionEvent",
    "FinalContentEvent",
    "FinalFunctionToolCallEvent",
    "FinalFunctionToolCallResultEvent",
    "FinalMessageEvent",
    "FunctionToolCallEvent",
    "FunctionToolCallResultEvent",
    "LoopEventType",
    "MessageEvent",
    "ToolLoopEvent",
    "TotalUsageEvent",
]

LoopEventType = Literal[
    "connect",
    "message",
    "chat_completion",
    "function_tool_call",
    "function_tool_call_result",
    "final_chat_completion",
    "final_message",
    "final_content",
    "final_function_tool_call",
    "final_function_tool_call_result",
    "total_usage",
]


class ConnectEvent(Event, frozen=True, eq=False):
    """The service has answered a request of the run: its head has come, or all of it where nothing is streamed."""

    type: ClassVar[Literal["connect"]] = "connect"


class MessageEvent(Event, frozen=True, eq=False):
    """A message was added to the history: the model's, or the answer to one of its calls."""

    type: ClassVar[Literal["message"]] = "message"

    message: ChatCompletionMessageParam


class ChatCompletionEvent(Event, frozen=True, eq=False):
    """A completion of the run is whole."""

    type: ClassVar[Literal["chat_completion"]] = "chat_completion"

    completion: ParsedChatCompletion[Any]


class FunctionToolCallEvent(Event, frozen=True, eq=False):
    """The model asks for a call, which has not been run yet; ``tool_call_id`` is None in the older form.

    ``arguments`` are as they came: JSON text, or the input of a custom tool.
    """

    type: ClassVar[Literal["function_tool_call"]] = "function_tool_call"

    tool_call_id: str | None
    name: str
    arguments: str


class FunctionToolCallResultEvent(Event, frozen=True, eq=False):
    """A call was answered: ``content`` is what the model is told, ``error`` what went wrong, or None."""

    type: ClassVar[Literal["function_tool_call_result"]] = "function_tool_call_result"

    tool_call_id: str | None
    name: str
    content: str
    error: str | None = None


class FinalChatCompletionEvent(Event, frozen=True, eq=False):
    """The last completion of the run."""

    type: ClassVar[Literal["final_chat_completion"]] = "final_chat_completion"

    completion: ParsedChatCompletion[Any]


class FinalMessageEvent(Event, frozen=True, eq=False):
    """The last message of the model."""

    type: ClassVar[Literal["final_message"]] = "final_message"

    message: ParsedChatCompletionMessage[Any]


class FinalContentEvent(Event, frozen=True, eq=False):
    """The text of the last message of the model."""

    type: ClassVar[Literal["final_content"]] = "final_content"

    content: str


class FinalFunctionToolCallEvent(Event, frozen=True, eq=False):
    """The last call of a function in the run."""

    type: ClassVar[Literal["final_function_tool_call"]] = "final_function_tool_call"

    tool_call_id: str | None
    name: str
    arguments: str


class FinalFunctionToolCallResultEvent(Event, frozen=True, eq=False):
    """The answer to the last call of a function in the run; as FunctionToolCallResultEvent."""

    type: ClassVar[Literal["final_function_tool_call_result"]] = "final_function_tool_call_result"

    tool_call_id: str | None
    name: str
    content: str
    error: str | None = None


class TotalUsageEvent(Event, frozen=True, eq=False):
    """The token counts of all completions of the run, added up."""

    type: ClassVar[Literal["total_usage"]] = "total_usage"

    usage: CompletionUsage


ToolLoopEvent: TypeAlias = (
    ChatStreamEvent
    | ConnectEvent
    | MessageEvent
    | ChatCompletionEvent
    | FunctionToolCallEvent
    | FunctionToolCallResultEvent
    | FinalChatCompletionEvent
    | FinalMessageEvent
    | FinalContentEvent
    | FinalFunctionToolCallEvent
    | FinalFunctionToolCallResultEvent
    | TotalUsageEvent
)

LOOP_EVENT_TYPES: tuple[LoopEventType, ...] = LoopEventType.__args__  # type: ignore[attr-defined]
