"""`chatstream record`: what passes through it, what is on the tape, and how it ends; as a process, with real curl."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from chatstream.cli.credentials import secrets_of
from chatstream.cli.heads import HeadReader
from chatstream.recording import Recording
from chatstream.server import ReplayServer
from serving import DONE, RawClient, delta, play, post
from test_cli import environment, is_quiet, read_soon, run

STREAM = {"model": "m", "messages": [{"role": "user", "content": "Hello there"}], "stream": True}
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not there")
PIPE = subprocess.PIPE
KEY = "sk-canary-0123456789abcdef"


def record(*arguments, data=b"", env=None, **options):
    """Run it to its end: exit code, and stdout and stderr as bytes."""
    command = [sys.executable, "-W", "error", "-m", "chatstream", "record", *map(str, arguments)]
    ran = subprocess.run(
        command, input=data, capture_output=True, timeout=60, check=False, env=environment(**(env or {})), **options
    )
    return ran.returncode, ran.stdout, ran.stderr.decode()


def begin(*arguments, **options):
    command = [sys.executable, "-W", "error", "-m", "chatstream", "record", *map(str, arguments)]
    return subprocess.Popen(command, stdout=PIPE, stderr=PIPE, env=environment(), **options)


def python(code):
    """A command that runs this code."""
    return ["--", sys.executable, "-c", code]


@pytest.fixture
def tape(tmp_path):
    return tmp_path / "x.tape.jsonl"


def bytes_of(tape):
    return b"".join(Recording.load(tape).play())


# A command


@needs_curl
@pytest.mark.parametrize("options", [["-sN"], ["-siN"]], ids=["a body", "a head and a body"])
def test_what_curl_reads_is_what_passes_and_what_is_taped(tape, options):
    recording = play(*([(0.05, delta("x"))] * 4), (0.05, DONE))
    with ReplayServer(recording, match="order") as server:
        curl = ["curl", *options, f"{server.base_url}/chat/completions", "-H", "Content-Type: application/json"]
        curl += ["-H", "Authorization: Bearer canary words", "-d", json.dumps(STREAM)]
        code, out, err = record("-o", tape, "--", *curl)
    assert (code, err) == (0, "")
    taped = Recording.load(tape)
    body = b"".join(recording.play())
    assert b"".join(read.data for read in taped.reads) == body
    assert out.endswith(body)
    assert taped.end["end"] == "eof"
    if "-siN" in options:
        assert out.startswith(b"HTTP/1.1 200")
        assert taped.response["status"] == 200
        assert taped.response["headers"]["content-type"] == "text/event-stream"
    else:
        assert out == body
        assert taped.response is None
    assert sum(read.interval > 0.03 for read in taped.reads) >= 4
    assert taped.duration > 0.2


@needs_curl
@pytest.mark.parametrize("unpacked", [True, False])
def test_a_packed_answer_is_taped_unpacked_whether_curl_unpacks_it_or_not(tape, tmp_path, unpacked):
    text = b"data: x\n\n" * 100
    packed = gzip.compress(text)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n"
    (tmp_path / "answer").write_bytes(head + (text if unpacked else packed))
    code, out, _ = record("-o", tape, data=(tmp_path / "answer").read_bytes())
    assert code == 0
    assert out == head + (text if unpacked else packed)
    assert bytes_of(tape) == text


@pytest.mark.parametrize(
    ("code", "exits", "end"),
    [
        ("", 0, "eof"),
        ("raise SystemExit(7)", 7, "error"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + 9, "error"),
        ("import os, signal; signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)", 130, "cancel"),
    ],
)
def test_the_exit_code_is_the_commands_and_the_tape_tells_how_it_ended(tape, code, exits, end):
    got, out, err = record("-o", tape, *python(f"print('hi', flush=True)\n{code}"))
    assert (got, out, err) == (exits, b"hi\n", "")
    assert Recording.load(tape).end["end"] == end
    assert bytes_of_reads(tape) == b"hi\n"


def bytes_of_reads(tape):
    return b"".join(read.data for read in Recording.load(tape).reads)


def test_standard_input_and_standard_error_are_the_commands_own(tape):
    code, out, err = record(
        "-o", tape, *python("import sys; sys.stdout.write(input()); sys.stderr.write('oh')"), data=b"hi\n"
    )
    assert (code, out, err) == (0, b"hi", "oh")


def test_dashes_after_the_first_are_the_commands_own(tape):
    words = ["-o", "x", "--", "--append"]
    code, out, _ = record("-o", tape, *python("import sys; print(sys.argv[1:])"), *words)
    assert code == 0
    assert out.decode().strip() == repr(words)


def test_each_read_passes_before_the_next_one_comes(tape):
    waits = "import sys\nprint('one', flush=True)\nsys.stdin.readline()\nprint('two', flush=True)"
    with begin("-o", tape, *python(waits), stdin=PIPE) as process:
        assert read_soon(process.stdout) == b"one\n"
        process.stdin.write(b"\n")
        process.stdin.close()
        assert read_soon(process.stdout) == b"two\n"
        assert process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command_whose_end_is_ours(tape, number):
    code = (
        "import os, signal, sys, time\n"
        "def end(number, _): os.write(1, b'bye\\n'); sys.exit(5)\n"
        "signal.signal(signal.SIGINT, end); signal.signal(signal.SIGTERM, end)\n"
        "os.write(1, b'hi\\n'); time.sleep(60)"  # no print: a handler may not print in the middle of another one
    )
    with begin("-o", tape, *python(code), start_new_session=True) as process:
        assert read_soon(process.stdout) == b"hi\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (5, b"bye\n", b"")
    assert bytes_of_reads(tape) == b"hi\nbye\n"


def test_a_reader_who_leaves_ends_the_command_as_in_any_pipe(tape):
    code = "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nwhile True: print('x' * 1000)"
    with begin("-o", tape, *python(code)) as process:
        assert process.stdout.read(10) == b"x" * 10
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == b""
    assert Recording.load(tape).end["end"] == "cancel"


def test_a_command_that_is_not_there_leaves_no_file(tape):
    code, out, err = record("-o", tape, "--", "no-such-command-here")
    assert (code, out) == (127, b"")
    assert err == "chatstream: no-such-command-here: No such file or directory\n"
    assert not tape.exists()
    assert record("-o", tape, "--", tape.parent)[0] == 126


# Standard input


def test_standard_input_passes_and_is_taped(tape):
    data = b'data: {"a": 1}\n\n\xff\xfe\n\ndata: [DONE]\n\n'
    assert record("-o", tape, data=data) == (0, data, "")
    assert bytes_of(tape) == data
    assert record("-o", tape, "--append", "--quiet", data=b"data: 2\n\n") == (0, b"", "")
    assert [b"".join(one.play()) for one in Recording.load_all(tape)] == [data, b"data: 2\n\n"]


def test_a_reader_who_leaves_ends_it_as_tee_ends(tape):
    with begin("-o", tape, stdin=PIPE) as process:
        process.stdout.close()
        try:
            process.stdin.write(b"x\n" * 1000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.wait(20) == 141
        assert process.stderr.read() == b""
    assert Recording.load(tape).end["end"] == "cancel"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_tape_gets_its_end(tape, number):
    with begin("-o", tape, stdin=PIPE) as process:
        process.stdin.write(b"data: 1\n\n")
        process.stdin.flush()
        assert read_soon(process.stdout)
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert is_quiet(process.stderr.read().decode())
    taped = Recording.load(tape)
    assert taped.end["end"] == "cancel"
    assert bytes_of_reads(tape) == b"data: 1\n\n"


# The file


def test_a_file_that_exists_is_only_touched_if_that_is_asked_for(tape):
    tape.write_text("mine")
    code, _, err = record("-o", tape, data=b"x")
    assert code == 2
    assert "it exists; --append adds to it, --force replaces it" in err
    assert tape.read_text() == "mine"
    assert record("-o", tape, "--force", data=b"data: x\n\n")[0] == 0
    assert bytes_of(tape) == b"data: x\n\n"


def test_a_folder_gets_a_file_and_its_name_is_told(tmp_path):
    code, _, err = record("-o", f"{tmp_path}/new/", data=b"data: x\n\n")
    (path,) = (tmp_path / "new").iterdir()
    assert code == 0
    assert err == f"chatstream: the tape is {path}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_without_a_suffix_is_a_file_too_and_gz_is_packed(tmp_path):
    assert record("-o", tmp_path / "plain", data=b"data: x\n\n")[0] == 0
    assert bytes_of(tmp_path / "plain") == b"data: x\n\n"
    assert record("-o", tmp_path / "x.tape.jsonl.gz", data=b"data: x\n\n")[0] == 0
    assert gzip.decompress((tmp_path / "x.tape.jsonl.gz").read_bytes()).startswith(b'{"tape":1')


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110  no file of ours
def test_a_full_disk_is_told_when_all_is_over_and_the_stream_is_whole():
    data = b"data: x\n\n" * 1000
    code, out, err = record("-o", "/dev/full", data=data)
    assert (code, out) == (1, data)
    assert err.count("\n") == 1
    assert "not whole" in err
    assert record("-o", "/dev/full", *python("raise SystemExit(7)"))[0] == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "-o FILE is needed"),
        (["--listen", "127.0.0.1:0"], "needs all three"),
        (["--listen", "127.0.0.1:0", "--to", "https://x"], "needs all three"),
        (["--listen", "127.0.0.1:0", "--to", "https://x", "-o", "y", "z"], "-o, --append"),
        (["--listen", "nowhere", "--to", "https://x", "z"], "is not HOST:PORT"),
        (["--listen", "0.0.0.0:0", "--to", "https://x", "z"], "not loopback"),
        (
            ["--listen", "127.0.0.1:0", "--to", "http://far.example", "z"],
            "in the clear; use https://, or say --allow-plain-http\n",
        ),
        (["--listen", "127.0.0.1:0", "--to", "https://x", "taken"], "is no folder"),
        (["-o", "x", "--allow-plain-http"], "the proxy's"),
        (["-o", "no/such/folder/x.jsonl"], "no/such/folder/x.jsonl: No such file"),
        (["-o", "x", "--append", "--force"], "not allowed with"),
    ],
)
def test_what_it_cannot_begin_with_is_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    ran = run("record", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_command_is_not_run_for_a_tape_that_no_library_can_pack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for library in ("compression.zstd", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, library, None)
    ran = run("record", "-o", "x.tape.jsonl.zst", *python("open('it-ran', 'w')"))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("chatstream: x.tape.jsonl.zst: ")
    assert "chatstream[encodings]" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_whoever_forgets_the_dashes_is_told_of_them_and_no_key_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in (["-sN", "-H", f"api-key: {KEY}"], [f"-H{KEY}"], [f"--header={KEY}"], ["--json", "{}"]):
        ran = run("record", "-o", "x.tape.jsonl", "curl", *options, "http://127.0.0.1:9/")
        assert (ran.code, ran.out) == (2, "")
        assert "comes behind --, as in chatstream record -o FILE -- curl" in ran.err
        assert KEY not in ran.err
    assert list(tmp_path.iterdir()) == []


# Heads


class Taken:
    """What a take was told."""

    def __init__(self):
        self.told = []

    def response(self, status, headers, *, decoded):
        self.told.append((status, headers, decoded))

    def read(self, data):
        self.told.append(data)


def told(*reads):
    taken = Taken()
    reader = HeadReader(taken)
    for data in reads:
        reader.read(data)
    reader.close()
    return taken.told


OK = b"HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\n\r\n"


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/2 307 \r\nlocation: x\r\n\r\n",
        b"HTTP/1.1 401 No\r\n\r\nHTTP/1.1 100 Continue\n\n",
    ],
)
def test_of_several_heads_the_last_one_counts_however_they_are_cut(before):
    data = before + OK + b"data: x\n\n"
    expected = [(200, {"a": "1, 2"}, True), b"data: x\n\n"]
    assert told(data) == expected
    by_bytes = told(*(data[at : at + 1] for at in range(len(data))))
    assert by_bytes[0] == expected[0]
    assert b"".join(by_bytes[1:]) == expected[1]


def test_a_head_is_told_before_the_body_comes():
    taken = Taken()
    HeadReader(taken).read(OK)
    assert taken.told == [(200, {"a": "1, 2"}, True)]


@pytest.mark.parametrize(
    "body", [b"data: x\n\n", b"HTTP/", b"HTTP/1.1 is a protocol\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: 1\r\n", b"H", b""]
)
def test_what_is_no_whole_head_is_a_body(body):
    assert told(body) == [one for one in [body] if one]


def test_a_head_without_a_body_is_one_and_a_second_one_behind_it_is_the_body():
    assert told(b"HTTP/1.1 304 Not Modified\r\n\r\n") == [(304, {}, True)]
    assert told(OK + OK) == [(200, {"a": "1, 2"}, True), OK]


def test_a_head_past_64_kib_is_none():
    data = b"HTTP/1.1 200 OK\r\n" + b"a: 1\r\n" * 20_000
    assert told(data) == [data]


# Secrets


def test_keys_of_the_command_line_and_the_environment_are_known():
    words = [
        "curl", "-H", "Authorization: Bearer canary-a-12345", "-HApi-Key: canary-b-12345", "--header=X-Token: canary-c-12345",
        "-u", "me:canary-d-12345", "--oauth2-bearer", "canary-e-12345", "-b", "s=canary-f-12345", "https://u:canary-g-12345@x/",
        "https://x/?api_key=canary-h-12345", "-H", "Accept: text/event-stream", "-d", "a: short",
    ]  # fmt: skip
    environ = {
        "OPENAI_API_KEY": "canary-i-12345",
        "MY_TOKEN": "short",
        "SSH_KEY": "/home/me/key",
        "HOME": "canary-not-one",
    }
    found = secrets_of(words, environ)
    assert {f"canary-{letter}-12345" for letter in "abcdefghi"} <= set(found)
    assert not {"text/event-stream", "short", "/home/me/key", "canary-not-one"} & set(found)


def test_no_key_is_in_any_byte_of_the_tape(tape):
    says = "print('data: you are canary-a-', flush=True, end=''); import time; time.sleep(0.1); print('12345 canary-b-12345')"
    words = ["-H", "Authorization: Bearer canary-a-12345"]
    code, out, _ = record("-o", tape, *python(says), *words, env={"OPENAI_API_KEY": "canary-b-12345"})
    assert code == 0
    assert b"canary-a-12345 canary-b-12345" in out
    assert b"12345" not in tape.read_bytes()


# The proxy


def test_the_proxy_prints_its_base_url_and_makes_a_tape_of_each_exchange(tmp_path):
    key = "canary-4711"
    with (
        ReplayServer(speed=None) as service,
        begin("--listen", "127.0.0.1:0", "--to", service.base_url, tmp_path / "tapes") as process,
    ):
        url = read_soon(process.stdout).decode().strip()
        proxy = SimpleNamespace(port=int(url.split(":")[2].removesuffix("/v1")))
        answer = post(proxy, STREAM, {"Authorization": f"Bearer {key}"}, path=f"/v1/chat/completions?key={key}")
        assert b"Hello" in answer.body
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, b"")
    said = err.decode()
    assert is_quiet(said)
    assert f"OPENAI_BASE_URL={url}" in said
    assert "POST /v1/chat/completions 200 in" in said
    assert "1 tape in" in said
    (path,) = (tmp_path / "tapes").iterdir()
    assert b"".join(Recording.load(path).play()) == answer.body
    assert key not in said + path.read_text("utf-8")


def test_a_port_that_is_taken_is_an_error(tmp_path):
    with ReplayServer() as taken:
        code, out, err = record("--listen", f"127.0.0.1:{taken.port}", "--to", "https://x", tmp_path / "tapes")
    assert (code, out) == (2, b"")
    assert "cannot listen" in err


def test_a_stream_that_is_open_when_the_proxy_is_stopped_has_a_tape_with_an_end(tmp_path):
    stream = play((0, delta("x")), (60, DONE))
    with (
        ReplayServer(stream, match="order") as service,
        begin("--listen", "127.0.0.1:0", "--to", service.url, tmp_path) as process,
    ):
        proxy = SimpleNamespace(port=int(read_soon(process.stdout).decode().split(":")[2].removesuffix("/v1\n")))
        with RawClient(proxy) as client:
            client.send("POST", "/v1/chat/completions", body=STREAM)
            assert client.socket.recv(100)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"stopping; answers that are going out get a moment more" in err
    (path,) = tmp_path.glob("*.jsonl")
    assert Recording.load(path).end["end"] == "cancel"


def test_a_tape_does_not_go_to_standard_output(tmp_path):
    code, out, err = record("-o", "-", data=b"data: {}\n\n", cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, b"", 1)
    assert list(tmp_path.iterdir()) == []
