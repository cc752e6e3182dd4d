"""chatstream: streams of chat completions, from bytes to typed events.

    from chatstream import ChatCompletionStream

    with ChatCompletionStream(response) as stream:
        for event in stream:
            if event.type == "content.delta":
                print(event.delta, end="")

Names are loaded when they are first used, so that importing chatstream loads neither pydantic nor an HTTP library.
Everything that is not here has its module as its one path: ``chatstream.events``, ``.errors``, ``.types``, …
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatstream.accumulator import ChatCompletionAccumulator
    from chatstream.client import AsyncChatClient, ChatClient
    from chatstream.emitter import EventEmitter
    from chatstream.ends import Limits, StreamEnd
    from chatstream.parser import ChatStreamParser
    from chatstream.recording import Recording
    from chatstream.sse import ServerSentEvent, SSEDecoder
    from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
    from chatstream.structured import function_tool

__version__ = "0.1.0"

__all__ = [
    "AsyncChatClient",
    "AsyncChatCompletionStream",
    "ChatClient",
    "ChatCompletionAccumulator",
    "ChatCompletionStream",
    "ChatStreamParser",
    "EventEmitter",
    "Limits",
    "Recording",
    "SSEDecoder",
    "ServerSentEvent",
    "StreamEnd",
    "function_tool",
]

_HOMES = {
    "AsyncChatClient": "client",
    "AsyncChatCompletionStream": "stream",
    "ChatClient": "client",
    "ChatCompletionAccumulator": "accumulator",
    "ChatCompletionStream": "stream",
    "ChatStreamParser": "parser",
    "EventEmitter": "emitter",
    "Limits": "ends",
    "Recording": "recording",
    "SSEDecoder": "sse",
    "ServerSentEvent": "sse",
    "StreamEnd": "ends",
    "function_tool": "structured",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
