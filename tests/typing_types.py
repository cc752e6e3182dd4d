"""What a type checker must see in `chatstream.types`. Read by mypy and basedpyright, never run."""

from typing import Any, assert_type

from pydantic import BaseModel

from chatstream.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    CompletionUsage,
    ParsedChatCompletion,
    ParsedFunctionToolCall,
    build,
)


class Answer(BaseModel):
    """Something to parse a content as."""

    word: str


def builds_what_it_is_asked_for(values: dict[str, Any]) -> None:
    assert_type(build(ChatCompletion, values), ChatCompletion)
    assert_type(build(ChatCompletionChunk, values), ChatCompletionChunk)
    assert_type(build(ParsedChatCompletion[Answer], values), ParsedChatCompletion[Answer])


def reads_a_completion(completion: ChatCompletion) -> None:
    message = completion.choices[0].message
    assert_type(message, ChatCompletionMessage)
    assert_type(message.content, str | None)
    assert_type(message.reasoning, str | None)
    assert_type(message.to_param(), dict[str, Any])
    assert_type(completion.usage, CompletionUsage | None)
    for call in message.tool_calls or []:
        assert_type(call, ChatCompletionMessageFunctionToolCall | ChatCompletionMessageCustomToolCall)
        if call.type == "function":
            assert_type(call.name, str | None)
            assert_type(call.arguments, str | None)
        else:
            assert_type(call.custom.input, str)


def reads_a_parsed_completion(completion: ParsedChatCompletion[Answer]) -> None:
    message = completion.choices[0].message
    assert_type(message.parsed, Answer | None)
    for call in message.tool_calls or []:
        assert_type(call, ParsedFunctionToolCall | ChatCompletionMessageCustomToolCall)
    whole: ChatCompletion = completion
    assert_type(whole.to_dict(mode="python", exclude_none=True), dict[str, Any])


def reads_a_chunk(chunk: ChatCompletionChunk) -> None:
    delta = chunk.choices[0].delta
    assert_type(delta.content, str | None)
    for call in delta.tool_calls or []:
        assert_type(call.index, int)


def dumps_with_the_options_of_pydantic(completion: ChatCompletion) -> None:
    assert_type(completion.model_dump(mode="json", include={"id"}, exclude_none=True), dict[str, Any])
    assert_type(completion.model_dump_json(indent=2), str)
    completion.model_dump(indent=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
