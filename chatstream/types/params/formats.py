"""Forms that an answer may be asked for in."""

from collections.abc import Mapping
from typing import Literal, Required, TypeAlias

from typing_extensions import TypedDict


class ResponseFormatText(TypedDict, total=False):
    """Text, as without a format."""

    type: Required[Literal["text"]]


class ResponseFormatJSONObject(TypedDict, total=False):
    """Some JSON object; the prompt must ask for it too."""

    type: Required[Literal["json_object"]]


class JSONSchema(TypedDict, total=False):
    """A schema, and its name of at most 64 letters, digits, `_` and `-`."""

    name: Required[str]
    description: str
    schema: Mapping[str, object]
    strict: bool | None


class ResponseFormatJSONSchema(TypedDict, total=False):
    """JSON that fits a schema."""

    json_schema: Required[JSONSchema]
    type: Required[Literal["json_schema"]]


class ResponseFormatTextGrammar(TypedDict, total=False):
    """Text that follows a grammar. Among the reference's shared types; not every service takes it here."""

    grammar: Required[str]
    type: Required[Literal["grammar"]]


class ResponseFormatTextPython(TypedDict, total=False):
    """Python code. Among the reference's shared types; not every service takes it here."""

    type: Required[Literal["python"]]


ResponseFormat: TypeAlias = (
    ResponseFormatText
    | ResponseFormatJSONSchema
    | ResponseFormatJSONObject
    | ResponseFormatTextGrammar
    | ResponseFormatTextPython
)
