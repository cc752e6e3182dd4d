"""`chatstream serve`, as a process: what it prints, how it stops, what it refuses to begin with."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from serving import ECHO, RawClient, events, post
from test_cli import environment, is_quiet, read_soon, run

TAPE = """\
{"tape":1,"tool":"by hand","created":"2026-11-22T17:30:00Z"}
[0,"q",{"method":"POST","url":"/v1/chat/completions","headers":{},"body":{"model":"m","messages":[{"role":"user","content":"hi"}]}}]
[0.1,"j",{"id":"c","choices":[{"index":0,"delta":{"content":"from a tape"},"finish_reason":"stop"}]}]
[0,"s","data: [DONE]\\n\\n"]
"""


class Serving:
    """A running `chatstream serve`: `port`, `url`, and what it `said` on stderr, once it has been stopped."""

    def __init__(self, *arguments, env=None):
        command = [sys.executable, "-W", "error", "-m", "chatstream", "serve", *map(str, arguments)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment(**(env or {})))
        self.first = read_soon(self.process.stdout).decode()
        self.said = None
        self.url = self.first.strip()
        if self.url:
            self.port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/v1", self.url)[1])

    def stop(self, number=signal.SIGTERM):
        began = time.perf_counter()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        rest, said = self.process.communicate(timeout=30)
        assert rest == b""  # the base URL is all that stands on stdout
        self.said = said.decode()
        self.took = time.perf_counter() - began
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.said is None:
            self.stop()


@pytest.fixture
def tape(tmp_path):
    path = tmp_path / "hello.tape.jsonl"
    path.write_text(TAPE, "utf-8")
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_base_url_is_the_one_line_on_stdout_and_a_signal_stops_it(number):
    with Serving("--port", 0) as serving:
        assert serving.first == f"{serving.url}\n"
        assert post(serving).status == 200
        assert serving.stop(number) == 0
    assert serving.took < 5
    assert is_quiet(serving.said)
    assert "an echo at" in serving.said
    assert re.search(r"^\d\d:\d\d:\d\d POST /v1/chat/completions 200 echo in \d+ ms$", serving.said, re.MULTILINE)


def test_a_stream_that_is_open_gets_its_end_when_it_is_stopped(tape):
    with Serving(tape, "--port", 0, "--speed", 0.1) as serving, RawClient(serving) as client:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        client.socket.sendall(_post(serving, body))
        time.sleep(0.3)
        serving.process.send_signal(signal.SIGTERM)
        answer = client.answer()
    assert answer.ended == "whole"
    assert events(answer)[-1] == "[DONE]"


def test_a_stream_that_does_not_end_is_closed_after_a_moment():
    with Serving("--port", 0, "--fault", "stall:1000,after=1") as serving, RawClient(serving) as client:
        client.socket.sendall(_post(serving, {**ECHO, "stream": True}))
        time.sleep(0.3)
        assert serving.stop() == 0
        assert client.answer().ended in {"cut", "reset"}
    assert 1 < serving.took < 10
    assert "stopped" in serving.said


def _post(server, body):
    data = json.dumps(body).encode()
    lines = [f"Host: localhost:{server.port}", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines, "", ""]).encode() + data


def test_a_tape_answers_and_a_miss_is_an_error_unless_the_echo_is_asked_for(tape):
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with Serving(tape, "--port", 0) as serving:
        assert post(serving, asked).json["choices"][0]["message"]["content"] == "from a tape"
        assert post(serving).status == 404
    with Serving(tape, "--port", 0, "--on-miss", "echo") as serving:
        assert "Hello there" in post(serving).json["choices"][0]["message"]["content"]
    with Serving(tape, "--port", 0, "--match", "order") as serving:
        assert post(serving).json["choices"][0]["message"]["content"] == "from a tape"
    with Serving(tape, "--port", 0, "--match", "exact", "--ignore", "messages") as serving:
        assert post(serving).status == 200


def test_the_default_port_is_left_to_whoever_has_it():
    with Serving() as first, Serving() as second:
        assert first.port != second.port
        assert {post(first).status, post(second).status} == {200}


def test_a_port_that_was_asked_for_and_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "--port", port)
    assert ran.code == 2
    assert ran.out == ""
    assert "cannot listen" in ran.err
    assert str(port) in ran.err


def test_the_key_comes_from_the_environment_and_is_told_nowhere():
    key = "canary-5b1f9d"
    with Serving("--port", 0, "--fault-header", env={"CHATSTREAM_API_KEY": key}) as serving:
        assert post(serving).status == 401
        assert post(serving, headers={"Authorization": f"Bearer {key}"}).status == 200
        assert post(serving, headers={"Authorization": f"Bearer {key}", "X-Chatstream-Fault": "status"}).status == 500
        assert serving.stop() == 0
    assert key not in serving.said


def test_stored_completions_are_there_after_a_restart(tmp_path):
    file = tmp_path / "stored.sqlite"
    with Serving("--port", 0, "--db", file) as serving:
        id = post(serving, {**ECHO, "store": True}).json["id"]
    with Serving("--port", 0, "--db", file) as serving, RawClient(serving) as client:
        assert client.ask("GET", f"/v1/chat/completions/{id}").json["id"] == id


def test_quiet_is_without_a_line_for_each_request():
    with Serving("--port", 0, "--quiet") as serving:
        post(serving)
        serving.stop()
    assert "POST" not in serving.said


def test_what_is_odd_about_a_tape_is_said_and_it_serves_all_the_same(tape):
    tape.write_text(TAPE + '[0,"j",{"id', "utf-8")
    with Serving(tape, "--port", 0) as serving:
        serving.stop()
    assert "note: hello.tape.jsonl: the last line was cut" in serving.said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such.tape.jsonl"], "no-such.tape.jsonl: No such file"),
        (["--fault", "explode"], "explode"),
        (["--fault", "status:200"], "status"),
        (["--host", "0.0.0.0"], "set an API key"),
        (["--speed", "0"], "0"),
        (["--port", "99999"], "99999"),
        (["--port", "x"], "port"),
        (["--match", "nearest"], "nearest"),
        (["--ignore", "["], "is no path"),
        (["--db", "/no/such/folder/x.sqlite"], "/no/such/folder"),
        (["--host", "no such host"], "no such host"),
    ],
)
def test_what_it_cannot_begin_with_is_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHATSTREAM_API_KEY", raising=False)
    ran = run("serve", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert ran.err.startswith("chatstream: ")
    assert ran.err.count("\n") == 1


def test_a_folder_without_recordings_and_a_file_that_is_no_database_are_refused(tmp_path):
    assert "holds no recordings" in run("serve", tmp_path).err
    (tmp_path / "x.sqlite").write_bytes(b"no database, but longer than its header would be" * 100)
    ran = run("serve", "--port", 0, "--db", tmp_path / "x.sqlite")
    assert ran.code == 2
    assert "x.sqlite" in ran.err


def test_nobody_reading_its_words_does_not_stop_it():
    with Serving("--port", 0) as serving:
        serving.process.stderr.close()
        assert post(serving).status == 200
        assert post(serving).status == 200
        assert serving.process.poll() is None
        serving.process.send_signal(signal.SIGTERM)
        serving.said = ""
        assert serving.process.wait(20) == 141  # what it had to say at last went nowhere
        serving.process.stdout.close()
