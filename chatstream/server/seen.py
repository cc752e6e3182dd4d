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
from typing import Any

import msgspec

__all__ = ["SeenRequest", "SeenRequests", "note_bug"]

logger = logging.getLogger("chatstream.server")

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
    ``/v1/chat/completions/{id}``. ``body``: the JSON value that was sent, None for none or one too large to keep.
    ``answered_by``: the name of the tape, ``echo``, ``store``, or empty for what was refused. ``faults``: those that
    struck. ``outcome``: ``sent``, or why the answer did not get to its end. ``seconds``: until it was sent.
    """

    number: int
    time: float
    method: str
    path: str
    route: str = ""
    request_id: str = ""
    body: Any = None
    size: int = 0
    status: int = 0
    model: str | None = None
    stream: bool = False
    answered_by: str = ""
    faults: list[str] = msgspec.field(default_factory=list[str])
    outcome: str = ""
    seconds: float = 0.0


class SeenRequests:
    """The last 200 requests, oldest first, as far as their bodies fit into 16 MiB."""

    def __init__(self) -> None:
        self._kept: deque[SeenRequest] = deque(maxlen=_MOST)
        self.total = 0

    def __iter__(self) -> Any:
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
        parts = [method, seen.route or "(no such path)", str(seen.status)]
        parts += [seen.answered_by] if seen.answered_by else []
        parts += [f"fault {', '.join(seen.faults)}"] if seen.faults else []
        parts += [outcome] if outcome != "sent" else []
        logger.info("%s in %.0f ms", " ".join(parts), seconds * 1000)
        self._forget_bodies()

    def _forget_bodies(self) -> None:
        left = _MOST_BYTES
        for seen in reversed(self._kept):
            left -= seen.size
            if left < 0:
                seen.body, seen.size = None, 0
