"""Who may ask: a page in a browser must not, and where there is a key, nobody without it.

In go a request's headers, out comes nothing, or a Refusal. A server on loopback is within reach of every page that its
user's browser opens. So a name that is not this machine's (DNS rebinding) and a foreign origin are turned away, and a
body must be called JSON, which no form can do. Off loopback there is a key, which no page has, and any name will do.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from chatstream.server.http import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chatstream.server.http import Request

__all__ = ["Guard", "check_json", "is_loopback"]

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::\d*)?", re.ASCII)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether a server bound to this host can be reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Who may ask. ``host``: what the server is bound to; ``api_key``: what must be shown, if anything.

    ValueError for a host that other machines can reach, without a key.
    """

    def __init__(self, *, host: str, api_key: str | None, allowed_hosts: Iterable[str] = ()) -> None:
        if api_key is not None and not api_key.strip():
            raise ValueError("the API key is empty; leave it out where none is needed")
        if not is_loopback(host) and not api_key:
            raise ValueError(f"{host} is not loopback: other machines may reach it, so set an API key to listen there")
        self._key = api_key.encode() if api_key else None
        self.needs_key: bool = self._key is not None
        self._names = {*_LOCAL_NAMES, host.lower(), *map(str.lower, allowed_hosts)} if is_loopback(host) else None

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Turn away what a page of another site may have sent: 403."""
        host = headers.get("host", "")
        if self._names is not None and _name_of(host) not in self._names:
            message = "the Host header names another machine; --allow-host NAME lets a name in"
            raise Refusal(403, message, code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
            raise Refusal(403, "pages of other origins may not ask this server", code="origin_not_allowed")

    def check_key(self, headers: Mapping[str, str], *, browser: bool = False) -> None:
        """Turn away whoever does not show the key: 401. ``browser``: have it asked for, as a password."""
        if self._key is None:
            return
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if hmac.compare_digest(_shown_key(scheme.lower(), shown.strip()), self._key):
            return
        challenge = 'Basic realm="chatstream, the API key as password", charset="UTF-8"' if browser else "Bearer"
        message = "this is not the API key of this server" if shown else "no API key: send Authorization: Bearer KEY"
        raise Refusal(401, message, code="invalid_api_key", headers={"www-authenticate": challenge})


def check_json(request: Request) -> None:
    """Turn away a body that is not called JSON, or is packed: 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "the body must be sent with the header Content-Type: application/json"
        raise Refusal(415, message, code="unsupported_media_type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "a compressed body is not read here", code="unsupported_content_encoding")


def _shown_key(scheme: str, shown: str) -> bytes:
    if scheme == "bearer":
        return shown.encode("latin-1", "replace")
    if scheme == "basic":  # name and password; the name is whatever the browser was told
        try:
            return base64.b64decode(shown, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _name_of(host: str) -> str:
    """The name in a Host header, without its port and the brackets of IPv6; empty for what is no such thing."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""
