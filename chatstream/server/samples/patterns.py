"""A text for a regular expression.

In goes a pattern of a JSON schema or of a custom tool, out comes a text in which it matches, or ValueError. Rules: the
standard library parses the pattern, and the text is written along what it parsed, so it matches for having been made
that way. It is not tried: the standard library's matcher goes back and tries again, for hours if somebody meant it to.
What cannot be followed (looking ahead or behind, references back, boundaries of words, flags) is refused; strict
schemas may not have it anyway.
"""

from __future__ import annotations

import importlib
import re
import string
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.server.samples.schemas import Work

__all__ = ["text_for"]

# Private, and the same since 3.11: a tree of (operator, argument), which no public function gives. Tests hold it.
_parser: Any = importlib.import_module("re._parser")

_LONGEST_PATTERN = 4096  # characters
_MOST_POOLS = 64  # how many lengths are tried before a pattern is given up
_NAMED = re.compile(r"\(\?<(?=[A-Za-z_])")  # a group's name as ECMAScript spells it
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_KINDS = {"DIGIT": frozenset(string.digits), "SPACE": frozenset(" \t\n\r\f\v"), "WORD": _WORD}
# What a place in a text is filled with, the first alphabet that the pattern allows there.
_ALPHABETS = (string.ascii_lowercase, "1234567890", string.ascii_uppercase, " ", string.punctuation, "\n\t", "éд日")
_ONE_CHARACTER = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_BEGINNINGS = frozenset({"AT_BEGINNING", "AT_BEGINNING_STRING"})
_ENDS = frozenset({"AT_END", "AT_END_STRING"})


def text_for(pattern: str, *, work: Work, shortest: int = 0, longest: float, variant: int = 0) -> str:
    """A text in which the pattern matches, of a length (in characters) within these bounds; ``variant``: another."""
    tree = _parsed(pattern)
    for text in _candidates(tree, shortest, variant, work):
        if shortest <= len(text) <= longest:
            return text
    raise ValueError(f"no text of a fitting length was found for the pattern {pattern[:80]!r}")


@lru_cache(maxsize=64)
def _parsed(pattern: str) -> Any:
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"the pattern is longer than {_LONGEST_PATTERN} characters")
    try:
        tree = _parser.parse(_NAMED.sub("(?P<", pattern))
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:  # the last where warnings are errors
        raise ValueError(f"not a regular expression that can be read: {error}") from None
    if tree.state.flags & ~re.UNICODE:
        raise ValueError("a pattern with flags cannot be followed")
    return tree


def _candidates(tree: Any, shortest: int, variant: int, work: Work) -> Iterator[str]:
    """Texts for the pattern, the short ones first."""
    least = _Writer(0, variant, work).written(tree)
    yield least.text
    padding = "x" * (shortest - len(least.text))
    if not least.ends:
        yield least.text + padding
    if not least.begins:
        yield padding + least.text
    for pool in sorted({1, 2, 3, *(shortest // part for part in range(1, 9)), *range(1, min(shortest, _MOST_POOLS))}):
        yield _Writer(pool, variant, work).written(tree).text


class _Writer:
    """Writes a text for a pattern: each repeat as often as it must be, and more often while ``pool`` lasts.

    ``variant`` says with which letter of an alphabet the text begins.
    """

    def __init__(self, pool: int, variant: int, work: Work) -> None:
        self._pool = pool
        self._variant = variant
        self._work = work
        self._letters: list[str] = []
        self.begins: bool = False  # whether nothing may stand before the text
        self.ends: bool = False  # and after it

    @property
    def text(self) -> str:
        """What was written."""
        return "".join(self._letters)

    def written(self, items: Any) -> _Writer:
        """This writer, after it has written these operators one after the other."""
        for operator, argument in items:
            self._work.spend()
            name = str(operator)
            if name in _ONE_CHARACTER:
                self._put(_letter(name, argument, self._variant + len(self._letters)))
            elif name in _REPEATS:
                self._repeat(*argument)
            elif name == "SUBPATTERN" and not (argument[1] or argument[2]):  # flags that it turns on or off
                self.written(argument[3])
            elif name == "BRANCH":
                self._branch(argument[1])
            elif name == "AT" and str(argument) in _BEGINNINGS and not self._letters:
                self.begins = True
            elif name == "AT" and str(argument) in _ENDS:
                self.ends = True
            else:
                raise ValueError(f"a pattern with {name.lower().replace('_', ' ')} cannot be followed")
        return self

    def _put(self, letter: str) -> None:
        if self.ends:
            raise ValueError("a pattern that goes on past its end cannot be followed")
        self._letters.append(letter)

    def _repeat(self, least: int, most: int, items: Any) -> None:
        done = 0
        while done < least or (self._pool > 0 and done < most):
            self._pool -= done >= least
            done += 1
            self._work.spend()
            self.written(items)

    def _branch(self, branches: Any) -> None:
        # While there is a pool, the branch that can take it up is worth more than the first one.
        self.written(max(branches, key=lambda items: items.getwidth()[1]) if self._pool else branches[0])


def _letter(operator: str, argument: Any, place: int) -> str:
    if operator == "LITERAL":
        return chr(argument)
    # Where the class is of another script, the first sign that is named.
    kinds = [(str(kind), inner) for kind, inner in argument] if operator == "IN" else []
    named = [chr(inner if kind == "LITERAL" else inner[0]) for kind, inner in kinds if kind in {"LITERAL", "RANGE"}]
    for alphabet in (*_ALPHABETS, *named):
        allowed = [letter for letter in alphabet if _takes(operator, argument, letter)]
        if allowed:
            return allowed[place % len(allowed)]
    raise ValueError("no letter was found for a class in the pattern")


def _takes(operator: str, argument: Any, letter: str) -> bool:
    """Whether an operator for one character takes this one."""
    if operator == "ANY":
        return letter != "\n"
    if operator == "IN":
        negated = bool(argument) and str(argument[0][0]) == "NEGATE"
        return negated != any(_in_class(str(kind), inner, letter) for kind, inner in argument)
    return bool(ord(letter) != argument)


def _in_class(kind: str, inner: Any, letter: str) -> bool:
    if kind == "LITERAL":
        return bool(ord(letter) == inner)
    if kind == "RANGE":
        return bool(inner[0] <= ord(letter) <= inner[1])
    if kind == "CATEGORY":
        name = str(inner).removeprefix("CATEGORY_")
        return (letter in _KINDS[name.removeprefix("NOT_")]) != name.startswith("NOT_")
    return False
