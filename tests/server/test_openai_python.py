"""The official SDK for Python drives the server, unchanged: what it sends is taken, what it gets makes its own objects."""

import base64
import json
import time

import anyio
import openai
import pytest
from pydantic import BaseModel

from chatstream.recording import Recording
from chatstream.server import ReplayServer

SAID = "Rain in Oslo?"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": SAID}]}
ANSWER = f"You said: {SAID}\n\nThis is an echo, made of your own request and by no model."
AT_ONCE = {"max_retries": 0, "timeout": 20}
MESSAGES = [  # each role, and each kind of content
    {"role": "developer", "content": "Be short."},
    {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
    {"role": "user", "content": "call both", "name": "ann"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "first", "arguments": "{}"}},
            {"id": "call_2", "type": "custom", "custom": {"name": "second", "input": "x"}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "1"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "2"}]},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "audio": None},
    {"role": "assistant", "audio": {"id": "audio_1"}},
    {"role": "assistant", "content": None, "function_call": {"name": "old", "arguments": "{}"}},
    {"role": "function", "name": "old", "content": "3"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "And these?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ],
    },
]


class Weather(BaseModel):
    city: str
    degrees: int
    sunny: bool


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str
    days: int


def user(text):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


def striking(fault):
    return {"X-Chatstream-Fault": fault}


@pytest.fixture(scope="module")
def server():
    # Some tests leave before their answer is there, and at its end the server need not wait for them.
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.base_url, api_key="none", **AT_ONCE) as made:
        yield made


@pytest.fixture
async def async_client(server):
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="none", **AT_ONCE) as made:
        yield made


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


# One answer, and a stream


def test_create_gives_a_completion(server, client):
    completion = client.chat.completions.create(**ASKED)
    (choice,) = completion.choices
    assert (completion.object, completion.model, completion.id[:9]) == ("chat.completion", "gpt-4o", "chatcmpl-")
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", ANSWER, "stop")
    assert (choice.message.refusal, choice.message.annotations, choice.logprobs) == (None, [], None)
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
    assert completion._request_id == server.requests[-1].request_id
    assert completion.service_tier == "default"
    assert abs(completion.created - time.time()) < 60
    assert server.requests[-1].body == ASKED


def test_create_with_stream_gives_chunks_that_add_up_to_the_answer(client):
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True}))
    assert text_of(chunks) == ANSWER
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1] if chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_stream_has_no_usage_unless_it_is_asked_for(client):
    chunks = list(client.chat.completions.create(**ASKED, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_stream_helper_has_the_events_and_the_completion(client):
    with client.chat.completions.stream(**ASKED, stream_options={"include_usage": True}) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    deltas = [event for event in events if event.type == "content.delta"]
    assert "".join(event.delta for event in deltas) == deltas[-1].snapshot == ANSWER
    assert [event.content for event in events if event.type == "content.done"] == [ANSWER]
    assert sum(event.type == "chunk" for event in events) > len(deltas)
    assert (final.choices[0].message.content, final.choices[0].finish_reason) == (ANSWER, "stop")
    assert final.usage.total_tokens > 0


def test_the_streamed_completion_is_the_one_that_comes_whole(client):
    asked = {**user("Oslo"), "n": 2, "logprobs": True, "top_logprobs": 2, "stream_options": {"include_usage": True}}
    with client.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().to_dict(exclude_none=True)
    del asked["stream_options"]
    whole = client.chat.completions.create(**asked).to_dict(exclude_none=True)
    for completion in (streamed, whole):
        del completion["id"], completion["created"]
        for choice in completion["choices"]:
            choice["message"].pop("annotations", None)  # the stream has no word for an empty list
            choice["message"].pop("parsed", None)
    assert streamed == whole


def test_raw_responses_have_status_headers_and_the_object(client):
    raw = client.chat.completions.with_raw_response.create(**ASKED)
    assert raw.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"] == raw.request_id
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.parse().choices[0].message.content == ANSWER


def test_streaming_responses_are_read_line_by_line(client):
    with client.chat.completions.with_streaming_response.create(**ASKED, stream=True) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


def test_the_base_url_is_taken_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with openai.OpenAI(**AT_ONCE) as found:
        assert found.chat.completions.create(**ASKED).choices[0].message.content == ANSWER


# What a request asks for


def test_a_pydantic_model_is_parsed_from_the_answer(client):
    asked = user("What is it like in Oslo?")
    parsed = client.chat.completions.parse(**asked, response_format=Weather).choices[0].message.parsed
    assert isinstance(parsed, Weather)
    with client.chat.completions.stream(**asked, response_format=Weather) as stream:
        done = [event for event in stream if event.type == "content.done"]
        assert stream.get_final_completion().choices[0].message.parsed == parsed
    assert [event.parsed for event in done] == [parsed]


def test_a_function_tool_is_called_and_its_arguments_parsed(client):
    asked = {**user("Please call GetWeather."), "tools": [openai.pydantic_function_tool(GetWeather)]}
    completion = client.chat.completions.parse(**asked)
    (call,) = completion.choices[0].message.tool_calls
    assert (completion.choices[0].finish_reason, call.type, call.function.name) == (
        "tool_calls",
        "function",
        "GetWeather",
    )
    assert isinstance(call.function.parsed_arguments, GetWeather)
    with client.chat.completions.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    deltas = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    (done,) = (event for event in events if event.type == "tool_calls.function.arguments.done")
    assert "".join(event.arguments_delta for event in deltas) == done.arguments == call.function.arguments
    assert done.parsed_arguments == call.function.parsed_arguments
    assert final.choices[0].message.tool_calls[0].function.parsed_arguments == call.function.parsed_arguments


def test_a_tools_answer_is_answered_in_text(client):
    tools = [openai.pydantic_function_tool(GetWeather)]
    asked = user("Please call GetWeather.")
    message = client.chat.completions.create(**asked, tools=tools).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "12 degrees"}
    history = [*asked["messages"], message, result]
    answered = client.chat.completions.create(model="gpt-4o", messages=history, tools=tools).choices[0]
    assert answered.finish_reason == "stop"
    assert "GetWeather returned: 12 degrees" in answered.message.content


@pytest.mark.parametrize(
    ("choice", "finish"),
    [
        ({"type": "function", "function": {"name": "second"}}, "stop"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "second"}}]}}, "tool_calls"),
    ],
    ids=["named", "allowed"],
)  # fmt: skip
def test_a_tool_choice_is_obeyed(client, choice, finish):
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in ("first", "second")
    ]
    (answered,) = client.chat.completions.create(**ASKED, tools=tools, tool_choice=choice).choices
    assert [call.function.name for call in answered.message.tool_calls] == ["second"]
    assert answered.finish_reason == finish


def test_a_custom_tool_gets_a_text(client):
    tools = [{"type": "custom", "custom": {"name": "shell", "description": "Runs a line"}}]
    (call,) = client.chat.completions.create(**user("call shell"), tools=tools).choices[0].message.tool_calls
    assert (call.type, call.custom.name) == ("custom", "shell")
    assert call.custom.input
    chunks = client.chat.completions.create(**user("call shell"), tools=tools, stream=True)
    deltas = [choice.delta.tool_calls[0] for chunk in chunks for choice in chunk.choices if choice.delta.tool_calls]
    assert {delta.index for delta in deltas} == {0}
    told = [delta.to_dict() for delta in deltas]
    assert "".join(delta.get("custom", {}).get("input", "") for delta in told) == call.custom.input
    assert (told[0]["type"], told[0]["custom"]["name"]) == ("custom", "shell")


def test_a_legacy_function_is_called(client):
    functions = [{"name": "old", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    (choice,) = client.chat.completions.create(**ASKED, functions=functions, function_call={"name": "old"}).choices
    assert choice.message.function_call.name == "old"
    assert json.loads(choice.message.function_call.arguments) == {"city": "city"}


def test_several_choices_come_each_with_its_index(client):
    completion = client.chat.completions.create(**ASKED, n=3)
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in completion.choices}) == 3
    chunks = list(client.chat.completions.create(**ASKED, n=3, stream=True))
    for index in range(3):
        mine = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(mine) == completion.choices[index].message.content


def test_logprobs_are_of_the_tokens_of_the_text(client):
    with client.chat.completions.stream(**ASKED, logprobs=True, top_logprobs=2) as stream:
        done = [event for event in stream if event.type == "logprobs.content.done"]
        tokens = stream.get_final_completion().choices[0].logprobs.content
    assert done[0].content == tokens
    assert "".join(token.token for token in tokens) == ANSWER
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == ANSWER


def test_reasoning_comes_with_its_tokens(client):
    completion = client.chat.completions.create(**ASKED, reasoning_effort="high")
    assert completion.usage.completion_tokens_details.reasoning_tokens > 0
    assert completion.choices[0].message.reasoning_content
    chunks = client.chat.completions.create(**ASKED, reasoning_effort="high", stream=True)
    deltas = [choice.delta.to_dict() for chunk in chunks for choice in chunk.choices]
    streamed = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert streamed == completion.choices[0].message.reasoning_content


def test_audio_is_a_sound_with_its_transcript(client):
    spoken = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    message = client.chat.completions.create(**ASKED, **spoken).choices[0].message
    assert message.content is None
    assert message.audio.transcript == ANSWER
    assert base64.b64decode(message.audio.data).startswith(b"RIFF")
    assert message.audio.expires_at > time.time()


def test_a_refusal_is_one_in_the_events_too(client):
    asked = user("please refuse")
    message = client.chat.completions.create(**asked).choices[0].message
    assert (message.content, bool(message.refusal)) == (None, True)
    with client.chat.completions.stream(**asked) as stream:
        events = list(stream)
    assert [event.refusal for event in events if event.type == "refusal.done"] == [message.refusal]
    parsed = client.chat.completions.parse(**asked, response_format=Weather).choices[0].message
    assert (parsed.parsed, parsed.refusal) == (None, message.refusal)


def test_a_web_search_cites_what_stands_in_the_text(client):
    message = client.chat.completions.create(**ASKED, web_search_options={}).choices[0].message
    (annotation,) = message.annotations
    cited = annotation.url_citation
    assert annotation.type == "url_citation"
    assert cited.url in message.content[cited.start_index : cited.end_index]


def test_a_prediction_is_counted(client):
    prediction = {"type": "content", "content": f"{ANSWER} Umbrella"}
    details = client.chat.completions.create(**ASKED, prediction=prediction).usage.completion_tokens_details
    assert details.accepted_prediction_tokens > details.rejected_prediction_tokens > 0


def test_a_cache_key_that_comes_again_caches_the_prompt(client):
    asked = {"model": "gpt-4o", "messages": [{"role": "system", "content": "Be short."}, *ASKED["messages"]]}
    kept = [
        client.chat.completions.create(**asked, prompt_cache_key="k").usage.prompt_tokens_details.cached_tokens
        for _ in range(2)
    ]
    assert kept[0] == 0 < kept[1]


def test_the_token_limit_is_a_finish_that_the_sdk_knows(client):
    completion = client.chat.completions.create(**ASKED, max_completion_tokens=3)
    assert (completion.choices[0].finish_reason, completion.usage.completion_tokens) == ("length", 3)
    assert ANSWER.startswith(completion.choices[0].message.content)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**ASKED, max_completion_tokens=3, response_format=Weather)


def test_a_content_filter_is_a_finish_that_the_sdk_knows(client):
    asked = user("content filter")
    assert client.chat.completions.create(**asked).choices[0].finish_reason == "content_filter"
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(**asked, response_format=Weather)


def test_a_stop_sequence_ends_the_text(client):
    assert client.chat.completions.create(**ASKED, stop=["Oslo"]).choices[0].message.content == "You said: Rain in "


def test_an_answer_in_json_is_json(client):
    asked = user("In JSON, please.")
    completion = client.chat.completions.create(**asked, response_format={"type": "json_object"})
    assert json.loads(completion.choices[0].message.content)["said"] == "In JSON, please."
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
    named = {"type": "json_schema", "json_schema": {"name": "kind", "schema": schema, "strict": True}}
    completion = client.chat.completions.create(**asked, response_format=named)
    assert json.loads(completion.choices[0].message.content) == {"kind": "a"}


def test_whatever_the_sdk_can_say_is_taken_and_arrives_as_it_was_said(server, client):
    asked = {
        "model": "gpt-4o",
        "messages": MESSAGES,
        "frequency_penalty": 0.5,
        "logit_bias": {"50256": -100},
        "max_completion_tokens": 500,
        "metadata": {"k": "v"},
        "modalities": ["text"],
        "n": 1,
        "parallel_tool_calls": False,
        "presence_penalty": -0.5,
        "prompt_cache_key": "all",
        "prompt_cache_retention": "24h",
        "reasoning_effort": "low",
        "response_format": {"type": "text"},
        "safety_identifier": "s",
        "seed": 7,
        "service_tier": "auto",
        "stop": ["THE END"],
        "store": False,
        "temperature": 0.3,
        "tool_choice": "auto",
        "tools": [openai.pydantic_function_tool(GetWeather)],
        "top_p": 0.9,
        "user": "ann",
        "verbosity": "low",
        "web_search_options": {"search_context_size": "low"},
    }
    assert client.chat.completions.create(**asked).choices[0].finish_reason == "stop"
    assert server.requests[-1].body == asked
    options = {"include_usage": True, "include_obfuscation": False}
    assert text_of(client.chat.completions.create(**asked, stream=True, stream_options=options))


# Stored completions and models


@pytest.fixture(scope="module")
def stored(client):
    """Seven completions, of two models and with two values of metadata; oldest first."""
    for completion in client.chat.completions.list():
        client.chat.completions.delete(completion.id)
    made = []
    for number in range(7):
        asked = {"model": f"m{number % 2}", "messages": [{"role": "user", "content": f"Number {number}"}]}
        metadata = {"third": str(number % 3), "number": str(number)}
        made.append(client.chat.completions.create(**asked, store=True, metadata=metadata))
    return made


def ids(completions):
    return [completion.id for completion in completions]


def test_a_list_pages_by_itself(server, client, stored):
    before = server.requests[-1].number
    assert ids(client.chat.completions.list(limit=3)) == ids(stored)
    routes = [request.route for request in server.requests if request.number > before]
    assert routes == ["/v1/chat/completions"] * 3
    assert ids(client.chat.completions.list(limit=2, order="desc")) == ids(stored)[::-1]


def test_a_page_tells_whether_there_are_more(client, stored):
    page = client.chat.completions.list(limit=4)
    assert (ids(page.data), page.has_next_page()) == (ids(stored[:4]), True)
    following = page.get_next_page()
    assert (ids(following.data), following.has_next_page()) == (ids(stored[4:]), False)
    assert ids(client.chat.completions.list(after=stored[5].id)) == ids(stored[6:])


def test_a_list_is_filtered_by_model_and_metadata(client, stored):
    assert ids(client.chat.completions.list(model="m1", limit=2)) == ids(stored[1::2])
    assert ids(client.chat.completions.list(metadata={"third": "0"}, limit=2)) == ids(stored[::3])
    both = client.chat.completions.list(model="m0", metadata={"third": "0", "number": "6"})
    assert ids(both) == [stored[6].id]
    assert ids(client.chat.completions.list(model="none")) == []


def test_a_stored_completion_is_retrieved_as_it_was(client, stored):
    found = client.chat.completions.retrieve(stored[2].id)
    assert found.choices == stored[2].choices
    assert (found.object, found.model, found.created) == ("chat.completion", "m0", stored[2].created)
    assert found.metadata == {"third": "2", "number": "2"}
    assert found.usage == stored[2].usage


def test_metadata_are_replaced(client, stored):
    updated = client.chat.completions.update(stored[1].id, metadata={"seen": "yes"})
    assert (updated.id, updated.metadata) == (stored[1].id, {"seen": "yes"})
    assert ids(client.chat.completions.list(metadata={"seen": "yes"})) == [stored[1].id]
    assert client.chat.completions.update(stored[1].id, metadata=None).metadata == {}
    client.chat.completions.update(stored[1].id, metadata={"number": "1", "third": "1"})


def test_the_messages_of_a_stored_completion_are_listed(client):
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "Seen."},
        {"role": "user", "content": "And?", "name": "ann"},
    ]
    made = client.chat.completions.create(model="messages", messages=messages, store=True)
    found = list(client.chat.completions.messages.list(made.id, limit=3))
    assert [message.role for message in found] == ["system", "user", "assistant", "user"]
    assert [message.content for message in found] == ["Be short.", "Look:", "Seen.", "And?"]
    assert [part.type for part in found[1].content_parts] == ["text", "image_url"]
    assert found[3].name == "ann"
    assert len(set(ids(found))) == 4
    backwards = client.chat.completions.messages.list(made.id, limit=1, order="desc")
    assert ids(backwards) == ids(found)[::-1]
    after = client.chat.completions.messages.list(made.id, after=found[2].id)
    assert ids(after) == [found[3].id]
    client.chat.completions.delete(made.id)


def test_a_deleted_completion_is_gone(client):
    made = client.chat.completions.create(**ASKED, store=True)
    deleted = client.chat.completions.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "chat.completion.deleted")
    for ask in (
        client.chat.completions.retrieve,
        client.chat.completions.delete,
        client.chat.completions.messages.list,
        lambda id: client.chat.completions.update(id, metadata={}),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask(made.id)
        assert made.id in caught.value.message


def test_whoever_deletes_while_paging_misses_none(client):
    made = [client.chat.completions.create(**{**ASKED, "model": "doomed"}, store=True) for _ in range(5)]
    deleted = [client.chat.completions.delete(one.id) for one in client.chat.completions.list(model="doomed", limit=2)]
    assert ids(deleted) == ids(made)
    assert ids(client.chat.completions.list(model="doomed")) == []


def test_a_stream_is_stored_as_the_completion_that_it_adds_up_to(client):
    asked = {**ASKED, "model": "streamed", "store": True, "metadata": {"how": "streamed"}}
    with client.chat.completions.stream(**asked) as stream:
        final = stream.get_final_completion()
    found = client.chat.completions.retrieve(final.id)
    assert found.choices[0].message.content == final.choices[0].message.content == ANSWER
    assert found.metadata == {"how": "streamed"}
    client.chat.completions.delete(final.id)


def test_a_completion_is_not_stored_unless_that_is_asked(client):
    made = client.chat.completions.create(**ASKED)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


def test_models_are_listed_and_retrieved(client):
    assert [(model.id, model.object) for model in client.models.list()] == [("echo", "model")]
    assert client.models.retrieve("echo").owned_by == "chatstream"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("other")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


# Errors, and what the SDK does about them


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": [{"role": "clown", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": []}, "messages"),
        ({"n": 129}, "n"),
        ({"temperature": 2.5}, "temperature"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_request_is_a_bad_request_that_names_the_place(server, client, wrong, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**ASKED, **wrong})
    error = caught.value
    assert (error.status_code, error.param, error.type) == (400, param, "invalid_request_error")
    assert error.code is None or isinstance(error.code, str)
    assert error.message
    assert error.request_id == error.response.headers["x-request-id"] == server.requests[-1].request_id


def test_a_wrong_request_for_a_stream_fails_before_there_is_one(client):
    with pytest.raises(openai.BadRequestError, match="model"):
        client.chat.completions.create(model=3, messages=ASKED["messages"], stream=True)


def test_wrong_query_parameters_are_bad_requests(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.list(limit=101)
    assert caught.value.param == "limit"
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.list(after="chatcmpl-none")
    assert caught.value.param == "after"


def test_metadata_past_their_limits_are_a_bad_request(client, stored):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.update(stored[0].id, metadata={f"k{number}": "v" for number in range(17)})
    assert caught.value.param == "metadata"


def test_a_schema_without_a_value_is_an_unprocessable_entity(client):
    schema = {"type": "object", "properties": {"no": False}, "required": ["no"]}
    named = {"type": "json_schema", "json_schema": {"name": "none", "schema": schema}}
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(**ASKED, response_format=named)
    assert caught.value.param == "response_format.json_schema.schema.properties.no"
    assert caught.value.code == "unusable_schema"


def test_a_wrong_key_is_an_authentication_error():
    with (
        ReplayServer(speed=None, api_key="right") as server,
        openai.OpenAI(base_url=server.base_url, api_key="wrong", **AT_ONCE) as client,
    ):
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(**ASKED)
        assert caught.value.code == "invalid_api_key"
        assert caught.value.request_id
        right = client.with_options(api_key="right")
        assert right.chat.completions.create(**ASKED).choices[0].message.content == ANSWER


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_status_on_request_is_the_sdks_class(client, status, kind):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**ASKED, extra_headers=striking(f"status:{status}"))
    assert type(caught.value) is kind
    assert caught.value.status_code == status
    assert caught.value.request_id
    assert caught.value.message


def test_two_errors_are_retried_away():
    with ReplayServer(speed=None, faults="status:503,times=2") as server:
        with openai.OpenAI(base_url=server.base_url, api_key="none") as client:
            assert client.chat.completions.create(**ASKED).choices[0].message.content == ANSWER
        assert [request.status for request in server.requests] == [503, 503, 200]


def test_retry_after_is_obeyed():
    with ReplayServer(speed=None, faults="rate_limit:1,times=1") as server:
        with openai.OpenAI(base_url=server.base_url, api_key="none") as client:
            chunks = client.chat.completions.create(**ASKED, stream=True)
            assert text_of(chunks) == ANSWER
        first, second = server.requests
        assert (first.status, second.status) == (429, 200)
        assert 0.99 <= second.time - first.time < 3


def test_without_retries_an_error_is_raised_at_once(server, client):
    before = server.requests[-1].number
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ASKED, extra_headers=striking("rate_limit:30"))
    assert caught.value.response.headers["retry-after"] == "30"
    assert caught.value.code == "rate_limit_exceeded"
    assert server.requests[-1].number == before + 1


def test_a_first_byte_that_is_late_is_a_timeout(client):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(**ASKED, extra_headers=striking("delay_first:5"))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("stall:5", openai.APITimeoutError),
        ("reset", openai.APIConnectionError),
        ("disconnect", openai.APIConnectionError),
        ("malformed", json.JSONDecodeError),  # what this SDK makes of it
        ("bad_utf8", UnicodeDecodeError),
    ],
)
def test_a_stream_that_breaks_is_an_error_after_what_came(client, fault, kind):
    head, colon, main = fault.partition(":")
    spelled = f"{head}{colon}{main},after=3"
    read = []
    chunks = client.chat.completions.create(**ASKED, stream=True, extra_headers=striking(spelled), timeout=1)
    with pytest.raises(kind):
        read.extend(chunks)
    assert text_of(read) == "You said"


def test_an_error_event_is_an_api_error_with_its_words(client):
    read = []
    chunks = client.chat.completions.create(**ASKED, stream=True, extra_headers=striking("error_event:3"))
    with pytest.raises(openai.APIError, match="error_event:3") as caught:
        read.extend(chunks)
    assert type(caught.value) is openai.APIError
    assert caught.value.type == "server_error"
    assert text_of(read) == "You said"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("truncate:3", "You said"),  # an end in mid-event is an end to this SDK
        ("drop_event:3", ANSWER.replace(":", "", 1)),
        ("duplicate_event:3", ANSWER.replace(":", "::", 1)),
        ("reorder:3", ANSWER.replace(": Rain", " Rain:", 1)),
        ("no_done", ANSWER),
        ("split:7", ANSWER),
        ("coalesce", ANSWER),
        ("delay_first:0.1", ANSWER),
    ],
)
def test_a_fault_that_breaks_nothing_shows_in_the_text_at_most(server, client, fault, text):
    chunks = client.chat.completions.create(**ASKED, stream=True, extra_headers=striking(fault))
    assert text_of(chunks) == text
    assert [str(struck) for struck in server.requests[-1].faults] == [fault]


def test_an_answer_that_breaks_off_is_asked_for_again():
    with ReplayServer(speed=None, faults="reset,times=1") as server:
        with openai.OpenAI(base_url=server.base_url, api_key="none") as client:
            assert client.chat.completions.create(**ASKED).choices[0].message.content == ANSWER
        assert [request.faults for request in server.requests] == [["reset,times=1"], []]


# Tapes

CALL = {"id": "call_1", "type": "function", "function": {"name": "GetWeather", "arguments": '{"city":"Oslo","days":2}'}}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def tape(name, asked, answers, *, content_type="text/event-stream", status=200, headers=None, end="eof"):
    """A recording of a request and its answer: lines of the tape, each with the seconds before it."""
    head = {"status": status, "headers": {"content-type": content_type, **(headers or {})}}
    lines = [
        {"tape": 1, "tool": "test", "created": "2026-11-23T09:00:00Z"},
        [0, "q", {"method": "POST", "url": "/v1/chat/completions", "headers": {}, "body": asked}],
        [0, "h", head],
        *answers,
        [0, "e", {"end": end}],
    ]
    return Recording.parse("".join(f"{json.dumps(line)}\n" for line in lines).encode(), name=name)


def chunk(delta, finish_reason=None, **others):
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}]
    usual = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices}
    return {**usual, **others}


DONE = [0, "s", "data: [DONE]\n\n"]
TEXT = [
    [0, "j", chunk({"role": "assistant", "content": "Not"})],
    [0.2, "j", chunk({"content": " today."})],
    [0.2, "j", chunk({}, "stop")],
    [0, "j", chunk({}, choices=[], usage=USAGE)],
    DONE,
]
CALLING = [
    [0, "j", chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0, **CALL}]})],
    [0, "j", chunk({}, "tool_calls")],
    DONE,
]
WHOLE = {
    "id": "chatcmpl-2", "object": "chat.completion", "created": 2, "model": "m-2", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "It was whole.", "refusal": None}, "finish_reason": "stop", "logprobs": None}],
}  # fmt: skip
BUSY = {"error": {"message": "Too much", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}


@pytest.fixture(scope="module")
def tapes():
    return [
        tape("text", user("stream"), TEXT),
        tape("call", user("call"), CALLING),
        tape("whole", user("whole"), [[0, "s", json.dumps(WHOLE)]], content_type="application/json"),
        tape("busy", user("busy"), [[0, "s", json.dumps(BUSY)]], content_type="application/json", status=429, headers={"x-request-id": "req_then"}),
        tape("cut", user("cut"), TEXT[:2], end="error"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def playing(tapes):
    with ReplayServer(tapes, speed=None) as running:
        yield running


@pytest.fixture(scope="module")
def hearer(playing):
    with openai.OpenAI(base_url=playing.base_url, api_key="none", **AT_ONCE) as made:
        yield made


def test_a_recorded_stream_comes_streamed_and_whole(hearer):
    chunks = list(hearer.chat.completions.create(**user("stream"), stream=True))
    assert text_of(chunks) == "Not today."
    assert chunks[-1].usage.total_tokens == 13
    completion = hearer.chat.completions.create(**user("stream"))
    assert (completion.id, completion.object, completion.model) == ("chatcmpl-1", "chat.completion", "m-1")
    assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == ("Not today.", "stop")
    assert completion.usage.total_tokens == 13


def test_a_recorded_answer_comes_whole_and_streamed(hearer):
    assert hearer.chat.completions.create(**user("whole")).to_dict() == WHOLE
    with hearer.chat.completions.stream(**user("whole"), stream_options={"include_usage": True}) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert [event.content for event in events if event.type == "content.done"] == ["It was whole."]
    assert (final.id, final.usage.total_tokens) == ("chatcmpl-2", 13)


def test_a_recorded_call_is_parsed(hearer):
    tools = [openai.pydantic_function_tool(GetWeather)]
    expected = GetWeather(city="Oslo", days=2)
    with hearer.chat.completions.stream(**user("call"), tools=tools) as stream:
        final = stream.get_final_completion()
    whole = hearer.chat.completions.parse(**user("call"), tools=tools)
    for completion in (final, whole):
        assert completion.choices[0].message.tool_calls[0].function.parsed_arguments == expected
        assert completion.choices[0].finish_reason == "tool_calls"


def test_a_recorded_error_is_raised_again(hearer):
    for stream in (False, True):
        with pytest.raises(openai.RateLimitError, match="Too much") as caught:
            hearer.chat.completions.create(**user("busy"), stream=stream)
        assert caught.value.code == "rate_limit_exceeded"
        assert caught.value.request_id == "req_then"


def test_a_recorded_cut_is_one_again_and_no_whole_answer(hearer):
    read = []
    with pytest.raises(openai.APIConnectionError):
        read.extend(hearer.chat.completions.create(**user("cut"), stream=True))
    assert text_of(read) == "Not today."
    with pytest.raises(openai.InternalServerError) as caught:
        hearer.chat.completions.create(**user("cut"))
    assert (caught.value.status_code, caught.value.code) == (502, "incomplete_tape")


def test_a_miss_is_a_not_found_that_names_the_nearest(hearer):
    with pytest.raises(
        openai.NotFoundError, match=r"The nearest is text; it differs in: messages\[0\]\.content"
    ) as caught:
        hearer.chat.completions.create(**user("strange"))
    assert caught.value.code == "no_matching_tape"


def test_a_tape_can_be_asked_for_by_name(hearer):
    named = {"X-Chatstream-Tape": "whole"}
    assert hearer.chat.completions.create(**user("strange"), extra_headers=named).id == "chatcmpl-2"


def test_the_answer_of_a_tape_can_be_stored(hearer):
    made = hearer.chat.completions.create(**user("stream"), store=True, metadata={"from": "tape"})
    assert ids(hearer.chat.completions.list(metadata={"from": "tape"})) == [made.id] == ["chatcmpl-1"]
    assert hearer.chat.completions.retrieve(made.id).choices == made.choices


def test_a_tape_plays_in_its_own_time(tapes):
    with (
        ReplayServer(tapes[:1]) as server,
        openai.OpenAI(base_url=server.base_url, api_key="none", **AT_ONCE) as client,
    ):
        began = time.perf_counter()
        times = [time.perf_counter() - began for _ in client.chat.completions.create(**user("stream"), stream=True)]
    assert 0.39 < times[-1] < 2
    assert times[-1] - times[0] > 0.1


# The async client


@pytest.fixture(scope="module")
def anyio_backend():
    # It runs on trio too, but leaves an async generator behind at each [DONE], and trio says so aloud.
    return "asyncio"


@pytest.mark.anyio
async def test_the_async_client_creates_and_streams(async_client):
    completions = async_client.chat.completions
    assert (await completions.create(**ASKED)).choices[0].message.content == ANSWER
    chunks = await completions.create(**ASKED, stream=True)
    assert text_of([chunk async for chunk in chunks]) == ANSWER
    async with completions.stream(**ASKED, response_format=Weather) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Weather)
    assert [event.parsed for event in events if event.type == "content.done"] == [final.choices[0].message.parsed]


@pytest.mark.anyio
async def test_the_async_client_reads_raw_and_streaming_responses(async_client):
    raw = await async_client.chat.completions.with_raw_response.create(**ASKED)
    assert raw.parse().choices[0].message.content == ANSWER
    async with async_client.chat.completions.with_streaming_response.create(**ASKED, stream=True) as response:
        lines = [line async for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


@pytest.mark.anyio
async def test_the_async_client_keeps_completions(async_client):
    completions = async_client.chat.completions
    asked = {"model": "kept", "messages": [{"role": "user", "content": "Keep"}], "store": True}
    made = [await completions.create(**asked, metadata={"number": str(number)}) for number in range(3)]
    assert [found.id async for found in completions.list(model="kept", limit=2)] == ids(made)
    updated = await completions.update(made[1].id, metadata={"seen": "yes"})
    assert (await completions.retrieve(made[1].id)).metadata == updated.metadata == {"seen": "yes"}
    messages = [message async for message in completions.messages.list(made[1].id)]
    assert [message.content for message in messages] == ["Keep"]
    assert all([(await completions.delete(one.id)).deleted for one in made])
    assert [found.id async for found in completions.list(model="kept")] == []
    assert [model.id async for model in async_client.models.list()] == ["echo"]


@pytest.mark.anyio
async def test_the_async_client_raises_the_same_errors(async_client):
    completions = async_client.chat.completions
    with pytest.raises(openai.BadRequestError) as caught:
        await completions.create(**{**ASKED, "n": 0})
    assert (caught.value.param, bool(caught.value.request_id)) == ("n", True)
    chunks = await completions.create(**ASKED, stream=True, extra_headers=striking("reset:3"))
    with pytest.raises(openai.APIConnectionError):
        [chunk async for chunk in chunks]
    with pytest.raises(openai.APITimeoutError):
        await completions.create(**ASKED, extra_headers=striking("delay_first:5"), timeout=0.2)


@pytest.mark.anyio
async def test_the_async_client_retries_on_a_server_in_its_own_loop():
    async with (
        ReplayServer(speed=None, faults="rate_limit:0.05,times=2") as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="none") as client,
    ):
        assert (await client.chat.completions.create(**ASKED)).choices[0].message.content == ANSWER
        assert [request.status for request in server.requests] == [429, 429, 200]


@pytest.mark.anyio
async def test_many_streams_at_once_are_not_mixed_up(async_client):
    texts = {}

    async def ask(number):
        chunks = await async_client.chat.completions.create(**user(f"Number {number}."), stream=True)
        texts[number] = text_of([chunk async for chunk in chunks])

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(ask, number)
    assert texts == {number: ANSWER.replace(SAID, f"Number {number}.") for number in range(40)}
