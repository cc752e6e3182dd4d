"""The two clients: made, changed, shown, closed."""

import copy
import gc
import pickle
import traceback

import httpx
import httpx2
import openai
import pytest

from chatstream import AsyncChatClient, ChatClient
from chatstream.client import Timeout
from chatstream.client.settings import OPENAI_URL
from chatstream.errors import APIConnectionError
from chatstream.server import ReplayServer
from halves import all_of, both_halves, client_class, closed, entered, first_of, got, http_client_of

CANARY = "sk-canary-0123456789"
ASKED = {"model": "echo", "messages": [{"role": "user", "content": "Hi"}]}
CLASSES = [ChatClient, AsyncChatClient]
VARIABLES = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, grace=0.1) as running:
        yield running


@pytest.fixture(params=CLASSES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


# Made


def test_a_client_asks_the_official_service_unless_told_otherwise(cls):
    client = cls(api_key="k")
    assert client.base_url == OPENAI_URL == "https://api.openai.com/v1"
    assert client.timeout == Timeout()
    assert client.max_retries == 2


def test_a_client_has_what_it_was_made_with(cls):
    client = cls(api_key="k", base_url=httpx.URL("https://host/v1/"), timeout=2, max_retries=0)
    assert client.base_url == "https://host/v1"
    assert client.timeout == Timeout(connect=2, pool=2, first_byte=2, idle=2)
    assert client.max_retries == 0
    assert cls(api_key="k", timeout=None).timeout == Timeout(connect=None, pool=None, first_byte=None, idle=None)
    assert cls(api_key="k", timeout=Timeout(total=5)).timeout.total == 5


def test_the_variables_of_the_environment_are_read_when_it_is_made(cls, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://host/v2/")
    assert cls().base_url == "https://host/v2"
    assert cls(base_url="https://other").base_url == "https://other"
    monkeypatch.setenv("OPENAI_BASE_URL", "  ")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    client = cls()
    assert client.base_url == OPENAI_URL
    monkeypatch.setenv("OPENAI_BASE_URL", "https://late")
    assert client.base_url == OPENAI_URL


def test_without_a_key_the_official_service_is_not_asked(cls, monkeypatch):
    with pytest.raises(ValueError, match=r"api_key: must be given.*OPENAI_API_KEY"):
        cls()
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ValueError, match="api_key"):
        cls()
    assert cls(base_url="http://localhost:1").base_url == "http://localhost:1"


WRONG = [
    ("api_key", 5, TypeError),
    ("api_key", "", ValueError),
    ("api_key", f"{CANARY}\n", ValueError),
    ("api_key", f"{CANARY}é", ValueError),
    ("organization", 5, TypeError),
    ("organization", f"{CANARY}\x00", ValueError),
    ("project", b"p", TypeError),
    ("base_url", 5, TypeError),
    ("base_url", "", ValueError),
    ("base_url", CANARY, ValueError),
    ("base_url", "ftp://host", ValueError),
    ("base_url", f"https://user:{CANARY}@host/v1", ValueError),
    ("base_url", f"https://host/v1?key={CANARY}", ValueError),
    ("base_url", "http://example.com/v1", ValueError),
    ("timeout", "5", TypeError),
    ("timeout", 0, ValueError),
    ("timeout", -1.0, ValueError),
    ("timeout", True, TypeError),
    ("max_retries", -1, ValueError),
    ("max_retries", 1.0, TypeError),
    ("max_retries", None, TypeError),
    ("default_headers", [("X-A", "1")], TypeError),
    ("default_headers", {"X-A": f"{CANARY}\r\n"}, ValueError),
    ("default_headers", {"X A": "1"}, ValueError),
    ("default_query", "a=1", TypeError),
    ("default_query", {"a": object()}, TypeError),
    ("allow_plain_http", "yes", TypeError),
]


@pytest.mark.parametrize(("name", "value", "kind"), WRONG)
def test_what_is_wrong_is_told_by_its_name_when_it_is_made(cls, name, value, kind):
    with pytest.raises(kind, match=name) as raised:
        cls(**{"api_key": "k", name: value})
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    client = cls(api_key="k")
    with pytest.raises(kind, match=name):
        client.with_options(**{name: value})


def test_an_argument_that_is_none_is_told(cls):
    with pytest.raises(TypeError, match="apikey"):
        cls(apikey="k")
    with pytest.raises(TypeError, match="positional"):
        cls("k")
    for name in ("apikey", "http_client", "sleep", "base_urls"):
        with pytest.raises(TypeError, match=rf"with_options\(\) got an unexpected keyword argument '{name}'"):
            cls(api_key="k").with_options(**{name: None})


class Pretends:
    """Something that is closed as an HTTP client is."""

    async def aclose(self):
        """Close nothing."""


def wrong_clients():
    made = {
        ChatClient: [httpx.AsyncClient(), httpx2.AsyncClient(), httpx.Client, AsyncChatClient(api_key="k")],
        AsyncChatClient: [httpx.Client(), httpx2.Client(), httpx.AsyncClient, AsyncChatClient(api_key="k"), Pretends()],
    }
    usual = ["client", 5, object(), httpx, httpx.HTTPTransport(), openai.OpenAI(api_key="k"), ChatClient(api_key="k")]
    return [(half, http) for half, more in made.items() for http in usual + more]


@pytest.mark.parametrize(
    ("cls", "http"), wrong_clients(), ids=lambda value: getattr(value, "__name__", type(value).__name__)
)
def test_what_is_no_http_client_of_its_kind_is_told(cls, http):
    with pytest.raises(TypeError, match="http_client: expected a"):
        cls(api_key="k", http_client=http)


# Changed


def test_other_options_make_another_client(cls):
    first = cls(api_key="k", organization="o", base_url="https://host/v1", timeout=2, max_retries=1)
    other = first.with_options(base_url="https://other/v1", timeout=5.0, max_retries=4)
    assert type(other) is cls
    assert other is not first
    assert (other.base_url, other.timeout.idle, other.max_retries) == ("https://other/v1", 5.0, 4)
    assert (first.base_url, first.timeout.idle, first.max_retries) == ("https://host/v1", 2, 1)
    same = first.with_options()
    assert (same.base_url, same.timeout, same.max_retries) == (first.base_url, first.timeout, first.max_retries)
    assert first.with_options(base_url=None).base_url == OPENAI_URL
    assert other.with_options(timeout=None).timeout.idle is None


def test_a_key_in_the_clear_is_met_whichever_option_is_changed(cls):
    near = cls(api_key="k", base_url="http://localhost/v1")
    with pytest.raises(ValueError, match="allow_plain_http"):
        near.with_options(base_url="http://example.com")
    assert near.with_options(base_url="http://example.com", allow_plain_http=True).base_url == "http://example.com"
    assert near.with_options(base_url="http://example.com", api_key=None).base_url == "http://example.com"
    with pytest.raises(ValueError, match="allow_plain_http"):
        near.with_options(base_url="http://example.com", api_key=None).with_options(api_key="k")


def test_a_class_of_ones_own_stays_one(cls):
    class Mine(cls):
        """A client of somebody's own."""

    assert type(Mine(api_key="k").with_options(timeout=1)) is Mine


# Shown


def test_no_key_is_shown(cls):
    client = cls(
        api_key=CANARY,
        organization=f"org-{CANARY}",
        default_headers={"X-Key": CANARY},
        default_query={"key": CANARY},
        base_url="https://host/v1",
    )
    assert repr(client) == f"{cls.__name__}('https://host/v1')"
    for thing in (
        client,
        client.chat,
        client.chat.completions,
        client.chat.completions.messages,
        client.with_options(),
    ):
        assert CANARY not in f"{thing!r}{thing}"
    for make in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds a key"):
            make(client)
    for thing in (client.chat, client.chat.completions):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


@both_halves
async def test_no_key_is_shown_by_an_error(half):
    client = client_class(half)(api_key=CANARY, base_url="http://127.0.0.1:1/v1", max_retries=0)
    async with entered(client):
        with pytest.raises(APIConnectionError) as raised:
            await got(client.chat.completions.create(**ASKED))
        stream = client.chat.completions.stream(**ASKED)
        assert CANARY not in repr(stream)
    told = [*traceback.format_exception(raised.value), repr(raised.value), repr(vars(raised.value))]
    assert CANARY not in "".join(told)


# Closed


@both_halves
async def test_leaving_the_context_closes_its_own_connections(half, server):
    async with entered(client_class(half)(base_url=server.base_url)) as client:
        assert not client.is_closed
        assert (await got(client.chat.completions.create(**ASKED))).choices
    assert client.is_closed


@both_halves
async def test_closing_twice_is_closing_once(half):
    client = client_class(half)(api_key="k")
    await closed(client)
    await closed(client)
    assert client.is_closed


@both_halves
async def test_an_http_client_that_was_handed_in_stays_open(half, server):
    async with entered(http_client_of(half)) as http:
        async with entered(client_class(half)(base_url=server.base_url, http_client=http)) as client:
            await got(client.chat.completions.create(**ASKED))
        await closed(client)
        assert not http.is_closed
        assert not client.is_closed
        assert (await got(client.chat.completions.create(**ASKED))).choices


@both_halves
async def test_a_client_of_other_options_closes_nothing_of_the_first(half, server):
    async with entered(client_class(half)(base_url=server.base_url)) as client:
        async with entered(client.with_options(timeout=5)) as other:
            await got(other.chat.completions.create(**ASKED))
        assert not client.is_closed
        assert not other.is_closed
        assert (await got(client.chat.completions.create(**ASKED))).choices
    assert other.is_closed


@both_halves
async def test_an_exception_in_the_context_closes_it_and_goes_on(half, server):
    with pytest.raises(LookupError, match="mine"):
        async with entered(client_class(half)(base_url=server.base_url)) as client:
            raise LookupError("mine")
    assert client.is_closed


@both_halves
async def test_a_client_that_was_closed_says_so(half, server):
    client = client_class(half)(base_url=server.base_url, max_retries=2)
    await closed(client)
    completions = client.chat.completions
    seen = len(server.requests)
    asks = [
        lambda: completions.create(**ASKED),
        lambda: completions.create(**ASKED, stream=True),
        lambda: completions.stream(**ASKED).final_content(),
        lambda: completions.retrieve("c"),
        lambda: completions.delete("c"),
        lambda: completions.update("c", metadata={}),
        completions.list,
    ]
    for ask in asks:
        # It is nobody's fault but the caller's: no APIError, and nothing is tried again.
        with pytest.raises(RuntimeError, match="closed"):
            await got(ask())
    assert len(server.requests) == seen


@both_halves
async def test_what_was_open_ends_when_the_client_is_closed(half, server):
    async with entered(client_class(half)(base_url=server.base_url)) as client:
        page = await got(client.chat.completions.list())
        stream = await got(client.chat.completions.create(**ASKED, stream=True))
        await first_of(stream, 1)
        await closed(stream)
    assert await all_of(page) == page.data
    await closed(stream)


def test_a_client_that_is_dropped_leaves_no_warning(cls, recwarn):
    client = cls(api_key="k")
    del client
    gc.collect()
    assert not recwarn.list


@pytest.mark.anyio
async def test_both_ways_of_closing_an_async_client_are_one():
    for name in ("close", "aclose"):
        client = AsyncChatClient(api_key="k")
        await getattr(client, name)()
        assert client.is_closed
