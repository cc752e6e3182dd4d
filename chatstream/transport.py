"""What a source raises, sorted by who is to blame for it.

In goes an exception of whatever library a source stands on, out comes one of our errors, or None. Rules: what happened
because of the peer becomes one of ours, and what is somebody's own mistake does not; libraries are told by their names,
so that none has to be imported.
"""

from __future__ import annotations

import zlib
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from chatstream.errors import (
    APIConnectionError,
    APIStreamError,
    APITimeoutError,
    ChatStreamError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamProtocolError,
)

if TYPE_CHECKING:
    from chatstream.errors import TimeoutPhase

__all__ = ["transport_error"]

_TRANSPORTS = frozenset({
    "httpx", "httpcore", "httpx2", "httpcore2", "h11", "h2", "anyio", "trio", "aiohttp", "requests", "urllib3",
    "http", "openai", "websockets", "ssl", "socket",
})  # fmt: skip
_PHASES: dict[str, TimeoutPhase] = {
    "ConnectTimeout": "connect",
    "PoolTimeout": "pool",
}


def transport_error(error: Exception, *, bytes_seen: bool) -> ChatStreamError | None:
    """What a source raised because of its peer, as one of our errors; None for what is somebody's own mistake."""
    if isinstance(error, ChatStreamError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    library = type(error).__module__.partition(".")[0]
    ours: ChatStreamError | None = None
    if isinstance(error, TimeoutError) or (library in _TRANSPORTS and any("Timeout" in name for name in names)):
        idle: TimeoutPhase = "idle" if bytes_seen else "first_byte"
        phases: list[TimeoutPhase] = [phase for name, phase in _PHASES.items() if name in names]
        ours = APITimeoutError(phase=phases[0] if phases else idle)
    elif library == "openai" and "APIConnectionError" not in names and "APIError" in names:
        ours = _sdk_error(error)
    elif names & {"ConnectError", "StreamConsumed", "StreamClosed"}:
        connect = "ConnectError" in names
        ours = APIConnectionError("no connection") if connect else StreamConsumedError("it was read or closed already")
    elif isinstance(error, JSONDecodeError | UnicodeDecodeError):
        ours = StreamProtocolError(f"the source could not read what it got ({type(error).__name__})")
    elif isinstance(error, OSError | EOFError | zlib.error) or library in _TRANSPORTS:
        ours = StreamInterruptedError(f"the connection broke off ({type(error).__name__})")
    if ours is not None:
        ours.__cause__ = error
    return ours


def _sdk_error(error: Any) -> ChatStreamError:
    """An error that the OpenAI SDK read from the stream."""
    body = getattr(error, "body", None)
    message = str(getattr(error, "message", ""))
    if "JSON" in message and body is None:
        return StreamProtocolError(message)
    code = getattr(error, "code", None)
    return APIStreamError(message, type=getattr(error, "type", None), code=code, body=body)
