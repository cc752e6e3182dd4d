"""A JSON schema to its strict form: what a service can hold a model to while it writes.

In goes a schema as pydantic writes it, out comes a new one: every object closed, every property required, annotations
gone. Rules: what the strict form has no words for is a problem, told by its path, and all problems are told at once: a
schema quietly made looser would promise what nobody keeps. A property may be called like a keyword, and the values of
``enum`` and ``const`` are values: neither is ever read as a schema. What a definition is called stays as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from chatstream.errors import ParameterError
from chatstream.jsontext import DEEPEST
from chatstream.structured.definitions import DEFINITIONS, Definitions, only_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["strict_schema"]

_KEPT = frozenset(
    {
        "$ref",
        "const",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "pattern",
        "title",
        "type",
    }
)
# What says nothing about which values fit. `discriminator` only helps to find the right one of several.
_ANNOTATIONS = frozenset(
    {
        "$comment",
        "$id",
        "$schema",
        "default",
        "deprecated",
        "discriminator",
        "examples",
        "readOnly",
        "writeOnly",
    }
)
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
_TELLING = ("type", "anyOf", "enum", "const", "$ref")  # a schema without any of these lets everything through
_REASONS = {
    "additionalProperties": "names that are not known beforehand",
    "patternProperties": "names that are not known beforehand",
    "prefixItems": "a tuple",
    "uniqueItems": "a set",
}

_MOST_TOLD = 10
_LONGEST_PATH = 120  # characters: so that several paths fit into an error's text
# Schemas within one schema. A type that leads into itself by several described references is written out once for each
# way through it; far past what any service takes (5,000 properties) it is better to stop than to go on.
_LARGEST = 50_000

# By keyword: what it says, and the path of the schema that says so.
_Members: TypeAlias = dict[str, tuple[Any, str]]


class _Place(NamedTuple):
    """A schema within the schema, and the dict that its strict form goes into."""

    schema: Any
    path: str
    depth: int  # levels of JSON above it
    within: frozenset[str]  # references that it was reached by and that were replaced by what they point to
    strict: dict[str, Any]


def strict_schema(schema: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """The strict form of a JSON schema; the given one stays as it is, and values of ``enum`` are shared with it.

    Raises ParameterError, with ``where`` as its param, if there is none: each problem by its path in the schema, such
    as ``$.properties.tags.uniqueItems``, at most the first ten.
    """
    strictness = _Strictness(schema)
    strict = strictness.run()
    if strictness.problems:
        raise ParameterError(_told(strictness.problems, schema, where), param=where, code="invalid_schema")
    return strict


def _told(problems: Iterable[str], schema: Mapping[str, Any], where: str) -> str:
    told = list(problems)
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    title = schema.get("title")
    name = f"the schema of {title[:_LONGEST_PATH]}" if isinstance(title, str) and title else "the schema"
    # What can be done comes first: the text of an error is cut at its end.
    return (
        f"{where}: {name} has no strict form. Take another type, or pydantic's WithJsonSchema; or strict=False for a "
        f"tool, a dict for a response_format: {'; '.join(told[:_MOST_TOLD])}{more}"
    )


class _Strictness:
    """The work on one schema. It is a queue, not a recursion: how deep a schema goes is not Python's to say."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._definitions = Definitions(root)
        self._queue: deque[_Place] = deque()
        self.problems: dict[str, None] = {}  # a set in order: what two references lead to is told once
        self._met = 0  # problems, however often the same one

    def run(self) -> dict[str, Any]:
        strict = self._later(self._root, "$", 0, frozenset())
        done = 0
        while self._queue:
            done += 1
            if done > _LARGEST:
                self._problem("$", f"more than {_LARGEST:,} schemas")
                break
            self._make(self._queue.popleft())
        return strict

    def _problem(self, path: str, reason: str | None = None) -> None:
        self._met += 1
        shown = path if len(path) <= _LONGEST_PATH else "…" + path[1 - _LONGEST_PATH :]
        self.problems[f"{shown} ({reason})" if reason else shown] = None

    def _later(self, schema: Any, path: str, depth: int, within: frozenset[str]) -> dict[str, Any]:
        """The dict that will hold the strict form of this schema."""
        strict: dict[str, Any] = {}
        self._queue.append(_Place(schema, path, depth, within, strict))
        return strict

    def _make(self, place: _Place) -> None:
        if not isinstance(place.schema, Mapping):
            self._problem(place.path, "any value" if place.schema is True else "no schema")
        elif place.depth > DEEPEST:
            self._problem(place.path, f"nested deeper than {DEEPEST} levels")
        else:
            met = self._met
            members, within = self._merged(place)
            for keyword, (value, path) in members.items():
                self._add(place, within, keyword, value, f"{path}.{keyword}")
            self._check(place, members, is_clean=met == self._met)
            _close(place.strict)

    def _check(self, place: _Place, members: _Members, *, is_clean: bool) -> None:
        """The problems that are not of one keyword alone; ``is_clean``: there was none of one."""
        strict = place.strict
        if "oneOf" in members and "anyOf" in members:
            self._problem(f"{members['oneOf'][1]}.oneOf", "beside anyOf")
        if _is_of(strict, "array") and not {"items", "prefixItems"} & members.keys():
            self._problem(place.path, "an array of anything")
        if not is_clean:
            return
        if not any(keyword in strict for keyword in _TELLING):
            self._problem(place.path, "any value")
        elif place.path == "$" and (strict.get("type") != "object" or "anyOf" in strict):
            self._problem("$", "not an object")

    def _add(self, place: _Place, within: frozenset[str], keyword: str, value: Any, path: str) -> None:
        """What one keyword says, said strictly."""
        strict, depth = place.strict, place.depth
        if keyword in _KEPT:
            strict[keyword] = value
        elif keyword == "format":
            if isinstance(value, str) and value in _FORMATS:
                strict["format"] = value
        elif keyword == "items":
            strict["items"] = self._later(value, path, depth + 1, within)
        elif keyword in {"anyOf", "oneOf"}:
            strict["anyOf"] = self._each_of(value, path, depth + 2, within)
        elif keyword == "properties":
            strict["properties"] = self._by_name(value, path, depth + 2, within)
        elif keyword in DEFINITIONS:
            strict[keyword] = self._by_name(value, path, depth + 2, frozenset())
        elif keyword != "required" and not (keyword == "additionalProperties" and value is False):
            self._problem(path, _REASONS.get(keyword))

    def _by_name(self, value: Any, path: str, depth: int, within: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            self._problem(path, "no object")
            return {}
        return {name: self._later(schema, f"{path}.{name}", depth, within) for name, schema in value.items()}

    def _each_of(self, value: Any, path: str, depth: int, within: frozenset[str]) -> list[Any]:
        if not isinstance(value, list) or not value:
            self._problem(path, "no list of schemas")
            return []
        return [self._later(schema, f"{path}[{at}]", depth, within) for at, schema in enumerate(value)]

    def _merged(self, place: _Place) -> tuple[_Members, frozenset[str]]:
        """What a schema says once what it points to is merged into it, and the references that this took.

        That is an ``allOf`` of one, and a reference with something beside it, which the strict form has not: what
        stands beside it wins. The root's own reference is merged in any case, for the root must be an object.
        """
        members: _Members = {}
        followed: list[str] = []
        pending = [(place.schema, place.path)]
        for index, (schema, path) in enumerate(pending):  # grows while it is walked
            own = _said(schema, path, is_merged=index > 0)
            ref, _ = own.pop("$ref", (None, path))
            only, _ = own.pop("allOf", (None, path))
            members |= {keyword: member for keyword, member in own.items() if keyword not in members}
            if only is not None:
                self._append_only(pending, only, f"{path}.allOf")
            if ref is None:
                continue
            target = self._target(ref, f"{path}.$ref", followed)
            is_alone = not members and index + 1 == len(pending) and place.path != "$"
            # Within its own content it stays alone, or that would never end; only words beside it are lost.
            if target is None or is_alone or ref in place.within:
                return {"$ref": (ref, path)}, place.within
            followed.append(ref)
            pending.append(target)
        # The root's content stands nowhere else yet, so it may be written out once more below.
        return members, place.within if place.path == "$" else place.within.union(followed)

    def _append_only(self, pending: list[tuple[Mapping[str, Any], str]], schemas: Any, path: str) -> None:
        only = only_of(schemas)
        if only is None:
            self._problem(path, "more than one" if isinstance(schemas, list) and len(schemas) > 1 else "no schema")
        elif len(pending) > DEEPEST:
            self._problem(path, f"nested deeper than {DEEPEST} levels")
        else:
            pending.append((only, f"{path}[0]"))

    def _target(self, ref: Any, path: str, followed: list[str]) -> tuple[Mapping[str, Any], str] | None:
        """The definition that a reference is to, and its path; None, and a problem, if it leads nowhere."""
        found = "leads to itself" if ref in followed else self._definitions.target(ref)
        if isinstance(found, str):
            self._problem(path, found)
            return None
        return found


def _said(schema: Mapping[str, Any], path: str, *, is_merged: bool) -> _Members:
    """What a schema says, annotations aside; definitions only where they stand, for no pointer follows them."""
    return {
        keyword: (value, path)
        for keyword, value in schema.items()
        if not (keyword in _ANNOTATIONS or keyword.startswith("x-") or (is_merged and keyword in DEFINITIONS))
    }


def _is_of(strict: Mapping[str, Any], kind: str) -> bool:
    types = strict.get("type")
    return types == kind or (isinstance(types, list) and kind in types)


def _close(strict: dict[str, Any]) -> None:
    """Close an object: what it has is all it has, and all of it is there."""
    if _is_of(strict, "object") or "properties" in strict:
        properties = strict.setdefault("properties", {})
        strict["required"] = list(properties)
        strict["additionalProperties"] = False
