"""Types as formats of an answer.

In goes what was given as ``response_format``; out comes what the request says of it and what reads the answer. Rules:
what is no type for us to describe passes as it is; what can be nothing but a mistake is a TypeError at once; a type is
looked into when it is first needed, and not before.
"""

from __future__ import annotations

import re
import sys
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_origin, is_typeddict

import typing_extensions
from pydantic import BaseModel

from chatstream.jsontext import copied
from chatstream.structured.shape import Shape

__all__ = ["OutputFormat", "output_format"]

T = TypeVar("T")

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 64
_TAKEN = "a pydantic model, a dataclass, a TypedDict, a dict as the API takes it, or a callable"


class OutputFormat(Generic[T]):
    """A type as the ``response_format`` of a request, and as the reader of its answer.

    ``name`` is what the API is told that the format is called. The schema is made when it is first asked for: then
    there may be a TypeError for a type that pydantic cannot describe, or a ParameterError for one that has no strict
    form.
    """

    name: str

    def __init__(self, output_type: type[T]) -> None:
        self.name = _UNFIT.sub("_", _name_of(output_type)).strip("_")[:_LONGEST_NAME] or "output"
        self._shape: Shape[T] = Shape(output_type, where="response_format")

    def __repr__(self) -> str:
        return f"OutputFormat({self.name})"

    @property
    def param(self) -> dict[str, Any]:
        """The ``response_format`` as it is sent, with a strict schema: a copy, the caller's own."""
        own: dict[str, Any] = copied(self._param)
        return own

    def model_validate_json(self, text: str) -> T:
        """The value of an answer's text. Raises pydantic's ValidationError for one that does not fit."""
        return self._shape.read(text)

    def model_json_schema(self) -> dict[str, Any]:
        """The schema as pydantic gives it, not in its strict form."""
        return self._shape.schema(strict=False)

    @cached_property
    def _param(self) -> dict[str, Any]:
        schema = self._shape.schema(strict=True)
        return {"type": "json_schema", "json_schema": {"name": self.name, "schema": schema, "strict": True}}


def output_format(response_format: Any) -> Any:
    """An OutputFormat for a pydantic model class, a dataclass or a TypedDict; anything else that is taken, as it is.

    That is None, a dict as the API takes it, an OutputFormat, anything with ``model_validate_json``, or a callable.
    Raises TypeError for an instance of a model or a dataclass, and for any other type.
    """
    described = get_origin(response_format) or response_format
    if _is_described(described):
        _check_typed_dict(described)
        return OutputFormat(response_format)
    is_alias = described is not response_format  # such as list[int], which passes its members' names on to list
    is_model = isinstance(response_format, BaseModel)
    if response_format is None or isinstance(response_format, dict):
        return response_format
    if hasattr(response_format, "model_validate_json") and not (is_model or is_alias):
        return response_format
    is_type = isinstance(described, type) or is_alias
    if is_type or is_model or is_dataclass(response_format) or not callable(response_format):
        raise TypeError(f"response_format: expected {_TAKEN}, got {_shown(response_format, is_type=is_type)}")
    return response_format


def _is_described(described: Any) -> bool:
    """Whether it is a class whose instances are JSON objects by its own word."""
    if not isinstance(described, type):
        return False
    return issubclass(described, BaseModel) or is_dataclass(described) or typing_extensions.is_typeddict(described)


def _check_typed_dict(described: Any) -> None:
    """Before Python 3.12 the standard library's TypedDicts do not tell enough of themselves for pydantic."""
    if sys.version_info < (3, 12) and is_typeddict(described):
        raise TypeError(
            "response_format: expected typing_extensions.TypedDict before Python 3.12, got typing.TypedDict "
            f"({described.__name__})"
        )


def _name_of(output_type: Any) -> str:
    """The name of a class, with those of its arguments: ``Page[int]`` for ``Page`` of ``int``."""
    origin = get_origin(output_type)
    if origin is None:
        return str(getattr(output_type, "__name__", output_type))
    return "_".join(map(_name_of, (origin, *get_args(output_type))))


def _shown(response_format: Any, *, is_type: bool) -> str:
    if is_type:
        return f"the type {_name_of(response_format)}"
    return f"an instance of {type(response_format).__name__}"
