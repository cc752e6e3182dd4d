"""A function's signature: what its arguments are, and how it is called with them.

In goes a function; out come the type of its arguments, as a TypedDict that pydantic reads, and the call. Rules: nothing
is guessed: what has no annotation, or takes any number of arguments, cannot be described and is a TypeError. A default
stays Python's own business: the key may be missing. Any name of a parameter works, for no class has it as a member.
"""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

from chatstream.structured.context import ToolContext
from chatstream.structured.docstrings import read_docstring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Signature", "docstring_of", "innermost", "read_loosely", "read_method", "read_signature"]

_ANY_NUMBER = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # A name that cannot be resolved must not matter where it stands in the result's annotation.
    _signature = functools.partial(inspect.signature, annotation_format=Format.FORWARDREF)
else:
    _signature = inspect.signature


@dataclass(frozen=True)
class Signature:
    """The parameters of a function, with their annotations as types; ``contexts`` names those that get the context."""

    parameters: tuple[inspect.Parameter, ...]
    contexts: frozenset[str]

    def arguments_type(self, name: str, docstring: str | None) -> tuple[Any, str | None]:
        """A TypedDict of the arguments that a model gives, and what the docstring tells of the function."""
        given = [parameter for parameter in self.parameters if parameter.name not in self.contexts]
        description, told = read_docstring(docstring, {parameter.name for parameter in given})
        keys = {parameter.name: _key(parameter, told.get(parameter.name)) for parameter in given}
        make: Any = typing_extensions.TypedDict  # a name that is not known beforehand is nothing for a type checker
        arguments = make(name, keys)
        arguments.__pydantic_config__ = ConfigDict(extra="forbid")
        return arguments, description

    def filled(self, arguments: Mapping[str, Any], context: ToolContext[Any]) -> tuple[list[Any], dict[str, Any]]:
        """What the function is called with: by position what must be, by name all else."""
        by_name = {**arguments, **dict.fromkeys(self.contexts, context)}
        # One that was left out still has its place before the next.
        positional = [
            by_name.pop(parameter.name, parameter.default)
            for parameter in self.parameters
            if parameter.kind is parameter.POSITIONAL_ONLY
        ]
        return positional, by_name


def read_signature(function: Callable[..., Any], name: str) -> Signature:
    """The signature of a function, a bound method, a partial or a callable instance; ``name`` is for errors.

    Raises TypeError, with the name of the parameter, for what cannot be described.
    """
    given: Mapping[str, Any] = function.keywords if isinstance(function, functools.partial) else {}
    names = _names_for(function)
    return _signature_of(
        _typed(parameter, names, name) for parameter in _parameters(function, name) if parameter.name not in given
    )


def read_loosely(function: Callable[..., Any]) -> Signature | None:
    """The signature of a callable that needs no annotations; None where it tells none, as some not written in Python.

    Annotations stay as they were written: they are read only to find what gets the context.
    """
    try:
        parameters = tuple(_signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    names = _names_for(function)
    return Signature(parameters, frozenset(parameter.name for parameter in parameters if _wants(parameter, names)))


def _wants(parameter: inspect.Parameter, names: dict[str, Any]) -> bool:
    """Whether a parameter that need not be described gets the context."""
    try:
        return _is_context(_typed(parameter, names, "").annotation)
    except TypeError:
        return False


def read_method(method: Callable[..., Any], name: str) -> Signature:
    """The signature of a class's ``__call__``, which is called with an instance and the context, if it wants that.

    Raises TypeError for a parameter that nothing would be given for.
    """
    names = _names_for(method)
    signature = _signature_of(
        parameter if _may_be_ignored(parameter) else _typed(parameter, names, name)
        for parameter in _parameters(method, name)[1:]
        if parameter.kind not in _ANY_NUMBER
    )
    for parameter in signature.parameters:
        if parameter.name not in signature.contexts and parameter.default is parameter.empty:
            raise TypeError(f"{name}: its __call__ is given the context at most, and nothing for {parameter.name}")
    return signature


def docstring_of(function: Callable[..., Any]) -> str | None:
    """The docstring of what is called; of its class, if it is an instance that can be called."""
    function = innermost(function)
    written = _written(function)
    return written.__doc__ or (None if written is function else type(function).__doc__)


def innermost(function: Any) -> Any:
    """The function that a partial is of; any other, as it is."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _written(function: Any) -> Any:
    """What the annotations and the docstring were written on."""
    is_function = inspect.isroutine(function) or hasattr(function, "__wrapped__")
    return function if is_function else type(function).__call__


def _names_for(function: Any) -> dict[str, Any]:
    """The names that annotations which are text may use.

    ToolContext is one of them even where it was imported for type checkers alone, as linters advise.
    """
    return {"ToolContext": ToolContext, **getattr(inspect.unwrap(_written(innermost(function))), "__globals__", {})}


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        return list(_signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: it does not tell its parameters: {error}") from error


def _signature_of(parameters: Iterable[inspect.Parameter]) -> Signature:
    typed = tuple(parameters)
    return Signature(typed, frozenset(parameter.name for parameter in typed if _is_context(parameter.annotation)))


def _may_be_ignored(parameter: inspect.Parameter) -> bool:
    return parameter.annotation is parameter.empty and parameter.default is not parameter.empty


def _typed(parameter: inspect.Parameter, names: dict[str, Any], where: str) -> inspect.Parameter:
    """The parameter with its annotation as a type."""
    if parameter.kind in _ANY_NUMBER:
        stars = _ANY_NUMBER[parameter.kind]
        raise TypeError(f"{where}: {stars}{parameter.name} cannot be described: name each argument")
    if parameter.annotation is parameter.empty:
        raise TypeError(f"{where}: the parameter {parameter.name} has no annotation")
    if isinstance(parameter.default, FieldInfo):
        # Called without the argument, the function would get the Field.
        raise TypeError(f"{where}: the parameter {parameter.name} has a Field as its default: put it into Annotated")
    try:
        return parameter.replace(annotation=_type_of(parameter.annotation, names))
    except NameError as error:
        reason = f"{error.name!r} is not known where the function is defined"
    except Exception as error:  # noqa: BLE001  the text of an annotation is code: anything may come
        reason = f"{type(error).__name__}: {error}"
    raise TypeError(f"{where}: the annotation of {parameter.name} cannot be resolved: {reason}")


def _type_of(annotation: Any, names: dict[str, Any]) -> Any:
    """The type that an annotation is; one by one, since the result's may use names that nobody has at run time."""

    def annotated() -> None: ...

    annotated.__annotations__ = {"parameter": annotation}
    return get_type_hints(annotated, names, include_extras=True)["parameter"]


def _is_context(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_context(get_args(annotation)[0])
    if origin is Union or origin is UnionType:
        return any(map(_is_context, get_args(annotation)))
    described = origin or annotation
    return isinstance(described, type) and issubclass(described, ToolContext)


def _key(parameter: inspect.Parameter, told: str | None) -> Any:
    """The type of one key of the arguments, described by its annotation or else by the docstring."""
    described = parameter.annotation
    metadata: Sequence[Any] = get_args(described)[1:] if get_origin(described) is Annotated else ()
    texts = [text for text in metadata if isinstance(text, str)]
    description = texts[0] if texts else told
    if description and not any(isinstance(field, FieldInfo) and field.description for field in metadata):
        described = Annotated[described, Field(description=description)]
    return described if parameter.default is parameter.empty else NotRequired[described]
