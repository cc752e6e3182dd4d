"""No key gets out: not into logs, errors, reprs, pickles or files, whatever a service does with what it was sent."""

import copy
import http.server
import io
import json
import logging
import pickle
import socket
import threading
import traceback
import warnings
from contextlib import contextmanager, suppress

import httpx
import httpx2
import pytest

from chatstream.client import AsyncChatClient, ChatClient
from chatstream.errors import APIConnectionError, APIError, AuthenticationError, ChatStreamError
from chatstream.server import ReplayServer

ASKED = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
# One as the known services have them, and one that looks like nothing in particular.
KEYS = {"known": "sk-canary-0123456789abcdef", "plain": "yellow.canary"}
HEADER = "crimson.canary"  # in a header of the caller's own
QUERY = "violet.canary"  # in the query


class Handed(logging.Handler):
    """Everything that anybody logs."""

    def __init__(self):
        super().__init__(logging.NOTSET)
        self.records = []

    def emit(self, record):
        self.records.append((record.name, record.getMessage(), repr(record.args), repr(record.exc_info)))


@pytest.fixture
def logged():
    handler, root = Handed(), logging.getLogger()
    names = ["", "httpx", "httpx2", "httpcore", "httpcore2", "chatstream", "chatstream.server", "asyncio", "anyio"]
    before = {name: logging.getLogger(name).level for name in names}
    root.addHandler(handler)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield handler.records
    root.removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(params=KEYS.values(), ids=KEYS.keys())
def key(request):
    return request.param


def texts_of(error):
    """All that a program may write down of an error without looking into its attributes."""
    yield from traceback.format_exception(error)
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield from (str(error), repr(error), repr(error.args))
        error = error.__cause__ or error.__context__


def check(secrets, *texts):
    for text in texts:
        for secret in secrets:
            assert secret not in text


def check_error(error, secrets):
    check(secrets, *texts_of(error))
    if isinstance(error, ChatStreamError):
        written = pickle.dumps(error)
        for secret in secrets:
            assert secret.encode() not in written


def check_logged(records, secrets):
    assert records
    for record in records:
        check(secrets, *record)


# A service that gives back what it was sent


class Telltale(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.tell()

    def do_GET(self):
        self.tell()

    def tell(self):
        sent = " ".join(f"{name}: {value}" for name, value in self.headers.items())
        key = self.headers["Authorization"].removeprefix("Bearer ")
        told = {"error": {"message": f"Incorrect API key provided: {key}. {sent}", "code": "invalid_api_key"}}
        page = f"<html><body><h1>Who are you?</h1><pre>{sent} {self.path}</pre></body></html>"
        status, kind, body = {
            "json": (401, "application/json", json.dumps(told)),
            "bad json": (400, "application/json", json.dumps({"error": {"message": sent, "code": sent, "type": sent}})),
            "page": (200, "text/html", page),
            "failing page": (500, "text/html", page),
            "error with 200": (200, "application/json", json.dumps(told)),
            "error in a stream": (200, "text/event-stream", f"data: {json.dumps(told)}\n\n"),
            "no json in a stream": (200, "text/event-stream", f"data: {sent}\n\n"),
            "redirect": (307, "text/plain", sent),
        }[self.headers["X-Say"]]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        if status == 307:
            self.send_header("Location", f"http://another.localhost/{key}?{key}#{key}")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


WORDS = ["json", "bad json", "page", "failing page", "error with 200", "error in a stream", "no json in a stream"]


@pytest.fixture(scope="module")
def telltale():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Telltale) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running:
        yield running


def options_of(key, base_url, **options):
    return {
        "api_key": key,
        "base_url": base_url,
        "default_headers": {"X-Secret": HEADER},
        "max_retries": 1,
        "timeout": 2.0,
        **options,
    }


def asking(client):
    """Each way to ask, as something to be called."""
    completions = client.chat.completions
    return [
        lambda **more: completions.create(**ASKED, **more),
        lambda **more: list(completions.create(**ASKED, stream=True, **more)),
        lambda **more: completions.stream(**ASKED, **more).until_done(),
        lambda **more: completions.retrieve("c", **more),
        lambda **more: completions.update("c", metadata={}, **more),
        lambda **more: completions.delete("c", **more),
        lambda **more: list(completions.list(**more)),
        lambda **more: list(completions.messages.list("c", **more)),
    ]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
@pytest.mark.parametrize("word", [*WORDS, "redirect"])
def test_what_a_service_gives_back_of_the_headers_is_told_by_no_error(word, library, key, telltale, logged):
    with library.Client(trust_env=False) as http:
        client = ChatClient(**options_of(key, telltale, http_client=http, sleep=lambda seconds: None))
        for ask in asking(client):
            with pytest.raises(ChatStreamError) as raised:
                ask(extra_headers={"X-Say": word})
            check_error(raised.value, {key, HEADER})
        check_logged(logged if word != "redirect" else [("", "", "", "")], {key, HEADER})


@pytest.mark.anyio
@pytest.mark.parametrize("word", WORDS)
async def test_the_async_client_does_not_tell_either(word, key, telltale, logged):
    async with AsyncChatClient(**options_of(key, telltale, max_retries=0)) as client:
        completions = client.chat.completions
        said = {"extra_headers": {"X-Say": word}}
        with pytest.raises(ChatStreamError) as raised:
            await completions.create(**ASKED, **said)
        check_error(raised.value, {key, HEADER})
        with pytest.raises(ChatStreamError) as raised:
            await completions.stream(**ASKED, **said).until_done()
        check_error(raised.value, {key, HEADER})
        with pytest.raises(ChatStreamError) as raised:
            await completions.list(**said)
        check_error(raised.value, {key, HEADER})
    check_logged(logged, {key, HEADER})


def test_listeners_are_told_no_key(key, telltale):
    told = []
    with ChatClient(**options_of(key, telltale)) as client:
        stream = client.chat.completions.stream(**ASKED, extra_headers={"X-Say": "error in a stream"})
        stream.on("error", told.append)
        with pytest.raises(ChatStreamError):
            stream.until_done()
    assert told
    check_error(told[0].error, {key, HEADER})


# What fails before or beside an answer


@contextmanager
def refusing():
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


def test_no_connection_and_no_tls_tell_no_key(key, server, logged):
    with refusing() as nobody:
        for base_url in (nobody, server.base_url.replace("http:", "https:"), "http://nowhere.invalid/v1"):
            options = options_of(key, base_url, allow_plain_http=True, sleep=lambda seconds: None)
            with ChatClient(**options) as client:
                for ask in asking(client):
                    with pytest.raises(APIConnectionError) as raised:
                        ask()
                    check_error(raised.value, {key, HEADER})
    check_logged(logged, {key, HEADER})


@pytest.mark.parametrize(
    "fault",
    [
        "stall,after=0",
        "stall,after=1",
        "disconnect:1",
        "reset:1",
        "truncate:1",
        "malformed:1",
        "status:503",
        "rate_limit:0.001",
    ],
)
def test_timeouts_faults_and_retries_tell_no_key(fault, key, server, logged):
    options = options_of(key, server.base_url, timeout=0.1, sleep=lambda seconds: None)
    with ChatClient(**options) as client:
        with pytest.raises(APIError) as raised:
            client.chat.completions.stream(**ASKED, extra_headers={"X-Chatstream-Fault": fault}).until_done()
        check_error(raised.value, {key, HEADER})
        with suppress(APIError):
            client.chat.completions.create(**ASKED, extra_headers={"X-Chatstream-Fault": fault})
    check_logged(logged, {key, HEADER})


def test_a_key_that_is_not_accepted_is_not_told(key, logged):
    with (
        ReplayServer(speed=None, api_key="another") as server,
        ChatClient(**options_of(key, server.base_url)) as client,
    ):
        for ask in asking(client):
            with pytest.raises(AuthenticationError) as raised:
                ask()
            check_error(raised.value, {key, HEADER})
    check_logged(logged, {key, HEADER})


@pytest.fixture
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_a_folder_of_its_own")
def test_success_logs_no_key(key, server, logged, tmp_path, capfd):
    with ChatClient(**options_of(key, server.base_url)) as client:
        stored = client.chat.completions.create(**ASKED, store=True)
        client.chat.completions.stream(**ASKED, record="tape.jsonl").until_done()
        assert list(client.chat.completions.list())
        assert list(client.chat.completions.messages.list(stored.id))
        with suppress(ChatStreamError):
            client.chat.completions.stream(
                **ASKED, record="broken.jsonl", extra_headers={"X-Chatstream-Fault": "reset:1"}
            ).until_done()
    check_logged(logged, {key, HEADER})
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    check({key, HEADER}, *written, *capfd.readouterr())


def test_a_dropped_stream_warns_without_a_key(key, server):
    with ChatClient(**options_of(key, server.base_url)) as client:
        stream = client.chat.completions.stream(**ASKED)
        next(stream)
        with pytest.warns(ResourceWarning) as warned:
            del stream
    check(
        {key, HEADER}, *(warnings.formatwarning(one.message, one.category, one.filename, one.lineno) for one in warned)
    )


# What is wrong with what the caller gave

BAD = [
    {"api_key": "{key}\n"},
    {"api_key": "{key}\x00"},
    {"api_key": " {key}"},
    {"api_key": "{key}ü"},
    {"api_key": ["{key}"]},
    {"api_key": b"{key}"},
    {"organization": "{key}\r\nX: y"},
    {"project": "{key}\x7f"},
    {"base_url": "http://user:{key}@127.0.0.1/v1"},
    {"base_url": "http://{key}@127.0.0.1/v1"},
    {"base_url": "http://127.0.0.1/v1?key={key}"},
    {"base_url": "http://127.0.0.1/v1#{key}"},
    {"base_url": "http://127.0.0.1:{key}/v1"},
    {"base_url": "http://example.com/v1"},
    {"base_url": "ftp://{key}:{key}@host/v1"},
    {"default_headers": {"Authorization: Bearer {key}": "x"}},
    {"default_headers": {"X-Key": "{key}\n"}},
    {"default_headers": {"X-Key": b"{key}"}},
    {"default_headers": ["{key}"]},
    {"default_query": {"key": object()}},
    {"default_query": "{key}"},
    {"timeout": "{key}"},
    {"max_retries": "{key}"},
    {"http_client": "{key}"},
    {"unheard_of": "{key}"},
]


def filled(value, key):
    """The value with the key in its places."""
    if isinstance(value, str):
        return value.replace("{key}", key)
    if isinstance(value, bytes):
        return value.replace(b"{key}", key.encode())
    if isinstance(value, dict):
        return {filled(name, key): filled(inner, key) for name, inner in value.items()}
    return [filled(inner, key) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", [ChatClient, AsyncChatClient])
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: "-".join(map(str, bad.items())))
def test_a_client_that_cannot_be_made_tells_no_key(bad, kind, key):
    with pytest.raises((ValueError, TypeError)) as raised:
        kind(**{**options_of(key, "http://127.0.0.1/v1"), **filled(bad, key)})
    # A traceback quotes lines of code, and pytest's own are in it: what counts is what is said.
    check({key, HEADER}, str(raised.value), repr(raised.value), repr(raised.value.args))
    assert next(iter(bad)) in str(raised.value)


BAD_OPTIONS = [
    {"extra_headers": {"Authorization": "Bearer {key}\n"}},
    {"extra_headers": "{key}"},
    {"extra_query": "{key}"},
    {"extra_query": {"key": b"{key}"}},
    {"extra_body": "{key}"},
    {"timeout": "{key}"},
    {"max_retries": "{key}"},
    {"idempotency_key": "{key}\n"},
    {"unheard_of": "{key}"},
]


@pytest.mark.parametrize("bad", BAD_OPTIONS, ids=lambda bad: "-".join(map(str, bad.items())))
def test_a_call_that_cannot_be_made_tells_no_key(bad, key, server):
    with ChatClient(**options_of(key, server.base_url)) as client:
        for ask in asking(client)[:3]:
            with pytest.raises((ValueError, TypeError)) as raised:
                ask(**filled(bad, key))
            check({key, HEADER}, str(raised.value), repr(raised.value), repr(raised.value.args))


# What is shown of things


def parts_of(thing, seen):
    """The thing, and all that it holds of ours, privates included."""
    if id(thing) in seen or not type(thing).__module__.startswith("chatstream"):
        return
    seen[id(thing)] = thing
    names = [
        *getattr(thing, "__dict__", ()),
        *getattr(type(thing), "__slots__", ()),
        *getattr(thing, "__struct_fields__", ()),
    ]
    for name in names:
        with suppress(AttributeError):
            parts_of(getattr(thing, name), seen)


def test_nothing_shows_a_key(key, server):
    client = ChatClient(**options_of(key, server.base_url), default_query={"secret": QUERY})
    seen = {}
    with client:
        completions = client.chat.completions
        more = {"extra_headers": {"X-More": HEADER}}
        streams = [completions.stream(**ASKED, **more) for _ in range(2)]
        next(streams[1])
        chunks = completions.create(**ASKED, stream=True, **more)
        page = completions.list(**more)
        things = [
            client,
            client.with_options(timeout=1),
            *streams,
            chunks,
            page,
            completions.create(**ASKED),
            chunks.response,
        ]
        for thing in things:
            parts_of(thing, seen)
        streams[1].close()
        chunks.close()
    names = {type(thing).__name__ for thing in seen.values()}
    assert {
        "ChatClient",
        "Completions",
        "Messages",
        "Sender",
        "Settings",
        "Defaults",
        "Call",
        "RequestSource",
        "Answer",
    } <= names
    for thing in seen.values():
        check({key, HEADER, QUERY}, repr(thing), str(thing), f"{thing}")


def test_what_holds_a_key_is_not_pickled(key, server):
    with ChatClient(**options_of(key, server.base_url)) as client:
        stream = client.chat.completions.stream(**ASKED)
        for thing in (
            client,
            client.chat,
            client.chat.completions,
            client._defaults,
            client._defaults.settings,
            stream,
        ):
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as raised:
                pickle.dumps(thing)
            check({key, HEADER}, *texts_of(raised.value))


def test_a_client_is_not_pickled_on_asyncio_either(key, server):
    client = AsyncChatClient(**options_of(key, server.base_url))
    with pytest.raises(TypeError):
        pickle.dumps(client)
    check({key, HEADER}, repr(client), str(client))


def test_what_came_back_is_pickled_without_a_key(key, server):
    with ChatClient(**options_of(key, server.base_url), default_query={"secret": QUERY}) as client:
        completion = client.chat.completions.create(**ASKED, store=True)
        page = client.chat.completions.list()
        stream = client.chat.completions.stream(**ASKED)
        streamed = stream.final_chat_completion()
    for thing in (completion, page, streamed, completion.response, stream.response, copy.deepcopy(page)):
        assert thing is not None
        written = io.BytesIO()
        pickle.dump(thing, written)
        for secret in (key, HEADER, QUERY):
            assert secret.encode() not in written.getvalue()
        check({key, HEADER, QUERY}, repr(thing))


# The query, which is part of an address


def test_a_secret_in_the_query_is_logged_by_httpx_and_by_nobody_else(key, server, logged):
    options = options_of(key, server.base_url, default_query={"secret": QUERY}, timeout=0.2)
    with ChatClient(**options) as client:
        client.chat.completions.create(**ASKED, extra_query={"more": QUERY})
        for fault in ("status:400", "reset:0", "stall,after=0"):
            with pytest.raises(ChatStreamError) as raised:
                client.chat.completions.stream(
                    **ASKED, extra_headers={"X-Chatstream-Fault": fault}, max_retries=0
                ).until_done()
            check_error(raised.value, {QUERY, key})
    ours = [record for record in logged if record[0] != "httpx"]
    check_logged(ours, {key, HEADER, QUERY})
    # Its line about each request, at INFO, has the whole address: docs/client.md says so.
    theirs = [message for name, message, *_ in logged if QUERY in message]
    assert theirs
    assert all(message.startswith("HTTP Request: ") for message in theirs)
