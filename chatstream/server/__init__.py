"""A server of the Chat Completions API for tests, demos and offline work: it replays tapes, or answers by itself.

``ReplayServer`` is the server. The rooms: ``sockets`` and ``connection`` speak HTTP, ``routes`` knows who answers what,
``library`` finds the tape that matches, ``playing`` turns a recording into an answer, ``echo`` makes one up, ``store``
keeps them.
"""

from chatstream.server.limits import ServerLimits
from chatstream.server.seen import SeenRequest
from chatstream.server.server import ReplayServer

__all__ = ["ReplayServer", "SeenRequest", "ServerLimits"]
