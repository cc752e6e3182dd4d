"""A JSON schema to a value that fits it.

In goes the schema of a function's parameters or of a response format, as parsed JSON with anything in it; out comes a
value, always the same one, or UnusableSchemaError with the path of what no value can be made of. Rules:

- Understood is what such schemas are made of: types, const and enum, properties, items, bounds, formats, patterns,
  references, ``allOf``, and ``anyOf`` or ``oneOf``, of which the first branch that gives a value is taken. Keywords
  that are not known (``not``, ``if``, ``contains``, ``patternProperties``…) are not looked at.
- Values tell what they are for: the string for a property ``city`` is "city". Const, enum, examples, default go first,
  and are not held against a pattern.
- All properties are there as in strict schemas, down to a few levels; further down only what is required.
- A schema that needs itself ends: branches that come back to where we are go last, and shallow values are tried first.
- The work is bounded: a schema that is too wide, too deep, or asks for too much is refused.
"""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.jsontext import entries, members, write_json
from chatstream.server.samples.scalars import number_for, string_for, suits
from chatstream.server.samples.schemas import (
    Place,
    UnusableSchemaError,
    Work,
    WorkLimitError,
    is_number,
    joined,
    target,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["sample"]

_WORK = 20_000  # steps of one attempt: tenths of a second, and many times what the schemas people write need
_CALM = 3  # levels down to which properties that are not required are there
# Shallow values first, or those of a language in itself would be as large as they may; then without what can be left.
_ATTEMPTS = [(calm, deepest) for calm in (_CALM, 0) for deepest in (6, 20)]
_FREE = 16  # characters that go with a step: what is copied into the value costs by its length


def sample(schema: Any, *, variant: int = 0) -> Any:
    """A value that fits the schema; for none, or one that says nothing, an empty object.

    ``variant`` asks for another one, where the schema leaves a choice. UnusableSchemaError if there is none.
    """
    problem = UnusableSchemaError("", "no value was found")
    for calm, deepest in _ATTEMPTS:
        try:
            return _Maker(schema, calm, deepest).value(True if schema is None else schema, Place(variant=variant))
        except UnusableSchemaError as error:
            problem = error
        except WorkLimitError as error:
            problem = UnusableSchemaError("", str(error))
        except RecursionError:
            problem = UnusableSchemaError("", "it is nested too deeply")
    raise problem


class _Maker:
    """One attempt: properties that are not required down to ``calm`` levels, and no value below the ``deepest``."""

    def __init__(self, root: Any, calm: int, deepest: int) -> None:
        self._root = root
        self._calm = calm
        self._deepest = deepest
        self._work = Work(_WORK)

    def value(self, schema: Any, place: Place) -> Any:
        """A value for a schema."""
        if place.depth > self._deepest:
            # Without a path: it would be the same few steps again and again.
            raise UnusableSchemaError("", f"its values are more than {self._deepest} levels deep, or never end")
        try:
            flat, groups, place = self._gathered(schema, place)
            return self._chosen(flat, groups, place) if groups else self._built(flat, place)
        except UnusableSchemaError:
            raise
        except ValueError as error:
            raise place.error(str(error)) from None

    def _gathered(self, schema: Any, place: Place) -> tuple[dict[str, Any], list[list[Any]], Place]:
        """All that the schema and those joined to it say together, the groups of alternatives, and the references."""
        flat: dict[str, Any] = {}
        groups: list[list[Any]] = []
        opened = place.here
        for one, references in self._joined_to(schema, place):
            opened |= references
            groups += _groups(one)
            flat = joined(flat, one)
            self._work.spend(sum(len(part) for part in (flat, *flat.values()) if type(part) in {dict, list}))
        return flat, groups, msgspec.structs.replace(place, here=opened)

    def _joined_to(self, schema: Any, place: Place) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
        """The schema, and all that it refers to or joins, each with the references that lead to it."""
        pending: list[tuple[Any, frozenset[str]]] = [(schema, place.here)]
        while pending:
            one, references = pending.pop()
            self._work.spend()
            if type(one) not in {dict, bool}:
                raise ValueError("a schema is an object")
            if one is False:
                raise ValueError("nothing fits false")
            yield members(one), references
            pending += [(inner, references) for inner in reversed(entries(members(one).get("allOf")))]
            if "$ref" in members(one):
                pending.append(self._target(one["$ref"], references))

    def _target(self, reference: Any, references: frozenset[str]) -> tuple[Any, frozenset[str]]:
        found = target(self._root, reference)
        self._work.spend(len(references) + len(reference) // _FREE)
        if reference in references:
            raise ValueError(f"$ref {reference[:80]!r} leads back to itself")
        return found, references | {reference}

    def _chosen(self, flat: dict[str, Any], groups: list[list[Any]], place: Place) -> Any:
        """A value for the first alternative that has one, together with all else that must hold."""
        rest = [{"anyOf": group} for group in groups[1:]]
        problems: list[UnusableSchemaError] = []
        for branch in sorted(groups[0], key=lambda branch: self._cost(branch, place)):
            try:
                return self.value({**flat, "allOf": [branch, *rest]}, place)
            except UnusableSchemaError as error:
                problems.append(error)
        raise problems[0]

    def _cost(self, branch: Any, place: Place) -> int:
        # A value tells more than null does, and null ends what comes back.
        return 2 if self._comes_back(branch, place) else members(branch).get("type") == "null"

    def _comes_back(self, schema: Any, place: Place) -> bool:
        """Whether a schema is nothing but references to definitions that we are in."""
        self._work.spend()
        if "$ref" in members(schema):
            return str(schema["$ref"]) in place.around | place.here
        branches = chain(*(entries(members(schema).get(key)) for key in ("anyOf", "oneOf")))
        found = [self._comes_back(branch, place) for branch in branches]
        return bool(found) and all(found)

    def _built(self, flat: dict[str, Any], place: Place) -> Any:
        for value in self._given(flat, place):
            self._work.spend(1 + len(write_json(value)) // _FREE)
            if suits(value, flat):
                return value
        if entries(flat.get("enum")):
            raise ValueError("none of its enum fits the rest of it")
        value = self._made(flat, place)
        if not suits(value, flat):
            raise ValueError("its bounds leave nothing between them")
        return value

    def _given(self, flat: dict[str, Any], place: Place) -> Iterator[Any]:
        """The values that stand in the schema, those that go first first."""
        values = entries(flat.get("enum"))
        if "const" in flat:
            yield flat["const"]
        elif values:
            yield from (values[(place.variant + turn) % len(values)] for turn in range(len(values)))
        else:
            # Null is what most defaults are, and says nothing. Where several are asked for, each serves once.
            default = [] if flat.get("default") is None else [flat["default"]]
            yield from [*entries(flat.get("examples")), *default][place.variant :]

    def _made(self, flat: dict[str, Any], place: Place) -> Any:
        kind = str(flat.get("type", _kind_of(flat, place)))
        if kind == "object":
            return self._object(flat, place)
        if kind == "array":
            return self._array(flat, place)
        if kind == "string":
            return string_for(flat, name=place.name, variant=place.variant, work=self._work)
        if kind in {"integer", "number"}:
            return number_for(flat, whole=kind == "integer", variant=place.variant)
        if kind in {"null", "boolean"}:
            return None if kind == "null" else place.variant % 2 == 0
        raise ValueError(f"there is no type {kind[:80]!r}")

    def _object(self, flat: dict[str, Any], place: Place) -> dict[str, Any]:
        properties = members(flat.get("properties"))
        required = dict.fromkeys(name for name in entries(flat.get("required")) if type(name) is str)
        made: dict[str, Any] = {}
        for name in {**properties, **required}:
            if name in required:
                made[name] = self._member(flat, name, place)
            elif place.depth < self._calm and not self._comes_back(properties[name], place):
                try:
                    made[name] = self._member(flat, name, place)
                except UnusableSchemaError:
                    continue
        names = chain(properties, (f"property{number}" for number in count(1)))
        least: Any = flat.get("minProperties")
        while is_number(least) and len(made) < least:
            if (name := next(names)) not in made:
                made[name] = self._member(flat, name, place)
        return made

    def _member(self, flat: dict[str, Any], name: str, place: Place) -> Any:
        """The value of a property: of its own schema, or of that for all others."""
        self._work.spend(1 + len(name) // _FREE)
        properties = members(flat.get("properties"))
        if name in properties:
            return self.value(properties[name], place.inside("properties", name, name=name))
        return self.value(flat.get("additionalProperties", True), place.inside("additionalProperties", name=name))

    def _array(self, flat: dict[str, Any], place: Place) -> list[Any]:
        first, rest = entries(flat.get("prefixItems")), flat.get("items", True)
        if type(rest) is list:  # as drafts before 2020-12 have it
            first, rest = rest, flat.get("additionalItems", True)
        made: list[Any] = []
        texts: set[str] = set()
        wanted = self._wanted(flat, first, rest, place)
        while (number := len(made)) < wanted:
            if number < len(first):
                schema, inside = first[number], place.inside(f"prefixItems[{number}]")
            else:
                schema, inside = rest, place.inside("items", variant=number - len(first))
            apart = flat.get("uniqueItems") is True
            made.append(self._apart(schema, texts, inside) if apart else self.value(schema, inside))
        return made

    def _wanted(self, flat: dict[str, Any], first: list[Any], rest: Any, place: Place) -> float:
        """How many items there are to be: all that are named, and one more to show what the others are."""
        least, most = flat.get("minItems"), flat.get("maxItems")
        wanted: float = 0
        if place.depth < self._calm:
            wanted = max(len(first), rest is not False and not self._comes_back(rest, place))
        if is_number(least):
            wanted = max(wanted, least)
        return min(wanted, most) if is_number(most) else wanted

    def _apart(self, schema: Any, texts: set[str], place: Place) -> Any:
        """A value that is none of those already made, told apart by their JSON."""
        for shift in range(len(texts) + 1):
            value = self.value(schema, msgspec.structs.replace(place, variant=place.variant + shift))
            text = write_json(value)
            if text not in texts:
                texts.add(text)
                return value
        raise place.error("there are not enough different values for uniqueItems")


def _groups(schema: dict[str, Any]) -> list[list[Any]]:
    """The groups of alternatives in a schema: one of each group has to hold."""
    groups = [schema[key] for key in ("anyOf", "oneOf") if entries(schema.get(key))]
    kinds = entries(schema.get("type"))
    return [*groups, [{"type": kind} for kind in kinds]] if kinds else groups


_KINDS: dict[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "string": ("minLength", "maxLength", "pattern", "format"),
}


def _kind_of(flat: dict[str, Any], place: Place) -> str:
    """The type of a value, where the schema says it only by its other keywords, or not at all."""
    untold = "string" if place.depth else "object"
    return next((kind for kind, keywords in _KINDS.items() if not flat.keys().isdisjoint(keywords)), untold)
