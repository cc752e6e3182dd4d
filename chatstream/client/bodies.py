"""The bodies of requests: what was given, as what is sent.

In go messages and parameters as a caller has them, out come plain JSON values and their bytes. Rules: message models
are told in the API's own terms, wherever they stand; what the API documents as wrong is told before it is sent; what
JSON has not is told by its path, and never changed in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chatstream.errors import ParameterError
from chatstream.jsontext import write_json
from chatstream.validation import problems

if TYPE_CHECKING:
    from chatstream.validation import Problem

__all__ = ["check_body", "create_body", "whole_body", "written"]

_DEEPEST = 200  # levels; a body that holds itself has more
_LARGEST = 10_000  # bits of an integer: Python writes out no longer one by default
_SHOWN = 100  # characters of a path


def create_body(messages: object, model: object, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    """The body of ``POST /chat/completions``, checked; message models are told in the API's own terms."""
    body = {"messages": _messages(messages), "model": model, **params}
    if stream:
        body["stream"] = True
    check_body(problems(body))
    return body


def check_body(found: Iterable[Problem]) -> None:
    """ParameterError for the first of these problems, but for words that another service may well know."""
    for problem in found:
        if not problem.unknown_word:
            raise ParameterError(problem.message, param=problem.param, code=problem.code)


def _messages(messages: object) -> list[Any]:
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise TypeError(f"messages: expected a sequence of messages, got {type(messages).__name__}")
    return [_message(message, index) for index, message in enumerate(messages)]


def _message(message: object, index: int) -> Any:
    if isinstance(message, Mapping):
        return {name: _parts(value) for name, value in message.items()}
    dumped = _dumped(message)
    if dumped is None:
        raise TypeError(f"messages[{index}]: expected a dict or a message model, got {type(message).__name__}")
    return dumped


def _parts(value: Any) -> Any:
    """A member of a message, with what in it is a model, calls of an answer say, as a dict."""
    if isinstance(value, list | tuple):
        return [_parts(inner) for inner in value]
    dumped = None if isinstance(value, str | Mapping) else _dumped(value)
    return value if dumped is None else dumped


def whole_body(body: Mapping[str, Any] | None, extra: Mapping[str, object] | None) -> Mapping[str, Any] | None:
    """The body with what else was given for it; None if there is nothing to send."""
    return body if not extra else {**(body or {}), **extra}


def written(body: Mapping[str, Any]) -> bytes:
    """The body as JSON; TypeError or ValueError, naming the path, for what JSON has not."""
    # The encoder would take more than JSON has, and change it without a word.
    return write_json(_json(body, "the body", 0)).encode()


def _json(value: Any, path: str, depth: int) -> Any:
    """The value in dicts and lists; TypeError or ValueError, naming the path, for what JSON has not."""
    if value is None or isinstance(value, str | int | float):
        return _scalar(value, path)
    if depth > _DEEPEST:
        raise ValueError(f"{path[:_SHOWN]}: nested deeper than {_DEEPEST} levels")
    inside = f"{path}." if depth else ""
    if isinstance(value, Mapping):
        return {_key(key, path): _json(inner, f"{inside}{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_json(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
    told = _dumped(value)
    if told is None:
        raise TypeError(f"{path[:_SHOWN]}: a value of type {type(value).__name__} cannot be sent as JSON")
    return _json(told, path, depth + 1)


def _scalar(value: Any, path: str) -> Any:
    """The plain value of a subclass, too: numpy's numbers, text that is marked as safe, the members of an enum."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path[:_SHOWN]}: JSON has no {float(value)}")
        return float.__float__(value)
    if value is None or isinstance(value, bool):
        return value
    if value.bit_length() > _LARGEST:
        raise ValueError(f"{path[:_SHOWN]}: an integer of {value.bit_length()} bits is too large")
    return int.__index__(value)


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{path[:_SHOWN]}: expected str as keys, got {type(key).__name__}")
    return key


def _dumped(value: Any) -> Any:
    """What a model says of itself for a request; None if it is no model."""
    for name, options in (("to_param", {}), ("model_dump", {"mode": "json", "exclude_none": True})):
        tell = getattr(value, name, None)
        if callable(tell) and not isinstance(value, type):
            return tell(**options)
    return None
