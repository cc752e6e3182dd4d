r"""What secrets look like, as patterns.

A key has the prefix of a service that issues such; other secrets stand behind a name or a word that says so. Rules: a
pattern takes time in proportion to the text, whatever that is; its first group is the secret. ``token`` and ``key`` are
words of the API itself, and name no secret by themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["CERTAIN", "IN_QUERIES", "LONGEST", "LOOKS", "Look"]

LONGEST = 4096  # bytes of what looks like a secret: what is longer is no key

_KEY_NAMES = rb"(?:api|access|account|auth|encryption|master|private|secret|signing|subscription)[-_]?keys?"
_TOKEN_NAMES = rb"(?:access|api|auth|bearer|bot|csrf|id|private|refresh|security|session)[-_]?token"
_NAMES = (
    rb"(?:" + _KEY_NAMES + rb"|" + _TOKEN_NAMES + rb"|secret|password|passwd|passphrase|(?<![A-Za-z])pwd|authorization"
    rb"|(?<![A-Za-z])cookie)"
)
_IN_QUERIES = rb"[\w.-]{0,40}?(?:api[-_]?key|token|secret|password|signature|credential|subscription-key)"
_SHORT_IN_QUERIES = rb"(?:key|auth|sig|pwd)"  # words, too: their values are longer than what an example has
IN_QUERIES: bytes = _IN_QUERIES + rb"|" + _SHORT_IN_QUERIES


class Look(NamedTuple):
    """What a kind of secret looks like: one of the words is in the text in lower case, and the pattern finds it."""

    words: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


def _look(words: str, pattern: bytes) -> Look:
    return Look(tuple(word.encode() for word in words.split()), re.compile(pattern))


# A member of a JSON object by its name, and its value.
_NAMED = re.compile(rb"(?i)" + _NAMES + rb'"\s*:\s*"((?:[^"\\\r\n]|\\[^\r\n]){1,4000})')
_NAMED_WORDS = "key token secret passw passphrase pwd authorization cookie"

_KEYS: tuple[Look, ...] = (
    # Keys by their prefixes, as the services issue them. Those of three letters or fewer are also parts of other words.
    _look(
        "sk- pk_ sk_ rk_ sess- nvapi- pplx- csk- xai- tvly- glpat- github_pat_ dop_v1_ lin_api_ whsec_",
        rb"(?<![A-Za-z0-9])((?:sk-|(?:[spr]k_(?:live|test)_)|sess-|nvapi-|pplx-|csk-|xai-|tvly-|glpat-|github_pat_|"
        rb"dop_v1_|lin_api_|whsec_)[\w-]{8,4000})",
    ),
    _look(
        "hf_ gsk_ r8_ fw_ npm_ ghp_ gho_ ghu_ ghs_ ghr_",
        rb"(?<![A-Za-z0-9])((?:hf|gsk|r8|fw|npm|gh[pousr])_[A-Za-z0-9]{16,4000})",
    ),
    _look("xox", rb"(?<![A-Za-z0-9])(xox[a-z]-[\w-]{8,4000})"),
    _look("aiza", rb"(?<![A-Za-z0-9])(AIza[\w-]{30,50})"),
    _look("akia asia", rb"(?<![A-Za-z0-9])((?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])"),
    _look("ya29.", rb"(?<![A-Za-z0-9])(ya29\.[\w-]{10,4000})"),
    _look("sg.", rb"(?<![\w-])(SG\.[\w-]{16,100}\.[\w-]{16,100})"),
    _look("eyj", rb"(?<![\w-])(eyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]{0,4000})?)"),
    _look("private key", rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----((?:\\+[nr]|[A-Za-z0-9+/=,: -]){16,4000})"),
)  # fmt: skip
LOOKS: tuple[Look, ...] = (
    *_KEYS,
    # What stands behind a word that says so.
    _look(
        "bearer basic",
        rb"(?<![A-Za-z0-9])(?i:bearer|basic)(?: |\\+t|%20|\+){1,4}"
        rb"(?=[\w.~+/-]{0,200}[0-9=]|[\w.~+/-]{0,200}[a-z][A-Z][\w.~+/-]{16})([\w.~+/=-]{8,4000})",
    ),
    _look("authorization", rb"(?i)authorization\W{1,8}(?:bearer|basic|token) {1,3}([^\s\"'\\,;]{6,4000})"),
    Look(tuple(_NAMED_WORDS.encode().split()), _NAMED),
    _look(
        _NAMED_WORDS,
        rb"(?i)" + _NAMES + rb"(?:\\+\"|')\s*[:=]\s*(?:\\+\"|')((?:[^\"'\\\r\n]|\\+[^\"'\\\r\n]){1,4000})",
    ),
    _look(
        _NAMED_WORDS,
        rb"(?i)" + _NAMES + rb"\s{0,3}[:=]\s{0,3}(?:(?:bearer|basic|token) )?(?:\\*[\"'])?"
        rb"(?![\w.]{1,100}[(\[])(?=[^\s\"'\\]{0,100}[0-9]|[^\s\"'\\]{16})([^\s\"'\\,;&<>{}\[\]()]{6,4000})",
    ),
    _look("cookie", rb"(?i)(?<![A-Za-z0-9])(?:set-)?cookie\s{0,3}[:=]\s{0,3}([\w.-]{1,100}=[^\"'\\\r\n]{4,4000})"),
    _look("=", rb"(?i)(?:[?&]|\A)" + _IN_QUERIES + rb"=(?![\w.]{1,100}[(\[])([^&\s\"'\\<>#]{1,4000})"),
    _look("=", rb"(?i)[?&]" + _SHORT_IN_QUERIES + rb"=([^&\s\"'\\<>#]{6,4000})"),
    _look("://", rb"://[^/\s:@\"'\\]{0,100}:([^/\s@\"'\\]{1,200})@"),
    _look("://", rb"://([^/\s:@\"'\\]{8,200})@"),
)  # fmt: skip

# What is a secret wherever it stands, and not only where a word before it says so.
CERTAIN: tuple[re.Pattern[bytes], ...] = (_NAMED, *(look.pattern for look in _KEYS))
