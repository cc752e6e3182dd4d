"""Callables that somebody else described: how they are called.

In goes a callable whose arguments are described by a dict, or that takes one value; out comes the call. Rules: it needs
no annotations, and nothing is converted, as its dict is what the model was told; arguments that it does not take are
found before it is called, so that a TypeError of its own is not mistaken for theirs; a parameter annotated ToolContext
gets the context, and neither that nor what a partial holds is for the model to give.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from chatstream.jsontext import plain, read_json
from chatstream.structured.signatures import Signature, read_loosely

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatstream.structured import ToolContext

__all__ = ["ByName", "WithValue"]

_UNKNOWN = Signature((), frozenset())
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ByName:
    """A callable that gets a JSON object as its arguments by name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = read_loosely(function)
        # What a partial holds is not the model's to give, and may well be a key; no more is the context.
        self._taken = {*(function.keywords if isinstance(function, functools.partial) else ())}
        if self._signature is not None:
            self._taken |= self._signature.contexts

    def read(self, text: str) -> dict[str, Any]:
        """The arguments in a JSON text. Raises ValueError or StreamProtocolError if it cannot be called with them."""
        arguments = _named_arguments(text)
        for name in arguments.keys() & self._taken:
            raise ValueError(f"got an unexpected keyword argument {name!r}")
        if self._signature is not None:
            self._bind(self._signature, arguments)
        return arguments

    def call(self, arguments: Mapping[str, Any], context: ToolContext[Any]) -> Any:
        """What it gives for arguments that were read."""
        positional: list[Any] = []
        by_name = arguments
        if self._signature is not None:
            positional, by_name = self._signature.filled(arguments, context)
        return self._function(*positional, **by_name)

    def _bind(self, signature: Signature, arguments: Mapping[str, Any]) -> None:
        given = [_with_a_name(parameter) for parameter in signature.parameters if parameter.name not in self._taken]
        try:
            inspect.Signature(given).bind(**arguments)
        except TypeError as error:
            raise ValueError(str(error)) from None


class WithValue:
    """A callable that gets one value: the text of a call, or what ``parse`` makes of it.

    Raises TypeError if it cannot be called so.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = read_loosely(function)
        positional, by_name = self._placed(None, None)
        if self._signature is not None:  # told here, and not when a model calls it
            inspect.Signature(self._signature.parameters).bind(*positional, **by_name)

    def call(self, value: Any, context: ToolContext[Any]) -> Any:
        """What it gives for a value."""
        positional, by_name = self._placed(value, context)
        return self._function(*positional, **by_name)

    def _placed(self, value: Any, context: ToolContext[Any] | None) -> tuple[list[Any], dict[str, Any]]:
        """The value in the first place that is not the context's, and the context in its own."""
        signature = self._signature or _UNKNOWN
        by_name: dict[str, Any] = dict.fromkeys(signature.contexts, context)
        positional: list[Any] = []
        values = [value]
        for parameter in signature.parameters:
            if parameter.kind in _BY_POSITION and parameter.name in signature.contexts:
                positional.append(by_name.pop(parameter.name))
            elif parameter.kind in _BY_POSITION and values:
                positional.append(values.pop())
            else:
                break
        return positional + values, by_name


def _named_arguments(text: str) -> dict[str, Any]:
    """The JSON object that the text of a call is; a blank one is empty.

    Raises StreamProtocolError or StreamLimitError for what is no JSON, ValueError for JSON that is no object.
    """
    if not text.strip():
        return {}
    value, flags = read_json(text.encode("utf-8", "replace"))
    if not isinstance(value, dict):
        raise ValueError("they must be a JSON object")  # noqa: TRY004  what the peer sent is no mistake of a type
    arguments: dict[str, Any] = plain(value, keep_infinities=True) if flags else value
    return arguments


def _with_a_name(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter as one that may be given by name: the model knows of no other way."""
    by_position_alone = parameter.kind is parameter.POSITIONAL_ONLY
    return parameter.replace(kind=parameter.POSITIONAL_OR_KEYWORD) if by_position_alone else parameter
