"""The methods of the API, as calls.

In go the arguments of a method, out come calls, and the options of the stream that reads the answer. Both halves of the
client ask the same here, and differ in how they send it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from chatstream.client.bodies import check_body, create_body
from chatstream.client.call import (
    Call,
    Defaults,
    RequestOptions,
    split_options,
)
from chatstream.client.settings import path_of
from chatstream.ends import Limits
from chatstream.errors import ParameterError
from chatstream.types.params.create import CompletionParams
from chatstream.validation import metadata_problem

__all__ = [
    "CreateOptions",
    "ReadingOptions",
    "StreamOptions",
    "create_call",
    "page_call",
    "stored_call",
    "stream_call",
    "update_call",
]

_COMPLETIONS = ("chat", "completions")
_ORDERS = ("asc", "desc")


class ReadingOptions(TypedDict, total=False):
    """How an answer is read, streamed or not; as in ChatCompletionStream."""

    limits: Limits
    append_fields: Iterable[str]
    allow_incomplete: bool
    raise_on: Iterable[str]


class CreateOptions(CompletionParams, RequestOptions, ReadingOptions, total=False):
    """What ``create`` takes beside messages, model and stream."""


class StreamOptions(CreateOptions, total=False):
    """What ``stream`` takes beside messages and model; ``record`` as in ChatCompletionStream."""

    record: Any


_PARAMS: frozenset[str] = CompletionParams.__optional_keys__
_READING: frozenset[str] = ReadingOptions.__optional_keys__


def create_call(
    defaults: Defaults, messages: object, model: object, arguments: Mapping[str, Any], *, stream: object
) -> tuple[Call, dict[str, Any]]:
    """The call that makes a completion, or streams it, and how the answer is to be read."""
    if stream is not None and not isinstance(stream, bool):
        raise TypeError(f"stream: expected true or false, got {type(stream).__name__}")
    options = split_options("create", arguments, _PARAMS | _READING)
    call = _create(defaults, messages, model, arguments, options, streams=bool(stream))
    return call, {name: value for name, value in arguments.items() if name in _READING}


def stream_call(
    defaults: Defaults, messages: object, model: object, arguments: Mapping[str, Any]
) -> tuple[Call, dict[str, Any]]:
    """The call that streams a completion, and the options of the stream that is read from it."""
    options = split_options("stream", arguments, _PARAMS | _READING | {"record"})
    reading = {name: arguments[name] for name in (*_READING, "record") if name in arguments}
    reading |= {name: arguments[name] for name in ("tools", "response_format") if arguments.get(name) is not None}
    return _create(defaults, messages, model, arguments, options, streams=True), reading


def _create(
    defaults: Defaults,
    messages: object,
    model: object,
    arguments: Mapping[str, Any],
    options: RequestOptions,
    *,
    streams: bool,
) -> Call:
    params = {name: value for name, value in arguments.items() if name in _PARAMS}
    body = create_body(messages, model, params, stream=streams)
    return Call.make(defaults, "POST", path_of(*_COMPLETIONS), body=body, options=options, streams=streams)


def stored_call(
    defaults: Defaults, method: Literal["GET", "DELETE"], name: str, completion_id: str, arguments: Mapping[str, Any]
) -> Call:
    """The call that gets or deletes a stored completion."""
    options = split_options(name, arguments, frozenset())
    return Call.make(defaults, method, path_of(*_COMPLETIONS, completion_id), options=options)


def update_call(defaults: Defaults, completion_id: str, metadata: object, arguments: Mapping[str, Any]) -> Call:
    """The call that gives a stored completion other metadata."""
    options = split_options("update", arguments, frozenset())
    body = {"metadata": metadata}
    _check_metadata(body)
    return Call.make(defaults, "POST", path_of(*_COMPLETIONS, completion_id), body=body, options=options)


def page_call(
    defaults: Defaults,
    path: tuple[str, ...],
    query: Mapping[str, object],
    arguments: Mapping[str, Any],
) -> Call:
    """The call that gets a page of a list."""
    options = split_options("list", arguments, frozenset())
    _check_page(query)
    return Call.make(defaults, "GET", path_of(*_COMPLETIONS, *path), query=query, options=options)


def _check_page(query: Mapping[str, object]) -> None:
    limit, order = query.get("limit"), query.get("order")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
        raise TypeError(f"limit: expected a whole number, got {type(limit).__name__}")
    if limit is not None and limit < 1:
        raise ParameterError(f"limit: expected at least 1, got {limit}", param="limit", code="integer_below_min_value")
    if order is not None and order not in _ORDERS:
        raise ParameterError("order: expected 'asc' or 'desc'", param="order")
    for name in ("after", "model"):
        if query.get(name) is not None and not isinstance(query[name], str):
            raise TypeError(f"{name}: expected a str, got {type(query[name]).__name__}")
    if query.get("metadata") is not None:
        _check_metadata({"metadata": query["metadata"]})


def _check_metadata(body: Mapping[str, object]) -> None:
    found = metadata_problem(body)
    check_body([] if found is None else [found])
