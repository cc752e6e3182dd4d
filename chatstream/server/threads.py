"""Work that takes long and waits for nothing, done where it holds up no other request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What the function gives. It must only compute: if the server is stopped meanwhile, nobody waits for it."""
    return await anyio.to_thread.run_sync(partial(work, *arguments, **options), abandon_on_cancel=True)
