"""What type checkers must see of a tool loop. Read by mypy and basedpyright, never run."""

from typing import TYPE_CHECKING, Any, assert_type

from chatstream.emitter import EventEmitter
from chatstream.events import (
    EVENT_TYPES,
    LOOP_EVENT_TYPES,
    ChatCompletionEvent,
    ConnectEvent,
    ContentDeltaEvent,
    EndEvent,
    FinalMessageEvent,
    FunctionToolCallEvent,
    FunctionToolCallResultEvent,
    MessageEvent,
    TotalUsageEvent,
)
from chatstream.tools import AsyncToolRunner, ToolRunner
from chatstream.tools.listening import AsyncRunnerWaitFor, RunnerSubscribe, RunnerWaitFor
from chatstream.types import ChatCompletion, ChatCompletionChunk
from chatstream.types.parsed import ParsedChatCompletion

if TYPE_CHECKING:
    from collections.abc import Coroutine


def call(event: FunctionToolCallEvent) -> None: ...
async def call_async(event: FunctionToolCallEvent) -> None: ...
def content_delta(event: ContentDeltaEvent) -> None: ...
def either(event: ContentDeltaEvent | TotalUsageEvent, again: int = 0) -> str:
    return f"{event}{again}"


def a_listener_is_called_with_its_own_event(runner: ToolRunner) -> None:
    runner.on("function_tool_call", call)
    runner.on("connect", lambda event: event.type)
    runner.on("message", lambda event: event.message["role"])
    runner.on("chat_completion", lambda event: event.completion.choices)
    runner.on("function_tool_call", lambda event: event.arguments)
    runner.on("function_tool_call_result", lambda event: event.content)
    runner.on("final_chat_completion", lambda event: event.completion.id)
    runner.once("final_message", lambda event: event.message.content)
    runner.once("final_content", lambda event: event.content)
    runner.once("final_function_tool_call", lambda event: event.name)
    runner.once("final_function_tool_call_result", lambda event: event.error)
    runner.once(event="total_usage", listener=lambda event: event.usage.total_tokens)


def a_listener_for_the_streams_events_is_called_with_them(runner: ToolRunner) -> None:
    runner.on("content.delta", content_delta)
    runner.on("content.delta", lambda event: event.delta)
    runner.on("tool_calls.function.arguments.delta", lambda event: event.arguments_delta)
    runner.on("content", lambda delta, snapshot: delta + snapshot)
    runner.on("chunk", lambda chunk, snapshot: (chunk.id, snapshot.usage))
    runner.once("end", lambda event: event.end.kind)


# mypy reads a lambda twice, the first time without its event: assert_type in it would fail, but a wrong member tells.
def a_lambda_is_read_with_the_type_of_its_event(runner: ToolRunner) -> None:
    runner.on("message", lambda event: event.content)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    runner.once("total_usage", lambda event: event.total_tokens)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    runner.on("content", lambda delta, _: delta.delta)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    runner.on("chunk", lambda chunk, _: chunk.snapshot)  # type: ignore[call-overload]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]


def what_is_given_back_is_of_the_same_class(runner: ToolRunner, async_runner: AsyncToolRunner) -> None:
    assert_type(runner.on, RunnerSubscribe[ToolRunner])
    assert_type(runner.on("function_tool_call", call), ToolRunner)
    assert_type(runner.once("content", print), ToolRunner)
    assert_type(runner.off("content.delta", content_delta), ToolRunner)
    assert_type(runner.off("function_tool_call", call), ToolRunner)
    assert_type(async_runner.on("message", print), AsyncToolRunner)
    runner.on("function_tool_call", call).once("end", print).off("end", print).until_done()


def a_listener_may_be_async_or_take_more_than_it_is_given(runner: AsyncToolRunner) -> None:
    runner.on("function_tool_call", call_async).once("content.delta", either).on("total_usage", either)


def a_decorator_gives_the_function_back_with_its_own_type(runner: ToolRunner) -> None:
    @runner.on("function_tool_call_result")
    def result(event: FunctionToolCallResultEvent, *, limit: int = 80) -> str:
        return event.content[:limit]

    @runner.on("content.delta")
    @runner.once("total_usage")
    def several(event: ContentDeltaEvent | TotalUsageEvent, again: int = 0) -> str:
        return f"{event}{again}"

    @runner.once("final_message")
    async def final(event: FinalMessageEvent) -> None: ...

    @runner.on("chunk")
    def chunk(chunk: ChatCompletionChunk, snapshot: ChatCompletion) -> None: ...

    def use(event: FunctionToolCallResultEvent, usage: TotalUsageEvent) -> None:
        assert_type(result(event, limit=2), str)
        assert_type(several(usage, again=1), str)

    runner.off("chunk", chunk).once("end", lambda _: (use, final))


def the_wrong_listener_is_an_error(runner: ToolRunner) -> None:
    runner.on("message", call)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.on("end", content_delta)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.on("content", content_delta)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.on("connect", None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.on("message")(call)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def a_name_that_is_none_is_an_error(runner: ToolRunner, name: str) -> None:
    runner.on("function_tool_cal", print)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.on(name, print)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.once("final_usage")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    runner.off("finalContent", print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    runner.wait_for("done")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def the_loops_names_are_none_of_a_streams(stream: EventEmitter) -> None:
    stream.on("message", print)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def waiting_gives_the_event(runner: ToolRunner) -> None:
    assert_type(runner.wait_for, RunnerWaitFor)
    assert_type(runner.wait_for("connect"), ConnectEvent)
    assert_type(runner.wait_for("message"), MessageEvent)
    assert_type(runner.wait_for("chat_completion").completion, ParsedChatCompletion[Any])
    assert_type(runner.wait_for("total_usage").usage.total_tokens, int)
    assert_type(runner.wait_for("content"), ContentDeltaEvent)
    assert_type(runner.wait_for(event="end"), EndEvent)


async def waiting_is_awaited_in_an_async_runner(runner: AsyncToolRunner) -> None:
    assert_type(runner.wait_for, AsyncRunnerWaitFor)
    assert_type(await runner.wait_for("function_tool_call"), FunctionToolCallEvent)
    assert_type(await runner.wait_for("content.delta"), ContentDeltaEvent)
    pending: Coroutine[Any, Any, ChatCompletionEvent] = runner.wait_for("chat_completion")
    assert_type(await pending, ChatCompletionEvent)


def all_names_in_a_loop(runner: ToolRunner) -> None:
    for name in (*EVENT_TYPES, *LOOP_EVENT_TYPES):
        if name != "chunk":
            runner.on(name, lambda event: event)
