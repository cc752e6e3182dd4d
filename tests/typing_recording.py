"""What type checkers make of the transports: read by mypy and basedpyright, never run."""

from typing import Any, assert_type

import httpx
import httpx2

from chatstream.recording import (
    AsyncRecordingTransport,
    AsyncReplayTransport,
    Cassette,
    Miss,
    Recording,
    RecordingTransport,
    ReplayTransport,
)


def as_any(transport: Any) -> Any:
    """Clients of httpx2 ask for a class of their own library's, though they need no more than its methods."""
    return transport


# Clients of both libraries take them.
httpx.Client(transport=RecordingTransport("tapes/"))
httpx2.Client(transport=as_any(RecordingTransport("tapes/", secrets=["a password"])))
httpx.Client(transport=ReplayTransport("a.tape.jsonl", speed=None, faults="reset,after=3"))
httpx2.Client(
    transport=as_any(ReplayTransport([Recording.parse(b""), "b.sse"], match="order", mode="once", record_to="c"))
)
httpx.AsyncClient(transport=AsyncRecordingTransport("tapes/"))
httpx2.AsyncClient(transport=as_any(AsyncRecordingTransport("tapes/")))
httpx.AsyncClient(transport=AsyncReplayTransport("a.tape.jsonl", sleep=None))
httpx2.AsyncClient(transport=as_any(AsyncReplayTransport("a.tape.jsonl", ignore=["metadata"])))

# So do they, of either; and one stands on another.
RecordingTransport("tapes/", transport=httpx.HTTPTransport(retries=2))
RecordingTransport("tapes/", transport=httpx2.HTTPTransport())
RecordingTransport("tapes/", transport=ReplayTransport("a.tape.jsonl"))
AsyncReplayTransport("tapes/", mode="new_episodes", transport=httpx2.AsyncHTTPTransport())

assert_type(ReplayTransport("a").cassette, Cassette)
assert_type(ReplayTransport("a").misses, list[Miss])
