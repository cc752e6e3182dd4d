"""What a request shows to be let in: the values of its headers and its URL that nobody else may read.

In go headers and a URL, out come texts. Rules: a name tells, or a value that looks like nothing but a key; what every
client sends is left out, and so are short values, which are words and would spoil the text they turn up in.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from chatstream.recording.looks import IN_QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SHORTEST", "credentials_of", "hold_credentials"]

SHORTEST = 8  # characters of a credential that is remembered
_DIGITS_AND_LETTERS = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w.+/=~-]{20,}")
_CREDENTIAL = re.compile(
    r"authori[sz]ation|(?:^|[-_])auth(?:[-_]|$)|(?:api|access|subscription)[-_]?key|(?:^|(?<!idempotency)[-_])key$"
    r"|token(?!s)|secret|password|cookie"
)
# Headers that every client sends, and whose values may well be long: nothing in them is worth hiding.
_ORDINARY = re.compile(
    r"accept|cache-control|connection|content-|date|etag|expires|host$|idempotency|if-|openai-|referer|server|te$|"
    r"traceparent|tracestate|transfer-encoding|user-agent|vary|via|x-request-id|x-stainless-"
)


def hold_credentials(names: Iterable[str]) -> bool:
    """Whether a header is among them that is known to carry a key, a password or a session."""
    return any(_CREDENTIAL.search(name.lower()) for name in names)


def credentials_of(headers: Mapping[str, str] | None = None, url: str = "") -> list[str]:
    """What a request shows to be let in: the values of its headers and URL that may be keys, short ones left out."""
    found: list[str] = []
    for name, value in (headers or {}).items():
        if hold_credentials([name]):
            found += _parts(value)
        elif not _ORDINARY.match(name.lower()) and _DIGITS_AND_LETTERS.fullmatch(value.strip()):
            found.append(value.strip())
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, max_num_fields=1000)
        found += [unquote(part) for part in (parts.username, parts.password) if part]
    except ValueError:
        query = []
    named = re.compile(rb"(?i)" + IN_QUERIES)
    found += [value for name, value in query if named.fullmatch(name.encode("utf-8", "replace"))]
    return [text for text in dict.fromkeys(found) if len(text) >= SHORTEST]


def _parts(value: str) -> list[str]:
    """The value of a header that lets in, and what of it may turn up alone: without its scheme, or decoded."""
    scheme, _, rest = value.strip().partition(" ")
    found = [value.strip(), rest.strip()]
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return found
        return [*found, user, password]
    # Cookies and the like: name=value; name=value
    return [*found, *(part.partition("=")[2].strip() for part in value.split(";") if "=" in part)]
