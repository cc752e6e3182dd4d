"""What whoever reads a live stream has to do with its recording: note each read, and no more.

In go reads, with the time that they came at; they wait in a buffer for the thread that writes. Rules: nothing here
waits for a file, and nothing of a file's troubles is raised; the buffer is bounded, and what does not fit is lost,
which the tape says at its place.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.recording.tape import json_text
from chatstream.recording.writing.composing import end_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatstream.recording.writing.channels import Channel
    from chatstream.recording.writing.composing import TapeEnd

__all__ = ["ITEM", "PATIENCE", "Buffer", "Take"]

PATIENCE = 2.0  # seconds
ITEM = 200  # bytes that the buffer counts for what waits, beside its data
_CREDIT = 2**20  # bytes that are taken without a look at what waits
_POLL = 0.001  # seconds


class Item(msgspec.Struct, gc=False):
    """What was taken, and when: a read, or something else by its kind.

    The collector does not look at it: thousands of tuples that wait would cost the reader more than taking them does.
    """

    when: float
    what: bytes | str
    value: Any = None


class Buffer:
    """What was taken of an exchange and waits to be written. Each count has one side that changes it."""

    def __init__(self, channel: Channel, clock: Callable[[], float], room: int) -> None:
        self.items: deque[Item] = deque()
        self.scheduled: bool = False  # the writer knows that there is something
        self.done: threading.Event = threading.Event()  # all of it was written, or never will be
        self.written: int = 0  # bytes of what was taken; only the writer counts them
        self.is_ended: bool = False
        self._channel = channel
        self._clock = clock
        self._room = room
        self._granted = 0  # bytes that were taken, or may be without asking again; only the reader counts them
        self._lost = [0, 0]  # reads and bytes, since the last that fitted

    @property
    def is_filling(self) -> bool:
        """Whether so much waits that it should be written, whoever needs the processor."""
        return self._granted - self.written > self._room // 8

    def put(self, kind: str, value: Any, size: int = 0) -> None:
        """What is no read: it always fits."""
        if self._lost[0]:
            self._tell_loss()
        self._granted += size + ITEM
        self.items.append(Item(self._clock(), kind, value))
        if not self.scheduled:
            self._channel.schedule(self)

    def quit(self) -> None:
        """Take nothing more: the recorder stops. What is still put is thrown away with the buffer, and little of it."""
        if not self.is_ended:
            self.is_ended = True
            self.put("quit", None)
            self._room = -1

    def reader(self) -> Callable[[bytes], None]:
        """What takes a read. It is called for each read of a live stream, so it does next to nothing."""
        append, clock, channel = self.items.append, self._clock, self._channel
        credit = 0

        def read(data: bytes) -> None:
            nonlocal credit
            credit -= len(data) + ITEM
            if credit < 0:
                if not self.fits(len(data)):
                    credit += len(data) + ITEM
                    return
                credit += self._grant(-credit)
            append(Item(clock(), data if type(data) is bytes else bytes(data)))
            if not self.scheduled:
                channel.schedule(self)

        return read

    def fits(self, size: int) -> bool:
        """Whether there is room for a read of this size; if not, it is lost."""
        if self.is_ended:
            return False
        if self._granted + size - self.written > self._room // 2:
            self._channel.relieve()
        if self._granted + size - self.written > self._room:
            self._lost[0] += 1
            self._lost[1] += size
            return False
        if self._lost[0]:
            self._tell_loss()
        return True

    def _grant(self, least: int) -> int:
        """The bytes that may be taken without asking again."""
        left = self._room - (self._granted + least - self.written)
        granted = least + max(0, min(_CREDIT, left // 2))
        self._granted += granted
        return granted

    def _tell_loss(self) -> None:
        reads, size = self._lost
        self._lost = [0, 0]
        self.put("l", {"lost": "reads", "reads": reads, "bytes": size})


class Take:
    """One exchange being recorded, on the side of whoever reads it: taking waits for no file, and raises nothing.

    ``read(data)`` takes one read, as it came. What is not ended when nobody holds it any more is taken for given up.
    """

    def __init__(self, channel: Channel, buffer: Buffer) -> None:
        self.read: Callable[[bytes], None] = buffer.reader()
        self._channel = channel
        self._buffer = buffer

    def response(self, status: int, headers: Mapping[str, str] | None = None, *, decoded: bool = False) -> None:
        """The head of the answer. ``decoded``: reads come without the content encoding that the head may name."""
        self._buffer.put("h", (status, dict(headers or {}), decoded))

    def chunk(self, chunk: Mapping[str, Any]) -> None:
        """One chunk of a source whose chunks come parsed; not to be mixed with ``read``."""
        # Written at once: whose chunk it is may change it, as soon as he has it.
        try:
            text: Any = json_text(chunk)
        except (TypeError, ValueError, RecursionError) as error:
            text = type(error).__name__, str(error)
        size = len(text) if isinstance(text, str) else 0
        if self._buffer.fits(size):
            self._buffer.put("c", text, size)

    def note(self, note: Mapping[str, Any]) -> None:
        """A remark, for people; players skip it."""
        self._buffer.put("n", dict(note))

    def end(self, kind: TapeEnd, error: BaseException | str | None = None) -> None:
        """How it ended; the first one counts. ValueError for a kind that is none."""
        how = end_of(kind, error)
        if not self._buffer.is_ended:
            self._buffer.is_ended = True
            self._buffer.put("e", how)

    def settle(self, patience: float = PATIENCE) -> None:
        """Wait until it is written, so many seconds at most; warns if something of it was lost."""
        self._channel.hurry()
        if self._channel.is_next(self._buffer) and not self._buffer.done.wait(patience):
            self._channel.is_stuck = True
        self._channel.report()

    async def asettle(self, patience: float = PATIENCE) -> None:
        """The same for async code, on asyncio and trio."""
        self._channel.hurry()
        if self._channel.is_next(self._buffer):
            import anyio

            with anyio.move_on_after(patience):
                while not self._buffer.done.is_set():  # noqa: ASYNC110  it is a thread that sets it
                    await anyio.sleep(_POLL)
            self._channel.is_stuck = not self._buffer.done.is_set()
        self._channel.report()

    def __del__(self) -> None:
        if "_buffer" in self.__dict__:
            self.end("cancel")
