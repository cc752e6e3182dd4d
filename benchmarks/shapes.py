"""Named shapes of streams from a seeded generator, with what each must parse to.

A fixture is tested before it is timed: a benchmark of something that came out wrong measures nothing.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A stream as the wire has it, one read an event, and the content it must come out as."""

    name: str
    reads: list[bytes]
    chunks: int
    content: str


def text(tokens: int, *, seed: int = 1) -> Shape:
    """Plain text of so many tokens, as the OpenAI API streams it: role first, then text, finish, usage, [DONE]."""
    rng = random.Random(seed)
    words = [" " + "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9))) for _ in range(997)]
    pieces = [rng.choice(words) for _ in range(tokens)]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": piece} for piece in pieces]
    chunks = [_chunk(rng, delta) for delta in deltas]
    chunks.append(_chunk(rng, {}, finish_reason="stop"))
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": tokens + 9}
    chunks.append({**_chunk(rng, {}), "choices": [], "usage": usage})
    reads = [b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n" for chunk in chunks]
    return Shape(f"text {tokens}", [*reads, b"data: [DONE]\n\n"], len(chunks), "".join(pieces))


def _chunk(rng: random.Random, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-CyHt6BvR2kQz8sW4nJ1mXe7dLpAf9",
        "object": "chat.completion.chunk",
        "created": 1763830000,
        "model": "gpt-4.1-nano-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_de604bd877",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
        "usage": None,
        "obfuscation": "".join(rng.choices("abcdefghijkmnpqrstuvwxyz0123456789", k=rng.randint(2, 12))),
    }
