"""Who may ask."""

import base64

import pytest

from chatstream.server.guard import Guard, check_json, is_loopback
from chatstream.server.http import Refusal, Request


def status(check, *arguments, **options):
    try:
        check(*arguments, **options)
    except Refusal as refusal:
        return refusal.status
    return None


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:80", True),
        ("localhost", True),
        ("LOCALHOST:9", True),
        ("localhost.:9", True),
        ("[::1]:80", True),
        ("[::1]", True),
        ("evil.example", False),
        ("evil.example:80", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("0.0.0.0", False),
        ("[::2]", False),
        ("[::1].evil.example", False),
        ("127.0.0.1:80@evil.example", False),
        ("127.0.0.1, evil.example", False),
        ("127.0.0.1/", False),
    ],
)
def test_on_loopback_only_names_of_this_machine_get_through(host, allowed):
    guard = Guard(host="127.0.0.1", api_key=None)
    assert status(guard.check_origin, {"host": host}) == (None if allowed else 403)


def test_a_name_can_be_let_in():
    guard = Guard(host="127.0.0.1", api_key=None, allowed_hosts=["My-Box.local"])
    assert status(guard.check_origin, {"host": "my-box.local:80"}) is None


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:80", True),
        ("http://localhost:81", False),
        ("http://localhost", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_page_of_another_origin_is_refused(origin, allowed):
    headers = {"host": "localhost:80"} | ({} if origin is None else {"origin": origin})
    assert status(Guard(host="127.0.0.1", api_key=None).check_origin, headers) == (None if allowed else 403)


def basic(text):
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("shown", "allowed"),
    [
        ("Bearer the-key", True),
        ("bearer the-key", True),
        (basic("me:the-key"), True),
        (basic(":the-key"), True),
        (None, False),
        ("Bearer", False),
        ("Bearer the-ke", False),
        ("Bearer the-keyy", False),
        ("the-key", False),
        (basic("the-key"), False),
        (basic("me:another"), False),
        ("Basic !!!", False),
        ("Bearer \xff\xfe", False),
    ],
)
def test_where_there_is_a_key_it_must_be_shown(shown, allowed):
    guard = Guard(host="127.0.0.1", api_key="the-key")
    headers = {} if shown is None else {"authorization": shown}
    assert status(guard.check_key, headers) == (None if allowed else 401)
    assert status(Guard(host="127.0.0.1", api_key=None).check_key, headers) is None


def test_a_browser_is_made_to_ask_for_the_key_and_the_key_is_not_told():
    with pytest.raises(Refusal) as caught:
        Guard(host="127.0.0.1", api_key="the-key").check_key({"authorization": "Bearer wrong-key"}, browser=True)
    assert caught.value.exchange.response["headers"]["www-authenticate"].startswith("Basic ")
    assert b"-key" not in caught.value.exchange.reads[0].data


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.local"])
def test_off_loopback_there_must_be_a_key_and_then_any_name_will_do(host):
    assert not is_loopback(host)
    with pytest.raises(ValueError, match="set an API key"):
        Guard(host=host, api_key=None)
    assert status(Guard(host=host, api_key="k").check_origin, {"host": "anything.example"}) is None


@pytest.mark.parametrize("key", ["", " "])
def test_an_empty_key_is_not_taken_for_none(key):
    with pytest.raises(ValueError, match="the API key is empty"):
        Guard(host="127.0.0.1", api_key=key)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"])
def test_loopback_is_known_by_its_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"content-type": "application/json"}, True),
        ({"content-type": "Application/JSON; charset=utf-8"}, True),
        ({"content-type": "application/json", "content-encoding": "identity"}, True),
        ({}, False),
        ({"content-type": "text/plain"}, False),
        ({"content-type": "application/x-www-form-urlencoded"}, False),
        ({"content-type": "application/jsonp"}, False),
        ({"content-type": "application/json", "content-encoding": "gzip"}, False),
    ],
)
def test_a_body_must_be_called_json_and_be_unpacked(headers, allowed):
    request = Request(method="POST", path="/", headers=headers)
    assert status(check_json, request) == (None if allowed else 415)
