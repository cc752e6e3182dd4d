"""A TypedDict's declaration in, a check of plain JSON values out.

Rules:

- Types are strict: true is no integer and "1" no number, though an integer is a number. An array may be a tuple.
- Where several shapes may stand, the value chooses by what it is (a string, an array, an object), and an object by its
  `role` or `type`: what is wrong is said of the shape that was meant.
- A member that is not declared is let through, services have their own; null in place of an optional member is the
  same as leaving it out.
- Work is linear, and what is wrong is told as it is found: whoever stops at the first problem has paid for no other.
  Where the API takes any JSON, as in a schema, nothing is looked at, so no depth of nesting matters.

Pydantic reads the same declarations, and in its strict mode must come to the same verdict; the tests hold it to that.
It cannot do this work itself: it knows no null that is left out, lists every error of a hostile body before the first
can be read, and the tags of unions in its paths go by the same names as members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from chatstream.validation.limits import LIMITS
from chatstream.validation.problem import kind_of, missing, quoted, unknown_word, wrong_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatstream.validation.limits import Check, Limits
    from chatstream.validation.problem import Kind, Path, Problem

    # What may stand in a place: for each kind of value its check, and the words for it if there are any.
    Shape: TypeAlias = Mapping[Kind, tuple[Check, str]]

__all__ = ["body_check", "object_check"]

_TAGS = ("role", "type")  # the members that tell which of several objects it is


def _fine(_value: Any, _path: Path) -> Iterable[Problem]:
    return ()


_PLAIN: Mapping[object, Shape] = {
    str: {"string": (_fine, "a string")},
    bool: {"boolean": (_fine, "true or false")},
    int: {"integer": (_fine, "an integer")},
    float: {"integer": (_fine, ""), "number": (_fine, "a number")},
    NoneType: {"null": (_fine, "")},
}


@cache
def object_check(cls: Any) -> Check:
    """The check of an object that the TypedDict ``cls`` describes. Made once for each class."""
    return _members_check(cls, LIMITS.get(cls, {}))


def body_check(cls: Any, limits: Mapping[str, Limits]) -> Check:
    """The check of a whole body that ``cls`` describes, with these limits of its members."""
    # Told in the order of the reference: what every body has, and then the rest by name, wherever it is declared.
    required: frozenset[str] = cls.__required_keys__
    hints = get_type_hints(cls)
    rest = sorted(hints.keys() - required)
    ordered = {name: hints[name] for name in [*(name for name in hints if name in required), *rest]}
    return _check({"object": (_check_of_members(ordered, required, limits), "an object")})


def _members_check(cls: Any, limits: Mapping[str, Limits]) -> Check:
    return _check_of_members(get_type_hints(cls), cls.__required_keys__, limits)


def _check_of_members(hints: Mapping[str, Any], required: frozenset[str], limits: Mapping[str, Limits]) -> Check:
    members = [
        (name, name in required, _check(_limited(_shape(hint), limits.get(name, {})))) for name, hint in hints.items()
    ]

    def check(value: Any, path: Path) -> Iterable[Problem]:
        for name, needed, check_member in members:
            if name not in value:
                if needed:
                    yield missing((path, name))
            elif needed or value[name] is not None:
                yield from check_member(value[name], (path, name))

    return check


def _check(shape: Shape) -> Check:
    """The check that looks for the kind of a value, and leaves the rest to the check of that kind."""
    words = [word for _, word in shape.values() if word]
    expected = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    checks = {kind: check for kind, (check, _) in shape.items()}

    def check(value: Any, path: Path) -> Iterable[Problem]:
        check_kind = checks.get(kind_of(value))
        return (wrong_type(path, expected, value),) if check_kind is None else check_kind(value, path)

    return check


def _limited(shape: Shape, limits: Limits) -> Shape:
    """The shape with limits, which are told before what is inside."""
    return {
        kind: (_both(limits[kind], check) if kind in limits else check, word) for kind, (check, word) in shape.items()
    }


def _both(first: Check, second: Check) -> Check:
    def check(value: Any, path: Path) -> Iterable[Problem]:
        yield from first(value, path)
        yield from second(value, path)

    return check


def _shape(hint: Any) -> Shape:
    """What a declaration allows."""
    origin = get_origin(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin in {Union, UnionType}:
        return _union(get_args(hint))
    if origin is Literal:
        return _literal(get_args(hint))
    if origin is Sequence:
        return {"array": (_elements(*get_args(hint)), "an array")}
    if origin is Mapping:
        return {"object": (_values(get_args(hint)[1]), "an object")}
    return {"object": (_one_of([hint]), "an object")}


def _union(parts: Sequence[Any]) -> Shape:
    objects = [part for part in parts if is_typeddict(part)]
    # Where any string may stand, the words beside it are examples.
    others = [part for part in parts if part not in objects and not (get_origin(part) is Literal and str in parts)]
    shape: dict[Kind, tuple[Check, str]] = {}
    for part in others:
        shape.update(_shape(part))
    if objects:
        shape["object"] = (_one_of(objects), "an object")
    return shape


def _literal(words: Sequence[Any]) -> Shape:
    expected = ("one of " if len(words) > 1 else "") + ", ".join(map(quoted, words))
    known = frozenset(words)

    def check(value: Any, path: Path) -> Iterable[Problem]:
        if value in known:
            return ()
        return (unknown_word(path, expected, value),)

    return {"string": (check, expected)}


def _elements(hint: Any) -> Check:
    check_element = _check(_shape(hint))

    def check(value: Any, path: Path) -> Iterable[Problem]:
        for index, inner in enumerate(value):
            yield from check_element(inner, (path, index))

    return check


def _values(hint: Any) -> Check:
    if hint is object:
        return _fine
    check_value = _check(_shape(hint))

    def check(value: Any, path: Path) -> Iterable[Problem]:
        for key, inner in value.items():
            yield from check_value(inner, (path, str(key)))

    return check


def _one_of(classes: Sequence[Any]) -> Check:
    """The check of an object that says by its tag which of the classes it is; one alone may have no tag."""
    tag = next((name for name in _TAGS if all(name in get_type_hints(cls) for cls in classes)), None)
    if tag is None:
        return object_check(*classes)
    by_tag: dict[str, Callable[..., Iterable[Problem]]] = {
        word: object_check(cls) for cls in classes for word in get_args(get_type_hints(cls)[tag])
    }
    check_tag = _check(_literal(tuple(by_tag)))

    def check(value: Any, path: Path) -> Iterable[Problem]:
        if tag not in value:
            return (missing((path, tag)),)
        word = value[tag]
        check_object = by_tag.get(word) if isinstance(word, str) else None
        return check_tag(word, (path, tag)) if check_object is None else check_object(value, path)

    return check
