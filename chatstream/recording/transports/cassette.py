"""Which requests are answered from tapes, and which are sent and recorded.

In go requests, and a way to send one; out come responses of the requests' own HTTP library, httpx or httpx2. Rules:
what no tape matches is never answered by guessing: it is sent if the mode says so, or else it is a miss, told in the
answer itself, with places where the nearest tape differs and without any value. A file that nothing can be played from
is told when the cassette is made, and not in the middle of a test.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from chatstream.errors import RecordingError
from chatstream.recording.changing.changes import as_bytes
from chatstream.recording.changing.striking import faults_of, is_refusal, strike, struck_by
from chatstream.recording.library import Library, Tape, tape_files
from chatstream.recording.library.answering import as_asked, paced
from chatstream.recording.library.answers import error_exchange, json_exchange
from chatstream.recording.library.asked import Asked
from chatstream.recording.recorder import Recorder
from chatstream.recording.recording import Recording
from chatstream.recording.secrets import Secrets
from chatstream.recording.transports.http_libraries import asked_of
from chatstream.recording.transports.replying import Reply
from chatstream.recording.transports.teeing import asend, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from chatstream.recording.exchange import Exchange
    from chatstream.recording.faults import Fault
    from chatstream.recording.library import Source, Turn
    from chatstream.recording.library.matching import Level

__all__ = ["MODE_VARIABLE", "Cassette", "Miss", "Mode"]

Mode = Literal["once", "none", "all", "new_episodes"]

MODE_VARIABLE = "CHATSTREAM_RECORD_MODE"


class Miss(msgspec.Struct, frozen=True):
    """A request that no tape answers: what was ``asked``, the ``nearest`` tape, the ``places`` where the two differ.

    ``message`` is what the request was answered with.
    """

    asked: Asked
    nearest: Tape | None
    places: list[str]
    message: str


class Cassette:
    """Answers requests from tapes, or sends and records them: what a replay transport does, but for the sending.

    ``tapes``: a recording, the path of a file or of a folder, or several of these. ``mode``: ``none`` plays and never
    sends; ``once`` plays if there are tapes, and records everything if there are none yet; ``new_episodes`` plays what
    matches and records the rest; ``all`` plays nothing and records everything anew: of a file, what was there goes
    with the first request; of a folder, the tapes of the same request go. The environment variable
    ``CHATSTREAM_RECORD_MODE`` takes the place of any mode but ``none``. ``record_to``: what is recorded to, the first
    path of ``tapes`` by default.

    ``match`` and ``ignore`` say how a request finds its tape, as for ``ReplayServer``; but after the last of several
    that match the last one stays, and with ``order`` each tape is played once. A request that no tape answers gets a
    404 that names the nearest tape, the code ``no_matching_tape``, and a header for SDKs not to try again; see
    ``misses``. ``secrets``: texts that are not to be written, beside the keys that are found by themselves; on tape
    they are ``*``, and what is asked is masked likewise before it is compared.

    ``speed``: 1.0 is as fast as recorded, 2.0 twice as fast, None without waiting. ``faults``: what goes wrong with
    what is played, such as ``"reset,after=3"``; those of the tapes come besides; ``seed`` decides what they leave open.
    ``sleep`` is called with seconds instead of waiting, and awaited in async code if it can be; ``clock`` gives the
    seconds of what is recorded.

    RecordingError for a file that nothing can be played from, OSError for one that cannot be opened, ValueError for
    options that make no sense.
    """

    def __init__(
        self,
        tapes: Source | Iterable[Source],
        *,
        mode: Mode = "none",
        match: Level | Sequence[Level] = ("exact", "message"),
        ignore: str | Sequence[str] = (),
        record_to: str | os.PathLike[str] | None = None,
        secrets: Secrets | Iterable[str] = (),
        speed: float | None = None,
        faults: str | Fault | Iterable[str | Fault] = (),
        seed: int = 0,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if speed is not None and not (isinstance(speed, int | float) and 0 < speed < math.inf):
            raise ValueError(f"speed is a number greater than 0, or None for without waiting, not {speed!r}")
        self.mode: Mode = _mode_of(mode)
        self.misses: list[Miss] = []
        self.played: int = 0
        self.recorded: int = 0
        self._faults = faults_of(faults)
        self._secrets = Secrets.of(secrets)
        self._speed = speed
        self._seed = seed
        self._sleep = sleep
        self._clock = clock
        self._recorder: Recorder | None = None
        self._counting = Lock()  # clients may be used from many threads
        self._requests = 0
        sources = [tapes] if isinstance(tapes, str | os.PathLike | Recording) else list(tapes)
        self._target = _target_of(sources, record_to, self.mode)
        levels: Sequence[Level] = [match] if isinstance(match, str) else match
        ignored = [ignore] if isinstance(ignore, str) else ignore
        self.library: Library = Library((), match=levels, ignore=ignored, rounds=False)
        self._load(sources)
        self._sends = self.mode == "all" or (self.mode == "once" and not self.library.tapes)
        if self._target is not None and (self._sends or self.mode == "new_episodes"):
            _check_target(self._target)

    @property
    def tapes(self) -> list[Tape]:
        """The tapes that there were when the cassette was made; each tells how often it was ``played``."""
        return list(self.library.tapes)

    @property
    def notes(self) -> list[str]:
        """What is odd about the tapes, in words: one that was cut, say."""
        return self.library.notes

    def handle(self, request: Any, sender: Callable[[Any], Any]) -> Any:
        """The response to a request of httpx or httpx2; ``sender`` sends one, and is called for what is recorded."""
        reply = self._decide(request)
        return send(self._recording(), request, sender) if reply is None else reply.open()

    async def ahandle(self, request: Any, sender: Callable[[Any], Awaitable[Any]]) -> Any:
        """The same for async code."""
        reply = self._decide(request)
        return await (asend(self._recording(), request, sender) if reply is None else reply.aopen())

    def close(self) -> None:
        """Bring what was recorded to the disk. Further requests are recorded to the same place."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()

    async def aclose(self) -> None:
        """The same for async code."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            await recorder.aclose()

    # What is played

    def _decide(self, request: Any) -> Reply | None:
        """The answer from a tape, or in its place; None if the request is to be sent."""
        asked = asked_of(request, self._secrets)
        if self._sends:
            self._make_room(asked)
            return None
        with self._counting:
            self._requests += 1
            faults = struck_by(self._faults, self._requests, seed=self._seed)
        if is_refusal(faults):  # a request that fails has not happened: it takes no tape's turn
            return self._reply(*strike(json_exchange({}), faults, seed=self._seed), request)
        turn = self.library.find(asked)
        if turn is not None:
            self._count(played=1)
            return self._reply(*self._struck(turn, asked, faults), request)
        return None if self.mode == "new_episodes" else self._reply(self._missed(asked), [], request)

    def _struck(self, turn: Turn, asked: Asked, faults: list[Fault]) -> tuple[Exchange, list[str]]:
        """The tape as an answer, with its own faults and those that were asked for; and which of them were seen."""
        recording = turn.tape.recording
        is_chat = asked.is_chat and isinstance(asked.body, dict)
        exchange = as_asked(turn.tape, asked.body, stream=asked.is_stream) if is_chat else as_bytes(recording)
        # Paced before: a fault takes the time that it says, whatever the speed is.
        own = struck_by(recording.faults, turn.number, seed=self._seed)
        all_of_them = own if is_refusal(own) else [*own, *faults]
        return strike(paced(exchange, self._speed), all_of_them, seed=self._seed)

    def _reply(self, exchange: Exchange, faults: list[str], request: Any) -> Reply:
        return Reply(exchange, request, sleep=self._sleep, at_once=self._speed is None, faulty=bool(faults))

    def _missed(self, asked: Asked) -> Exchange:
        nearest, places = self.library.closest(asked) or (None, [])
        message = f"{self.library.nearest(asked)} (nothing is sent in mode {self.mode})"
        with self._counting:
            self.misses.append(Miss(asked, nearest, places, message))
        return error_exchange(404, message, code="no_matching_tape", headers={"x-should-retry": "false"})

    def _count(self, *, played: int = 0, recorded: int = 0) -> None:
        with self._counting:
            self.played += played
            self.recorded += recorded

    # What is recorded

    def _recording(self) -> Recorder:
        """The recorder, made for the first request: a session that sends nothing leaves no file, and loses none."""
        with self._counting:
            self.recorded += 1
            if self._recorder is None:
                assert self._target is not None  # noqa: S101  _target_of saw to it
                self._recorder = Recorder(self._target, secrets=self._secrets, clock=self._clock)
            return self._recorder

    def _make_room(self, asked: Asked) -> None:
        """In mode ``all``: take away what this request was answered with before."""
        if self.mode != "all" or self._target is None:
            return
        with self._counting:
            first = self._requests == 0
            self._requests += 1
        same = [tape.file for tape in self.library.same(asked) if tape.file is not None]
        is_folder = self._target.is_dir()
        for file in same if is_folder else [self._target] * first:
            if not is_folder or file.is_relative_to(self._target):
                with suppress(OSError):  # a tape that cannot be written either: the recorder will say so
                    file.unlink()

    # What there is

    def _load(self, sources: list[Source]) -> None:
        for source in sources:
            if not isinstance(source, Recording) and _is_blank(Path(source)):
                if self.mode == "none" and Path(source).is_file():
                    raise RecordingError(f"{source} is empty: there is nothing to play")
                if self.mode != "none":
                    continue
            for part in _parts(source) if self.mode == "all" else [source]:
                try:
                    self.library.load(part)
                except (ValueError, OSError, RecordingError) as error:
                    if self.mode == "all":
                        continue  # it is not going to be played
                    if isinstance(error, ValueError):
                        raise RecordingError(str(error)) from None
                    raise


def _mode_of(mode: Mode) -> Mode:
    given: Any = mode
    name = "mode"
    if mode != "none" and os.environ.get(MODE_VARIABLE):
        given, name = os.environ[MODE_VARIABLE], MODE_VARIABLE
    if given not in get_args(Mode):
        raise ValueError(f"{name} is one of {', '.join(get_args(Mode))}, not {given!r}")
    known: Mode = given
    return known


def _target_of(sources: list[Source], record_to: str | os.PathLike[str] | None, mode: Mode) -> Path | None:
    if record_to is not None:
        return Path(record_to)
    target = next((Path(source) for source in sources if not isinstance(source, Recording)), None)
    if target is None and mode != "none":
        raise ValueError(f"mode {mode} records, and needs a path for it: record_to")
    return target


def _check_target(path: Path) -> None:
    """ValueError for a file that holds something else: it would be lost, or spoilt by a tape behind it."""
    if path.is_file() and not _is_blank(path):
        first = Recording.load(path)
        if first.form != "tape" or first.header is None:
            raise ValueError(f"{path} is no tape, so nothing is recorded to it: give record_to another path")


def _is_blank(path: Path) -> bool:
    """Whether nothing was recorded there yet."""
    if path.is_dir():
        return next(tape_files(path), None) is None
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _parts(source: Source) -> Iterator[Source]:
    if isinstance(source, Recording) or not Path(source).is_dir():
        yield source
    else:
        yield from tape_files(Path(source))
