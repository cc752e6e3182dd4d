"""The server's life: entered and left, by threads and by both event loops; what it keeps to itself."""

import asyncio
import gc
import logging
import socket
import sqlite3
import threading
import time

import anyio
import anyio.to_thread
import pytest
import trio

from chatstream.errors import ChatStreamError
from chatstream.recording import Fault, Recording
from chatstream.server import ReplayServer, ServerLimits
from chatstream.server.routes import Routes
from chatstream.server.store import CompletionStore
from serving import DONE, ECHO, RawClient, ask, delta, eventually, play, post

PATH = "/v1/chat/completions"
STREAM = {**ECHO, "stream": True}


async def in_thread(question, *arguments, **options):
    return await anyio.to_thread.run_sync(lambda: question(*arguments, **options))


def refuses(port):
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionError:
        return True
    return False


# Entering and leaving


@pytest.fixture
def running():
    with ReplayServer(speed=None) as server:
        yield server


@pytest.fixture
async def async_running(anyio_backend):
    async with ReplayServer(speed=None) as server:
        yield server


def test_a_fixture_of_pytest_runs_it_in_a_thread(running):
    assert post(running).status == 200


@pytest.mark.anyio
async def test_an_async_fixture_runs_it_in_the_loop(async_running):
    assert (await in_thread(post, async_running)).status == 200


@pytest.mark.anyio
async def test_async_with_serves_many_at_once_and_leaves_nothing():
    before = tasks()
    async with ReplayServer(play(*([(0.02, delta("x"))] * 5), DONE), match="order") as server:
        answers = []

        async def one():
            answers.append(await in_thread(post, server, STREAM))

        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one)
        assert time.perf_counter() - began < 5
        assert [answer.ended for answer in answers] == ["whole"] * 10
        assert len({answer.body for answer in answers}) == 1
        port = server.port
    assert await in_thread(refuses, port)
    assert tasks() == before


def tasks():
    """How many tasks there are in this loop."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # trio
        return trio.lowlevel.current_statistics().tasks_living


def test_with_leaves_no_thread_and_nobody_that_listens():
    threads = set(threading.enumerate())
    with ReplayServer(speed=None) as server:
        assert set(threading.enumerate()) > threads
        port = server.port
        post(server, {**ECHO, "store": True})
    eventually(lambda: set(threading.enumerate()) <= threads)
    assert refuses(port)
    gc.collect()  # a socket that was left open would warn


def test_a_server_can_be_entered_again_after_it_was_left():
    server = ReplayServer(speed=None)
    for number in (1, 2):
        with server:
            assert post(server).status == 200
            assert len(server.requests) == number


def test_entering_twice_is_a_mistake_and_the_first_goes_on(running):
    with pytest.raises(RuntimeError, match="running already"):
        running.__enter__()
    assert post(running).status == 200


@pytest.mark.anyio
async def test_entering_twice_is_a_mistake_in_a_loop_too(async_running):
    with pytest.raises(RuntimeError, match="running already"):
        await async_running.__aenter__()
    assert (await in_thread(post, async_running)).status == 200


def test_where_it_is_can_only_be_said_while_it_runs():
    server = ReplayServer()
    for name in ("url", "base_url", "port"):
        with pytest.raises(RuntimeError, match="not running"):
            getattr(server, name)
    assert (server.requests, server.tape_names, server.notes) == ([], [], [])
    with server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.base_url == f"{server.url}/v1"
    with pytest.raises(RuntimeError, match="not running"):
        server.url  # noqa: B018  asking is what fails


def test_a_port_that_is_taken_is_an_oserror_and_leaves_nothing_behind(running):
    threads = set(threading.enumerate())
    other = ReplayServer(port=running.port)
    with pytest.raises(OSError, match=r"[Aa]ddress"), other:
        pass
    eventually(lambda: set(threading.enumerate()) <= threads)
    with pytest.raises(RuntimeError, match="not running"):
        other.url  # noqa: B018
    gc.collect()


def test_a_database_that_cannot_be_opened_is_an_oserror(tmp_path):
    with pytest.raises(OSError, match=r"."), ReplayServer(db=tmp_path / "no" / "such" / "folder.db"):
        pass
    gc.collect()


def test_a_file_that_is_no_database_is_a_value_error_and_stays_as_it_is(tmp_path):
    file = tmp_path / "text.db"
    file.write_text("this is no database, " * 100)
    with pytest.raises(ValueError, match="no database"), ReplayServer(db=file):
        pass
    assert file.read_text() == "this is no database, " * 100
    gc.collect()


def test_the_port_that_was_asked_for_is_the_one(running):
    port = running.port
    running.__exit__(None, None, None)
    with ReplayServer(port=port, speed=None) as server:
        assert server.port == port
        assert post(server).status == 200
    running.__enter__()  # for the fixture to leave


def test_ipv6_is_listened_to_by_its_address():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with ReplayServer(host="::1", speed=None) as server:
        assert server.url == f"http://[::1]:{server.port}"
        with socket.create_connection(("::1", server.port), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: [::1]:1\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.anyio
async def test_an_error_in_the_body_of_the_context_comes_out_as_it_is():
    with pytest.raises(KeyError, match="mine"):
        async with ReplayServer() as server:
            raise KeyError("mine")
    with pytest.raises(RuntimeError, match="not running"):
        server.url  # noqa: B018


def test_an_error_in_a_thread_comes_out_as_it_is():
    with pytest.raises(KeyError, match="mine"), ReplayServer():
        raise KeyError("mine")


# Stopping


def test_idle_connections_are_closed_at_once():
    with ReplayServer(speed=None, grace=30) as server:
        clients = [RawClient(server) for _ in range(3)]
        for client in clients[1:]:
            assert client.ask("GET", "/health").status == 200
        began = time.perf_counter()
    assert time.perf_counter() - began < 2
    for client in clients:
        assert client.is_closed()
        client.socket.close()


@pytest.mark.anyio
async def test_an_open_stream_gets_to_its_end_within_the_grace():
    tape = play(delta("a"), (0.4, delta("b")), DONE)
    async with anyio.create_task_group() as group, ReplayServer(tape, match="order", grace=10) as server:
        client = RawClient(server)
        client.send("POST", PATH, None, STREAM)
        answers = []

        async def read():
            answers.append(await in_thread(client.answer))

        group.start_soon(read)
        await anyio.sleep(0.1)
        began = anyio.current_time()
    assert anyio.current_time() - began < 5
    assert answers[0].ended == "whole"
    assert answers[0].body.endswith(DONE.encode())
    assert client.is_closed()
    client.socket.close()


@pytest.mark.parametrize("grace", [0, 0.3])
@pytest.mark.parametrize("fault", ["stall,after=1", "stall:60,after=1", "delay_first:60"])
def test_after_the_grace_an_open_stream_is_closed(grace, fault):
    with ReplayServer(speed=None, grace=grace, faults=fault) as server:
        client = RawClient(server)
        client.send("POST", PATH, None, STREAM)
        eventually(lambda: server.requests)
        if not fault.startswith("delay"):
            client.socket.recv(1)
        began = time.perf_counter()
    assert grace - 0.05 < time.perf_counter() - began < grace + 2
    assert client.is_closed()
    client.socket.close()


def test_a_client_that_never_reads_does_not_hold_it_up():
    flood = play(*(delta("x" * 60_000) for _ in range(400)), DONE)
    with ReplayServer(flood, match="order", speed=None, grace=0.2) as server:
        client = RawClient(server)
        client.send("POST", PATH, None, STREAM)
        eventually(lambda: server.requests)
        began = time.perf_counter()
    assert time.perf_counter() - began < 3
    client.socket.close()


def test_half_a_request_does_not_hold_it_up_beyond_the_grace():
    with ReplayServer(speed=None, grace=0.2) as server:
        client = RawClient(server)
        client.socket.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n1")
        assert ask(server, "GET", "/health").status == 200
        began = time.perf_counter()
    assert time.perf_counter() - began < 3
    client.socket.close()


def test_what_was_refused_does_not_hold_it_up():
    with ReplayServer(speed=None, grace=30) as server:
        client = RawClient(server)
        client.socket.sendall(b"nonsense\r\n\r\n")
        assert client.answer().status == 400
        began = time.perf_counter()
    assert time.perf_counter() - began < 2
    client.socket.close()


def test_an_answer_that_is_sent_while_it_stops_says_that_it_is_the_last():
    with ReplayServer(speed=None, faults="delay_first:0.3", grace=10) as server:
        client = RawClient(server)
        client.send("POST", PATH, None, ECHO)
        eventually(lambda: server.requests)
    answer = client.answer()
    assert (answer.ended, answer.headers["connection"]) == ("whole", "close")
    client.socket.close()


# Options


@pytest.mark.parametrize(
    "options",
    [
        {"on_miss": "maybe"},
        {"match": "nearly"},
        {"match": ["exact", "nearly"]},
        {"ignore": [""]},
        {"ignore": ["a..b"]},
        {"speed": 0},
        {"speed": -1.0},
        {"speed": float("nan")},
        {"faults": "explode"},
        {"faults": ["status:200"]},
        {"host": "0.0.0.0"},
        {"host": "example.org"},
        {"host": "0.0.0.0", "api_key": ""},
    ],
)
def test_options_that_make_no_sense_are_refused_when_it_is_made(options):
    with pytest.raises(ValueError, match=r"."):
        ReplayServer(**options)


def test_tapes_that_are_not_there_are_refused_when_it_is_made(tmp_path):
    with pytest.raises(OSError, match="none"):
        ReplayServer(tmp_path / "none.sse")
    with pytest.raises(ValueError, match="no recordings"):
        ReplayServer(tmp_path)


def test_options_come_one_or_several(tmp_path):
    path = tmp_path / "a.sse"
    path.write_text(delta("a") + DONE)
    for tapes in (path, str(path), Recording.load(path), [path], (path,), iter([path])):
        assert ReplayServer(tapes).tape_names == ["a.sse"]
    assert ReplayServer([path, tmp_path]).tape_names == ["a.sse", "a.sse#2"]
    for faults in ("status:503", Fault("status", status=503), ["status:503"], iter([Fault("status", status=503)])):
        with ReplayServer(faults=faults) as server:
            assert post(server).status == 503


# What it remembers


def test_requests_are_kept_with_their_bodies(running):
    post(running)
    post(running, b"nonsense")
    ask(running, "GET", "/nowhere")
    first, second, third = running.requests
    assert (first.number, first.method, first.route, first.status) == (1, "POST", PATH, 200)
    assert (first.body, first.model, first.stream, first.answered_by) == (ECHO, "m", False, "echo")
    assert (second.status, second.body) == (400, None)
    assert (third.status, third.route, third.path) == (404, "/… (no such path)", "/nowhere")
    assert abs(first.time - time.time()) < 60


def test_two_hundred_requests_are_kept(running):
    with RawClient(running) as client:
        for _ in range(205):
            client.ask("GET", "/health")
    assert [seen.number for seen in running.requests] == list(range(6, 206))


def test_large_bodies_are_forgotten_first(running):
    large = {"model": "m", "messages": [{"role": "user", "content": "x" * 9 * 2**20}]}
    post(running, large)
    assert running.requests[-1].body == large
    post(running, large)
    eventually(lambda: running.requests[0].body is None)
    assert running.requests[-1].body == large


# What it keeps to itself


def canaries():
    return {
        place: f"canary-{place}-{number:04}"
        for number, place in enumerate(["key", "header", "query", "path", "body", "model", "method", "id", "line"])
    }


def test_nothing_of_a_request_gets_into_a_line_of_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    planted = canaries()
    headers = {"Authorization": f"Bearer {planted['key']}", "X-Other": planted["header"], "Cookie": planted["header"]}
    with ReplayServer(
        play(delta("x"), DONE), match="exact", speed=None, api_key=planted["key"], fault_header=True
    ) as server:
        body = {"model": planted["model"], "messages": [{"role": "user", "content": planted["body"]}], "store": True}
        post(server, body, headers)
        post(server, body)
        post(server, body, {"Authorization": f"Bearer {planted['key']}x"})
        post(server, {**body, "n": planted["body"]}, headers)
        post(server, planted["body"].encode(), headers)
        post(server, body, {**headers, "X-Chatstream-Fault": planted["header"]})
        post(server, body, {**headers, "X-Chatstream-Tape": planted["header"]})
        post(server, body, {**headers, "Host": planted["header"]})
        post(server, body, {**headers, "Origin": planted["header"]})
        post(server, body, {**headers, "Content-Type": planted["header"]})
        ask(server, "GET", f"/{planted['path']}?{planted['query']}={planted['query']}", headers)
        ask(server, "GET", f"{PATH}?after={planted['query']}", headers)
        ask(server, "GET", f"{PATH}/{planted['id']}", headers)
        ask(server, "DELETE", f"{PATH}/{planted['id']}", headers)
        ask(server, "GET", f"/v1/models/{planted['id']}", headers)
        ask(server, planted["method"], "/health", headers)
        for line in (planted["line"], f"GET / HTTP/1.1\r\n{planted['line']}"):
            with RawClient(server) as client:
                client.socket.sendall(f"{line}\r\n\r\n".encode())
                assert planted["line"] not in client.answer().body.decode()
        kept = repr(server.requests)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("chatstream")]
    assert len(lines) == 19  # one of them a note about the tape
    assert "canary" not in caplog.text
    assert planted["key"] not in kept
    assert planted["header"] not in kept
    assert planted["query"] not in kept


def test_a_line_of_the_log_says_what_was_asked_and_what_came_of_it(caplog):
    caplog.set_level(logging.INFO, "chatstream.server")
    with ReplayServer(speed=None, fault_header=True) as server:
        post(server)
        ask(server, "GET", f"{PATH}/some-id")
        post(server, STREAM, {"X-Chatstream-Fault": "reset:1"})
    lines = [record.getMessage().partition(" in ")[0] for record in caplog.records]
    assert lines == [
        f"POST {PATH} 200 echo",
        f"GET {PATH}/{{id}} 404 not_found store",
        f"POST {PATH} 200 echo fault reset:1 cut off",
    ]


@pytest.mark.parametrize("broken", [RuntimeError("SECRET"), ChatStreamError("SECRET"), RecursionError("SECRET")])
def test_a_bug_in_a_route_is_a_500_and_a_line_with_its_place(running, monkeypatch, caplog, broken):
    def models(*_):
        raise broken

    monkeypatch.setattr(Routes, "_all_models", models)
    with RawClient(running) as client:
        answer = client.ask("GET", "/v1/models")
        assert (answer.status, answer.error["code"]) == (500, "internal_error")
        assert "SECRET" not in answer.error["message"]
        assert client.ask("GET", "/health").status == 200
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"a bug: {type(broken).__name__}" in record.getMessage()
    assert "in models" in record.getMessage()
    assert "SECRET" not in caplog.text


def test_a_bug_outside_the_routes_takes_only_its_own_connection_along(running, monkeypatch, caplog):
    told = "SECRET"

    def handle(*_):
        raise RuntimeError(told)

    with RawClient(running) as first, RawClient(running) as second:
        assert second.ask("GET", "/health").status == 200
        with monkeypatch.context() as patch:
            patch.setattr(Routes, "_answer", handle)
            assert first.ask("GET", "/health").ended == "cut"
        assert second.ask("GET", "/health").status == 200
    assert "a bug: RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text


def test_limits_are_frozen_and_may_be_shared():
    limits = ServerLimits(max_body=100)
    with ReplayServer(limits=limits) as one, ReplayServer(limits=limits) as two:
        for server in (one, two):
            assert post(server, {**ECHO, "user": "x" * 100}).status == 413
    with pytest.raises(AttributeError):
        limits.max_body = 5


def test_a_client_that_gave_up_while_it_was_kept_waiting_does_not_hold_up_the_stop():
    began = time.perf_counter()
    with ReplayServer(grace=20, faults="stall:60,after=1") as server, RawClient(server) as client:
        client.send("POST", "/v1/chat/completions", body={**ECHO, "stream": True})
        client.socket.recv(10)
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    "options",
    [
        {"port": 99999}, {"port": -1}, {"port": ()}, {"port": (8000, 70000)}, {"grace": -1}, {"grace": float("nan")},
        {"grace": float("inf")}, {"seed": "x"}, {"speed": "max"}, {"speed": 0}, {"speed": float("inf")}, {"ignore": "$.a"},
        {"api_key": ""}, {"db": ""}, {"on_miss": "shrug"}, {"match": "nearest"}, {"faults": "explode"},
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_a_value_error_before_anything_starts(options):
    with pytest.raises(ValueError, match=r"."):
        ReplayServer(**options)


def test_one_string_is_one_name_and_not_its_letters(tmp_path):
    asked = {**ECHO, "metadata": {"run": "1"}}
    with ReplayServer(
        play(delta("hi"), DONE, request=ECHO), match="exact", ignore="metadata", allowed_hosts="app.local", speed=None
    ) as server:
        assert post(server, asked).status == 200
        assert post(server, asked, {"Host": "app.local"}).status == 200


def test_of_several_ports_the_first_that_is_free_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with ReplayServer(port=(port, 0)) as server:
            assert server.port != port
        with pytest.raises(OSError, match="in use"), ReplayServer(port=(port, port)):
            pass


def test_a_database_that_is_held_does_not_hold_up_the_event_loop(tmp_path):
    file = tmp_path / "held.sqlite"
    with ReplayServer(db=file):
        pass

    async def enter():
        ticks = 0
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")

        async def let_go():
            nonlocal ticks
            for _ in range(10):
                await anyio.sleep(0.05)
                ticks += 1
            holder.execute("ROLLBACK")
            holder.close()

        async with anyio.create_task_group() as group:
            group.start_soon(let_go)
            async with ReplayServer(db=file):
                return ticks

    assert anyio.run(enter) > 0


def test_a_line_of_the_log_stays_one_whatever_a_tape_is_called(tmp_path, caplog):
    caplog.set_level(logging.INFO, "chatstream.server")
    path = tmp_path / "a\nforged line.sse"
    path.write_bytes((delta("hi") + DONE).encode())
    with ReplayServer(path, speed=None) as server:
        post(server)
    assert not [record for record in caplog.records if "\n" in record.getMessage()]


def test_what_is_remembered_does_not_grow_with_what_is_sent():
    with ReplayServer(speed=None) as server, RawClient(server) as client:
        for number in range(20):
            key = f"{number}" + "k" * 100_000
            answer = client.ask("POST", PATH, body={**ECHO, "prompt_cache_key": key})
            assert answer.status == 200
        assert (
            client.ask("POST", PATH, body={**ECHO, "prompt_cache_key": key}).json["usage"]["prompt_tokens_details"][
                "cached_tokens"
            ]
            > 0
        )
        kept = server._routes._completions._cache_keys
        assert {len(key) for key in kept} == {32}
        answer = client.ask("POST", PATH, body={**ECHO, "model": "m" * 513})
        assert (answer.status, answer.error["param"]) == (400, "model")


def test_the_last_cache_keys_are_remembered(monkeypatch):
    monkeypatch.setattr("chatstream.server.completions._MOST_CACHE_KEYS", 2)
    with ReplayServer(speed=None) as server:

        def cached(key):
            usage = post(server, {**ECHO, "prompt_cache_key": key}).json["usage"]
            return usage["prompt_tokens_details"]["cached_tokens"] > 0

        assert [cached(key) for key in "abacab"] == [False, False, True, False, True, False]


def test_a_server_whose_entering_was_given_up_lets_everything_go(tmp_path, monkeypatch):
    file = tmp_path / "held.sqlite"
    with ReplayServer(db=file):
        pass
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    server = ReplayServer(db=file)
    closed = []
    close = server._close
    monkeypatch.setattr(server, "_close", lambda: closed.append(close()))

    async def enter():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.__aenter__(), 0.2)
        assert not closed
        holder.execute("ROLLBACK")
        holder.close()

    asyncio.run(enter())
    eventually(lambda: closed)
    assert server._listener is None


def test_a_request_that_is_stopped_while_it_is_worked_on_is_told_as_such(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "chatstream.server")
    monkeypatch.setattr("chatstream.server.completions.answer", lambda *_, **__: time.sleep(1.5))
    with ReplayServer(grace=0.1) as server, RawClient(server) as client:
        client.send("POST", PATH, body=ECHO)
        time.sleep(0.3)
    assert [seen.outcome for seen in server.requests] == ["stopped"]
    assert "stopped" in caplog.text


def test_what_fails_while_it_is_opening_is_told_as_it_is_and_leaves_nothing(monkeypatch):
    server = ReplayServer()
    with monkeypatch.context() as broken:
        broken.setattr(CompletionStore, "ever", lambda _: (_ for _ in ()).throw(OSError("no disk")))
        with pytest.raises(OSError, match="no disk"), server:
            pass
    with server:
        assert ask(server, "GET", "/health").status == 200
