"""The tapes that a server plays from, and which of them answers a request.

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
from chatstream.recording import Recording
from chatstream.server.matching import ALWAYS_IGNORED, Level, Paths, canonical, differences, last_message
from chatstream.server.playing import is_stream, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chatstream.server.playing import Merged

__all__ = ["Library", "Source", "Tape", "Turn"]

Source = str | os.PathLike[str] | Recording

_SUFFIXES = (".jsonl", ".sse")  # of the files of a folder, .tape.jsonl among them, each also with .gz
_MOST_PATHS = 10  # named in a message
_LONGEST_PATH = 100  # characters of each


class Tape:
    """A recording with what a request is compared to. ``played``: how many requests it has answered."""

    def __init__(self, name: str, recording: Recording, ignored: Paths) -> None:
        self.name: str = name
        self.recording: Recording = recording
        self.played: int = 0
        request = recording.request or {}
        body = request.get("body")
        self.body: dict[str, Any] | None = ignored.without(body) if isinstance(body, dict) else None
        self.exact: bytes | None = None if self.body is None else canonical(self.body)
        self.last: tuple[Any, bytes | None] | None = None if self.body is None else _likeness(self.body)

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
        model = self.body.get("model") if self.body else None
        return model if isinstance(model, str) else None


class Turn(NamedTuple):
    """A tape that answers a request, for the ``number``-th time."""

    tape: Tape
    number: int


class Library:
    """Tapes, and how a request finds its own.

    ``match``: what is tried, in this order: ``exact`` (the same body, but for ``ignore``), ``message`` (the same model
    and last message), ``order`` (one tape after the other, whatever is asked). A tape that recorded no request can
    only be played in order, and is, when nothing else matches. Where several match, they take turns.
    """

    def __init__(self, sources: Iterable[Source], *, match: Sequence[Level], ignore: Sequence[str] = ()) -> None:
        for level in match:
            if level not in get_args(Level):
                raise ValueError(f"match is made of {', '.join(get_args(Level))}, not {level!r}")
        self._match = tuple(match)
        self._turns = Lock()  # requests are matched in threads
        self._ignored = Paths([*ALWAYS_IGNORED, *ignore])
        self.tapes: list[Tape] = []
        names: Counter[str] = Counter()
        for source in sources:
            for name, recording in _recordings(source):
                names[name] += 1
                numbered = name if names[name] == 1 else f"{name}#{names[name]}"
                self.tapes.append(Tape(numbered, recording, self._ignored))
                _check(self.tapes[-1])
        self.notes: list[str] = [note for tape in self.tapes for note in _notes(tape)]
        unasked = sum(tape.body is None for tape in self.tapes)
        if unasked and "order" not in self._match:
            self.notes.append(
                f"{unasked} of {len(self.tapes)} recordings have no request, and answer what no other does"
            )

    def named(self, name: str) -> Turn:
        """The tape of this name; LookupError, which tells the others, if there is none."""
        for tape in self.tapes:
            if tape.name == name:
                return self._play([tape])
        known = ", ".join(tape.name for tape in self.tapes[:_MOST_PATHS])
        raise LookupError(f"there is no tape of that name; there are: {known or 'none'}")

    def find(self, body: dict[str, Any]) -> Turn | None:
        """The tape that answers this request; None if none does."""
        asked = self._ignored.without(body)
        exact, last = canonical(asked), _likeness(asked)
        for level in self._match:
            found = [tape for tape in self.tapes if _fits(tape, level, exact, last)]
            if found:
                return self._play(found)
        unasked = [tape for tape in self.tapes if tape.body is None]
        return self._play(unasked) if unasked else None

    def nearest(self, body: dict[str, Any]) -> str:
        """A miss in words. Only places are named: what stands there is the business of the two who wrote it."""
        asked = self._ignored.without(body)
        distances = [(list(differences(tape.body, asked)), tape) for tape in self.tapes]
        if not distances:
            return "no tape matches: there are none"
        paths, nearest = min(distances, key=lambda distance: len(distance[0]))
        shown = ", ".join(path[:_LONGEST_PATH] for path in paths[:_MOST_PATHS])
        more = f", and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
        return f"no tape matches. The nearest is {nearest.name}; it differs in: {shown}{more}"

    def _play(self, tapes: list[Tape]) -> Turn:
        """The one of these that has been played least."""
        with self._turns:
            tape = min(tapes, key=lambda tape: tape.played)
            tape.played += 1
            return Turn(tape, tape.played)


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


def _likeness(body: dict[str, Any]) -> tuple[Any, bytes | None]:
    return canonical(body.get("model")), last_message(body)


def _fits(tape: Tape, level: Level, exact: bytes, last: tuple[Any, bytes | None]) -> bool:
    if level == "exact":
        return tape.exact == exact
    return tape.last == last if level == "message" else True


def _recordings(source: Source) -> Iterator[tuple[str, Recording]]:
    if isinstance(source, Recording):
        yield source.name, source
        return
    path = Path(source)
    if not path.is_dir():
        for recording in Recording.load_all(path):
            yield path.name, recording
        return
    empty = True
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if _is_tape_name(name) and file.is_file() and file.resolve().is_relative_to(path.resolve()):
            empty = False
            for recording in Recording.load_all(file):
                yield name.as_posix(), recording
    if empty:
        raise ValueError(f"{path} holds no recordings: no {', '.join(_SUFFIXES)}, packed or not")


def _is_tape_name(name: Path) -> bool:
    hidden = any(part.startswith(".") for part in name.parts)
    return not hidden and name.name.lower().removesuffix(".gz").endswith(_SUFFIXES)
