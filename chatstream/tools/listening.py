"""What type checkers are told about listening to a tool loop: the names of its streams' events, and its own.

In go the event names, and out come the types of the events, as in ``chatstream.listening``, whose rules and shape these
are. Rules beside those: a protocol takes over all overloads of another one or none, so the stream's names stand here
again; each protocol is a subtype of the stream's, so that a runner can be an emitter whose ``on`` knows more; a test
holds the overloads to be the stream's, and one for each of ``events.LOOP_EVENT_TYPES``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, overload

from chatstream.listening import AsyncWaitFor, Subscribe, WaitFor

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.events import (
        AbortEvent,
        AudioDeltaEvent,
        AudioDoneEvent,
        ChatCompletionEvent,
        ChoiceDoneEvent,
        ChunkEvent,
        ConnectEvent,
        ContentDeltaEvent,
        ContentDoneEvent,
        CustomToolCallInputDeltaEvent,
        CustomToolCallInputDoneEvent,
        EndEvent,
        ErrorEvent,
        EventType,
        FinalChatCompletionEvent,
        FinalContentEvent,
        FinalFunctionToolCallEvent,
        FinalFunctionToolCallResultEvent,
        FinalMessageEvent,
        FunctionCallArgumentsDeltaEvent,
        FunctionCallArgumentsDoneEvent,
        FunctionToolCallArgumentsDeltaEvent,
        FunctionToolCallArgumentsDoneEvent,
        FunctionToolCallEvent,
        FunctionToolCallResultEvent,
        LogprobsContentDeltaEvent,
        LogprobsContentDoneEvent,
        LogprobsRefusalDeltaEvent,
        LogprobsRefusalDoneEvent,
        LoopEventType,
        MessageEvent,
        ReasoningDeltaEvent,
        ReasoningDoneEvent,
        RefusalDeltaEvent,
        RefusalDoneEvent,
        ToolCallAddedEvent,
        TotalUsageEvent,
        UsageEvent,
    )
    from chatstream.listening import Listener
    from chatstream.types import ChatCompletion, ChatCompletionChunk

__all__ = [
    "AsyncRunnerWaitFor",
    "RunnerListenerName",
    "RunnerSubscribe",
    "RunnerWaitFor",
    "runner_subscribes",
    "runner_waits",
    "runner_waits_async",
]

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
M_co = TypeVar("M_co", covariant=True)

RunnerListenerName: TypeAlias = "EventType | LoopEventType | Literal['content']"

if TYPE_CHECKING:
    # One for each name, and why: see chatstream.listening.
    _Chunk = TypeVar("_Chunk", bound="Callable[[ChatCompletionChunk, ChatCompletion], object]")
    _Content = TypeVar("_Content", bound="Callable[[str, str], object]")
    _ContentDelta = TypeVar("_ContentDelta", bound="Listener[ContentDeltaEvent]")
    _ContentDone = TypeVar("_ContentDone", bound="Listener[ContentDoneEvent[Any]]")
    _RefusalDelta = TypeVar("_RefusalDelta", bound="Listener[RefusalDeltaEvent]")
    _RefusalDone = TypeVar("_RefusalDone", bound="Listener[RefusalDoneEvent]")
    _ReasoningDelta = TypeVar("_ReasoningDelta", bound="Listener[ReasoningDeltaEvent]")
    _ReasoningDone = TypeVar("_ReasoningDone", bound="Listener[ReasoningDoneEvent]")
    _ToolCallAdded = TypeVar("_ToolCallAdded", bound="Listener[ToolCallAddedEvent]")
    _FunctionToolCallArgumentsDelta = TypeVar(
        "_FunctionToolCallArgumentsDelta", bound="Listener[FunctionToolCallArgumentsDeltaEvent]"
    )
    _FunctionToolCallArgumentsDone = TypeVar(
        "_FunctionToolCallArgumentsDone", bound="Listener[FunctionToolCallArgumentsDoneEvent]"
    )
    _CustomToolCallInputDelta = TypeVar("_CustomToolCallInputDelta", bound="Listener[CustomToolCallInputDeltaEvent]")
    _CustomToolCallInputDone = TypeVar("_CustomToolCallInputDone", bound="Listener[CustomToolCallInputDoneEvent]")
    _FunctionCallArgumentsDelta = TypeVar(
        "_FunctionCallArgumentsDelta", bound="Listener[FunctionCallArgumentsDeltaEvent]"
    )
    _FunctionCallArgumentsDone = TypeVar("_FunctionCallArgumentsDone", bound="Listener[FunctionCallArgumentsDoneEvent]")
    _AudioDelta = TypeVar("_AudioDelta", bound="Listener[AudioDeltaEvent]")
    _AudioDone = TypeVar("_AudioDone", bound="Listener[AudioDoneEvent]")
    _LogprobsContentDelta = TypeVar("_LogprobsContentDelta", bound="Listener[LogprobsContentDeltaEvent]")
    _LogprobsContentDone = TypeVar("_LogprobsContentDone", bound="Listener[LogprobsContentDoneEvent]")
    _LogprobsRefusalDelta = TypeVar("_LogprobsRefusalDelta", bound="Listener[LogprobsRefusalDeltaEvent]")
    _LogprobsRefusalDone = TypeVar("_LogprobsRefusalDone", bound="Listener[LogprobsRefusalDoneEvent]")
    _Usage = TypeVar("_Usage", bound="Listener[UsageEvent]")
    _ChoiceDone = TypeVar("_ChoiceDone", bound="Listener[ChoiceDoneEvent]")
    _End = TypeVar("_End", bound="Listener[EndEvent]")
    _Error = TypeVar("_Error", bound="Listener[ErrorEvent]")
    _Abort = TypeVar("_Abort", bound="Listener[AbortEvent]")
    _Connect = TypeVar("_Connect", bound="Listener[ConnectEvent]")
    _Message = TypeVar("_Message", bound="Listener[MessageEvent]")
    _ChatCompletion = TypeVar("_ChatCompletion", bound="Listener[ChatCompletionEvent]")
    _FunctionToolCall = TypeVar("_FunctionToolCall", bound="Listener[FunctionToolCallEvent]")
    _FunctionToolCallResult = TypeVar("_FunctionToolCallResult", bound="Listener[FunctionToolCallResultEvent]")
    _FinalChatCompletion = TypeVar("_FinalChatCompletion", bound="Listener[FinalChatCompletionEvent]")
    _FinalMessage = TypeVar("_FinalMessage", bound="Listener[FinalMessageEvent]")
    _FinalContent = TypeVar("_FinalContent", bound="Listener[FinalContentEvent]")
    _FinalFunctionToolCall = TypeVar("_FinalFunctionToolCall", bound="Listener[FinalFunctionToolCallEvent]")
    _FinalFunctionToolCallResult = TypeVar(
        "_FinalFunctionToolCallResult", bound="Listener[FinalFunctionToolCallResultEvent]"
    )
    _TotalUsage = TypeVar("_TotalUsage", bound="Listener[TotalUsageEvent]")


class RunnerSubscribe(Subscribe[S_co], Protocol[S_co]):
    """``on`` and ``once`` of a runner: with a listener the runner itself, without one a decorator."""

    @overload
    def __call__(
        self, event: Literal["chunk"], listener: Callable[[ChatCompletionChunk, ChatCompletion], object]
    ) -> S_co: ...
    @overload
    def __call__(self, event: Literal["chunk"]) -> Callable[[_Chunk], _Chunk]: ...
    @overload
    def __call__(self, event: Literal["content"], listener: Callable[[str, str], object]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["content"]) -> Callable[[_Content], _Content]: ...
    @overload
    def __call__(self, event: Literal["content.delta"], listener: Listener[ContentDeltaEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["content.delta"]) -> Callable[[_ContentDelta], _ContentDelta]: ...
    @overload
    def __call__(self, event: Literal["content.done"], listener: Listener[ContentDoneEvent[Any]]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["content.done"]) -> Callable[[_ContentDone], _ContentDone]: ...
    @overload
    def __call__(self, event: Literal["refusal.delta"], listener: Listener[RefusalDeltaEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["refusal.delta"]) -> Callable[[_RefusalDelta], _RefusalDelta]: ...
    @overload
    def __call__(self, event: Literal["refusal.done"], listener: Listener[RefusalDoneEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["refusal.done"]) -> Callable[[_RefusalDone], _RefusalDone]: ...
    @overload
    def __call__(self, event: Literal["reasoning.delta"], listener: Listener[ReasoningDeltaEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["reasoning.delta"]) -> Callable[[_ReasoningDelta], _ReasoningDelta]: ...
    @overload
    def __call__(self, event: Literal["reasoning.done"], listener: Listener[ReasoningDoneEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["reasoning.done"]) -> Callable[[_ReasoningDone], _ReasoningDone]: ...
    @overload
    def __call__(self, event: Literal["tool_calls.added"], listener: Listener[ToolCallAddedEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["tool_calls.added"]) -> Callable[[_ToolCallAdded], _ToolCallAdded]: ...
    @overload
    def __call__(
        self,
        event: Literal["tool_calls.function.arguments.delta"],
        listener: Listener[FunctionToolCallArgumentsDeltaEvent],
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.function.arguments.delta"]
    ) -> Callable[[_FunctionToolCallArgumentsDelta], _FunctionToolCallArgumentsDelta]: ...
    @overload
    def __call__(
        self,
        event: Literal["tool_calls.function.arguments.done"],
        listener: Listener[FunctionToolCallArgumentsDoneEvent],
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.function.arguments.done"]
    ) -> Callable[[_FunctionToolCallArgumentsDone], _FunctionToolCallArgumentsDone]: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.custom.input.delta"], listener: Listener[CustomToolCallInputDeltaEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.custom.input.delta"]
    ) -> Callable[[_CustomToolCallInputDelta], _CustomToolCallInputDelta]: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.custom.input.done"], listener: Listener[CustomToolCallInputDoneEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.custom.input.done"]
    ) -> Callable[[_CustomToolCallInputDone], _CustomToolCallInputDone]: ...
    @overload
    def __call__(
        self, event: Literal["function_call.arguments.delta"], listener: Listener[FunctionCallArgumentsDeltaEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["function_call.arguments.delta"]
    ) -> Callable[[_FunctionCallArgumentsDelta], _FunctionCallArgumentsDelta]: ...
    @overload
    def __call__(
        self, event: Literal["function_call.arguments.done"], listener: Listener[FunctionCallArgumentsDoneEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["function_call.arguments.done"]
    ) -> Callable[[_FunctionCallArgumentsDone], _FunctionCallArgumentsDone]: ...
    @overload
    def __call__(self, event: Literal["audio.delta"], listener: Listener[AudioDeltaEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["audio.delta"]) -> Callable[[_AudioDelta], _AudioDelta]: ...
    @overload
    def __call__(self, event: Literal["audio.done"], listener: Listener[AudioDoneEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["audio.done"]) -> Callable[[_AudioDone], _AudioDone]: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.content.delta"], listener: Listener[LogprobsContentDeltaEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.content.delta"]
    ) -> Callable[[_LogprobsContentDelta], _LogprobsContentDelta]: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.content.done"], listener: Listener[LogprobsContentDoneEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.content.done"]
    ) -> Callable[[_LogprobsContentDone], _LogprobsContentDone]: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.refusal.delta"], listener: Listener[LogprobsRefusalDeltaEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.refusal.delta"]
    ) -> Callable[[_LogprobsRefusalDelta], _LogprobsRefusalDelta]: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.refusal.done"], listener: Listener[LogprobsRefusalDoneEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["logprobs.refusal.done"]
    ) -> Callable[[_LogprobsRefusalDone], _LogprobsRefusalDone]: ...
    @overload
    def __call__(self, event: Literal["usage"], listener: Listener[UsageEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["usage"]) -> Callable[[_Usage], _Usage]: ...
    @overload
    def __call__(self, event: Literal["choice.done"], listener: Listener[ChoiceDoneEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["choice.done"]) -> Callable[[_ChoiceDone], _ChoiceDone]: ...
    @overload
    def __call__(self, event: Literal["end"], listener: Listener[EndEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["end"]) -> Callable[[_End], _End]: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Listener[ErrorEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["error"]) -> Callable[[_Error], _Error]: ...
    @overload
    def __call__(self, event: Literal["abort"], listener: Listener[AbortEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["abort"]) -> Callable[[_Abort], _Abort]: ...
    @overload
    def __call__(self, event: Literal["connect"], listener: Listener[ConnectEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["connect"]) -> Callable[[_Connect], _Connect]: ...
    @overload
    def __call__(self, event: Literal["message"], listener: Listener[MessageEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["message"]) -> Callable[[_Message], _Message]: ...
    @overload
    def __call__(self, event: Literal["chat_completion"], listener: Listener[ChatCompletionEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["chat_completion"]) -> Callable[[_ChatCompletion], _ChatCompletion]: ...
    @overload
    def __call__(self, event: Literal["function_tool_call"], listener: Listener[FunctionToolCallEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["function_tool_call"]) -> Callable[[_FunctionToolCall], _FunctionToolCall]: ...
    @overload
    def __call__(
        self, event: Literal["function_tool_call_result"], listener: Listener[FunctionToolCallResultEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["function_tool_call_result"]
    ) -> Callable[[_FunctionToolCallResult], _FunctionToolCallResult]: ...
    @overload
    def __call__(
        self, event: Literal["final_chat_completion"], listener: Listener[FinalChatCompletionEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["final_chat_completion"]
    ) -> Callable[[_FinalChatCompletion], _FinalChatCompletion]: ...
    @overload
    def __call__(self, event: Literal["final_message"], listener: Listener[FinalMessageEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["final_message"]) -> Callable[[_FinalMessage], _FinalMessage]: ...
    @overload
    def __call__(self, event: Literal["final_content"], listener: Listener[FinalContentEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["final_content"]) -> Callable[[_FinalContent], _FinalContent]: ...
    @overload
    def __call__(
        self, event: Literal["final_function_tool_call"], listener: Listener[FinalFunctionToolCallEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["final_function_tool_call"]
    ) -> Callable[[_FinalFunctionToolCall], _FinalFunctionToolCall]: ...
    @overload
    def __call__(
        self, event: Literal["final_function_tool_call_result"], listener: Listener[FinalFunctionToolCallResultEvent]
    ) -> S_co: ...
    @overload
    def __call__(
        self, event: Literal["final_function_tool_call_result"]
    ) -> Callable[[_FinalFunctionToolCallResult], _FinalFunctionToolCallResult]: ...
    @overload
    def __call__(self, event: Literal["total_usage"], listener: Listener[TotalUsageEvent]) -> S_co: ...
    @overload
    def __call__(self, event: Literal["total_usage"]) -> Callable[[_TotalUsage], _TotalUsage]: ...


class RunnerWaitFor(WaitFor, Protocol):
    """``wait_for`` of a sync runner: the event."""

    @overload
    def __call__(self, event: Literal["chunk"]) -> ChunkEvent: ...
    @overload
    def __call__(self, event: Literal["content", "content.delta"]) -> ContentDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["content.done"]) -> ContentDoneEvent[Any]: ...
    @overload
    def __call__(self, event: Literal["refusal.delta"]) -> RefusalDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["refusal.done"]) -> RefusalDoneEvent: ...
    @overload
    def __call__(self, event: Literal["reasoning.delta"]) -> ReasoningDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["reasoning.done"]) -> ReasoningDoneEvent: ...
    @overload
    def __call__(self, event: Literal["tool_calls.added"]) -> ToolCallAddedEvent: ...
    @overload
    def __call__(
        self, event: Literal["tool_calls.function.arguments.delta"]
    ) -> FunctionToolCallArgumentsDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["tool_calls.function.arguments.done"]) -> FunctionToolCallArgumentsDoneEvent: ...
    @overload
    def __call__(self, event: Literal["tool_calls.custom.input.delta"]) -> CustomToolCallInputDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["tool_calls.custom.input.done"]) -> CustomToolCallInputDoneEvent: ...
    @overload
    def __call__(self, event: Literal["function_call.arguments.delta"]) -> FunctionCallArgumentsDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["function_call.arguments.done"]) -> FunctionCallArgumentsDoneEvent: ...
    @overload
    def __call__(self, event: Literal["audio.delta"]) -> AudioDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["audio.done"]) -> AudioDoneEvent: ...
    @overload
    def __call__(self, event: Literal["logprobs.content.delta"]) -> LogprobsContentDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["logprobs.content.done"]) -> LogprobsContentDoneEvent: ...
    @overload
    def __call__(self, event: Literal["logprobs.refusal.delta"]) -> LogprobsRefusalDeltaEvent: ...
    @overload
    def __call__(self, event: Literal["logprobs.refusal.done"]) -> LogprobsRefusalDoneEvent: ...
    @overload
    def __call__(self, event: Literal["usage"]) -> UsageEvent: ...
    @overload
    def __call__(self, event: Literal["choice.done"]) -> ChoiceDoneEvent: ...
    @overload
    def __call__(self, event: Literal["end"]) -> EndEvent: ...
    @overload
    def __call__(self, event: Literal["error"]) -> ErrorEvent: ...
    @overload
    def __call__(self, event: Literal["abort"]) -> AbortEvent: ...
    @overload
    def __call__(self, event: Literal["connect"]) -> ConnectEvent: ...
    @overload
    def __call__(self, event: Literal["message"]) -> MessageEvent: ...
    @overload
    def __call__(self, event: Literal["chat_completion"]) -> ChatCompletionEvent: ...
    @overload
    def __call__(self, event: Literal["function_tool_call"]) -> FunctionToolCallEvent: ...
    @overload
    def __call__(self, event: Literal["function_tool_call_result"]) -> FunctionToolCallResultEvent: ...
    @overload
    def __call__(self, event: Literal["final_chat_completion"]) -> FinalChatCompletionEvent: ...
    @overload
    def __call__(self, event: Literal["final_message"]) -> FinalMessageEvent: ...
    @overload
    def __call__(self, event: Literal["final_content"]) -> FinalContentEvent: ...
    @overload
    def __call__(self, event: Literal["final_function_tool_call"]) -> FinalFunctionToolCallEvent: ...
    @overload
    def __call__(self, event: Literal["final_function_tool_call_result"]) -> FinalFunctionToolCallResultEvent: ...
    @overload
    def __call__(self, event: Literal["total_usage"]) -> TotalUsageEvent: ...


class AsyncRunnerWaitFor(AsyncWaitFor, Protocol):
    """``wait_for`` of an async runner: the event, awaited."""

    @overload
    async def __call__(self, event: Literal["chunk"]) -> ChunkEvent: ...
    @overload
    async def __call__(self, event: Literal["content", "content.delta"]) -> ContentDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["content.done"]) -> ContentDoneEvent[Any]: ...
    @overload
    async def __call__(self, event: Literal["refusal.delta"]) -> RefusalDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["refusal.done"]) -> RefusalDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["reasoning.delta"]) -> ReasoningDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["reasoning.done"]) -> ReasoningDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["tool_calls.added"]) -> ToolCallAddedEvent: ...
    @overload
    async def __call__(
        self, event: Literal["tool_calls.function.arguments.delta"]
    ) -> FunctionToolCallArgumentsDeltaEvent: ...
    @overload
    async def __call__(
        self, event: Literal["tool_calls.function.arguments.done"]
    ) -> FunctionToolCallArgumentsDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["tool_calls.custom.input.delta"]) -> CustomToolCallInputDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["tool_calls.custom.input.done"]) -> CustomToolCallInputDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["function_call.arguments.delta"]) -> FunctionCallArgumentsDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["function_call.arguments.done"]) -> FunctionCallArgumentsDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["audio.delta"]) -> AudioDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["audio.done"]) -> AudioDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["logprobs.content.delta"]) -> LogprobsContentDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["logprobs.content.done"]) -> LogprobsContentDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["logprobs.refusal.delta"]) -> LogprobsRefusalDeltaEvent: ...
    @overload
    async def __call__(self, event: Literal["logprobs.refusal.done"]) -> LogprobsRefusalDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["usage"]) -> UsageEvent: ...
    @overload
    async def __call__(self, event: Literal["choice.done"]) -> ChoiceDoneEvent: ...
    @overload
    async def __call__(self, event: Literal["end"]) -> EndEvent: ...
    @overload
    async def __call__(self, event: Literal["error"]) -> ErrorEvent: ...
    @overload
    async def __call__(self, event: Literal["abort"]) -> AbortEvent: ...
    @overload
    async def __call__(self, event: Literal["connect"]) -> ConnectEvent: ...
    @overload
    async def __call__(self, event: Literal["message"]) -> MessageEvent: ...
    @overload
    async def __call__(self, event: Literal["chat_completion"]) -> ChatCompletionEvent: ...
    @overload
    async def __call__(self, event: Literal["function_tool_call"]) -> FunctionToolCallEvent: ...
    @overload
    async def __call__(self, event: Literal["function_tool_call_result"]) -> FunctionToolCallResultEvent: ...
    @overload
    async def __call__(self, event: Literal["final_chat_completion"]) -> FinalChatCompletionEvent: ...
    @overload
    async def __call__(self, event: Literal["final_message"]) -> FinalMessageEvent: ...
    @overload
    async def __call__(self, event: Literal["final_content"]) -> FinalContentEvent: ...
    @overload
    async def __call__(self, event: Literal["final_function_tool_call"]) -> FinalFunctionToolCallEvent: ...
    @overload
    async def __call__(self, event: Literal["final_function_tool_call_result"]) -> FinalFunctionToolCallResultEvent: ...
    @overload
    async def __call__(self, event: Literal["total_usage"]) -> TotalUsageEvent: ...


class _Subscribes(Protocol):
    """A method that is called as a RunnerSubscribe of the very class it is called on."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Callable[..., object]: ...
    @overload
    def __get__(self, instance: S, owner: type | None = None, /) -> RunnerSubscribe[S]: ...


class _Typed(Protocol[M_co]):
    """A method that is called as something else than it is written as."""

    @overload
    def __get__(self, instance: None, owner: type, /) -> Callable[..., object]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None, /) -> M_co: ...


def runner_subscribes(method: Callable[..., object]) -> _Subscribes:
    """The method itself, shown to type checkers as a RunnerSubscribe."""
    return method


def runner_waits(method: Callable[..., object]) -> _Typed[RunnerWaitFor]:
    """The method itself, shown to type checkers as a RunnerWaitFor."""
    return method


def runner_waits_async(method: Callable[..., object]) -> _Typed[AsyncRunnerWaitFor]:
    """The method itself, shown to type checkers as an AsyncRunnerWaitFor."""
    return method
