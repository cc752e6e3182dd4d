"""Tapes to be played from, and which of them answers a request.

In go paths and recordings, out comes a tape for a request, or what is nearest to it. Rules: a folder gives the files
that are really in it, whatever links say; a tape is asked for by its name among those loaded, never by a path.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from chatstream.errors import NotAStreamError
from chatstream.recording.library.answering import is_stream, merged
from chatstream.recording.library.asked import Asked
from chatstream.recording.library.matching import ALWAYS_IGNORED, Level, Paths, comparable, last_message
from chatstream.recording.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chatstream.recording.library.answering import Merged

__all__ = ["Asked", "Library", "Source", "Tape", "Turn", "tape_files"]

Source = str | os.PathLike[str] | Recording

_SUFFIXES = (".jsonl", ".sse", ".har")  # of the files of a folder, .tape.jsonl among them, each also packed
_PACKED = (".gz", ".zst")
_MOST_PATHS = 10  # named in a message
_LONGEST_PATH = 100  # characters of each


class Tape:
    """A recording with what a request is compared to. ``played``: how many requests it has answered.

    ``file``: where it stands, unless it stands there beside others or was given as a recording.
    """

    def __init__(self, name: str, recording: Recording, ignored: Paths, file: Path | None = None) -> None:
        self.name: str = name
        self.recording: Recording = recording
        self.file: Path | None = file
        self.played: int = 0
        request = recording.request or {}
        digest = request.get("body_sha256")
        self.asked: Asked = Asked.of(
            request.get("method"),
            request.get("url"),
            request.get("body"),
            body_sha256=digest if isinstance(digest, str) else "",
            lost=request.get("lost") is True,
        )
        self.exact: bytes = comparable(ignored.without(self.asked.body))
        self.last: tuple[bytes, bytes] | None = _likeness(ignored.without(self.asked.body))

    @property
    def is_unasked(self) -> bool:
        """Whether no request was recorded that another one could be compared to."""
        return self.recording.request is None

    @cached_property
    def is_stream(self) -> bool:
        """Whether an event stream was recorded, and not a single answer."""
        return is_stream(self.recording)

    @cached_property
    def merged(self) -> Merged:
        """What it adds up to. A long tape takes a while, the first time."""
        return merged(self.recording)

    @property
    def request_id(self) -> str | None:
        """The request id that was recorded with it, which goes out with it again."""
        headers = (self.recording.response or {}).get("headers")
        id = headers.get("x-request-id") if isinstance(headers, dict) else None
        return id if isinstance(id, str) else None

    @property
    def model(self) -> str | None:
        """The model that was asked, if the request was recorded."""
        model = self.asked.body.get("model") if isinstance(self.asked.body, dict) else None
        return model if isinstance(model, str) else None


class Turn(NamedTuple):
    """A tape that answers a request, for the ``number``-th time."""

    tape: Tape
    number: int


class Library:
    """Tapes, and how a request finds its own.

    ``match``: what is tried, in this order: ``exact`` (the same method, path, query and body, but for ``ignore``),
    ``message`` (the same path, model and last message), ``order`` (one tape after the other, whatever is asked). A tape
    that recorded no request can only be played in order, and is, when nothing else matches. Of several that match,
    those come first that were asked for in the same way, as a stream or as one answer; these take turns. ``rounds``:
    whether the first has its turn again after the last. If not, the last one stays, and ``order`` has no more to give.

    A recorded stream also answers whoever wants one answer, and the other way round, but only of the Chat Completions
    API, where both are known to mean the same.
    """

    def __init__(
        self, sources: Iterable[Source], *, match: Sequence[Level], ignore: Sequence[str] = (), rounds: bool = True
    ) -> None:
        for level in match:
            if level not in get_args(Level):
                raise ValueError(f"match is made of {', '.join(get_args(Level))}, not {level!r}")
        self._match = tuple(match)
        self._rounds = rounds
        self._turns = Lock()  # requests are matched in threads
        self._ignored = Paths([*ALWAYS_IGNORED, *ignore])
        self._names: Counter[str] = Counter()
        self.tapes: list[Tape] = []
        for source in sources:
            self.load(source)

    @property
    def notes(self) -> list[str]:
        """What is odd about the tapes, in words."""
        notes = [note for tape in self.tapes for note in _notes(tape)]
        unasked = sum(tape.is_unasked for tape in self.tapes)
        if unasked and "order" not in self._match:
            notes.append(f"{unasked} of {len(self.tapes)} recordings have no request, and answer what no other does")
        return notes

    def load(self, source: Source) -> None:
        """Take the tapes of a file, of a folder, or a recording; ValueError for what nothing can be played from."""
        for name, file, recording in _recordings(source):
            self._add(name, recording, file)

    def add(self, recording: Recording) -> Tape:
        """One more tape, which plays from now on; ValueError for what nothing can be played from."""
        return self._add(recording.name, recording, None)

    def _add(self, name: str, recording: Recording, file: Path | None) -> Tape:
        self._names[name] += 1
        numbered = name if self._names[name] == 1 else f"{name}#{self._names[name]}"
        tape = Tape(numbered, recording, self._ignored, file)
        _check(tape)
        self.tapes.append(tape)
        return tape

    def named(self, name: str) -> Turn:
        """The tape of this name; LookupError, which tells the others, if there is none."""
        for tape in self.tapes:
            if tape.name == name:
                with self._turns:
                    return self._play(tape)
        known = ", ".join(tape.name for tape in self.tapes[:_MOST_PATHS])
        raise LookupError(f"there is no tape of that name; there are: {known or 'none'}")

    def find(self, asked: Asked) -> Turn | None:
        """The tape that answers this request; None if none does."""
        with self._turns:
            tape = self._choose(asked)
            return None if tape is None else self._play(tape)

    def same(self, asked: Asked) -> list[Tape]:
        """The tapes of this very request, however it is to be answered."""
        exact = comparable(self._ignored.without(asked.body))
        alike = [tape for tape in self.tapes if tape.exact == exact and asked.is_alike(tape.asked)]
        return [tape for tape in alike if not tape.is_unasked and asked.has_unread_body_of(tape.asked)]

    def closest(self, asked: Asked) -> tuple[Tape, list[str]] | None:
        """The tape that differs in the fewest places from what is asked, and the places; None if there are no tapes."""
        distances = [(tape, tape.asked.differences(asked, self._ignored)) for tape in self.tapes]
        return min(distances, key=lambda distance: len(distance[1])) if distances else None

    def nearest(self, asked: Asked) -> str:
        """A miss in words. Only places are named: what stands there is the business of the two who wrote it."""
        closest = self.closest(asked)
        if closest is None:
            return "no tape matches: there are none"
        if "order" in self._match:
            return f"no tape is left: all {len(self.tapes)} have been played"
        tape, places = closest
        shown = ", ".join(place[:_LONGEST_PATH] for place in places[:_MOST_PATHS])
        more = f", and {len(places) - _MOST_PATHS} more" if len(places) > _MOST_PATHS else ""
        return f"no tape matches. The nearest is {tape.name}; it differs in: {shown}{more}"

    def _choose(self, asked: Asked) -> Tape | None:
        for level in self._match:
            if level == "order":
                return self._next(self.tapes, stays=False)
            found = self._found(level, asked)
            if found:
                same_way = [tape for tape in found if tape.asked.is_stream == asked.is_stream]
                return self._next(same_way or found)
        return self._next([tape for tape in self.tapes if tape.is_unasked and asked.is_alike(tape.asked)])

    def _found(self, level: Level, asked: Asked) -> list[Tape]:
        if level == "exact":
            return self.same(asked)
        last = _likeness(self._ignored.without(asked.body))
        return [tape for tape in self.tapes if last is not None and tape.last == last and asked.is_alike(tape.asked)]

    def _next(self, tapes: list[Tape], *, stays: bool = True) -> Tape | None:
        """Whose turn it is."""
        least = min(tapes, key=lambda tape: tape.played, default=None)
        if self._rounds or least is None or not least.played:
            return least
        return tapes[-1] if stays else None

    @staticmethod
    def _play(tape: Tape) -> Turn:
        tape.played += 1
        return Turn(tape, tape.played)


def tape_files(folder: Path) -> Iterator[Path]:
    """The recordings in a folder and in those below it, in order; what is hidden is none, nor a link that leads out."""
    for file in sorted(folder.rglob("*")):
        is_inside = file.is_file() and file.resolve().is_relative_to(folder.resolve())
        if is_inside and _is_tape_name(file.relative_to(folder)):
            yield file


def _check(tape: Tape) -> None:
    """ValueError for a file that nothing can be played from. A tape says what it is, and may be anything."""
    if tape.recording.form in {"sse", "completion"} and isinstance(tape.merged.failure, NotAStreamError):
        hint = 'a tape begins with a line such as {"tape":1}'
        raise ValueError(f"{tape.name} is no recording: neither a tape, nor an event stream, nor a completion; {hint}")


def _notes(tape: Tape) -> Iterator[str]:
    """What is odd about a tape, in words."""
    recording = tape.recording
    if recording.flaw is not None:
        yield str(recording.flaw.error(tape.name))
    elif recording.torn:
        yield f"{tape.name}: the last line was cut, and is left out"
    if not recording.reads:
        yield f"{tape.name}: there is no answer in it"
    for problem in recording.problems:
        yield f"{tape.name}: {problem}"


def _likeness(body: Any) -> tuple[bytes, bytes] | None:
    """The model and the last message; None for what is no conversation."""
    last = last_message(body) if isinstance(body, dict) else None
    return None if last is None else (comparable(body.get("model")), last)


def _recordings(source: Source) -> Iterator[tuple[str, Path | None, Recording]]:
    if isinstance(source, Recording):
        yield source.name, None, source
        return
    path = Path(source)
    if not path.is_dir():
        yield from _in_file(path, path.name)
        return
    files = list(tape_files(path))
    for file in files:
        yield from _in_file(file, file.relative_to(path).as_posix())
    if not files:
        raise ValueError(f"{path} holds no recordings: no {', '.join(_SUFFIXES)}, packed or not")


def _in_file(file: Path, name: str) -> Iterator[tuple[str, Path | None, Recording]]:
    recordings = Recording.load_all(file)
    for recording in recordings:
        yield name, file if len(recordings) == 1 else None, recording


def _is_tape_name(name: Path) -> bool:
    hidden = any(part.startswith(".") for part in name.parts)
    bare = name.name.lower()
    for packed in _PACKED:
        bare = bare.removesuffix(packed)
    return not hidden and bare.endswith(_SUFFIXES)
