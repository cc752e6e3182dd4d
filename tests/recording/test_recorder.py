import gc
import gzip
import io
import json
import os
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream import AsyncChatCompletionStream, ChatCompletionStream, Recording
from chatstream.chunking import chunks_of
from chatstream.recording import Recorder, Secrets, TapeWriter
from chatstream.recording.tape import block_of

FULL_DISK = Path("/dev/full")
needs_full_disk = pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full on this system")
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "model": "m",
    "created": 1,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}],
}
READS = [*map(block_of, chunks_of(COMPLETION)), b"data: [DONE]\n\n"]


class Clock:
    """A clock that is set by hand, in microseconds."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now / 1_000_000


class Stuck(io.RawIOBase):
    """A file whose writer hangs until it is let go."""

    def __init__(self):
        self.entered = threading.Event()
        self.go = threading.Event()
        self.data = b""

    def write(self, data):
        self.entered.set()
        self.go.wait(10)
        self.data += bytes(data)
        return len(data)


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def take_all(recorder, reads, **asked):
    take = recorder.begin(**asked)
    for read in reads:
        take.read(read)
    take.end("eof")
    return take


# What is on the tape


@given(st.lists(st.tuples(st.integers(0, 5_000_000), st.binary(max_size=40)), max_size=20))
def test_reads_their_bounds_and_their_times_come_back_as_they_went_in(reads):
    # Random bytes hold no secrets, but for what happens to look like one, and then they are as long.
    clock, file = Clock(), io.BytesIO()
    recorder = Recorder(file, clock=clock)
    take = recorder.begin()
    for wait, data in reads:
        clock.now += wait
        take.read(data)
    take.end("eof")
    take.settle()
    recording = Recording.parse(file.getvalue())
    masked = recording.end.get("masked", 0)
    assert [len(read.data) for read in recording.reads] == [len(data) for _, data in reads]
    assert masked or [read.data for read in recording.reads] == [data for _, data in reads]
    assert [read.interval for read in recording.reads] == [wait / 1_000_000 for wait, _ in reads]
    assert recording.problems == []
    assert recording.end["end"] == "eof"


def test_a_request_and_a_head_stand_before_the_reads(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    recorder = Recorder(path)
    take = recorder.begin(
        method="POST",
        url="https://api.example/v1/chat/completions?x=1",
        headers={"Accept": "text/event-stream", "Authorization": "Bearer sk-canary-1"},
        body=b'{"model":"m"}',
    )
    take.response(200, {"Content-Type": "text/event-stream", "Set-Cookie": "sid=canary-cookie", "X-Request-Id": "r1"})
    take.read(READS[0])
    take.end("cancel")
    take.settle()
    header, asked, head, read, end = lines_of(path)
    assert header["tape"] == 1
    assert asked[1:] == [
        "q",
        {
            "method": "POST",
            "url": "/v1/chat/completions?x=1",
            "headers": {"accept": "text/event-stream"},
            "body": {"model": "m"},
        },
    ]
    assert head[1:] == ["h", {"status": 200, "headers": {"content-type": "text/event-stream", "x-request-id": "r1"}}]
    assert (read[1], end[1], end[2]["end"]) == ("j", "e", "cancel")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert recorder.paths == [path]


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"", None), (b"plain text", "plain text"), (b"\xff\xfe", None), (b"[1]", [1]), ({"a": 1}, {"a": 1})],
)
def test_a_body_is_told_as_json_or_as_text_or_not_at_all(body, told):
    file = io.BytesIO()
    take_all(Recorder(file), [], method="POST", url="/x", body=body).settle()
    assert Recording.parse(file.getvalue()).request["body"] == told


@pytest.mark.parametrize(
    ("reads", "end"),
    [
        (READS, "eof"),
        ([b"".join(READS)], "eof"),
        ([*READS[:-1], b"data: [DO", b"NE]\n", b"\n"], "eof"),
        (READS[:-1], "cancel"),
    ],
)
def test_what_is_closed_behind_its_last_event_was_read_to_its_end(reads, end):
    file = io.BytesIO()
    take = Recorder(file).begin()
    for read in reads:
        take.read(read)
    take.end("cancel")
    take.settle()
    assert Recording.parse(file.getvalue()).end["end"] == end


def test_a_body_that_comes_packed_is_taped_unpacked():
    file = io.BytesIO()
    take = Recorder(file).begin()
    packed = gzip.compress(b"".join(READS))
    take.response(200, {"content-encoding": "gzip"})
    for at in range(0, len(packed), 20):
        take.read(packed[at : at + 20])
    take.end("eof")
    take.settle()
    recording = Recording.parse(file.getvalue())
    assert recording.bytes == b"".join(READS)
    assert len(recording.reads) == -(-len(packed) // 20)
    assert recording.response == {"status": 200, "headers": {}}


@pytest.mark.parametrize("encoding", ["gzip", "no-such-thing"])
def test_a_body_that_cannot_be_unpacked_is_told_and_not_written(encoding):
    file = io.BytesIO()
    take = Recorder(file).begin()
    take.response(200, {"content-encoding": encoding})
    take.read(b"no gzip\n")
    take.read(gzip.compress(b"sk-canary-0123456789"))
    take.end("eof")
    with pytest.warns(RuntimeWarning, match="not whole"):
        take.settle()
    recording = Recording.parse(file.getvalue())
    assert (recording.bytes, recording.end["end"]) == (b"", "eof")
    assert recording.notes[0].value["lost"] == "body"


def test_a_body_that_is_neither_json_nor_text_is_told_from_others():
    file = io.BytesIO()
    for body in (b"\xff\x00", b"\xff\x01", {"a": object()}):
        take = take_all(Recorder(file), [], method="POST", url="/x", body=body)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            take.settle()
    one, other, lost = (recording.request for recording in Recording.parse_all(file.getvalue()))
    assert one["body"] is None
    assert one["body_sha256"] != other["body_sha256"]
    assert (lost["method"], lost["body"], lost["lost"]) == ("POST", None, True)


def test_chunks_are_written_as_they_are_when_they_come():
    file = io.BytesIO()
    take = Recorder(file).begin()
    chunk = {"id": "c1", "choices": []}
    take.chunk(chunk)
    chunk["id"] = "changed"
    take.chunk({"id": object()})
    take.end("eof")
    with pytest.warns(RuntimeWarning, match="no JSON value"):
        take.settle()
    recording = Recording.parse(file.getvalue())
    assert (recording.source, recording.reads[0].data["id"]) == ("chunks", "c1")


def test_blocks_that_are_alike_are_j_lines_whatever_their_text_is():
    file = io.BytesIO()
    texts = ["a", "", 'say "hi"\n', "\\", "é€😀", "\x7f", "</tag>", "\b\f\r\t"]
    reads = [block_of({"id": "c1", "choices": [{"delta": {"content": text}, "index": 0}]}) for text in texts]
    odd = [
        reads[0].replace(b'"a"', b'"\\u0061"'),
        reads[0].replace(b'"a"', b'"\\/"'),
        reads[0].replace(b'"a"', b'"\xff"'),
    ]
    take_all(Recorder(file), [*reads, *odd, *reads]).settle()
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line[1] for line in lines[1:-1]] == ["j"] * len(reads) + ["s", "s", "b"] + ["j"] * len(reads)
    assert Recording.parse(file.getvalue()).bytes == b"".join([*reads, *odd, *reads])


# Secrets


CANARIES = [f"canary-{name}-0123456789" for name in "abcdefghijkl"]


def test_twelve_canaries_are_in_no_byte_of_the_tape(tmp_path):
    c = CANARIES
    path = tmp_path / "x.tape.jsonl"
    recorder = Recorder(path, secrets=[c[0]])
    take = recorder.begin(
        method="POST",
        url=f"https://me:{c[1]}@api.example/v1/x?api_key={c[2]}&model=m",
        headers={
            "Authorization": f"Bearer {c[3]}",
            "X-Api-Key": c[4],
            "Cookie": f"sid={c[5]}",
            "User-Agent": c[6] + c[0],
        },
        body={"metadata": {"password": c[7]}, "messages": [{"content": f"{c[0]} sk-{c[8]}"}]},
    )
    take.response(200, {"set-cookie": f"sid={c[9]}", "x-request-id": c[3], "content-type": "text/event-stream"})
    echoed = json.dumps({"choices": [{"delta": {"content": " ".join([*c[:6], c[7], f"sk-{c[8]}", c[9]])}}]})
    escaped = echoed.replace("-", "\\u002d")
    named = json.dumps({"client_secret": c[10], "inner": json.dumps({"access_token": c[11]})})
    for text in (echoed, escaped, named):
        data = f"data: {text}\n\n".encode()
        take.read(data)
        for at in range(0, len(data), 7):
            take.read(data[at : at + 7])
    take.end("error", ValueError(c[3]))
    take.settle()
    tape = path.read_text(encoding="utf-8")
    recording = Recording.load(path)
    played = recording.bytes.decode().replace("\\u002d", "-")
    for canary in (*c[:6], *c[7:]):
        assert canary not in tape
        assert canary not in played
    assert c[0] not in tape.replace("\\u002d", "-")
    assert recording.problems == []
    assert recording.end["masked"] > 20


def test_patterns_and_secrets_are_masked_in_streams_too():
    file = io.BytesIO()
    recorder = Recorder(file, secrets=Secrets(["short"], patterns=["staff-[0-9]+"]))
    blocks = [block_of({"choices": [{"delta": {"content": text}}]}) for text in ("a", "b", "short", "staff-1", "c")]
    take_all(recorder, blocks).settle()
    assert b"short" not in file.getvalue()
    assert b"staff-1" not in file.getvalue()
    assert Recording.parse(file.getvalue()).end["masked"] == 2


# Where it is written


def test_in_a_folder_each_exchange_has_a_file_of_its_own_that_cannot_leave_it(tmp_path):
    recorder = Recorder(tmp_path / "tapes")
    for name in (None, "../../etc/passwd", "a" * 300):
        take_all(recorder, READS, method="POST", url="https://h/v1/chat/completions", name=name).settle()
    files = sorted((tmp_path / "tapes").iterdir())
    assert len(files) == len(recorder.paths) == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "tapes"]
    assert "chat-completions" in files[0].name
    assert all(Recording.load(file).bytes == b"".join(READS) for file in files)
    assert stat.S_IMODE((tmp_path / "tapes").stat().st_mode) == 0o700


def test_a_key_in_a_path_is_not_in_the_name_of_a_file(tmp_path):
    recorder = Recorder(tmp_path / "tapes")
    headers = {"Authorization": "Bearer canary.0123456789"}
    for url in ("https://h/v1/keys/sk-canary-0123456789", "https://h/bot/canary.0123456789"):
        take_all(recorder, [], method="GET", url=url, headers=headers).settle()
    assert not [path for path in recorder.paths if "0123456789" in path.name]
    assert "0123456789" not in "".join(path.read_text(encoding="utf-8") for path in recorder.paths)


def test_exchanges_at_once_follow_each_other_whole_in_one_file(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    recorder = Recorder(path)
    takes = [recorder.begin(method="GET", url=f"/{number}") for number in range(5)]
    for read in READS:
        for take in reversed(takes):
            take.read(read)
    for take in reversed(takes):
        take.end("eof")
    recorder.close()
    recordings = Recording.load_all(path)
    assert [recording.request["url"] for recording in recordings] == [f"/{number}" for number in range(5)]
    assert all(recording.bytes == b"".join(READS) for recording in recordings)
    # and later ones are appended
    take_all(recorder, READS).settle()
    recorder.close()
    assert len(Recording.load_all(path)) == 6


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_tape_can_be_read_while_it_is_written(tmp_path, suffix):
    path = tmp_path / f"x.tape.jsonl{suffix}"
    recorder = Recorder(path)
    take = recorder.begin()
    take.read(READS[0])
    deadline = time.monotonic() + 10
    while not (path.exists() and path.stat().st_size and Recording.load(path).reads) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert Recording.load(path).reads[0].data == READS[0]
    take.end("eof")
    recorder.close()
    take_all(recorder, READS).settle()
    recorder.close()
    assert [recording.torn for recording in Recording.load_all(path)] == [False, False]
    assert Recording.load_all(path)[1].bytes == b"".join(READS)


def test_what_nobody_holds_any_more_is_ended_so_that_others_can_be_written(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    recorder = Recorder(path)
    dropped = recorder.begin()
    dropped.read(READS[0])
    other = take_all(recorder, READS)
    del dropped
    gc.collect()
    other.settle()
    assert [recording.end["end"] for recording in Recording.load_all(path)] == ["cancel", "eof"]


@pytest.mark.skipif(os.name != "posix", reason="locks are posix here")
def test_two_recorders_of_one_file_write_one_after_the_other(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    one, other = Recorder(path), Recorder(path)
    first = one.begin()
    first.read(READS[0])
    deadline = time.monotonic() + 10
    while not one.paths and time.monotonic() < deadline:
        time.sleep(0.005)
    take_all(other, READS)
    with pytest.raises(BlockingIOError, match="another recorder"):
        TapeWriter(path)
    first.read(READS[1])
    first.end("eof")
    one.close()
    other.close()
    assert [recording.bytes for recording in Recording.load_all(path)] == [b"".join(READS[:2]), b"".join(READS)]


def test_an_exchange_behind_one_that_is_still_read_is_not_waited_for(tmp_path):
    recorder = Recorder(tmp_path / "x.tape.jsonl")
    first = recorder.begin()
    begun = time.monotonic()
    take_all(recorder, READS).settle()  # a warning would be an error
    assert time.monotonic() - begun < 1
    first.end("eof")
    first.settle()
    recorder.close()
    assert len(Recording.load_all(tmp_path / "x.tape.jsonl")) == 2


# What goes wrong


def broken_targets(tmp_path):
    (tmp_path / "file").write_text("")
    return {
        "a full disk": FULL_DISK,
        "a folder that cannot be": tmp_path / "file" / "x.tape.jsonl",
        "a folder that cannot be made": tmp_path / "file" / "folder",
    }


@needs_full_disk
@pytest.mark.parametrize("what", ["a full disk", "a folder that cannot be", "a folder that cannot be made"])
def test_a_tape_that_cannot_be_written_leaves_the_stream_alone_and_is_told_once(tmp_path, what):
    target = broken_targets(tmp_path)[what]
    with (
        pytest.warns(RuntimeWarning, match="the tape is not whole") as told,
        ChatCompletionStream(iter(READS), record=target) as stream,
    ):
        assert stream.final_content() == "Hello there"
    assert len(told) == 1


def test_what_was_lost_is_told_at_the_end_also_if_later_exchanges_were_not(tmp_path):
    folder = tmp_path / "tapes"
    folder.write_text("")  # no folder
    recorder = Recorder(f"{folder}/")
    take_all(recorder, READS)
    deadline = time.monotonic() + 10
    while not recorder.lost and time.monotonic() < deadline:
        time.sleep(0.005)
    while recorder._channels and not recorder._channels[0].is_idle and time.monotonic() < deadline:
        time.sleep(0.005)
    folder.unlink()
    take_all(recorder, READS)
    with pytest.warns(RuntimeWarning, match="the tape is not whole"):
        recorder.close()
    assert len(recorder.paths) == 1


def test_a_folder_that_cannot_be_made_is_told_once_for_all_exchanges(tmp_path):
    (tmp_path / "file").write_text("")
    with warnings.catch_warnings(record=True) as told, Recorder(tmp_path / "file" / "folder") as recorder:
        warnings.simplefilter("always")
        for _ in range(3):
            take_all(recorder, READS).settle()
    assert len(told) == 1
    assert isinstance(recorder.error, OSError)


@needs_full_disk
@pytest.mark.anyio
@pytest.mark.parametrize("what", ["a full disk", "a folder that cannot be"])
async def test_the_same_of_an_async_stream(tmp_path, what):
    target = broken_targets(tmp_path)[what]
    with pytest.warns(RuntimeWarning, match="the tape is not whole") as told:
        async with AsyncChatCompletionStream(iter(READS), record=target) as stream:
            assert await stream.final_content() == "Hello there"
    assert len(told) == 1


def test_a_writer_that_hangs_is_waited_for_once_and_not_while_the_stream_is_read():
    stuck = Stuck()
    recorder = Recorder(stuck, patience=0.05)
    for number in range(3):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            begun = time.monotonic()
            with ChatCompletionStream(iter(READS), record=recorder) as stream:
                for event in stream:
                    assert not told
                    if event.type == "end":
                        read = time.monotonic() - begun
            waited = time.monotonic() - begun
        assert stream.final_content() == "Hello there"
        assert len(told) == (number == 0)
        assert read < 1.5
        assert number == 0 or waited < 1.5  # the first has waited for the default patience
    assert recorder.lost
    stuck.go.set()


@pytest.mark.anyio
async def test_a_writer_that_was_waited_for_in_vain_is_not_waited_for_again_by_sync_or_async_code():
    stuck = Stuck()
    recorder = Recorder(stuck, patience=9)
    take = take_all(recorder, READS)
    with pytest.warns(RuntimeWarning, match="hangs"):
        take.settle(0.05)
    begun = time.monotonic()
    recorder.close()
    take.settle()
    await recorder.aclose()
    await take.asettle()
    assert time.monotonic() - begun < 3
    stuck.go.set()


@pytest.mark.anyio
async def test_other_tasks_go_on_while_an_async_stream_waits_for_a_writer_that_hangs():
    stuck = Stuck()
    recorder = Recorder(stuck, patience=0.05)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        with pytest.warns(RuntimeWarning, match="hangs"):
            async with AsyncChatCompletionStream(iter(READS), record=recorder) as stream:
                assert await stream.final_content() == "Hello there"
        group.cancel_scope.cancel()
    assert ticks > 10
    stuck.go.set()


def test_what_is_open_when_a_recorder_is_closed_is_on_its_tape_without_an_end(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    recorder = Recorder(path)
    take, other = recorder.begin(), recorder.begin()
    take.read(READS[0])
    take.read(b"data: {")  # half a line
    other.read(READS[0])
    recorder.close()
    begun = time.monotonic()
    for _ in range(20_000):
        take.read(READS[1])
    assert time.monotonic() - begun < 5  # nobody waits for a writer that is gone
    take.end("eof")
    recorder.close()
    first, second = Recording.load_all(path)
    assert (first.bytes, first.end) == (READS[0] + b"data: {", None)
    assert (second.bytes, second.end) == (READS[0], None)


@pytest.mark.parametrize("ending", ["", "raise KeyboardInterrupt", "sys.exit(3)"])
def test_what_was_read_is_on_its_tape_however_python_ends(tmp_path, ending):
    code = f"""
import sys
from chatstream.recording import Recorder
take = Recorder({str(tmp_path / "x.tape.jsonl")!r}).begin()
for number in range(2000):
    take.read(b"data: %d\\n\\n" % number)
{ending}
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert len(Recording.load(tmp_path / "x.tape.jsonl").reads) == 2000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are posix")
def test_a_child_of_the_process_records_for_itself(tmp_path):
    code = f"""
import os, sys
from chatstream.recording import Recorder, Recording
recorder = Recorder({str(tmp_path / "x.tape.jsonl")!r})
parents = recorder.begin()
parents.read(b"data: 1\\n\\n")
child = os.fork()
if not child:
    own = Recorder({str(tmp_path / "y.tape.jsonl")!r})
    take = own.begin()
    take.read(b"data: 2\\n\\n")
    take.end("eof")
    take.settle()
    own.close()
    os._exit(0)
os.waitpid(child, 0)
parents.end("eof")
recorder.close()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60, check=True)
    assert Recording.load(tmp_path / "x.tape.jsonl").bytes == b"data: 1\n\n"
    assert Recording.load(tmp_path / "y.tape.jsonl").end["end"] == "eof"


class Odd(io.BytesIO):
    """A file that raises what no file should."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def _odd(self, name):
        if name == self.name:
            raise ZeroDivisionError(name)

    def write(self, data):
        self._odd("write")
        return super().write(data)

    def flush(self):
        self._odd("flush")

    def fileno(self):
        self._odd("fileno")
        return super().fileno()


@pytest.mark.parametrize("name", ["write", "flush", "fileno"])
def test_whatever_a_file_raises_costs_the_tape_and_nothing_else(name):
    recorder = Recorder(Odd(name))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            take_all(recorder, READS).settle()
            recorder.close()
    assert [str(warning.message) for warning in told] == [f"the tape is not whole: ZeroDivisionError: {name}"]
    assert recorder.lost


def test_a_fast_reader_fills_the_buffer_and_not_the_memory():
    stuck = Stuck()
    recorder = Recorder(stuck, buffer=1_000_000)
    take = recorder.begin()
    for _ in range(20_000):
        take.read(b"x" * 999 + b"\n")
    assert sum(len(item.what) for item in take._buffer.items) < 1_100_000
    stuck.go.set()
    take.end("eof")
    with pytest.warns(RuntimeWarning, match="did not fit"):
        take.settle()


def test_a_bug_of_ours_loses_one_tape_and_no_more(monkeypatch):
    file = io.BytesIO()
    recorder = Recorder(file)

    def fail(self, at, request):
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("chatstream.recording.writing.composing.Composer.request", fail)
        broken = take_all(recorder, READS, method="GET", url="/x")
        with pytest.warns(RuntimeWarning, match="a bug"):
            broken.settle()
    take_all(recorder, READS, method="GET", url="/y").settle()
    assert [recording.request["url"] for recording in Recording.parse_all(file.getvalue())] == ["/y"]


def test_what_does_not_fit_into_the_buffer_is_lost_and_told_at_its_place():
    stuck = Stuck()
    recorder = Recorder(stuck, buffer=2_000)
    take = recorder.begin()
    take.read(b"first\n")
    assert stuck.entered.wait(10)
    for _ in range(100):
        take.read(b"x" * 99 + b"\n")
    stuck.go.set()
    take.note({"last": True})
    take.end("eof")
    with pytest.warns(RuntimeWarning, match="did not fit"):
        take.settle()
    lines = [json.loads(line) for line in stuck.data.splitlines()]
    lost, last = [line[2] for line in lines[1:] if line[1] == "n"]
    assert (lost["lost"], last) == ("reads", {"last": True})
    recording = Recording.parse(stuck.data)
    assert 0 < lost["reads"] == 101 - len(recording.reads)
    assert lost["bytes"] + len(recording.bytes) == 6 + 100 * 100
    assert recording.end["bytes"] == len(recording.bytes)


def test_no_thread_is_left_when_all_is_written(tmp_path):
    before = set(threading.enumerate())  # another test's may be about to end
    recorder = Recorder(tmp_path / "x.tape.jsonl")
    take = recorder.begin()
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["chatstream recorder"]
    take.end("eof")
    recorder.close()
    assert set(threading.enumerate()) <= before


def test_a_stream_that_is_stopped_early_has_a_tape_that_says_so(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    with ChatCompletionStream(iter(READS), record=path) as stream:
        next(stream)
    assert Recording.load(path).end["end"] == "cancel"
    assert len(Recording.load(path).reads) == 1


def test_several_streams_may_share_a_recorder(tmp_path):
    with Recorder(tmp_path / "tapes") as recorder:
        for _ in range(3):
            with ChatCompletionStream(iter(READS), record=recorder) as stream:
                stream.until_done()
    assert len(list((tmp_path / "tapes").iterdir())) == 3


@pytest.mark.anyio
async def test_an_async_block_waits_for_its_files(tmp_path):
    async with Recorder(tmp_path / "x.tape.jsonl") as recorder:
        take_all(recorder, READS)
    assert Recording.load(tmp_path / "x.tape.jsonl").end["end"] == "eof"


@pytest.mark.skipif(os.name != "posix", reason="a fifo is posix")
def test_a_pipe_that_nobody_reads_keeps_nobody_waiting(tmp_path):
    fifo = tmp_path / "pipe.jsonl"
    os.mkfifo(fifo)
    recorder = Recorder(fifo, patience=0.05)
    begun = time.monotonic()
    take_all(recorder, READS)
    assert time.monotonic() - begun < 1
    with pytest.warns(RuntimeWarning, match="hangs"):
        recorder.close()
    os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))  # let the writer go
