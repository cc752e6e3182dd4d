"""Where a client's requests go: which base URLs are fit for it, and which lie near enough for a key in the clear.

In goes a URL as the caller has it, out comes one that HTTP libraries and the socket take without a word. Rules: what
they would trip over later, each with an error of its own, is refused here; no message shows any of it, since a key may
be in there, or be given in its place.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["check_base_url", "is_near"]

_LONGEST_URL = 4096  # characters: servers take 8,000 of a request line, and httpx raises past 65,536
_LONGEST_NAME = 253  # characters, as DNS has it
_HIGHEST_PORT = 65535

_URL = re.compile(r"(?i:(https?)://)([^/?#]*)([^?#]*)")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?\]|[^\[\]:@]*)(?::([0-9]{0,5}))?")
_FOUR_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
# Narrower than what httpx takes: to look a name up, Python cuts it into labels, and empty and long ones are a
# UnicodeError, which no HTTP library turns into its own.
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")


def check_base_url(url: object, what: str = "base_url") -> str:
    """The URL that paths are put behind: its host in ASCII and lower case, no slash at its end.

    ``url`` is a str, or a URL object of an HTTP library. Raises TypeError and ValueError, naming ``what``.
    """
    if not isinstance(url, str) and not (hasattr(url, "scheme") and hasattr(url, "host")):
        raise TypeError(f"{what}: expected a str or a URL, got {type(url).__name__}")
    text = str(url)
    if len(text) > _LONGEST_URL:
        raise ValueError(f"{what}: expected at most {_LONGEST_URL} characters, got {len(text)}")
    if not text.isprintable() or " " in text:
        raise ValueError(f"{what}: control characters and spaces are not allowed")
    parts = _URL.match(text)
    if parts is None:
        raise ValueError(f"{what}: expected a URL that begins with http:// or https://")
    scheme, authority, path = parts.groups()
    if "@" in authority:
        raise ValueError(f"{what}: a user name or password is not allowed; api_key or default_headers take credentials")
    if parts.end() < len(text):
        raise ValueError(f"{what}: a query or fragment is not allowed; default_query takes parameters")
    return f"{scheme.lower()}://{_check_authority(authority, what)}{path.rstrip('/')}"


def is_near(base_url: str) -> bool:
    """Whether a checked URL is one of this machine or of a private network, going by what is written in it alone.

    So any name but localhost is far: it may be anybody's by tomorrow. 127.1 and 0x7f.1 are names here, which every
    resolver reads as it likes.
    """
    parts = _URL.match(base_url)
    authority = _AUTHORITY.fullmatch(parts[2]) if parts else None
    host = authority[1].strip("[]") if authority else ""
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return _is_private(address)


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # Pythons differ in what they say of the other one
    return address.is_private or address.is_link_local


def _check_authority(authority: str, what: str) -> str:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError(f"{what}: expected a host name or an address (IPv6 in brackets), and perhaps a port")
    host, port = parts.groups()
    if not host:
        raise ValueError(f"{what}: expected a host after http:// or https://")
    if port and not 0 < int(port) <= _HIGHEST_PORT:
        raise ValueError(f"{what}: expected a port from 1 to {_HIGHEST_PORT}")
    try:
        host = f"[{IPv6Address(host[1:-1])}]" if host.startswith("[") else _check_name(host.lower())
    except ValueError:  # what it says shows the host
        raise ValueError(f"{what}: its host is neither a host name nor an IP address") from None
    return f"{host}:{int(port)}" if port else host


def _check_name(name: str) -> str:
    """The name or IPv4 address as it goes over the wire; ValueError if nothing can have it."""
    if _FOUR_NUMBERS.fullmatch(name):
        return str(IPv4Address(name))
    if not name.isascii() or name.startswith("xn--"):
        import idna  # httpx asks it about the same names, and lets its errors through

        name = idna.encode(name).decode("ascii")
        idna.decode(name)
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, name.removesuffix(".").split("."))):
        raise ValueError("no host name")
    return name
