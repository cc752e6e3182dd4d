"""Blocks of a stream that are like one before.

Most blocks of a stream differ from the one before in a text alone. Such a block needs no parsing to be known for one
that can be a ``j`` line: what stands around the text was parsed, and the text is looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.recording.secrets import Secrets

__all__ = ["Alike"]

_SHORT = 8  # bytes: nothing so short looks like a secret, whatever stands around it
# A text that a JSON string holds as it is, or with the escapes that compact JSON has for it.
_STRING = rb'[^"\\\x00-\x1f]*+(?:\\["\\bfnrt][^"\\\x00-\x1f]*+)*+'
_TEXT = re.compile(rb'"(?:content|arguments|reasoning_content|reasoning|input|text|obfuscation)":"(' + _STRING + rb')"')
_MOST_SHAPES = 16  # that are learned in vain


class Alike:
    """Blocks that are like one that was written: the same but for their texts."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._can = secrets.is_plain
        self._short = min(_SHORT, secrets.shortest)
        self._match: Callable[[bytes], re.Match[bytes] | None] | None = None
        self._credit = _MOST_SHAPES

    def learn(self, block: bytes) -> None:
        """A block that was looked at with care, secrets and all, and is a ``j`` line."""
        texts = list(_TEXT.finditer(block)) if self._can and self._credit else []
        if not texts:
            return
        self._credit -= 1  # to learn costs more than it brings, where no two blocks are alike
        pattern = b""
        at = 0
        for text in texts:
            pattern += re.escape(block[at : text.start(1)]) + b"(" + _STRING + b")"
            at = text.end(1)
        self._match = re.compile(pattern + re.escape(block[at:])).fullmatch

    def text_of(self, block: bytes) -> str | None:
        """The JSON of a block that is like that one, and has no secret in it; None for any other block."""
        found = self._match(block) if self._match else None
        if found is None:
            return None
        for text in found.groups():
            if len(text) >= self._short and self._secrets.may_be_in(text) and self._secrets.spans(b'"' + text + b'"'):
                return None
        try:
            json = block[6:-2].decode()
        except UnicodeDecodeError:
            return None
        self._credit = _MOST_SHAPES
        return json
