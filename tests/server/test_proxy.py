"""The proxy that records, between real clients and services made of sockets: what passes, what is taped, what is not."""

import contextlib
import gzip
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread
import httpx
import openai
import pytest

from chatstream.recording import Recording
from chatstream.recording.recorder import Recorder
from chatstream.server import RecordingProxy, ReplayServer, ServerLimits
from serving import DONE, ECHO, RawClient, ask, delta, eventually, play, post, text_of

STREAM = {**ECHO, "stream": True}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


class Upstream:
    """A service that answers each connection with these parts, and keeps what it was asked.

    A part is bytes, seconds to wait, or a function of the request's bytes that gives bytes. `left` is set when the
    other side has closed the connection; `end`: `close` or `reset`.
    """

    def __init__(self, *parts, end="close"):
        self.parts, self.end = parts, end
        self.asked = []
        self.left = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            request = _whole_request(connection)
            self.asked.append(request)
            for part in self.parts:
                if isinstance(part, (int, float)):
                    if _is_left(connection, part):
                        self.left.set()
                        return
                else:
                    connection.sendall(part(request) if callable(part) else part)
            if self.end == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _is_left(connection, seconds):
    """Whether the other side closes the connection within this time."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.settimeout(None)


def _whole_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(*parts, last=True):
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    return [
        head,
        *(chunk(part) if isinstance(part, bytes) else part for part in parts),
        *([b"0\r\n\r\n"] if last else []),
    ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tapes"


def tapes(folder, count=1):
    """The recordings in a folder, once there are so many and each has its end."""

    def found():
        recordings = [Recording.load(path) for path in sorted(folder.glob("*.jsonl"))]
        return recordings if len(recordings) >= count and all(recording.end for recording in recordings) else None

    eventually(found)
    return found()


# What passes


def test_the_sdk_streams_through_it_and_the_tape_is_what_came(folder):
    with ReplayServer(speed=None) as service, RecordingProxy(service.url, folder) as proxy:
        client = openai.OpenAI(base_url=proxy.base_url, api_key="sk-canary-4711471147114711")
        chunks = client.chat.completions.create(**STREAM)
        text = "".join(choice.delta.content or "" for one in chunks for choice in one.choices)
        whole = client.chat.completions.create(**ECHO).choices[0].message.content
        client.close()
    assert "Hello there" in text
    assert text == whole
    streamed, answered = tapes(folder, 2)
    assert streamed.request["body"] == STREAM
    assert streamed.request["url"] == "/v1/chat/completions"
    assert streamed.response["status"] == 200
    assert streamed.end["end"] == answered.end["end"] == "eof"
    with ReplayServer(folder, speed=None) as replay:
        assert text_of(post(replay, STREAM)) == text


@pytest.mark.asyncio  # on trio the SDK leaves generators of its own behind
async def test_the_async_sdk_streams_through_it_in_the_same_loop(folder):
    async with (
        ReplayServer(speed=None) as service,
        RecordingProxy(service.base_url, folder) as proxy,
        openai.AsyncOpenAI(base_url=proxy.base_url, api_key="none") as client,
    ):
        stream = await client.chat.completions.create(**STREAM)
        text = "".join([choice.delta.content or "" async for one in stream for choice in one.choices])
    assert "Hello there" in text
    assert len(proxy.recorder.paths) == 1


@pytest.mark.anyio
async def test_it_runs_in_the_loop_that_is_there_and_what_comes_through_is_what_is_taped(folder):
    async with (
        ReplayServer(speed=None) as service,
        RecordingProxy(service.url, folder) as proxy,
        httpx.AsyncClient(base_url=proxy.base_url) as client,
    ):
        answer = await client.post("/chat/completions", json=STREAM)
    (tape,) = tapes(folder)
    assert b"".join(tape.play()) == answer.content
    assert answer.content.endswith(b"data: [DONE]\n\n")


def test_reads_keep_their_bounds_and_their_times(folder):
    parts = [b"data: 1\n\nda", 0.15, b"ta: 2\n\n", 0.15, b"data: [DONE]\n\n"]
    with Upstream(*chunked(*parts)) as service, RecordingProxy(service.url, folder) as proxy:
        answer = post(proxy, STREAM)
    (tape,) = tapes(folder)
    sent = [part for part in parts if isinstance(part, bytes)]
    assert [data for _, data in answer.chunks] == sent
    assert [read.data for read in tape.reads] == sent
    assert all(0.1 < read.interval < 1 for read in tape.reads[1:])
    times = [seconds for seconds, _ in answer.chunks]
    assert times[1] - times[0] > 0.1  # it was not kept until there was more
    assert times[2] - times[1] > 0.1


def test_what_is_asked_goes_on_as_it_is_but_for_what_belongs_to_the_connection(folder):
    with Upstream(*chunked(b"data: x\n\n")) as service, RecordingProxy(f"{service.url}/v1", folder) as proxy:
        headers = {
            "Accept-Encoding": "zstd, br", "X-Own": "a b", "Connection": "keep-alive, X-Hop", "X-Hop": "1", "TE": "trailers",
            "Proxy-Authorization": "Basic YTpi", "Expect": "100-continue", "User-Agent": "mine",
        }  # fmt: skip
        assert post(proxy, STREAM, headers, path="/v1/a%2Fb/../c?q=%20x&q=").status == 200
    head, _, body = service.asked[0].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /v1/a%2Fb/../c?q=%20x&q= HTTP/1.1"
    told = {line.partition(b":")[0].strip().lower(): line.partition(b":")[2].strip() for line in lines}
    assert told == {
        b"host": service.url.partition("//")[2].encode(), b"accept-encoding": b"zstd, br", b"x-own": b"a b",
        b"user-agent": b"mine", b"content-type": b"application/json", b"content-length": b"%d" % len(body),
    }  # fmt: skip
    assert b"Hello there" in body


def test_the_answers_head_is_the_services_own_with_each_cookie(folder):
    head = b"HTTP/1.1 429 Slow Down\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nDate: then\r\nServer: other\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\n\r\n{}"
    with Upstream(head) as service, RecordingProxy(service.url, folder) as proxy, RawClient(proxy) as client:
        client.send("GET", "/v1/models")
        data = b""
        while not data.endswith(b"{}"):
            data += client.socket.recv(65536)
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 429 Slow Down"
    assert sorted(lines[1:]) == [
        b"Content-Length: 2",
        b"Date: then",
        b"Server: other",
        b"Set-Cookie: a=1; Path=/",
        b"Set-Cookie: b=2",
    ]
    assert proxy.requests[0].status == 429


def test_cookies_and_redirects_are_for_the_client_alone(folder):
    head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with Upstream(head) as service, RecordingProxy(service.url, folder) as proxy:
        assert [post(proxy, ECHO).status, post(proxy, ECHO).status] == [307, 307]
    assert len(service.asked) == 2
    assert b"cookie" not in service.asked[1].lower()


def test_a_packed_body_passes_packed_and_is_taped_unpacked(folder):
    text = b"data: " + b"x" * 1000 + b"\n\ndata: [DONE]\n\n"
    packed = gzip.compress(text)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with Upstream(head, packed[:50], 0.05, packed[50:]) as service, RecordingProxy(service.url, folder) as proxy:
        answer = post(proxy, STREAM, {"Accept-Encoding": "gzip"})
    assert answer.body == packed
    assert answer.headers["content-encoding"] == "gzip"
    (tape,) = tapes(folder)
    assert b"".join(read.data for read in tape.reads) == text


def test_a_packed_question_is_taped_unpacked_so_that_its_secrets_are_found(folder):
    body = gzip.compress(b'{"model":"m","api_key":"canary-in-a-packed-body"}')
    with Upstream(*chunked(b"data: x\n\n")) as service, RecordingProxy(service.url, folder) as proxy:
        ask(proxy, "POST", "/v1/x", {"Content-Encoding": "gzip", "Content-Type": "application/json"}, body)
    assert service.asked[0].endswith(body)
    (tape,) = tapes(folder)
    assert tape.request["body"]["model"] == "m"
    assert set(tape.request["body"]["api_key"]) == {"*"}


def test_head_and_bodiless_answers_pass(folder):
    answers = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with Upstream(answers) as service, RecordingProxy(service.url, folder) as proxy:
        assert httpx.delete(f"{proxy.base_url}/x").status_code == 204
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    with Upstream(head) as service, RecordingProxy(service.url, folder) as proxy:
        answer = ask(proxy, "HEAD", "/v1/x")
    assert answer.headers["content-length"] == "5"
    assert {tape.end["end"] for tape in tapes(folder, 2)} == {"eof"}


def test_eight_at_once_are_eight_tapes_each_with_its_own(folder):
    def echo(request):
        return b"".join(chunked(b"data: " + request[-20:] + b"\n\n", 0.0)[:1]) + chunk(request[-20:])

    with Upstream(echo, 0.1, b"0\r\n\r\n") as service, RecordingProxy(service.url, folder) as proxy:
        bodies = [{"model": "m", "n": f"{number:010d}"} for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda body: post(proxy, body), bodies))
    for answer, body in zip(answers, bodies, strict=True):
        assert body["n"].encode() in answer.body
    found = tapes(folder, 8)
    assert sorted(tape.request["body"]["n"] for tape in found) == [body["n"] for body in bodies]
    assert all(tape.request["body"]["n"].encode() in tape.reads[0].data for tape in found)


def test_all_of_them_may_go_to_one_file_or_to_a_recorder_of_ones_own(tmp_path):
    file = tmp_path / "all.tape.jsonl"
    with ReplayServer(speed=None) as service:
        with RecordingProxy(service.url, file) as proxy:
            post(proxy)
        with Recorder(file) as recorder, RecordingProxy(service.url, recorder) as proxy:
            assert proxy.recorder is recorder
            post(proxy)
    assert len(Recording.load_all(file)) == 2


# What goes wrong


def test_a_service_that_is_not_there_is_a_502_in_the_apis_shape(folder):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with RecordingProxy(url, folder) as proxy, RawClient(proxy) as client:
        answer = client.ask("POST", "/v1/x", body=ECHO)
        assert answer.status == 502
        assert answer.error["code"] == "upstream_unreachable"
        assert answer.error["type"] == "server_error"
        assert client.ask("POST", "/v1/x", body=ECHO).status == 502  # the connection goes on
        assert proxy.requests[0].outcome == "sent"
    assert tapes(folder, 2)[0].end["end"] == "error"


def test_a_silent_service_is_a_504_and_a_tape_that_ends_as_timeout(folder):
    with Upstream(5) as service, RecordingProxy(service.url, folder, timeout=0.2) as proxy:
        answer = post(proxy)
    assert answer.status == 504
    assert answer.error["code"] == "upstream_timeout"
    assert tapes(folder)[0].end["end"] == "timeout"


def test_silence_in_the_middle_of_a_body_breaks_the_connection(folder):
    with Upstream(*chunked(b"data: 1\n\n", 5)) as service, RecordingProxy(service.url, folder, timeout=0.2) as proxy:
        answer = post(proxy)
    assert answer.body == b"data: 1\n\n"
    assert answer.ended == "cut"
    assert tapes(folder)[0].end["end"] == "timeout"
    assert proxy.requests[0].outcome == "cut off"


@pytest.mark.parametrize(("end", "told"), [("close", "cut"), ("reset", "reset")])
def test_a_body_that_breaks_off_breaks_off_here_in_the_same_way(folder, end, told):
    parts = chunked(b"data: 1\n\n", 0.05, last=False)
    with Upstream(*parts, end=end) as service, RecordingProxy(service.url, folder) as proxy:
        answer = post(proxy)
    assert answer.body == b"data: 1\n\n"
    assert answer.ended == told
    (tape,) = tapes(folder)
    assert tape.end["end"] == "error"
    assert ("reset" in tape.end["error"].lower()) is (end == "reset")


def test_an_old_client_who_knows_no_chunks_is_not_told_that_a_body_is_whole(folder):
    parts = chunked(b"data: 1\n\n", 0.05, last=False)
    with Upstream(*parts) as service, RecordingProxy(service.url, folder) as proxy, RawClient(proxy) as client:
        client.socket.sendall(b"GET /v1/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert client.answer().ended == "reset"


@pytest.mark.parametrize("parts", [[30], chunked(b"data: 1\n\n", 30)], ids=["before the head", "in the body"])
def test_when_the_client_leaves_the_service_is_left_at_once(folder, parts):
    with Upstream(*parts) as service, RecordingProxy(service.url, folder) as proxy:
        with RawClient(proxy) as client:
            client.send("POST", "/v1/x", body=STREAM)
            eventually(lambda: service.asked)
            if len(parts) > 1:
                assert client.socket.recv(100)
        began = time.perf_counter()
        assert service.left.wait(5)
        assert time.perf_counter() - began < 1
        eventually(lambda: proxy.requests[0].outcome == "client left")
        assert tapes(folder)[0].end["end"] == "cancel"


@pytest.mark.anyio
async def test_a_client_that_leaves_while_much_is_on_its_way_leaves_nothing_behind(folder):
    much = [chunk(b"x" * 60_000)] * 200
    with Upstream(chunked()[0], *much, 30) as service:
        async with RecordingProxy(service.url, folder) as proxy:
            client = await anyio.to_thread.run_sync(RawClient, proxy)
            await anyio.to_thread.run_sync(lambda: client.send("POST", "/v1/x", body=STREAM))
            await anyio.to_thread.run_sync(lambda: client.socket.recv(100))
            client.socket.close()
            await anyio.to_thread.run_sync(lambda: eventually(lambda: proxy.requests[0].outcome))
            assert proxy.busy == 0


def test_streams_that_are_open_when_it_stops_get_their_grace_and_then_end(folder):
    with Upstream(*chunked(b"data: 1\n\n", 30)) as service, contextlib.ExitStack() as stack:
        proxy = stack.enter_context(RecordingProxy(service.url, folder, grace=0.2))
        with RawClient(proxy) as client:
            client.send("POST", "/v1/x", body=STREAM)
            eventually(lambda: proxy.busy)
            began = time.perf_counter()
            stack.close()
            assert 0.15 < time.perf_counter() - began < 3
            assert client.answer().ended in {"cut", "reset"}
        assert service.left.wait(2)
    assert tapes(folder)[0].end["end"] == "cancel"
    assert proxy.requests[0].outcome == "stopped"


def test_a_stream_that_ends_within_the_grace_is_whole(folder):
    with ReplayServer(play(*([(0.1, delta("x"))] * 4), DONE), match="order") as service:
        with RecordingProxy(service.url, folder) as proxy, ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, proxy, STREAM)
            eventually(lambda: proxy.busy)
        assert answer.result().ended == "whole"
    assert tapes(folder)[0].end["end"] == "eof"


def test_a_body_past_the_limit_is_refused_and_not_passed_on(folder):
    with Upstream(b"") as service, RecordingProxy(service.url, folder, limits=ServerLimits(max_body=1000)) as proxy:
        assert post(proxy, {"x": "y" * 2000}).status == 413
    assert service.asked == []


def test_a_folder_that_cannot_be_written_disturbs_nobody(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with ReplayServer(speed=None) as service, contextlib.ExitStack() as stack:
        proxy = stack.enter_context(RecordingProxy(service.url, tmp_path / "file" / "tapes"))
        assert post(proxy).status == 200
        eventually(lambda: proxy.recorder.lost)
        with pytest.warns(RuntimeWarning, match="not whole"):
            stack.close()


# Who may ask, and what is told to nobody


def test_pages_of_other_sites_and_other_names_are_turned_away(folder):
    with (
        Upstream(*chunked(b"data: x\n\n")) as service,
        RecordingProxy(service.url, folder, allowed_hosts="box") as proxy,
    ):
        assert post(proxy, ECHO, {"Host": "evil.example"}).error["code"] == "host_not_allowed"
        assert post(proxy, ECHO, {"Origin": "https://evil.example"}).error["code"] == "origin_not_allowed"
        assert ask(proxy, "CONNECT", "evil.example:443").status == 405
        assert service.asked == []
        assert post(proxy, ECHO, {"Host": "box"}).status == 200
    assert len(tapes(folder)) == 1


@pytest.mark.parametrize(
    ("to", "options", "said"),
    [
        ("ftp://x", {}, "to: expected a URL"),
        ("https://user:canary@x", {}, "to: a user name or password"),
        ("http://api.example.com/v1", {}, "in the clear"),
        ("https://x", {"host": "0.0.0.0"}, "not loopback"),
        ("https://x", {"port": 70000}, "a port is"),
        ("https://x", {"timeout": 0}, "timeout is"),
        ("https://x", {"grace": -1}, "grace is"),
    ],
)
def test_options_that_make_no_sense_are_refused(folder, to, options, said):
    with pytest.raises(ValueError, match=said) as caught:
        RecordingProxy(to, folder, **options)
    assert "canary" not in str(caught.value)
    assert not folder.exists()


def test_plain_http_goes_far_where_that_is_said(folder):
    with RecordingProxy("http://api.example.com/v2/", folder, allow_plain_http=True) as proxy:
        assert proxy.base_url == f"{proxy.url}/v2"


def test_a_proxy_of_the_environment_carries_requests_and_one_that_is_none_is_refused(folder, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Upstream(*chunked(b"data: x\n\n")) as other:
        monkeypatch.setenv("http_proxy", other.url)
        with RecordingProxy("http://far.example/v1", folder, allow_plain_http=True) as proxy:
            assert post(proxy).body == b"data: x\n\n"
        assert b"Host: far.example" in other.asked[0] or b"host: far.example" in other.asked[0]
    monkeypatch.setenv("http_proxy", "nonsense://canary")
    with pytest.raises(ValueError, match="proxy in the environment") as caught:
        RecordingProxy("http://far.example/v1", folder, allow_plain_http=True).__enter__()
    assert "canary" not in str(caught.value)


def test_no_key_is_in_any_tape_or_log_line(folder, caplog):
    canaries = {
        "Authorization": "Bearer canary-a-4af1c0ffee", "Api-Key": "canary-b-4af1c0ffee", "Cookie": "session=canary-c-4af1c0ffee",
        "X-Custom-Token": "canary-d-4af1c0ffee",
    }  # fmt: skip
    key = b"canary-a-4af1c0ffee"

    def echo(request):
        return b"".join(chunked(b"data: you are " + key[:8], last=False)) + chunk(key[8:] + b"\n\n" + request + b"\n\n")

    caplog.set_level(logging.DEBUG, "chatstream")
    caplog.set_level(logging.INFO)
    ends = b"0\r\n\r\n"
    with Upstream(echo, ends) as service, RecordingProxy(service.url, folder, secrets=["canary-e-4af1c0ffee"]) as proxy:
        body = {"model": "m", "api_key": "canary-f-4af1c0ffee", "text": "canary-e-4af1c0ffee"}
        answer = post(proxy, body, canaries, path="/v1/x?key=canary-g-4af1c0ffee")
        assert key in answer.body  # the client has what came
        refused = {**canaries, "Origin": "https://evil.example"}
        post(proxy, body, refused, path="/canary-h-4af1c0ffee/x?key=canary-g-4af1c0ffee")
    assert key in service.asked[0]
    tapes(folder)
    written = b"".join(path.read_bytes() + path.name.encode() for path in folder.iterdir())
    assert b"canary" not in written
    assert written.count(b"*" * len(key)) >= 4
    assert len([record for record in caplog.records if record.name == "chatstream.server"]) == 2
    assert "canary" not in caplog.text


def test_what_is_told_of_a_request_is_its_method_its_route_and_its_end(folder, caplog):
    caplog.set_level(logging.INFO, "chatstream.server")
    with ReplayServer(speed=None) as service, RecordingProxy(service.url, folder) as proxy:
        caplog.clear()
        post(proxy)
        ask(proxy, "GET", "/v1/models/gpt-4o-2024")
    lines = [record.getMessage().partition(" in ")[0] for record in caplog.records]
    assert lines.count("POST /v1/chat/completions 200") == 1
    assert lines.count("GET /v1/models/… 404") == 1
    with pytest.raises(RuntimeError, match="not running"):
        _ = proxy.url
    with pytest.raises(RuntimeError, match="has not been running"):
        _ = RecordingProxy("https://x", folder).recorder
