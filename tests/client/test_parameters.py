"""The parameters of a request: what arrives of them on the wire, and what is told before anything is sent."""

import copy
import json
from collections import ChainMap, UserDict, UserList, deque
from types import MappingProxyType

import httpx
import pytest
from pydantic import BaseModel

from chatstream import ChatClient
from chatstream.client import CreateOptions, RequestOptions, StreamOptions
from chatstream.errors import ParameterError
from chatstream.server import ReplayServer
from chatstream.types import CompletionParams
from halves import all_of, both_halves, client_class, got, is_async, library_of

USER = {"role": "user", "content": "Hi"}
ASKED = {"model": "m", "messages": [USER]}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CUSTOM = {"type": "custom", "custom": {"name": "g"}}
ALLOWED = {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}
EVENTS = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
PAGE = {"object": "list", "data": [], "has_more": False}


class Wire:
    """A service that answers anything, and keeps what was sent to it."""

    def __init__(self):
        self.requests = []

    def client(self, half="sync-httpx"):
        library = library_of(half)
        transport = library.MockTransport(lambda request: self.answer(library, request))
        http = library.AsyncClient(transport=transport) if is_async(half) else library.Client(transport=transport)
        return client_class(half)(base_url="http://localhost/v1", http_client=http, max_retries=0)

    def answer(self, library, request):
        self.requests.append(request)
        if request.method == "GET":
            return library.Response(200, json=PAGE)
        if json.loads(request.content).get("stream"):
            return library.Response(200, content=EVENTS, headers={"content-type": "text/event-stream"})
        return library.Response(200, json=ANSWER)

    @property
    def body(self):
        return json.loads(self.requests[-1].content)


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def completions(wire):
    return wire.client().chat.completions


# What arrives

# A valid value of each parameter, with what it needs beside it.
VALID = {
    "audio": [{"audio": {"format": "mp3", "voice": "alloy"}, "modalities": ["text", "audio"]}],
    "frequency_penalty": [{"frequency_penalty": -2}, {"frequency_penalty": 1.5}, {"frequency_penalty": None}],
    "function_call": [
        {"function_call": "auto", "functions": [{"name": "f"}]},
        {"function_call": {"name": "f"}, "functions": [{"name": "f"}]},
    ],
    "functions": [{"functions": [{"name": "f", "description": "d", "parameters": {"type": "object"}}]}],
    "logit_bias": [{"logit_bias": {"50256": -100}}],
    "logprobs": [{"logprobs": True}],
    "max_completion_tokens": [{"max_completion_tokens": 1}],
    "max_tokens": [{"max_tokens": 7}],
    "metadata": [{"metadata": {"k": "v" * 512}}, {"metadata": {}}],
    "modalities": [{"modalities": ["text"]}],
    "moderation": [{"moderation": {"model": "omni", "policy": {"input": {"mode": "score"}, "output": None}}}],
    "n": [{"n": 128}],
    "parallel_tool_calls": [{"parallel_tool_calls": False, "tools": [FUNCTION]}],
    "prediction": [
        {"prediction": {"type": "content", "content": "Hi"}},
        {"prediction": {"type": "content", "content": [{"type": "text", "text": "Hi"}]}},
    ],
    "presence_penalty": [{"presence_penalty": 2}],
    "prompt_cache_key": [{"prompt_cache_key": "k"}],
    "prompt_cache_options": [{"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}}],
    "prompt_cache_retention": [{"prompt_cache_retention": "24h"}, {"prompt_cache_retention": "in_memory"}],
    "reasoning_effort": [
        {"reasoning_effort": word} for word in ("none", "minimal", "low", "medium", "high", "xhigh", "max", None)
    ],
    "response_format": [
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": True},
            }
        },
        {"response_format": {"type": "grammar", "grammar": "root ::= 'a'"}},
        {"response_format": {"type": "python"}},
    ],
    "safety_identifier": [{"safety_identifier": "s" * 128}],
    "seed": [{"seed": -5}],
    "service_tier": [{"service_tier": word} for word in ("auto", "default", "flex", "priority")],
    "stop": [{"stop": "\n"}, {"stop": ["a", "b", "c", "d"]}],
    "store": [{"store": True}],
    "stream_options": [],  # only with a stream: below
    "temperature": [{"temperature": 0}, {"temperature": 2.0}],
    "tool_choice": [
        {"tool_choice": choice, "tools": [FUNCTION, CUSTOM]}
        for choice in (
            "none",
            "auto",
            "required",
            {"type": "allowed_tools", "allowed_tools": ALLOWED},
            {"type": "function", "function": {"name": "f"}},
            {"type": "custom", "custom": {"name": "g"}},
        )
    ],
    "tools": [
        {"tools": [FUNCTION]},
        {"tools": [{"type": "function", "function": {"name": "f", "strict": None}}]},
        {"tools": [{"type": "custom", "custom": {"name": "g", "description": "d", "format": {"type": "text"}}}]},
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {
                        "name": "g",
                        "format": {"type": "grammar", "grammar": {"definition": "a: 'b'", "syntax": "lark"}},
                    },
                }
            ]
        },
    ],
    "top_logprobs": [{"top_logprobs": 20, "logprobs": True}],
    "top_p": [{"top_p": 0.5}],
    "user": [{"user": "u"}],
    "verbosity": [{"verbosity": word} for word in ("low", "medium", "high")],
    "web_search_options": [
        {"web_search_options": {}},
        {
            "web_search_options": {
                "search_context_size": "high",
                "user_location": {
                    "type": "approximate",
                    "approximate": {"city": "Oslo", "country": "NO", "region": "Oslo", "timezone": "Europe/Oslo"},
                },
            }
        },
    ],
}


def test_there_is_a_value_of_each_parameter():
    assert set(VALID) == CompletionParams.__optional_keys__
    every = set(VALID) | RequestOptions.__optional_keys__
    assert every <= CreateOptions.__optional_keys__
    assert every - {"response_format"} <= StreamOptions.__optional_keys__  # there it is a parameter of its own


PARAMS = [pytest.param(params, id=f"{name}-{at}") for name, many in VALID.items() for at, params in enumerate(many)]


@pytest.mark.parametrize("params", PARAMS)
def test_a_parameter_arrives_as_it_was_given(wire, completions, params):
    before = copy.deepcopy(params)
    completions.create(**ASKED, **params)
    assert wire.body == {**ASKED, **params}
    list(completions.create(**ASKED, **params, stream=True))
    assert wire.body == {**ASKED, **params, "stream": True}
    completions.stream(**ASKED, **params).until_done()
    assert wire.body == {**ASKED, **params, "stream": True}
    assert params == before


DEPRECATED = {"functions", "function_call", "max_tokens"}


@both_halves
async def test_all_parameters_arrive_together(half, wire):
    params = {
        name: value for many in VALID.values() for one in many for name, value in one.items() if name not in DEPRECATED
    }
    params |= {"tools": [FUNCTION, CUSTOM], "modalities": ["text", "audio"]}  # as tool_choice and audio want them
    completions = wire.client(half).chat.completions
    await got(completions.create(**ASKED, **params))
    assert wire.body == {**ASKED, **params}
    assert set(params) == set(VALID) - DEPRECATED - {"stream_options"}
    await all_of(completions.stream(**ASKED, **params))
    assert wire.body == {**ASKED, **params, "stream": True}


def test_options_of_a_stream_arrive_with_one(wire, completions):
    options = {"include_usage": True, "include_obfuscation": False}
    list(completions.create(**ASKED, stream=True, stream_options=options))
    assert wire.body["stream_options"] == options
    completions.stream(**ASKED, stream_options=options).until_done()
    assert wire.body["stream_options"] == options


MESSAGES = [
    {"role": "developer", "content": "a", "name": "n"},
    {"role": "system", "content": [{"type": "text", "text": "b"}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,AAAA", "filename": "a.txt"}},
        ],
    },
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "d"}, {"type": "refusal", "refusal": "e"}],
        "refusal": None,
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{not json"}},
            {"id": "2", "type": "custom", "custom": {"name": "g", "input": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "1", "content": "h"},
    {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "i"}]},
    {"role": "assistant", "audio": {"id": "audio_1"}},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": None},
    {"role": "user", "content": "Unicode: é 漢 \U0001f600 \u2028 \x00"},
]


def test_messages_of_every_role_and_part_arrive_as_they_were_given(wire, completions):
    completions.create(model="m", messages=MESSAGES)
    assert wire.body["messages"] == MESSAGES


@pytest.mark.parametrize(
    "messages",
    [
        (USER, USER),
        iter([USER, USER]),
        (message for message in [USER, USER]),
        deque([USER, USER]),
        UserList([USER, USER]),
        {1: USER, 2: USER}.values(),
        [MappingProxyType(USER), ChainMap(USER)],
        [UserDict(USER), {"role": "user", "content": "Hi"}],
    ],
    ids=lambda messages: type(messages).__name__,
)
def test_messages_may_be_whatever_is_like_a_list_of_dicts(wire, completions, messages):
    completions.create(model="m", messages=messages)
    assert wire.body["messages"] == [USER, USER]


def test_what_is_inside_may_be_a_tuple_or_another_mapping(wire, completions):
    parts = ({"type": "text", "text": "Hi"},)
    tool = MappingProxyType(
        {"type": "function", "function": UserDict({"name": "f", "parameters": ChainMap({"a": (1, 2)})})}
    )
    completions.create(
        model="m",
        messages=[{"role": "user", "content": parts}],
        tools=(tool,),
        stop=("a",),
        metadata=ChainMap({"k": "v"}),
    )
    assert wire.body == {
        "model": "m",
        "messages": [{"role": "user", "content": list(parts)}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, 2]}}}],
        "stop": ["a"],
        "metadata": {"k": "v"},
    }


def test_an_empty_list_of_messages_is_told(wire, completions):
    with pytest.raises(ParameterError, match="messages") as raised:
        completions.create(model="m", messages=[])
    assert raised.value.param == "messages"
    assert wire.requests == []


# Wrong combinations and limits

TOOL = [FUNCTION]
CALLS = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
WRONG = [
    ("audio", {"modalities": ["text", "audio"]}),
    ("audio", {"audio": {"format": "wav", "voice": "v"}}),
    ("audio", {"audio": {"format": "wav", "voice": "v"}, "modalities": ["text"]}),
    ("audio.voice", {"audio": {"format": "wav"}, "modalities": ["audio"]}),
    ("audio.voice.id", {"audio": {"format": "wav", "voice": {}}, "modalities": ["audio"]}),
    ("functions", {"functions": [{"name": "f"}], "tools": TOOL}),
    ("functions[0].name", {"functions": [{}]}),
    ("function_call", {"function_call": "auto"}),
    ("function_call.name", {"function_call": {"name": "g"}, "functions": [{"name": "f"}]}),
    ("frequency_penalty", {"frequency_penalty": 2.1}),
    ("frequency_penalty", {"frequency_penalty": "1"}),
    ("logit_bias.5", {"logit_bias": {"5": 101}}),
    ("logit_bias", {"logit_bias": [5]}),
    ("logprobs", {"logprobs": 1}),
    ("max_completion_tokens", {"max_completion_tokens": 0}),
    ("max_tokens", {"max_tokens": 5, "max_completion_tokens": 5}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("metadata", {"metadata": {str(at): "v" for at in range(17)}}),
    ("metadata." + "k" * 40 + "…", {"metadata": {"k" * 65: "v"}}),
    ("metadata.k", {"metadata": {"k": "v" * 513}}),
    ("metadata.k", {"metadata": {"k": 1}}),
    ("metadata", {"metadata": "k=v"}),
    ("modalities", {"modalities": "text"}),
    ("n", {"n": 0}),
    ("n", {"n": 129}),
    ("n", {"n": True}),
    ("n", {"n": 1.0}),
    ("n", {"n": "1"}),
    ("parallel_tool_calls", {"parallel_tool_calls": True}),
    ("prediction.content", {"prediction": {"type": "content"}}),
    ("presence_penalty", {"presence_penalty": -2.5}),
    ("prompt_cache_key", {"prompt_cache_key": 1}),
    ("reasoning_effort", {"reasoning_effort": 3}),
    ("response_format", {"response_format": "json"}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    ("response_format.json_schema.name", {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}}),
    ("response_format.json_schema.name", {"response_format": {"type": "json_schema", "json_schema": {}}}),
    ("response_format.grammar", {"response_format": {"type": "grammar"}}),
    ("safety_identifier", {"safety_identifier": "s" * 129}),
    ("seed", {"seed": 1.5}),
    ("stop", {"stop": ["a"] * 5}),
    ("stop[1]", {"stop": ["a", 1]}),
    ("store", {"store": "yes"}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("temperature", {"temperature": 2.5}),
    ("temperature", {"temperature": float("nan")}),
    ("tool_choice", {"tool_choice": "auto"}),
    ("tool_choice.function.name", {"tool_choice": {"type": "function", "function": {"name": "g"}}, "tools": TOOL}),
    ("tool_choice.custom.name", {"tool_choice": {"type": "custom", "custom": {"name": "f"}}, "tools": TOOL}),
    (
        "tool_choice.allowed_tools.tools[0].function.name",
        {
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]},
            },
            "tools": TOOL,
        },
    ),
    ("tools", {"tools": []}),
    ("tools", {"tools": TOOL * 129}),
    ("tools[0].function.name", {"tools": [{"type": "function", "function": {"name": "n" * 65}}]}),
    ("tools[1].custom", {"tools": [FUNCTION, {"type": "custom"}]}),
    ("tools[0].type", {"tools": [{"function": {"name": "f"}}]}),
    ("top_logprobs", {"top_logprobs": 5}),
    ("top_logprobs", {"top_logprobs": 21, "logprobs": True}),
    ("top_p", {"top_p": 1.1}),
    ("user", {"user": 5}),
    (
        "web_search_options.user_location.approximate",
        {"web_search_options": {"user_location": {"type": "approximate"}}},
    ),
    ("model", {"model": ""}),
    ("model", {"model": None}),
    ("model", {"model": b"m"}),
    ("messages[0].role", {"messages": [{"content": "Hi"}]}),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": None}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": b"Hi"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": []}]}),
    ("messages[0].content[0].text", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ("messages[0].content[0]", {"messages": [{"role": "user", "content": ["Hi"]}]}),
    ("messages[0].content", {"messages": [{"role": "assistant"}]}),
    ("messages[1].tool_call_id", {"messages": [USER, {"role": "tool", "content": "1", "tool_call_id": "1"}]}),
    ("messages[0].tool_calls[0]", {"messages": [{"role": "assistant", "tool_calls": CALLS}]}),
    ("messages[0].tool_calls", {"messages": [{"role": "assistant", "tool_calls": []}]}),
    ("messages[1].name", {"messages": [USER, {"role": "function", "content": "1"}]}),
]


@pytest.mark.parametrize(("param", "params"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_the_api_documents_as_wrong_is_told_by_name_before_sending(wire, completions, param, params):
    asks = [completions.create]
    asks += [] if param == "stream_options" else [completions.stream]
    for ask in asks:
        with pytest.raises(ParameterError) as raised:
            ask(**{**ASKED, **params})
        assert raised.value.param == param
        assert raised.value.message.startswith(f"{param}: ")
        assert len(str(raised.value)) < 300
        assert raised.value.code
    assert wire.requests == []


@both_halves
async def test_what_is_wrong_is_told_before_anything_is_sent(half, wire):
    completions = wire.client(half).chat.completions
    for arguments in ({"n": 0}, {"stream": True, "n": 0}):
        with pytest.raises(ParameterError, match="n: expected a number from 1 to 128, got 0"):
            await got(completions.create(**ASKED, **arguments))
    with pytest.raises(ParameterError, match="n: expected"):
        completions.stream(**ASKED, n=0)  # at once, whatever waits
    with pytest.raises(ParameterError, match=r"metadata\.k: "):
        await got(completions.update("c", metadata={"k": "v" * 513}))
    with pytest.raises(ParameterError, match="limit: expected at least 1, got 0"):
        await got(completions.list(limit=0))
    with pytest.raises(ParameterError, match="order"):
        await got(completions.messages.list("c", order="up"))
    assert wire.requests == []


# A prompt, a key or a document may stand where it does not belong.
@pytest.mark.parametrize(
    "params",
    [
        {"metadata": {"k": 5, "secret": "hush hush"}},
        {"messages": "hush hush"},
        {"messages": [{"role": "user", "content": {"hush": "hush hush"}}]},
        {"messages": ["hush hush"]},
        {"stop": {"hush": "hush hush"}},
        {"response_format": "hush hush " * 10},
        {"tools": "hush hush " * 10},
    ],
)
def test_what_is_told_shows_no_text(completions, params):
    with pytest.raises((TypeError, ValueError)) as raised:
        completions.create(**{**ASKED, **params})
    assert "hush hush" not in str(raised.value)


UNKNOWN = [
    {"messages": [{"role": "robot", "content": "Hi"}]},
    {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "u"}}]}]},
    {"messages": [{"role": "user", "content": "Hi", "priority": 5}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "huge"}}]}]},
    {"reasoning_effort": "extreme"},
    {"verbosity": "chatty"},
    {"service_tier": "scale"},
    {"prompt_cache_retention": "7d"},
    {"response_format": {"type": "yaml"}},
    {"tools": [{"type": "mcp", "server": "s"}]},
    {"tool_choice": "any", "tools": [FUNCTION]},
    {"modalities": ["text", "smell"]},
    {"audio": {"format": "ogg", "voice": "mine"}, "modalities": ["audio"]},
    {"web_search_options": {"search_context_size": "vast"}},
]


@pytest.mark.parametrize("params", UNKNOWN, ids=str)
def test_words_that_the_reference_does_not_know_are_for_the_service_to_judge(wire, completions, params):
    completions.create(**{**ASKED, **params})
    assert wire.body == {**ASKED, **params}


@pytest.mark.parametrize("params", [{"n": 0}, {"messages": [USER, {"role": "user"}]}, {"top_logprobs": 1}], ids=str)
def test_a_word_that_is_unknown_hides_nothing_that_is_wrong(wire, completions, params):
    with pytest.raises(ParameterError):
        completions.create(**{**ASKED, "reasoning_effort": "extreme", **params})
    assert wire.requests == []


# What is no parameter


@both_halves
async def test_an_argument_that_the_api_does_not_document_is_no_argument(half, wire):
    completions = wire.client(half).chat.completions
    with pytest.raises(TypeError, match=r"create\(\) got an unexpected keyword argument 'top_k'.*extra_body"):
        await got(completions.create(**ASKED, top_k=5))
    with pytest.raises(TypeError, match=r"stream\(\) got an unexpected keyword argument 'temprature'.*extra_body"):
        completions.stream(**ASKED, temprature=1)
    with pytest.raises(TypeError, match=r"stream\(\).*'stream'"):
        completions.stream(**ASKED, stream=True)
    with pytest.raises(TypeError, match=r"create\(\).*'record'"):
        await got(completions.create(**ASKED, record="tape"))
    with pytest.raises(TypeError, match=r"retrieve\(\).*'model'"):
        await got(completions.retrieve("c", model="m"))
    with pytest.raises(TypeError, match=r"update\(\).*'user'"):
        await got(completions.update("c", metadata={}, user="u"))
    with pytest.raises(TypeError, match=r"delete\(\).*'force'"):
        await got(completions.delete("c", force=True))
    with pytest.raises(TypeError, match=r"list\(\).*'before'"):
        await got(completions.list(before="c"))
    with pytest.raises(TypeError, match=r"list\(\).*'model'"):
        await got(completions.messages.list("c", model="m"))
    assert wire.requests == []


def test_what_must_be_given_is_named(completions):
    with pytest.raises(TypeError, match="messages"):
        completions.create(model="m")
    with pytest.raises(TypeError, match="model"):
        completions.create(messages=[USER])
    with pytest.raises(TypeError, match="metadata"):
        completions.update("c")
    with pytest.raises(TypeError, match="completion_id"):
        completions.retrieve()
    with pytest.raises(TypeError, match="positional"):
        completions.create([USER], "m")


OPTIONS = [
    ("extra_headers", "X-A: 1", TypeError),
    ("extra_headers", {"X-A": 1}, TypeError),
    ("extra_headers", {"X A": "1"}, ValueError),
    ("extra_headers", {"X-A": "a\r\nX-B: 1"}, ValueError),
    ("extra_headers", {"Content-Length": "5"}, ValueError),
    ("extra_query", [("a", "1")], TypeError),
    ("extra_query", {"a": object()}, TypeError),
    ("extra_body", '{"a": 1}', TypeError),
    ("extra_body", [("a", 1)], TypeError),
    ("timeout", "5", TypeError),
    ("timeout", True, TypeError),
    ("timeout", -1, ValueError),
    ("timeout", 0, ValueError),
    ("timeout", float("nan"), ValueError),
    ("max_retries", 1.5, TypeError),
    ("max_retries", None, TypeError),
    ("max_retries", True, TypeError),
    ("max_retries", -1, ValueError),
    ("idempotency_key", 5, TypeError),
    ("idempotency_key", "", ValueError),
    ("idempotency_key", "a\nb", ValueError),
    ("stream", 1, TypeError),
    ("stream", "true", TypeError),
]


@pytest.mark.parametrize(("name", "value", "kind"), OPTIONS)
def test_an_option_that_makes_no_sense_is_told_by_its_name(wire, completions, name, value, kind):
    with pytest.raises(kind, match=name):
        completions.create(**ASKED, **{name: value})
    if name != "stream":
        with pytest.raises(kind, match=name):
            completions.list(**{name: value})
    assert wire.requests == []


@pytest.mark.parametrize(
    "messages", ["Hi", b"Hi", USER, 5, None, [None], [5], ["Hi"], [[USER]], [USER, object()], [ChatClient]], ids=str
)
def test_what_are_no_messages_are_told(wire, completions, messages):
    with pytest.raises(TypeError, match="messages"):
        completions.create(model="m", messages=messages)
    assert wire.requests == []


@pytest.mark.anyio
async def test_messages_that_have_to_be_awaited_are_none(wire):
    async def messages():
        yield USER

    with pytest.raises(TypeError, match="messages: expected a sequence of messages, got async_generator"):
        await wire.client("async-httpx").chat.completions.create(model="m", messages=messages())


def test_a_generator_of_messages_that_fails_fails_as_it_does(wire, completions):
    def messages():
        yield USER
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        completions.create(model="m", messages=messages())
    assert wire.requests == []


# What JSON has not

LOOP = {}
LOOP["loop"] = LOOP


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


NO_JSON = [
    {1, 2},
    frozenset(),
    object(),
    b"bytes",
    bytearray(b"bytes"),
    1j,
    float("nan"),
    float("inf"),
    dict.fromkeys([1]),
    {None: 1},
    {(1, 2): 1},
    print,
    dict,
    (value for value in [1]),
    LOOP,
    nested(5_000),
]


@pytest.mark.parametrize("value", NO_JSON, ids=lambda value: type(value).__name__)
def test_a_value_that_json_has_not_is_told_by_its_path(wire, completions, value):
    with pytest.raises((TypeError, ValueError), match=r"top_k\[1\]"):
        completions.create(**ASKED, extra_body={"top_k": [1, value]})
    schema = [{"type": "function", "function": {"name": "f", "parameters": {"deep": [value]}}}]
    with pytest.raises((TypeError, ValueError), match=r"tools\[0\]\.function\.parameters\.deep\[0\]"):
        completions.stream(**ASKED, tools=schema)
    with pytest.raises((TypeError, ValueError), match="extra"):
        completions.update("c", metadata={}, extra_body={"extra": value})
    assert wire.requests == []


class Extra(BaseModel):
    top_k: int
    nothing: None = None


def test_a_model_in_a_body_is_what_it_dumps(wire, completions):
    completions.create(**ASKED, extra_body={"extra": Extra(top_k=5), "many": [Extra(top_k=6)]})
    assert wire.body["extra"]["top_k"] == 5
    assert wire.body["many"][0]["top_k"] == 6


@pytest.mark.parametrize("levels", [1, 50, 150])
def test_what_is_nested_deep_arrives(wire, completions, levels):
    completions.create(**ASKED, extra_body={"deep": nested(levels)})
    assert wire.body["deep"] == nested(levels)


@pytest.mark.parametrize("number", [10**30, -(10**30), 1e300, 0.1, -0.0, 2**53 + 1], ids=str)
def test_numbers_arrive_as_they_are(wire, completions, number):
    completions.create(**ASKED, extra_body={"number": number})
    assert wire.body["number"] == number


def test_an_enormous_integer_is_no_reason_to_fail_otherwise(wire, completions):
    with pytest.raises(ValueError, match="n: expected a number from 1 to 128"):
        completions.create(**ASKED, n=10**6000)
    with pytest.raises(ValueError, match="limit"):
        completions.list(limit=-(10**6000))


# Ids and pages


@pytest.mark.parametrize(
    "completion_id", ["", ".", "..", "a\nb", "\x00", "x" * 5000, "\ud800", None, 5, b"c", ["c"]], ids=repr
)
def test_what_is_no_id_is_told(wire, completions, completion_id):
    asks = [
        completions.retrieve,
        completions.delete,
        lambda id: completions.update(id, metadata={}),
        completions.messages.list,
    ]
    for ask in asks:
        with pytest.raises((TypeError, ValueError), match="completion_id") as raised:
            ask(completion_id)
        assert len(str(raised.value)) < 200
    assert wire.requests == []


PAGES = [
    ("limit", 0, ValueError),
    ("limit", -1, ValueError),
    ("limit", 1.0, TypeError),
    ("limit", "5", TypeError),
    ("limit", True, TypeError),
    ("order", "up", ValueError),
    ("order", "ASC", ValueError),
    ("order", 1, ValueError),
    ("order", [], ValueError),
    ("after", 5, TypeError),
    ("after", b"c", TypeError),
]


@pytest.mark.parametrize(("name", "value", "kind"), PAGES)
def test_what_is_no_page_is_told(wire, completions, name, value, kind):
    for ask in (completions.list, lambda **query: completions.messages.list("c", **query)):
        with pytest.raises(kind, match=name) as raised:
            ask(**{name: value})
        if kind is ValueError:
            assert raised.value.param == name
    assert wire.requests == []


@pytest.mark.parametrize(
    ("name", "value"), [("metadata", {"k": 1}), ("metadata", "k"), ("metadata", {"k" * 65: "v"}), ("model", 5)]
)
def test_what_is_no_filter_is_told(wire, completions, name, value):
    with pytest.raises((TypeError, ValueError), match=name):
        completions.list(**{name: value})
    assert wire.requests == []


def test_a_page_is_asked_for_with_what_was_given_and_nothing_else(wire, completions):
    completions.list()
    assert wire.requests[-1].url.query == b""
    completions.list(after="a&b=c", limit=100, order="desc", model="m", metadata={"k": "v w", "é": "="})
    params = wire.requests[-1].url.params
    assert dict(params) == {
        "after": "a&b=c",
        "limit": "100",
        "order": "desc",
        "model": "m",
        "metadata[k]": "v w",
        "metadata[é]": "=",
    }
    assert wire.requests[-1].method == "GET"
    assert wire.requests[-1].content == b""


@both_halves
async def test_an_async_list_is_checked_when_it_is_asked_for(half, wire):
    completions = wire.client(half).chat.completions
    with pytest.raises(ParameterError, match="limit"):
        completions.list(limit=0)  # not first when it is awaited
    assert await all_of(completions.list()) == []


# What the server of this package refuses, the client refuses too, in the same words.


def test_the_client_says_what_the_service_would_say():
    with ReplayServer(speed=None) as server, ChatClient(base_url=server.base_url) as client:
        for param, params in WRONG:
            body = {**ASKED, **params}
            try:
                text = json.dumps(body, allow_nan=False)
            except (TypeError, ValueError):
                continue
            answer = httpx.post(
                f"{server.base_url}/chat/completions", content=text, headers={"content-type": "application/json"}
            )
            error = answer.json()["error"]
            with pytest.raises(ParameterError) as raised:
                client.chat.completions.create(**body)
            assert (error["param"], error["code"]) == (param, raised.value.code)
            assert error["message"] == raised.value.message
