import time

import anyio
import pytest

from chatstream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.testing import VirtualClock, text_turn


def test_real_timing_passes_in_no_time():
    clock = VirtualClock()
    recording = text_turn("abcd", pieces=2, gap=900)
    began = time.perf_counter()
    stream = ChatCompletionStream(recording.play(sleep=clock.sleep), clock=clock)
    stream.until_done()
    assert time.perf_counter() - began < 60
    assert clock() == 3600
    assert clock.slept == [900] * 4
    assert stream.stats.first_byte == 900
    assert stream.stats.duration == 3600


@pytest.mark.anyio
async def test_async_sleeps_pass_as_fast_and_let_others_run():
    clock = VirtualClock(start=100)
    turns = []

    async def other():
        turns.append(clock())

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        stream = AsyncChatCompletionStream(text_turn("abcd", pieces=2, gap=5).aplay(sleep=clock.asleep), clock=clock)
        await stream.until_done()
    assert clock() == 120
    assert clock.slept == [5] * 4
    assert turns[0] < 120  # its turn came while the stream slept, and not behind it


def test_time_is_advanced_without_a_sleep():
    clock = VirtualClock()
    clock.advance(2.5)
    assert (clock(), clock.slept) == (2.5, [])


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_time_goes_forward_by_a_number(seconds):
    clock = VirtualClock()
    with pytest.raises(ValueError, match="forward"):
        clock.sleep(seconds)
    assert (clock(), clock.slept) == (0, [])
