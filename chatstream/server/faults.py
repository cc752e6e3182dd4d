"""Which faults strike a request.

In go the server's faults and a request's header, out come those that strike it. Rules: a fault that refuses comes
instead of an answer, so no other is seen beside it. What they leave of an answer is known to ``recording.striking``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chatstream.recording import Fault, is_struck
from chatstream.recording.changing.striking import alone, is_refusal
from chatstream.server.http import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FAULT_HEADER", "RequestFaults", "is_refused_by"]

FAULT_HEADER = "x-chatstream-fault"

_MOST_FAULTS = 16  # in one header
_MOST_SPELLINGS = 1000


class RequestFaults:
    """The faults of a server. ``faults`` are for all requests; ``header``: whether a request may ask for others."""

    def __init__(self, faults: Sequence[Fault], *, header: bool, seed: int) -> None:
        self._faults = faults
        self._header = header
        self._seed = seed
        self._requests = 0
        self._spelled: Counter[str] = Counter()  # requests with the same header

    def strike_at(self, headers: Mapping[str, str]) -> list[Fault]:
        """The faults that strike the next request; Refusal for a header that is no fault, or not allowed."""
        asked_for = self._asked_for(headers.get(FAULT_HEADER))
        self._requests += 1
        faults = [fault for fault in self._faults if is_struck(fault, self._requests, seed=self._seed)]
        return alone([*faults, *asked_for])

    def _asked_for(self, text: str | None) -> list[Fault]:
        if text is None:
            return []
        if not self._header:
            message = f"this server takes no {FAULT_HEADER} header; start it with --fault-header"
            raise Refusal(400, message, code="fault_header_off")
        spellings = text.split(";")
        if len(spellings) > _MOST_FAULTS:
            raise Refusal(400, f"{FAULT_HEADER} has more than {_MOST_FAULTS} faults", code="invalid_value")
        try:
            faults = [Fault.parse(one.strip()) for one in spellings]
        except ValueError as error:
            raise Refusal(400, f"{FAULT_HEADER}: {error}", code="invalid_value") from None
        if text not in self._spelled and len(self._spelled) >= _MOST_SPELLINGS:
            self._spelled.clear()
        self._spelled[text] += 1
        return [fault for fault in faults if is_struck(fault, self._spelled[text], seed=self._seed)]


def is_refused_by(spellings: Sequence[str]) -> bool:
    """Whether one of these, as they are told, came instead of an answer."""
    return is_refusal([Fault.parse(spelling) for spelling in spellings])
