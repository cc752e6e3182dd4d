"""Log probabilities for a text that no model has weighed.

In go tokens, out come entries as the API has them, always the same for the same token. Rules: the tokens join to the
text; the list of the likeliest begins with the token itself, falls from there, and adds up to less than one.
"""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

__all__ = ["weighed"]

_OTHERS = (
    " the", " a", " to", " of", " and", " in", " it", " is", " that", " you", " for", " on", " with", " as", " be",
    " at", " this", " or", " from", " not", " by", " but",
)  # fmt: skip


def weighed(tokens: list[str], *, top: int) -> list[dict[str, Any]]:
    """The entry of each token, with the ``top`` likeliest ones beside it."""
    return [_entry(token, top) for token in tokens]


def _entry(token: str, top: int) -> dict[str, Any]:
    # From 0.7 to 0.99, so that the token is the likeliest whatever else stands beside it.
    chance = 0.7 + crc32(token.encode("utf-8", "replace")) % 30 / 100
    others = [other for other in _OTHERS if other != token]
    chances = [chance, *((1 - chance) / 2**place for place in range(1, top))]
    named = zip([token, *others], chances, strict=False)
    likeliest = [_weight(name, share) for name, share in named]
    return {**_weight(token, chance), "top_logprobs": likeliest[:top]}


def _weight(token: str, chance: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(math.log(chance), 6), "bytes": list(token.encode("utf-8", "replace"))}
