"""chatstream, by every way in: the drivers, the parser alone, and listeners.

Timed: bytes to all events to the final completion, the stream made anew each time. For structured output the partial
value is read at each content delta; for ``kept`` every chunk event is kept. Nothing is left out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.contestant import Contestant, Outcome, response_format

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

ONLY_TEXT = "its listener hears of text alone"


class _Chatstream(Contestant):
    role = "own"
    library = "chatstream"
    module = "chatstream"

    def prepare(self, kind: str, reads: list[bytes], framing: str) -> str | None:
        super().prepare(kind, reads, framing)
        self.options: dict[str, Any] = {"response_format": response_format()} if self.structured else {}
        return None


class Sync(_Chatstream):
    """The sync stream, iterated, then ``final_chat_completion()``."""

    name = "chatstream"

    def run(self) -> Outcome:
        """All events by a for loop."""
        from chatstream import ChatCompletionStream

        stream = ChatCompletionStream(iter(self.reads), **self.options)
        outcome = Outcome(None, stream)
        if self.structured:
            _read_values(stream, outcome)
        elif self.keep:
            outcome.kept = [event for event in stream if event.type == "chunk"]
        else:
            for _ in stream:
                pass
        outcome.completion = stream.final_chat_completion()
        return outcome


class Async(_Chatstream):
    """The async stream over an async generator, iterated on asyncio, then the same."""

    name = "chatstream-async"

    def prepare(self, kind: str, reads: list[bytes], framing: str) -> str | None:
        """The loop is made once: a program has one."""
        if not hasattr(self, "loop"):
            self.loop = asyncio.new_event_loop()
        return super().prepare(kind, reads, framing)

    def run(self) -> Outcome:
        """All events by an async for loop."""
        return self.loop.run_until_complete(self._run())

    async def _run(self) -> Outcome:
        from chatstream import AsyncChatCompletionStream

        stream = AsyncChatCompletionStream(self._source(), **self.options)
        outcome = Outcome(None, stream)
        if self.structured:
            async for event in stream:
                if event.type == "content.delta" and (value := event.parsed) is not None:
                    outcome.values += 1
                    outcome.last_value = value
        elif self.keep:
            outcome.kept = [event async for event in stream if event.type == "chunk"]
        else:
            async for _ in stream:
                pass
        outcome.completion = await stream.final_chat_completion()
        return outcome

    async def _source(self) -> AsyncIterator[bytes]:
        for data in self.reads:
            yield data


class Parser(_Chatstream):
    """``ChatStreamParser`` alone, fed by a loop, then its ``snapshot``."""

    name = "chatstream-parser"

    def run(self) -> Outcome:
        """All events of the lists that feed and close give."""
        from chatstream import ChatStreamParser

        parser = ChatStreamParser(**self.options)
        outcome = Outcome(None, parser)
        read = _read_values if self.structured else _keep_chunks if self.keep else _pass_by
        for data in self.reads:
            read(parser.feed(data), outcome)
        read(parser.close(), outcome)
        outcome.completion = parser.snapshot
        return outcome


class Callback(_Chatstream):
    """A listener of ``content.delta`` that reads ``delta``, and ``until_done()``."""

    name = "chatstream-callback"
    skips: ClassVar = dict.fromkeys(("tools", "structured", "kept", "kept-text"), ONLY_TEXT)
    listens_to: ClassVar[str] = "content.delta"

    def run(self) -> Outcome:
        """All events, the stream driving itself."""
        from chatstream import ChatCompletionStream

        stream = ChatCompletionStream(iter(self.reads), **self.options)
        stream.on(self.listens_to, self._listener())
        return Outcome(stream.until_done().final_chat_completion(), stream)

    def _listener(self) -> Any:
        def listen(event: Any) -> None:
            _ = event.delta

        return listen


class OnContent(Callback):
    """A listener of ``content``: called with the whole text so far, at each delta."""

    name = "chatstream-on-content"
    listens_to = "content"

    def _listener(self) -> Any:
        return _listen_to_two


class OnChunk(Callback):
    """A listener of ``chunk``: called with two pydantic models, at each chunk."""

    name = "chatstream-on-chunk"
    listens_to = "chunk"

    def _listener(self) -> Any:
        return _listen_to_two


def _listen_to_two(_new: Any, _snapshot: Any) -> None:
    pass


def _pass_by(events: Iterable[Any], _: Outcome) -> None:
    for _event in events:
        pass


def _keep_chunks(events: Iterable[Any], outcome: Outcome) -> None:
    outcome.kept += [event for event in events if event.type == "chunk"]


def _read_values(events: Iterable[Any], outcome: Outcome) -> None:
    for event in events:
        if event.type == "content.delta" and (value := event.parsed) is not None:
            outcome.values += 1
            outcome.last_value = value
