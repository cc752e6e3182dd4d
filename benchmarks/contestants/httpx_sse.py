"""httpx-sse with json and a merge by hand: what one writes oneself, without a library for chat.

Timed: an ``EventSource`` over an httpx response in memory, ``json()`` of each event, a merge of thirty lines, and for
structured output ``pydantic_core.from_json`` on the text so far at each delta. Left out, in its favour: the request,
events, and every check.
"""

from __future__ import annotations

from typing import Any

from benchmarks.contestant import Contestant, Outcome
from benchmarks.naive import NaiveMerge


class HttpxSse(Contestant):
    """httpx-sse, json, and a naive merge."""

    name = "httpx-sse"
    library = "httpx-sse"
    module = "httpx_sse"

    def run(self) -> Outcome:
        """Merge event by event."""
        import httpx
        from httpx_sse import EventSource

        response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_stream(self.reads))
        merge = NaiveMerge()
        outcome = Outcome(None, merge)
        for sse in EventSource(response).iter_sse():
            if sse.data == "[DONE]":
                break
            chunk = sse.json()
            merge.add(chunk)
            if self.keep:
                outcome.kept.append(chunk)
            elif self.structured and chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                _read_value(merge.content(), outcome)
        outcome.completion = merge.completion()
        return outcome

    def dump(self, completion: Any) -> dict[str, Any]:
        """It is plain already."""
        return completion


def _read_value(content: str, outcome: Outcome) -> None:
    from pydantic_core import from_json

    outcome.last_value = from_json(content, allow_partial="trailing-strings")
    outcome.values += 1


def _stream(reads: list[bytes]) -> Any:
    import httpx

    class Reads(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            return iter(reads)

    return Reads()
