"""The thread that writes a file while there is something to write.

In go scribes, each with what waits of one exchange; out go their lines to the file. Rules: it ends when all that began
has ended and is written; exchanges follow each other whole, in the order they began; whoever reads faster than any
network needs the processor, and gets it first; a file that fails or hangs costs its tape, and one warning.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from collections import deque
from itertools import takewhile
from queue import SimpleQueue
from typing import TYPE_CHECKING

from chatstream.recording.writing.scribes import ROUND
from chatstream.recording.writing.takes import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.recording.writing.scribes import Scribe
    from chatstream.recording.writing.takes import Buffer
    from chatstream.recording.writing.tapefile import TapeFile

__all__ = ["Channel"]

_GATHER = 0.01  # seconds in which reads gather: a thread that woke for each would take its time from the reader
_BURST = 50  # reads in that time: more than a network brings
_LONGEST_BURST = 100  # times: a second
_BREATH = 0.0005  # seconds

_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


class Channel:
    """One file, and the thread that writes to it while there is something to write.

    ``reported``: set once somebody was warned, which is enough for all files of a recorder.
    """

    def __init__(self, open_file: Callable[[], TapeFile], reported: threading.Event) -> None:
        self.error: Exception | None = None  # why something is missing; the first reason
        self.is_stuck: bool = False  # somebody waited in vain: nobody else will
        self._open_file = open_file
        self._lock = threading.Lock()
        self._scribes: deque[Scribe] = deque()  # in the order they began; the first one is being written
        self._work: SimpleQueue[None] = SimpleQueue()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: TapeFile | None = None
        self._is_writing = False
        self._silent = False
        self._reported = reported
        _channels.add(self)

    def begin(self, scribe: Scribe) -> None:
        """Write this one too, behind those that began before it."""
        with self._lock:
            self._scribes.append(scribe)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="chatstream recorder", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:  # no more threads, or Python is about to end
                    self._thread = None
                    self._silence(error)
                    self.is_stuck = True
        self._work.put(None)

    def schedule(self, buffer: Buffer) -> None:
        """There is something to write of this one."""
        buffer.scheduled = True
        self._work.put(None)

    def is_next(self, buffer: Buffer) -> bool:
        """Whether this one will be written before long: not while one that began before it is still being read."""
        if self.is_stuck or buffer.done.is_set():
            return False
        with self._lock:
            before = takewhile(lambda scribe: scribe.buffer is not buffer, self._scribes)
            return all(scribe.buffer.is_ended for scribe in before)

    def hurry(self) -> None:
        """Somebody waits: write now what there is."""
        self._hurry.set()

    def relieve(self) -> None:
        """Let the writer have the processor, if that is all it lacks. A file that is slow is not waited for."""
        if not self._is_writing and not self._silent:
            time.sleep(_BREATH)

    def report(self) -> None:
        """Warn, the first time, if something is missing."""
        if self.is_stuck:
            self._lose(TimeoutError("what writes it hangs"))
        if self.error is None or self._reported.is_set():
            return
        self._reported.set()
        reason = f"{type(self.error).__name__}: {self.error}"
        warnings.warn(f"the tape is not whole: {reason}", RuntimeWarning, stacklevel=5)

    def stop(self) -> None:
        """End what is still open where it is, without an end on its tape: its recorder stops."""
        with self._lock:
            buffers = [scribe.buffer for scribe in self._scribes]
        for buffer in buffers:
            buffer.quit()

    def forget(self) -> None:
        """Let go of everything: this is a child of the process that records, and its threads are not here."""
        self._lock = threading.Lock()
        self._work = SimpleQueue()
        self._hurry = threading.Event()
        self._scribes = deque()
        self._thread = self._file = None

    def wait(self, patience: float) -> None:
        """Wait until there is nothing more to write, so many seconds at most."""
        thread = self._thread
        self._hurry.set()
        if thread is not None and not self.is_stuck and self.is_closing:
            thread.join(patience)
            self.is_stuck = thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write, and nothing open."""
        return self._thread is None

    @property
    def is_closing(self) -> bool:
        """Whether all that began has ended: what is still being read is not waited for."""
        with self._lock:
            return all(scribe.buffer.is_ended for scribe in self._scribes)

    def _run(self) -> None:
        """The thread's whole life: it ends when all that began has ended, and is written."""
        while True:
            self._write()
            self._close()
            with self._lock:
                if not self._scribes:
                    self._thread = None
                    return

    def _write(self) -> None:
        while (scribe := self._first()) is not None:
            if not scribe.buffer.is_ended:
                self._wait(scribe.buffer)
            scribe.buffer.scheduled = False  # before it is emptied: what comes meanwhile is told anew
            self._write_all(scribe)
            if scribe.is_over:
                with self._lock:
                    self._scribes.popleft()
                scribe.buffer.done.set()
                self._work.put(None)  # what was told of the next one may have been heard already

    def _write_all(self, scribe: Scribe) -> None:
        """Write all that waits by now, in rounds; what comes meanwhile is another turn's, or it would never end."""
        for _ in range(len(scribe.buffer.items) // ROUND + 1):
            try:
                self._put(scribe.lines())
            except Exception as error:  # noqa: BLE001  a bug must not end in a thread's traceback that nobody sees
                scribe.give_up()
                self._lose(error)
            scribe.count()
            if scribe.composer.error is not None:
                self._lose(scribe.composer.error)
            if scribe.is_over:
                break

    def _wait(self, buffer: Buffer) -> None:
        """Wait until there is something to write, and while more comes faster than from any network.

        Whoever reads that fast needs the processor, and will be done, or wait for something, before long.
        """
        self._work.get()
        for _ in range(_LONGEST_BURST):
            before = len(buffer.items)
            while not self._work.empty():
                self._work.get()
            if self._hurry.wait(_GATHER) or len(buffer.items) - before < _BURST or buffer.is_filling:
                break
        self._hurry.clear()

    def _first(self) -> Scribe | None:
        with self._lock:
            return self._scribes[0] if self._scribes else None

    def _put(self, lines: list[bytes]) -> None:
        if self._silent or not lines:
            return
        self._is_writing = True
        try:
            if self._file is None:
                self._file = self._open_file()
            self._file.write(lines)
            self.is_stuck = False
        except Exception as error:  # noqa: BLE001  a file may be anybody's, and raise anything
            self._silence(error)
        finally:
            self._is_writing = False

    def _lose(self, reason: Exception) -> None:
        self.error = self.error or reason

    def _silence(self, error: Exception) -> None:
        self._lose(error)
        self._silent = True

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        for step in (file.sync, file.close):
            try:
                step()
            except Exception as error:  # noqa: BLE001  as above
                self._silence(error)


@atexit.register
def _finish() -> None:
    """Bring to its tape what was taken, when Python ends: the threads would be stopped in the middle."""
    end = time.monotonic() + PATIENCE
    for channel in list(_channels):
        channel.stop()
        channel.wait(max(0.0, end - time.monotonic()))


def _forget() -> None:
    for channel in list(_channels):
        channel.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
