"""How an answer arrives: texts cut into pieces, bodies cut into reads.

In goes what was said, out come pieces of it. Rules: all is drawn from a generator that was seeded, so that the same
seed cuts in the same places; joined again, the pieces are what went in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from chatstream.recording.changing.changes import DONE
from chatstream.recording.tape import block_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

__all__ = ["Pieces", "pieces_of", "read_cuts", "sse"]

Pieces: TypeAlias = int | tuple[int, int] | Callable[[str], list[str]]

_LONGEST_READ = 64  # bytes, of a body cut at random: shorter than an event, so that each is cut somewhere


def sse(*events: Mapping[str, Any] | str, done: bool = True) -> bytes:
    """The bytes of an event stream: a mapping is an event's JSON, a text its data; ``[DONE]`` comes last.

    ``done=False`` leaves that out. For streams that no model would send, and parsers are to survive.
    """
    return b"".join(map(_block, events)) + (DONE if done else b"")


def _block(event: Mapping[str, Any] | str) -> bytes:
    if not isinstance(event, str):
        return block_of(event)
    return "".join(f"data: {line}\n" for line in event.split("\n")).encode() + b"\n"


def pieces_of(pieces: Pieces, draws: Random) -> Callable[[str], list[str]]:
    """What cuts a text: into so many characters, into any number between two, or as a function of yours does."""
    if callable(pieces):
        return pieces
    fewest, most = (pieces, pieces) if isinstance(pieces, int) else pieces
    if not 1 <= fewest <= most:
        raise ValueError(f"pieces is a number of characters, two of them, or a function, not {pieces!r}")

    def cut(text: str) -> list[str]:
        ends = _cuts(len(text), fewest, most, draws)
        return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]

    return cut


def _cuts(size: int, fewest: int, most: int, draws: Random) -> list[int]:
    """Places to cut at, so that the parts are of ``fewest`` to ``most``, but for the last."""
    ends: list[int] = []
    end = draws.randint(fewest, most)
    while end < size:
        ends.append(end)
        end += draws.randint(fewest, most)
    return ends


def read_cuts(size: int, draws: Random) -> list[int]:
    """Places at which the network might have cut a body of so many bytes."""
    return _cuts(size, 1, _LONGEST_READ, draws)
