"""What is picked out of events as they come: the texts, the chunks.

In go events and a function, out comes what the function makes of each, where it makes something. Rules: an iterator and
no generator, so that stopping early leaves nothing to be finished.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncPicked", "Picked"]


class Picked(Iterator[Any]):
    """What a function makes of events, where it makes something."""

    def __init__(self, events: Iterator[Any], pick: Callable[[Any], Any]) -> None:
        self._events = events
        self._pick = pick

    def __next__(self) -> Any:
        while True:
            picked = self._pick(next(self._events))
            if picked is not None:
                return picked


class AsyncPicked(AsyncIterator[Any]):
    """The same of events that are waited for."""

    def __init__(self, events: AsyncIterator[Any], pick: Callable[[Any], Any]) -> None:
        self._events = events
        self._pick = pick

    async def __anext__(self) -> Any:
        while True:
            picked = self._pick(await anext(self._events))
            if picked is not None:
                return picked
