"""What type checkers must see of listening and waiting by event name. Read by mypy and basedpyright, never run."""

from typing import TYPE_CHECKING, Any, assert_type

from chatstream.emitter import EventEmitter
from chatstream.events import (
    EVENT_TYPES,
    ChatStreamEvent,
    ChunkEvent,
    ContentDeltaEvent,
    EndEvent,
    FunctionToolCallArgumentsDeltaEvent,
    UsageEvent,
)
from chatstream.listening import AsyncWaitFor, Subscribe, WaitFor, waits, waits_async
from chatstream.types import ChatCompletion, ChatCompletionChunk

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Stream(EventEmitter):
    def own(self) -> None: ...

    @waits
    def wait_for(self, event: str) -> ChatStreamEvent:
        raise NotImplementedError(event)


class AsyncStream(EventEmitter):
    @waits_async
    async def wait_for(self, event: str) -> ChatStreamEvent:
        raise NotImplementedError(event)


def content_delta(event: ContentDeltaEvent) -> None: ...
async def content_delta_async(event: ContentDeltaEvent) -> None: ...
def either(event: ContentDeltaEvent | EndEvent, again: int = 0) -> str:
    return f"{event}{again}"


def a_listener_is_called_with_its_own_event(stream: Stream) -> None:
    stream.on("content.delta", content_delta)
    stream.on("content.delta", lambda event: event.delta)
    stream.on("content.done", lambda event: event.content)
    stream.on("audio.done", lambda event: event.audio)
    stream.on("tool_calls.function.arguments.delta", lambda event: event.arguments_delta)
    stream.once("end", lambda event: event.end.kind)
    stream.once(event="error", listener=lambda event: event.error)
    stream.on("usage", print)


# mypy reads a lambda twice, the first time without its event: assert_type in it would fail, but a wrong member tells.
def a_lambda_is_read_with_the_type_of_its_event(stream: Stream) -> None:
    stream.on("content.delta", lambda event: event.content)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    stream.once("end", lambda event: event.delta)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    stream.on("content", lambda delta, snapshot: delta + snapshot)
    stream.on("content", lambda delta, _: delta.delta)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    stream.on("chunk", lambda chunk, snapshot: (chunk.id, snapshot.usage))
    stream.on("chunk", lambda chunk, _: chunk.snapshot)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]


def what_is_given_back_is_of_the_same_class(stream: Stream) -> None:
    assert_type(stream.on, Subscribe[Stream])
    assert_type(stream.on("content.delta", content_delta), Stream)
    assert_type(stream.once("content", print), Stream)
    assert_type(stream.off("content.delta", content_delta), Stream)
    stream.on("content.delta", content_delta).once("end", print).off("end", print).own()
    assert_type(EventEmitter().on("end", print), EventEmitter)


def a_listener_may_be_async_or_take_more_than_it_is_given(stream: AsyncStream) -> None:
    stream.on("content.delta", content_delta_async).once("content.delta", either).on("end", either)


def a_decorator_gives_the_function_back_with_its_own_type(stream: Stream) -> None:
    @stream.on("tool_calls.function.arguments.delta")
    def arguments(event: FunctionToolCallArgumentsDeltaEvent, *, factor: int = 1) -> int:
        return len(event.arguments_delta) * factor

    @stream.on("content.delta")
    @stream.once("end")
    def several(event: ContentDeltaEvent | EndEvent, again: int = 0) -> str:
        return f"{event}{again}"

    @stream.once("content")
    async def content(delta: str, snapshot: str) -> None: ...

    @stream.on("chunk")
    def chunk(chunk: ChatCompletionChunk, snapshot: ChatCompletion) -> None: ...

    def use(delta: FunctionToolCallArgumentsDeltaEvent, end: EndEvent) -> None:
        assert_type(arguments(delta, factor=2), int)
        assert_type(several(end, again=1), str)

    stream.off("content", content).off("chunk", chunk).once("end", lambda _: use)


def the_wrong_listener_is_an_error(stream: Stream) -> None:
    stream.on("end", content_delta)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stream.on("content", content_delta)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stream.on("content.delta", None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stream.on("end")(content_delta)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def a_name_that_is_none_is_an_error(stream: Stream, name: str) -> None:
    stream.on("content.delt", print)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stream.on(name, print)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stream.once("contents")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    stream.off("finalContent", print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.wait_for("done")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def waiting_gives_the_event(stream: Stream) -> None:
    assert_type(stream.wait_for, WaitFor)
    assert_type(stream.wait_for("content"), ContentDeltaEvent)
    assert_type(stream.wait_for("content.delta"), ContentDeltaEvent)
    assert_type(stream.wait_for("chunk"), ChunkEvent)
    assert_type(stream.wait_for("usage").usage.total_tokens, int)
    assert_type(stream.wait_for(event="end"), EndEvent)


async def waiting_is_awaited_in_an_async_stream(stream: AsyncStream) -> None:
    assert_type(stream.wait_for, AsyncWaitFor)
    assert_type(await stream.wait_for("content"), ContentDeltaEvent)
    assert_type(await stream.wait_for("usage"), UsageEvent)
    pending: Coroutine[Any, Any, EndEvent] = stream.wait_for("end")
    assert_type(await pending, EndEvent)


def all_names_in_a_loop(stream: Stream) -> None:
    for name in EVENT_TYPES:
        if name != "chunk":
            stream.on(name, lambda event: event)


async def events_are_handed_in(emitter: EventEmitter, event: ChatStreamEvent) -> None:
    emitter.emit(event)
    await emitter.emit_async(event)
