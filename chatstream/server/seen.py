"""The requests that a server has seen: the last of them to look at, and a line of each in the log.

In goes what is known of a request when it comes and when it is over. Rules: headers are not kept, so that no key is;
bodies are, up to a sum, for tests that look at what was sent; a line of the log has neither, nor anything of a URL but
which route it was.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SeenRequest", "SeenRequests", "logger", "note_bug"]

logger: logging.Logger = logging.getLogger("chatstream.server")

_MOST = 200
_LONGEST_PATH = 200  # characters
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_MOST_BYTES = 16 * 2**20  # of all bodies that are kept


def note_bug(error: Exception) -> None:
    """Log where something went wrong that should not have. Not the words: an exception's text may quote a request."""
    place = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a bug: %s\n%s", type(error).__name__, place)


class SeenRequest(msgspec.Struct, kw_only=True):
    """A request and what became of it. It is filled in while the request is being answered.

    ``number`` counts from 1. ``time``: Unix seconds. ``route``: the path with a placeholder for what varies, such as
    ``/v1/chat/completions/{id}``. ``content``: the body as it was sent, empty for none and for one too large to keep.
    ``code``: of the error, if it was refused. ``answered_by``: the name of the tape, ``echo``, ``store`` for stored
    completions, else empty. ``faults``: those that made a difference. ``outcome``: ``sent``, or why the answer did not
    get to its end. ``seconds``: until it was sent.
    """

    number: int
    time: float
    method: str
    path: str
    route: str = ""
    request_id: str = ""
    content: bytes = b""
    status: int = 0
    code: str = ""
    model: str | None = None
    stream: bool = False
    answered_by: str = ""
    faults: list[str] = msgspec.field(default_factory=list[str])
    outcome: str = ""
    seconds: float = 0.0

    @property
    def body(self) -> Any:
        """The JSON value that was sent; None if there is none."""
        # Read anew each time: a value takes many times the memory of its text, and few are looked at.
        try:
            return read_json(self.content)[0] if self.content else None
        except (StreamProtocolError, StreamLimitError):
            return None


class SeenRequests:
    """The last 200 requests, oldest first, as far as their bodies fit into 16 MiB."""

    def __init__(self) -> None:
        self._kept: deque[SeenRequest] = deque(maxlen=_MOST)
        self.total: int = 0

    def __iter__(self) -> Iterator[SeenRequest]:
        return iter(list(self._kept))

    def begin(self, method: str, path: str) -> SeenRequest:
        """A request that has come in."""
        self.total += 1
        seen = SeenRequest(number=self.total, time=time.time(), method=method, path=path[:_LONGEST_PATH])
        self._kept.append(seen)
        return seen

    def end(self, seen: SeenRequest, outcome: str, seconds: float) -> None:
        """It is over: log it."""
        seen.outcome, seen.seconds = outcome, seconds
        method = seen.method if seen.method in _METHODS else "-"  # any word may stand there
        parts = [method, seen.route, str(seen.status)]
        parts += [seen.code] if seen.code else []
        parts += [seen.answered_by] if seen.answered_by else []
        parts += [f"fault {', '.join(seen.faults)}"] if seen.faults else []
        parts += [outcome] if outcome != "sent" else []
        line = "".join(
            letter if letter.isprintable() else "\ufffd" for letter in " ".join(parts)
        )  # a tape's name is any
        logger.info("%s in %.0f ms", line, seconds * 1000)
        self._forget_bodies()

    def _forget_bodies(self) -> None:
        left = _MOST_BYTES
        for seen in reversed(self._kept):
            left -= len(seen.content)
            if left < 0:
                seen.content = b""
