"""What all requests of a client share, and what one is made of."""

import copy
import io
import pickle
import traceback

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from chatstream import __version__
from chatstream.client.settings import (
    OPENAI_URL,
    Settings,
    check_plain_http,
    path_of,
    request_headers,
    request_query,
    request_url,
)

CANARY = "sk-canary-0123456789"


def make(environ=(), **arguments):
    return Settings.make(environ=dict(environ), **arguments)


def keyed(**arguments):
    return make(api_key="k", **arguments)


# What the settings are


def test_arguments_are_taken():
    settings = make(
        api_key="k",
        organization="org",
        project="proj",
        base_url="http://localhost:1/v1/",
        default_headers={"X-A": "1"},
        default_query={"a": 1},
        allow_plain_http=True,
    )
    assert (settings.api_key, settings.organization, settings.project) == ("k", "org", "proj")
    assert settings.base_url == "http://localhost:1/v1"
    assert settings.default_headers == {"x-a": "1"}
    assert settings.default_query == {"a": 1}
    assert settings.allow_plain_http is True


ENVIRON = {
    "OPENAI_API_KEY": "k",
    "OPENAI_BASE_URL": "https://host/v1/",
    "OPENAI_ORG_ID": "org",
    "OPENAI_PROJECT_ID": "proj",
}


def test_what_is_not_given_comes_from_the_environment():
    settings = make(ENVIRON)
    assert (settings.api_key, settings.organization, settings.project) == ("k", "org", "proj")
    assert settings.base_url == "https://host/v1"


def test_an_argument_beats_the_environment():
    settings = make(ENVIRON, api_key="k2", organization="org2", project="proj2", base_url="https://host2")
    assert (settings.api_key, settings.organization, settings.project) == ("k2", "org2", "proj2")
    assert settings.base_url == "https://host2"


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_a_blank_variable_is_none(blank):
    settings = make(dict.fromkeys(ENVIRON, blank), api_key="k")
    assert (settings.organization, settings.project, settings.base_url) == (None, None, OPENAI_URL)


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": "  "}])
def test_without_a_key_there_must_be_a_base_url(environ):
    with pytest.raises(ValueError, match=r"^api_key: .*OPENAI_API_KEY"):
        make(environ)
    assert make(environ, base_url="http://localhost:1").api_key is None
    assert make({**environ, "OPENAI_BASE_URL": "http://localhost:1"}).api_key is None


@pytest.mark.parametrize("name", ["api_key", "organization", "project"])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "is empty"),
        (CANARY + "\n", "line break"),
        (CANARY + "\x00", "control character"),
        (CANARY + "é", "ASCII"),
        (" " + CANARY, "begins or ends"),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused_under_its_name(name, value, why):
    with pytest.raises(ValueError, match=f"^{name}: .*{why}") as caught:
        make(**{"api_key": "k", name: value})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"])
def test_a_variable_that_cannot_be_sent_is_refused_under_its_own_name(name):
    with pytest.raises(ValueError, match=f"^{name}: ") as caught:
        make({"OPENAI_API_KEY": "k", name: f"https://{CANARY}\n"})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", 5),
        ("api_key", b"k"),
        ("organization", 5),
        ("project", ["p"]),
        ("base_url", 5),
        ("default_headers", [("a", "b")]),
        ("default_query", [("a", "b")]),
        ("allow_plain_http", "no"),
        ("allow_plain_http", None),
    ],
)
def test_a_value_of_another_type_is_a_type_error_that_names_the_parameter(name, value):
    with pytest.raises(TypeError, match=f"^{name}: expected"):
        make(**{"api_key": "k", name: value})


def test_other_values_are_checked_again_and_the_first_settings_stay():
    first = keyed(default_headers={"x-a": "1"})
    second = first.replace(api_key="k2", base_url="https://host/")
    assert (second.api_key, second.base_url, second.default_headers) == ("k2", "https://host", {"x-a": "1"})
    assert (first.api_key, first.base_url) == ("k", OPENAI_URL)
    assert first.replace(organization="o").replace(organization=None).organization is None
    assert second.replace(base_url=None).base_url == OPENAI_URL
    for changes in (
        {"api_key": "k\n"},
        {"base_url": "host"},
        {"default_headers": {"a b": ""}},
        {"base_url": "http://host"},
    ):
        with pytest.raises(ValueError, match=r"^(api_key|base_url|default_headers)"):
            first.replace(**changes)
    with pytest.raises(TypeError, match="keyy"):
        first.replace(keyy="k")


def test_settings_do_not_change():
    headers, query = {"x-a": "1"}, {"a": 1}
    settings = keyed(default_headers=headers, default_query=query)
    headers["x-a"], query["a"] = "2", 2
    assert (settings.default_headers, settings.default_query) == ({"x-a": "1"}, {"a": 1})
    with pytest.raises(TypeError):
        settings.default_headers["x-a"] = "3"
    with pytest.raises(AttributeError):
        settings.api_key = "k2"


# Keys


def secret_settings():
    return make(
        api_key=CANARY,
        base_url="https://host",
        default_headers={"x-api-key": CANARY},
        default_query={"key": CANARY},
    )


def test_no_repr_shows_a_key():
    settings = secret_settings()
    shown = [repr(settings), str(settings), f"{settings}", repr([settings]), repr(settings.__rich_repr__())]
    assert not [text for text in shown if CANARY in text]
    assert "with a key" in repr(settings)
    assert "no key" in repr(make(base_url="https://host"))
    with pytest.raises(TypeError):
        vars(settings)


def test_settings_are_not_to_be_pickled_and_a_copy_is_the_same():
    settings = secret_settings()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="hold a key"):
            pickle.dump(settings, io.BytesIO(), protocol)
    assert copy.copy(settings) is settings
    assert copy.deepcopy([settings])[0] is settings


@given(
    st.sampled_from(["api_key", "organization", "project", "base_url"]),
    st.sampled_from(["{}\n", "{}\x00", "https://{}@host", "https://host/?{}", "https://host/#{}", "{}é", "http://{}", "{}"]),
)  # fmt: skip
def test_no_error_shows_a_key(name, pattern):
    try:
        make(**{"api_key": CANARY, name: pattern.format(CANARY)})
    except ValueError as error:
        assert CANARY not in "".join(traceback.format_exception(error))  # noqa: PT017  some of these are right


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": "k"},
        {"default_headers": {"Authorization": "Bearer k"}},
        {"default_headers": {"api-key": "k"}},
        {"default_headers": {"Cookie": "a=b"}},
    ],
)
def test_a_key_over_plain_http_to_somewhere_else_takes_an_explicit_word(arguments):
    for url in ("http://box:8000", "http://8.8.8.8", "http://127.1"):
        with pytest.raises(ValueError, match=r"^base_url: .*allow_plain_http=True"):
            make(base_url=url, **arguments)
        assert make(base_url=url, allow_plain_http=True, **arguments).base_url == url
    for url in ("http://localhost:8000", "http://192.168.1.5", "http://[::1]", "https://box"):
        assert make(base_url=url, **arguments).base_url == url


def test_the_word_is_asked_for_at_a_call_too():
    settings = make(base_url="http://box")
    assert request_headers(settings, accept="*/*", extra_headers={"x-a": "1"}, idempotency_key="i")
    with pytest.raises(ValueError, match="allow_plain_http=True"):
        request_headers(settings, accept="*/*", extra_headers={"X-Api-Key": "k"})
    with pytest.raises(ValueError, match="allow_plain_http=True"):
        check_plain_http(settings, {"Authorization": "Bearer k"})


def test_a_key_that_is_left_out_needs_no_word():
    assert make(api_key="k", base_url="http://box", default_headers={"authorization": None}).api_key == "k"


# Headers


def test_a_request_has_these_headers():
    settings = keyed(organization="org", project="proj")
    assert request_headers(settings, accept="application/json", has_body=True) == {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "user-agent": f"chatstream/{__version__}",
        "content-type": "application/json",
        "authorization": "Bearer k",
        "openai-organization": "org",
        "openai-project": "proj",
    }


def test_what_is_not_there_has_no_header():
    headers = request_headers(make(base_url="https://host"), accept="*/*")
    assert headers.keys() == {"accept", "accept-encoding", "user-agent"}


def test_a_stream_is_asked_for_as_it_is():
    assert request_headers(keyed(), accept="text/event-stream", is_stream=True)["accept-encoding"] == "identity"


def test_headers_of_the_call_go_over_those_of_the_client_and_those_over_ours():
    settings = keyed(default_headers={"X-A": "client", "X-B": "client", "User-Agent": "me", "Accept-Encoding": None})
    headers = request_headers(settings, accept="*/*", extra_headers={"x-A": "call", "X-B": None, "AUTHORIZATION": None})
    assert headers == {"accept": "*/*", "user-agent": "me", "x-a": "call"}


def test_an_idempotency_key_goes_over_the_clients_and_under_the_calls_own_header():
    settings = keyed(default_headers={"Idempotency-Key": "client"})
    assert request_headers(settings, accept="*/*")["idempotency-key"] == "client"
    assert request_headers(settings, accept="*/*", idempotency_key="i")["idempotency-key"] == "i"
    extra = {"idempotency-key": "call"}
    assert (
        request_headers(settings, accept="*/*", idempotency_key="i", extra_headers=extra)["idempotency-key"] == "call"
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "a\n"}, "idempotency_key"),
        ({"extra_headers": {"a b": "c"}}, "extra_headers"),
        ({"extra_headers": {"a": "c\r\n"}}, r"extra_headers\['a'\]"),
    ],
)
def test_headers_of_a_call_are_checked(arguments, named):
    with pytest.raises(ValueError, match=f"^{named}: "):
        request_headers(keyed(), accept="*/*", **arguments)


# Paths


def test_a_path_goes_behind_the_base_url():
    path = path_of("chat", "completions", "chatcmpl-1", "messages")
    assert path == "/chat/completions/chatcmpl-1/messages"
    assert request_url(keyed(base_url="https://host/v1/"), path) == f"https://host/v1{path}"


@pytest.mark.parametrize(
    ("segment", "quoted"), [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("%2e%2e", "%252e%252e"), ("é x", "%C3%A9%20x"), ("...", "...")]
)  # fmt: skip
def test_an_id_stays_one_segment(segment, quoted):
    assert path_of("a", segment) == f"/a/{quoted}"
    assert httpx.URL("https://host" + path_of("a", segment)).raw_path == f"/a/{quoted}".encode()


@pytest.mark.parametrize("segment", ["", ".", "..", "a\n", "\x00", "\x7f", "\x85", "\ud800", "a" * 1025])
def test_a_segment_that_is_no_id_is_refused(segment):
    with pytest.raises(ValueError, match=r"^completion_id: "):
        path_of("chat", "completions", segment)


@pytest.mark.parametrize("segment", [None, 5, b"a"])
def test_an_id_is_text(segment):
    with pytest.raises(TypeError, match=r"^completion_id: expected a str"):
        path_of("chat", segment)


# Queries


@pytest.mark.parametrize(
    ("params", "query"),
    [
        (None, []),
        ({"limit": 3, "after": None, "order": "asc"}, [("limit", "3"), ("order", "asc")]),
        ({"a": True, "b": False, "c": 0.5, "d": ""}, [("a", "true"), ("b", "false"), ("c", "0.5"), ("d", "")]),
        ({"metadata": {"k": "v", "k 2": "é"}}, [("metadata[k]", "v"), ("metadata[k 2]", "é")]),
        ({"metadata": {}}, []),
        ({"include": ["a", "b"], "to": ("c",)}, [("include[]", "a"), ("include[]", "b"), ("to[]", "c")]),
        ({"a": {"b": [1, None, {"c": 2}]}}, [("a[b][]", "1"), ("a[b][][c]", "2")]),
        ({"a": "line\nbreak"}, [("a", "line\nbreak")]),
    ],
)
def test_parameters_become_names_and_values(params, query):
    assert request_query(keyed(), params) == query


def test_extra_parameters_go_over_those_of_the_call_and_those_over_the_clients():
    settings = keyed(default_query={"a": "client", "b": "client", "c": "client", "d": "client"})
    query = request_query(settings, {"b": "call", "c": "call", "d": None}, {"c": "extra", "a": None})
    assert query == [("b", "call"), ("c", "extra"), ("d", "client")]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=3))
def test_queries_are_written_as_the_openai_sdk_writes_them(params):
    with OpenAI(api_key="k") as theirs:
        assert request_query(keyed(), params) == theirs.qs.stringify_items(params)


@pytest.mark.parametrize(
    ("query", "error", "named"),
    [
        ({"a": b"x"}, TypeError, r"\['a'\]: expected a str, a number"),
        ({"a": {"b": object()}}, TypeError, r"\['a'\]: expected a str, a number"),
        ({"a": {1: "x"}}, TypeError, r"\['a'\]: expected a str"),
        ({1: "x"}, TypeError, ": expected a str"),
        ({"a": {"x"}}, TypeError, r"\['a'\]: .*got set"),
        ({"a": "\ud800"}, ValueError, r"\['a'\]: holds half"),
        ({"a": ["\udfff"]}, ValueError, r"\['a'\]: holds half"),
        ({"\ud800": "x"}, ValueError, ": holds half"),
        ([("a", "b")], TypeError, ": expected a mapping"),
    ],
)
def test_what_no_url_can_have_is_refused_under_its_name(query, error, named):
    with pytest.raises(error, match=f"^extra_query{named}"):
        request_query(keyed(), None, query)
    with pytest.raises(error, match=f"^default_query{named}"):
        keyed(default_query=query)


def test_a_filter_that_no_url_can_have_is_refused_under_its_name():
    with pytest.raises(TypeError, match=r"^metadata: expected"):
        request_query(keyed(), {"metadata": {"k": b"v"}})
