"""What a tool may be told of the run that it is called in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["ToolContext"]

C = TypeVar("C")


def _never() -> bool:
    return False


@dataclass(frozen=True)
class ToolContext(Generic[C]):
    """What a tool gets in its parameter annotated ``ToolContext``: the run's ``context``, the call, the history.

    ``context`` is what ``run_tools`` was given under that name. ``messages`` is the history until the call, and
    ``tool_call_id`` is None for a call in the older form. The model is told nothing of the parameter.
    """

    context: C = field(repr=False)  # it may hold secrets, the history prompts; and what is printed ends in logs
    tool_call_id: str | None
    name: str
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    _cancelled: Callable[[], bool] = field(default=_never, repr=False, compare=False)

    @property
    def is_cancelled(self) -> bool:
        """True once nobody waits for the result: the run was aborted or cancelled, or the tool's time is over.

        A thread cannot be stopped from outside: a tool that takes long looks here now and then, and returns.
        """
        return self._cancelled()
