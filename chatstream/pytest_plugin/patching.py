"""The tape of a test under every HTTP client, whoever made it, and whenever.

In goes a tape, and for as long as it is there, requests of httpx and httpx2 go to it. Rules: it is the libraries' own
transports that are replaced, in their classes, so that a client that was made at import is caught as well; a transport
of somebody's own (an app that is called in process, a mock) sends nothing, and is left alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import ModuleType

    from chatstream.pytest_plugin.taping import TapeFixture

__all__ = ["patched", "sending"]

_LIBRARIES = ("httpx", "httpx2")  # the second is not a dependency; but where it is, an SDK may load it any time


@contextmanager
def patched(tape: TapeFixture) -> Generator[None]:
    """Have all requests go to the tape until the context is left."""
    with pytest.MonkeyPatch.context() as patch:
        for library in _libraries():
            sync, asynchronous = library.HTTPTransport, library.AsyncHTTPTransport
            patch.setattr(sync, "handle_request", _sync(tape, sync.handle_request))
            patch.setattr(asynchronous, "handle_async_request", _async(tape, asynchronous.handle_async_request))
        yield


def sending(method: Callable[..., Any]) -> Callable[..., Any]:
    """What a method of a transport was before a tape took its place."""
    return getattr(method, "__wrapped__", method)


def _libraries() -> Iterator[ModuleType]:
    for name in _LIBRARIES:
        try:
            yield import_module(name)
        except ImportError:
            continue


def _sync(tape: TapeFixture, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        return tape.handle(request, lambda request: original(self, request))

    return handle_request


def _async(tape: TapeFixture, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        return await tape.ahandle(request, lambda request: original(self, request))

    return handle_async_request
