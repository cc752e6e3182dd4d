"""What a type checker must see of structured output and of the tool loop: read by mypy and basedpyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, assert_type

from pydantic import BaseModel
from typing_extensions import TypedDict

from chatstream import AsyncChatClient, AsyncChatCompletionStream, ChatClient, ChatCompletionStream, function_tool
from chatstream.events import (
    ChatCompletionEvent,
    ContentDeltaEvent,
    FunctionToolCallResultEvent,
    MessageEvent,
    ToolLoopEvent,
)
from chatstream.tools import AsyncToolRunner, Deny, ToolCall, ToolContext, ToolRunner
from chatstream.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
    CompletionUsage,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
)

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello."}]


class Event(BaseModel):
    """A model."""

    name: str


@dataclass
class Point:
    """A dataclass."""

    x: int


class Place(TypedDict):
    """A TypedDict."""

    city: str


def parses(client: ChatClient) -> None:
    """``parse`` gives what it was given a class for."""
    completions = client.chat.completions
    event = completions.parse(messages=MESSAGES, model="m", response_format=Event)
    assert_type(event, ParsedChatCompletion[Event])
    assert_type(event.choices[0].message.parsed, Event | None)
    assert_type(
        completions.parse(messages=MESSAGES, model="m", response_format=Point, temperature=0),
        ParsedChatCompletion[Point],
    )
    assert_type(completions.parse(messages=MESSAGES, model="m", response_format=Place), ParsedChatCompletion[Place])
    assert_type(
        completions.parse(messages=MESSAGES, model="m", response_format={"type": "json_object"}),
        ParsedChatCompletion[Any],
    )
    assert_type(completions.parse(messages=MESSAGES, model="m", tools=[weather, Event]), ParsedChatCompletion[Any])
    completions.parse(messages=MESSAGES, model="m", response_format=Event, stream=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    completions.parse(messages=MESSAGES, model="m", response_format="json")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def parses_async(client: AsyncChatClient) -> None:
    """The same, awaited."""
    completions = client.chat.completions
    event = await completions.parse(messages=MESSAGES, model="m", response_format=Event)
    assert_type(event, ParsedChatCompletion[Event])
    assert_type(event.choices[0].message.parsed, Event | None)
    stream = completions.stream(messages=MESSAGES, model="m", response_format=Event)
    assert_type(stream, AsyncChatCompletionStream[Event])
    assert_type(await stream.final_chat_completion(), ParsedChatCompletion[Event])


def streams(client: ChatClient) -> None:
    """A stream of a class ends in it."""
    with client.chat.completions.stream(messages=MESSAGES, model="m", response_format=Event) as stream:
        assert_type(stream, ChatCompletionStream[Event])
        assert_type(stream.final_message().parsed, Event | None)


@function_tool
def weather(city: str, days: int = 1) -> str:
    """A tool."""
    return city * days


@function_tool(name="when", on_error="raise", timeout=2)
async def clock(context: ToolContext[int]) -> int:
    """An async tool."""
    return context.context


def plain(city: str) -> str:
    """A function."""
    return city


def approve(call: ToolCall) -> Deny | None:
    """A hook."""
    return Deny("no") if call.name == "rm" else None


def runs(client: ChatClient) -> None:
    """A runner, what it listens for, and what it ends in."""
    assert_type(weather("Oslo"), str)
    runner = client.chat.completions.run_tools(
        messages=MESSAGES,
        model="m",
        tools=[weather, plain, {"type": "function", "function": {"name": "f", "function": plain}}],
        before_call=approve,
        after_call=lambda call, result: (call.name, result),
        context={"user": 1},
        max_chat_completions=3,
        temperature=0.5,
    )
    assert_type(runner, ToolRunner)
    assert_type(runner.on("message", lambda event: str(event.message)), ToolRunner)
    assert_type(runner.once("content", lambda delta, snapshot: delta + snapshot), ToolRunner)

    @runner.on("function_tool_call_result")
    def told(event: FunctionToolCallResultEvent) -> None:
        assert_type(event.error, str | None)

    @runner.on("chunk")
    def took(chunk: ChatCompletionChunk, snapshot: ChatCompletion) -> None: ...

    assert_type(runner.wait_for("chat_completion"), ChatCompletionEvent)
    assert_type(runner.wait_for("content.delta"), ContentDeltaEvent)
    runner.on("no_such_event", print)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    for event in runner:
        assert_type(event, ToolLoopEvent)
        if event.type == "message":
            assert_type(event, MessageEvent)
    assert_type(runner.text(), Iterator[str])
    assert_type(runner.messages, list[ChatCompletionMessageParam])
    assert_type(runner.final_content(), str | None)
    assert_type(runner.final_message(), ParsedChatCompletionMessage[Any])
    assert_type(runner.final_chat_completion(), ParsedChatCompletion[Any])
    assert_type(runner.final_function_tool_call(), ChatCompletionMessageFunctionToolCall | None)
    assert_type(runner.final_function_tool_call_result(), str | None)
    assert_type(runner.all_chat_completions(), list[ParsedChatCompletion[Any]])
    assert_type(runner.total_usage(), CompletionUsage | None)
    assert_type(runner.until_done(), ToolRunner)
    client.chat.completions.run_tools(messages=MESSAGES, model="m", tools=[plain], n=2, max_rounds=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def runs_async(client: AsyncChatClient) -> None:
    """The same, awaited."""
    async with client.chat.completions.run_tools(messages=MESSAGES, model="m", tools=[clock], stream=True) as runner:
        assert_type(runner, AsyncToolRunner)
        assert_type(await runner.wait_for("message"), MessageEvent)
        async for event in runner:
            assert_type(event, ToolLoopEvent)
        assert_type(runner.text(), AsyncIterator[str])
        assert_type(await runner.final_content(), str | None)
        assert_type(await runner.until_done(), AsyncToolRunner)
        assert_type(await runner.total_usage(), CompletionUsage | None)
