"""Which headers may be sent."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.client.headers import check_given, check_headers, check_value
from chatstream.recording.credentials import hold_credentials

CANARY = "sk-canary-0123456789"


def test_names_come_back_in_lower_case_and_the_last_of_two_counts():
    assert check_headers({"X-A": "1", "x-b": None, "x-a": "2"}) == {"x-a": "2", "x-b": None}
    assert check_headers(httpx.Headers({"X-A": "1"})) == {"x-a": "1"}
    assert check_headers(None) == {}


@pytest.mark.parametrize("value", ["", "a", "a b", "a\tb", "~!", 'W/"x"'])
def test_values_of_printable_ascii_are_kept_as_they_are(value):
    assert check_headers({"x-a": value}) == {"x-a": value}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("\n", "line break"),
        ("\r\nx-b: 1", "line break"),
        ("\0", "control character"),
        ("\x7f", "control character"),
        ("\x1b[2J", "control character"),
        ("é", "not ASCII"),
        ("\u2028", "not ASCII"),
        ("\ud800", "not ASCII"),
        (" ", "begins or ends"),
        ("\t", "begins or ends"),
    ],
)
def test_a_value_that_would_not_go_over_the_wire_names_the_header_and_is_not_shown(value, why):
    with pytest.raises(ValueError, match=rf"^extra_headers\['X-A'\]: .*{why}") as caught:
        check_headers({"X-A": CANARY + value}, "extra_headers")
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None  # a UnicodeEncodeError would hold the text


@pytest.mark.parametrize("value", [1, True, b"a", ["a"], object()])
def test_a_value_that_is_no_text_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"^default_headers\['x-a'\]: expected a str, got "):
        check_headers({"x-a": value})


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "''"),
        ("x a", "'x'"),
        ("x:", "'x'"),
        ("x\n", "'x'"),
        ("é", "''"),
        ("(x)", "''"),
        (f"Authorization: Bearer {CANARY}", "'Authorization'"),
        ("a" * 50 + " ", "'" + "a" * 40 + "'"),
    ],
)
def test_a_name_that_is_no_token_is_shown_as_far_as_it_is_one(name, shown):
    with pytest.raises(ValueError, match=r"^default_headers: ") as caught:
        check_headers({name: CANARY})
    assert f"begins {shown} " in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("headers", [[("x-a", "1")], "x-a: 1", 5])
def test_headers_are_a_mapping(headers):
    with pytest.raises(TypeError, match=r"^default_headers: expected a mapping"):
        check_headers(headers)


def test_a_name_is_text():
    with pytest.raises(TypeError, match=r"^default_headers: expected a str as the name of a header, got bytes"):
        check_headers({b"x-a": "1"})


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_the_length_of_a_body_is_not_for_the_caller_to_say(name):
    with pytest.raises(ValueError, match=name):
        check_headers({name: "5"})


def test_a_parameter_that_makes_up_a_header_is_not_empty():
    assert check_given("a", "api_key") == "a"
    with pytest.raises(ValueError, match=r"^api_key: is empty; leave it out"):
        check_given("", "api_key")


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_refused_or_a_header_that_httpx_and_h11_take(name, value):
    import h11

    try:
        headers = check_headers({name: value})
    except ValueError:
        return
    request = httpx.Request("GET", "http://host", headers={name: value})
    assert request.headers[name] == value
    h11.Request(method="GET", target="/", headers=[("host", "a"), *headers.items()])
    assert check_value(value, "it") == value


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("authorization", True),
        ("Proxy-Authorization", True),
        ("api-key", True),
        ("X-API-Key", True),
        ("x_api_key", True),
        ("Ocp-Apim-Subscription-Key", True),
        ("x-goog-api-key", True),
        ("cookie", True),
        ("x-auth", True),
        ("x-access-token", True),
        ("X-Amz-Security-Token", True),
        ("x-client-secret", True),
        ("idempotency-key", False),
        ("x-author", False),
        ("x-max-tokens", False),
        ("openai-organization", False),
        ("accept", False),
    ],
)
def test_headers_known_to_carry_a_credential_are_told(name, is_one):
    assert hold_credentials(["accept", name]) is is_one
