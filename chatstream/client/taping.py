"""Recording what a client asks and is answered: each attempt is an exchange of its own.

In go calls and how they end, out go tees of a recorder. Rules: what a call holds is handed over whole, its key among
it: the recorder has to know what it must not write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from chatstream.errors import APITimeoutError
from chatstream.recording.recorder import Recorder

if TYPE_CHECKING:
    from chatstream.client.call import Call
    from chatstream.recording import TapeEnd
    from chatstream.recording.recorder import Take

__all__ = ["asked_of", "begin_take", "end_take", "recorder_for"]


def recorder_for(record: Any) -> Recorder | None:
    """The recorder that a client writes with: what was handed in, or one for this target."""
    if record is None or isinstance(record, Recorder):
        return record
    return Recorder(record)


def begin_take(recorder: Recorder | None, call: Call) -> Take | None:
    """The tee of an attempt, if there is anything to record it."""
    return None if recorder is None else recorder.begin(**asked_of(call))


def asked_of(call: Call) -> dict[str, Any]:
    """What a call asks, as a recorder takes it."""
    url = f"{call.url}?{urlencode(call.query)}" if call.query else call.url
    return {"method": call.method, "url": url, "headers": call.headers, "body": call.body}


def end_take(take: Take | None, error: Exception) -> None:
    """End the tape of an attempt that failed so."""
    if take is not None:
        kind: TapeEnd = "timeout" if isinstance(error, APITimeoutError) else "error"
        take.end(kind, error)
