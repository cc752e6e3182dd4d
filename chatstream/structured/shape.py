"""A type that JSON text is read as, and its schema in two forms.

In goes a type, out come pydantic's schema of it, the strict one, and values. Rules: each is made when it is first asked
for, and once; what cannot be made is told with the name of who wanted it, whichever of pydantic's errors says so.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from pydantic_core import SchemaError

from chatstream.jsontext import copied
from chatstream.structured.strict import strict_schema

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Shape"]

T = TypeVar("T")


class Shape(Generic[T]):
    """A type as JSON has it; ``where`` names it in errors.

    Raises TypeError for a type that pydantic cannot read or describe, ParameterError for one without a strict form.
    """

    def __init__(self, described: Any, *, where: str) -> None:
        self._described: Any = described
        self._where = where

    def read(self, text: str) -> T:
        """The value of a JSON text. Raises pydantic's ValidationError for one that does not fit."""
        return self._adapter.validate_json(text)

    def schema(self, *, strict: bool) -> dict[str, Any]:
        """The schema, as pydantic gives it or in its strict form: a copy, the caller's own."""
        own: dict[str, Any] = copied(self._strict if strict else self._schema)
        return own

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        with self._telling():
            adapter: TypeAdapter[T] = TypeAdapter(self._described)
            adapter.core_schema["type"]  # a name that is not known keeps pydantic from making it, and silent until used
            return adapter

    @cached_property
    def _schema(self) -> dict[str, Any]:
        adapter = self._adapter
        with self._telling():
            return adapter.json_schema()

    @cached_property
    def _strict(self) -> dict[str, Any]:
        return strict_schema(self._schema, where=self._where)

    @contextmanager
    def _telling(self) -> Generator[None, None, None]:
        try:
            yield
        except (PydanticUndefinedAnnotation, PydanticUserError, SchemaError, TypeError) as error:
            reason = " ".join(str(error).split("\n\n")[0].split())  # after that comes a link
            raise TypeError(f"{self._where}: no JSON can be read as this type: {reason}") from error
