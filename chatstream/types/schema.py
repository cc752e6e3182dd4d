"""A model's core schema in, the same out, changed so that each field is written by what it holds.

By its declared type pydantic writes True in a count as 1, rounds a long integer in a float, fails on a
longer one and warns of the rest. Options of a dump could stop that, but only for a dump that starts at the model;
in the schema it also holds for a model that is a part of somebody else's.
"""

from collections.abc import Iterator
from typing import Any

from pydantic_core import core_schema


def fields_of(schema: Any) -> Iterator[dict[str, Any]]:
    """The schemas of a model's fields, however the model's own schema is wrapped."""
    while schema["type"] != "model-fields":
        schema = schema["schema"]
    for field in schema["fields"].values():
        yield field["schema"]


def write_as_it_is(schema: dict[str, Any]) -> None:
    """Have a field written by what it holds; a serializer that a subclass gave it stands."""
    while schema["type"] == "default":  # stays outside, or `exclude_defaults` would not know the default
        schema = schema["schema"]
    within = schema
    while within["type"] == "nullable" and "serialization" not in within:
        within = within["schema"]
    if "serialization" not in within:
        schema["serialization"] = core_schema.simple_ser_schema("any")
