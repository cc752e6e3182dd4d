"""Whether a request is one that the API would take, and if not, why.

In goes the body of a request as plain JSON values, out come problems in the API's own terms. Rules: it waits for
nothing and changes nothing; nothing raises, whatever the body; members that the API does not have are let through.
What the parts demand of each other is asked only when each of them is right.

- `problem` is a problem, its path and its words
- `shapes` makes checks of the TypedDicts in `chatstream.types`
- `limits` is how large and how long things may be
- `combinations` is what one part demands of another
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from chatstream.types.params.create import CompletionCreateParamsBase, CompletionUpdateParams
from chatstream.validation.combinations import combination_problems
from chatstream.validation.limits import BODY_LIMITS, LIMITS
from chatstream.validation.problem import Problem
from chatstream.validation.shapes import body_check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.validation.limits import Check

__all__ = ["Problem", "first_problem", "metadata_problem", "problems"]

_TAGS = ("role", "type")


class _Body(CompletionCreateParamsBase, total=False):
    """A request, streamed or not: which of the two is for the rest of the body to say."""

    stream: bool | None


def problems(body: object) -> Iterator[Problem]:
    """Everything that is wrong with a body of ``POST /chat/completions``, as it is found."""
    parts_are_right = True
    for found in _completion_check()(body, None):
        # Nothing that one part demands of another turns on any other word than those that say what a thing is.
        parts_are_right = parts_are_right and found.unknown_word and not (found.param or "").endswith(_TAGS)
        yield found
    if parts_are_right and isinstance(body, Mapping):
        yield from combination_problems(body)


def first_problem(body: object) -> Problem | None:
    """What is wrong first with a body of ``POST /chat/completions``; None if nothing is."""
    return next(problems(body), None)


def metadata_problem(body: object) -> Problem | None:
    """What is wrong first with a body of ``POST /chat/completions/{id}``; None if nothing is."""
    return next(iter(_update_check()(body, None)), None)


# Made when first asked for: a program that validates nothing pays nothing.


@cache
def _completion_check() -> Check:
    return body_check(_Body, BODY_LIMITS)


@cache
def _update_check() -> Check:
    return body_check(CompletionUpdateParams, LIMITS[CompletionUpdateParams])
