"""How long the next read of a socket may wait, asked anew at each read.

In goes a Timeout and what happened since the request was sent; out come seconds. Rules:

- HTTP libraries know one read timeout for a whole request. Ours differ within it (the first byte, the bytes after it,
  the total), so what they are handed is a `Patience`: a float, which they pass on untouched to the stream that reads
  the socket, and there, where `chatstream.client.network` looks after it, it is asked how long this very read may wait.
- A library that has no such stream (a mock, another transport) takes it for the float that it is: the longest of the
  limits, since an error too late is better than a false one.
- Where reading may not go on at all (somebody stopped it, or nobody will read what comes), asking raises instead. So a
  read ends without waiting, from its innermost frame outwards, and every generator between there and here with it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from chatstream.errors import APITimeoutError, APIUserAbortError
from chatstream.responses import shut_stream
from chatstream.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from chatstream.client.timeout import Timeout
    from chatstream.errors import TimeoutPhase

__all__ = ["Enough", "Patience", "Stop"]

_FOREVER = 1_000_000.0  # seconds; what is handed on where there is no limit
_SHORTEST = 0.001  # seconds: none at all would make a socket non-blocking


class Enough(Exception):  # noqa: N818  no error: nobody will read what would come
    """Reading on would have to wait, and nobody wants to."""


class Stop:
    """The word of a caller, from any thread, that a request is to be given up; one for all its attempts."""

    def __init__(self) -> None:
        self.said: bool = False
        self.patience: Patience | None = None  # of the attempt that is being made
        self.end_sleep: Callable[[], object] | None = None  # of a task that sleeps between two attempts
        self._alarm = threading.Event()

    def say(self) -> None:
        """Say it, and wake who waits for the socket."""
        self.said = True
        self._alarm.set()
        if self.patience is not None:
            self.patience.wake()
        if self.end_sleep is not None:
            self.end_sleep()

    def check(self) -> None:
        """APIUserAbortError if it was said."""
        if self.said:
            raise APIUserAbortError("the request was aborted")

    def sleep(self, seconds: float) -> None:
        """Wait, unless it is said or has been."""
        self._alarm.wait(seconds)


class Patience(float):
    """The seconds that the next read may wait: a number to whoever takes it for one, a question to who can ask."""

    __slots__ = (
        "__weakref__",
        "_asked",
        "_clock",
        "_data",
        "_deadline",
        "_head_deadline",
        "_left",
        "_left_for_data",
        "_stop",
        "_stream",
        "_timeout",
        "attended",
        "has_head",
        "heard",
        "is_spent",
        "phase",
    )

    _asked: float | None
    _clock: Callable[[], float]
    _deadline: float | None
    _stop: Stop | None
    _timeout: Timeout
    _data: SSEDecoder | None
    _head_deadline: float | None
    _left: float | None
    _left_for_data: float | None
    _stream: Any
    attended: bool  # a stream has asked: it will ask again
    has_head: bool  # the head of the answer has come, and the one who reads may take his time
    heard: bool  # a byte of the body has come
    is_spent: bool  # nothing is to wait any more
    phase: TimeoutPhase  # what a read that is too late is too late for

    def __new__(
        cls,
        timeout: Timeout,
        *,
        clock: Callable[[], float],
        deadline: float | None = None,
        stop: Stop | None = None,
    ) -> Self:
        """The patience of one attempt; ``deadline`` is the clock's time at which the whole call is over."""
        limits = [_FOREVER if limit is None else limit for limit in (timeout.first_byte, timeout.idle)]
        self = super().__new__(cls, max(limits))
        self._timeout = timeout
        self._clock = clock
        self._deadline = deadline
        self._stop = stop
        self._left = timeout.first_byte
        self._left_for_data = timeout.data_idle
        self._data = None if timeout.data_idle is None else SSEDecoder()
        self._asked = None
        self._stream = None
        self.attended = False
        self._head_deadline = None
        self.has_head = False
        self.heard = False
        self.is_spent = False
        self.phase = "first_byte"
        return self

    def limits(self) -> dict[str, float | None]:
        """The timeouts of the request, under the names that httpx gives them."""
        timeout = self._timeout
        return {
            "connect": self._at_most(timeout.connect),
            "pool": self._at_most(timeout.pool),
            "write": self,
            "read": self,
        }

    def _at_most(self, seconds: float | None) -> float | None:
        if self._deadline is None:
            return seconds
        left = max(self._deadline - self._clock(), _SHORTEST)
        return left if seconds is None else min(seconds, left)

    @property
    def is_stopped(self) -> bool:
        """Whether it is to be given up."""
        return self._stop is not None and self._stop.said

    @property
    def is_over(self) -> bool:
        """Whether the time for the whole call is up."""
        return self._deadline is not None and self._clock() >= self._deadline

    def check(self) -> None:
        """APITimeoutError if the time for the whole call is up, APIUserAbortError if it is to be given up."""
        stop = self._stop
        if stop is not None and stop.said:
            stop.check()  # raises
        if self._deadline is not None and self.is_over:
            raise APITimeoutError(phase="total")

    def begin_wait(self, stream: Any) -> float | None:
        """The seconds that a read of this stream may wait now, None for any time; raises if it may not wait at all."""
        self._stream = stream  # before the word is looked for: who says it looks for the stream afterwards
        self.attended = True
        if self.is_spent:
            raise Enough
        self.check()
        self._asked = now = self._clock()
        self._check_head(now)
        waits: list[tuple[float, TimeoutPhase]] = []
        if self._left is not None:
            waits.append((self._left, "idle" if self.heard else "first_byte"))
        if self.heard and self._left_for_data is not None:
            waits.append((self._left_for_data, "idle"))
        if self._deadline is not None:
            waits.append((self._deadline - now, "total"))
        if not waits:
            return None
        seconds, self.phase = min(waits)
        if seconds <= 0:
            raise APITimeoutError(phase=self.phase)
        return max(seconds, _SHORTEST)

    def begin_write(self, stream: Any) -> float | None:
        """The seconds that a write to this stream may wait for its peer; it is no part of the wait for the answer."""
        self._stream = stream
        self.attended = True
        self.check()
        return self._at_most(self._timeout.first_byte)

    def end_write(self) -> None:
        """A write is over, however it ended."""
        self._stream = None

    def _check_head(self, now: float) -> None:
        # By the clock and not by the waits: a server that sends informational heads without end never has one wait.
        if self.has_head or self._timeout.first_byte is None:
            return
        if self._head_deadline is None:
            self._head_deadline = now + self._timeout.first_byte
        if now >= self._head_deadline:
            raise APITimeoutError(phase="first_byte")

    def end_wait(self) -> None:
        """A read is over, however it ended."""
        self._stream = None
        if self._asked is None:
            return
        waited = self._clock() - self._asked
        self._asked = None
        if self._left is not None:
            self._left = self._timeout.idle if self.heard else self._left - waited
        if self.heard and self._left_for_data is not None:
            self._left_for_data -= waited

    def hear(self, data: bytes) -> None:
        """Bytes of the body have come."""
        if not self.heard:
            self.has_head = self.heard = True
            self.phase = "idle"
            self._left = self._timeout.idle
        if self._data is not None and self._data.feed(data):
            self._left_for_data = self._timeout.data_idle

    def wake(self) -> None:
        """End the wait that somebody else is in, if anybody is: what he reads is the end of the connection."""
        stream = self._stream
        if stream is not None:
            shut_stream(stream)
