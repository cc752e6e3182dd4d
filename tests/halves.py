"""Both halves of the client under one test: sync and async, on httpx and on httpx2, asked alike.

A test is async and says `await got(...)` for a call, `await all_of(...)` for what is iterated, `async with entered(...)`
for a context; the server runs in a thread of its own, so that a sync client may block.
"""

import inspect
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import httpx2
import pytest

from chatstream.client import AsyncChatClient, ChatClient

# The sync ones need no second backend: nothing of them is awaited.
_RUNS = [
    ("sync-httpx", "asyncio"),
    ("sync-httpx2", "asyncio"),
    ("async-httpx", "asyncio"),
    ("async-httpx2", "asyncio"),
    ("async-httpx", "trio"),
    ("async-httpx2", "trio"),
]


async def got(answer):
    """What a call gives, awaited if it has to be."""
    return await answer if inspect.isawaitable(answer) else answer


async def all_of(entries):
    """All that comes of iterating."""
    return [entry async for entry in entries] if hasattr(entries, "__aiter__") else list(entries)


async def first_of(entries, count):
    """The first entries; whoever gives them is left in the middle."""
    taken = []
    if hasattr(entries, "__aiter__"):
        async for entry in entries:
            taken.append(entry)
            if len(taken) == count:
                break
    else:
        for entry in entries:
            taken.append(entry)
            if len(taken) == count:
                break
    return taken


@asynccontextmanager
async def entered(context):
    """The context, entered and left as it wants to be."""
    if hasattr(context, "__aenter__"):
        async with context as value:
            yield value
    else:
        with context as value:
            yield value


async def closed(closable):
    """Close it, in its way."""
    await got(closable.close())


def is_async(half):
    return half.startswith("async")


def library_of(half):
    return httpx2 if half.endswith("httpx2") else httpx


def http_client_of(half, **options):
    library = library_of(half)
    return library.AsyncClient(**options) if is_async(half) else library.Client(**options)


def client_class(half):
    return AsyncChatClient if is_async(half) else ChatClient


def remembering(half, requests):
    """The event hooks of an HTTP client that keep each request in a list."""

    async def keep(request):
        requests.append(request)

    return {"request": [keep if is_async(half) else requests.append]}


@asynccontextmanager
async def talking(half, base_url, **options):
    """A client of this half that talks to this server, and the HTTP requests that it made."""
    requests = []
    async with entered(http_client_of(half, event_hooks=remembering(half, requests))) as http:
        client = client_class(half)(base_url=base_url, http_client=http, **{"max_retries": 0, "timeout": 20, **options})
        yield SimpleNamespace(client=client, completions=client.chat.completions, requests=requests, half=half)


def both_halves(test):
    """Run the test for each half, as `half`; the async ones on both backends."""
    ids = ["-".join(run) for run in _RUNS]
    return pytest.mark.anyio(pytest.mark.parametrize(("half", "anyio_backend"), _RUNS, ids=ids)(test))
