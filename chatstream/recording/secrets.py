r"""What must not be written to a tape, and where it stands in a text.

In goes text as bytes, out come the places of secrets in it, or the text with as many ``*`` in their place. Two kinds
are found: what is known to be one, because a request showed it to a service as its credential, or because somebody says
so; and what looks like one: a key with the prefix of a service that issues such, a token, the value of a member or
parameter whose name says that it is secret.

Rules: a known secret is found however it is spelled (as it is, ``\u002d`` in JSON, ``%2D`` in a URL); a length never
changes, so that bounds and offsets stay; of what looks like a secret by its name alone, JSON's strings count, and no
numbers, so that JSON stays JSON.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.recording.credentials import SHORTEST
from chatstream.recording.looks import CERTAIN, LONGEST, LOOKS
from chatstream.recording.tape import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["REQUEST_HEADERS", "RESPONSE_HEADERS", "Secrets", "masked_at"]

# Lists of what may be written, not of what may not: the next service invents the next header that holds a key.
REQUEST_HEADERS: frozenset[str] = frozenset({"accept", "content-type", "user-agent"})
RESPONSE_HEADERS: frozenset[str] = frozenset({"content-type", "openai-processing-ms", "retry-after", "x-request-id"})

# One of these is in all that looks like a secret.
_HINT = re.compile(rb"[-_=:.%\\]|AIza|A[KS]IA|(?i:bearer|basic)")
_LONG = 1500  # bytes of letters and digits: longer than any key
_MARGIN = 100  # bytes of them that are looked at
_OPAQUE = re.compile(rb"[A-Za-z0-9+/]{%d,}+={0,2}" % _LONG)
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')  # of JSON


class Secrets:
    """Texts that must not be written, and whatever looks like one.

    ``known``: secrets as they are; ``patterns``: regular expressions of others, whose first group, if there is one, is
    the secret. TypeError and ValueError for what cannot be one.
    """

    def __init__(self, known: Iterable[str] = (), *, patterns: Iterable[str | re.Pattern[str]] = ()) -> None:
        if isinstance(known, str):
            raise TypeError("secrets are given as a list: a str would be a list of characters")
        texts = list(known)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"a secret is a str, not {type(text).__name__}")
            if not text.strip():
                raise ValueError("a secret is empty")
        # A text is looked at line by line; and the longest first, as one may be the beginning of another.
        lines = {line for text in texts for line in text.splitlines() if len(line) >= SHORTEST}
        self._known: tuple[str, ...] = tuple(sorted({*texts, *lines}, key=lambda text: (-len(text), text)))
        self._patterns: tuple[re.Pattern[bytes], ...] = tuple(map(_as_bytes, patterns))

    @classmethod
    def of(cls, given: Secrets | Iterable[str]) -> Secrets:
        """These secrets, given as such, or as a list of texts."""
        return given if isinstance(given, Secrets) else cls(given)

    def also(self, known: Iterable[str]) -> Self:
        """These secrets and more."""
        more = {text for text in known if text.strip()} - set(self._known)
        if not more:
            return self
        both = type(self)([*self._known, *more])
        both._patterns = self._patterns  # noqa: SLF001  its own kind
        return both

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets stand in a text, in order: start and end of each; those that touch are one."""
        found = [match.span() for match in self._known_in(data)]
        for start, stop, end in _transparent(data):
            spans = _looking_in(data[start:stop])
            # What goes on where nobody looks goes on to the end of that.
            found += [(start + at, end if start + to == stop else start + to) for at, to in spans]
        for pattern in self._patterns:
            found += [match.span(1 if pattern.groups else 0) for match in pattern.finditer(data)]
        return _joined(found)

    def may_be_in(self, words: bytes) -> bool:
        """Whether a text is worth looking at: no, if it holds nothing that all secrets have one of."""
        return bool(_HINT.search(words) or self._patterns or any(plain in words for plain in self._plain))

    def masked(self, data: bytes) -> tuple[bytes, int]:
        """The text with ``*`` for each byte of a secret, and how many there were."""
        spans = self._unmasked(data)
        return (masked_at(data, spans), len(spans)) if spans else (data, 0)

    def masked_json(self, text: bytes) -> tuple[bytes, int]:
        """The same of JSON text, which stays such: a secret over a string's end takes all strings that it touches."""
        spans = self._unmasked(text)
        if not spans:
            return text, 0
        masked = masked_at(text, spans)
        if not _is_json(masked):
            touched = [string.span(1) for string in _STRING.finditer(text) if _touches(string.span(1), spans)]
            masked = masked_at(text, touched)
        return masked, len(spans)

    def masked_value(self, value: Any) -> tuple[Any, int]:
        """The JSON value with ``*`` for each character of a secret, and how many there were."""
        masked, count = self.masked_json(json_text(value).encode())
        return (read_json(masked)[0], count) if count else (value, 0)

    def masked_url(self, url: str) -> tuple[str, int]:
        """The URL with ``*`` for each character of a secret in it, and how many there were."""
        masked, count = self.masked(url.encode())
        return masked.decode("utf-8", "replace"), count

    def named_in(self, data: bytes) -> list[str]:
        """What is for certain a secret in JSON text, by its name or prefix; what is short or escaped is left out."""
        found = [match[1] for pattern in CERTAIN for match in pattern.finditer(data)]
        return [text.decode("utf-8", "replace") for text in found if len(text) >= SHORTEST and b"\\" not in text]

    @property
    def shortest(self) -> int:
        """Bytes of the shortest that is known; more than any has if none is."""
        return min(map(len, self._plain), default=LONGEST)

    @property
    def is_plain(self) -> bool:
        """Whether no secret has a quote in it, or is given as a pattern: then none reaches over the end of a string."""
        return not self._patterns and not any('"' in text or "\\" in text for text in self._known)

    def _unmasked(self, data: bytes) -> list[tuple[int, int]]:
        # Nothing is a secret any more that is masked already: a tape that is scrubbed again stays as it is.
        return [(start, end) for start, end in self.spans(data) if data[start:end].strip(b"*")]

    def _known_in(self, data: bytes) -> Iterable[re.Match[bytes]]:
        if not self._known:
            return ()
        is_escaped = b"\\" in data or b"%" in data
        if not is_escaped and not any(plain in data for plain in self._plain):
            return ()
        return self._spelled.finditer(data)

    @cached_property
    def _plain(self) -> tuple[bytes, ...]:
        return tuple(text.encode("utf-8", "surrogatepass") for text in self._known)

    @cached_property
    def _spelled(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(map(_spellings, self._known)))

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._known)} known, {len(self._patterns)} patterns>"


def _transparent(data: bytes) -> list[tuple[int, int, int]]:
    """The parts of a text where there is something to look for: all but pictures and sounds, in base64.

    Start and stop of each, and where what follows it ends.
    """
    parts: list[tuple[int, int, int]] = []
    start = 0
    for opaque in _OPAQUE.finditer(data) if len(data) > _LONG else ():
        parts.append((start, opaque.start() + _MARGIN, opaque.end()))
        start = opaque.end()
    return [*parts, (start, len(data), len(data))]


def _looking_in(data: bytes) -> list[tuple[int, int]]:
    """Where something stands that looks like a secret."""
    found: list[tuple[int, int]] = []
    lower = data.lower()
    for look in LOOKS:
        for word in look.words:
            if word in lower:
                found += [match.span(1) for match in look.pattern.finditer(data)]
                break
    return found


def masked_at(data: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The text with ``*`` for each byte there."""
    masked = bytearray(data)
    for start, end in spans:
        masked[start:end] = b"*" * (end - start)
    return bytes(masked)


def _is_json(text: bytes) -> bool:
    try:
        read_json(text)
    except (StreamProtocolError, StreamLimitError):
        return False
    return True


def _touches(place: tuple[int, int], spans: list[tuple[int, int]]) -> bool:
    return any(start < place[1] and place[0] < end for start, end in spans)


def _spellings(text: str) -> bytes:
    """A pattern of a text in which each character may be escaped as JSON or a URL does it."""
    return b"".join(map(_character, text))


def _character(character: str) -> bytes:
    raw = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    in_json = "".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)).encode()
    in_url = "".join(f"%(?i:{byte:02x})" for byte in raw).encode()
    backslash = rb"\\*" if character in '"\\/' else b""
    return rb"(?:" + backslash + re.escape(raw) + rb"|" + in_json + rb"|" + in_url + rb")"


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _as_bytes(pattern: str | re.Pattern[str]) -> re.Pattern[bytes]:
    source, flags = (pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else (pattern, 0)
    if not isinstance(source, str):
        raise TypeError(f"a pattern is a str, or one that was compiled from one, not of {type(source).__name__}")
    try:
        compiled = re.compile(source.encode(), flags & ~re.UNICODE)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    if compiled.match(b""):
        raise ValueError("a pattern that finds a secret in nothing finds it everywhere")
    return compiled
