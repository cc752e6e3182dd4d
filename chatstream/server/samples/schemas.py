"""A JSON schema as a document: where its references lead, and how deep its values must be.

In goes the schema of a request, as parsed JSON, with anything in it; out come other schemas of it, and numbers. Rules:
references are followed inside the document alone, nothing is fetched. Whatever is done is counted as work.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chatstream.server.samples.patterns import WorkLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.server.samples.patterns import Work

__all__ = ["ENDLESS", "Document", "UnknownReferenceError", "UnusableSchemaError", "entries", "members"]

ENDLESS = 64  # levels: a value that must be deeper counts as one that never ends
_DEEPEST = 200  # levels of a schema, and of references in it

_OF_ONE = ("items", "additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else")
_OF_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_OF_NAMES = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


class UnusableSchemaError(ValueError):
    """No value can be made for a schema: where in it, as ``properties.city.items``, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path: str = path
        self.reason: str = reason


class UnknownReferenceError(ValueError):
    """A reference that leads out of the document, or to nothing in it."""


def members(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if type(value) is dict else {}


def entries(value: Any) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if type(value) is list else []


class Document:
    """A schema as a whole, which its references point into."""

    def __init__(self, root: Any, work: Work) -> None:
        self.root: Any = root
        self.work: Work = work
        self._targets: dict[str, Any] = {}
        self._anchors: dict[str, Any] = {}
        references: dict[str, None] = {}  # a dict for its order: what a schema gives does not hang on hashes
        for schema in self._schemas(root, 0):
            if type(schema.get("$ref")) is str:
                references[schema["$ref"]] = None
            for key in ("$anchor", "$id"):
                if type(schema.get(key)) is str:
                    self._anchors[schema[key]] = schema
        self._heights = dict.fromkeys(references, ENDLESS)
        self._settle_heights()

    def _schemas(self, schema: Any, depth: int) -> Iterator[dict[str, Any]]:
        if type(schema) is not dict:
            return
        self.work.spend()
        if depth > _DEEPEST // 2:
            raise WorkLimitError("it is nested too deeply")
        yield schema
        inner = [schema[key] for key in _OF_ONE if key in schema]
        inner += [one for key in _OF_LISTS if type(schema.get(key)) is list for one in schema[key]]
        inner += [one for key in _OF_NAMES for one in members(schema.get(key)).values()]
        for one in inner:
            yield from self._schemas(one, depth + 1)

    def target(self, reference: Any) -> Any:
        """The schema that a reference leads to; UnknownReferenceError if it leads nowhere."""
        if type(reference) is not str:
            raise UnknownReferenceError("$ref is no string")
        if reference not in self._targets:
            self._targets[reference] = self._look_up(reference)
        return self._targets[reference]

    def _look_up(self, reference: str) -> Any:
        if reference in self._anchors:
            return self._anchors[reference]
        if reference.startswith("#") and not reference.startswith("#/") and reference[1:] in self._anchors:
            return self._anchors[reference[1:]]
        if reference != "#" and not reference.startswith("#/"):
            raise UnknownReferenceError(f"$ref {reference[:80]!r} does not lead into this schema")
        found = self.root
        for step in reference.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if type(found) is list and re.fullmatch("[0-9]{1,6}", key) and int(key) < len(found):
                found = found[int(key)]
            elif type(found) is dict and key in found:
                found = found[key]
            else:
                raise UnknownReferenceError(f"$ref {reference[:80]!r} leads to nothing")
        return found

    def height(self, schema: Any) -> int:
        """How many levels the flattest value of a schema has below its first, as far as its structure tells."""
        if type(schema) is not dict or "const" in schema or type(schema.get("enum")) is list:
            return 0
        self.work.spend()
        heights = [0, self._heights.get(schema["$ref"], ENDLESS)] if type(schema.get("$ref")) is str else [0]
        heights += [self.height(inner) for inner in entries(schema.get("allOf"))]
        for key in ("anyOf", "oneOf"):
            heights += [min(map(self.height, entries(schema.get(key))), default=0)]
        if not _may_be_scalar(schema):
            heights += [1 + self.height(inner) for inner in _needed(schema)]
        return min(max(heights), ENDLESS)

    def _settle_heights(self) -> None:
        # As for the symbols of a grammar: from "endless" downwards, until a round changes nothing. A definition that
        # needs itself stays endless; one that has another way out comes down to it.
        for _ in range(ENDLESS):
            before = dict(self._heights)
            for reference in before:
                try:
                    self._heights[reference] = self.height(self.target(reference))
                except UnknownReferenceError:
                    continue
            if self._heights == before:
                return


def _may_be_scalar(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type")
    listed = kinds if type(kinds) is list else [kinds]
    return any(kind in {"string", "integer", "number", "boolean", "null"} for kind in listed if type(kind) is str)


def _needed(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas of what a value cannot do without."""
    properties = members(schema.get("properties"))
    for name in entries(schema.get("required")):
        if type(name) is str:
            yield properties.get(name, schema.get("additionalProperties"))
    least = schema.get("minItems")
    if type(least) is int and least > 0:
        first = entries(schema.get("prefixItems"))[:least]
        yield from first
        if least > len(first) and type(schema.get("items")) is dict:
            yield schema["items"]
