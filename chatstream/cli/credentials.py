"""The secrets that a command shows: those of its own command line, and those of the environment that it runs in.

In go words and variables, out come texts that no tape may have. Rules: a word is looked at as curl would read it, and
as what it is by itself: a header, a URL; what is too short to be a key is left out, since it would be found everywhere.
"""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from chatstream.recording.credentials import credentials_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["secrets_of"]

_HEADER = re.compile(r"(?:-\w*H|--header=?)?\s*([A-Za-z][\w-]*):\s*(\S.*)", re.DOTALL)
_VARIABLE = re.compile(r"(?i)(?:^|_)(?:key|token|secret|password)$")
_SHORTEST = 8  # characters


def secrets_of(words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """What a tape of this command must not have."""
    found = [secret for name, value in _headers(words) for secret in credentials_of({name: value})]
    found += [secret for word in words if "://" in word for secret in credentials_of(url=word)]
    found += [value for name, value in environ.items() if _VARIABLE.search(name) and _is_key(value)]
    return list(dict.fromkeys(found))


def _headers(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The headers that the words stand for."""
    for option, value in pairwise(words):
        if option in {"-u", "--user"}:
            yield "authorization", f"Basic {base64.b64encode(value.encode()).decode()}"
        elif option == "--oauth2-bearer":
            yield "authorization", f"Bearer {value}"
        elif option in {"-b", "--cookie"}:
            yield "cookie", value
    for word in words:
        if header := _HEADER.fullmatch(word):
            yield header[1], header[2]


def _is_key(value: str) -> bool:
    """Whether a variable's value may be a key, and not the place of a file with one."""
    return len(value) >= _SHORTEST and not value.startswith(("/", "~", ".")) and " " not in value
