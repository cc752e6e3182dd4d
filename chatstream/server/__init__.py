"""A server of the Chat Completions API for tests, demos and offline work: it replays tapes, or answers by itself.

``ReplayServer`` is the server, ``RecordingProxy`` makes the tapes: it stands before a service. The rooms:
``listener``, ``sockets`` and ``connection`` speak HTTP, ``routes`` knows who answers what, ``echo`` makes an answer up,
``store`` keeps them, ``passage`` is an exchange on its way through the proxy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chatstream.server.limits import ServerLimits
from chatstream.server.seen import SeenRequest
from chatstream.server.server import ReplayServer

if TYPE_CHECKING:
    from chatstream.server.proxy import RecordingProxy

__all__ = ["RecordingProxy", "ReplayServer", "SeenRequest", "ServerLimits"]


def __getattr__(name: str) -> Any:
    if name == "RecordingProxy":  # it needs an HTTP library, and the server does not
        return import_module("chatstream.server.proxy").RecordingProxy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
