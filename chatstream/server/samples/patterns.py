"""Regular expressions of a request: a text that matches one, and whether a text does.

In goes a pattern of a JSON schema or of a custom tool, out comes a text or a verdict. Rules: the standard library
parses the pattern and never runs it. Its matcher goes back and tries again, which takes hours for a short pattern that
somebody meant to be slow; the one here walks the parsed pattern with the set of all places reached so far, and whatever
it does is counted. What that cannot follow (references back, looking behind) is refused with UnusablePatternError.
"""

from __future__ import annotations

import importlib
import re
import string
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UnusablePatternError", "Work", "WorkLimitError", "matches", "text_for"]

# Private, and the same since 3.11: a tree of (operator, argument), which no public function gives. Tests hold it.
_parser: Any = importlib.import_module("re._parser")

_LONGEST_PATTERN = 4096  # characters
_MOST_POOLS = 64  # how many lengths are tried before a pattern is given up
# ECMAScript's named groups, and the signs in a class that Python may come to read as set operators.
_SPELLED = re.compile(r"\\.|\(\?<(?=[A-Za-z_])|[\[\]&|~]", re.DOTALL)
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_KINDS = {"DIGIT": frozenset(string.digits), "SPACE": frozenset(" \t\n\r\f\v"), "WORD": _WORD}
# What a place in a text is filled with, the first alphabet that the pattern allows there.
_ALPHABETS = (string.ascii_lowercase, "1234567890", string.ascii_uppercase, " ", string.punctuation, "\n\t")
_TRIED = ("Passw0rd!", "Aa1!Aa1!Aa1!")  # for patterns that look ahead, as those for passwords do


class UnusablePatternError(ValueError):
    """A pattern that is no regular expression, that cannot be followed here, or that no text was found for."""


class WorkLimitError(ValueError):
    """A schema or pattern asks for more work than it is worth."""


class Work:
    """So many steps, and no more."""

    def __init__(self, steps: int) -> None:
        self.left: int = steps

    def spend(self, steps: int = 1) -> None:
        """Take so many steps; WorkLimitError when there are none left."""
        self.left -= steps
        if self.left < 0:
            raise WorkLimitError("it asks for too much work")


def text_for(pattern: str, *, work: Work, shortest: int = 0, longest: int | None = None, variant: int = 0) -> str:
    """A text in which the pattern matches, of a length (in characters) within these bounds; ``variant``: another."""
    tree = _parsed(pattern)
    longest = shortest + _LONGEST_PATTERN if longest is None else longest
    try:
        for text in _candidates(tree, shortest, variant, work):
            if shortest <= len(text) <= longest and _found(tree, text, work):
                return text
    except RecursionError:
        raise UnusablePatternError("the pattern is nested too deeply") from None
    raise UnusablePatternError(f"no text of a fitting length was found for the pattern {pattern[:80]!r}")


def matches(pattern: str, text: str, *, work: Work) -> bool:
    """Whether the pattern matches anywhere in the text."""
    try:
        return _found(_parsed(pattern), text, work)
    except RecursionError:
        raise UnusablePatternError("the pattern is nested too deeply") from None


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> Any:
    if len(pattern) > _LONGEST_PATTERN:
        raise UnusablePatternError(f"the pattern is longer than {_LONGEST_PATTERN} characters")
    try:
        return _parser.parse(_as_python(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise UnusablePatternError(f"not a regular expression that can be read: {error}") from None


def _as_python(pattern: str) -> str:
    in_class = False

    def spelled(match: re.Match[str]) -> str:
        nonlocal in_class
        mark = match[0]
        if mark == "(?<":
            return mark if in_class else "(?P<"
        if in_class and mark in "[&|~":
            return f"\\{mark}"
        if mark in "[]":
            in_class = mark == "["
        return mark

    return _SPELLED.sub(spelled, pattern)


def _candidates(tree: Any, shortest: int, variant: int, work: Work) -> Iterator[str]:
    """Texts for the pattern: the shortest it allows, longer ones, padded ones, and a few that suit many patterns."""
    base = _Writer(0, variant, work).text(tree)
    yield base
    need = max(0, shortest - len(base))
    for pool in sorted({1, 2, 3, need, *(need // part for part in range(1, 9)), *range(min(need, _MOST_POOLS))}):
        yield _Writer(pool, variant, work).text(tree)
    work.spend(need)
    yield base + "x" * need
    yield "x" * need + base
    yield from _TRIED


class _Writer:
    """A text for a pattern: each repeat as often as it must be, and more often while ``pool`` lasts.

    ``variant`` says with which letter of an alphabet the text begins.
    """

    def __init__(self, pool: int, variant: int, work: Work) -> None:
        self._pool = pool
        self._work = work
        self._place = variant

    def text(self, items: Any) -> str:
        """A text for these operators, one after the other."""
        parts: list[str] = []
        for operator, argument in items:
            part = self._part(str(operator), argument)
            self._work.spend(1 + len(part))
            parts.append(part)
        return "".join(parts)

    def _part(self, operator: str, argument: Any) -> str:
        if operator in _ONE_CHARACTER:
            return self._character(operator, argument)
        if operator.endswith("_REPEAT"):
            return self._repeated(*argument)
        if operator == "SUBPATTERN":
            return self.text(argument[3])
        if operator == "BRANCH":
            return self._branch(argument[1])
        return ""  # a place or a look ahead: what comes of it is checked as a whole

    def _branch(self, branches: Any) -> str:
        # While there is a pool, the branch that can take it up is worth more than the first one.
        if self._pool:
            return self.text(max(branches, key=lambda items: items.getwidth()[1]))
        return self.text(branches[0])

    def _repeated(self, least: int, most: int, items: Any) -> str:
        parts: list[str] = []
        while len(parts) < least or (self._pool > 0 and len(parts) < most):
            if len(parts) >= least:
                self._pool -= 1
            self._work.spend()
            parts.append(self.text(items))
        return "".join(parts)

    def _character(self, operator: str, argument: Any) -> str:
        place = self._place
        self._place += 1
        if operator == "LITERAL":
            return chr(argument)
        for alphabet in _ALPHABETS:
            allowed = [letter for letter in alphabet if _takes(operator, argument, letter)]
            if allowed:
                return allowed[place % len(allowed)]
        if operator == "IN":  # of another script: the first sign that is named
            for kind, inner in argument:
                if str(kind) in {"LITERAL", "RANGE"}:
                    return chr(inner if str(kind) == "LITERAL" else inner[0])
        return "x"


_ONE_CHARACTER = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})


def _takes(operator: str, argument: Any, letter: str) -> bool:
    """Whether an operator for one character takes this one."""
    if operator == "ANY":
        return letter != "\n"
    if operator == "IN":
        negated = bool(argument) and str(argument[0][0]) == "NEGATE"
        return negated != any(_in_class(str(kind), inner, letter) for kind, inner in argument)
    return bool((operator == "LITERAL") == (ord(letter) == argument))


def _in_class(kind: str, inner: Any, letter: str) -> bool:
    if kind == "LITERAL":
        return bool(ord(letter) == inner)
    if kind == "RANGE":
        return bool(inner[0] <= ord(letter) <= inner[1])
    if kind == "CATEGORY":
        name = str(inner).removeprefix("CATEGORY_")
        return (letter in _KINDS[name.removeprefix("NOT_")]) != name.startswith("NOT_")
    return False


def _found(tree: Any, text: str, work: Work) -> bool:
    return bool(_ends(tree, text, set(range(len(text) + 1)), work))


def _ends(items: Any, text: str, places: set[int], work: Work) -> set[int]:
    """The places at which the operators, one after the other, can end if they begin at these."""
    for operator, argument in items:
        work.spend(1 + len(places))
        if not places:
            break
        places = _after(str(operator), argument, text, places, work)
    return places


def _after(operator: str, argument: Any, text: str, places: set[int], work: Work) -> set[int]:
    if operator in _ONE_CHARACTER:
        size = len(text)
        return {place + 1 for place in places if place < size and _takes(operator, argument, text[place])}
    if operator.endswith("_REPEAT"):
        least, most, inner = argument
        return _repeats((least, most), inner, text, places, work)
    if operator == "SUBPATTERN" and not (argument[1] or argument[2]):
        return _ends(argument[3], text, places, work)
    if operator == "BRANCH":
        return set[int]().union(*(_ends(items, text, places, work) for items in argument[1]))
    if operator == "AT":
        return {place for place in places if _stands(str(argument), text, place)}
    if operator in {"ASSERT", "ASSERT_NOT"} and argument[0] > 0:
        wanted = operator == "ASSERT"
        return {place for place in places if bool(_ends(argument[1], text, {place}, work)) == wanted}
    raise UnusablePatternError(f"a pattern with {operator.lower().replace('_', ' ')} cannot be followed")


def _repeats(bounds: tuple[int, int], items: Any, text: str, places: set[int], work: Work) -> set[int]:
    least, most = bounds
    for _ in range(least):
        before, places = places, _ends(items, text, places, work)
        if not places or places == before:  # nothing is left, or it takes nothing: so it goes on
            break
    reached, fresh, rounds = set(places), places, least
    while fresh and rounds < most:
        fresh = _ends(items, text, fresh, work) - reached
        reached |= fresh
        rounds += 1
    return reached


def _stands(kind: str, text: str, place: int) -> bool:
    if kind in {"AT_BEGINNING", "AT_BEGINNING_STRING"}:
        return place == 0
    if kind in {"AT_END", "AT_END_STRING"}:
        return place == len(text)
    before = place > 0 and text[place - 1] in _WORD
    after = place < len(text) and text[place] in _WORD
    return (before != after) == (kind == "AT_BOUNDARY")
