"""What a stored completion and its messages look like to those who ask for them.

In go a completion, the request it answers and that request's messages, out come the objects that the API publishes.
Rules: plain JSON values, nothing is looked up and nothing is changed that was handed in. What the request had and the
published object does not show is left out; members that are unknown here are carried along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from chatstream.jsontext import entries, members

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CompletionRow", "ListPage", "listed", "opening", "stored_completion", "stored_message"]

_OPENING = 120  # characters: a line in a table

# Members of the request that the stored object shows, and what it shows where the request had none.
_SHOWN: dict[str, Any] = {
    "tool_choice": None,
    "seed": None,
    "top_p": 1.0,
    "temperature": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "service_tier": None,
    "tools": None,
    "response_format": None,
}


class ListPage(TypedDict):
    """A page of a list: ``first_id`` and ``last_id`` are those of its data, None on an empty page."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class CompletionRow(msgspec.Struct, frozen=True):
    """One stored completion in a line: ``created`` in Unix seconds, ``text`` the first 120 characters of the answer."""

    id: str
    model: str | None
    created: int | None
    text: str


def listed(data: list[dict[str, Any]], *, has_more: bool) -> ListPage:
    """The page with these values on it."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}


def stored_completion(
    completion: Mapping[str, Any], request: Mapping[str, Any], request_id: str | None
) -> dict[str, Any]:
    """The completion with what is shown of its request; only the metadata, which may change, are still to come."""
    shown = {name: default if request.get(name) is None else request[name] for name, default in _SHOWN.items()}
    # A null is the answer's way of not saying: the request's own service tier says more.
    told = {name: value for name, value in completion.items() if value is not None or name not in shown}
    return {"request_id": request_id, "input_user": request.get("user"), **shown, **told}


def stored_message(message: Mapping[str, Any], id: str) -> dict[str, Any]:
    """The message of a request with an id. Content that was given as parts is also told as one text.

    Of the parts, the API gives back texts and images alone.
    """
    content: Any = message.get("content")
    parts: list[Any] | None = None
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") in {"text", "image_url"}]
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        content = "".join(texts) if texts else None
    usual = {"id": id, "role": None, "content": None, "name": None}
    return {**usual, **message, "id": id, "content": content, "content_parts": parts}


def opening(completion: Mapping[str, Any]) -> str:
    """How the first choice begins, at most 120 characters: its text, or the names of what it calls."""
    first: Any = next(iter(entries(completion.get("choices"))), None)
    message = members(members(first).get("message"))
    for text in (message.get("content"), message.get("refusal"), members(message.get("audio")).get("transcript")):
        if isinstance(text, str) and text:
            return text[:_OPENING]
    return ", ".join(_called(message))[:_OPENING]


def _called(message: dict[str, Any]) -> list[str]:
    calls = [members(call) for call in entries(message.get("tool_calls"))]
    called = [call.get("function") or call.get("custom") for call in calls] + [message.get("function_call")]
    names = [members(one).get("name") for one in called]
    return [f"{name}(…)" for name in names if isinstance(name, str)]
