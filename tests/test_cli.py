import contextlib
import gzip
import io
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream import ChatCompletionStream, __version__
from chatstream.cli import main
from chatstream.cli.screen import Screen
from made_up import body, mutated
from wire import block, chunk, read, wire

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
FULL_DISK = Path("/dev/full")
HEADER = '{"tape":1,"tool":"by hand","created":"2026-11-22T17:30:00Z"}\n'
HELLO = [chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}), chunk(finish="stop")]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COMMANDS = "a \x1b[31mred\x1b[0m \x07 \x08 \r \x7f \x9b2J \u202ekcab\u202c \u2066iso\u2069 tab\tend"


def call(index, arguments, call_id=None, name=None):
    """A delta of one function tool call."""
    named = {} if call_id is None else {"id": call_id, "type": "function"}
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, **named, "function": function}]})


def tape(chunks, *, interval=0.5):
    """A tape of these chunks, all as far apart."""
    values = [*(("j", one) for one in chunks), ("s", "data: [DONE]\n\n"), ("e", {"end": "eof"})]
    return HEADER + "".join(json.dumps([interval, code, data]) + "\n" for code, data in values)


class Terminal(io.TextIOWrapper):
    """Standard output as a program sees it that runs on a terminal."""

    def __init__(self, encoding="utf-8", *, is_terminal=True):
        super().__init__(io.BytesIO(), encoding, newline="\n", write_through=True)
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal

    def shown(self):
        return self.buffer.getvalue().decode(self.encoding)


def run(*arguments, terminal=False, encoding="utf-8", stdin=b""):
    """The command line in this process: its exit code, stdout and stderr."""
    out, err = (Terminal(encoding, is_terminal=terminal) for _ in range(2))
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    return SimpleNamespace(code=code, out=out.shown(), err=err.shown())


def show(data, *arguments, **options):
    """How a stream of these bytes, or chunks, is replayed from standard input."""
    return run("replay", "-", *arguments, stdin=data if isinstance(data, bytes) else wire(data), **options)


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def naps(monkeypatch):
    """The seconds that were waited for, and are not waited for in fact."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def save(tmp_path):
    """Write a file; its path."""

    def save(content, name="stream"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return save


# Processes of our own


def command(*arguments):
    return [sys.executable, "-W", "error", "-m", "chatstream", *map(str, arguments)]


def environment(**more):
    """That of this process, but with output buffered, as users have it: a buffer is where the last words get stuck."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | more


def from_a_shell(line):
    """A line run by a shell, with `chatstream` in it."""
    line = line.replace("chatstream", f"'{sys.executable}' -W error -m chatstream")
    shell = ["/bin/sh", "-c", line]
    return subprocess.run(shell, capture_output=True, encoding="utf-8", timeout=60, check=False, env=environment())


def on_a_terminal(*arguments, columns=200):
    """The command on a real terminal, a pseudo one: what it shows there, and its exit code."""
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, columns))
    env = environment(TERM="dumb")
    with subprocess.Popen(command(*arguments), stdin=its, stdout=its, stderr=its, env=env) as process:
        os.close(its)
        shown = b"".join(iter(lambda: _read_terminal(ours), b""))
        os.close(ours)
    return SimpleNamespace(code=process.returncode, shown=shown.decode().replace("\r\n", "\n"))


def _read_terminal(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the way Linux says that nobody is on the other side any more
        return b""


def read_soon(stream):
    """What a process has written by now, but not later than in a minute."""
    ready, _, _ = select.select([stream], [], [], 60)
    assert ready, "nothing came"
    return os.read(stream.fileno(), 65536)


def is_quiet(err):
    return "Traceback" not in err and "Exception ignored" not in err


# Exit codes: a test for each row of the table in docs/cli.md


def whole(save):
    kinds = {"complete": wire(HELLO), "no_done": wire(HELLO, done=False), "no_finish": wire(HELLO[:2])}
    for kind, data in kinds.items():
        ran = run("replay", save(data))
        assert f"── {kind} · " in ran.err
        yield ran


def unwritable(save):
    if not FULL_DISK.exists():
        pytest.skip("no /dev/full on this system")
    for line in ("chatstream demo --speed max", "chatstream demo --speed max --final", "chatstream replay --help"):
        ran = from_a_shell(f"{line} > {FULL_DISK}")
        ran.code = ran.returncode
        assert "\nchatstream: cannot write the output: No space left on device\n" in f"\n{ran.stderr}"
        assert is_quiet(ran.stderr)
        yield ran


def usage(save):
    lines = ["", "dance", "demo x", "replay", "replay a b", "demo --speed 0", "demo --speed -1", "demo --speed nan"]
    lines += ["demo --speed inf", "demo --speed fast", "demo --text --final", "demo --events --text", "demo --sp 2"]
    for line in lines:
        ran = run(*line.split())
        assert re.fullmatch(r"chatstream: .+ \(see chatstream.* --help\)\n", ran.err)
        assert ran.out == ""
        yield ran


def unreadable(save):
    folder = save("x").parent
    for name in (folder / "missing", folder, "", "nul\0"):
        ran = run("replay", name)
        assert re.fullmatch(r"chatstream: .+\n", ran.err)
        assert ran.out == ""
        yield ran


def cut(save):
    ends = ({"end": "timeout", "phase": "idle"}, {"end": "error", "error": "ReadError"}, {"end": "cancel"})
    for end in ends:
        lines = [[0, "j", HELLO[0]], [0, "e", end]]
        yield run("replay", save(HEADER + "".join(json.dumps(line) + "\n" for line in lines)), "--text")
    for data in (wire(HELLO[:2], done=False), wire(HELLO[:1], done=False) + b"data: {"):
        yield show(data, "--text")


def empty(save):
    for data in (b"", b"\n", b": ping\n\n", b"data: [DONE]\n\n"):
        ran = run("replay", save(data))
        assert ran.out == ""
        yield ran
        yield show(data)


def error_in_stream(save):
    error = {"error": {"message": "Rate limit reached\nfor you", "code": "rate_limit"}}
    ran = show([*HELLO[:2], error], "--text")
    assert ran.out == "Hello"
    assert ran.err == "chatstream: stdin: rate_limit: Rate limit reached for you (APIStreamError)\n"
    yield ran
    yield show(json.dumps(error).encode())


def malformed(save):
    for data in (wire(HELLO[:2], done=False) + b"data: {{\n\n" + wire(HELLO[2:]), wire([*HELLO[:2], [1]])):
        ran = show(data, "--text")
        assert ran.out == "Hello"
        assert ran.err.endswith("(StreamProtocolError)\n")
        yield ran
    ran = show(b"data: " + b"[" * 300 + b"]" * 300 + b"\n\n", "--text")
    assert ran.err.endswith("(StreamLimitError)\n")
    yield ran


def no_stream(save):
    for data in (b"<!doctype html>\n<p>Sign in", b"hello", bytes(range(256)) * 9, b'{"hello": 1}'):
        for ran in (show(data), run("replay", save(data))):
            assert ran.err.endswith("(NotAStreamError)\n")
            yield ran


def broken_line(save):
    lines = tape(HELLO).splitlines(keepends=True)
    ran = run(
        "replay", save("".join([*lines[:3], "[oops]\n", *lines[3:]]), "broken.tape.jsonl"), "--text", "--speed", "max"
    )
    assert ran.out == "Hello"
    assert ran.err.startswith("chatstream: broken.tape.jsonl, line 4: ")
    yield ran
    chunks = "".join(json.dumps(one) + "\n" for one in HELLO)
    yield run("replay", save(f"{json.dumps(HELLO[0])}\n[]\n{chunks}"))


def interrupted(save):
    # SIGINT may be ignored where the tests are run in the background, and is then ignored by whatever they start.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from chatstream.cli import main"
    )
    program += "; sys.exit(main(sys.argv[1:]))"
    for arguments in (["demo", "--speed", "0.3"], ["replay", "-"]):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            if arguments[0] == "replay":
                process.stdin.write(wire([chunk({"reasoning_content": "hm"})], done=False))
                process.stdin.flush()
            before = read_soon(process.stderr)
            process.send_signal(signal.SIGINT)
            after = process.stderr.read()
        assert before
        assert is_quiet(after.decode())
        assert b"chatstream:" not in after
        yield SimpleNamespace(code=process.returncode)


def nobody_reads(save):
    many = save(wire([*[chunk({"content": "x" * 99})] * 3000, HELLO[2]]))
    for line in (f"replay {many}", f"replay {many} --events", "demo --speed max --final", "replay --help"):
        for streams in ("stdout", "both"):
            ours, its = os.pipe()
            os.close(ours)
            err = subprocess.PIPE if streams == "stdout" else its
            ran = subprocess.run(
                command(*line.split()), stdout=its, stderr=err, timeout=60, check=False, env=environment()
            )
            os.close(its)
            assert not ran.stderr
            yield SimpleNamespace(code=ran.returncode)


def stopped(_save):
    """A server that is told to stop as soon as it has said where it is."""
    for number in (signal.SIGINT, signal.SIGTERM):
        pipe = subprocess.PIPE
        with subprocess.Popen(command("serve", "--port", "0"), stdout=pipe, stderr=pipe, env=environment()) as process:
            assert read_soon(process.stdout).startswith(b"http://")
            process.send_signal(number)
            assert is_quiet(process.communicate(timeout=30)[1].decode())
        yield SimpleNamespace(code=process.returncode)


def cannot_start(save):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield run("serve", "--port", taken.getsockname()[1])
    yield run("serve", save("not a tape's folder", "x.md") / "nothing")


ROWS = {
    "the server was stopped, by Ctrl-C or SIGTERM": (0, stopped),
    "the stream is whole: it ended as `complete`, `no_done` or `no_finish`": (0, whole),
    "the output cannot be written, because the disk is full, say": (1, unwritable),
    "the command line makes no sense": (2, usage),
    "the file is missing or unreadable": (2, unreadable),
    "the server cannot start: the port is taken, say": (2, cannot_start),
    "the stream was cut: a finish reason is missing, the connection broke off, or it took too long": (3, cut),
    "the stream is empty": (3, empty),
    "an error came in the stream": (4, error_in_stream),
    "the stream is malformed, or grew past a limit": (4, malformed),
    "it is no stream at all": (4, no_stream),
    "a line in the middle of the recording is broken": (4, broken_line),
    "you pressed Ctrl-C while a stream was shown": (130, interrupted),
    "whoever read the output has stopped reading, as `head` does": (141, nobody_reads),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_exit_code_is_that_of_the_table(row, save) -> None:
    code, cases = ROWS[row]
    codes = [ran.code for ran in cases(save)]
    assert codes
    assert set(codes) == {code}


def test_the_table_of_exit_codes_has_these_rows() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(str(code), row) for row, (code, _) in ROWS.items()]


def test_ctrl_c_on_a_terminal_leaves_the_line(monkeypatch, save) -> None:
    def interrupt(seconds):
        raise KeyboardInterrupt

    path = save(tape([chunk({"content": "Hel"})]).replace("0.5", "0", 1))
    monkeypatch.setattr(time, "sleep", interrupt)
    ran = run("replay", path, terminal=True)
    assert (ran.code, ran.out, ran.err) == (130, "Hel\n", "")


def test_of_several_recordings_the_gravest_code_counts(save) -> None:
    path = save(tape([]) + tape(HELLO))
    assert run("replay", path, "--speed", "max").code == 3


# Help


@pytest.mark.parametrize("line", ["--help", "demo --help", "replay --help", "serve --help"])
def test_the_page_has_the_help_as_it_is_printed(line) -> None:
    ran = run(*line.split())
    assert ran.code == 0
    assert f"$ chatstream {line}\n{ran.out}```\n" in PAGE.read_text("utf-8")


def test_the_version_is_printed() -> None:
    assert run("--version").out == f"chatstream {__version__}\n"


# Where things go


def test_on_a_terminal_the_demo_looks_as_the_page_shows() -> None:
    ran = on_a_terminal("demo", "--speed", "20")
    (page,) = re.findall(r"```text\n(── reasoning\n.*?)```\n", PAGE.read_text("utf-8"), re.DOTALL)
    assert ran.shown == page
    assert ran.code == 0


def test_a_pipe_gets_the_text_and_stderr_the_rest() -> None:
    ran = run("demo", "--speed", "max")
    assert ran.out.startswith("A model writes")
    assert ran.out.endswith("in both cities.")
    assert ran.err.startswith("── reasoning\nTwo questions.")
    assert '── tool call get_weather (call_oslo)\n{"city":"Oslo","unit":"celsius"}\n\n── complete' in ran.err
    assert "A model writes" not in ran.err


def test_what_was_asked_for_is_all_that_is_shown() -> None:
    for form in ("--text", "--events", "--final"):
        ran = run("demo", "--speed", "max", form)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out


def test_text_is_the_content_of_choice_0_to_the_byte() -> None:
    said = "a\r\n\x1b[31m\0\u202e\tb 😀"
    chunks = [chunk({"reasoning_content": "hm", "content": said}), chunk({"content": "no"}, index=1)]
    ran = show([*chunks, chunk(finish="stop"), chunk(finish="stop", index=1)], "--text")
    assert ran.out == said


def test_text_on_a_terminal_ends_its_line() -> None:
    assert show(HELLO, "--text", terminal=True).out == "Hello\n"
    assert show(HELLO, "--text", terminal=False).out == "Hello"


def test_events_are_the_events_of_the_stream() -> None:
    data = files("chatstream.cli").joinpath("demo.tape.jsonl")
    with ChatCompletionStream(str(data)) as stream:
        events = [event.to_dict() for event in stream]
    lines = run("demo", "--speed", "max", "--events").out.splitlines()
    assert [json.loads(line) for line in lines] == events


def test_the_error_event_is_the_last_line() -> None:
    for ran in (show(HELLO[:2], "--events"), show(wire(HELLO[:2], done=False), "--events"), show(b"<p>", "--events")):
        kinds = [json.loads(line)["type"] for line in ran.out.splitlines()]
        assert kinds[-1] == ("error" if ran.code else "end")
        assert "error" not in kinds[:-1]


def test_final_is_the_completion_and_of_a_stream_that_was_cut_what_came() -> None:
    assert json.loads(show(HELLO, "--final").out)["choices"][0]["finish_reason"] == "stop"
    part = show(wire(HELLO[:2], done=False), "--final")
    assert json.loads(part.out)["choices"][0]["message"]["content"] == "Hello"
    assert part.err.startswith("chatstream: stdin: the stream ended too early")
    nothing = show(b"", "--final")
    assert (nothing.code, nothing.out) == (3, "")


def test_a_closed_stdout_is_a_wish_for_silence() -> None:
    ran = from_a_shell("chatstream demo --speed max --text >&-")
    assert (ran.returncode, ran.stderr) == (0, "")
    for line in ("chatstream demo --speed max 2>&-", "chatstream --help >&-"):
        assert from_a_shell(line).returncode == 0


def test_a_closed_stdin_cannot_be_read() -> None:
    ran = from_a_shell("chatstream replay - <&-")
    assert (ran.returncode, ran.stderr) == (2, "chatstream: -: standard input is closed\n")


# Standard input


def test_raw_text_on_standard_input_is_shown_as_it_comes() -> None:
    process = subprocess.Popen(
        command("replay", "-", "--text"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        data = b"\n" + block(HELLO[0])
        for piece in (data[:1], data[1:4], data[4:]):  # what it is cannot be told from the first two
            process.stdin.write(piece)
            process.stdin.flush()
            time.sleep(0.05)
        assert read_soon(process.stdout) == b"Hel"
        process.stdin.write(block(HELLO[1]))
        process.stdin.flush()
        assert read_soon(process.stdout) == b"lo"
        process.stdin.write(wire(HELLO[2:]))
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    "head", [b"", b"\xef\xbb\xbf", b": ping\n\n", b"event: x\n", b"id: 1\n", b"retry: 1\n", b"\r\n\n"]
)
def test_raw_text_is_told_by_its_first_line(head) -> None:
    ran = show(head + wire(HELLO), "--speed", "0.000001")
    assert (ran.code, ran.out) == (0, "Hello")
    assert "first token after " in ran.err


@pytest.mark.parametrize("form", ["tape", "lines", "completion", "head"])
def test_anything_else_on_standard_input_is_read_whole(form, naps) -> None:
    message = {"role": "assistant", "content": "Hello"}
    data = {
        "tape": tape(HELLO),
        "lines": "".join(json.dumps(one) + "\n" for one in HELLO),
        "completion": json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}, indent=1),
        "head": "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + wire(HELLO).decode(),
    }
    ran = show(data[form].encode())
    assert (ran.code, ran.out) == (0, "Hello")
    assert bool(naps) is (form == "tape")


# Time


@pytest.mark.parametrize(
    ("speed", "waited"), [((), 2), (("--speed", "4"), 0.5), (("--speed", "0.5"), 4), (("--speed", "max"), 0)]
)
def test_a_tape_is_played_at_a_speed_and_timed_by_its_own_clock(speed, waited, naps, save) -> None:
    ran = run("replay", save(tape([chunk({"role": "assistant"}), *HELLO[1:]])), *speed)
    assert sum(naps) == pytest.approx(waited)
    assert "first token after 1.00 s · 3 chunks in 2.00 s\n" in ran.err


def test_each_recording_has_a_clock_of_its_own_and_a_title(naps, save) -> None:
    ran = run("replay", save(tape(HELLO) + tape(HELLO[1:])), terminal=True)
    first = "══ recording 1 of 2\nHello\n\n── complete · stop · first token after 0.50 s · 3 chunks in 2.00 s\n"
    assert (
        ran.out
        == first + "══ recording 2 of 2\nlo\n\n── complete · stop · first token after 0.50 s · 2 chunks in 1.50 s\n"
    )
    assert ran.code == 0


def test_a_file_without_times_shows_none(save) -> None:
    assert run("replay", save(wire(HELLO)), terminal=True).out == "Hello\n\n── complete · stop · 3 chunks\n"


def test_what_is_too_long_to_be_slept_is_cut_short(naps, save) -> None:
    run("replay", save(tape(HELLO)), "--speed", "1e-300", "--text")
    assert max(naps) == 1e6


# Faults


def faulty(chunks, *faults):
    """A tape that wants its replays to have these."""
    head, *lines = tape(chunks).splitlines(keepends=True)
    return "".join([head, *(json.dumps([0, "x", spelling]) + "\n" for spelling in faults), *lines])


def test_the_faults_of_a_tape_strike_unless_that_is_forbidden(save, naps) -> None:
    path = save(faulty(HELLO, "stall:8,after=1", "error_event,after=2"), "x.tape.jsonl")
    ran = run("replay", path, "--text")
    assert (ran.code, ran.out) == (4, "Hello")
    assert sum(naps) == 1 + 8 + 0.5
    assert "fault: stall:8,after=1\n" in ran.err
    assert "fault: error_event:2\n" in ran.err
    assert ran.err.endswith("a fault that was asked for: error_event:2 (APIStreamError)\n")
    naps.clear()
    ran = run("replay", path, "--no-faults", "--text")
    assert (ran.code, ran.out, ran.err) == (0, "Hello", "")
    assert sum(naps) == 2


def test_a_fault_takes_its_time_whatever_the_speed_is(save, naps) -> None:
    path = save(faulty(HELLO, "stall:8,after=1"), "x.tape.jsonl")
    for speed, waited in (("1", 10), ("2", 9), ("max", 8)):
        naps.clear()
        assert "3 chunks in 10.00 s" in run("replay", path, "--speed", speed).err
        assert sum(naps) == waited


def test_a_fault_strikes_whatever_is_played(save) -> None:
    for name, content in (("x.sse", wire(HELLO)), ("x.tape.jsonl", tape(HELLO)), ("x.jsonl", json.dumps(HELLO))):
        path = save(content, name)
        for faults, code, words in (
            (["reset,after=2"], 3, "(ConnectionResetError)"),
            (["stall,after=2"], 3, "(APITimeoutError)"),
            (["status:503"], 4, "a fault that was asked for: status:503 (APIStreamError)"),
            (["split:3", "rate_limit:2"], 4, "rate_limit"),
            (["split:3"], 0, "x"),
        ):
            options = [word for fault in faults for word in ("--fault", fault)]
            ran = run("replay", path, "--speed", "max", "--text", *options)
            assert (ran.code, ran.out) == (code, "" if code == 4 else "Hello")
            assert words in ran.err
    ran = show(HELLO, "--text", "--fault", "drop_event,after=1")
    assert (ran.code, ran.out) == (0, "Hel")
    assert ran.err == "chatstream: stdin: fault: drop_event:1\n"


def test_a_refusal_that_was_asked_for_comes_before_the_faults_of_the_tape(save) -> None:
    path = save(faulty(HELLO, "status:400"), "x.tape.jsonl")
    assert "fault: status:400\n" in run("replay", path).err
    assert "fault: status:400\n" in run("replay", path, "--fault", "split:1").err
    ran = run("replay", path, "--fault", "status:503")
    assert "status:400" not in ran.err
    assert "fault: status:503\n" in ran.err


def test_a_fault_can_be_for_the_first_recording_alone(save) -> None:
    path = save(tape(HELLO) + tape(HELLO), "x.tape.jsonl")
    ran = run("replay", path, "--speed", "max", "--text", "--fault", "status:500,times=1")
    assert (ran.code, ran.out) == (4, "Hello")


def test_the_seed_decides_what_a_fault_leaves_open(save) -> None:
    path = save(wire([chunk({"content": letter}) for letter in "abcdefghijklmnop"]), "x.sse")
    texts = [run("replay", path, "--fault", "reset", "--text", "--seed", seed).out for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_a_fault_that_is_none_is_one_line(save) -> None:
    for fault in ("fire", "status:200", "split,after=x"):
        ran = run("replay", save(wire(HELLO)), "--fault", fault)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("chatstream: argument --fault: ")
        assert ran.err.count("\n") == 1


# Step by step


def test_each_read_waits_for_enter_and_nothing_else_is_waited_for(save, naps, monkeypatch) -> None:
    out, shown = Terminal(is_terminal=False), []

    class Keys(io.StringIO):
        def isatty(self):
            return True

        def readline(self):
            shown.append(out.shown())
            return "\n" if len(shown) < 3 else ""

    monkeypatch.setattr(sys, "stdin", Keys())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(Terminal(is_terminal=False)) as err:
        assert main(["replay", str(save(tape(HELLO), "x.tape.jsonl")), "--step"]) == 0
    assert shown == ["", "Hel", "Hello"]  # the third one is Ctrl-D: nobody is asked again
    assert out.shown() == "Hello"
    assert "3 chunks in 2.00 s" in err.shown()  # the time is that of the tape all the same
    assert naps == []


def test_without_a_terminal_nobody_can_press_enter(save) -> None:
    for file, stdin in ((save(wire(HELLO)), b"\n"), ("-", wire(HELLO))):
        ran = run("replay", file, "--step", stdin=stdin)
        assert (ran.code, ran.out) == (2, "")
        assert "has to be a terminal" in ran.err


# The closing line


def test_the_closing_line_tells_finish_reasons_tokens_and_oddities() -> None:
    chunks = [*HELLO, chunk({"content": "!"}), chunk({"content": "x"}, index=1), chunk(finish="length", index=1)]
    ran = show([*chunks, chunk({}, usage=USAGE)], terminal=True)
    shown = r"── complete · choice 0: stop · choice 1: length · 3 \+ 2 tokens · first token after .* · 7 chunks in .*"
    assert re.search(shown + r" · after_done \u00d7 1 · after_finish \u00d7 1\n", ran.out)


@pytest.mark.parametrize(
    ("counts", "shown"), [({"prompt_tokens": 3}, "3 + ? tokens"), ({"prompt_tokens": "3"}, None), ("many", None)]
)
def test_tokens_are_shown_only_where_they_are_numbers(counts, shown) -> None:
    line = show([*HELLO, chunk({}, usage=counts)]).err
    assert shown is None or shown in line
    assert ("tokens" in line) is (shown is not None)


def test_on_a_narrow_terminal_it_is_folded_between_its_parts() -> None:
    ran = on_a_terminal("demo", "--speed", "max", columns=40)
    assert ran.shown.endswith(
        "\n── complete · tool_calls\n   114 + 113 tokens\n   first token after 0.46 s\n   114 chunks in 2.53 s\n"
    )


# The screen


def test_calls_that_come_interleaved_are_shown_one_after_the_other() -> None:
    chunks = [call(0, "", "a", "f"), call(1, "", "b", "g")]
    for piece in ('{"x', '": ', "1}"):
        chunks += [call(0, piece), call(1, piece)]
    ran = show([*chunks, chunk(finish="tool_calls")], terminal=True)
    assert ran.out.startswith('── tool call f (a)\n{"x": 1}\n\n── tool call g (b)\n{"x": 1}\n\n── complete')


def test_the_first_of_them_grows_at_once() -> None:
    shown = []
    outlet = SimpleNamespace(write=lambda text, style="": shown.append(text), end_line=lambda: None)
    screen = Screen(outlet)
    _, events = read([wire([call(0, '{"x', "a", "f"), call(1, '{"y', "b", "g"), call(0, '":1}')], done=False)])
    for event in events:
        screen.show(event)
    assert shown == ["── tool call f (a)\n", '{"x', '":1}']
    screen.close()
    assert shown[3:] == ["\n── tool call g (b)\n", '{"y']


def test_choices_are_told_apart() -> None:
    chunks = [chunk({"content": text}, index=index) for text in ("one ", "two") for index in (0, 1)]
    ends = [chunk(finish="stop", index=index) for index in (0, 1)]
    assert show(chunks + ends, terminal=True).out.startswith("one two\n\n── answer [choice 1]\none two\n\n── complete")


def test_the_parts_of_a_choice_stay_together() -> None:
    chunks = [chunk({"content": "zero"})]
    chunks += [chunk({delta: f"{delta} {index}"}, index=index) for delta in ("content", "refusal") for index in (1, 2)]
    ends = [chunk(finish="stop", index=index) for index in (1, 2, 0)]
    headings = re.findall(r"── (.* \[choice \d\])", show(chunks + ends, terminal=True).out)
    assert headings == ["answer [choice 1]", "refusal [choice 1]", "answer [choice 2]", "refusal [choice 2]"]


def test_a_text_interrupts_a_call_which_then_goes_on() -> None:
    chunks = [call(0, '{"x"', "a", "f"), chunk({"content": "well"}), call(0, ":1}"), chunk(finish="tool_calls")]
    shown = '── tool call f (a)\n{"x"\n\n── answer\nwell\n\n── tool call f (a) continued\n:1}\n\n── complete'
    assert show(chunks, terminal=True).out.startswith(shown)


def test_a_call_without_arguments_is_shown_and_so_is_one_that_was_cut() -> None:
    assert (
        "── tool call f (a)\n\n── complete"
        in show([call(0, "", "a", "f"), chunk(finish="tool_calls")], terminal=True).out
    )
    assert "── tool call f (a)\n\n── incomplete" in show(wire([call(0, "", "a", "f")], done=False), terminal=True).out


def test_an_id_that_comes_late_is_told() -> None:
    chunks = [call(0, "{", None, "f"), call(0, "}", "late"), chunk(finish="tool_calls")]
    assert show(chunks, terminal=True).out.startswith("── tool call f\n{}\n(its id is late)\n\n── complete")
    made_up = show([call(0, "{}", None, "f"), chunk(finish="tool_calls")], terminal=True).out
    assert re.match(r"── tool call f\n\{\}\n\(its id is call_[0-9a-f]{24}\)\n\n── complete", made_up)


def test_arguments_that_are_not_whole_are_marked() -> None:
    ran = show([call(0, '{"x', "a", "f"), chunk(finish="length")], terminal=True)
    assert ran.out.startswith('── tool call f (a)\n{"x\n(not a whole JSON object)\n\n── complete · length')


def test_other_kinds_of_output_have_their_headings() -> None:
    custom = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    chunks = [
        chunk({"refusal": "no"}),
        chunk({"audio": {"id": "a", "data": "AAEC", "transcript": "hear"}}),
        chunk({"function_call": {"name": "old", "arguments": "{}"}}),
        chunk({"tool_calls": [custom]}),
        {
            **HELLO[2],
            "choices": [
                {**HELLO[2]["choices"][0], "logprobs": {"content": [{"token": "t", "logprob": -1}], "refusal": []}}
            ],
        },
    ]
    shown = "── refusal\nno\n\n── audio\nhear\n\n── function call old\n{}\n\n── tool call sh (c)\nls\n\n── complete"
    assert show(chunks, terminal=True).out.startswith(shown)


def test_styles_are_for_terminals_that_have_them(monkeypatch) -> None:
    chunks = [chunk({"reasoning_content": "hm"}), chunk({"refusal": "no"}), HELLO[2]]
    monkeypatch.delenv("NO_COLOR")
    styled = show(chunks, terminal=True).out
    assert styled.startswith("\x1b[2m── reasoning\n\x1b[0m\x1b[2mhm\x1b[0m\n")
    assert "\x1b[31mno\x1b[0m" in styled
    assert "\x1b" not in show(chunks).err
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        assert "\x1b" not in show(chunks, terminal=True).out
        monkeypatch.delenv(name)
    assert "\x1b" not in show(chunks, terminal=True).out  # a terminal without a name


def test_what_would_command_a_terminal_is_shown_as_symbols() -> None:
    chunks = [
        chunk({"reasoning_content": COMMANDS}),
        chunk({"content": COMMANDS}),
        call(0, COMMANDS, "i\x1bd", "na\x1b\nme"),
    ]
    shown = "a ␛[31mred␛[0m ␇ ␈ ␍ ␡ <U+009B>2J <U+202E>kcab<U+202C> <U+2066>iso<U+2069> tab\tend"
    ran = show([*chunks, HELLO[2]], terminal=True)
    assert ran.out.count(shown) == 3
    assert "── tool call na␛ me (i␛d)\n" in ran.out
    assert show([*chunks, HELLO[2]]).out == COMMANDS
    failed = show([{"error": {"message": f"E {COMMANDS}"}}], terminal=True)
    assert failed.err.startswith("chatstream: stdin: E a [31mred [0m ")  # an error has no controls in its text


def test_json_on_a_terminal_is_the_same_json_without_commands() -> None:
    chunks = [chunk({"content": COMMANDS + "é😀"}), HELLO[2]]
    for form in ("--events", "--final"):
        on_terminal, on_pipe = (show(chunks, form, terminal=terminal).out for terminal in (True, False))
        assert not re.search("[^\n -~é😀]", on_terminal)
        assert on_terminal != on_pipe
        lines = [text.splitlines() if form == "--events" else [text] for text in (on_terminal, on_pipe)]
        assert [json.loads(line) for line in lines[0]] == [json.loads(line) for line in lines[1]]


@pytest.mark.parametrize("terminal", [True, False])
def test_an_encoding_that_lacks_a_character_shows_another(terminal) -> None:
    chunks = [chunk({"content": "é€😀\x1b"}), HELLO[2]]
    assert show(chunks, encoding="latin-1", terminal=terminal).out.startswith("é??")
    assert show(chunks, "--text", encoding="ascii", terminal=terminal).out.startswith("???")
    for encoding in ("ascii", "latin-1", "utf-16"):
        final = show(chunks, "--final", encoding=encoding, terminal=terminal)
        assert json.loads(final.out)["choices"][0]["message"]["content"] == "é€😀\x1b"


# Notes


def test_a_torn_tail_is_a_note(save) -> None:
    ran = run("replay", save(tape(HELLO)[:-10], "torn.tape.jsonl"), "--speed", "max", "--text")
    assert (ran.code, ran.out) == (0, "Hello")
    assert re.fullmatch(r"chatstream: .*torn\.tape\.jsonl: note: the last line was cut, and is left out\n", ran.err)


def test_what_does_not_add_up_is_a_note(save) -> None:
    path = save(tape(HELLO).replace('"eof"', '"eof", "bytes": 1'))
    assert "note: " in run("replay", path, "--speed", "max").err


def test_a_gzip_file_that_was_cut_is_read_as_far_as_it_goes(save) -> None:
    noise = chunk(note="".join(random.Random(1).choices("0123456789abcdef", k=9000)))
    data = gzip.compress(tape([*HELLO, noise]).encode())
    ran = run("replay", save(data[:-2000], "x.tape.jsonl.gz"), "--speed", "max")
    assert (ran.code, ran.out) == (0, "Hello")
    assert "note: the gzip file was cut or damaged\n" in ran.err
    assert ran.err.count("note: ") == 1


# Whatever comes


@given(st.randoms(use_true_random=False))
def test_whatever_comes_no_control_character_reaches_a_terminal_and_the_code_is_in_the_table(chance) -> None:
    data = mutated(chance, body(chance, odd=0.1, halves=0.1))
    form = chance.choice([(), ("--text",), ("--events",), ("--final",)])
    ran = show(data, *form, terminal=True)
    assert ran.code in {0, 3, 4}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", ran.out + ran.err)


@given(st.randoms(use_true_random=False))
def test_whatever_comes_all_of_it_is_shown(chance) -> None:
    _, events = read([body(chance)])
    shown = []
    screen = Screen(SimpleNamespace(write=lambda text, style="": shown.append(text), end_line=lambda: None))
    for event in events:
        screen.show(event)
    screen.close()
    names = ("delta", "transcript_delta", "arguments_delta", "input_delta")
    sent = [
        getattr(event, name)
        for event in events
        if "logprobs" not in event.type
        for name in names
        if hasattr(event, name)
    ]
    furniture = re.compile(r"\n?── .*\n|\n\(its id is .*\)|\n\(not a .*\)")
    assert Counter(text for text in shown if text and not furniture.fullmatch(text)) == Counter(
        text for text in sent if text
    )
