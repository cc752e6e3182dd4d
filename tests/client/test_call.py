"""What is decided without waiting: calls and their bodies, answers read whole, errors told."""

import json
import ssl
import traceback
from enum import IntEnum

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.client.answers import CompletionBody, ObjectBody
from chatstream.client.asking import create_call, page_call, stored_call, stream_call, update_call
from chatstream.client.bodies import check_body, create_body
from chatstream.client.call import Call, Defaults, split_options
from chatstream.client.failures import refusal, while_opening, while_reading
from chatstream.client.patience import Enough, Patience, Stop
from chatstream.client.settings import Settings
from chatstream.client.timeout import Timeout
from chatstream.errors import (
    APIConnectionError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    APIUserAbortError,
    BadRequestError,
    ChatStreamError,
    IncompleteStreamError,
    NotAStreamError,
    ParameterError,
    RateLimitError,
    StreamInterruptedError,
    StreamLimitError,
    StreamProtocolError,
)
from chatstream.types import ChatCompletion, ChatCompletionDeleted, ChatCompletionMessage, ResponseInfo
from chatstream.validation import Problem

KEY = "sk-canary-0123456789"
USER = {"role": "user", "content": "Hi"}
INFO = ResponseInfo(status_code=200, headers={"Content-Type": "text/html"}, request_id="req_1", retries=0, elapsed=0.1)
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
EVENTS = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def defaults(base_url="http://localhost/v1", timeout=2, max_retries=1, **settings):
    return Defaults.of(Settings(api_key=KEY, base_url=base_url, **settings), timeout, max_retries)


def make(method="GET", path="/x", **options):
    given = {name: options.pop(name) for name in ("body", "query", "streams") if name in options}
    return Call.make(defaults(), method, path, options=options, **given)


# Calls


def test_a_call_has_all_that_an_attempt_needs():
    call = make("POST", body={"a": 1}, query={"b": True, "c": None}, extra_query={"d": "e"}, extra_headers={"X-F": "g"})
    assert (call.method, call.url) == ("POST", "http://localhost/v1/x")
    assert call.query == [("b", "true"), ("d", "e")]
    assert call.body == b'{"a":1}'
    assert call.headers["x-f"] == "g"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["content-type"] == "application/json"
    assert (call.timeout.idle, call.max_retries, call.streams) == (2, 1, False)


def test_what_a_call_says_goes_over_what_the_client_does():
    call = make(timeout=Timeout(total=7), max_retries=5)
    assert (call.timeout.total, call.timeout.idle, call.max_retries) == (7, 60, 5)
    assert make(timeout=None).timeout.idle is None
    assert make(timeout=9).timeout.idle == 9


def test_a_call_without_a_body_has_none_unless_one_is_added():
    assert make().body is None
    assert "content-type" not in make().headers
    assert make(extra_body={}).body is None
    assert make(extra_body={"a": 1}).body == b'{"a":1}'
    assert make(extra_body={"a": 1}).headers["content-type"] == "application/json"
    assert make("POST", body={"a": 1, "b": 2}, extra_body={"b": 3}).body == b'{"a":1,"b":3}'


def test_a_call_shows_neither_key_nor_query_nor_body():
    call = make(
        "POST",
        body={"content": KEY},
        extra_query={"key": KEY},
        extra_headers={"X-Key": KEY},
        idempotency_key=KEY,
    )
    assert repr(call) == "Call(POST /v1/x)"
    assert KEY not in f"{call}{[call]}"


def test_neither_do_the_defaults_that_it_is_made_of():
    assert KEY not in repr(defaults())


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v1/y", "http://localhost/v1/y"),
        ("y", "http://localhost/v1/y"),
        ("http://localhost/v1/y", "http://localhost/v1/y"),
        ("http://LOCALHOST:80/v1/y", "http://LOCALHOST:80/v1/y"),
        ("//localhost/v1/y", "http://localhost/v1/y"),
    ],
)
def test_a_redirect_on_the_same_origin_is_followed_for_what_repeats_nothing(location, url):
    call = make(query={"a": "1"})
    assert call.redirected(location).url == url
    assert call.redirected(location).query == []  # it is the location that says where to
    assert call.redirected(location).headers == call.headers
    assert call.redirected("y?b=2").url.endswith("?b=2")
    for method in ("POST", "DELETE"):
        assert make(method).redirected(location) is None


ELSEWHERE = [
    "https://localhost/v1/y",
    "http://localhost:81/v1/y",
    "http://other/v1/y",
    "//other/v1/y",
    "http://localhost.evil/",
    "http://localhost@evil/",
    "http://evil/@localhost",
    "ftp://localhost/",
    "javascript:alert(1)",
    "http://[",
    "http://localhost:99999/",
    "http://localhost:x/",
    "//\uff0f/",
    "",
    None,
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_redirect_to_another_origin_is_not_followed(location):
    assert make().redirected(location) is None


@given(st.text(max_size=30))
def test_no_location_makes_a_redirect_raise(location):
    call = make().redirected(location)
    assert call is None or call.url.lower().startswith("http://localhost")


# Options and bodies


def test_options_are_parted_from_parameters():
    arguments = {"temperature": 1, "timeout": 5, "extra_body": None}
    assert split_options("create", arguments, frozenset({"temperature"})) == {"timeout": 5, "extra_body": None}
    with pytest.raises(TypeError, match=r"create\(\) got an unexpected keyword argument 'top_k'"):
        split_options("create", {"top_k": 1}, frozenset())


def test_a_body_has_messages_model_and_what_was_given():
    assert create_body([USER], "m", {"n": 1}, stream=False) == {"messages": [USER], "model": "m", "n": 1}
    assert create_body(iter([USER]), "m", {}, stream=True) == {"messages": [USER], "model": "m", "stream": True}


class Told:
    """A message that says itself what it is in a request."""

    def __init__(self, param):
        self.param = param

    def to_param(self):
        return self.param


def test_messages_are_told_in_their_own_words():
    message = ChatCompletionMessage.model_validate({"role": "assistant", "content": "Hi", "refusal": None})
    body = create_body([Told(USER), message], "m", {}, stream=False)
    assert body["messages"] == [USER, {"role": "assistant", "content": "Hi"}]
    with pytest.raises(ParameterError, match=r"messages\[0\]"):
        create_body([Told("Hi")], "m", {}, stream=False)
    for wrong in (Told, ChatCompletionMessage):
        with pytest.raises(TypeError, match=r"messages\[1\]: expected a dict or a message model"):
            create_body([USER, wrong], "m", {}, stream=False)


def test_of_problems_the_first_that_is_more_than_an_unknown_word_is_raised():
    unknown = Problem("a word", "a", "invalid_value", unknown_word=True)
    wrong = Problem("b: wrong", "b", "invalid_type")
    check_body([])
    check_body([unknown, unknown])
    with pytest.raises(ParameterError, match="b: wrong") as raised:
        check_body([unknown, wrong, Problem("c", "c", "c")])
    assert (raised.value.param, raised.value.code) == ("b", "invalid_type")
    assert isinstance(raised.value, ValueError)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_body_of_json_values_arrives_as_it_is(body):
    assert json.loads(make("POST", body=body).body) == body


# Methods


def test_the_methods_are_calls():
    made = {
        "create": create_call(defaults(), [USER], "m", {"n": 1}, stream=None)[0],
        "stream": stream_call(defaults(), [USER], "m", {"n": 1})[0],
        "retrieve": stored_call(defaults(), "GET", "retrieve", "a/b", {}),
        "delete": stored_call(defaults(), "DELETE", "delete", "c", {}),
        "update": update_call(defaults(), "c", {"k": "v"}, {}),
        "list": page_call(defaults(), (), {"limit": 5, "after": None}, {}),
        "messages": page_call(defaults(), ("c", "messages"), {"order": "asc"}, {}),
    }
    path = "/v1/chat/completions"
    assert {name: repr(call) for name, call in made.items()} == {
        "create": f"Call(POST {path})",
        "stream": f"Call(POST {path})",
        "retrieve": f"Call(GET {path}/a%2Fb)",
        "delete": f"Call(DELETE {path}/c)",
        "update": f"Call(POST {path}/c)",
        "list": f"Call(GET {path})",
        "messages": f"Call(GET {path}/c/messages)",
    }
    assert {name for name, call in made.items() if call.streams} == {"stream"}
    assert {name for name, call in made.items() if call.body} == {"create", "stream", "update"}
    assert made["list"].query == [("limit", "5")]
    assert create_call(defaults(), [USER], "m", {}, stream=True)[0].streams


def test_how_an_answer_is_read_is_no_part_of_what_is_asked():
    arguments = {"raise_on": {"length"}, "allow_incomplete": True, "n": 1}
    for call, reading in (
        create_call(defaults(), [USER], "m", arguments, stream=None),
        stream_call(defaults(), [USER], "m", arguments),
    ):
        assert reading == {"raise_on": {"length"}, "allow_incomplete": True}
        assert set(json.loads(call.body)) <= {"messages", "model", "n", "stream"}


def test_a_stream_reads_with_the_tools_and_the_format_that_were_asked_for():
    tools = [{"type": "function", "function": {"name": "f"}}]
    format_ = {"type": "json_object"}
    _, reading = stream_call(defaults(), [USER], "m", {"tools": tools, "response_format": format_, "record": "tape"})
    assert reading == {"tools": tools, "response_format": format_, "record": "tape"}
    _, reading = stream_call(defaults(), [USER], "m", {"response_format": None})
    assert reading == {}


# Answers read whole


def completion_of(*reads, failure=None, **reading):
    body = CompletionBody(**reading)
    for data in reads:
        if body.feed(data):
            break
    if failure is not None:
        body.fail(failure)
    return body.read(INFO)


BODY = json.dumps(COMPLETION).encode()


def cuttings(data):
    return [[data], [data[at : at + 1] for at in range(len(data))], [data[:7], b"", data[7:]]]


@pytest.mark.parametrize("reads", cuttings(BODY), ids=["whole", "bytes", "two"])
def test_a_completion_is_read_however_it_is_cut(reads):
    completion = completion_of(*reads)
    assert type(completion) is ChatCompletion
    assert completion.choices[0].message.content == "Hi"
    assert completion.usage.total_tokens == 2
    assert completion.response is INFO


@pytest.mark.parametrize("around", [b"\xef\xbb\xbf", b"\n\n  ", b"\r\n"])
def test_what_stands_before_a_completion_does_not_count(around):
    assert completion_of(around + BODY).choices[0].message.content == "Hi"


def test_a_stream_that_nobody_asked_for_is_read_and_not_beyond_its_end():
    body = CompletionBody()
    assert body.feed(EVENTS) is False
    assert body.feed(DONE) is True
    assert body.read(INFO).choices[0].message.content == "Hi"


def test_every_cut_of_a_completion_is_told():
    for length in range(len(BODY)):
        with pytest.raises(ChatStreamError) as raised:
            completion_of(BODY[:length])
        assert raised.value.request_id == "req_1"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", (IncompleteStreamError, NotAStreamError)),
        (b"<html><body>Sign in</body></html>", NotAStreamError),
        (b"Not Found", NotAStreamError),
        (b"{}", NotAStreamError),
        (b"[]", NotAStreamError),
        (b'{"error": {"message": "no", "code": "x"}}', APIStreamError),
        (b'{"error": "no"}', APIStreamError),
        (b"[" * 100_000, (StreamLimitError, ChatStreamError)),
    ],
    ids=repr,
)
def test_what_is_no_completion_is_told_with_the_id_of_its_request(body, kind):
    with pytest.raises(kind) as raised:
        completion_of(body)
    assert raised.value.request_id == "req_1"
    if isinstance(raised.value, NotAStreamError):
        assert raised.value.content_type == "text/html"


def test_a_completion_that_broke_off_has_what_had_come():
    with pytest.raises(StreamInterruptedError) as raised:
        completion_of(EVENTS, failure=StreamInterruptedError("gone"))
    assert raised.value.completion.choices[0].message.content == "Hi"
    assert raised.value.request_id == "req_1"


def test_what_fails_behind_the_end_is_no_failure():
    assert completion_of(EVENTS, DONE, failure=StreamInterruptedError("gone")).choices[0].message.content == "Hi"


def test_a_completion_is_judged_as_a_stream_is():
    cut = COMPLETION | {"choices": [COMPLETION["choices"][0] | {"finish_reason": "length"}]}
    data = json.dumps(cut).encode()
    assert completion_of(data).choices[0].finish_reason == "length"
    with pytest.raises(ChatStreamError) as raised:
        completion_of(data, raise_on={"length"})
    assert raised.value.completion.choices[0].message.content == "Hi"


def object_of(*reads, failure=None, model=ChatCompletionDeleted):
    body = ObjectBody()
    for data in reads:
        if body.feed(data):
            break
    if failure is not None:
        body.fail(failure)
    return body.read(model, INFO)


DELETED = b'{"id": "c", "deleted": true, "object": "chat.completion.deleted", "more": 1}'


@pytest.mark.parametrize("reads", cuttings(DELETED), ids=["whole", "bytes", "two"])
def test_an_object_is_read_however_it_is_cut(reads):
    deleted = object_of(*reads)
    assert type(deleted) is ChatCompletionDeleted
    assert (deleted.id, deleted.deleted, deleted.more) == ("c", True, 1)
    assert deleted.response is INFO


def test_every_cut_of_an_object_is_told():
    for length in range(len(DELETED)):
        with pytest.raises(ChatStreamError):
            object_of(DELETED[:length])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", NotAStreamError),
        (b"<html>", NotAStreamError),
        (b"[]", NotAStreamError),
        (b"null", NotAStreamError),
        (b"5", NotAStreamError),
        (b'{"error": {"message": "no"}}', APIStreamError),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", StreamLimitError),
        (b'{"a": 1} {"b": 2}', ChatStreamError),
        (b'{"a": "\xff"', ChatStreamError),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_object_is_told_with_the_id_of_its_request(body, kind):
    with pytest.raises(kind) as raised:
        object_of(body)
    assert raised.value.request_id == "req_1"


def test_an_object_that_broke_off_is_told_by_the_first_failure():
    body = ObjectBody()
    body.feed(DELETED)
    body.fail(StreamInterruptedError("first"))
    body.fail(StreamInterruptedError("second"))
    with pytest.raises(StreamInterruptedError, match="first"):
        body.read(ChatCompletionDeleted, INFO)


def test_an_object_past_all_measure_is_given_up(monkeypatch):
    monkeypatch.setattr("chatstream.client.answers._LARGEST", 1000)
    body = ObjectBody()
    assert body.feed(b"x" * 1000) is False
    assert body.feed(b"x") is True
    with pytest.raises(StreamLimitError):
        body.read(ChatCompletionDeleted, INFO)


def test_members_of_a_wrong_type_are_given_as_they_are():
    assert object_of(b'{"id": 5, "deleted": "yes"}').deleted == "yes"


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_reading_raise_anything_else(data):
    for read_ in (completion_of, object_of):
        try:
            read_(data)
        except ChatStreamError as error:
            assert error.request_id == "req_1"  # noqa: PT017  most bodies are wrong, and some are right


# Errors


def patience(*, heard=False, over=False, timeout=5):
    made = Patience(Timeout.of(timeout), clock=lambda: 100.0, deadline=50.0 if over else None, stop=Stop())
    if heard:
        made.hear(EVENTS)
    return made


OPENING = [
    ("ConnectError", APIConnectionError, None),
    ("ConnectTimeout", APITimeoutError, "connect"),
    ("PoolTimeout", APITimeoutError, "pool"),
    ("ReadTimeout", APITimeoutError, "first_byte"),
    ("WriteTimeout", APITimeoutError, None),
    ("ReadError", APIConnectionError, None),
    ("WriteError", APIConnectionError, None),
    ("RemoteProtocolError", APIConnectionError, None),
    ("ProxyError", APIConnectionError, None),
]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
@pytest.mark.parametrize(("name", "kind", "phase"), OPENING)
def test_what_keeps_an_answer_from_coming_is_an_error_of_ours(library, name, kind, phase):
    error = getattr(library, name)(f"while using {KEY}")
    ours = while_opening(error, patience(), "https://service.example/v1")
    assert type(ours) is kind
    assert phase is None or ours.phase == phase
    assert ours.__cause__ is error
    assert KEY not in str(ours)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
def test_what_ends_an_answer_before_its_time_is_an_error_of_ours(library):
    assert type(while_reading(library.ReadError("x"), patience(heard=True))) is StreamInterruptedError
    assert type(while_reading(library.RemoteProtocolError("x"), patience(heard=True))) is StreamInterruptedError
    assert while_reading(library.ReadTimeout("x"), patience()).phase == "first_byte"
    assert while_reading(library.ReadTimeout("x"), patience(heard=True)).phase == "idle"
    assert while_reading(library.ReadTimeout("x"), patience(heard=True, over=True)).phase == "total"
    assert type(while_reading(ssl.SSLError("x"), patience(heard=True))) is StreamInterruptedError


def test_an_error_of_ours_stays_what_it_is():
    for error in (StreamInterruptedError("x"), APITimeoutError(phase="idle"), StreamProtocolError("x")):
        assert while_reading(error, patience(heard=True)) is error
    assert type(while_reading(Enough(), patience())) is APIUserAbortError


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("closed"), TypeError("x"), ZeroDivisionError()], ids=repr
)
def test_what_somebody_did_wrong_himself_is_none_of_ours(error):
    assert while_opening(error, patience(), "https://service.example/v1") is None
    assert while_reading(error, patience(heard=True)) is None


def asking(method):
    return Call(method, "https://service.example/v1/chat/completions", [], {}, None, False, Timeout(), 0)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequestError), (429, RateLimitError), (418, APIStatusError), (599, APIStatusError)]
)
def test_a_refusal_is_told_in_the_words_of_the_service(status, kind):
    response = httpx.Response(status, headers={"x-request-id": "req_2"})
    body = b'{"error": {"message": "too much", "type": "t", "param": "p", "code": "c"}}'
    error = refusal(response, body, asking("POST"))
    assert isinstance(error, kind)
    assert (error.status_code, error.request_id) == (status, "req_2")
    assert (error.type, error.param, error.code) == ("t", "p", "c")
    assert "too much" in str(error)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (f"https://other.example:8443/v1?key={KEY}", "https://other.example:8443"),
        (f"https://user:{KEY}@other.example/", "https://other.example"),
        ("/elsewhere", "another path"),
        ("http://[", "nowhere"),
        (None, "another path"),
    ],
)
def test_a_redirect_that_is_not_followed_says_where_to_and_no_more(location, told):
    headers = {} if location is None else {"location": location}
    error = refusal(httpx.Response(307, headers=headers), b"<html>", asking("POST"))
    assert type(error) is APIStatusError
    assert error.status_code == 307
    assert f"redirects to {told}, where a POST is not sent on to" in str(error)
    assert KEY not in "".join(traceback.format_exception(error))


@given(
    st.integers(300, 599), st.binary(max_size=60), st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))
)
def test_no_refusal_makes_telling_it_raise(status, body, location):
    response = httpx.Response(status, headers={"location": location.encode("latin-1")})
    error = refusal(response, body, asking("GET"))
    assert error.status_code == status
    str(error).encode("utf-8", "surrogatepass")


class Markup(str):
    __slots__ = ()

    def __str__(self):
        return "something else"


class Float64(float):
    pass


class Level(IntEnum):
    HIGH = 3


def test_what_is_a_plain_value_underneath_is_sent_as_one():
    body = {"text": Markup("hi"), "number": Float64(0.5), "level": Level.HIGH, "yes": True, "none": None}
    sent = make("POST", body=body).body
    assert json.loads(sent) == {"text": "hi", "number": 0.5, "level": 3, "yes": True, "none": None}


def test_an_integer_that_python_will_not_write_is_told_by_its_path():
    with pytest.raises(ValueError, match=r"seed: an integer of \d+ bits"):
        make("POST", body={"seed": 10**5000})
