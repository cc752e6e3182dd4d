"""What a peer may ask of the server before it is turned away: sizes, numbers, and seconds for slow ones."""

from __future__ import annotations

import msgspec

__all__ = ["ServerLimits"]


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a server, each far above what a client that means well needs. Sizes are bytes, times seconds."""

    max_connections: int = 1000  # more of them are answered with 503
    max_head: int = 64 * 1024  # of a request line and its headers
    max_body: int = 32 * 2**20  # images travel in bodies, as base64
    head_timeout: float = 15.0  # from the first byte of a request to the end of its headers
    body_timeout: float = 60.0  # from the end of the headers to the end of the body
    idle_timeout: float = 75.0  # between two requests on one connection
    write_timeout: float = 60.0  # without a byte being taken, by a client that does not read
