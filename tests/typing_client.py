"""What type checkers must see of the client: every call, sync and async. Read by mypy and basedpyright, never run."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, assert_type

import httpx

from chatstream import AsyncChatClient, AsyncChatCompletionStream, ChatClient, ChatCompletionStream
from chatstream.client import (
    AsyncChunkStream,
    AsyncCursorPage,
    AsyncPages,
    ChunkStream,
    ClientOptions,
    CreateOptions,
    RequestOptions,
    StreamOptions,
    SyncCursorPage,
    Timeout,
)
from chatstream.errors import ParameterError
from chatstream.events import ChatStreamEvent, ContentDeltaEvent
from chatstream.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionDeleted,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageLike,
    ChatCompletionMessageParam,
    ChatCompletionStoreMessage,
    CompletionUsage,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ResponseInfo,
)

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
TOOL: ChatCompletionFunctionToolParam = {"type": "function", "function": {"name": "f"}}


def is_made(http: httpx.Client, other: object) -> None:
    assert_type(ChatClient(), ChatClient)
    ChatClient(
        api_key="k",
        organization="o",
        project=None,
        base_url=httpx.URL("https://host"),
        timeout=2,
        max_retries=0,
        default_headers={"a": "b", "c": None},
        default_query={"a": 1},
        http_client=http,
        allow_plain_http=True,
    )
    ChatClient(timeout=None, http_client=other)
    ChatClient(timeout=Timeout(connect=1, idle=None, total=5.5))
    ChatClient("k")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ChatClient(apikey="k")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ChatClient(timeout="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ChatClient(max_retries=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncChatClient(base_url=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def tells_of_itself(client: ChatClient, other: AsyncChatClient) -> None:
    assert_type(client.base_url, str)
    assert_type(client.timeout, Timeout)
    assert_type(client.max_retries, int)
    assert_type(client.is_closed, bool)
    assert_type(client.timeout.idle, float | None)
    assert_type(other.base_url, str)
    assert_type(other.is_closed, bool)


class MyClient(ChatClient):
    def own(self) -> None: ...


def is_made_from_another(client: ChatClient, other: AsyncChatClient, mine: MyClient, options: ClientOptions) -> None:
    assert_type(client.with_options(timeout=5, max_retries=1), ChatClient)
    assert_type(other.with_options(api_key=None, base_url="https://host"), AsyncChatClient)
    assert_type(client.with_options(**options), ChatClient)
    mine.with_options(default_headers={"a": None}).own()
    client.with_options(http_client=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.with_options(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other.with_options(api_keys="k")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def is_a_context() -> None:
    with ChatClient() as client:
        assert_type(client, ChatClient)
    with MyClient() as mine:
        mine.own()
    client.close()


async def is_an_async_context() -> None:
    async with AsyncChatClient() as client:
        assert_type(client, AsyncChatClient)
    await client.aclose()
    await client.close()


# create


def asks_for_a_completion(client: ChatClient, flag: bool) -> None:
    create = client.chat.completions.create
    assert_type(create(messages=MESSAGES, model="m"), ChatCompletion)
    assert_type(create(messages=MESSAGES, model="gpt-5", stream=False, temperature=0), ChatCompletion)
    assert_type(create(messages=MESSAGES, model="m", stream=None, n=2, timeout=5), ChatCompletion)
    assert_type(create(messages=MESSAGES, model="m", stream=True), ChunkStream)
    assert_type(create(messages=MESSAGES, model="m", stream=True, stream_options={"include_usage": True}), ChunkStream)
    assert_type(create(messages=MESSAGES, model="m", stream=flag), ChatCompletion | ChunkStream)


async def asks_for_a_completion_and_waits(client: AsyncChatClient, flag: bool) -> None:
    create = client.chat.completions.create
    assert_type(await create(messages=MESSAGES, model="m"), ChatCompletion)
    assert_type(await create(messages=MESSAGES, model="gpt-5", stream=False, temperature=0), ChatCompletion)
    assert_type(await create(messages=MESSAGES, model="m", stream=None, n=2, timeout=5), ChatCompletion)
    assert_type(await create(messages=MESSAGES, model="m", stream=True), AsyncChunkStream)
    assert_type(await create(messages=MESSAGES, model="m", stream=flag), ChatCompletion | AsyncChunkStream)


def reads_what_came(completion: ChatCompletion, page: SyncCursorPage[ChatCompletion]) -> None:
    assert_type(completion.response, ResponseInfo | None)
    assert_type(completion.choices[0].message.content, str | None)
    assert_type(completion.usage, CompletionUsage | None)
    assert_type(page.response, ResponseInfo | None)
    if completion.response is not None:
        assert_type(completion.response.status_code, int)
        assert_type(completion.response.headers, Mapping[str, str])
        assert_type(completion.response.request_id, str | None)
        assert_type(completion.response.retries, int)
        assert_type(completion.response.elapsed, float)


def reads_chunks(client: ChatClient) -> None:
    chunks = client.chat.completions.create(messages=MESSAGES, model="m", stream=True)
    for chunk in chunks:
        assert_type(chunk, ChatCompletionChunk)
        assert_type(chunk.choices[0].delta.content, str | None)
    assert_type(next(chunks), ChatCompletionChunk)
    assert_type(chunks.response, ResponseInfo | None)
    with chunks as entered:
        assert_type(entered, ChunkStream)
    chunks.abort()
    chunks.close()


async def reads_chunks_and_waits(client: AsyncChatClient) -> None:
    chunks = await client.chat.completions.create(messages=MESSAGES, model="m", stream=True)
    async for chunk in chunks:
        assert_type(chunk, ChatCompletionChunk)
    assert_type(await anext(chunks), ChatCompletionChunk)
    assert_type(chunks.response, ResponseInfo | None)
    async with chunks as entered:
        assert_type(entered, AsyncChunkStream)
    chunks.abort()
    await chunks.close()
    await chunks.aclose()


def says_how_to_answer(client: ChatClient, options: CreateOptions) -> None:
    client.chat.completions.create(
        messages=MESSAGES,
        model="a model nobody has heard of",
        audio={"format": "wav", "voice": "alloy"},
        modalities=["text", "audio"],
        frequency_penalty=1,
        logit_bias={"5": 1},
        logprobs=True,
        top_logprobs=2,
        max_completion_tokens=5,
        metadata={"k": "v"},
        n=1,
        parallel_tool_calls=False,
        prediction={"type": "content", "content": "Hi"},
        presence_penalty=None,
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        safety_identifier="s",
        seed=1,
        service_tier="auto",
        stop=["a"],
        store=True,
        temperature=0.5,
        tool_choice={"type": "function", "function": {"name": "f"}},
        tools=[TOOL, {"type": "custom", "custom": {"name": "g"}}],
        top_p=1,
        verbosity="low",
        web_search_options={"user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}},
        extra_headers={"a": "b", "c": None},
        extra_query={"a": [1]},
        extra_body={"top_k": 5},
        timeout=Timeout(total=5),
        max_retries=0,
        idempotency_key="once",
        raise_on={"length"},
        allow_incomplete=True,
    )
    assert_type(client.chat.completions.create(messages=MESSAGES, model="m", **options), ChatCompletion)
    assert_type(client.chat.completions.create(messages=MESSAGES, model="m", stream=True, **options), ChunkStream)


def is_told_of_mistakes(client: ChatClient) -> None:
    create = client.chat.completions.create
    create(messages=MESSAGES)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    create(model="m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    create(MESSAGES, "m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    create(messages=MESSAGES, model="m", top_k=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    create(messages=MESSAGES, model="m", temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    create(messages=MESSAGES, model="m", reasoning_effort="extreme")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    create(messages=MESSAGES, model="m", tools=[{"type": "functions"}])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    create(messages=MESSAGES, model="m", stream="yes")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    create(messages=MESSAGES, model="m", max_retries=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    create(messages=[{"role": "robot", "content": "Hi"}], model="m")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    create(messages="Hi", model="m")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    create(messages=MESSAGES, model="m", record="tape")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def is_told_of_mistakes_that_wait(client: AsyncChatClient) -> None:
    create = client.chat.completions.create
    await create(messages=MESSAGES, model="m", top_k=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await create(messages=MESSAGES, model="m", temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await create(messages=MESSAGES, model=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def goes_on_with_a_conversation(client: ChatClient, stored: SyncCursorPage[ChatCompletionStoreMessage]) -> None:
    conversation: list[ChatCompletionMessageLike] = [{"role": "user", "content": "Hi"}]
    completion = client.chat.completions.create(messages=conversation, model="m")
    conversation.append(completion.choices[0].message)
    conversation.append({"role": "tool", "tool_call_id": "c", "content": "1"})
    with client.chat.completions.stream(messages=conversation, model="m") as stream:
        conversation.append(stream.final_message())
    conversation.extend(stored)
    client.chat.completions.create(messages=tuple(conversation), model="m")
    client.chat.completions.create(messages=iter(conversation), model="m")
    conversation.append({"role": "robot"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    conversation.append(completion)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# stream


def listens(client: ChatClient, options: StreamOptions) -> None:
    stream = client.chat.completions.stream(messages=MESSAGES, model="m", n=1, raise_on={"length"}, record="tape")
    assert_type(stream, ChatCompletionStream)
    assert_type(client.chat.completions.stream(messages=MESSAGES, model="m", **options), ChatCompletionStream)
    stream.on("content.delta", lambda event: event.delta)
    with stream as entered:
        assert_type(entered, ChatCompletionStream)
    assert_type(iter(stream), Iterator[ChatStreamEvent])
    assert_type(stream.wait_for("content.delta"), ContentDeltaEvent)
    assert_type(stream.final_chat_completion(), ParsedChatCompletion[Any])
    assert_type(stream.final_message(), ParsedChatCompletionMessage[Any])
    assert_type(stream.final_content(), str | None)
    assert_type(stream.final_function_tool_call(), ChatCompletionMessageFunctionToolCall | None)
    assert_type(stream.total_usage(), CompletionUsage | None)
    assert_type(stream.response, ResponseInfo | None)
    assert_type(stream.chunks(), Iterator[ChatCompletionChunk])
    client.chat.completions.stream(messages=MESSAGES, model="m", stream=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.chat.completions.stream(messages=MESSAGES, model="m", top_k=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.chat.completions.stream(messages=MESSAGES, model="m", n="1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def listens_and_waits(client: AsyncChatClient) -> None:
    stream = client.chat.completions.stream(messages=MESSAGES, model="m", allow_incomplete=True)
    assert_type(stream, AsyncChatCompletionStream)
    async with stream as entered:
        assert_type(entered, AsyncChatCompletionStream)
    async for event in stream:
        assert_type(event, ChatStreamEvent)
    assert_type(stream.text(), AsyncIterator[str])
    assert_type(await stream.final_chat_completion(), ParsedChatCompletion[Any])
    assert_type(await stream.final_content(), str | None)
    assert_type(stream.response, ResponseInfo | None)
    client.chat.completions.stream(messages=MESSAGES, model="m", temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


# What was stored


def asks_for_what_was_stored(client: ChatClient, options: RequestOptions) -> None:
    completions = client.chat.completions
    assert_type(completions.retrieve("c"), ChatCompletion)
    assert_type(completions.retrieve("c", timeout=5, max_retries=1), ChatCompletion)
    assert_type(completions.retrieve("c", **options), ChatCompletion)
    assert_type(completions.update("c", metadata={"k": "v"}), ChatCompletion)
    assert_type(completions.update("c", metadata=None, idempotency_key="k"), ChatCompletion)
    assert_type(completions.delete("c", extra_headers={"a": None}), ChatCompletionDeleted)
    assert_type(completions.delete("c").deleted, bool)
    assert_type(completions.delete("c").response, ResponseInfo | None)
    completions.retrieve(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    completions.retrieve("c", model="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    completions.update("c")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    completions.update("c", metadata={"k": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    completions.delete("c", timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def turns_pages(client: ChatClient) -> None:
    page = client.chat.completions.list(model="m", metadata={"k": "v"}, order="asc", after="c", limit=5, timeout=5)
    assert_type(page, SyncCursorPage[ChatCompletion])
    assert_type(page.data, list[ChatCompletion])
    assert_type(page.has_next_page(), bool)
    assert_type(page.get_next_page(), SyncCursorPage[ChatCompletion])
    assert_type(iter(page), Iterator[ChatCompletion])
    for completion in page:
        assert_type(completion, ChatCompletion)
    for one in page.iter_pages():
        assert_type(one, SyncCursorPage[ChatCompletion])
    messages = client.chat.completions.messages.list("c", order="desc", after="m", limit=1)
    assert_type(messages, SyncCursorPage[ChatCompletionStoreMessage])
    for message in messages:
        assert_type(message, ChatCompletionStoreMessage)
    client.chat.completions.list(order="up")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.chat.completions.list(limit="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.chat.completions.list(before="c")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.chat.completions.messages.list("c", model="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def asks_for_what_was_stored_and_waits(client: AsyncChatClient) -> None:
    completions = client.chat.completions
    assert_type(await completions.retrieve("c"), ChatCompletion)
    assert_type(await completions.update("c", metadata={}), ChatCompletion)
    assert_type(await completions.delete("c"), ChatCompletionDeleted)
    pages = assert_type(completions.list(limit=5), AsyncPages[ChatCompletion])
    page = await pages
    assert_type(page, AsyncCursorPage[ChatCompletion])
    assert_type(page.data, list[ChatCompletion])
    assert_type(await page.get_next_page(), AsyncCursorPage[ChatCompletion])
    async for completion in pages:
        assert_type(completion, ChatCompletion)
    async for completion in page:
        assert_type(completion, ChatCompletion)
    async for one in page.iter_pages():
        assert_type(one, AsyncCursorPage[ChatCompletion])
    async for message in completions.messages.list("c"):
        assert_type(message, ChatCompletionStoreMessage)
    assert_type(await completions.messages.list("c"), AsyncCursorPage[ChatCompletionStoreMessage])
    _ = completions.list(order="up")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def catches(error: ParameterError) -> None:
    assert_type(error.param, str | None)
    assert_type(error.code, str)
