"""Named shapes of streams from a seeded generator, each with what it must come out as.

In goes a name such as ``text-1k``, out comes a fixture: the events of the stream as bytes, one after the other, and its
promise. Rules: the same name and seed give the same bytes everywhere; the promise is made of what was generated, never
by decoding it; members and their order are those that the OpenAI API sends (reasoning: DeepSeek's).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.digest import describe_completion, describe_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.digest import Digest

    Chunk = dict[str, Any]
    # The chunks, the choices they make, and for `structured` the value that the content is.
    Made = tuple[list[Chunk], list[dict[str, Any]], Any]

NAMES = {
    "text-100": "plain text of 100 tokens",
    "text-1k": "plain text of 1,000 tokens",
    "text-10k": "plain text of 10,000 tokens",
    "text-100k": "plain text of 100,000 tokens",
    "tools-1k": "8 parallel tool calls, their arguments in 1,000 interleaved fragments",
    "tools-10k": "8 parallel tool calls, their arguments in 10,000 interleaved fragments",
    "structured-1k": "structured output in 1,000 deltas, the partial value read at each",
    "structured-10k": "structured output in 10,000 deltas, the partial value read at each",
    "logprobs-1k": "1,000 tokens of text, each with its log probability and 5 alternatives",
    "logprobs-4k": "4,000 tokens of text, each with its log probability and 5 alternatives",
    "n4-1k": "4 choices interleaved, 1,000 tokens in all",
    "reasoning-1k": "500 tokens of reasoning, then 500 of text",
    "kept-1k": "8 parallel tool calls in 1,000 fragments, every chunk event kept",
}
CALLS = 8

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# What prose has besides words. Some of it is escaped in JSON, some is wider than a byte.
_MARKS = [",", ".", ".\n\n", ":", ' "', '"', "\u2019s", " —", " café", "\n- ", " **", "**", " `", "`", "\t", " \\"]


@dataclass(frozen=True)
class Fixture:
    """A stream as the wire has it: one block of bytes an event, ``[DONE]`` last; and what it must come out as."""

    name: str
    kind: str
    blocks: list[bytes]
    chunks: int
    promise: Digest


def fixture(name: str, *, seed: int = 1) -> Fixture:
    """The fixture of a shape: a kind, a hyphen and a size, which may be any size and not only a listed one."""
    kind, size = split_name(name)
    chunks, choices, value = KINDS[kind](random.Random(seed), size)
    usage = {"prompt_tokens": 19, "completion_tokens": size, "total_tokens": size + 19}
    chunks.append({**chunks[-1], "choices": [], "usage": usage})
    promise = {"events": len(chunks) + 1, **describe_completion({"choices": choices, "usage": usage})}
    if kind == "structured":
        promise["values"] = {"read": size, "last": describe_value(value)}
    if kind.startswith("kept"):
        promise["kept"] = len(chunks)
    return Fixture(name, kind, [*map(_block, chunks), b"data: [DONE]\n\n"], len(chunks), promise)


def split_name(name: str) -> tuple[str, int]:
    """Kind and size of a shape; ValueError for a name that is none."""
    kind, _, size = name.rpartition("-")
    digits = size.removesuffix("k")
    if kind not in KINDS or not (digits.isascii() and digits.isdecimal()):
        message = f"{name!r} is no shape: a kind ({', '.join(KINDS)}), a hyphen and a size, such as text-1k"
        raise ValueError(message)
    tokens = int(digits) * (1000 if size.endswith("k") else 1)
    if tokens < 2 * CALLS:
        message = f"{name!r} is too small a shape: {2 * CALLS} tokens at least"
        raise ValueError(message)
    return kind, tokens


def _block(chunk: Chunk) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def _chunk(rng: random.Random, delta: dict[str, Any], **members: Any) -> Chunk:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} | members
    return {
        "id": "chatcmpl-CyHt6BvR2kQz8sW4nJ1mXe7dLpAf9",
        "object": "chat.completion.chunk",
        "created": 1763830000,
        "model": "gpt-4.1-nano-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_de604bd877",
        "choices": [choice],
        "usage": None,
        "obfuscation": "".join(rng.choices(_LETTERS, k=rng.randint(2, 12))),
    }


def _tokens(rng: random.Random) -> Iterator[str]:
    """Tokens of made-up prose, without end: one in eight is punctuation."""
    words = [" " + "".join(rng.choices(_LETTERS, k=rng.randint(1, 9))) for _ in range(997)]
    while True:
        yield rng.choice(words) if rng.random() < 0.875 else rng.choice(_MARKS)


def _take(tokens: Iterator[str], count: int) -> list[str]:
    return [next(tokens) for _ in range(count)]


def _choice(finish_reason: str = "stop", *, index: int = 0, logprobs: Any = None, **message: Any) -> dict[str, Any]:
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish_reason}


def _text(rng: random.Random, size: int) -> Made:
    return _content(rng, _take(_tokens(rng), size))


def _content(rng: random.Random, pieces: list[str]) -> Made:
    chunks = [_chunk(rng, {"role": "assistant", "content": "", "refusal": None})]
    chunks += [_chunk(rng, {"content": piece}) for piece in pieces]
    chunks.append(_chunk(rng, {}, finish_reason="stop"))
    return chunks, [_choice(content="".join(pieces))], None


def _tools(rng: random.Random, size: int) -> Made:
    calls = [f"call_{''.join(rng.choices(_LETTERS, k=24))}" for _ in range(CALLS)]
    fragments = [_cut(rng, _edit(rng, share), share) for share in _shares(size, CALLS)]
    chunks = [_chunk(rng, {"role": "assistant", "content": None, "refusal": None})]
    for index, call in enumerate(calls):
        function = {"name": f"edit_file_{index}", "arguments": ""}
        header = {"index": index, "id": call, "type": "function", "function": function}
        chunks.append(_chunk(rng, {"tool_calls": [header]}))
    turns = [index for index, share in enumerate(fragments) for _ in share]
    rng.shuffle(turns)
    coming = [iter(share) for share in fragments]
    for index in turns:
        fragment = {"index": index, "function": {"arguments": next(coming[index])}}
        chunks.append(_chunk(rng, {"tool_calls": [fragment]}))
    chunks.append(_chunk(rng, {}, finish_reason="tool_calls"))
    made = [
        {"id": call, "type": "function", "function": {"name": f"edit_file_{index}", "arguments": "".join(share)}}
        for index, (call, share) in enumerate(zip(calls, fragments, strict=True))
    ]
    return chunks, [_choice("tool_calls", tool_calls=made)], None


def _shares(size: int, ways: int) -> list[int]:
    return [size // ways + (number < size % ways) for number in range(ways)]


def _edit(rng: random.Random, fragments: int) -> str:
    """The arguments of a call: a JSON object long enough to be cut into so many fragments of a few characters."""
    lines: list[str] = []
    tokens = _tokens(rng)
    arguments = {"path": "src/module.py", "line": rng.randint(1, 999), "create": False, "lines": lines}
    while sum(map(len, lines)) < 4 * fragments:
        lines.append("".join(_take(tokens, 12)))
    return json.dumps(arguments, ensure_ascii=False)


def _cut(rng: random.Random, text: str, pieces: int) -> list[str]:
    """The text in exactly so many pieces, none of them empty."""
    cuts = sorted(rng.sample(range(1, len(text)), pieces - 1))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _structured(rng: random.Random, size: int) -> Made:
    steps: list[dict[str, Any]] = []
    tokens = _tokens(rng)
    document = {"steps": steps, "confidence": 0.75, "final_answer": "".join(_take(tokens, 8))}
    length = 0
    while length < 4 * size:
        steps.append(
            {
                "explanation": "".join(_take(tokens, 16)),
                "output": "".join(_take(tokens, 4)),
                "number": rng.randint(1, 9999),
                "certain": rng.random() < 0.5,
            }
        )
        length += len(json.dumps(steps[-1], ensure_ascii=False))
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    chunks, choices, _ = _content(rng, _cut(rng, text, size))
    return chunks, choices, document


def _logprobs(rng: random.Random, size: int) -> Made:
    tokens = _tokens(rng)
    pieces = _take(tokens, size)
    entries = [
        _entry(rng, piece, top_logprobs=[_entry(rng, other) for other in [piece, *_take(tokens, 4)]])
        for piece in pieces
    ]
    chunks, choices, _ = _content(rng, pieces)
    for chunk, entry in zip(chunks[1:], entries, strict=False):
        chunk["choices"][0]["logprobs"] = {"content": [entry], "refusal": None}
    choices[0]["logprobs"] = {"content": entries, "refusal": None}
    return chunks, choices, None


def _entry(rng: random.Random, token: str, **members: Any) -> dict[str, Any]:
    logprob = -round(rng.expovariate(0.7), 5) or -0.00001
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), **members}


def _n4(rng: random.Random, size: int) -> Made:
    pieces = [_take(_tokens(rng), share) for share in _shares(size, 4)]
    start = {"role": "assistant", "content": "", "refusal": None}
    chunks = [_chunk(rng, start, index=index) for index in range(4)]
    turns = [index for index, share in enumerate(pieces) for _ in share]
    rng.shuffle(turns)
    coming = [iter(share) for share in pieces]
    chunks += [_chunk(rng, {"content": next(coming[index])}, index=index) for index in turns]
    chunks += [_chunk(rng, {}, index=index, finish_reason="stop") for index in range(4)]
    return chunks, [_choice(index=index, content="".join(share)) for index, share in enumerate(pieces)], None


def _reasoning(rng: random.Random, size: int) -> Made:
    tokens = _tokens(rng)
    thoughts, words = (_take(tokens, share) for share in _shares(size, 2))
    chunks = [_chunk(rng, {"role": "assistant", "content": None, "reasoning_content": ""})]
    chunks += [_chunk(rng, {"content": None, "reasoning_content": piece}) for piece in thoughts]
    chunks += [_chunk(rng, {"content": piece, "reasoning_content": None}) for piece in words]
    chunks.append(_chunk(rng, {"content": "", "reasoning_content": None}, finish_reason="stop"))
    return chunks, [_choice(content="".join(words), reasoning_content="".join(thoughts))], None


KINDS: dict[str, Callable[[random.Random, int], Made]] = {
    "text": _text,
    "tools": _tools,
    "structured": _structured,
    "logprobs": _logprobs,
    "n4": _n4,
    "reasoning": _reasoning,
    "kept": _tools,
    "kept-text": _text,
}
