"""What the tests of the server share: a client that hides nothing, made of a socket; and bodies to send."""

import json
import socket
import time

from chatstream.recording import Recording

ECHO = {"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}


def head(server, method, path, headers=None, body=b""):
    """A request as bytes, with the headers a client would send, unless others are given; None leaves one out."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    usual = {"Host": f"127.0.0.1:{server.port}", "Content-Length": str(len(body)) if body else None}
    if body:
        usual["Content-Type"] = "application/json"
    lines = [f"{name}: {value}" for name, value in {**usual, **(headers or {})}.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


class Answer:
    """What came back: `status`, `headers`, `chunks` as (seconds since the request, bytes), and how it `ended`.

    `ended` is `whole`, `cut` (the connection was closed before the body's end), `reset`, or `silent` (nothing more came
    in time).
    """

    def __init__(self):
        self.status = None
        self.headers = {}
        self.chunks = []
        self.first_byte = None  # seconds since the request
        self.seconds = None  # until the end
        self.ended = None

    @property
    def body(self):
        return b"".join(data for _, data in self.chunks)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class RawClient:
    """One connection to a server."""

    def __init__(self, server, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
        self.server = server
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, method, path, headers=None, body=b""):
        self.send(method, path, headers, body)
        return self.answer(is_head=method == "HEAD")

    def send(self, method, path, headers=None, body=b""):
        self.socket.sendall(head(self.server, method, path, headers, body))

    def answer(self, *, is_head=False):
        answer = Answer()
        began = time.perf_counter()
        try:
            self._read(answer, began, is_head)
        except (ConnectionResetError, BrokenPipeError):
            answer.ended = "reset"
        except TimeoutError:
            answer.ended = "silent"
        except EOFError:
            answer.ended = "cut"
        else:
            answer.ended = "whole"
        answer.seconds = time.perf_counter() - began
        return answer

    def _read(self, answer, began, is_head):
        status = self._line()
        answer.first_byte = time.perf_counter() - began
        answer.status = int(status.split()[1])
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            answer.headers[name.lower()] = value.strip()
        if answer.status == 100:
            answer.headers.clear()
            return self._read(answer, began, is_head)
        if is_head:
            return None
        if answer.headers.get("transfer-encoding") == "chunked":
            return self._read_chunks(answer, began)
        if "content-length" not in answer.headers:
            return self._read_to_the_end(answer, began)
        data = self._exactly(int(answer.headers["content-length"]), answer, began)
        return answer.chunks.append((time.perf_counter() - began, data)) if data else None

    def _read_chunks(self, answer, began):
        while size := int(self._line(), 16):
            data = self._exactly(size, answer, began)
            answer.chunks.append((time.perf_counter() - began, data))
            assert self._line() == b""
        assert self._line() == b""

    def _read_to_the_end(self, answer, began):
        """The body of an answer to HTTP/1.0, or of one that has none, which nothing else ends."""
        while True:
            if self.left:
                answer.chunks.append((time.perf_counter() - began, self.left))
                self.left = b""
            try:
                self._more()
            except EOFError:
                return

    def is_closed(self):
        """Whether the server has ended the connection, or does so in time; what it still sends is thrown away."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.left += data

    def _line(self):
        while b"\r\n" not in self.left:
            self._more()
        line, _, self.left = self.left.partition(b"\r\n")
        return line

    def _exactly(self, size, answer, began):
        while len(self.left) < size:
            try:
                self._more()
            except (OSError, EOFError):
                answer.chunks.append((time.perf_counter() - began, self.left))
                raise
        data, self.left = self.left[:size], self.left[size:]
        return data


def ask(server, method, path, headers=None, body=b"", *, timeout=10):
    """One request on a connection of its own."""
    with RawClient(server, timeout) as client:
        return client.ask(method, path, headers, body)


def post(server, body=ECHO, headers=None, *, path="/v1/chat/completions", timeout=10):
    return ask(server, "POST", path, headers, body, timeout=timeout)


def events(answer):
    """The data of each event in an answer, as JSON where it is some."""
    blocks = answer.body.decode().split("\n\n")
    texts = [block.removeprefix("data: ") for block in blocks if block]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def eventually(holds, seconds=5):
    """Wait for what the server does a moment after the client has its answer."""
    deadline = time.perf_counter() + seconds
    while not holds():
        assert time.perf_counter() < deadline
        time.sleep(0.005)


def play(*lines, end="eof", request=None):
    """A recording of an event stream of these reads, as (seconds, text) or text, and how it ended."""
    reads = [line if isinstance(line, tuple) else (0, line) for line in lines]
    tape = [
        {"tape": 1},
        *(
            [[0, "q", {"method": "POST", "url": "/v1/chat/completions", "headers": {}, "body": request}]]
            if request
            else []
        ),
        [0, "h", {"status": 200, "headers": {"content-type": "text/event-stream"}}],
        *([seconds, "s", text] for seconds, text in reads),
        [0, "e", {"end": end} if isinstance(end, str) else end],
    ]
    return Recording.parse("".join(f"{json.dumps(line)}\n" for line in tape).encode(), name="tape")


def delta(text, **members):
    """An event of a stream: a chunk with this text."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **members}
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"


DONE = "data: [DONE]\n\n"


def text_of(answer):
    """The content that a stream adds up to."""
    chunks = [event for event in events(answer) if event != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
