"""The recorder: what reading costs while it is recorded, over the same reading without.

Two readings: the pipe alone, whose reads are in memory and come as fast as they are taken, and httpx, whose reads come
one by one from a server in another process. Each also with a writer that hangs. Rules: recorded and plain take turns;
timed are the processor's seconds of the thread that reads, from the first read to the last event; the clock's, which
the writer's thread and the server's process share; and these until the tape was closed. A tape that does not hold what
was read is a wrong result.
"""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.measure import WrongResultError, spread
from benchmarks.shapes import fixture
from chatstream import ChatCompletionStream, Recording
from chatstream.recording import Recorder, RecordingTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    # Reads them all, recorded or not, and says when it has: the processor's seconds until then, the clock's, and the
    # clock's until the tape was closed.
    Times = tuple[float, float, float]
    Read = Callable[[Recorder | None, Callable[[], object]], Times]

_PAUSE = 0.0001  # seconds: so that each is read by itself
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"


def measure_recording(chunks: tuple[int, ...], *, rounds: int, seed: int) -> list[dict[str, Any]]:
    """Of each number of chunks: seconds of reading them plain, and recorded over that, each way."""
    figures: list[dict[str, Any]] = []
    for number in chunks:
        blocks = fixture(f"text-{number}", seed=seed).blocks
        figures += [_measure("the pipe alone", _pipe(blocks), blocks, rounds, blocked=way) for way in (False, True)]
    if chunks:
        blocks = fixture(f"text-{min(chunks)}", seed=seed).blocks
        with _server(blocks) as url:
            read = _httpx(url, sum(map(len, blocks)))
            figures += [_measure("httpx", read, blocks, rounds, blocked=way) for way in (False, True)]
    return figures


def _measure(what: str, read: Read, blocks: list[bytes], rounds: int, *, blocked: bool) -> dict[str, Any]:
    plain: list[Times] = []
    recorded: list[Times] = []
    read(None, _nothing)  # once to warm up
    for _ in range(rounds):
        plain.append(read(None, _nothing))
        recorded.append(_blocked(read) if blocked else _recorded(read, blocks, what))
    cpu, clock, closed = ([times[place] for times in recorded] for place in range(3))
    return {
        "reading": what,
        "blocked": blocked,
        "reads": len(blocks),
        "seconds": [times[0] for times in plain],
        "recorded": spread(cpu, [times[0] for times in plain]),
        "clock": spread(clock, [times[1] for times in plain]),
        "closed": None if blocked else spread(closed, [times[1] for times in plain]),
    }


def _recorded(read: Read, blocks: list[bytes], what: str) -> Times:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.tape.jsonl"
        times = read(Recorder(path), _nothing)
        tape = Recording.load(path)
    if tape.bytes != b"".join(blocks) or len(tape.reads) < len(blocks) or tape.problems:
        raise WrongResultError(f"recording, {what}: {tape!r}")
    return times


def _blocked(read: Read) -> Times:
    file = _Blocked()
    # It is let go as soon as all was read, and waited for: what it has to catch up with is not the next one's business.
    return read(Recorder(file, patience=60.0), file.go.set)


def _nothing() -> None:
    pass


class _Blocked(io.RawIOBase):
    """A file that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, data: Any, /) -> int:
        self.go.wait()
        return len(data)


def _pipe(blocks: list[bytes]) -> Read:
    def read(recorder: Recorder | None, done: Callable[[], object]) -> Times:
        begun, spent = time.perf_counter(), time.thread_time()
        stream = ChatCompletionStream(iter(blocks), record=recorder)
        for event in stream:
            if event.type == "end":
                break
        spent, took = time.thread_time() - spent, time.perf_counter() - begun
        done()
        stream.close()
        if recorder is not None:
            recorder.close()
        return spent, took, time.perf_counter() - begun

    return read


def _httpx(url: str, expected: int) -> Read:
    def read(recorder: Recorder | None, done: Callable[[], object]) -> Times:
        transport = httpx.HTTPTransport()
        with httpx.Client(transport=transport if recorder is None else RecordingTransport(recorder)) as client:
            with client.stream("GET", url) as response:
                begun, spent = time.perf_counter(), time.thread_time()
                size = sum(map(len, response.iter_raw()))
                spent, took = time.thread_time() - spent, time.perf_counter() - begun
                done()
            if recorder is not None:
                recorder.close()
            closed = time.perf_counter() - begun
        if size != expected:
            raise WrongResultError(f"recording, httpx: {size} bytes of {expected}")
        return spent, took, closed

    return read


@contextmanager
def _server(blocks: list[bytes]) -> Iterator[str]:
    """A process that answers everything with these blocks, each by itself, as a service sends them."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        try:
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(b"".join(b"%d\n%b" % (len(block), block) for block in blocks))
                process.stdin.close()
                yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()


def _serve(parts: list[bytes]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.recv(65_536)
                for part in parts:
                    connection.sendall(part)
                    time.sleep(_PAUSE)


def _parts(file: BinaryIO) -> Iterator[bytes]:
    yield _HEAD
    while line := file.readline():
        yield b"%x\r\n%b\r\n" % (int(line), file.read(int(line)))
    yield b"0\r\n\r\n"


if __name__ == "__main__":
    _serve(list(_parts(sys.stdin.buffer)))
