"""Which recording answers a request, and as what: the tapes that a server or a cassette plays from."""

from chatstream.recording.library.library import Library, Source, Tape, Turn, tape_files

__all__ = ["Library", "Source", "Tape", "Turn", "tape_files"]
