"""What a completion came to, small enough to be compared across processes and languages.

In goes a completion as plain JSON values, out comes a dict of sizes, hashes and sums. Rules: two completions have one
digest only if they say the same; whatever is empty counts as absent, for libraries differ there and nobody is wrong.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Digest = dict[str, Any]


def describe_text(text: str | None) -> Digest | None:
    """Size in bytes of UTF-8 and the beginning of the hash; None for no text."""
    if not text:
        return None
    data = text.encode()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()[:16]}


def describe_value(value: Any) -> Digest | None:
    """The same of a JSON value, its members in the order they have."""
    return describe_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def describe_completion(completion: Mapping[str, Any]) -> Digest:
    """The digest of a completion as the API gives it: ``choices`` and ``total_tokens``."""
    choices = sorted(completion["choices"], key=lambda choice: choice["index"])
    usage = completion.get("usage") or {}
    return {"choices": [_describe_choice(choice) for choice in choices], "total_tokens": usage.get("total_tokens")}


def _describe_choice(choice: Mapping[str, Any]) -> Digest:
    message = choice["message"]
    return {
        "index": choice["index"],
        "content": describe_text(message.get("content")),
        "reasoning": describe_text(message.get("reasoning_content")),
        "tool_calls": [_describe_call(call) for call in message.get("tool_calls") or []],
        "logprobs": _describe_logprobs((choice.get("logprobs") or {}).get("content") or []),
        "finish_reason": choice["finish_reason"],
    }


def _describe_call(call: Mapping[str, Any]) -> Digest:
    function = call["function"]
    return {"id": call["id"], "name": function["name"], "arguments": describe_text(function["arguments"])}


def _describe_logprobs(tokens: Iterable[Mapping[str, Any]]) -> Digest | None:
    # Millionths, added as whole numbers: sums of floats depend on who adds.
    count = alternatives = millionths = 0
    for token in tokens:
        count += 1
        millionths += round(token["logprob"] * 1e6)
        for other in token["top_logprobs"]:
            alternatives += 1
            millionths += round(other["logprob"] * 1e6)
    return {"tokens": count, "alternatives": alternatives, "millionths": millionths} if count else None


def difference(promise: Any, given: Any, path: str = "") -> str | None:
    """Where two digests first differ, in words; None if they do not."""
    if isinstance(promise, dict) and isinstance(given, dict):
        pairs = [(key, promise.get(key), given.get(key)) for key in [*promise, *(given.keys() - promise.keys())]]
    elif isinstance(promise, list) and isinstance(given, list) and len(promise) == len(given):
        pairs = [(number, *pair) for number, pair in enumerate(zip(promise, given, strict=True))]
    else:
        return None if promise == given else f"{path.lstrip('.')}: {_shown(given)}, not {_shown(promise)}"
    found = (difference(one, other, f"{path}.{key}") for key, one, other in pairs)
    return next(filter(None, found), None)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:80] + "…"
