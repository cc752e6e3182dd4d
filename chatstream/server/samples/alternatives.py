"""A JSON schema to the plain schemas that it may be read as.

In goes a schema with references, joined schemas (``allOf``) and alternatives (``anyOf``, ``oneOf``, ``if``, several
types), out come schemas without them, the best first: a value for one of them is one for the whole, but for accidents.
Rules: a branch that comes back to a definition we are in goes last; deep down the flattest goes first, so it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.server.samples.conjoining import merged
from chatstream.server.samples.schemas import ENDLESS, UnknownReferenceError, UnusableSchemaError, entries, members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.server.samples.patterns import Work
    from chatstream.server.samples.schemas import Document

__all__ = ["Alternatives", "Place", "comes_back"]

_ALTERNATIVES = ("anyOf", "oneOf")


class Place(msgspec.Struct, frozen=True):
    """Where in the value, and in the schema, something is made."""

    path: tuple[str, ...] = ()
    name: str | None = None
    depth: int = 0
    variant: int = 0
    open: frozenset[str] = frozenset()  # references that lead here

    def inside(self, *path: str, name: str | None = None, variant: int = 0) -> Place:
        """A place one level further down."""
        return Place((*self.path, *path), name or self.name, self.depth + 1, self.variant + variant, self.open)

    def error(self, reason: str) -> UnusableSchemaError:
        """The error of there being no value here."""
        return UnusableSchemaError(_written(self.path), reason)


def _written(path: tuple[str, ...]) -> str:
    return "".join(step if step[0] == "[" else f".{step}" for step in path).lstrip(".")


class Alternatives:
    """What the schemas of a document may be read as; ``calm``: the levels down to which they go in their own order."""

    def __init__(self, document: Document, work: Work, calm: int) -> None:
        self._document = document
        self._work = work
        self._calm = calm

    def of(self, schema: dict[str, Any], place: Place) -> Iterator[tuple[dict[str, Any], Place]]:
        """What the schema may be read as, the best first: each without references, alternatives and joined schemas."""
        flat, groups, place = self._gathered(schema, place)
        self._work.spend(1 + len(flat) + len(members(flat.get("properties"))) + 4 * len(groups))
        if not groups:
            yield flat, place
            return
        rest = [{"anyOf": group} for group in groups[1:]]
        problem: UnusableSchemaError | None = None
        for branch in self._ordered(groups[0], place):
            try:
                yield from self.of({**flat, "allOf": [branch, *rest]}, place)
            except UnusableSchemaError as error:
                problem = problem or error
        if problem is not None:
            raise problem

    def _gathered(self, schema: dict[str, Any], place: Place) -> tuple[dict[str, Any], list[list[Any]], Place]:
        """All that the schema and those joined to it say together, the groups of alternatives, and the references."""
        flat: dict[str, Any] = {}
        groups: list[list[Any]] = []
        pending: list[Any] = [schema]
        opened = place.open
        while pending:
            one = pending.pop(0)
            self._work.spend()
            if one is False:
                raise place.error("nothing fits false")
            one = members(one)
            if "$ref" in one:
                opened |= {str(one["$ref"])}
                pending.append(self._target(one["$ref"], place))
            pending += entries(one.get("allOf"))
            groups += _groups(one)
            flat = merged(flat, one)
        return flat, groups, msgspec.structs.replace(place, open=opened)

    def _target(self, reference: Any, place: Place) -> Any:
        try:
            target = self._document.target(reference)
        except UnknownReferenceError as error:
            raise place.error(str(error)) from None
        if self._document.height({"$ref": reference}) >= ENDLESS:
            raise place.error(f"$ref {reference[:80]!r} needs itself without end")
        return target

    def _ordered(self, branches: list[Any], place: Place) -> list[Any]:
        """As they stand; but what comes back to where we are goes last, and deep down the flattest goes first."""

        def cost(branch: Any) -> int:
            if place.depth < self._calm and not comes_back(branch, place):
                return 0
            return 1 + self._document.height(branch)

        return sorted(branches, key=cost)


def _groups(schema: dict[str, Any]) -> list[list[Any]]:
    """The groups of alternatives in a schema: one of each group has to hold."""
    groups = [schema[key] for key in _ALTERNATIVES if entries(schema.get(key))]
    kinds = schema.get("type")
    if type(kinds) is list and kinds:
        # A value tells more than null does, so that goes last.
        groups.append([{"type": kind} for kind in sorted(kinds, key=_is_null)])
    if "if" in schema:
        negated = {"allOf": [{"not": schema["if"]}, schema.get("else", True)]}
        groups.append([{"allOf": [schema["if"], schema.get("then", True)]}, negated])
    return groups


def _is_null(kind: object) -> bool:
    return kind == "null"


def comes_back(schema: Any, place: Place) -> bool:
    """Whether a schema is nothing but references to definitions that we are in."""
    if type(schema) is not dict:
        return False
    if "$ref" in schema:
        return str(schema["$ref"]) in place.open
    branches = [branch for key in _ALTERNATIVES for branch in entries(schema.get(key))]
    return bool(branches) and all(comes_back(branch, place) for branch in branches)
