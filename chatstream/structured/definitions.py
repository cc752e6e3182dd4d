"""The definitions of a JSON schema, and what references to them lead to.

In goes a schema; out come the definition that a reference is to and its path, or why there is none. Rules: a pointer is
to the whole, or to a definition of the whole by its name: one into anything else would miss what the strict form merges
away; a reference that leads to one after another and never to a type leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from chatstream.jsontext import DEEPEST

__all__ = ["DEFINITIONS", "Definitions", "only_of"]

DEFINITIONS = ("$defs", "definitions")  # what they stand under, in newer schemas and in older ones


class Definitions:
    """The definitions of one schema, as references find them."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def target(self, ref: Any) -> tuple[Mapping[str, Any], str] | str:
        """The definition that a reference is to, and its path in the schema; or why there is none, in words."""
        found = self._find(ref)
        if not isinstance(found, str) and self._is_endless(ref):
            return "leads to itself"
        return found

    def _is_endless(self, ref: Any) -> bool:
        seen: set[str] = set()
        while isinstance(ref, str) and ref not in seen:
            seen.add(ref)
            found = self._find(ref)
            ref = None if isinstance(found, str) else _reference_of(found[0])
        return isinstance(ref, str)

    def _find(self, ref: Any) -> tuple[Mapping[str, Any], str] | str:
        if not isinstance(ref, str):
            return "no text"
        if ref == "#":
            return self._root, "$"
        if not ref.startswith("#"):
            return "another document"
        steps = [unquote(step).replace("~1", "/").replace("~0", "~") for step in ref[1:].split("/")]
        if len(steps) == 3 and not steps[0] and steps[1] in DEFINITIONS:  # noqa: PLR2004  "", "$defs", a name
            definitions = self._root.get(steps[1])
            definition = definitions.get(steps[2]) if isinstance(definitions, Mapping) else None
            if isinstance(definition, Mapping):
                return definition, f"$.{steps[1]}.{steps[2]}"
        return "leads to no definition"


def only_of(schemas: Any) -> Mapping[str, Any] | None:
    """The schema in an ``allOf`` of one; None if it is not one."""
    is_one = isinstance(schemas, list) and len(schemas) == 1 and isinstance(schemas[0], Mapping)
    return schemas[0] if is_one else None


def _reference_of(schema: Mapping[str, Any]) -> Any:
    """The reference that a schema is, or that its only ``allOf`` is."""
    for _ in range(DEEPEST):
        only = only_of(schema.get("allOf"))
        if "$ref" in schema or only is None:
            break
        schema = only
    return schema.get("$ref")
