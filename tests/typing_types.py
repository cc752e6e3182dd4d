"""What a type checker must see in `chatstream.types`. Read by mypy and basedpyright, never run."""

from collections.abc import Mapping
from typing import Any, assert_type

from pydantic import BaseModel

from chatstream.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionDeleted,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
    ChatCompletionRole,
    ChatCompletionsPage,
    ChatCompletionStoreMessage,
    ChatCompletionStoreMessagesPage,
    CompletionUsage,
    CursorPage,
    ParsedChatCompletion,
    ParsedFunctionToolCall,
    ResponseInfo,
    build,
)
from chatstream.types.answer import answered


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
    assert_type(message.to_param(), ChatCompletionMessageParam)
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


def reads_pages(page: ChatCompletionsPage, messages: ChatCompletionStoreMessagesPage) -> None:
    assert_type(page, CursorPage[ChatCompletion])
    assert_type(page.data, list[ChatCompletion])
    assert_type(page.has_next_page(), bool)
    assert_type(page.next_cursor(), str | None)
    assert_type(build(CursorPage[ChatCompletion], {}), CursorPage[ChatCompletion])
    assert_type(messages.data[0], ChatCompletionStoreMessage)
    assert_type(messages.data[0].role, ChatCompletionRole)
    assert_type(messages.data[0].to_param(), ChatCompletionMessageParam)


def reads_how_an_answer_came(
    parsed: ParsedChatCompletion[Answer], deleted: ChatCompletionDeleted, page: ChatCompletionsPage, info: ResponseInfo
) -> None:
    assert_type(answered(parsed, info), ParsedChatCompletion[Answer])
    assert_type(parsed.response, ResponseInfo | None)
    assert_type(deleted.response, ResponseInfo | None)
    assert_type(page.response, ResponseInfo | None)
    assert_type(info.status, int)
    assert_type(info.headers, Mapping[str, str])
    assert_type(info.request_id, str | None)
    assert_type(info.elapsed, float)
    parsed.response = info  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def dumps_with_the_options_of_pydantic(completion: ChatCompletion) -> None:
    assert_type(completion.model_dump(mode="json", include={"id"}, exclude_none=True), dict[str, Any])
    assert_type(completion.model_dump_json(indent=2), str)
    completion.model_dump(indent=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
