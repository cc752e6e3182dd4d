"""Streams kept in files: ``Recording`` reads and plays one, ``TapeWriter`` writes one.

A ``Recorder`` writes beside live streams. A ``Fault`` is what a replay can be made to have, and ``inject`` gives the
exchange that has it. The transports record what clients on httpx or httpx2 send, or answer it from tapes; which of the
two, a ``Cassette`` decides. They are loaded when they are first used, so that recordings need no HTTP library.

``tape`` is the format of a line, ``reader`` makes exchanges of lines; ``files`` knows the other kinds of file,
``changing`` how an exchange is changed, ``writing`` how a tape is written, ``library`` which tape answers a request.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from chatstream.recording.changing.injection import inject, is_struck
from chatstream.recording.exchange import Exchange, Flaw, Form, Note, Read
from chatstream.recording.faults import Fault, FaultName
from chatstream.recording.player import AsyncPlayer, Player
from chatstream.recording.recorder import Recorder, Take
from chatstream.recording.recording import Recording
from chatstream.recording.secrets import Secrets
from chatstream.recording.writer import TapeWriter
from chatstream.recording.writing.composing import TapeEnd

if TYPE_CHECKING:
    from chatstream.recording.transports.async_transport import AsyncRecordingTransport, AsyncReplayTransport
    from chatstream.recording.transports.cassette import Cassette, Miss, Mode
    from chatstream.recording.transports.transport import RecordingTransport, ReplayTransport

__all__ = [
    "AsyncPlayer",
    "AsyncRecordingTransport",
    "AsyncReplayTransport",
    "Cassette",
    "Exchange",
    "Fault",
    "FaultName",
    "Flaw",
    "Form",
    "Miss",
    "Mode",
    "Note",
    "Player",
    "Read",
    "Recorder",
    "Recording",
    "RecordingTransport",
    "ReplayTransport",
    "Secrets",
    "Take",
    "TapeEnd",
    "TapeWriter",
    "inject",
    "is_struck",
]

_HOMES = {
    "AsyncRecordingTransport": "transports.async_transport",
    "AsyncReplayTransport": "transports.async_transport",
    "Cassette": "transports.cassette",
    "Miss": "transports.cassette",
    "Mode": "transports.cassette",
    "RecordingTransport": "transports.transport",
    "ReplayTransport": "transports.transport",
}


def __getattr__(name: str) -> object:
    """Load a name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
