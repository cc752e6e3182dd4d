"""How large or long a value may be, where the reference says so.

In go a value of the right type and its path, out come problems. Rules: only documented limits, so that nothing is
refused which the service would take; a limit says nothing about types. Numbers are those of the published reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from chatstream.types.params.create import ChatCompletionPredictionContentParam, CompletionUpdateParams
from chatstream.types.params.formats import JSONSchema
from chatstream.types.params.messages import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionDeveloperMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
)
from chatstream.types.params.tools import CustomDefinition, FunctionDefinition, LegacyFunctionParam
from chatstream.validation.problem import Problem, problem, quoted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chatstream.validation.problem import Kind, Path

    Check: TypeAlias = Callable[[Any, Path], Iterable[Problem]]
    Limits: TypeAlias = Mapping[Kind, Check]

__all__ = ["BODY_LIMITS", "LIMITS"]

_NAME = re.compile(r"[a-zA-Z0-9_-]*")
_LONGEST_NAME = 64
_MOST_PAIRS, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512


def _range(low: float, high: float | None, sort: str) -> Check:
    """A check that a number lies between two others, both included; ``sort`` begins the code: integer or decimal."""
    bounds = f"at least {low}" if high is None else f"a number from {low} to {high}"

    def check(value: Any, path: Path) -> Iterable[Problem]:
        if low <= value and (high is None or value <= high):
            return ()
        side = "below_min" if value < low else "above_max"
        code = f"{sort}_{side}_value" if value == value else "invalid_value"  # noqa: PLR0124  NaN alone is not itself
        return (problem(path, f"expected {bounds}, got {shown(value)}", code),)

    return check


def _integers(low: int, high: int | None = None) -> Limits:
    return {"integer": _range(low, high, "integer")}


def _numbers(low: float, high: float) -> Limits:
    check = _range(low, high, "decimal")
    return {"integer": check, "number": check}


def _arrays(low: int, high: int | None = None) -> Limits:
    def check(value: Any, path: Path) -> Iterable[Problem]:
        if len(value) < low:
            return (problem(path, "must not be empty", "empty_array"),)
        if high is not None and len(value) > high:
            return (problem(path, f"at most {high} are allowed, got {len(value)}", "array_above_max_length"),)
        return ()

    return {"array": check}


def _too_long(path: Path, what: str, high: int, length: int) -> Problem:
    return problem(path, f"{what} may have at most {high} characters, not {length}", "string_above_max_length")


def _strings(high: int) -> Limits:
    def check(value: Any, path: Path) -> Iterable[Problem]:
        return (_too_long(path, "it", high, len(value)),) if len(value) > high else ()

    return {"string": check}


def _not_empty(value: Any, path: Path) -> Iterable[Problem]:
    return () if value else (problem(path, "must not be empty", "empty_string"),)


def _name(value: Any, path: Path) -> Iterable[Problem]:
    if not value:
        return _not_empty(value, path)
    if len(value) > _LONGEST_NAME:
        return (_too_long(path, "a name", _LONGEST_NAME, len(value)),)
    if not _NAME.fullmatch(value):
        return (problem(path, f"expected only letters, digits, _ and -, got {quoted(value)}", "invalid_value"),)
    return ()


def _metadata(value: Any, path: Path) -> Iterable[Problem]:
    if len(value) > _MOST_PAIRS:
        what = f"at most {_MOST_PAIRS} pairs are allowed, got {len(value)}"
        yield problem(path, what, "object_above_max_properties")
    for key, inner in value.items():
        if len(str(key)) > _LONGEST_KEY:
            yield _too_long((path, str(key)), "a key", _LONGEST_KEY, len(str(key)))
        if isinstance(inner, str) and len(inner) > _LONGEST_VALUE:
            yield _too_long((path, str(key)), "a value", _LONGEST_VALUE, len(inner))


def _biases(value: Any, path: Path) -> Iterable[Problem]:
    check = _range(-100, 100, "integer")
    for token, bias in value.items():
        if isinstance(bias, int) and not isinstance(bias, bool):
            yield from check(bias, (path, str(token)))


_SOME: Limits = _arrays(1)
_NAMED: Mapping[str, Limits] = {"name": {"string": _name}}
_WITH_CONTENT: Mapping[str, Limits] = {"content": _SOME}
_PAIRS: Limits = {"object": _metadata}

BODY_LIMITS: Mapping[str, Limits] = {
    "messages": _SOME,
    "frequency_penalty": _numbers(-2, 2),
    "functions": _arrays(1, 128),
    "logit_bias": {"object": _biases},
    "max_completion_tokens": _integers(1),
    "max_tokens": _integers(1),
    "metadata": _PAIRS,
    "model": {"string": _not_empty},
    "n": _integers(1, 128),
    "presence_penalty": _numbers(-2, 2),
    "safety_identifier": _strings(128),
    "stop": _arrays(0, 4),
    "temperature": _numbers(0, 2),
    "tools": _arrays(1, 128),
    "top_logprobs": _integers(0, 20),
    "top_p": _numbers(0, 1),
}

LIMITS: Mapping[object, Mapping[str, Limits]] = {
    ChatCompletionAssistantMessageParam: {"content": _SOME, "tool_calls": _SOME},
    ChatCompletionDeveloperMessageParam: _WITH_CONTENT,
    ChatCompletionPredictionContentParam: _WITH_CONTENT,
    ChatCompletionSystemMessageParam: _WITH_CONTENT,
    ChatCompletionToolMessageParam: _WITH_CONTENT,
    ChatCompletionUserMessageParam: _WITH_CONTENT,
    CompletionUpdateParams: {"metadata": _PAIRS},
    CustomDefinition: _NAMED,
    FunctionDefinition: _NAMED,
    JSONSchema: _NAMED,
    LegacyFunctionParam: _NAMED,
}
