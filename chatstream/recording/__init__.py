"""Streams kept in files: ``Recording`` reads and plays one, ``TapeWriter`` writes one.

``tape`` is the format of a line, ``reader`` makes exchanges of lines, ``formats`` knows the other kinds of file.
"""

from chatstream.recording.exchange import Exchange, Flaw, Form, Read
from chatstream.recording.player import AsyncPlayer, Player
from chatstream.recording.recording import Recording
from chatstream.recording.writer import TapeEnd, TapeWriter

__all__ = ["AsyncPlayer", "Exchange", "Flaw", "Form", "Player", "Read", "Recording", "TapeEnd", "TapeWriter"]
