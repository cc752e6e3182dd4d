"""What type checkers must see of made-up answers and of the plugin's fixtures. Read by mypy and basedpyright, never run."""

from typing import TYPE_CHECKING, assert_type

from chatstream.chunking import words
from chatstream.recording import AsyncPlayer, Fault, Player, Recording
from chatstream.testing import Steps, TurnOptions, VirtualClock, refusal_turn, sse, text_turn, tool_turn, turns

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    import httpx2

    from chatstream.pytest_plugin import StreamFaults, TapeFixture

assert_type(text_turn("Yes.", "No.", seed=1, pieces=3, usage=(1, 2), asked="Well?"), Recording)
assert_type(text_turn("Yes.", pieces=(1, 4), usage={"total_tokens": 3}, asked={"model": "m"}), Recording)
assert_type(refusal_turn("No.", pieces=words, cut=True, gap=0.5), Recording)
assert_type(tool_turn(("get_weather", {"city": "Oslo"}), ("f", "{broken"), {"id": "x"}, text="Let me see."), Recording)
assert_type(turns("Yes.", [("f", {})], text_turn("No."), model="m"), list[Recording])
assert_type(sse({"a": 1}, "text", done=False), bytes)
text_turn("Yes.", modle="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
options: TurnOptions = {"seed": 1, "reasoning": "Hm."}
text_turn("Yes.", **options)

clock = VirtualClock()
steps = Steps()
assert_type(clock(), float)
assert_type(text_turn("Yes.").play(sleep=clock.sleep), Player)
assert_type(text_turn("Yes.").aplay(sleep=clock.asleep), AsyncPlayer)
assert_type(text_turn("Yes.").play(step=steps), Player)
assert_type(text_turn("Yes.").aplay(step=steps), AsyncPlayer)


def fixtures(tape: "TapeFixture", stream_faults: "StreamFaults", path: "Path") -> None:
    assert_type(tape.unused, list[str])
    assert_type(tape.recordings, list[Recording])
    assert_type(stream_faults(path, "reset", Fault("stall"), seed=1), Recording)
    assert_type(stream_faults.inject(b"data: 1\n\n"), Recording)
    assert_type(stream_faults.fault, Fault | None)


def transports(tape: "TapeFixture") -> "list[httpx.Client | httpx2.Client]":
    return [_httpx(tape), _httpx2(tape)]


def _httpx(tape: "TapeFixture") -> "httpx.Client":
    import httpx

    return httpx.Client(transport=tape.transport())


def _httpx2(tape: "TapeFixture") -> "httpx2.Client":
    import httpx2

    return httpx2.Client(transport=tape.transport())
