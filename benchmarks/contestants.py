"""Who is timed: each takes a shape and gives the content it came to, so that the result can be checked.

``chatstream``: bytes to all events to the final completion. ``openai``: the stream helper of the official SDK, the
same way; it is optional, and left out with a word when it is not installed. ``floor``: splitting the bytes at blank
lines and decoding each block with the fastest decoder at hand, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatstream import ChatCompletionStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.shapes import Shape

_decode = msgspec.json.Decoder().decode


def chatstream(shape: Shape) -> str | None:
    """Every event iterated, then the final completion."""
    stream = ChatCompletionStream(iter(shape.reads))
    for _ in stream:
        pass
    return stream.final_content()


def floor(shape: Shape) -> str:
    """Split and decode; the content is put together so that the decoding cannot have been skipped."""
    parts: list[str] = []
    for read in shape.reads:
        for block in read.split(b"\n\n"):
            if block and block != b"data: [DONE]":
                chunk = _decode(block[6:])
                parts += [choice["delta"].get("content", "") for choice in chunk["choices"]]
    return "".join(parts)


def openai_helper() -> Callable[[Shape], str | None] | None:
    """The official SDK's stream helper over a transport in memory, or None where it is not installed."""
    try:
        import openai
    except ImportError:
        return None
    http = _http_of(openai)

    def run(shape: Shape) -> str | None:
        body = http.ByteStreamOf(shape.reads)
        transport = http.module.MockTransport(
            lambda _: http.module.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
        )
        memory = http.module.Client(transport=transport)
        client = openai.OpenAI(api_key="none", base_url="http://memory", http_client=memory)
        with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "hi"}]) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion().choices[0].message.content

    return run


class _Http:
    """The HTTP library that the SDK is built on."""

    def __init__(self, module: Any) -> None:
        self.module = module

        class ByteStreamOf(module.SyncByteStream):  # type: ignore[misc, name-defined]
            def __init__(self, reads: list[bytes]) -> None:
                self._reads = reads

            def __iter__(self) -> Any:
                return iter(self._reads)

        self.ByteStreamOf = ByteStreamOf


def _http_of(openai: Any) -> _Http:
    for base in openai.DefaultHttpxClient.__mro__:
        if base.__name__ == "Client":
            return _Http(__import__(base.__module__.partition(".")[0]))
    import httpx

    return _Http(httpx)
