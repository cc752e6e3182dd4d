"""Chunks the accumulator can trust, made of whatever JSON a server sent.

In goes the parsed JSON of one event, out comes a Chunk, or None where there is nothing to merge; StreamProtocolError
where it cannot be one. Every repair of a provider's odd shape lives here or in ``tool_calls``, and nowhere else. The
repairs ask no provider's name: what the bytes give away is repaired for everyone (merging.md, "From bytes to chunks").
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.errors import APIStreamError, StreamLimitError, StreamProtocolError
from chatstream.jsontext import deepest, is_null, mend, plain, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Chunk",
    "ChunkChoice",
    "has_error",
    "mend_chunk",
    "plain_mapping",
    "read_chunk",
    "read_error",
    "read_payload",
]

_NO_DELTA: dict[str, Any] = {}
_ERROR_KEYS = frozenset({"error", "message", "type", "code", "param", "object"})
_CHUNK_KEYS = ("choices", "usage", "id", "error")
_CHOICE_KEYS = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
_UNWORDED = "the server sent an error without a message"
_LONGEST_INT = 14_284  # bits: 4,300 digits, past which Python does not write a number out
_PART_TEXTS = {None: ("text",), "text": ("text",), "output_text": ("text",), "thinking": ("thinking",)}
_TEXT_KEYS = ("content", "refusal", "reasoning_content", "reasoning")


class ChunkChoice(msgspec.Struct, gc=False):
    """What a chunk says about one choice."""

    index: int
    delta: dict[str, Any]
    finish_reason: str | None
    logprobs: Any
    message: dict[str, Any] | None
    others: dict[str, Any]


class Chunk(msgspec.Struct, gc=False):
    """One chunk: its members, the choices among them, and the usage wherever it stood."""

    members: dict[str, Any]
    choices: list[ChunkChoice]
    usage: Any


def read_chunk(raw: dict[str, Any]) -> Chunk | None:
    """The chunk that a JSON object is; None for an object that says nothing (a ping)."""
    if not any(key in raw for key in _CHUNK_KEYS):
        return None
    entries = raw.get("choices")
    if is_null(entries):
        choices: list[ChunkChoice] = []
    elif type(entries) is list:
        choices = [_read_choice(entry) for entry in entries if entry is not None]
    else:
        problem = f"choices is no list but {_named(entries)}"
        raise StreamProtocolError(problem)
    return Chunk(raw, choices, _find_usage(raw, choices))


def _read_choice(entry: Any) -> ChunkChoice:
    if type(entry) is not dict:
        problem = f"a choice is no object but {_named(entry)}"
        raise StreamProtocolError(problem)
    index = entry.get("index")
    if index is None:
        index = 0
    elif type(index) is not int or index < 0:
        problem = f"a choice index is {_named(index)}"
        raise StreamProtocolError(problem)
    delta = entry.get("delta")
    if type(delta) is not dict:
        # Gateways written in PHP send [] for {}.
        if not is_null(delta) and delta not in ([], ""):
            problem = f"a delta is no object but {_named(delta)}"
            raise StreamProtocolError(problem)
        delta = _NO_DELTA
    finish = entry.get("finish_reason")
    if type(finish) is not str or not finish or finish == "null":
        finish = None
    message = entry.get("message")
    others = _NO_DELTA
    if not entry.keys() <= _CHOICE_KEYS:
        others = {key: value for key, value in entry.items() if key not in _CHOICE_KEYS and value is not None}
    return ChunkChoice(index, delta, finish, entry.get("logprobs"), message if type(message) is dict else None, others)


def _find_usage(raw: dict[str, Any], choices: list[ChunkChoice]) -> Any:
    """The usage: at the top, where Groq put it, or in a choice. An empty one says nothing."""
    usage = raw.get("usage")
    if usage:
        return usage
    groq = raw.get("x_groq")
    if type(groq) is dict and groq.get("usage"):
        return groq["usage"]
    for choice in choices:
        if choice.others and choice.others.get("usage"):
            return choice.others["usage"]
    return None


def has_error(raw: Any) -> bool:
    """Whether a JSON value is, or carries, an error object."""
    if type(raw) is list and len(raw) == 1:
        raw = raw[0]
    return type(raw) is dict and (_is_error(raw.get("error")) or raw.get("object") == "error")


def _is_error(value: Any) -> bool:
    return bool(value) and not is_null(value)


def read_error(raw: Any) -> APIStreamError:
    """The error that a JSON value describes; whatever it is, something readable comes of it."""
    if type(raw) is list and len(raw) == 1:
        raw = raw[0]
    raw = body = plain(raw, keep_infinities=True)
    if type(raw) is dict:
        inner = raw.get("error")
        raw = inner or raw
        if type(raw) is dict and type(raw.get("error")) is dict:
            raw = raw["error"]
    if type(raw) is not dict:
        return APIStreamError(_words(raw) or _UNWORDED, body=body)
    code = raw.get("code")
    worded = (_words(raw.get(key)) for key in ("message", "detail", "error", "msg", "type"))
    return APIStreamError(
        next(filter(None, worded), _UNWORDED),
        type=_text_or_none(raw.get("type")),
        code=code if type(code) in (str, int) else None,
        param=_text_or_none(raw.get("param")),
        body=body,
    )


def _words(value: Any) -> str:
    """The service's own words: a string, or the messages of a list of problems, as web frameworks have it.

    Nothing else is shown: an answer or a prompt may stand beside the words, and messages end in logs.
    """
    if type(value) is list:
        return "; ".join(filter(None, (_words(entry.get("msg")) for entry in value if type(entry) is dict)))
    if type(value) in (int, float, bool):
        return write_json(value)
    return value if type(value) is str else ""


def read_payload(raw: dict[str, Any]) -> dict[str, Any]:
    """What is left of an object that carries an error when the error is taken out of it."""
    if raw.get("object") == "error" or not raw.get("error"):
        return {key: value for key, value in raw.items() if key not in _ERROR_KEYS}
    return {key: value for key, value in raw.items() if key != "error"}


def _text_or_none(value: Any) -> str | None:
    return None if value is None or type(value) in (dict, list) else value if type(value) is str else write_json(value)


def _named(value: Any) -> str:
    """A value as an error message may name it: its kind, and itself if it is a number."""
    if type(value) in (int, float, bool):
        return write_json(value)[:20]
    return "a string" if type(value) is str else "a list" if type(value) is list else "an object"


def mend_chunk(raw: dict[str, Any], append_fields: frozenset[str]) -> dict[str, Any]:
    """The object with every string encodable, but for text deltas: they are mended where they are appended."""
    mended: dict[str, Any] = _mended(raw)
    _restore_halves(mended, raw, append_fields)
    return mended


def _mended(value: Any) -> Any:
    if type(value) is str:
        return value if value.isascii() else mend(value)
    if type(value) is dict:
        mended: dict[str, Any] = {}
        for key, inner in value.items():
            mended[_mended(key)] = _mended(inner)
        return mended
    if type(value) is list:
        items: list[Any] = []
        for inner in value:
            items.append(_mended(inner))  # noqa: PERF401  a comprehension costs a second frame a level
        return items
    return value


def _restore_halves(mended: Any, raw: Any, append_fields: frozenset[str]) -> None:
    """Give the text deltas back as they came: the other half of a surrogate may be in the chunk before or after."""
    for choice, original in _pairs(mended.get("choices"), raw.get("choices")):
        delta, before = choice.get("delta"), original.get("delta")
        if type(delta) is not dict or type(before) is not dict:
            continue
        _restore(delta, before, *_TEXT_KEYS, *append_fields)
        _restore_in(delta, before, "function_call", "arguments")
        _restore_in(delta, before, "audio", "transcript")
        for call, call_before in _pairs(delta.get("tool_calls"), before.get("tool_calls")):
            _restore_in(call, call_before, "function", "arguments")
            _restore_in(call, call_before, "custom", "input")
        for part, part_before in _pairs(delta.get("content"), before.get("content")):
            kind = part.get("type")
            _restore(part, part_before, *_PART_TEXTS.get(kind if type(kind) is str else None, ()))
            for inner, inner_before in _pairs(part.get("thinking"), part_before.get("thinking")):
                _restore(inner, inner_before, "text")
        for detail, detail_before in _pairs(delta.get("reasoning_details"), before.get("reasoning_details")):
            _restore(detail, detail_before, "text", "summary", "data")


def _pairs(mended: Any, raw: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    if type(mended) is not list or type(raw) is not list:
        return []
    return [(one, other) for one, other in zip(mended, raw, strict=False) if type(one) is dict and type(other) is dict]


def _restore_in(mended: dict[str, Any], raw: dict[str, Any], part: str, key: str) -> None:
    if type(mended.get(part)) is dict and type(raw.get(part)) is dict:
        _restore(mended[part], raw[part], key)


def _restore(mended: dict[str, Any], raw: dict[str, Any], *keys: str) -> None:
    for key in keys:
        if type(raw.get(key)) is str:
            mended[key] = raw[key]


def plain_mapping(chunk: Mapping[str, Any], max_depth: int | None) -> tuple[dict[str, Any], bool]:
    """A copy of a chunk that came parsed, as plain JSON values; and whether a string in it may hold surrogates.

    StreamProtocolError for values that JSON does not have, StreamLimitError for what is nested too deeply (in itself).
    """
    odd: list[bool] = []
    try:
        copy: dict[str, Any] = _plain(chunk, deepest(max_depth), odd)
    except RecursionError:
        raise StreamLimitError(limit="max_depth", value=deepest(max_depth)) from None
    return copy, bool(odd)


def _plain(value: Any, depth: int, odd: list[bool]) -> Any:
    kind = type(value)
    if kind is str:
        if not value.isascii() and _has_surrogate(value):
            odd.append(True)
        return value
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return _plain_scalar(value, depth, odd)
    if depth <= 0:
        raise RecursionError
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        copy: dict[str, Any] = {}
        for key in value.keys():  # noqa: SIM118  not every mapping iterates over its keys
            copy[_plain_key(key, odd)] = _plain(value[key], depth - 1, odd)
        return copy
    if isinstance(value, list | tuple):
        items: list[Any] = []
        for inner in value:
            items.append(_plain(inner, depth - 1, odd))  # noqa: PERF401  a comprehension costs a second frame a level
        return items
    return _plain_scalar(value, depth, odd)


def _plain_key(key: Any, odd: list[bool]) -> str:
    if not isinstance(key, str):
        problem = f"a member's name is no string but {type(key).__name__}"
        raise StreamProtocolError(problem)
    text: str = _plain(str.__str__(key), 1, odd)
    return text


def _plain_scalar(value: Any, depth: int, odd: list[bool]) -> Any:
    """Enum members, subclasses of the JSON types, and models inside a dict."""
    if isinstance(value, str):
        return _plain(str.__str__(value), depth, odd)
    if isinstance(value, int):
        if value.bit_length() > _LONGEST_INT:
            raise StreamProtocolError("a number with too many digits")
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return _plain(dump(), depth - 1, odd)
    problem = f"no JSON value: {type(value).__name__}"
    raise StreamProtocolError(problem)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
