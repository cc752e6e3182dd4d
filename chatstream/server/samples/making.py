"""A JSON schema to a value that fits it.

In goes the schema of a function's parameters or of a response format, as parsed JSON with anything in it; out comes a
value, always the same one, or UnusableSchemaError with the path of what no value can be made of. Rules:

- Values tell what they are for: the string for a property ``city`` is "city". Const, enum, examples, default go first.
- All properties are there as in strict schemas, down to a few levels; further down only what is required.
- A schema that needs itself ends: branches that come back to a definition go last; deep down the flattest goes first.
- What is made is checked against the whole schema before it is handed out.
- The work is bounded: a schema that is too wide, too deep, or asks for too much is refused.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatstream.server.samples.alternatives import Alternatives, Place, comes_back
from chatstream.server.samples.fitting import fits, same
from chatstream.server.samples.patterns import UnusablePatternError, Work, WorkLimitError
from chatstream.server.samples.scalars import number_for, string_for
from chatstream.server.samples.schemas import Document, UnknownReferenceError, UnusableSchemaError, entries, members

__all__ = ["UnusableSchemaError", "sample"]

_WORK = 100_000  # steps: at most a second, and a hundred times what the schemas people write need
_CALM = 3  # levels down to which properties that are not required are there
_DEEPEST = 40  # levels of a value
_MOST_ITEMS = 10_000
# Keywords that what is made for the rest of the schema may go against by accident.
_ACCIDENTS = frozenset({"oneOf", "not", "if", "allOf", "contains", "dependentSchemas", "dependentRequired"})


def sample(schema: Any, *, name: str | None = None, variant: int = 0) -> Any:
    """A value that fits the schema; for none, or one that says nothing, an empty object or the ``name``.

    ``variant`` asks for another one, where the schema leaves a choice. UnusableSchemaError if there is none.
    """
    place = Place(name=name, variant=variant)
    for calm in (_CALM, 0):  # what is too wide with all its properties may do with those that are required
        try:
            return _Maker(schema, Work(_WORK), calm).checked(schema, place)
        except WorkLimitError as error:
            reason = str(error)
        except RecursionError:
            reason = "it is nested too deeply"
    raise UnusableSchemaError("", reason)


class _Maker:
    """Makes a value; ``calm``: the levels down to which properties that are not required are there."""

    def __init__(self, root: Any, work: Work, calm: int) -> None:
        self._work = work
        self._calm = calm
        self._document = Document(root, work)
        self._alternatives = Alternatives(self._document, work, calm)

    def checked(self, schema: Any, place: Place) -> Any:
        """A value for the whole schema, checked against all of it."""
        if schema is None:
            return {}
        value = self._value(schema, place)
        if not self._fits(value, schema, place):
            raise place.error("no value was found that fits all of it")
        return value

    def _fits(self, value: Any, schema: Any, place: Place) -> bool:
        try:
            return fits(value, schema, self._document)
        except (UnusablePatternError, UnknownReferenceError) as error:
            raise place.error(str(error)) from None

    def _value(self, schema: Any, place: Place) -> Any:
        self._work.spend()
        if place.depth > _DEEPEST:
            raise place.error("its values are nested too deeply")
        if schema is True or schema == {}:
            return {} if place.name is None else _named(place)
        if type(schema) is not dict:
            raise place.error("nothing fits false" if schema is False else "a schema is an object")
        problem: UnusableSchemaError | None = None
        try:
            for flat, inner in self._alternatives.of(schema, place):
                try:
                    value = self._built(flat, inner)
                except UnusableSchemaError as error:
                    problem = problem or error
                    continue
                if schema.keys().isdisjoint(_ACCIDENTS) or self._fits(value, schema, place):
                    return value
        except UnusableSchemaError as error:
            problem = problem or error
        raise problem or place.error("no value was found that fits")

    def _built(self, flat: dict[str, Any], place: Place) -> Any:
        if "const" in flat:
            return flat["const"]
        given = [*entries(flat.get("examples")), *([flat["default"]] if flat.get("default") is not None else [])]
        values = entries(flat.get("enum"))
        if values:
            turn = place.variant % len(values)
            given = [*values[turn:], *values[:turn]]
        for value in given:
            if self._fits(value, flat, place):
                return value
        if values:
            raise place.error("none of its enum fits the rest of it")
        return self._made(flat, place)

    def _made(self, flat: dict[str, Any], place: Place) -> Any:
        kind = str(flat.get("type", _kind_of(flat)))
        if kind == "object":
            return self._object(flat, place)
        if kind == "array":
            return self._array(flat, place)
        if kind in {"null", "boolean"}:
            return None if kind == "null" else place.variant % 2 == 0
        if kind not in {"string", "integer", "number"}:
            raise place.error(f"there is no type {kind[:80]!r}")
        try:
            if kind == "string":
                return string_for(flat, name=_named(place), variant=place.variant, work=self._work)
            return number_for(flat, whole=kind == "integer", variant=place.variant)
        except (UnusablePatternError, ValueError) as error:
            if isinstance(error, WorkLimitError):
                raise
            raise place.error(str(error)) from None

    def _object(self, flat: dict[str, Any], place: Place) -> dict[str, Any]:
        properties = members(flat.get("properties"))
        required = [name for name in entries(flat.get("required")) if type(name) is str]
        self._work.spend(len(properties) + len(required))
        needed = set(required)
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *required]):
            schema = properties.get(name, True)
            if name not in needed and (place.depth >= self._calm or comes_back(schema, place)):
                continue
            try:
                made[name] = self._member(flat, name, place)
            except UnusableSchemaError:
                if name in needed:
                    raise
        self._add_dependents(flat, made, place)
        self._fill(flat, made, place)
        most = flat.get("maxProperties")
        if type(most) is int:
            for name in [name for name in reversed(made) if name not in needed][: max(0, len(made) - most)]:
                del made[name]
        return made

    def _member(self, flat: dict[str, Any], name: str, place: Place) -> Any:
        """The value of a property: of its own schema and of those for names like this, else of that for all others."""
        patterns = members(flat.get("patternProperties"))
        schemas = [schema for pattern, schema in patterns.items() if self._matches(pattern, name, place)]
        path: tuple[str, ...] = ("properties", name)
        if name in members(flat.get("properties")):
            schemas.insert(0, flat["properties"][name])
        elif not schemas:
            path = ("additionalProperties",)
            schemas = [flat.get("additionalProperties", True)]
        schema = schemas[0] if len(schemas) == 1 else {"allOf": schemas}
        return self._value(schema, place.inside(*path, name=name))

    def _matches(self, pattern: str, name: str, place: Place) -> bool:
        return self._fits(name, {"pattern": pattern}, place)

    def _add_dependents(self, flat: dict[str, Any], made: dict[str, Any], place: Place) -> None:
        for trigger, names in members(flat.get("dependentRequired")).items():
            for name in entries(names) if trigger in made else []:
                if type(name) is str and name not in made:
                    made[name] = self._member(flat, name, place)

    def _fill(self, flat: dict[str, Any], made: dict[str, Any], place: Place) -> None:
        """Add properties until there are as many as there must be: those that were left out, then made-up ones."""
        least = flat.get("minProperties")
        if type(least) is not int or len(made) >= least:
            return
        names = [name for name in members(flat.get("properties")) if name not in made]
        for number in range(least + 1):
            self._work.spend()
            if len(made) >= least:
                return
            name = names[number] if number < len(names) else self._made_up_name(flat, number, place)
            if name not in made:
                made[name] = self._member(flat, name, place)

    def _made_up_name(self, flat: dict[str, Any], number: int, place: Place) -> str:
        patterns = [{"pattern": pattern} for pattern in members(flat.get("patternProperties"))]
        rules = members(flat.get("propertyNames"))
        if patterns and flat.get("additionalProperties") is False:
            rules = {"allOf": [rules, patterns[0]]}
        inside = place.inside("propertyNames", name=f"property{number + 1}", variant=number)
        return str(self._value({"type": "string", "minLength": 1, **rules}, inside))

    def _array(self, flat: dict[str, Any], place: Place) -> list[Any]:
        rest = flat.get("items", True)
        first = entries(flat.get("prefixItems"))
        if type(rest) is list:  # as drafts before 2020-12 have it
            first, rest = rest, flat.get("additionalItems", True)
        wanted = self._items_wanted(flat, len(first), rest, place)
        made: list[Any] = []
        for number in range(wanted):
            self._work.spend()
            if number < len(first):
                schema, inside = first[number], place.inside(f"prefixItems[{number}]")
            else:
                schema = {"allOf": [rest, flat["contains"]]} if "contains" in flat else rest
                inside = place.inside("items", variant=number - len(first))
            apart = flat.get("uniqueItems") is True
            made.append(self._apart(schema, made, inside) if apart else self._value(schema, inside))
        return made

    def _items_wanted(self, flat: dict[str, Any], first: int, rest: Any, place: Place) -> int:
        least, most = flat.get("minItems"), flat.get("maxItems")
        wanted = least if type(least) is int and least > 0 else 0
        if "contains" in flat:
            found = flat.get("minContains", 1)
            wanted = max(wanted, first + found) if type(found) is int else wanted
        elif place.depth < self._calm and rest is not False and not comes_back(rest, place):
            wanted = max(wanted, first, 1)
        elif place.depth < self._calm:
            wanted = max(wanted, first)
        if type(most) is int:
            wanted = min(wanted, max(most, 0))
        if wanted > _MOST_ITEMS:
            raise place.error(f"minItems asks for more than {_MOST_ITEMS:,} items")
        return wanted

    def _apart(self, schema: Any, made: list[Any], place: Place) -> Any:
        """A value that is none of those already made."""
        self._work.spend(len(made))
        for shift in range(len(made) + 1):
            value = self._value(schema, msgspec.structs.replace(place, variant=place.variant + shift))
            if not any(same(value, one) for one in made):
                return value
        raise place.error("there are not enough different values for uniqueItems")


def _named(place: Place) -> str:
    return place.name or "value"


_KINDS: dict[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def _kind_of(flat: dict[str, Any]) -> str:
    """The type of a value, where the schema says it only by its other keywords."""
    return next((kind for kind, keywords in _KINDS.items() if not flat.keys().isdisjoint(keywords)), "string")
