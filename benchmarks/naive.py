"""The merge that everybody writes first: by hand, for streams that do nothing odd, without events.

In go chunks as dicts, out comes a completion as a dict. It checks the contestants that give chunks only, and is itself
one of those that are timed, with httpx-sse in front.
"""

from __future__ import annotations

from typing import Any


class NaiveMerge:
    """Chunks in, a completion out; texts are kept in pieces and joined in the end."""

    def __init__(self) -> None:
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] | None = None

    def add(self, chunk: dict[str, Any]) -> None:
        """Merge a chunk."""
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk["choices"]:
            merged = self._choices.get(choice["index"])
            if merged is None:
                merged = self._choices[choice["index"]] = _new_choice(choice["index"])
            _add_delta(merged, choice["delta"])
            if choice.get("logprobs"):
                merged["logprobs"] += choice["logprobs"]["content"]
            if choice.get("finish_reason"):
                merged["finish_reason"] = choice["finish_reason"]

    def content(self) -> str:
        """The content of the first choice so far."""
        return "".join(self._choices[0]["content"]) if self._choices else ""

    def completion(self) -> dict[str, Any]:
        """The completion, its texts joined."""
        return {"choices": [_joined(merged) for merged in self._choices.values()], "usage": self._usage}


def _new_choice(index: int) -> dict[str, Any]:
    return {"index": index, "content": [], "reasoning": [], "calls": {}, "logprobs": [], "finish_reason": None}


def _add_delta(merged: dict[str, Any], delta: dict[str, Any]) -> None:
    if delta.get("content"):
        merged["content"].append(delta["content"])
    if delta.get("reasoning_content"):
        merged["reasoning"].append(delta["reasoning_content"])
    for part in delta.get("tool_calls") or ():
        call = merged["calls"].get(part["index"])
        if call is None:
            call = merged["calls"][part["index"]] = {**part, "name": part["function"]["name"], "pieces": []}
        call["pieces"].append(part["function"]["arguments"])


def _joined(merged: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": "".join(call["pieces"])}}
        for call in merged["calls"].values()
    ]
    return {
        "index": merged["index"],
        "message": {
            "role": "assistant",
            "content": "".join(merged["content"]),
            "reasoning_content": "".join(merged["reasoning"]),
            "tool_calls": calls,
        },
        "logprobs": {"content": merged["logprobs"]},
        "finish_reason": merged["finish_reason"],
    }
