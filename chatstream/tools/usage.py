"""The token counts of several requests, added up.

In go usages as services sent them, out comes one. Rules: what is a number is added, member by member, those of the
details too; whatever else a service put there is of one request alone, and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.types import CompletionUsage, build

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["added_up"]


def added_up(usages: Iterable[CompletionUsage | None]) -> CompletionUsage | None:
    """The sum of what there is; None if there is nothing."""
    total: dict[str, Any] = {}
    found = False
    for usage in usages:
        if isinstance(usage, CompletionUsage):
            found = True
            _add(total, usage.model_dump())
    return build(CompletionUsage, total) if found else None


def _add(total: dict[str, Any], counts: dict[str, Any]) -> None:
    for name, count in counts.items():
        if isinstance(count, dict):
            inner = total.setdefault(name, {})
            if isinstance(inner, dict):
                _add(inner, count)
        elif isinstance(count, int | float) and not isinstance(count, bool):
            before = total.get(name)
            total[name] = count + (before if isinstance(before, int | float) else 0)
