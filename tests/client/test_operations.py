"""Every operation, end to end against the local server: sync and async, on httpx and on httpx2."""

import gc
import inspect
import json
import time
from contextlib import asynccontextmanager
from typing import get_type_hints

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessage as OpenAIMessage

from chatstream import AsyncChatClient, ChatClient, __version__
from chatstream.client import (
    AsyncChunkStream,
    AsyncCursorPage,
    AsyncPages,
    ChunkStream,
    ClientOptions,
    CreateOptions,
    ParseOptions,
    RequestOptions,
    RunOptions,
    StreamOptions,
    SyncCursorPage,
)
from chatstream.client.async_completions import AsyncCompletions, AsyncMessages
from chatstream.client.completions import Completions, Messages
from chatstream.ends import Limits
from chatstream.errors import (
    APIUserAbortError,
    BadRequestError,
    ChatStreamError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    StreamConsumedError,
    StreamInterruptedError,
)
from chatstream.recording import Recording
from chatstream.server import ReplayServer
from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionDeleted,
    ChatCompletionStoreMessage,
)
from halves import all_of, both_halves, client_class, closed, entered, first_of, got, is_async, talking
from wire import chunk, wire

SAID = "Rain in Oslo?"
ASKED = {"model": "echo", "messages": [{"role": "user", "content": SAID}]}
ANSWER = f"You said: {SAID}\n\nThis is an echo, made of your own request and by no model."
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CUSTOM = {"type": "custom", "custom": {"name": "run_code"}}


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running:
        yield running


@asynccontextmanager
async def storing(half):
    """A client, and a server that nobody else stores in."""
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running:
        async with talking(half, running.base_url) as talk:
            talk.server = running
            yield talk


async def store(talk, count, **params):
    """Ask and have it stored, so many times; the completions, oldest first."""
    return [await got(talk.completions.create(**{**ASKED, "store": True, **params})) for _ in range(count)]


def asked(text, **params):
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **params}


def struck(fault, **params):
    return {**ASKED, "extra_headers": {"X-Chatstream-Fault": fault}, **params}


def without_names(completion):
    """A completion without what differs from answer to answer, nor what a stream has parsed of it."""
    raw = completion.model_dump(exclude={"id", "created"})
    for choice in raw["choices"]:
        choice["message"].pop("parsed", None)
        for name in ("id", "expires_at"):
            (choice["message"].get("audio") or {}).pop(name, None)
        for call in choice["message"].get("tool_calls") or ():
            call["id"] = "call"
            call.get("function", {}).pop("parsed_arguments", None)
    return raw


# create


@both_halves
async def test_create_gives_the_completion_and_how_it_came(half, server):
    async with talking(half, server.base_url) as talk:
        completion = await got(talk.completions.create(**ASKED))
    assert type(completion) is ChatCompletion
    assert completion.choices[0].message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion.response.status_code == 200
    assert completion.response.request_id == server.requests[-1].request_id
    assert completion.response.retries == 0
    assert completion.response.headers["content-type"].startswith("application/json")
    assert 0 < completion.response.elapsed < 20
    assert server.requests[-1].body == ASKED
    assert [(seen.method, seen.route) for seen in server.requests[-1:]] == [("POST", "/v1/chat/completions")]


@both_halves
async def test_create_with_a_stream_gives_the_chunks_and_how_they_came(half, server):
    async with talking(half, server.base_url) as talk:
        chunks = await got(talk.completions.create(**ASKED, stream=True))
        assert type(chunks) is (AsyncChunkStream if is_async(half) else ChunkStream)
        assert len(talk.requests) == 1  # sent at once, before anything is read
        assert chunks.response.request_id == server.requests[-1].request_id
        assert chunks.response.headers["content-type"].startswith("text/event-stream")
        read = await all_of(chunks)
    assert {type(chunk) for chunk in read} == {ChatCompletionChunk}
    assert "".join(choice.delta.content or "" for chunk in read for choice in chunk.choices) == ANSWER
    assert server.requests[-1].body == {**ASKED, "stream": True}


@both_halves
async def test_create_with_a_stream_of_false_gives_the_completion(half, server):
    async with talking(half, server.base_url) as talk:
        completion = await got(talk.completions.create(**ASKED, stream=False))
    assert completion.choices[0].message.content == ANSWER


REQUESTS = {
    "text": ASKED,
    "two choices": {**ASKED, "n": 2},
    "logprobs": {**ASKED, "logprobs": True, "top_logprobs": 2},
    "calls": asked("call get_weather", tools=[TOOL]),
    "a custom call": asked("call run_code", tools=[CUSTOM]),
    "an older call": asked("call old", functions=[{"name": "old"}]),
    "a refusal": asked("please refuse"),
    "a filtered answer": asked("content filter"),
    "a cut answer": {**ASKED, "max_completion_tokens": 3},
    "reasoning": {**ASKED, "reasoning_effort": "low"},
    "annotations": {**ASKED, "web_search_options": {}},
    "a schema": asked(
        "JSON!",
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "n",
                "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            },
        },
    ),
    "audio": {**ASKED, "modalities": ["text", "audio"], "audio": {"format": "wav", "voice": "alloy"}},
}


@both_halves
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_the_chunks_add_up_to_the_answer_that_is_given_at_once(half, server, request_):
    async with talking(half, server.base_url) as talk:
        whole = await got(talk.completions.create(**request_))
        usage = {"stream_options": {"include_usage": True}}
        chunks = await all_of(await got(talk.completions.create(**request_, **usage, stream=True)))
        async with entered(talk.completions.stream(**request_, **usage)) as stream:
            streamed = await got(stream.final_chat_completion())
    added = ChatCompletionStream([chunk.model_dump(exclude_unset=True) for chunk in chunks]).final_chat_completion()
    told = without_names(whole)
    assert told["choices"]
    for one in (added, streamed):
        # An empty list that a whole answer has, a stream never sends.
        assert without_empty(without_names(one)) == without_empty(told)


def without_empty(raw):
    if isinstance(raw, dict):
        return {name: without_empty(value) for name, value in raw.items() if value not in (None, [], {})}
    if isinstance(raw, list):
        return [without_empty(value) for value in raw]
    return raw


@both_halves
async def test_chunks_can_be_left_in_the_middle_and_closed(half, server):
    async with talking(half, server.base_url) as talk:
        chunks = await got(talk.completions.create(**ASKED, stream=True))
        async with entered(chunks):
            assert len(await first_of(chunks, 2)) == 2
        chunks = await got(talk.completions.create(**ASKED, stream=True))
        await closed(chunks)
        with pytest.raises(StreamConsumedError):
            await first_of(chunks, 1)
        assert (await got(talk.completions.create(**ASKED))).choices


@both_halves
async def test_a_service_that_streams_unasked_is_understood(half, server):
    async with talking(half, server.base_url) as talk:
        completion = await got(talk.completions.create(**ASKED, extra_body={"stream": True}))
    assert completion.choices[0].message.content == ANSWER


@both_halves
async def test_a_service_that_does_not_stream_when_asked_is_understood(half, server):
    async with talking(half, server.base_url) as talk:
        stream = talk.completions.stream(**ASKED, extra_body={"stream": False})
        completion = await got(stream.final_chat_completion())
    assert completion.choices[0].message.content == ANSWER


@both_halves
async def test_chunks_of_a_service_that_does_not_stream_have_deltas(half, server):
    async with talking(half, server.base_url) as talk:
        chunks = await all_of(await got(talk.completions.create(**ASKED, stream=True, extra_body={"stream": False})))
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == ANSWER


# stream


@both_halves
async def test_a_stream_is_sent_when_it_is_entered_and_not_before(half, server):
    async with talking(half, server.base_url) as talk:
        stream = talk.completions.stream(**ASKED)
        assert type(stream) is (AsyncChatCompletionStream if is_async(half) else ChatCompletionStream)
        assert talk.requests == []
        assert stream.response is None
        async with entered(stream):
            assert len(talk.requests) == 1
            assert stream.response.status_code == 200
            assert await got(stream.final_content()) == ANSWER
        assert len(talk.requests) == 1


@both_halves
async def test_a_stream_that_is_not_entered_is_sent_when_first_read(half, server):
    async with talking(half, server.base_url) as talk:
        stream = talk.completions.stream(**ASKED)
        (first,) = await first_of(stream, 1)
        assert first.type == "chunk"
        assert await got(stream.final_content()) == ANSWER
        assert await got(talk.completions.stream(**ASKED).final_content()) == ANSWER
        assert len(talk.requests) == 2


@both_halves
async def test_a_stream_that_is_never_read_is_never_sent(half, server, recwarn):
    async with talking(half, server.base_url) as talk:
        talk.completions.stream(**ASKED)
        stream = talk.completions.stream(**ASKED)
        await closed(stream)
        with pytest.raises(StreamConsumedError):
            await got(stream.final_content())
        assert talk.requests == []
    assert not recwarn.list


@both_halves
async def test_listeners_hear_a_stream_and_its_ends_agree(half, server):
    heard = []
    async with talking(half, server.base_url) as talk:
        stream = talk.completions.stream(**ASKED, stream_options={"include_usage": True})
        stream.on("content", lambda delta, snapshot: heard.append((delta, snapshot)))
        stream.once("end", lambda event: heard.append(event.end.kind))
        async with entered(stream):
            completion = await got(stream.final_chat_completion())
            assert (await got(stream.final_message())).content == ANSWER
            assert await got(stream.final_content()) == ANSWER
            assert await got(stream.final_function_tool_call()) is None
            assert (await got(stream.total_usage())).total_tokens == completion.usage.total_tokens
    *deltas, end = heard
    assert "".join(delta for delta, _ in deltas) == ANSWER
    assert deltas[-1][1] == ANSWER
    assert end == stream.end.kind == "complete"
    assert stream.snapshot.choices[0].message.content == ANSWER


@both_halves
async def test_a_stream_of_a_call_ends_with_it(half, server):
    async with talking(half, server.base_url) as talk:
        call = await got(talk.completions.stream(**asked("call get_weather", tools=[TOOL])).final_function_tool_call())
    assert call.function.name == "get_weather"
    assert call.function.arguments == "{}"


@both_halves
async def test_the_text_of_a_stream_and_waiting_for_an_event_work_before_it_is_entered(half, server):
    async with talking(half, server.base_url) as talk:
        assert "".join(await all_of(talk.completions.stream(**ASKED).text())) == ANSWER
        async with entered(talk.completions.stream(**ASKED)) as stream:
            event = await got(stream.wait_for("content.delta"))
    assert ANSWER.startswith(event.snapshot)


@both_halves
async def test_a_stream_is_timed_from_when_it_is_sent(half, server):
    async with talking(half, server.base_url) as talk:
        made = time.monotonic()
        stream = talk.completions.stream(**struck("delay_first:0.1"))
        time.sleep(0.3)  # noqa: ASYNC251  what passes before it is sent does not count, and nothing else runs
        began = time.monotonic()
        async with entered(stream):
            await got(stream.until_done())
        ended = time.monotonic()
    assert 0.1 <= stream.stats.first_byte <= stream.stats.duration <= ended - began < ended - made - 0.3


@both_halves
async def test_a_tape_begins_when_the_stream_is_sent(half, server, tmp_path):
    tape = tmp_path / "tape.jsonl"
    async with talking(half, server.base_url) as talk:
        stream = talk.completions.stream(**ASKED, record=tape)
        time.sleep(0.5)  # noqa: ASYNC251  as above
        await got(stream.until_done())
    asked, head = (json.loads(line) for line in tape.read_text().splitlines()[1:3])
    assert (asked[1], head[1], head[2]["status"]) == ("q", "h", 200)
    assert 0 <= asked[0] + head[0] < 0.5


@both_halves
async def test_a_stream_that_is_never_read_is_never_sent_nor_recorded(half, server, tmp_path, recwarn):
    async with talking(half, server.base_url) as talk:
        stream = talk.completions.stream(**ASKED, record=tmp_path / "tape.jsonl")
        del stream
        gc.collect()
        assert talk.requests == []
    assert [str(warning.message) for warning in recwarn.list] == []
    assert not (tmp_path / "tape.jsonl").exists()


@both_halves
async def test_a_stream_takes_the_options_of_reading(half, server, tmp_path):
    tape = tmp_path / "tape.jsonl"
    async with talking(half, server.base_url) as talk:
        recorded = talk.completions.stream(**ASKED, record=tape)
        await got(recorded.until_done())
        with pytest.raises(StreamInterruptedError):
            await got(talk.completions.stream(**struck("disconnect:2")).until_done())
        partial = talk.completions.stream(**asked("content filter"), raise_on={"content_filter"})
        with pytest.raises(Exception, match="filter") as raised:
            await got(partial.until_done())
    replayed = ChatCompletionStream(tape).final_chat_completion()
    assert replayed == await got(recorded.final_chat_completion())
    assert raised.value.completion.choices[0].finish_reason == "content_filter"
    assert not {"record", "raise_on"} & set(server.requests[-1].body)


FAULTS = ["disconnect:3", "truncate:3", "malformed:3", "error_event:3", "no_done", "duplicate_event:3", "bad_utf8:3"]


@both_halves
@pytest.mark.parametrize("fault", FAULTS)
async def test_chunks_and_events_end_with_the_same_verdict(half, server, fault):
    async with talking(half, server.base_url) as talk:
        verdicts = []
        for ask in (chunks_of, events_of):
            try:
                verdicts.append(await ask(talk, fault))
            except Exception as error:  # noqa: BLE001  which one is the point
                completion = error.completion
                verdicts.append((type(error), str(error), completion.choices[0].message.content))
    assert verdicts[0] == verdicts[1]


async def chunks_of(talk, fault):
    chunks = await got(talk.completions.create(**struck(fault), stream=True))
    return len(await all_of(chunks))


async def events_of(talk, fault):
    events = await all_of(talk.completions.stream(**struck(fault)))
    return len([event for event in events if event.type == "chunk"])


READING = [
    ("content filter", {"raise_on": {"content_filter"}}),
    ("a long answer", {"raise_on": ["length"], "max_completion_tokens": 3}),
    ("past its limit", {"limits": Limits(max_event_size=100)}),
]


@both_halves
@pytest.mark.parametrize(("text", "options"), READING, ids=lambda value: value if isinstance(value, str) else "")
async def test_an_answer_is_judged_alike_however_it_is_asked_for(half, server, text, options):
    verdicts = []
    async with talking(half, server.base_url) as talk:
        for ask in (
            lambda: talk.completions.create(**asked(text, **options)),
            lambda: talk.completions.stream(**asked(text, **options)).until_done(),
        ):
            with pytest.raises(ChatStreamError) as raised:
                await got(ask())
            verdicts.append(raised.value)
        chunks = await got(talk.completions.create(**asked(text, **options), stream=True))
        with pytest.raises(ChatStreamError) as raised:
            await all_of(chunks)
        verdicts.append(raised.value)
    assert len({type(verdict) for verdict in verdicts}) == 1
    assert not {"raise_on", "limits"} & set(server.requests[-1].body)


ERRORS = [
    ("status:400", BadRequestError, 400),
    ("status:503", InternalServerError, 503),
    ("rate_limit:1", RateLimitError, 429),
]


@both_halves
@pytest.mark.parametrize(("fault", "kind", "status"), ERRORS)
async def test_a_refusal_is_its_error_whatever_was_asked(half, server, fault, kind, status):
    async with talking(half, server.base_url) as talk:
        with pytest.raises(kind) as raised:
            await got(talk.completions.create(**struck(fault)))
        assert raised.value.status_code == status
        assert raised.value.request_id == server.requests[-1].request_id
        with pytest.raises(kind):
            await got(talk.completions.create(**struck(fault), stream=True))
        with pytest.raises(kind):
            async with entered(talk.completions.stream(**struck(fault))):
                pass
        with pytest.raises(kind):
            await got(talk.completions.stream(**struck(fault)).final_content())
        headers = struck(fault)["extra_headers"]
        with pytest.raises(kind):
            await got(talk.completions.list(extra_headers=headers))
        with pytest.raises(kind):
            await got(talk.completions.retrieve("c", extra_headers=headers))
        with pytest.raises(kind):
            await got(talk.completions.delete("c", extra_headers=headers))
        with pytest.raises(kind):
            await got(talk.completions.update("c", metadata={}, extra_headers=headers))
        with pytest.raises(kind):
            await got(talk.completions.messages.list("c", extra_headers=headers))


@both_halves
async def test_how_often_it_was_asked_again_is_told(half):
    async with storing(half) as talk:
        completion = await got(talk.completions.create(**struck("rate_limit:0.01,times=1"), max_retries=1))
        stream = talk.completions.stream(**struck("rate_limit:0.02,times=1"), max_retries=1)
        await got(stream.until_done())
    assert completion.response.retries == stream.response.retries == 1


# What was stored


@both_halves
async def test_a_stored_completion_is_retrieved_as_it_was(half):
    async with storing(half) as talk:
        (made,) = await store(talk, 1, metadata={"k": "v"})
        stored = await got(talk.completions.retrieve(made.id))
    assert type(stored) is ChatCompletion
    assert stored.id == made.id
    assert stored.metadata == {"k": "v"}
    assert without_empty(stored.choices[0].model_dump()) == without_empty(made.choices[0].model_dump())
    assert stored.usage == made.usage
    assert stored.response.status_code == 200


@both_halves
async def test_the_metadata_of_a_stored_completion_are_updated(half):
    async with storing(half) as talk:
        (made,) = await store(talk, 1, metadata={"k": "v"})
        updated = await got(talk.completions.update(made.id, metadata={"a": "b"}))
        assert (updated.id, updated.metadata) == (made.id, {"a": "b"})
        assert type(updated) is ChatCompletion
        assert (await got(talk.completions.retrieve(made.id))).metadata == {"a": "b"}
        assert not (await got(talk.completions.update(made.id, metadata=None))).metadata
        assert talk.server.requests[-1].content == b'{"metadata":null}'


@both_halves
async def test_a_stored_completion_is_deleted_once(half):
    async with storing(half) as talk:
        (made,) = await store(talk, 1)
        gone = await got(talk.completions.delete(made.id))
        assert type(gone) is ChatCompletionDeleted
        assert (gone.id, gone.deleted, gone.object) == (made.id, True, "chat.completion.deleted")
        assert gone.response.status_code == 200
        for ask in (talk.completions.delete, talk.completions.retrieve):
            with pytest.raises(NotFoundError):
                await got(ask(made.id))
        with pytest.raises(NotFoundError):
            await got(talk.completions.update(made.id, metadata={}))
        with pytest.raises(NotFoundError):
            await got(talk.completions.messages.list(made.id))


@both_halves
async def test_an_id_stays_one_segment_of_the_path(half, server):
    async with talking(half, server.base_url) as talk:
        with pytest.raises(NotFoundError):
            await got(talk.completions.retrieve("a/../b?c#d é"))
        assert talk.requests[-1].url.raw_path == b"/v1/chat/completions/a%2F..%2Fb%3Fc%23d%20%C3%A9"


@both_halves
async def test_a_list_gives_a_page_and_goes_on_through_all_pages(half):
    async with storing(half) as talk:
        made = [completion.id for completion in await store(talk, 5)]
        page = await got(talk.completions.list(limit=2, order="asc"))
        assert type(page) is (AsyncCursorPage if is_async(half) else SyncCursorPage)[ChatCompletion]
        assert [completion.id for completion in page.data] == made[:2]
        assert {type(completion) for completion in page.data} == {ChatCompletion}
        assert page.has_next_page()
        assert page.response.status_code == 200
        assert [completion.id for completion in await all_of(talk.completions.list(limit=2, order="asc"))] == made
        assert [completion.id for completion in await all_of(page)] == made
        assert [completion.id for completion in await all_of(talk.completions.list(order="desc"))] == made[::-1]


@both_halves
async def test_a_list_is_asked_for_once_and_only_when_it_is_wanted(half):
    async with storing(half) as talk:
        await store(talk, 3)
        del talk.requests[:]
        pages = talk.completions.list(limit=2)
        assert len(talk.requests) == (0 if is_async(half) else 1)
        if is_async(half):
            assert type(pages) is AsyncPages
        assert len(await first_of(pages, 1)) == 1
        assert len(talk.requests) == 1


@both_halves
async def test_a_list_is_of_what_fits(half):
    async with storing(half) as talk:
        await store(talk, 1, metadata={"k": "v", "l": "w"})
        await store(talk, 1, metadata={"k": "other"})
        await store(talk, 1, model="another")
        (found,) = await all_of(talk.completions.list(metadata={"k": "v"}))
        assert found.metadata == {"k": "v", "l": "w"}
        (found,) = await all_of(talk.completions.list(model="another"))
        assert found.model == "another"
        assert await all_of(talk.completions.list(model="none")) == []
        assert dict(talk.requests[-1].url.params) == {"model": "none"}
        everything = await all_of(talk.completions.list(order="asc"))
        after = await all_of(talk.completions.list(order="asc", after=everything[0].id))
        assert [completion.id for completion in after] == [completion.id for completion in everything[1:]]


@both_halves
async def test_the_filters_of_a_list_and_its_options_go_along_to_each_page(half):
    async with storing(half) as talk:
        await store(talk, 3, metadata={"k": "v"})
        del talk.requests[:]
        options = {"extra_headers": {"X-Mine": "1"}, "extra_query": {"q": "2"}}
        await all_of(talk.completions.list(limit=1, metadata={"k": "v"}, order="asc", model="echo", **options))
        assert len(talk.requests) == 3
        for request in talk.requests:
            params = dict(request.url.params)
            after = params.pop("after", None)
            assert (after is None) == (request is talk.requests[0])
            assert params == {"limit": "1", "metadata[k]": "v", "order": "asc", "model": "echo", "q": "2"}
            assert request.headers["x-mine"] == "1"


MESSAGES = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "What is this?", "name": "ann"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "1"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "And that?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        ],
    },
]


@both_halves
async def test_the_messages_of_a_stored_completion_are_listed_in_parts_and_page_by_page(half):
    async with storing(half) as talk:
        (made,) = await store(talk, 1, messages=MESSAGES)
        page = await got(talk.completions.messages.list(made.id, limit=2, order="asc"))
        assert type(page) is (AsyncCursorPage if is_async(half) else SyncCursorPage)[ChatCompletionStoreMessage]
        assert (len(page.data), page.has_next_page()) == (2, True)
        messages = await all_of(talk.completions.messages.list(made.id, limit=2, order="asc"))
        assert {type(message) for message in messages} == {ChatCompletionStoreMessage}
        assert [message.role for message in messages] == [message["role"] for message in MESSAGES]
        assert [part.type for part in messages[-1].content_parts] == ["text", "image_url"]
        backwards = await all_of(talk.completions.messages.list(made.id, order="desc"))
        assert [message.id for message in backwards] == [message.id for message in messages][::-1]
        last = await all_of(talk.completions.messages.list(made.id, after=messages[-2].id, order="asc"))
        assert [message.id for message in last] == [messages[-1].id]


# Conversations


@both_halves
async def test_a_conversation_of_three_turns_is_made_of_the_answers_as_they_come(half, server):
    conversation = [{"role": "user", "content": "one"}]
    async with talking(half, server.base_url) as talk:
        completion = await got(talk.completions.create(model="echo", messages=conversation))
        conversation.append(completion.choices[0].message)
        conversation.append({"role": "user", "content": "two"})
        async with entered(talk.completions.stream(model="echo", messages=conversation)) as stream:
            conversation.append(await got(stream.final_message()))
        conversation.append({"role": "user", "content": "three"})
        last = await got(talk.completions.create(model="echo", messages=conversation))
    assert "three" in last.choices[0].message.content
    sent = server.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert sent[1] == {"role": "assistant", "content": ANSWER.replace(SAID, "one")}
    assert sent[3] == {"role": "assistant", "content": ANSWER.replace(SAID, "two")}


@both_halves
async def test_an_answer_with_calls_is_appended_with_what_the_tools_said(half, server):
    conversation = [{"role": "user", "content": "call get_weather and call run_code"}]
    tools = [TOOL, CUSTOM]
    async with talking(half, server.base_url) as talk:
        message = (
            (await got(talk.completions.create(model="echo", messages=conversation, tools=tools))).choices[0].message
        )
        assert [call.type for call in message.tool_calls] == ["function", "custom"]
        conversation.append(message)
        conversation += [
            {"role": "tool", "tool_call_id": call.id, "content": "4 degrees"} for call in message.tool_calls
        ]
        last = await got(talk.completions.create(model="echo", messages=conversation, tools=tools))
    assert last.choices[0].finish_reason == "stop"
    sent = server.requests[-1].body["messages"][1]
    assert sent["tool_calls"] == [call.model_dump() for call in message.tool_calls]
    assert set(sent) <= {"role", "content", "tool_calls"}


@both_halves
async def test_stored_messages_go_back_as_they_were_sent(half):
    async with storing(half) as talk:
        (made,) = await store(talk, 1, messages=MESSAGES)
        messages = await all_of(talk.completions.messages.list(made.id, order="asc"))
        again = await got(talk.completions.create(model="echo", messages=messages, store=True))
        stored = await all_of(talk.completions.messages.list(again.id, order="asc"))
    assert [without_empty(message.to_param()) for message in messages] == [without_empty(one) for one in MESSAGES]
    assert [message.to_param() for message in stored] == [message.to_param() for message in messages]


@both_halves
async def test_a_message_of_the_openai_sdk_is_appended_as_it_is(half, server):
    with openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as other:
        message = other.chat.completions.create(**asked("call get_weather", tools=[TOOL])).choices[0].message
    assert isinstance(message, OpenAIMessage)
    conversation = [
        {"role": "user", "content": "call get_weather"},
        message,
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"},
        OpenAIMessage(role="assistant", content="Rain."),
        {"role": "user", "content": "thanks"},
    ]
    async with talking(half, server.base_url) as talk:
        completion = await got(talk.completions.create(model="echo", messages=conversation))
    assert "thanks" in completion.choices[0].message.content
    sent = server.requests[-1].body["messages"]
    assert sent[1]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": "{}"}
    assert sent[3]["content"] == "Rain."


def test_what_is_sent_leaves_the_conversation_as_it_was(server):
    with ChatClient(base_url=server.base_url) as client:
        message = client.chat.completions.create(**ASKED).choices[0].message
        conversation = [{"role": "user", "content": "Hi"}, message]
        client.chat.completions.create(model="echo", messages=conversation)
    assert conversation == [{"role": "user", "content": "Hi"}, message]
    assert conversation[1] is message


# What every call takes

CALLS = {
    "create": lambda completions, **options: completions.create(**ASKED, **options),
    "chunks": lambda completions, **options: completions.create(**ASKED, stream=True, **options),
    "stream": lambda completions, **options: completions.stream(**ASKED, **options).until_done(),
    "retrieve": lambda completions, **options: completions.retrieve("c", **options),
    "update": lambda completions, **options: completions.update("c", metadata={"k": "v"}, **options),
    "delete": lambda completions, **options: completions.delete("c", **options),
    "list": lambda completions, **options: completions.list(**options),
    "messages": lambda completions, **options: completions.messages.list("c", **options),
}
WITH_A_BODY = {"create", "chunks", "stream", "update"}


async def request_of(talk, call, **options):
    """The one HTTP request that a call made; that the server may have refused it does not matter."""
    before = len(talk.requests)
    try:
        answer = await got(CALLS[call](talk.completions, **options))
    except NotFoundError:
        answer = None
    if call == "chunks":
        await closed(answer)
    (request,) = talk.requests[before:]
    return request


@both_halves
@pytest.mark.parametrize("call", CALLS)
async def test_every_call_takes_headers_a_query_and_a_body_of_its_own(half, server, call):
    async with talking(half, server.base_url, api_key="k", default_headers={"X-Client": "c"}) as talk:
        request = await request_of(
            talk,
            call,
            extra_headers={"X-Call": "1", "X-Client": None, "User-Agent": "mine"},
            extra_query={"a": 1, "b": ["x", "y"], "c": None, "d": True},
            extra_body={"metadata": {"of": "mine"}},
            idempotency_key="once",
            timeout=20.0,
            max_retries=0,
        )
        sent = server.requests[-1].body
    assert request.headers["x-call"] == "1"
    assert "x-client" not in request.headers
    assert request.headers["user-agent"] == "mine"
    assert request.headers["idempotency-key"] == "once"
    assert request.headers["authorization"] == "Bearer k"
    assert request.url.params.multi_items() == [("a", "1"), ("b[]", "x"), ("b[]", "y"), ("d", "true")]
    assert sent["metadata"] == {"of": "mine"}
    assert ("messages" in sent) == (call in WITH_A_BODY - {"update"})


@both_halves
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_says_who_asks_and_what_it_takes(half, server, call):
    async with talking(half, server.base_url, api_key="k", organization="org", project="proj") as talk:
        request = await request_of(talk, call)
    streams = call in {"chunks", "stream"}
    headers = request.headers
    assert headers["authorization"] == "Bearer k"
    assert headers["openai-organization"] == "org"
    assert headers["openai-project"] == "proj"
    assert headers["user-agent"] == f"chatstream/{__version__}"
    assert headers["accept-encoding"] == ("identity" if streams else "gzip, deflate")
    assert headers.get_list("accept") == ["text/event-stream" if streams else "application/json"]
    assert headers.get("content-type") == ("application/json" if call in WITH_A_BODY else None)
    assert "idempotency-key" not in headers
    for name in ("authorization", "user-agent", "accept-encoding", "host"):
        assert len(headers.get_list(name)) == 1


@both_halves
async def test_headers_can_be_taken_away(half, server):
    async with talking(half, server.base_url, api_key="k") as talk:
        request = await request_of(talk, "create", extra_headers={"Authorization": None})
        again = await request_of(talk, "create")
    assert "authorization" not in request.headers
    assert again.headers["authorization"] == "Bearer k"


@both_halves
async def test_without_a_key_nothing_stands_for_it(half, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with talking(half, server.base_url) as talk:
        request = await request_of(talk, "create")
    assert "authorization" not in request.headers
    assert "openai-organization" not in request.headers
    assert "openai-project" not in request.headers


@both_halves
async def test_extra_body_goes_over_what_was_said(half, server):
    async with talking(half, server.base_url) as talk:
        await got(talk.completions.create(**ASKED, temperature=0, extra_body={"temperature": 1, "top_k": 5}))
        assert server.requests[-1].body == {**ASKED, "temperature": 1, "top_k": 5}
        await got(talk.completions.create(**ASKED, extra_body={}, extra_query=None, extra_headers=None))
        assert server.requests[-1].body == ASKED


@both_halves
async def test_the_environment_says_what_is_not_said(half, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from-env")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    async with talking(half, None) as talk:
        assert talk.client.base_url == server.base_url
        headers = (await request_of(talk, "create")).headers
    assert (headers["authorization"], headers["openai-organization"], headers["openai-project"]) == (
        "Bearer from-env",
        "org",
        "proj",
    )
    async with talking(half, None, api_key="mine", organization="o", project="p") as talk:
        headers = (await request_of(talk, "create")).headers
    assert headers["authorization"] == "Bearer mine"
    assert (headers["openai-organization"], headers["openai-project"]) == ("o", "p")


@both_halves
async def test_a_client_with_other_options_is_another_on_the_same_connections(half, server):
    async with talking(half, server.base_url, api_key="k", default_query={"a": "1"}) as talk:
        other = talk.client.with_options(api_key="other", default_headers={"X-O": "1"}, timeout=5.0, max_retries=3)
        assert type(other) is client_class(half)
        await got(other.chat.completions.create(**ASKED))
        await got(talk.completions.create(**ASKED))
        theirs, ours = talk.requests
        assert theirs.headers["authorization"] == "Bearer other"
        assert theirs.headers["x-o"] == "1"
        assert theirs.url.params["a"] == "1"
        assert ours.headers["authorization"] == "Bearer k"
        assert "x-o" not in ours.headers
        assert (other.max_retries, other.timeout.idle) == (3, 5.0)
        assert (talk.client.max_retries, talk.client.timeout.idle) == (0, 20)


def test_connections_are_shared_with_a_client_of_other_options():
    with ReplayServer(speed=None) as server, ChatClient(base_url=server.base_url) as client:
        client.chat.completions.create(**ASKED)
        client.with_options(timeout=5).chat.completions.create(**ASKED)
        with client.with_options(max_retries=0).chat.completions.create(**ASKED, stream=True) as chunks:
            next(chunks)
            # While the stream is open: whether its connection is kept afterwards depends on when its last bytes come.
            assert len(server._connections) == 1
        assert len(server.requests) == 3


# Both halves offer the same

TWINS = [
    (ChatClient, AsyncChatClient),
    (Completions, AsyncCompletions),
    (Messages, AsyncMessages),
    (ChunkStream, AsyncChunkStream),
    (SyncCursorPage, AsyncCursorPage),
    (ChatCompletionStream, AsyncChatCompletionStream),
]
ONLY_ASYNC = {"aclose"}
# Their types differ: what waits is awaited.
WAITS = {"sleep"}


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


def parameters(function):
    """Names, kinds and defaults; the name of the instance does not count."""
    found = list(inspect.signature(function).parameters.values())
    return [(parameter.name, parameter.kind, repr(parameter.default)) for parameter in found]


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins[0].__name__)
def test_both_halves_have_the_same_names_with_the_same_parameters(twins):
    one, other = twins
    assert public(one) == public(other) - ONLY_ASYNC
    for name in public(one):
        if callable(getattr(one, name)):
            assert parameters(getattr(one, name)) == parameters(getattr(other, name)), name
        else:
            assert type(inspect.getattr_static(one, name)) is type(inspect.getattr_static(other, name)), name
    assert parameters(one) == parameters(other)


@pytest.mark.parametrize("twins", TWINS[:3], ids=lambda twins: twins[0].__name__)
def test_both_halves_have_docstrings(twins):
    for cls in twins:
        assert cls.__doc__
        for name in public(cls) - {"close"}:
            assert getattr(cls, name).__doc__, (cls, name)


def test_both_halves_take_the_same_types():
    for name in ("create", "parse", "run_tools", "stream", "retrieve", "update", "delete", "list"):
        one, other = (get_source_annotations(getattr(cls, name)) for cls in (Completions, AsyncCompletions))
        assert one == other, name


def get_source_annotations(function):
    return {name: hint for name, hint in function.__annotations__.items() if name != "return"}


def test_the_options_of_a_call_are_among_those_of_every_call():
    every = set(get_type_hints(RequestOptions))
    assert every == {"extra_headers", "extra_query", "extra_body", "timeout", "max_retries", "idempotency_key"}
    assert every < set(get_type_hints(CreateOptions))
    # A class may be the format there, so that it is a parameter of its own.
    assert set(get_type_hints(CreateOptions)) == set(get_type_hints(ParseOptions)) | {"response_format"}
    assert set(get_type_hints(StreamOptions)) == set(get_type_hints(ParseOptions)) | {"record"}
    assert set(get_type_hints(RunOptions)) == set(get_type_hints(ParseOptions)) - {"tools", "functions"}


def test_with_options_takes_what_a_client_takes_but_for_what_is_shared():
    taken = set(inspect.signature(ChatClient).parameters)
    assert set(ClientOptions.__annotations__) == taken - {"http_client", "record", "sleep", "random", "clock"}


# Recorded streams of real providers, through a server and both halves


def recording_of(conformance, file):
    text = (conformance / file).read_text("utf-8")
    data = "".join(f"data: {line}\n\n" for line in text.splitlines() if line.strip())
    return f"{data}data: [DONE]\n\n".encode()


def served(data):
    return ReplayServer(Recording.parse(data, name="tape"), speed=None, grace=0.1)


def is_recorded(case):
    return bool(case["file"])


@pytest.mark.anyio
@pytest.mark.conformance("streams/index.json", where=is_recorded)
@pytest.mark.parametrize("half", ["sync-httpx", "async-httpx"])
async def test_a_recorded_stream_that_is_served_is_what_the_recording_is(half, conformance, case):
    data = recording_of(conformance, case["file"])
    expected = ChatCompletionStream([data]).final_chat_completion()
    with served(data) as server:
        async with talking(half, server.base_url) as talk:
            completion = await got(talk.completions.stream(**ASKED).final_chat_completion())
            chunks = await all_of(await got(talk.completions.create(**ASKED, stream=True)))
    assert completion == expected
    assert completion.model_dump() == expected.model_dump()
    assert (
        ChatCompletionStream([chunk.model_dump(exclude_unset=True) for chunk in chunks]).final_chat_completion()
        == expected
    )


def test_models_inside_a_message_are_told_as_dicts_too():
    with ReplayServer(speed=None) as server, ChatClient(base_url=server.base_url) as client:
        tools = [
            {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
        ]
        ask = {"role": "user", "content": "look it up"}
        first = client.chat.completions.create(model="m", messages=[ask], tools=tools, tool_choice="required")
        calls = first.choices[0].message.tool_calls
        said = {"role": "assistant", "content": None, "tool_calls": calls}
        found = {"role": "tool", "tool_call_id": calls[0].id, "content": "nothing"}
        client.chat.completions.create(model="m", messages=[ask, said, found], tools=tools)
        assert server.requests[-1].body["messages"][1]["tool_calls"] == [calls[0].model_dump(exclude_none=True)]


def test_reading_on_after_an_interruption_blames_nobody_else():
    def answers():
        yield wire([chunk({"content": "half"})], done=False)
        raise KeyboardInterrupt

    class Body(httpx.SyncByteStream):
        def __iter__(self):
            return answers()

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Body()))
    with httpx.Client(transport=transport) as http:
        client = ChatClient(base_url="http://localhost/v1", http_client=http)
        stream = client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "?"}])
        with pytest.raises(KeyboardInterrupt):
            stream.until_done()
        with pytest.raises(APIUserAbortError, match="interrupted") as raised:
            stream.until_done()
        assert raised.value.completion.choices[0].message.content == "half"


def test_a_secret_of_the_query_is_no_more_told_than_one_of_a_header():
    def answer(request):
        return httpx.Response(400, json={"error": {"message": f"what is {request.url}?"}})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = ChatClient(base_url="http://localhost/v1", http_client=http, max_retries=0)
        with pytest.raises(BadRequestError) as raised:
            client.chat.completions.list(extra_query={"api_key": "yellow.canary.secret"})
        assert "yellow.canary" not in f"{raised.value!r} {raised.value.message} {raised.value.body}"
