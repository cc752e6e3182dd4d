"""A loopback server that plays what it is told, byte by byte: for what no well-behaved server would do.

In go scripts, one for each request; what came of them is in `requests` and `connections`. A script is a list of steps,
or something callable that makes one of the request:

    bytes             sent as they are, in one write
    a number          a wait of so many seconds, in which it is noticed if the client goes
    a threading.Event a wait until the test sets it
    CLOSE             the connection is closed, as an answer without a length ends
    RESET             the connection is reset
    STALL             nothing more happens until the client goes

After a script without an ending the connection takes the next request. The last script answers all further requests.
"""

import math
import select
import socket
import ssl
import struct
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import httpx

from chatstream import AsyncChatClient, ChatClient
from serving import eventually
from wire import block, chunk

_TLS = ssl.create_default_context()  # for all: making one takes longer than most tests

CLOSE, RESET, STALL = "close", "reset", "stall"
LAST_CHUNK = b"0\r\n\r\n"
KEY = "sk-of-the-wire-tests-000000"
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi?"}]}

H, I, STOP = block(chunk({"content": "H"})), block(chunk({"content": "i"})), block(chunk(finish="stop"))  # noqa: E741
DONE = block("[DONE]")
COMPLETION = (
    b'{"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": '
    b'[{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop", "logprobs": null}]}'
)


def head(status="200 OK", **headers):
    """The head of an answer; a header is named with _ for -, and None leaves it out."""
    usual = {"content_type": "text/event-stream", "x_request_id": "req_wire"}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in {**usual, **headers}.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def chunk_of(data):
    """A chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def chunked(*steps, status="200 OK", **headers):
    """A chunked answer of these parts; what is no bytes is a step as it is. Its end is not among them."""
    return [
        head(status, transfer_encoding="chunked", **headers),
        *(chunk_of(step) if isinstance(step, bytes) else step for step in steps),
    ]


def whole(body=COMPLETION, status="200 OK", *, content_type="application/json", **headers):
    """An answer with a length, in one write."""
    return [head(status, content_type=content_type, content_length=len(body), **headers) + body]


WHOLE_HI = [b"".join([*chunked(H + I + STOP + DONE), LAST_CHUNK])]  # with the end of the body in the same segment


@dataclass
class Request:
    """What a client sent."""

    connection: int
    method: str
    path: str
    headers: dict
    body: bytes
    at: float  # the time.monotonic() at which it was whole


class GoneError(Exception):
    """The client has closed the connection."""


class Connection:
    """One connection: how it ended is `eof` or `reset` if the client did it, `server` if the script did."""

    def __init__(self, server, number, raw):
        self.ended = None
        self.ended_at = math.inf
        self.sent = 0
        self.socket = raw
        self._server = server
        self._number = number
        self._received = b""

    def serve(self):
        try:
            self._handshake()
            while self._play(self._server.take(self._request())):
                pass
            self._end("server")
        except GoneError as gone:
            self._end(str(gone))
        finally:
            self.socket.close()

    def _end(self, how):
        self.ended_at, self.ended = time.monotonic(), how

    def _handshake(self):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server.tls is not None:
            try:
                self.socket = self._server.tls.wrap_socket(self.socket, server_side=True)
            except OSError:
                raise GoneError("eof") from None

    def _request(self):
        while b"\r\n\r\n" not in self._received:
            self._wait()
        start, _, self._received = self._received.partition(b"\r\n\r\n")
        line, *lines = start.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        size = int(headers.get("content-length", 0))
        while len(self._received) < size:
            self._wait()
        body, self._received = self._received[:size], self._received[size:]
        method, path, _ = line.split()
        return Request(self._number, method, path, headers, body, time.monotonic())

    def _play(self, script):
        """Play a script; whether the connection takes another request."""
        for step in script:
            if step == RESET:
                time.sleep(0.02)  # so that what was sent is there before the reset
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if step in {RESET, CLOSE}:
                return False
            self._take(step)
        return True

    def _take(self, step):
        if isinstance(step, bytes):
            self._send(step)
        elif isinstance(step, threading.Event):
            while not step.is_set():
                self._pause(0.005)
        else:
            self._pause(math.inf if step == STALL else step)

    def _send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            raise GoneError("reset") from None
        self.sent += len(data)

    def _pause(self, seconds):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._wait(left)

    def _wait(self, seconds=math.inf):
        """Wait that long for the client; what it sends is kept, and that it goes is raised."""
        ready, _, _ = select.select([self.socket], [], [], None if seconds == math.inf else seconds)
        if not ready:
            return
        try:
            data = self.socket.recv(65536)
        except OSError:
            raise GoneError("reset") from None
        if not data:
            raise GoneError("eof")
        self._received += data


class WireServer:
    """A server on a free port, as long as the context is open; it leaves no thread and no socket behind."""

    def __init__(self, *scripts, tls=None):
        self.requests = []
        self.connections = []
        self.tls = tls
        self._scripts = list(scripts)
        self._lock = threading.Lock()
        self._threads = []
        self._is_stopping = False

    @property
    def base_url(self):
        return f"{self.origin}/v1"

    @property
    def origin(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def take(self, request):
        """The script for a request that has come."""
        with self._lock:
            self.requests.append(request)
            script = self._scripts[min(len(self.requests), len(self._scripts)) - 1]
        return script(request) if callable(script) else script

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def _start(self, run):
        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            raw, _ = self._listener.accept()
            if self._is_stopping:
                raw.close()
                return
            connection = Connection(self, len(self.connections), raw)
            self.connections.append(connection)
            self._start(connection.serve)

    def __exit__(self, *_):
        self._is_stopping = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes who accepts
        self._threads[0].join()
        self._listener.close()
        for connection in self.connections:
            with suppress(OSError):
                socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def saw_the_end(self, number=0):
        """Wait until the client has closed this connection."""
        eventually(lambda: self.connections[number].ended is not None)


def pool_of(client):
    """The connections that a client's HTTP library holds."""
    return client._sender.http._transport._pool.connections


def check_rest(client):
    """No connection is in use: what is still open waits for the next request."""
    assert [connection for connection in pool_of(client) if not connection.is_idle()] == []


@contextmanager
def sync_client(server, library=httpx, http=None, **options):
    """A client of this server, through one of this library made with the options in `http`; None for its own.

    At the end nothing of it is in use, and every connection was closed.
    """
    own = library and library.Client(**{"verify": _TLS, **(http or {})})
    try:
        with ChatClient(**_options(server, own, options)) as client:
            yield client
            check_rest(client)
    finally:
        if own is not None:
            own.close()
    check_left(server)


@asynccontextmanager
async def async_client(server, library=httpx, http=None, **options):
    """The same, to be awaited."""
    own = library and library.AsyncClient(**{"verify": _TLS, **(http or {})})
    try:
        async with AsyncChatClient(**_options(server, own, options)) as client:
            yield client
            check_rest(client)
    finally:
        if own is not None:
            await own.aclose()
    check_left(server)


def _options(server, http, options):
    return {"api_key": KEY, "base_url": server.base_url, "http_client": http, "max_retries": 0, **options}


def check_left(server):
    """Every connection was closed, by whichever side."""
    for number in range(len(server.connections)):
        server.saw_the_end(number)
