"""The methods of the API, as calls.

In go the arguments of a method, out come calls, and the options of the stream that reads the answer. Both halves of the
client ask the same here, and differ in how they send it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, get_origin

from pydantic import BaseModel
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
from chatstream.structured import FunctionTool, OutputFormat, output_format, tool_at
from chatstream.types.params.create import BareCompletionParams
from chatstream.types.params.formats import ResponseFormat
from chatstream.types.params.tools import ChatCompletionToolUnionParam, LegacyFunctionParam
from chatstream.validation import metadata_problem

__all__ = [
    "CreateOptions",
    "FormatLike",
    "ParseOptions",
    "ReadingOptions",
    "RunOptions",
    "StreamOptions",
    "ToolLike",
    "create_call",
    "page_call",
    "parse_call",
    "round_call",
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


# What `tools` may hold: a dict as the API takes it, a pydantic model, or a function, made by `function_tool` or to be.
ToolLike: TypeAlias = ChatCompletionToolUnionParam | type[BaseModel] | Callable[..., Any]
T = TypeVar("T")
# What `response_format` may be: a dict as the API takes it, or a pydantic model, a dataclass or a TypedDict.
FormatLike: TypeAlias = type[T] | ResponseFormat


class _AnswerOptions(BareCompletionParams, RequestOptions, ReadingOptions, total=False):
    # What all calls that make a completion take.
    pass


class CreateOptions(_AnswerOptions, total=False):
    """What ``create`` takes beside messages, model and stream."""

    functions: Sequence[LegacyFunctionParam]
    response_format: ResponseFormat
    tools: Iterable[ToolLike]


class ParseOptions(_AnswerOptions, total=False):
    """What ``parse`` takes beside messages, model and response_format."""

    functions: Sequence[LegacyFunctionParam]
    tools: Iterable[ToolLike]


class StreamOptions(ParseOptions, total=False):
    """What ``stream`` takes beside messages, model and response_format; ``record`` as in ChatCompletionStream."""

    record: Any


class RunOptions(_AnswerOptions, total=False):
    """What ``run_tools`` takes beside messages, model, tools and what is the loop's own."""


_READING: frozenset[str] = ReadingOptions.__optional_keys__
_PARAMS: frozenset[str] = (CreateOptions.__optional_keys__ - _READING) - RequestOptions.__optional_keys__
_FINISHES = frozenset({"length", "content_filter"})


def create_call(
    defaults: Defaults, messages: object, model: object, arguments: Mapping[str, Any], *, stream: object
) -> tuple[Call, dict[str, Any]]:
    """The call that makes a completion, or streams it, and how the answer is to be read."""
    if stream is not None and not isinstance(stream, bool):
        raise TypeError(f"stream: expected true or false, got {type(stream).__name__}")
    given = arguments.get("response_format")
    if isinstance(given, type | OutputFormat) or get_origin(given) is not None:
        raise TypeError("response_format: expected a dict, got a class: parse() and stream() take one, and read by it")
    options = split_options("create", arguments, _PARAMS | _READING)
    params = {name: value for name, value in arguments.items() if name in _PARAMS}
    if "tools" in params:
        params["tools"], _ = _both_tools(params["tools"])
    call = _call(defaults, messages, model, params, options, streams=bool(stream))
    return call, {name: value for name, value in arguments.items() if name in _READING}


def stream_call(
    defaults: Defaults, messages: object, model: object, arguments: Mapping[str, Any]
) -> tuple[Call, dict[str, Any]]:
    """The call that streams a completion, and the options of the stream that is read from it."""
    options = split_options("stream", arguments, _PARAMS | _READING | {"record"})
    params, reading = _both_sides(arguments)
    if "record" in arguments:
        reading["record"] = arguments["record"]
    return _call(defaults, messages, model, params, options, streams=True), reading


def parse_call(
    defaults: Defaults, messages: object, model: object, arguments: Mapping[str, Any]
) -> tuple[Call, dict[str, Any]]:
    """The call that makes a completion to be parsed, and how the answer is to be read."""
    options = split_options("parse", arguments, _PARAMS | _READING)
    params, reading = _both_sides(arguments)
    if not isinstance(reading.get("raise_on"), str):  # a str is refused by who reads
        reading["raise_on"] = {*reading.get("raise_on", ()), *_FINISHES}  # what was cut cannot be parsed
    return _call(defaults, messages, model, params, options, streams=False), reading


def round_call(
    defaults: Defaults,
    messages: object,
    model: object,
    arguments: Mapping[str, Any],
    added: Mapping[str, Any],
    *,
    streams: bool,
) -> tuple[Call, dict[str, Any]]:
    """The call for one round of a tool loop, with these parameters added, and how its answer is to be read."""
    options = split_options("run_tools", arguments, _PARAMS - {"tools", "functions"} | _READING)
    params, reading = _both_sides(arguments)
    return _call(defaults, messages, model, {**params, **added}, options, streams=streams), reading


def _both_sides(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is sent, and how the answer is read: a format and tools have to do with both."""
    params = {name: value for name, value in arguments.items() if name in _PARAMS}
    reading = {name: value for name, value in arguments.items() if name in _READING}
    if params.get("tools", ()) is None:
        del params["tools"]
    elif "tools" in params:
        params["tools"], reading["tools"] = _both_tools(params["tools"])
    wanted = params.pop("response_format", None)
    if wanted is not None:
        # What can be written as JSON is judged with the rest of the body.
        if isinstance(wanted, Mapping):
            wanted = dict(wanted)  # readers tell it by that
        elif not isinstance(wanted, str | int | float | Sequence):
            wanted = output_format(wanted)
        params["response_format"] = getattr(wanted, "param", wanted)
        reading["response_format"] = wanted
    return params, reading


def _both_tools(tools: object) -> tuple[Any, list[Any]]:
    """The tools as they are sent, and as what reads the arguments of their calls."""
    if isinstance(tools, str | Mapping) or not isinstance(tools, Iterable):
        return tools, []  # told when the body is checked
    given = [tool_at(f"tools[{index}]", tool) if callable(tool) else tool for index, tool in enumerate(tools)]
    return [tool.to_param() if isinstance(tool, FunctionTool) else tool for tool in given], given


def _call(
    defaults: Defaults,
    messages: object,
    model: object,
    params: Mapping[str, Any],
    options: RequestOptions,
    *,
    streams: bool,
) -> Call:
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
