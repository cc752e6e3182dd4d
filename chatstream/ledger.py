"""The ledger of one completion: what its choices share.

The marks of everything that grows, what is left of each limit, and what was odd. Rules: a charge is made before the
thing is kept, so that what is over a limit was never merged.
"""

from __future__ import annotations

from typing import Any

from chatstream.ends import Anomaly, AnomalyKind, Limits
from chatstream.errors import StreamLimitError
from chatstream.text import Text

__all__ = ["Ledger", "approximate_size"]

_UNLIMITED = 2**62


class Ledger:
    """Marks, limits and notes of one completion."""

    __slots__ = (
        "_calls_left", "_extras_left", "_notes", "begun", "changes", "completion_id", "event_number", "event_size",
        "limits", "marks", "max_arguments", "short_events", "text_left",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self.limits: Limits = limits
        self.marks: list[int] = []
        self.max_arguments: int = _UNLIMITED if limits.max_arguments is None else limits.max_arguments
        self.text_left: int = _UNLIMITED if limits.max_text is None else limits.max_text
        self._extras_left = _UNLIMITED if limits.max_extras is None else limits.max_extras
        self._calls_left = _UNLIMITED if limits.max_tool_calls is None else limits.max_tool_calls
        self._notes: dict[AnomalyKind, list[int]] = {}
        self.begun: int = 0  # parts that began
        self.changes: int = 0  # of anything but values that grow, as far as frames do not show it
        self.event_number: int = 0  # of those that went the general way
        self.short_events: int = 0  # how many went the short one: each was a chunk
        self.event_size: int = 0  # bytes, about: what lists of tokens are charged by, since counting them costs as much
        self.completion_id: Any = None

    def text(self) -> Text:
        """A new text with a mark of its own."""
        return Text(self.marks)

    def mended(self, text: Text, fragment: str) -> str:
        """The fragment as it can be appended to the text; half a surrogate pair at its end waits there."""
        if fragment.isascii() and not text.half:
            return fragment
        mended = text.mended(fragment)
        if mended.count("\ufffd") > fragment.count("\ufffd"):
            self.note("lone_surrogate")
        return mended

    def charge_text(self, characters: int) -> None:
        """Count characters that are about to be kept; StreamLimitError if there is no room for them."""
        self.text_left -= characters
        if self.text_left < 0:
            raise StreamLimitError(limit="max_text", value=self.limits.max_text)

    def charge_plain_text(self, characters: int) -> bool:
        """Count characters if there is room for them; whether there was."""
        left = self.text_left - characters
        if left < 0:
            return False
        self.text_left = left
        return True

    def charge_event(self) -> None:
        """Count an event whose lists of tokens are about to be kept, once."""
        size, self.event_size = self.event_size, 0
        self.charge_text(size)

    def charge_extras(self, size: int) -> None:
        """Count bytes of unknown members that are about to be kept (negative: that were let go)."""
        self.changes += 1
        self._extras_left -= size
        if self._extras_left < 0:
            raise StreamLimitError(limit="max_extras", value=self.limits.max_extras)

    def charge_call(self) -> None:
        """Count a tool call that is about to be opened."""
        self.changes += 1
        self._calls_left -= 1
        if self._calls_left < 0:
            raise StreamLimitError(limit="max_tool_calls", value=self.limits.max_tool_calls)

    def note(self, kind: AnomalyKind) -> None:
        """Remember something odd: one record a kind."""
        self.changes += 1
        seen = self._notes.get(kind)
        if seen is None:
            self._notes[kind] = [self.event_number + self.short_events, 1]
        else:
            seen[1] += 1

    def anomalies(self) -> list[Anomaly]:
        """What was odd so far, in the order in which each kind was first seen."""
        return [Anomaly(kind, first, count) for kind, (first, count) in self._notes.items()]


def approximate_size(value: Any) -> int:
    """About the bytes that a JSON value takes to hold; at least 16 a value, so that empty ones are not free."""
    kind = type(value)
    if kind is str:
        return 16 + len(value)
    size = 16
    if kind is dict:
        for key, inner in value.items():
            size += 16 + len(key) + approximate_size(inner)
    elif kind is list:
        for inner in value:
            size += approximate_size(inner)
    return size
