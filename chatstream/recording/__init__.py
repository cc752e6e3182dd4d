"""Streams kept in files: ``Recording`` reads and plays one, ``TapeWriter`` writes one.

``tape`` is the format of a line, ``reader`` makes exchanges of lines, ``formats`` knows the other kinds of file.
A ``Fault`` is what a replay can be made to have, and ``inject`` gives the exchange that has it.
"""

from chatstream.recording.exchange import Exchange, Flaw, Form, Read
from chatstream.recording.faults import Fault, FaultName
from chatstream.recording.injection import inject, is_struck
from chatstream.recording.player import AsyncPlayer, Player
from chatstream.recording.recording import Recording
from chatstream.recording.writer import TapeEnd, TapeWriter

__all__ = [
    "AsyncPlayer",
    "Exchange",
    "Fault",
    "FaultName",
    "Flaw",
    "Form",
    "Player",
    "Read",
    "Recording",
    "TapeEnd",
    "TapeWriter",
    "inject",
    "is_struck",
]
