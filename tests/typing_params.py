"""What a type checker must see in the requests of `chatstream.types`. Read by mypy and basedpyright, never run."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, assert_type

from typing_extensions import Unpack

from chatstream.types import (
    ChatCompletion,
    ChatCompletionMessageLike,
    ChatCompletionMessageParam,
    ChatCompletionNamedToolChoiceParam,
    ChatCompletionRole,
    ChatCompletionToolUnionParam,
    CompletionCreateParams,
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
    CompletionParams,
    ResponseFormat,
)
from chatstream.validation import Problem, first_problem, metadata_problem, problems


def writes_a_conversation() -> list[ChatCompletionMessageParam]:
    return [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "type": "custom", "custom": {"name": "g", "input": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "function", "name": "f", "content": None},
    ]


def asks_for_an_answer(messages: list[ChatCompletionMessageParam]) -> CompletionCreateParamsNonStreaming:
    schema: dict[str, Any] = {"type": "object"}
    tools: list[ChatCompletionToolUnionParam] = [
        {"type": "function", "function": {"name": "f", "parameters": schema}},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
    ]
    choice: ChatCompletionNamedToolChoiceParam = {"type": "function", "function": {"name": "f"}}
    return {
        "model": "a model nobody has heard of",
        "messages": messages,
        "tools": tools,
        "tool_choice": choice,
        "modalities": ["text", "audio"],
        "audio": {"format": "wav", "voice": {"id": "v"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
        "stop": ("a", "b"),
        "temperature": 1,
        "metadata": {"k": "v"},
        "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}},
    }


def asks_for_a_stream() -> CompletionCreateParamsStreaming:
    return {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def tells_a_stream_from_a_whole_answer(params: CompletionCreateParams) -> list[object]:
    model: str = params["model"]
    assert_type(params["messages"], Sequence[ChatCompletionMessageParam])
    assert_type(params.get("metadata"), Mapping[str, str] | None)
    whole: CompletionCreateParams = {"model": "m", "messages": [], "stream": False}
    streamed: CompletionCreateParams = {"model": "m", "messages": [], "stream": True}
    return [model, whole, streamed]


def tells_messages_apart_by_their_role(message: ChatCompletionMessageParam, role: ChatCompletionRole) -> None:
    if message["role"] == "tool":
        assert_type(message["tool_call_id"], str)
    assert_type(role, Literal["developer", "system", "user", "assistant", "tool", "function"])


def goes_on_with_a_conversation(completion: ChatCompletion) -> list[ChatCompletionMessageLike]:
    conversation: list[ChatCompletionMessageLike] = [{"role": "user", "content": "hi"}]
    conversation.append(completion.choices[0].message)
    conversation.append({"role": "user", "content": [{"type": "text", "text": "and then?"}]})
    ask(messages=conversation, model="m", temperature=1, response_format={"type": "python"}, stream=True)
    ask(messages=conversation, model="m", temperature="hot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ask(messages=conversation, model="m", temprature=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    return conversation


def ask(
    *,
    messages: Sequence[ChatCompletionMessageLike],
    model: str,
    stream: bool = False,
    **params: Unpack[CompletionParams],
) -> list[object]:
    assert_type(params.get("temperature"), float | None)
    assert_type(params.get("response_format"), ResponseFormat | None)
    return [messages, model, stream]


def is_told_of_mistakes() -> None:
    _role: ChatCompletionMessageParam = {"role": "robot", "content": "hi"}  # type: ignore[assignment, misc]  # pyright: ignore[reportAssignmentType]
    _n: CompletionCreateParamsNonStreaming = {"model": "m", "messages": [], "n": "1"}  # type: ignore[typeddict-item]  # pyright: ignore[reportAssignmentType]
    _model: CompletionCreateParamsNonStreaming = {"messages": []}  # type: ignore[typeddict-item]  # pyright: ignore[reportAssignmentType]


def validates(body: object) -> None:
    assert_type(first_problem(body), Problem | None)
    assert_type(metadata_problem(body), Problem | None)
    for found in problems(body):
        assert_type(found.message, str)
        assert_type(found.param, str | None)
        assert_type(found.code, str)
        assert_type(found.status, int)
        assert_type(found.unknown_word, bool)
