"""HTTP as the server speaks it, seen by a client that hides nothing and keeps to no rules."""

import json
import socket
import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.server import ReplayServer, ServerLimits
from chatstream.server.sockets import Socket
from serving import DONE, ECHO, RawClient, ask, delta, events, eventually, head, play, post, text_of

PATH = "/v1/chat/completions"
QUICK = {"head_timeout": 0.2, "body_timeout": 0.2, "idle_timeout": 0.2, "write_timeout": 0.2}


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True) as running:
        yield running


@pytest.fixture(scope="module")
def impatient():
    limits = ServerLimits(max_head=2000, max_body=5000, **QUICK)
    with ReplayServer(speed=None, limits=limits, fault_header=True) as running:
        yield running


def is_well(server):
    return ask(server, "GET", "/health").status == 200


# One connection, several requests


def test_a_connection_takes_one_request_after_the_other(server):
    with RawClient(server) as client:
        for number in range(4):
            body = {**ECHO, "messages": [{"role": "user", "content": f"number {number}"}], "stream": number % 2 == 1}
            answer = client.ask("POST", PATH, body=body)
            text = text_of(answer) if body["stream"] else answer.json["choices"][0]["message"]["content"]
            assert f"number {number}" in text


def test_pipelined_requests_are_answered_in_order(server):
    with RawClient(server) as client:
        client.socket.sendall(
            head(server, "GET", "/health") + head(server, "POST", PATH, None, ECHO) + head(server, "GET", "/nowhere")
        )
        answers = [client.answer() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 404]
    assert answers[1].json["object"] == "chat.completion"


def test_a_request_that_comes_while_an_answer_waits_is_answered_after_it(server):
    slow = {"X-Chatstream-Fault": "delay_first:0.2"}
    with RawClient(server) as client:
        client.send("POST", PATH, slow, ECHO)
        time.sleep(0.05)
        client.send("GET", "/health")
        assert client.answer().json["object"] == "chat.completion"
        assert client.answer().json["status"] == "ok"


def test_what_was_pipelined_before_the_client_ended_its_half_is_answered(server):
    slow = {"X-Chatstream-Fault": "delay_first:0.2"}
    with RawClient(server) as client:
        client.socket.sendall(head(server, "POST", PATH, slow, ECHO) + head(server, "GET", "/health"))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer().json["object"] == "chat.completion"
        assert client.answer().json["status"] == "ok"
        assert client.is_closed()


def test_connection_close_is_obeyed(server):
    with RawClient(server) as client:
        answer = client.ask("GET", "/health", {"Connection": "close"})
        assert answer.ended == "whole"
        assert answer.headers["connection"] == "close"
        assert client.is_closed()


def test_what_is_sent_behind_the_last_request_does_not_spoil_its_answer(server):
    with RawClient(server) as client:
        client.send("POST", PATH, {"Connection": "close"}, ECHO)
        for _ in range(50):
            client.socket.sendall(b"x" * 10_000)
            time.sleep(0.001)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer().ended == "whole"
        assert client.is_closed()


def test_a_client_that_ends_its_half_gets_the_whole_answer(server):
    with RawClient(server) as client:
        client.send("POST", PATH, {"X-Chatstream-Fault": "stall:0.2,after=2"}, {**ECHO, "stream": True})
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.answer()
        assert answer.ended == "whole"
        assert events(answer)[-1] == "[DONE]"
        assert client.is_closed()


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(impatient):
    with RawClient(impatient) as client:
        assert client.ask("GET", "/health").status == 200
        began = time.perf_counter()
        assert client.socket.recv(100) == b""
        assert 0.1 < time.perf_counter() - began < 3


def test_a_connection_that_asks_nothing_at_all_does_no_harm(impatient):
    socket.create_connection(("127.0.0.1", impatient.port)).close()
    with RawClient(impatient) as client:
        client.socket.shutdown(socket.SHUT_WR)
        assert client.socket.recv(100) == b""
    assert is_well(impatient)


# Bodies


def test_a_body_may_come_in_chunks_and_a_byte_at_a_time(server):
    body = json.dumps(ECHO).encode()
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\nTrailer-Of: mine\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    with RawClient(server) as client:
        for byte in head(server, "POST", PATH, headers) + chunks:
            client.socket.sendall(bytes([byte]))
        assert client.answer().json["object"] == "chat.completion"
        assert client.ask("GET", "/health").status == 200


def test_who_waits_for_a_hundred_gets_one_and_then_the_answer(server):
    body = json.dumps(ECHO).encode()
    headers = {"Expect": "100-continue", "Content-Length": str(len(body)), "Content-Type": "application/json"}
    with RawClient(server) as client:
        client.send("POST", PATH, headers)
        assert client.socket.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.socket.sendall(body)
        assert client.answer().status == 200


def test_who_waits_for_a_hundred_with_too_large_a_body_is_refused_before_it_is_sent(impatient):
    headers = {"Expect": "100-continue", "Content-Length": "5001", "Content-Type": "application/json"}
    with RawClient(impatient) as client:
        client.send("POST", PATH, headers)
        assert client.socket.recv(15).startswith(b"HTTP/1.1 413")


def test_a_body_as_large_as_allowed_is_taken(impatient):
    body = json.dumps(ECHO).encode().ljust(5000)
    assert post(impatient, body).status == 200
    assert post(impatient, body + b" ").status == 413


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_too_large_a_body_is_refused_by_its_length(impatient, method):
    with RawClient(impatient) as client:
        client.send(method, PATH, {"Content-Length": "99999999999999999999"})
        answer = client.answer(is_head=method == "HEAD")
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        if method == "POST":
            assert answer.error["code"] == "request_too_large"
            assert answer.error["type"] == "invalid_request_error"
            assert "5000 bytes" in answer.error["message"]
    assert is_well(impatient)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_refusal_of_a_large_body_can_be_read_by_a_client_that_sends_on(server, chunked):
    size = 33 * 2**20
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    with RawClient(server) as client:
        client.send("POST", PATH, {**length, "Content-Type": "application/json"})
        piece = b" " * 2**20
        for _ in range(size // len(piece) + 1):
            client.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        answer = client.answer()
    assert (answer.status, answer.ended) == (413, "whole")
    assert answer.error["code"] == "request_too_large"


@pytest.mark.parametrize("headers", [{"Content-Length": "10"}, {"Transfer-Encoding": "chunked"}])
def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(server, headers):
    with RawClient(server) as client:
        client.send("POST", PATH, {**headers, "Content-Type": "application/json"})
        client.socket.sendall(b"5\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer().status == 400
        assert client.is_closed()
    assert is_well(server)


# What is no request, or too large, or too slow


BAD = {
    "words": b"hello there\r\n\r\n",
    "a hello of TLS": bytes.fromhex("1603010200010001fc0303") + bytes(range(256)) * 2,
    "zeros": bytes(1000),
    "no version": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\n\r\n",
    "a blank in a header's name": b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nSECRET\r\n\r\n",
    "a folded line first": b"GET / HTTP/1.1\r\n folded\r\n\r\n",
    "a target that is not ASCII": "GET /é HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
    "a negative length": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length of 21 digits": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000000000000000\r\n\r\n",
    "a bad chunk": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a length told in two ways": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
}


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD.items()])
def test_what_is_no_http_gets_a_400_and_the_connection_is_closed(server, data):
    with RawClient(server) as client:
        client.socket.sendall(data)
        answer = client.answer()
        assert (answer.status, answer.ended) == (400, "whole")
        assert answer.headers["connection"] == "close"
        assert answer.error["type"] == "invalid_request_error"
        assert "SECRET" not in answer.error["message"]
        assert client.is_closed()
    assert is_well(server)


def test_garbage_behind_a_head_request_gets_its_400_with_a_body(server):
    with RawClient(server) as client:
        assert client.ask("HEAD", "/health").status == 200
        client.socket.sendall(b"garbage\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.ended) == (400, "whole")
        assert answer.error["code"] == "bad_request"
    assert is_well(server)


@pytest.mark.parametrize("data", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/0.9\r\nHost: 127.0.0.1\r\n\r\n"])
def test_another_version_of_http_is_a_505(server, data):
    with RawClient(server) as client:
        client.socket.sendall(data)
        answer = client.answer()
        assert (answer.status, answer.ended) == (505, "whole")
        assert client.is_closed()


def test_a_coding_that_is_not_known_is_a_501(server):
    assert ask(server, "POST", PATH, {"Transfer-Encoding": "gzip, chunked"}).status == 501


def test_more_query_parameters_than_make_sense_are_refused(server):
    assert ask(server, "GET", f"{PATH}?{'a=1&' * 201}").status == 400


def test_a_head_that_is_too_large_is_a_431_also_if_it_never_ends(impatient):
    assert ask(impatient, "GET", "/health", {"X-Long": "x" * 1500}).status == 200
    assert ask(impatient, "GET", "/health", {"X-Long": "x" * 3000}).status == 431
    with RawClient(impatient) as client:
        client.socket.sendall(b"GET /" + b"x" * 5000)
        answer = client.answer()
        assert (answer.status, answer.ended) == (431, "whole")


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n1",
    ],
    ids=["method", "headers", "body"],
)
def test_a_request_that_does_not_get_on_is_a_408(impatient, data):
    with RawClient(impatient) as client:
        client.socket.sendall(data)
        answer = client.answer()
        assert (answer.status, answer.ended) == (408, "whole")
        assert answer.error["code"] == "request_timeout"
        assert 0.1 < answer.first_byte < 3
        assert client.is_closed()


def test_a_head_that_trickles_is_a_408_all_the_same(impatient):
    with RawClient(impatient) as client:
        began = time.perf_counter()
        client.socket.settimeout(0.02)
        for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100:
            client.socket.sendall(bytes([byte]))
            try:
                data = client.socket.recv(12)
            except TimeoutError:
                continue
            break
        assert data == b"HTTP/1.1 408"
        assert time.perf_counter() - began < 3


def test_one_connection_too_many_is_a_503():
    with ReplayServer(speed=None, limits=ServerLimits(max_connections=2)) as server:
        with RawClient(server) as first, RawClient(server) as second:
            assert first.ask("GET", "/health").status == 200
            assert second.ask("GET", "/health").status == 200
            with RawClient(server) as third:
                answer = third.answer()
                assert (answer.status, answer.ended) == (503, "whole")
                assert answer.error["code"] == "too_many_connections"
                assert answer.error["type"] == "server_error"
                assert third.is_closed()
            assert first.ask("GET", "/health").status == 200
        eventually(lambda: is_well(server))


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([*BAD.values(), b"GET ", b"\r\n", b" HTTP/1.1\r\n"]), max_size=4)
)
def test_no_bytes_keep_the_next_request_from_being_answered(server, pieces):
    with RawClient(server) as client:
        try:
            for piece in pieces:
                client.socket.sendall(piece)
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        client.is_closed()
    assert is_well(server)


# Clients that read nothing, or leave


def test_a_client_that_reads_nothing_is_given_up_and_the_others_are_served():
    flood = play(*(delta("x" * 60_000) for _ in range(400)), DONE)
    with ReplayServer(flood, speed=None, limits=ServerLimits(**QUICK)) as server, RawClient(server) as client:
        client.send("POST", PATH, body={**ECHO, "stream": True})
        for _ in range(3):
            assert is_well(server)
        time.sleep(1)
        assert client.answer().ended == "reset"
        assert [seen.outcome for seen in server.requests if seen.model] == ["client left"]


@pytest.mark.parametrize("fault", ["split:1", "stall:0.3,after=1", "stall,after=1", "delay_first:0.3"])
@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_client_may_leave_at_any_time(server, fault, reset):
    with RawClient(server) as client:
        client.send("POST", PATH, {"X-Chatstream-Fault": fault}, {**ECHO, "stream": True})
        if not fault.startswith("delay"):
            assert client.socket.recv(100)
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert is_well(server)


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_client_that_leaves_in_a_silence_is_noticed(server, reset):
    with RawClient(server) as client:
        client.send("POST", PATH, {"X-Chatstream-Fault": "stall,after=1"}, {**ECHO, "stream": True})
        assert client.socket.recv(100)
        seen = server.requests[-1]
        assert seen.outcome == ""
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    eventually(lambda: seen.outcome)
    assert seen.outcome in {"client left", "cut off"}


# Odd requests that are right


def test_a_client_of_http_1_0_gets_the_stream_until_the_connection_ends(server):
    body = json.dumps({**ECHO, "stream": True}).encode()
    request = b"POST %b HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    with RawClient(server) as client:
        client.socket.sendall(request % (PATH.encode(), len(body), body))
        answer = client.answer()
    assert answer.ended == "whole"
    assert "transfer-encoding" not in answer.headers
    assert events(answer)[-1] == "[DONE]"
    assert "Hello there" in text_of(answer)


def test_head_gets_the_head_of_get_and_no_body(server):
    with RawClient(server) as client:
        for path in ("/health", "/v1/models", "/v1/nothing", "/"):
            told = client.ask("HEAD", path)
            got = client.ask("GET", path)
            assert (told.status, told.headers["content-type"]) == (got.status, got.headers["content-type"])
            if path != "/":  # the page shows the requests, so it grows by each
                assert told.headers["content-length"] == str(len(got.body))


@pytest.mark.parametrize("status", [204, 304])
def test_a_recorded_answer_of_a_status_that_has_no_body_goes_out_without_one(status):
    tape = play(delta("x"), DONE)
    tape.response["status"] = status
    with ReplayServer(tape, speed=None) as server, RawClient(server) as client:
        client.send("POST", PATH, None, {**ECHO, "stream": True})
        answer = client.answer(is_head=True)
        assert (answer.status, answer.body) == (status, b"")
        assert client.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1/v1/models", 200),
        ("http://elsewhere.example:81/v1/models?x=1", 200),
        ("http://127.0.0.1", 200),
        ("/%76%31/models", 200),
        ("//v1//models/", 200),
        ("/v1/models?a=?&&=%", 200),
        ("/v1/../v1/models", 404),
        ("/v1/models/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/%", 404),
        ("/%00", 404),
        ("/%ff%fe", 404),
        ("/v1/chat/completions/%F0%9F%92%A9", 404),
        ("/v1/chat/completions/%ED%A0%80", 404),
        ("/v1/chat/completions/%00", 404),
        ("/" + "a/" * 3000, 404),
        ("/" + "x" * 20_000, 404),
    ],
)
def test_targets_of_all_kinds_are_read(server, target, status):
    assert ask(server, "GET", target).status == status


@pytest.mark.parametrize(("method", "target"), [("OPTIONS", "*"), ("CONNECT", "127.0.0.1:80"), ("BREW", "/")])
def test_methods_of_all_kinds_are_read(server, method, target):
    with RawClient(server) as client:
        assert client.ask(method, target).status == 405


def test_an_upgrade_is_not_taken_up(server):
    with RawClient(server) as client:
        answer = client.ask("POST", PATH, {"Connection": "Upgrade", "Upgrade": "h2c"}, ECHO)
        assert answer.json["object"] == "chat.completion"
        assert client.ask("GET", "/health").status == 200


def test_an_odd_header_on_a_tape_is_sent_as_far_as_it_can_be():
    tape = play(delta("x"), DONE)
    odd = {"X-A": " b ", "bad name": "x", "X-Line": "a\r\nEvil: 1", "X-é": "x", "Content-Length": "3", "X-Number": 7}
    tape.response["headers"].update(odd)
    with ReplayServer(tape, speed=None) as server:
        answer = post(server, {**ECHO, "stream": True})
    assert answer.ended == "whole"
    assert answer.headers["x-a"] == "b"
    assert not {"bad name", "x-line", "evil", "content-length", "x-number"} & answer.headers.keys()


def test_a_client_that_sends_much_and_goes_is_noticed_in_a_stall():
    with ReplayServer(speed=None, faults="stall,after=1") as server:
        for _ in range(3):
            with RawClient(server) as client:
                client.send("POST", "/v1/chat/completions", body={**ECHO, "stream": True})
                client.socket.recv(10)
                client.socket.sendall(b"x" * 200_000)
                client.socket.settimeout(1)
        eventually(lambda: not server._connections)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({}, 401),
    ],
)
def test_a_large_body_is_not_read_from_whoever_may_not_send_it(headers, status):
    with ReplayServer(api_key="the-key") as server, RawClient(server) as client:
        key = {} if status == 401 else {"Authorization": "Bearer the-key"}
        whole = head(server, "POST", "/v1/chat/completions", {**key, **headers}, b"x" * 20_000_000)
        client.socket.sendall(whole[:1000])
        answer = client.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"


def test_what_came_too_much_ahead_is_thrown_away_and_ends_the_connection():
    with ReplayServer(speed=1.0) as server, RawClient(server) as client:
        client.send("POST", "/v1/chat/completions", body={**ECHO, "stream": True})
        client.socket.sendall(head(server, "GET", "/health") * 8000)
        answer = client.answer()
        assert answer.ended == "whole"
        assert client.is_closed()


@pytest.mark.anyio
async def test_what_was_read_as_a_wait_ended_is_not_lost():
    ours, theirs = socket.socketpair()
    connection = Socket(ours)
    theirs.sendall(b"whole")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await connection.receive()
    assert await connection.receive() == b"whole"
    connection.close()
    theirs.close()
