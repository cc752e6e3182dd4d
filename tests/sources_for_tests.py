"""Sources of a stream that can break off, and that remember whether they were closed."""

from functools import cached_property

import anyio.lowlevel
import httpx
import httpx2

from chatstream.errors import ChatStreamError
from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream


class Reads:
    """An iterable of reads that ends cleanly, or by raising `failure`."""

    def __init__(self, reads, failure=None):
        self.reads = iter(reads)
        self.failure = failure
        self.taken = 0
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        for data in self.reads:
            self.taken += 1
            return data
        if self.failure is not None:
            raise self.failure
        raise StopIteration

    def close(self):
        self.closed += 1


class AsyncReads:
    """The same, to be awaited; each read really waits."""

    def __init__(self, reads, failure=None):
        self.waiting = Reads(reads, failure)
        self.closed = 0

    @property
    def taken(self):
        return self.waiting.taken

    def __aiter__(self):
        return self

    async def __anext__(self):
        await anyio.lowlevel.checkpoint()
        try:
            return next(self.waiting)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self):
        await anyio.lowlevel.checkpoint()
        self.closed += 1


class Body(httpx.SyncByteStream, httpx2.SyncByteStream):
    """The body of a response, for httpx and for httpx2."""

    def __init__(self, reads, failure=None):
        self.reads = Reads(reads, failure)

    def __iter__(self):
        return self.reads

    def close(self):
        self.reads.close()


class AsyncBody(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, reads, failure=None):
        self.reads = AsyncReads(reads, failure)

    def __aiter__(self):
        return self.reads

    async def aclose(self):
        await self.reads.aclose()


def response(reads, failure=None, *, library=httpx, status=200, headers=None):
    headers = {"content-type": "text/event-stream", **(headers or {})}
    return library.Response(
        status, headers=headers, stream=Body(reads, failure), request=library.Request("POST", "http://t")
    )


def async_response(reads, failure=None, *, library=httpx, status=200, headers=None):
    headers = {"content-type": "text/event-stream", **(headers or {})}
    return library.Response(
        status, headers=headers, stream=AsyncBody(reads, failure), request=library.Request("POST", "http://t")
    )


class Outcome:
    """What came of a stream: its events but for a failure, the failure, the completion."""

    def __init__(self, events, error, stream):
        self.events = events
        self.error = error
        self.completion = stream.snapshot
        self.end = stream.end
        self.anomalies = stream.anomalies

    @property
    def types(self):
        return [event.type for event in self.events]

    @cached_property
    def told(self):
        """All that the events tell: what `==` compares, computed once."""
        return [(type(event), event.to_dict(lazies=True)) for event in self.events]


def through_stream(source, **options):
    """Read a source to its end with the sync stream."""
    events, error = [], None
    with ChatCompletionStream(source, **options) as stream:
        try:
            for event in stream:
                events.append(event)  # noqa: PERF402  those before an error are wanted
        except ChatStreamError as raised:
            error = raised
        return Outcome(events, error, stream)


async def through_async_stream(source, **options):
    """Read a source to its end with the async stream."""
    events, error = [], None
    async with AsyncChatCompletionStream(source, **options) as stream:
        try:
            async for event in stream:
                events.append(event)  # noqa: PERF401  those before an error are wanted
        except ChatStreamError as raised:
            error = raised
        return Outcome(events, error, stream)
