"""Both streams: the same names, the same events, and what becomes of the source."""

import gc
import inspect
import io
import json
import weakref
from itertools import cycle

import anyio
import httpx
import pydantic
import pytest

from chatstream.emitter import EventEmitter
from chatstream.ends import Limits
from chatstream.errors import (
    APIConnectionError,
    APIStreamError,
    APITimeoutError,
    APIUserAbortError,
    ChatStreamError,
    IncompleteStreamError,
    LengthFinishReasonError,
    NotAStreamError,
    OutputParseError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamLimitError,
)
from chatstream.parser import ChatStreamParser
from chatstream.recording import Recording
from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
from own_cases import HI, STOP, USAGE, call, calls
from sources_for_tests import AsyncReads, Reads, async_response, response, through_async_stream, through_stream
from wire import DONE, block, byte_by_byte, chunk, read, wire

HELLO = wire([*HI, {**chunk(), "choices": [], "usage": USAGE}])
CUT = wire(HI[:3], done=False)
CALL = wire([calls(call(0, "a", "f", '{"x": ')), calls(call(0, arguments="1}")), chunk(finish="tool_calls")])


class Both:
    """One stream of either class, driven by the same words: what a sync test says is awaited where it must be."""

    def __init__(self, kind):
        self.is_async = kind == "async"

    def source(self, reads, failure=None):
        return (AsyncReads if self.is_async else Reads)(reads, failure)

    def stream(self, source, **options):
        if not isinstance(source, bytes | str | Reads | AsyncReads | Recording | httpx.Response):
            source = self.source(source)
        return (AsyncChatCompletionStream if self.is_async else ChatCompletionStream)(source, **options)

    def response(self, *given, **options):
        return (async_response if self.is_async else response)(*given, **options)

    async def call(self, function, *given):
        result = function(*given)
        return await result if inspect.isawaitable(result) else result

    async def next(self, stream):
        """The next event; None after the last one."""
        return await anext(stream, None) if self.is_async else next(stream, None)

    async def all(self, iterator):
        return [one async for one in iterator] if self.is_async else list(iterator)

    async def fail(self, stream):
        """What reading to the end raises."""
        with pytest.raises(ChatStreamError) as caught:
            await self.all(stream)
        return caught.value

    def over(self, iterable):
        return aiter(iterable) if self.is_async else iter(iterable)

    async def close(self, stream):
        await stream.aclose() if self.is_async else stream.close()


@pytest.fixture(params=["sync", "async"])
def both(request):
    return Both(request.param)


pytestmark = pytest.mark.anyio


# One class is the other, but for the wait


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


WAITS = {
    "aclose", "close", "final_chat_completion", "final_content", "final_function_tool_call", "final_message", "open", "total_usage",
    "until_done", "wait_for",
}  # fmt: skip


async def test_both_streams_have_the_same_names():
    assert public(AsyncChatCompletionStream) - public(ChatCompletionStream) == {"aclose"}
    assert public(ChatCompletionStream) <= public(AsyncChatCompletionStream)


@pytest.mark.parametrize("name", sorted(public(ChatCompletionStream) - public(EventEmitter) | {"__init__"}))
async def test_each_name_has_the_same_signature_and_awaits_where_it_waits(name):
    ours, other = getattr(ChatCompletionStream, name), getattr(AsyncChatCompletionStream, name)
    if isinstance(ours, property):
        assert isinstance(other, property)
        return
    if callable(ours):
        parameters = inspect.signature(ours).parameters
        assert list(inspect.signature(other).parameters.items()) == list(parameters.items())
        assert inspect.iscoroutinefunction(other) == (name in WAITS)
        assert not inspect.iscoroutinefunction(ours)


async def test_both_document_each_name_alike():
    for name in public(ChatCompletionStream) - {"close", "abort", "active"}:
        assert inspect.getdoc(getattr(ChatCompletionStream, name)) == inspect.getdoc(
            getattr(AsyncChatCompletionStream, name)
        )


async def test_neither_can_be_read_as_the_other():
    assert not hasattr(ChatCompletionStream, "__aiter__")
    assert not hasattr(ChatCompletionStream, "__aenter__")
    assert not hasattr(AsyncChatCompletionStream, "__iter__")
    assert not hasattr(AsyncChatCompletionStream, "__enter__")


# Reading


async def test_the_events_are_those_of_the_parser(both):
    _, expected = read([HELLO])
    for reads in ([HELLO], byte_by_byte(HELLO)):
        assert await both.all(both.stream(reads)) == expected


async def test_whoever_iterates_goes_on_where_another_stopped(both):
    for reads in ([HELLO], [HELLO[:400], HELLO[400:]], byte_by_byte(HELLO)):
        stream = both.stream(reads)
        takers = cycle([both.over(stream), stream, both.over(stream), stream, stream])
        events = []
        while (event := await both.next(next(takers))) is not None:
            events.append(event)
            assert stream.snapshot == [one for one in events if one.type == "chunk"][-1].snapshot
        assert events == read([HELLO])[1]


async def test_a_listener_added_in_the_middle_of_a_read_hears_the_rest_of_it(both):
    stream, heard, events = both.stream([HELLO]), [], []
    events += [await both.next(over) for over in [both.over(stream)] * 2]
    iterator = both.over(stream)
    events.append(await both.next(iterator))
    stream.on("content.delta", heard.append)
    while (event := await both.next(iterator)) is not None:
        events.append(event)
    assert events == read([HELLO])[1]
    assert heard == [event for event in events[3:] if event.type == "content.delta"] != []


async def test_after_a_listener_raised_the_same_iterator_goes_on(both):
    stream, events = both.stream([HELLO]), []
    stream.on("content.delta", lambda event: 1 / 0)
    iterator = both.over(stream)
    while True:
        try:
            event = await both.next(iterator)
        except ZeroDivisionError:
            continue
        if event is None:
            break
        events.append(event)
    assert events == [event for event in read([HELLO])[1] if event.type != "content.delta"]


async def test_after_the_source_raised_the_same_iterator_goes_on():
    class Interrupted(Reads):
        def __next__(self):
            if self.taken == 2 and not self.closed:
                self.closed = 7
                raise KeyboardInterrupt
            return super().__next__()

    stream = ChatCompletionStream(Interrupted([block(one) for one in HI] + [DONE]))
    iterator, events = iter(stream), []
    while True:
        try:
            events.append(next(iterator))
        except KeyboardInterrupt:
            continue
        except StopIteration:
            break
    assert events == read([wire(HI)])[1]


async def test_a_listener_that_raises_stop_iteration_does_not_end_the_iteration(both):
    stream = both.stream([wire(HI)])
    stream.on("content.delta", lambda event: next(iter([])))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await both.all(stream)
    await both.close(stream)


async def test_a_source_is_read_as_the_iterator_it_is_and_not_begun_anew(both):
    class Restarting:
        def __init__(self):
            self.reads, self.at = byte_by_byte(wire(HI)), 0

        def __iter__(self):
            self.at = 0
            return self

        def __next__(self):
            self.at += 1
            if self.at > len(self.reads):
                raise StopIteration
            return self.reads[self.at - 1]

    stream = (AsyncChatCompletionStream if both.is_async else ChatCompletionStream)(Restarting())
    assert await both.all(stream) == read([wire(HI)])[1]


@pytest.mark.parametrize("stop", ["close", "abort"])
async def test_a_source_that_stops_its_stream_is_not_read_on(stop):
    data, taken = wire(HI), []

    def reads():
        for at, one in enumerate(byte_by_byte(data)):
            if at == 150:
                getattr(stream, stop)()
            taken.append(at)
            yield one

    stream = ChatCompletionStream(iter(reads().__next__, None))
    with pytest.raises(ChatStreamError):
        list(stream)
    assert len(taken) <= 152


@pytest.mark.parametrize("size", [1, 7, 255, 300])
async def test_small_reads_are_joined_and_nobody_can_tell(both, size):
    data = wire([*HI[:3], chunk({"content": "x" * 500}), *HI[3:]])
    reads = [data[at : at + size] for at in range(0, len(data), size)]
    for taken in range(0, len(reads) + 1, max(1, 40 // size)):
        parser = ChatStreamParser()
        expected = [event for one in reads[:taken] for event in parser.feed(one)]
        expected += parser.fail(StreamInterruptedError("cut"))
        stream = both.stream(both.source(reads[:taken], ConnectionResetError("cut")))
        events, heard = [], []
        stream.on("error", heard.append)
        try:
            while (event := await both.next(stream)) is not None:
                events.append(event)
        except StreamInterruptedError:
            events += heard
        assert events[:-1] == expected[:-1]
        assert (stream.end, stream.snapshot) == (parser.end, parser.snapshot)
        if events[-1].type == "error":
            assert (stream.stats.reads, stream.stats.bytes) == (taken, sum(map(len, reads[:taken])))


@pytest.mark.parametrize("taken", [3, 100, 150, 200, 333])
async def test_what_was_joined_is_not_lost_by_an_abort(both, taken):
    reads = byte_by_byte(wire(HI))
    parser = ChatStreamParser()
    for one in reads[:taken]:
        parser.feed(one)
    parser.abort()

    def until_aborted():
        yield from reads[:taken]
        stream.abort()

    stream = both.stream(until_aborted())
    assert isinstance(await both.fail(stream), APIUserAbortError)
    assert (stream.end, stream.snapshot, stream.stats.bytes) == (parser.end, parser.snapshot, taken)
    await both.close(stream)


async def test_making_a_stream_reads_nothing(both):
    source = both.source([HELLO])
    stream = both.stream(source)
    assert source.taken == 0
    assert (stream.snapshot, stream.end, stream.anomalies) == (None, None, [])
    await both.close(stream)


async def test_nothing_is_read_ahead(both):
    source = both.source([block(one) for one in HI] + [DONE])
    stream = both.stream(source)
    await both.next(stream)
    assert source.taken == 1
    while (await both.next(stream)).type != "content.delta":
        pass
    assert source.taken == 2
    assert stream.snapshot.choices[0].message.content == "H"
    await both.close(stream)


async def test_reading_can_be_broken_off_and_gone_on_with(both):
    stream = both.stream(byte_by_byte(HELLO))
    events = [await both.next(stream) for _ in range(3)]
    events += await both.all(stream)
    assert events == read([HELLO])[1]
    assert stream.end.kind == "complete"


async def test_text_gives_the_content_deltas_of_choice_0(both):
    data = wire(
        [
            chunk({"content": "H"}),
            chunk({"content": "no"}, index=1),
            chunk({"reasoning": "r"}),
            chunk({"content": "i"}),
            STOP,
            chunk(index=1, finish="stop"),
        ]
    )
    assert await both.all(both.stream(data).text()) == ["H", "i"]


async def test_chunks_gives_the_chunks_as_they_came(both):
    found = await both.all(both.stream(HELLO).chunks())
    assert [one.model_dump(exclude_unset=True) for one in found] == [*HI, {**chunk(), "choices": [], "usage": USAGE}]


async def test_text_and_events_can_be_read_in_turn(both):
    stream = both.stream(byte_by_byte(HELLO))
    assert (await both.next(stream)).type == "chunk"
    text = stream.text()
    assert await both.next(text) == "H"
    assert (await both.next(stream)).type == "chunk"
    assert await both.all(text) == ["i"]
    assert stream.end.kind == "complete"


@pytest.mark.parametrize("form", ["text", "chunks"])
async def test_each_form_of_reading_raises_what_the_stream_failed_with(both, form):
    stream = both.stream(CUT)
    with pytest.raises(IncompleteStreamError) as caught:
        await both.all(getattr(stream, form)())
    assert caught.value.completion.choices[0].message.content == "Hi"


async def test_until_done_reads_to_the_end_and_gives_the_stream(both):
    stream = both.stream(byte_by_byte(HELLO))
    assert await both.call(stream.until_done) is stream
    assert await both.call(stream.until_done) is stream
    assert stream.end.kind == "complete"


async def test_until_done_goes_on_where_reading_was_broken_off(both):
    stream, heard = both.stream(byte_by_byte(HELLO)), []
    stream.on("content.delta", lambda event: heard.append(event.delta))
    await both.next(stream)
    await both.call(stream.until_done)
    assert heard == ["H", "i"]


async def test_the_final_answer_can_be_asked_for_in_each_form_and_again(both):
    stream = both.stream(HELLO)
    for _ in range(2):
        completion = await both.call(stream.final_chat_completion)
        assert completion.choices[0].message.content == "Hi"
        assert completion.choices[0].message.parsed is None
        assert (await both.call(stream.final_message)).role == "assistant"
        assert await both.call(stream.final_content) == "Hi"
        assert await both.call(stream.final_function_tool_call) is None
        assert (await both.call(stream.total_usage)).total_tokens == 7


async def test_the_final_call_is_the_last_one_of_a_function(both):
    stream = both.stream(CALL)
    found = await both.call(stream.final_function_tool_call)
    assert (found.id, found.function.name, found.function.arguments) == ("a", "f", '{"x": 1}')
    assert found.function.parsed_arguments == {"x": 1}
    assert await both.call(stream.final_content) is None


async def test_a_custom_call_is_no_function_call(both):
    data = wire(
        [
            calls({"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}),
            chunk(finish="tool_calls"),
        ]
    )
    assert await both.call(both.stream(data).final_function_tool_call) is None


async def test_there_is_no_usage_where_the_server_sent_none(both):
    assert await both.call(both.stream(wire(HI)).total_usage) is None


async def test_the_snapshot_and_the_anomalies_can_be_read_at_any_time(both):
    stream = both.stream([block(HI[0]), block(HI[1]), b"stray\n", block(HI[2]), block(STOP), DONE])
    seen = []
    while (event := await both.next(stream)).type != "end":
        assert (
            stream.snapshot.model_dump() == (event.snapshot if event.type == "chunk" else stream.snapshot).model_dump()
        )
        seen.append(len(stream.anomalies))
    assert sorted(set(seen)) == [0, 1]
    assert stream.anomalies[0].kind == "stray_line"


# A stream is read once


async def test_a_second_iteration_of_a_finished_stream_is_told_so(both):
    stream = both.stream(HELLO)
    await both.all(stream)
    for form in (stream, stream.text, stream.chunks):
        with pytest.raises(StreamConsumedError, match="read to its end") as caught:
            await both.all(form() if callable(form) else form)
        assert caught.value.completion.choices[0].message.content == "Hi"
        assert isinstance(caught.value, RuntimeError)


async def test_after_the_end_there_is_no_next_event(both):
    stream = both.stream(HELLO)
    await both.all(stream)
    assert await both.next(stream) is None


async def test_a_stream_that_failed_fails_the_same_way_whenever_its_answer_is_asked_for(both):
    stream = both.stream(CUT)
    error = await both.fail(stream)
    for ask in (
        stream.until_done,
        stream.final_chat_completion,
        stream.final_message,
        stream.final_content,
        stream.total_usage,
        stream.final_function_tool_call,
    ):
        with pytest.raises(IncompleteStreamError) as caught:
            await both.call(ask)
        assert caught.value is error


async def test_a_stream_that_was_closed_early_is_told_so(both):
    stream = both.stream([block(one) for one in HI])
    await both.next(stream)
    await both.close(stream)
    assert stream.end is None
    for ask in (stream.until_done, stream.final_content):
        with pytest.raises(StreamConsumedError, match="closed") as caught:
            await both.call(ask)
        assert caught.value.completion.choices[0].message.content == ""


# Listeners


async def test_listeners_hear_of_an_event_before_the_loop_does(both):
    stream, order = both.stream(HELLO), []
    stream.on("content.delta", lambda event: order.append(f"heard {event.delta}"))
    while (event := await both.next(stream)).type != "end":
        if event.type == "content.delta":
            order.append(f"read {event.delta}")
    assert order == ["heard H", "read H", "heard i", "read i"]


async def test_on_once_and_off_give_the_stream_and_can_decorate(both):
    stream, heard = both.stream(HELLO), []

    @stream.on("content.done")
    def listener(event):
        heard.append(event.content)

    def gone(event):
        raise AssertionError

    assert stream.on("chunk", gone) is stream
    assert stream.off("chunk", gone) is stream
    assert stream.once("content", lambda delta, snapshot: heard.append((delta, snapshot))) is stream
    assert callable(listener)
    await both.call(stream.until_done)
    assert heard == [("H", "H"), "Hi"]


async def test_every_type_of_event_that_comes_is_heard(both):
    stream, heard = both.stream(HELLO), []
    expected = [event.type for event in read([HELLO])[1]]
    for name in set(expected) - {"chunk"}:
        stream.on(name, lambda event: heard.append(event.type))
    stream.on("chunk", lambda chunk, snapshot: heard.append("chunk"))
    await both.call(stream.until_done)
    assert heard == expected


async def test_a_chunk_listener_gets_the_chunk_and_the_snapshot(both):
    stream, heard = both.stream(HELLO), []
    stream.on("chunk", lambda chunk, snapshot: heard.append((chunk.id, snapshot.choices[0].message.content)))
    await both.call(stream.until_done)
    assert [content for _, content in heard] == ["", "H", "Hi", "Hi", "Hi"]


@pytest.mark.parametrize("how", ["on", "once", "off", "wait_for"])
async def test_an_unknown_event_is_a_value_error_that_names_the_near_ones(both, how):
    stream = both.stream(HELLO)
    given = ["content.dleta"] if how == "wait_for" else ["content.dleta", print]
    with pytest.raises(ValueError, match=r"content\.delta"):
        await both.call(getattr(stream, how), *given)
    assert await both.call(stream.final_content) == "Hi", "nothing was read, and nothing lost"


async def test_what_a_listener_raises_comes_out_as_it_is_and_reading_can_go_on(both):
    source = both.source([block(one) for one in HI] + [DONE])
    stream = both.stream(source)
    mine = LookupError("mine")

    def listener(event):
        raise mine

    stream.once("content.delta", listener)
    with pytest.raises(LookupError) as caught:
        await both.call(stream.until_done)
    assert caught.value is mine
    assert (stream.end, source.closed) == (None, 0)
    assert await both.call(stream.final_content) == "Hi"


async def test_what_a_listener_of_the_last_event_raises_does_not_hide_how_the_stream_ended(both):
    stream = both.stream(CUT)

    def listener(event):
        raise LookupError

    stream.on("error", listener)
    with pytest.raises(LookupError):
        await both.call(stream.until_done)
    assert stream.end.kind == "incomplete"
    with pytest.raises(IncompleteStreamError):
        await both.call(stream.until_done)


async def test_an_error_is_heard_before_it_is_raised(both):
    stream, heard = both.stream(CUT), []
    stream.on("error", heard.append)
    error = await both.fail(stream)
    assert [event.error for event in heard] == [error]
    assert heard[0].snapshot == error.completion == stream.snapshot


async def test_a_sync_stream_refuses_a_listener_that_nobody_would_await():
    async def listener(event):
        raise AssertionError

    with ChatCompletionStream(HELLO) as stream, pytest.raises(TypeError, match="AsyncChatCompletionStream"):
        stream.on("content.delta", listener)


async def test_an_async_listener_is_awaited_before_the_next_event_is_read():
    order = []
    source = AsyncReads([block(one) for one in HI] + [DONE])

    async def listener(event):
        order.append(f"begin {event.delta}")
        await anyio.sleep(0.01)
        order.append(f"end {event.delta} {source.taken}")

    async with AsyncChatCompletionStream(source) as stream:
        stream.on("content.delta", listener)
        await stream.until_done()
    assert order == ["begin H", "end H 2", "begin i", "end i 3"]


# wait_for


async def test_wait_for_reads_on_until_it_happens_and_no_further(both):
    source = both.source([block(one) for one in HI] + [DONE])
    stream = both.stream(source)
    event = await both.call(stream.wait_for, "content.delta")
    assert (event.delta, source.taken) == ("H", 2)
    assert (await both.call(stream.wait_for, "content")).delta == "i"
    assert (await both.call(stream.wait_for, "choice.done")).finish_reason == "stop"
    assert (await both.call(stream.wait_for, "end")).end.kind == "complete"


async def test_wait_for_lets_the_other_listeners_hear(both):
    stream, heard = both.stream(HELLO), []
    stream.on("content.delta", lambda event: heard.append(event.delta))
    await both.call(stream.wait_for, "content.done")
    assert heard == ["H", "i"]


async def test_waiting_for_what_never_happens_raises_when_the_stream_ends(both):
    stream = both.stream(HELLO)
    with pytest.raises(ChatStreamError, match=r"without 'refusal\.done'") as caught:
        await both.call(stream.wait_for, "refusal.done")
    assert caught.value.completion.choices[0].message.content == "Hi"
    assert stream.end.kind == "complete"


async def test_waiting_on_a_stream_that_fails_raises_what_it_failed_with(both):
    with pytest.raises(IncompleteStreamError):
        await both.call(both.stream(CUT).wait_for, "refusal.done")


async def test_a_failure_can_be_waited_for(both):
    stream = both.stream(CUT)
    event = await both.call(stream.wait_for, "error")
    assert isinstance(event.error, IncompleteStreamError)


async def test_waiting_on_a_finished_stream_is_told_so(both):
    stream = both.stream(HELLO)
    await both.all(stream)
    with pytest.raises(StreamConsumedError):
        await both.call(stream.wait_for, "content.delta")


# How a stream ends, and what becomes of its source


async def test_the_source_is_closed_at_the_end_and_once(both):
    source = both.source([HELLO, b"data: not read\n\n"])
    stream = both.stream(source)
    await both.call(stream.until_done)
    assert source.closed == 1
    assert source.taken == 1, "after [DONE] nothing is read"
    await both.close(stream)
    assert source.closed == 1


@pytest.mark.parametrize(
    ("reads", "failure", "expected"),
    [
        ([CUT], None, IncompleteStreamError),
        ([CUT, b"data: {\n\n", b"data: more"], None, ChatStreamError),
        ([CUT, block({"error": "no"}), b"data: more"], None, APIStreamError),
        ([b"<html>"], None, NotAStreamError),
        ([CUT], httpx.ReadError("reset"), StreamInterruptedError),
        ([CUT], ConnectionResetError(104, "reset"), StreamInterruptedError),
        ([CUT], httpx.RemoteProtocolError("peer closed connection"), StreamInterruptedError),
        ([CUT], EOFError(), StreamInterruptedError),
        ([CUT], httpx.ReadTimeout("slow"), APITimeoutError),
        ([CUT], TimeoutError(), APITimeoutError),
        ([CUT], StreamInterruptedError("as it is"), StreamInterruptedError),
    ],
)
async def test_whatever_the_stream_fails_with_what_had_arrived_is_attached_and_the_source_closed(
    both, reads, failure, expected
):
    source = both.source(reads, failure)
    stream = both.stream(source)
    error = await both.fail(stream)
    assert isinstance(error, expected)
    assert source.closed == 1
    assert (error.completion is None) == (reads == [b"<html>"])
    if error.completion is not None:
        assert error.completion == stream.snapshot
        assert error.completion.choices[0].message.content == "Hi"
    assert error is failure or error.__cause__ is failure


async def test_a_whole_event_in_the_read_of_a_failure_is_delivered_before_it(both):
    stream = both.stream([block(HI[1]) + b"data: {\n\n" + block(HI[2])])
    types = [(await both.next(stream)).type for _ in range(2)]
    assert types == ["chunk", "content.delta"]
    assert (await both.fail(stream)).completion.choices[0].message.content == "H"


@pytest.mark.parametrize(
    ("failure", "reads", "phase"),
    [
        (httpx.ReadTimeout(""), [CUT], "idle"),
        (httpx.ReadTimeout(""), [], "first_byte"),
        (TimeoutError(), [CUT], "idle"),
        (TimeoutError(), [], "first_byte"),
        (httpx.ConnectTimeout(""), [], "connect"),
        (httpx.PoolTimeout(""), [], "pool"),
    ],
)
async def test_a_timeout_says_what_took_too_long(both, failure, reads, phase):
    error = await both.fail(both.stream(both.source(reads, failure)))
    assert (type(error), error.phase) == (APITimeoutError, phase)


async def test_no_connection_is_no_interruption(both):
    error = await both.fail(both.stream(both.source([], httpx.ConnectError("refused"))))
    assert type(error) is APIConnectionError


async def test_a_reset_before_done_is_one_even_when_every_choice_had_finished(both):
    stream = both.stream(both.source([wire(HI, done=False)], httpx.ReadError("reset")))
    assert isinstance(await both.fail(stream), StreamInterruptedError)
    assert stream.end.kind == "error"
    assert stream.end.finish_seen


async def test_what_is_whole_in_the_tail_counts_before_a_reset_too(both):
    stream = both.stream(both.source([block(HI[1]), block(HI[2]).rstrip()], ConnectionResetError()))
    error = await both.fail(stream)
    assert isinstance(error, StreamInterruptedError)
    assert error.completion.choices[0].message.content == "Hi"


@pytest.mark.parametrize("mistake", [ValueError("mine"), KeyError("mine"), ZeroDivisionError()])
async def test_what_is_nobodys_peers_fault_comes_out_as_it_is_and_the_source_is_closed(both, mistake):
    source = both.source([CUT], mistake)
    with pytest.raises(type(mistake)) as caught:
        await both.all(both.stream(source))
    assert caught.value is mistake
    assert source.closed == 1


async def test_a_source_that_gives_something_else_is_a_type_error(both):
    source = both.source([CUT, 7])
    with pytest.raises(TypeError, match="a source gave int"):
        await both.all(both.stream(source))


async def test_mixing_bytes_and_chunks_is_a_mistake(both):
    with pytest.raises(RuntimeError, match="mixed"):
        await both.all(both.stream([CUT, HI[0]]))


async def test_a_closing_that_fails_is_of_no_use_to_anybody(both):
    source = both.source([HELLO])

    def fail():
        raise OSError

    async def fail_async():
        raise OSError

    source.close, source.aclose = fail, fail_async
    assert await both.call(both.stream(source).final_content) == "Hi"


async def test_leaving_the_context_closes_the_source_at_once_and_is_no_end():
    source = Reads([block(one) for one in HI])
    with ChatCompletionStream(source) as stream:
        assert next(stream).type == "chunk"
    assert (source.closed, source.taken, stream.end) == (1, 1, None)


async def test_leaving_the_async_context_closes_the_source_at_once_and_is_no_end():
    source = AsyncReads([block(one) for one in HI])
    async with AsyncChatCompletionStream(source) as stream:
        assert (await anext(stream)).type == "chunk"
    assert (source.closed, source.taken, stream.end) == (1, 1, None)


async def test_what_is_raised_in_the_context_comes_out_and_the_source_is_closed():
    source, other = Reads([HELLO]), AsyncReads([HELLO])
    with pytest.raises(LookupError), ChatCompletionStream(source):
        raise LookupError
    with pytest.raises(LookupError):
        async with AsyncChatCompletionStream(other):
            raise LookupError
    assert source.closed == other.closed == 1


async def test_what_has_arrived_can_still_be_read_after_close(both):
    source = both.source([block(HI[1]) + block(HI[2]), block(STOP)])
    stream = both.stream(source)
    await both.next(stream)
    await both.close(stream)
    rest = [(await both.next(stream)).type for _ in range(3)]
    assert rest == ["content.delta", "chunk", "content.delta"]
    with pytest.raises(StreamConsumedError, match="closed"):
        await both.next(stream)
    assert (stream.end, source.taken) == (None, 1)


# abort


async def test_an_aborted_stream_raises_with_what_had_arrived(both):
    source = both.source([block(one) for one in HI] + [DONE])
    stream, heard = both.stream(source), []
    stream.on("abort", heard.append)
    await both.call(stream.wait_for, "content.delta")
    stream.abort()
    with pytest.raises(APIUserAbortError) as caught:
        await both.next(stream)
    assert caught.value.completion.choices[0].message.content == "H"
    assert [event.error for event in heard] == [caught.value]
    assert (stream.end.kind, source.taken) == ("aborted", 2)
    with pytest.raises(APIUserAbortError):
        await both.call(stream.final_content)
    await both.close(stream)
    assert source.closed == 1


async def test_an_abort_drops_what_was_read_and_not_delivered(both):
    stream = both.stream(CUT)
    await both.next(stream)
    stream.abort()
    with pytest.raises(APIUserAbortError):
        await both.all(stream)
    await both.close(stream)


async def test_aborting_twice_or_after_the_end_does_nothing(both):
    stream = both.stream(HELLO)
    await both.call(stream.until_done)
    stream.abort()
    assert stream.end.kind == "complete"
    assert await both.call(stream.final_content) == "Hi"
    stream = both.stream(both.source([CUT]))
    stream.abort()
    stream.abort()
    assert stream.end.kind == "aborted"
    error = await both.fail(stream)
    assert isinstance(error, APIUserAbortError)
    assert error.completion is None
    await both.close(stream)


async def test_a_listener_may_abort(both):
    stream = both.stream([block(one) for one in HI] + [DONE])
    stream.on("content.delta", lambda event: stream.abort())
    error = await both.fail(stream)
    assert isinstance(error, APIUserAbortError)
    assert error.completion.choices[0].message.content == "H"
    await both.close(stream)


async def test_an_abort_in_the_middle_of_a_read_closes_the_source(both):
    source = both.source([wire(HI)])
    stream = both.stream(source)
    await both.next(stream)
    stream.abort()
    assert isinstance(await both.fail(stream), APIUserAbortError)
    assert source.closed == 1


async def test_a_stream_that_nobody_reads_on_is_gone_at_once(both):
    gc.collect()
    gc.disable()
    try:
        stream = both.stream([block(one) for one in HI] + [DONE])
        stream.on("chunk", lambda chunk, snapshot: None)
        stream.once("end", print)
        for _ in range(3):
            await both.next(both.over(stream))
        alive = weakref.ref(stream)
        del stream
        assert alive() is None
    finally:
        gc.enable()


async def test_an_abort_from_another_task_ends_the_stream_at_the_next_read():
    async def abort_soon(stream):
        await anyio.sleep(0.01)
        stream.abort()

    class Slow(AsyncReads):
        async def __anext__(self):
            await anyio.sleep(0.05)
            return await super().__anext__()

    source = Slow([block(one) for one in HI])
    async with AsyncChatCompletionStream(source) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(abort_soon, stream)
        with pytest.raises(APIUserAbortError):
            await stream.until_done()
    assert source.closed == 1


# Cancellation


async def test_cancelling_a_read_that_waits_comes_through_and_closes_the_source():
    class Stalled(AsyncReads):
        async def __anext__(self):
            if self.taken:
                await anyio.sleep_forever()
            return await super().__anext__()

    source = Stalled([CUT])
    with anyio.move_on_after(0.05) as scope:
        async with AsyncChatCompletionStream(source) as stream:
            await stream.until_done()
    assert scope.cancelled_caught
    assert (source.closed, stream.end) == (1, None)
    assert stream.snapshot.choices[0].message.content == "Hi"


async def test_cancelling_an_async_listener_comes_through():
    source = AsyncReads([HELLO])

    async def listener(event):
        await anyio.sleep_forever()

    with anyio.move_on_after(0.05) as scope:
        async with AsyncChatCompletionStream(source) as stream:
            stream.on("content.delta", listener)
            await stream.until_done()
    assert scope.cancelled_caught
    assert source.closed == 1


async def test_a_timeout_of_the_callers_own_is_the_callers():
    class Stalled(AsyncReads):
        async def __anext__(self):
            await anyio.sleep_forever()

    async with AsyncChatCompletionStream(Stalled([])) as stream:
        timeout = None
        try:
            with anyio.fail_after(0.05):
                await stream.until_done()
        except TimeoutError as error:
            timeout = error
    assert timeout is not None
    assert not isinstance(timeout, ChatStreamError)


# Responses tell more


async def test_an_error_knows_the_request_id(both):
    stream = both.stream(both.response([CUT], headers={"x-request-id": "req_7"}))
    assert (await both.fail(stream)).request_id == "req_7"


async def test_no_stream_at_all_names_the_content_type(both):
    stream = both.stream(both.response([b"<html>no</html>"], headers={"content-type": "text/html; charset=utf-8"}))
    error = await both.fail(stream)
    assert isinstance(error, NotAStreamError)
    assert error.content_type == "text/html; charset=utf-8"


# Options


class Answer(pydantic.BaseModel):
    a: int


ANSWER = [chunk({"content": '{"a": '}), chunk({"content": "7}"})]


async def test_the_answer_is_parsed_by_the_given_model(both):
    stream = both.stream(wire([*ANSWER, STOP]), response_format=Answer)
    events = await both.all(stream)
    assert [event.parsed for event in events if event.type == "content.delta"] == [{}, {"a": 7}]
    assert [event.parsed for event in events if event.type == "content.done"] == [Answer(a=7)]
    assert (await both.call(stream.final_message)).parsed == Answer(a=7)
    assert (await both.call(stream.final_chat_completion)).choices[0].message.parsed == Answer(a=7)


async def test_an_answer_that_does_not_fit_is_told_after_everything_was_read(both):
    data = wire([chunk({"content": '{"a": "x"}'}), STOP, {**chunk(), "choices": [], "usage": USAGE}])
    error = await both.fail(both.stream(data, response_format=Answer))
    assert isinstance(error, OutputParseError)
    assert isinstance(error.__cause__, pydantic.ValidationError)
    assert error.completion.usage.total_tokens == 7


async def test_a_parsed_answer_that_was_cut_by_length_is_told_so(both):
    data = wire([*ANSWER, chunk(finish="length"), {**chunk(), "choices": [], "usage": USAGE}])
    error = await both.fail(both.stream(data, response_format=Answer))
    assert isinstance(error, LengthFinishReasonError)
    assert error.completion.usage.total_tokens == 7


async def test_arguments_are_parsed_by_the_tool_of_that_name(both):
    class f(pydantic.BaseModel):  # noqa: N801  the tool's name is the class's
        x: int

    stream = both.stream(CALL, tools=[f])
    done = await both.call(stream.wait_for, "tool_calls.function.arguments.done")
    assert (done.parsed_arguments, done.complete) == (f(x=1), True)
    assert (await both.call(stream.final_function_tool_call)).function.parsed_arguments == f(x=1)


async def test_the_other_options_are_those_of_the_parser(both):
    assert await both.call(both.stream(CUT, allow_incomplete=True).final_content) == "Hi"
    assert isinstance(await both.fail(both.stream(CUT, limits=Limits(max_text=1))), StreamLimitError)
    assert isinstance(
        await both.fail(both.stream(wire([chunk(finish="length")]), raise_on=["length"])), LengthFinishReasonError
    )
    data = wire([chunk({"content": "a", "s": "x"}), chunk({"s": "y"}), STOP])
    assert (await both.call(both.stream(data, append_fields=["s"]).final_message)).model_extra["s"] == "xy"
    with pytest.raises(ValueError, match="raise_on"):
        both.stream(HELLO, raise_on=["nonsense"])
    with pytest.raises(TypeError, match="response_format"):
        both.stream(HELLO, response_format=7)


async def test_the_stats_are_told_by_the_given_clock(both):
    seconds = iter(range(100))
    stream = both.stream([block(one) for one in HI] + [DONE], clock=lambda: float(next(seconds)))
    await both.call(stream.until_done)
    assert stream.stats.chunks == 4
    assert stream.stats.bytes == len(wire(HI))
    assert stream.stats.first_byte is not None
    assert stream.stats.first_byte < stream.stats.first_output


# Recording while reading


def events_as_told(events):
    return [event.to_dict(lazies=True) for event in events]


@pytest.mark.parametrize(
    "reads",
    [[HELLO], byte_by_byte(HELLO), [CALL], [b": hello\n\n", HELLO[:100], HELLO[100:]], [wire(HI, newline="\r\n")]],
)
async def test_a_recording_of_a_stream_gives_its_events_again(both, tmp_path, reads):
    path = tmp_path / "x.tape.jsonl"
    events = await both.all(both.stream(reads, record=path))
    recording = Recording.load(path)
    assert recording.bytes == b"".join(reads)
    assert [one.data for one in recording.reads] == reads
    again = both.stream(recording)
    assert await both.all(again) == events
    assert again.end.kind == "complete"
    assert events_as_told(await both.all(both.stream(str(path)))) == events_as_told(events)


async def test_a_stream_of_chunks_is_recorded_as_chunks(both, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    events = await both.all(both.stream(HI, record=path))
    again = both.stream(Recording.load(path))
    assert await both.all(again) == events
    assert again.end.done_seen is None


async def test_a_recording_can_go_to_an_open_file_that_stays_open(both):
    file = io.StringIO()
    await both.all(both.stream(HELLO, record=file))
    assert not file.closed
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert lines[0]["tape"] == 1
    assert lines[-1][1] == "e"
    assert lines[-1][2]["end"] == "eof"
    assert Recording.parse(file.getvalue().encode()).bytes == HELLO


@pytest.mark.parametrize(
    ("reads", "failure", "end"),
    [
        ([CUT], None, "eof"),
        ([CUT], httpx.ReadError("reset"), "error"),
        ([CUT], httpx.ReadTimeout(""), "timeout"),
        ([CUT, block({"error": "no"})], None, "eof"),
    ],
)
async def test_a_stream_that_failed_fails_again_when_it_is_played(both, tmp_path, reads, failure, end):
    path = tmp_path / "x.tape.jsonl"
    error = await both.fail(both.stream(both.source(reads, failure), record=path))
    assert json.loads(path.read_bytes().splitlines()[-1])[2]["end"] == end
    again = await both.fail(both.stream(path.as_posix()))
    assert type(again) is type(error)
    assert again.completion == error.completion


async def test_what_was_broken_off_is_recorded_up_to_there(both, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    stream = both.stream([block(one) for one in HI], record=path)
    await both.call(stream.wait_for, "content.delta")
    await both.close(stream)
    recording = Recording.load(path)
    assert recording.bytes == block(HI[0]) + block(HI[1])
    assert json.loads(path.read_bytes().splitlines()[-1])[2]["end"] == "cancel"


async def test_the_head_of_a_response_is_recorded_without_what_is_nobodys_business(both, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    headers = {"set-cookie": "session=secret", "x-request-id": "req_7", "authorization": "Bearer sk-secret"}
    await both.all(both.stream(both.response([HELLO], headers=headers), record=path))
    text = path.read_text()
    assert "secret" not in text
    assert "req_7" in text


# 4. Sync = async = replay


async def test_a_live_stream_both_ways_and_its_replay_are_one(tmp_path):
    reads = byte_by_byte(HELLO)
    live = through_stream(Reads(reads), record=tmp_path / "live.tape.jsonl")
    others = [
        await through_async_stream(AsyncReads(reads)),
        await through_async_stream(Reads(reads)),
        through_stream(Recording.load(tmp_path / "live.tape.jsonl")),
        await through_async_stream(Recording.load(tmp_path / "live.tape.jsonl")),
    ]
    for other in others:
        assert other.events == live.events
        assert (other.end, other.anomalies, other.completion) == (live.end, live.anomalies, live.completion)
