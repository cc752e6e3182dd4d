"""What a model would have answered, as the API writes it: the messages, the completion, the request before it.

In go a few words, out come dicts. Rules: no randomness and no clock, so that an answer is the same in every run; what
is not asked for is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from chatstream.jsontext import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Asked", "Call", "Usage", "call_of", "completion_of", "request_of"]

# A function's name and its arguments, as values or as text (which may be broken); or the whole call, as the API has it.
Call: TypeAlias = tuple[str, Mapping[str, Any] | str] | Mapping[str, Any]
# The tokens of the prompt and of the answer; or the whole object, as the API has it.
Usage: TypeAlias = tuple[int, int] | Mapping[str, Any]
# The last words of the user, or the whole body of the request.
Asked: TypeAlias = str | Mapping[str, Any]


def call_of(call: Call, number: int) -> dict[str, Any]:
    """A tool call of a message; ``number`` makes its id, where it has none."""
    if isinstance(call, Mapping):
        return {"id": f"call_{number}", "type": "function", **call}
    name, arguments = call
    text = arguments if isinstance(arguments, str) else write_json(dict(arguments))
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": text}}


def _usage_of(usage: Usage) -> dict[str, Any]:
    """The usage of a completion."""
    if isinstance(usage, Mapping):
        return dict(usage)
    prompt, completion = usage
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def request_of(asked: Asked, model: str) -> dict[str, Any]:
    """The request as a tape has it."""
    body = {"model": model, "messages": [{"role": "user", "content": asked}]} if isinstance(asked, str) else dict(asked)
    return {"method": "POST", "url": "/v1/chat/completions", "headers": {}, "body": body}


def completion_of(
    messages: Sequence[Mapping[str, Any]], finish_reason: str, head: Mapping[str, Any], usage: Usage | None
) -> dict[str, Any]:
    """The whole answer, with a choice for each message."""
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason}
        for index, message in enumerate(messages)
    ]
    completion = {"object": "chat.completion", **head, "choices": choices}
    return completion if usage is None else {**completion, "usage": _usage_of(usage)}
