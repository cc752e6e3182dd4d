"""What a request asks: the last words of its user, what came with them, and what tools have answered since.

In goes the body of a request, which was validated but may hold anything its checks do not know; out come plain values.
Nothing here raises. Prompt tokens are an estimate: those of all texts, four for each message, eighty-five for each part
that is no text, and those of the tools and of the response format as JSON.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.jsontext import entries, members, write_json
from chatstream.server.echo.tokens import count

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PART_TOKENS", "Prompt", "prompt_tokens", "read_prompt", "text_of"]

PART_TOKENS = 85  # of a part that is no text: what a small image costs at OpenAI
_MESSAGE_TOKENS = 4
_LONGEST_NAME = 64
_KINDS = {"image_url": "image", "input_audio": "audio clip", "file": "file"}
_TEXTS = {"text": "text", "refusal": "refusal"}


class Prompt(msgspec.Struct, frozen=True):
    """What is to be answered."""

    said: str  # the text of the last user message
    beside: dict[str, int]  # how many images, audio clips and files came with it
    results: list[tuple[str, str]]  # the tools that answered since then, and what they said


def read_prompt(body: Mapping[str, Any]) -> Prompt:
    """The last user message of a request, and the answers of tools after it."""
    messages = [message for message in entries(body.get("messages")) if type(message) is dict]
    users = [place for place, message in enumerate(messages) if message.get("role") == "user"]
    last = users[-1] if users else -1
    user = messages[last] if users else {}
    names = _call_names(messages)
    results = [
        (_named(message, names), text_of(message))
        for message in messages[last + 1 :]
        if str(message.get("role")) in {"tool", "function"}
    ]
    return Prompt(text_of(user), _beside(user), results)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message; of a list of parts, those of its text parts, line by line."""
    content = message.get("content")
    if type(content) is str:
        return content
    texts = [part.get(_TEXTS.get(str(part.get("type")), "")) for part in entries(content) if type(part) is dict]
    return "\n".join(text for text in texts if type(text) is str)


def _beside(message: dict[str, Any]) -> dict[str, int]:
    kinds = [str(part.get("type")) for part in entries(message.get("content")) if type(part) is dict]
    return dict(Counter(_KINDS[kind] for kind in kinds if kind in _KINDS))


def _call_names(messages: list[dict[str, Any]]) -> dict[str, str]:
    """The names of the calls that were made, by their ids."""
    names: dict[str, str] = {}
    for message in messages:
        for call in entries(message.get("tool_calls")):
            part = members(members(call).get("function") or members(call).get("custom"))
            if type(part.get("name")) is str:
                names[str(members(call).get("id"))] = part["name"]
    return names


def _named(message: dict[str, Any], names: dict[str, str]) -> str:
    name = message.get("name")
    return names.get(str(message.get("tool_call_id")), name if type(name) is str else "The tool")[:_LONGEST_NAME]


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """How many tokens a request has, by the estimate above."""
    made = 0
    for message in entries(body.get("messages")):
        parts = [part for part in entries(members(message).get("content")) if type(part) is dict]
        others = sum(str(part.get("type")) not in _TEXTS for part in parts)
        calls = members(message).get("tool_calls") or members(message).get("function_call")
        made += _MESSAGE_TOKENS + count(text_of(members(message))) + PART_TOKENS * others + _json_tokens(calls)
    return made + sum(_json_tokens(body.get(key)) for key in ("tools", "functions", "response_format"))


def _json_tokens(value: Any) -> int:
    return count(write_json(value)) if value else 0
