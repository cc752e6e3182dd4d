"""Which headers a caller may have sent.

In go names and values as the caller has them, out come headers that HTTP libraries take without a word. Rules: a
message names the parameter and the header, and never shows a value; nothing is mended, as a key with a line break is
not the key that its owner looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["check_given", "check_headers", "check_value"]

_SHOWN = 40  # characters of a name in an error message
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = {"content-length", "transfer-encoding"}


def check_headers(headers: Mapping[str, str | None] | None, what: str = "default_headers") -> dict[str, str | None]:
    """The headers with their names in lower case; None for a value leaves the header out of a request.

    Raises TypeError and ValueError, naming ``what`` and the header.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"{what}: expected a mapping of names to values, got {type(headers).__name__}")
    checked: dict[str, str | None] = {}
    for name, value in headers.items():
        _check_name(name, what)
        checked[name.lower()] = None if value is None else check_value(value, f"{what}[{name[:_SHOWN]!r}]")
    return checked


def check_given(value: object, what: str) -> str:
    """The value of a parameter that makes up a header by itself: checked, and not empty."""
    checked = check_value(value, what)
    if not checked:
        raise ValueError(f"{what}: is empty; leave it out instead")
    return checked


def check_value(value: object, what: str) -> str:
    """The value of a header, which is ASCII without control characters; TypeError and ValueError name ``what``."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: expected a str, got {type(value).__name__}")
    if "\n" in value or "\r" in value:
        raise ValueError(f"{what}: holds a line break (was it read from a file?)")
    if _CONTROL.search(value):
        raise ValueError(f"{what}: holds a control character; of those only a tab is allowed")
    if not value.isascii():  # httpx writes headers in ASCII, and raises for anything else
        raise ValueError(f"{what}: holds a character that is not ASCII")
    if value != value.strip():
        raise ValueError(f"{what}: begins or ends with a space or a tab")
    return value


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{what}: expected a str as the name of a header, got {type(name).__name__}")
    begin = _TOKEN.match(name)
    if begin is None or begin.end() < len(name):
        # Shown as far as it is a name: somebody may have written the whole line there, and the key with it.
        shown = begin[0][:_SHOWN] if begin else ""
        raise ValueError(
            f"{what}: the name that begins {shown!r} is none: letters, digits and !#$%&'*+-.^_`|~ are allowed"
        )
    if name.lower() in _FRAMING:
        raise ValueError(f"{what}[{name!r}]: is not to be given, as it follows from the body")
