import asyncio
import inspect
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from chatstream import AsyncChatCompletionStream, ChatCompletionStream, function_tool
from chatstream.chunking import chunks_of
from chatstream.errors import (
    APIUserAbortError,
    ContentFilterFinishReasonError,
    IncompleteStreamError,
    LengthFinishReasonError,
    OutputParseError,
    StreamConsumedError,
    ToolLoopLimitError,
    TruncatedStreamError,
)
from chatstream.events import LOOP_EVENT_TYPES
from chatstream.tools import AsyncToolRunner, Deny, ToolCall, ToolContext, ToolRunner
from chatstream.tools.results import MAX_RESULT
from chatstream.validation import problems
from halves import entered, got
from scripted_model import (
    QUESTION,
    Way,
    answers,
    custom,
    events_of,
    every_streamed_way,
    every_way,
    every_whole_way,
    function,
    says,
)

pytestmark = pytest.mark.usefixtures("no_threads_left")


@pytest.fixture
def no_threads_left():
    before = set(threading.enumerate())
    yield
    late = time.monotonic() + 5
    while time.monotonic() < late:
        left = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("tool ")]
        if not left:
            return
        time.sleep(0.01)
    raise AssertionError(left)


def weather(city: str) -> str:
    """The weather."""
    return f"sunny in {city}"


def divide(a: int, b: int) -> float:
    return a / b


def is_valid(runner):
    body = {"model": "m", "messages": runner.messages}
    return not list(problems(body))


TWO = [
    says(None, function("weather", '{"city": "Oslo"}'), function("weather", '{"city": "Rome"}')),
    says("Both sunny."),
]
FOREVER = [says(None, function("weather", '{"city": "Oslo"}'))] * 20


# What happens, and in which order


@every_way
async def test_a_run_tells_what_happens_in_order(way):
    runner = way.runner(TWO, [weather])
    told = [event.type for event in await events_of(runner)]
    loops = [name for name in told if name in LOOP_EVENT_TYPES or name == "end"]
    assert loops == [
        "connect", "chat_completion", "message", "function_tool_call", "function_tool_call",
        "function_tool_call_result", "message", "function_tool_call_result", "message",
        "connect", "chat_completion", "message",
        "final_chat_completion", "final_message", "final_content", "final_function_tool_call",
        "final_function_tool_call_result", "end",
    ]  # fmt: skip
    assert ("content.delta" in told) is way.streams
    assert told.count("end") == 1
    assert told[-1] == "end"


@every_way
async def test_the_history_holds_each_answer_and_the_results_of_its_calls(way):
    runner = way.runner(TWO, [weather])
    await got(runner.until_done())
    assert [message["role"] for message in runner.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert answers(runner) == ["sunny in Oslo", "sunny in Rome"]
    assert [message["tool_call_id"] for message in runner.messages[2:4]] == ["call_0", "call_1"]
    assert runner.script.asked == [[QUESTION], runner.messages[:4]]
    assert json.loads(json.dumps(runner.messages)) == runner.messages
    assert is_valid(runner)


@every_way
async def test_what_the_run_came_to_can_be_asked_for(way):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    turns = [says(None, function("weather", '{"city": "Oslo"}'), usage=usage), says("Sunny.", usage=usage)]
    runner = way.runner(turns, [weather])
    assert await got(runner.final_content()) == "Sunny."
    assert (await got(runner.final_message())).content == "Sunny."
    assert (await got(runner.final_chat_completion())).choices[0].finish_reason == "stop"
    call = await got(runner.final_function_tool_call())
    assert (call.id, call.name) == ("call_0", "weather")
    assert await got(runner.final_function_tool_call_result()) == "sunny in Oslo"
    total = await got(runner.total_usage())
    assert (total.prompt_tokens, total.total_tokens, total.prompt_tokens_details.cached_tokens) == (20, 24, 8)
    assert [completion.choices[0].finish_reason for completion in runner.all_chat_completions()] == [
        "tool_calls",
        "stop",
    ]
    assert runner.end.kind == "complete"
    assert runner.snapshot.choices[0].message.content == "Sunny."


@every_way
async def test_a_run_without_calls_is_one_round(way):
    runner = way.runner([says("Hello.")], [weather])
    assert await got(runner.final_content()) == "Hello."
    assert await got(runner.final_function_tool_call()) is None
    assert await got(runner.final_function_tool_call_result()) is None
    assert await got(runner.total_usage()) is None
    assert len(runner.script.asked) == 1


@every_way
async def test_text_is_the_content_of_all_rounds(way):
    runner = way.runner([says("Let me see. ", function("weather", '{"city": "Oslo"}')), says("Sunny.")], [weather])
    texts = runner.text()
    pieces = [text async for text in texts] if way.is_async else list(texts)
    assert "".join(pieces) == "Let me see. Sunny."


@every_way
async def test_listeners_hear_of_all_rounds(way):
    heard = []
    runner = way.runner(TWO, [weather])
    for name in (*LOOP_EVENT_TYPES, "end"):
        runner.on(name, lambda event, name=name: heard.append((name, event.type)))
    once = []
    assert runner.once("connect", once.append) is runner
    gone = []
    runner.on("message", gone.append).off("message", gone.append)

    @runner.on("function_tool_call")
    def told(event):
        heard.append(("decorated", event.name))

    snapshots, chunks = [], []
    runner.on("content", lambda delta, snapshot: snapshots.append(snapshot))
    runner.on("chunk", lambda chunk, snapshot: chunks.append((chunk.object, snapshot.object)))
    await got(runner.until_done())
    assert all(name == kind for name, kind in heard if name != "decorated")
    assert {kind for name, kind in heard if name != "decorated"} == {*LOOP_EVENT_TYPES, "end"} - {"total_usage"}
    assert heard.count(("decorated", "weather")) == 2
    assert len(once) == 1
    assert gone == []
    assert (snapshots[-1:] == ["Both sunny."]) is way.streams
    assert set(chunks) == ({("chat.completion.chunk", "chat.completion")} if way.streams else set())
    with pytest.raises(ValueError, match="did you mean"):
        runner.on("mesage", print)


@pytest.mark.anyio
async def test_async_listeners_are_awaited_in_order():
    way = Way("async", is_async=True, streams=True)
    heard = []
    runner = way.runner(TWO, [weather])

    @runner.on("message")
    async def slowly(event):
        await anyio.lowlevel.checkpoint()
        heard.append(event.message["role"])

    await runner.until_done()
    assert heard == ["assistant", "tool", "tool", "assistant"]


def test_a_sync_run_refuses_what_is_async():
    way = Way("sync", is_async=False, streams=False)

    async def listener(event: str) -> None: ...

    with pytest.raises(TypeError, match="use AsyncChatClient"):
        way.runner(TWO, [weather]).on("message", listener)
    with pytest.raises(TypeError, match="use AsyncChatClient"):
        way.runner(TWO, [listener])
    for hook in ("before_call", "after_call"):
        runner = way.runner(TWO, [weather], **{hook: lambda *_: listener(None)})
        with pytest.raises(TypeError, match=f"{hook} is async"):
            runner.until_done()
        assert is_valid(runner)

    def listener_of(city):  # nothing tells that this is async before it is called
        return listener(city)

    lazy = way.runner(TWO, [{"type": "function", "function": {"name": "weather", "f": listener_of}}])
    with pytest.raises(TypeError, match="weather is async: use AsyncChatClient"):
        lazy.until_done()
    assert is_valid(lazy)


@every_way
async def test_wait_for_reads_on_until_it_happens(way):
    runner = way.runner(TWO, [weather])
    first = await got(runner.wait_for("function_tool_call_result"))
    assert first.content == "sunny in Oslo"
    assert (await got(runner.wait_for("final_content"))).content == "Both sunny."
    with pytest.raises(StreamConsumedError):
        await got(runner.wait_for("message"))
    with pytest.raises(ValueError, match="no event is called"):
        await got(runner.wait_for("nothing"))


@every_way
async def test_a_failure_can_be_waited_for_and_raised_afterwards(way):
    failure = IncompleteStreamError("cut")
    runner = way.runner([TWO[0], failure], [weather])
    assert (await got(runner.wait_for("error"))).error is failure
    with pytest.raises(IncompleteStreamError):
        await got(runner.until_done())
    runner = way.runner([failure])
    with pytest.raises(IncompleteStreamError):
        await got(runner.wait_for("message"))
    other = way.runner([APIUserAbortError("by somebody else")])
    assert (await got(other.wait_for("error"))).error.message == "by somebody else"
    aborted = way.runner(TWO, [weather])
    aborted.on("function_tool_call", lambda event: aborted.abort())
    assert (await got(aborted.wait_for("abort"))).error.completion is not None


@every_way
async def test_a_run_that_is_over_says_so(way):
    runner = way.runner([says("Hello.")])
    await got(runner.until_done())
    await got(runner.until_done())
    with pytest.raises(StreamConsumedError):
        await events_of(runner)
    assert await got(runner.final_content()) == "Hello."


# What goes wrong with a call is told to the model


@every_way
async def test_what_goes_wrong_with_a_call_is_told_to_the_model(way):
    def fails(key: str) -> str:
        raise RuntimeError(f"the key {key} is\nwrong")

    calls = [
        function("divide", '{"a": 1, "b": 0}'), function("divide", '{"a": 1,'), function("divide", '{"a": "x"}'),
        function("divide", "[1]"), function("nothing"), function("fails", '{"key": "sk-abcdefghijklmnop1234"}'), function("divide", '{"a": 3, "b": 2}'),
    ]  # fmt: skip
    runner = way.runner([says(None, *calls), says("Sorry.")], [divide, fails])
    events = await events_of(runner)
    told = answers(runner)
    assert told[0] == "Error: ZeroDivisionError: division by zero"
    assert told[1].startswith("Error: the arguments do not fit divide: Invalid JSON")
    assert "a: Input should be a valid integer" in told[2]
    assert "b: Field required" in told[2]
    assert told[3].startswith("Error: the arguments do not fit divide")
    assert told[4] == "Error: there is no tool 'nothing'; the tools are: divide, fails"
    assert told[5] == "Error: RuntimeError: the key sk-*** is wrong"
    assert told[6] == "1.5"
    assert not any("Traceback" in text or __file__ in text for text in told)
    errors = [event.error for event in events if event.type == "function_tool_call_result"]
    assert errors == [text.removeprefix("Error: ") for text in told[:6]] + [None]
    assert is_valid(runner)


@every_way
async def test_what_is_to_be_raised_is_raised_when_the_other_calls_have_settled(way):
    settled = []

    @function_tool(on_error="raise")
    def fails(x: int) -> None:
        raise KeyError(x)

    def slow(x: int) -> int:
        time.sleep(0.05)
        settled.append(x)
        return x

    turns = [says(None, function("fails", '{"x": 1}'), function("slow", '{"x": 2}'), function("fails", '{"x": 3}'))]
    runner = way.runner(turns, [fails, slow])
    heard = []
    runner.on("function_tool_call_result", lambda event: heard.append(event.content))
    with pytest.raises(KeyError) as raised:
        await events_of(runner)
    assert raised.value.args == (1,)
    assert settled == [2]
    assert heard == ["Error: KeyError: 1", "2", "Error: KeyError: 3"]
    assert answers(runner) == heard
    assert is_valid(runner)
    with pytest.raises(KeyError):
        await got(runner.until_done())


@every_way
async def test_arguments_that_do_not_fit_are_raised_as_what_the_model_did(way):
    strict = function_tool(divide, on_error="raise")
    runner = way.runner([says(None, function("divide", '{"a": 1}'))], [strict])
    with pytest.raises(OutputParseError, match="do not fit divide") as raised:
        await got(runner.until_done())
    assert type(raised.value.__cause__).__name__ == "ValidationError"


@every_streamed_way
async def test_content_that_does_not_fit_matters_only_where_there_are_no_calls(way):
    class Answer(BaseModel):
        x: int

    runner = way.runner([says("Let me see.", function("weather", '{"city": "Oslo"}')), says("{}")], [weather])
    kind = AsyncChatCompletionStream if way.is_async else ChatCompletionStream
    runner.script._stream = lambda turn: kind(chunks_of(turn["completion"]), response_format=Answer)
    with pytest.raises(OutputParseError):
        await got(runner.until_done())
    assert answers(runner) == ["sunny in Oslo"]
    assert len(runner.script.asked) == 2


# When a run ends


@every_way
async def test_a_tool_that_is_forced_ends_the_run(way):
    runner = way.runner(FOREVER, [weather], forced=True)
    assert await got(runner.final_function_tool_call_result()) == "sunny in Oslo"
    assert len(runner.script.asked) == 1
    assert await got(runner.final_content()) is None
    assert is_valid(runner)


@every_way
async def test_too_many_rounds_are_an_error_with_a_history_that_can_be_sent_on(way):
    runner = way.runner(FOREVER, [weather], most=3)
    events = []
    runner.on("error", events.append)
    with pytest.raises(ToolLoopLimitError, match="3 chat completions") as raised:
        await got(runner.until_done())
    assert len(runner.script.asked) == 3
    assert answers(runner) == ["sunny in Oslo"] * 3
    assert raised.value.messages == runner.messages
    assert raised.value.completion is not None
    assert events[0].error is raised.value
    assert is_valid(runner)
    on = way.runner([says("Enough.")], [weather], messages=raised.value.messages)
    assert await got(on.final_content()) == "Enough."


CUT = '{"city": "Os'


@pytest.mark.parametrize(
    ("finish", "error"), [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)]
)
@every_way
async def test_a_call_that_was_cut_off_is_never_run(way, finish, error):
    ran = []
    turns = [says(None, function("weather", '{"city": "Rome"}'), function("weather", CUT), finish=finish), says("?")]
    runner = way.runner(turns, [weather], before_call=ran.append)
    with pytest.raises(error) as raised:
        await got(runner.until_done())
    assert ran == []
    assert len(raised.value.completion.choices[0].message.tool_calls) == 2
    assert runner.messages == [QUESTION]
    assert len(runner.script.asked) == 1


@every_way
async def test_calls_that_are_whole_are_run_whatever_the_finish_reason(way):
    for finish in ("stop", "length", "content_filter", "function_call", "tool_calls", "else"):
        runner = way.runner(
            [says(None, function("weather", '{"city": "Rome"}'), finish=finish), says("Sunny.")], [weather]
        )
        assert await got(runner.final_content()) == "Sunny."
        assert answers(runner) == ["sunny in Rome"]


@pytest.mark.parametrize("arguments", [CUT, '{"command": "rm"}', ""])
@every_way
async def test_a_custom_call_or_a_blank_one_may_miss_something_at_the_limit(way, arguments):
    def shell(command: str) -> str:
        raise AssertionError

    call = custom("shell", arguments) if arguments else function("weather", "")
    tool = {"type": "custom", "custom": {"name": "shell", "function": shell}}
    runner = way.runner([says(None, call, finish="length")], [tool, weather])
    with pytest.raises(LengthFinishReasonError):
        await got(runner.until_done())


@every_streamed_way
async def test_nothing_is_run_of_a_stream_that_was_cut(way):
    for cut in range(1, 6):
        ran = []
        turn = says(None, function("weather", '{"city": "Oslo"}'), cut=cut)
        runner = way.runner([turn], [weather], before_call=ran.append)
        with pytest.raises(TruncatedStreamError) as raised:
            await events_of(runner)
        assert ran == []
        assert raised.value.completion is not None
        assert runner.messages == [QUESTION]


@every_way
async def test_an_error_of_a_later_round_leaves_the_history_as_it_was(way):
    failure = IncompleteStreamError("cut")
    runner = way.runner([TWO[0], failure], [weather])
    heard = []
    runner.on("error", lambda event: heard.append(event.error))
    with pytest.raises(IncompleteStreamError):
        await events_of(runner)
    assert heard == [failure]
    assert len(runner.messages) == 4
    assert is_valid(runner)
    with pytest.raises(IncompleteStreamError):
        await got(runner.final_content())
    assert runner.end is None


@every_whole_way
async def test_a_completion_without_a_choice_is_an_error(way):
    turn = says("x")
    turn["completion"]["choices"] = []
    runner = way.runner([turn])
    with pytest.raises(IncompleteStreamError, match="no choice"):
        await got(runner.until_done())


# What tools give


@every_way
async def test_results_are_written_as_what_they_are(way):
    class Model(BaseModel):
        x: int

    @dataclass
    class Point:
        x: int

    values = ["text", None, Model(x=1), Point(2), {"a": [1, None, True]}, 3, "é", [Model(x=4)], object(), "x" * 500]
    at = iter(range(len(values)))

    def give() -> object:
        return values[next(at)]

    runner = way.runner([says(None, *[function("give")] * len(values)), says(".")], [give], at_once=1, max_result=100)
    await got(runner.until_done())
    told = answers(runner)
    assert told[:8] == ["text", "", '{"x":1}', '{"x":2}', '{"a":[1,null,true]}', "3", "é", '[{"x":4}]']
    assert told[8] == "Error: TypeError: what the tool gave cannot be written as JSON: object"
    assert len(told[9]) == 100
    assert "500 characters" in told[9]


# Side by side


@every_way
async def test_no_more_calls_run_at_once_than_may(way):
    lock, running, most = threading.Lock(), 0, 0
    enough = threading.Barrier(3)

    def work(x: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        enough.wait(10)  # three at once, or never
        with lock:
            running -= 1
        return x

    calls = [function("work", f'{{"x": {x}}}') for x in range(6)]
    runner = way.runner([says(None, *calls), says(".")], [work], at_once=3)
    await got(runner.until_done())
    assert most == 3
    assert answers(runner) == ["0", "1", "2", "3", "4", "5"]


@every_way
async def test_results_come_in_the_order_of_the_calls_whoever_ends_first(way):
    ended = []
    gates = [threading.Event() for _ in range(3)]

    def work(x: int) -> int:
        if x < 2:
            gates[x + 1].wait(10)
        ended.append(x)
        gates[x].set()
        return x

    runner = way.runner([says(None, *[function("work", f'{{"x": {x}}}') for x in range(3)]), says(".")], [work])
    await got(runner.until_done())
    assert ended == [2, 1, 0]
    assert answers(runner) == ["0", "1", "2"]


@every_way
async def test_one_at_a_time_is_in_the_order_of_the_calls(way):
    order = []

    def work(x: int) -> int:
        order.append((x, threading.current_thread() is threading.main_thread()))
        return x

    runner = way.runner(
        [says(None, *[function("work", f'{{"x": {x}}}') for x in range(5)]), says(".")], [work], at_once=1
    )
    await got(runner.until_done())
    assert [x for x, _ in order] == list(range(5))
    assert {in_main for _, in_main in order} == {not way.is_async}  # sync: in the caller's own thread


HELD: ContextVar[str] = ContextVar("HELD", default="nothing")


@every_way
async def test_tools_see_the_context_variables_of_the_caller(way):
    def read() -> str:
        return HELD.get()

    HELD.set("mine")
    runner = way.runner([says(None, function("read"), function("read")), says(".")], [read])
    await got(runner.until_done())
    assert answers(runner) == ["mine", "mine"]


@pytest.mark.anyio
async def test_sync_tools_hold_up_nobody_else():
    free = threading.Event()

    def wait() -> str:
        assert free.wait(10)
        return "free"

    runner = Way("", is_async=True, streams=False).runner([says(None, function("wait")), says(".")], [wait])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.until_done)
        await anyio.sleep(0.05)  # the loop goes on, or the tool would wait for ever
        free.set()
    assert answers(runner) == ["free"]


@every_way
async def test_a_tool_that_takes_too_long_is_given_up(way):
    seen = threading.Event()
    free = threading.Event()

    @function_tool(timeout=0.05)
    def slow(context: ToolContext[None]) -> str:
        while not context.is_cancelled and not free.wait(0.005):
            pass
        seen.set()
        return "late"

    runner = way.runner(
        [says(None, function("slow"), function("weather", '{"city": "Oslo"}')), says("Well.")], [slow, weather]
    )
    assert await got(runner.final_content()) == "Well."
    assert answers(runner) == ["Error: TimeoutError: slow took longer than 0.05 s", "sunny in Oslo"]
    assert seen.wait(5)


@pytest.mark.anyio
async def test_an_async_tool_that_takes_too_long_is_cancelled():
    cancelled = []

    async def slow() -> None:
        try:
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            cancelled.append(True)
            raise

    tool = function_tool(slow, timeout=0.02)
    raising = function_tool(slow, name="raising", timeout=0.02, on_error="raise")
    way = Way("", is_async=True, streams=False)
    runner = way.runner([says(None, function("slow")), says("Well.")], [tool])
    assert await runner.final_content() == "Well."
    assert answers(runner) == ["Error: TimeoutError: slow took longer than 0.02 s"]
    runner = way.runner([says(None, function("raising"))], [raising])
    with pytest.raises(TimeoutError, match="raising took longer"):
        await runner.until_done()
    assert cancelled == [True, True]


# Hooks and context


@every_way
async def test_a_call_may_be_denied_answered_or_let_through(way):
    ran, seen = [], []

    def work(x: int) -> int:
        ran.append(x)
        return x

    def before(call):
        seen.append(call)
        return {0: None, 1: Deny("not today"), 2: {"cached": True}, 3: Deny()}[call.parsed_arguments["x"]]

    calls = [*[function("work", f'{{"x": {x}}}') for x in range(4)], function("work", "{"), function("nothing")]
    runner = way.runner([says(None, *calls), says(".")], [work], before_call=before)
    events = await events_of(runner)
    assert ran == [0]
    assert answers(runner)[:4] == [
        "0",
        "Error: the call was denied: not today",
        '{"cached":true}',
        "Error: the call was denied",
    ]
    assert seen[0] == ToolCall(0, "call_0", "function", "work", '{"x": 0}', {"x": 0})
    assert len(seen) == 4  # what cannot be run is not asked about
    denied = [event.error for event in events if event.type == "function_tool_call_result"]
    assert denied[:4] == [None, "the call was denied: not today", None, "the call was denied"]


@every_way
async def test_a_result_may_be_replaced(way):
    seen = []

    def after(call, result):
        seen.append((call.name, result))
        return None if result == "sunny in Oslo" else {"instead": result}

    calls = [
        function("weather", '{"city": "Oslo"}'),
        function("weather", '{"city": "Rome"}'),
        function("divide", '{"a": 1, "b": 0}'),
    ]
    runner = way.runner([says(None, *calls), says(".")], [weather, divide], after_call=after)
    await got(runner.until_done())
    assert answers(runner)[:2] == ["sunny in Oslo", '{"instead":"sunny in Rome"}']
    assert seen == [("weather", "sunny in Oslo"), ("weather", "sunny in Rome")]


@pytest.mark.anyio
async def test_hooks_may_be_async():
    async def before(call):
        await anyio.lowlevel.checkpoint()
        return Deny("no") if call.index else None

    async def after(call, result):
        await anyio.lowlevel.checkpoint()
        return result.upper()

    runner = Way("", is_async=True, streams=True).runner(TWO, [weather], before_call=before, after_call=after)
    await runner.until_done()
    assert answers(runner) == ["SUNNY IN OSLO", "Error: the call was denied: no"]


@pytest.mark.parametrize("hook", ["before_call", "after_call"])
@every_way
async def test_what_a_hook_raises_is_raised_and_the_history_stays_valid(way, hook):
    def fails(call, result=None):
        if call.index == 1:
            raise LookupError("hook")

    runner = way.runner(TWO, [weather], **{hook: fails})
    with pytest.raises(LookupError, match="hook"):
        await events_of(runner)
    assert is_valid(runner)
    unknown = "Error: the run ended before the call was run"
    unchecked = "Error: the run ended before the call's result was let through"
    assert answers(runner) == ([unknown] * 2 if hook == "before_call" else ["sunny in Oslo", unchecked])


@every_way
async def test_the_context_goes_to_tools_that_ask_for_it(way):
    seen = []

    def buy(what: str, run: ToolContext[dict]) -> str:
        seen.append(run)
        return run.context["user"] + what

    by_dict = {"type": "function", "function": {"name": "sell", "function": buy, "parameters": {"type": "object"}}}
    calls = [function("buy", '{"what": "tea"}'), function("sell", '{"what": "tea"}')]
    runner = way.runner([says(None, *calls), says(".")], [buy, by_dict], context={"user": "me:"}, at_once=1)
    await got(runner.until_done())
    assert answers(runner) == ["me:tea", "me:tea"]
    assert [(run.name, run.tool_call_id) for run in seen] == [("buy", "call_0"), ("sell", "call_1")]
    assert list(seen[0].messages) == runner.messages[:2]


# Odd calls


@every_way
async def test_two_calls_of_one_id_are_both_run_once_and_answered_in_order(way):
    ran = []

    def work(x: int) -> int:
        ran.append(x)
        return x

    calls = [function("work", '{"x": 1}', "same"), function("work", '{"x": 2}', "same")]
    if way.streams:  # told apart by their index alone
        calls = [{**call, "index": at} for at, call in enumerate(calls)]
    runner = way.runner([says(None, *calls), says(".")], [work])
    await got(runner.until_done())
    assert sorted(ran) == [1, 2]
    assert answers(runner) == ["1", "2"]


@every_way
async def test_custom_tools_are_called_with_text(way):
    def shell(command):
        return command.upper()

    tool = {"type": "custom", "custom": {"name": "shell", "description": "Run it.", "function": shell}}
    runner = way.runner([says(None, custom("shell", "ls -l")), says(".")], [tool])
    events = await events_of(runner)
    assert answers(runner) == ["LS -L"]
    asked = next(event for event in events if event.type == "function_tool_call")
    assert (asked.name, asked.arguments) == ("shell", "ls -l")
    assert await got(runner.final_function_tool_call()) is None  # it is no function's
    assert await got(runner.final_function_tool_call_result()) is None
    assert is_valid(runner)


@every_way
async def test_the_older_form_is_dispatched_likewise(way):
    turn = says(function_call={"name": "weather", "arguments": '{"city": "Oslo"}'}, finish="function_call")
    runner = way.runner([turn, says("Sunny.")], functions=[weather])
    events = await events_of(runner)
    assert runner.messages[2] == {"role": "function", "name": "weather", "content": "sunny in Oslo"}
    assert next(event for event in events if event.type == "function_tool_call").tool_call_id is None
    assert runner.messages[-1]["content"] == "Sunny."
    assert is_valid(runner)


@every_way
async def test_whatever_a_model_calls_the_history_can_be_sent(way):
    calls = [function("functions.weather"), function(""), function("x" * 200)]
    runner = way.runner([says(None, *calls), says(None)], [weather])
    await got(runner.until_done())
    names = [call["function"]["name"] for call in runner.messages[1]["tool_calls"]]
    assert names == ["functions_weather", "unknown", "x" * 64]
    assert "'functions.weather'" in answers(runner)[0]
    assert runner.messages[-1] == {"role": "assistant", "content": ""}
    assert is_valid(runner)
    older = says(function_call={"name": "a b", "arguments": "{"}, finish="function_call")
    runner = way.runner([older, says(".")], functions=[weather])
    await got(runner.until_done())
    assert runner.messages[1]["function_call"] == {"name": "a_b", "arguments": "{"}
    assert is_valid(runner)


class Proxy:
    def __getattr__(self, name):
        raise ConnectionError("the backend is down")


@every_way
async def test_results_that_refuse_to_be_looked_at_are_failures(way):
    def proxy() -> object:
        return Proxy()

    runner = way.runner([says(None, function("proxy")), says(".")], [proxy])
    await got(runner.until_done())
    assert answers(runner)[0].startswith("Error: ")


@every_way
async def test_who_is_interrupted_while_results_are_written_has_a_valid_history(way):
    class Interrupts(Mapping):
        __getitem__ = __len__ = None

        def __iter__(self):
            raise KeyboardInterrupt

    def interrupt() -> object:
        return Interrupts()

    calls = [function("interrupt"), function("weather", '{"city": "Oslo"}')]
    runner = way.runner([says(None, *calls)], [interrupt, weather])
    with pytest.raises(KeyboardInterrupt):
        await got(runner.until_done())
    assert answers(runner)[1] == "sunny in Oslo"
    assert is_valid(runner)


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
@every_way
async def test_nothing_ends_a_loop_by_what_it_raises(way, kind):
    def fails(*_: object) -> None:
        raise kind

    @function_tool(on_error="raise")
    def tool() -> None:
        raise kind

    for options in (
        {"tools": [tool]},
        {"tools": [weather], "before_call": fails},
        {"tools": [weather], "after_call": fails},
    ):
        name = options["tools"][0].__name__
        runner = way.runner([says(None, function(name, '{"city": "Oslo"}' if name == "weather" else "{}"))], **options)
        with pytest.raises(RuntimeError, match=f"raised {kind.__name__}"):
            await events_of(runner)
    runner = way.runner(TWO, [weather]).on("message", fails)
    with pytest.raises(RuntimeError, match=f"a listener for 'message' raised {kind.__name__}"):
        await events_of(runner)


@every_streamed_way
async def test_a_cut_answer_that_is_let_pass_has_no_calls_to_run(way):
    kind = AsyncChatCompletionStream if way.is_async else ChatCompletionStream
    for turn, runs in (
        (says("Hello.", cut=1), True),
        (says(None, function("weather", '{"city": "Oslo"}'), cut=1), False),
    ):
        runner = way.runner([turn], [weather])
        chunks = chunks_of(turn["completion"])[:-1]
        runner.script._stream = lambda turn, chunks=chunks: kind(chunks, allow_incomplete=True)
        if runs:
            assert await got(runner.final_content()) == "Hello."
        else:
            with pytest.raises(IncompleteStreamError, match="calls tools"):
                await got(runner.until_done())


@every_way
async def test_calls_without_an_id_are_answered_as_they_came(way):
    calls = [{**function("weather", '{"city": "Oslo"}'), "index": 0}, {**function("weather", "{"), "index": 1}]
    turn = says(None, *calls)
    for call in turn["completion"]["choices"][0]["message"]["tool_calls"]:
        call["id"] = ""
    runner = way.runner([turn, says(".")], [weather])
    await got(runner.until_done())
    assert [message["tool_call_id"] for message in runner.messages[2:4]] == [
        call["id"] for call in runner.messages[1]["tool_calls"]
    ]
    assert answers(runner)[0] == "sunny in Oslo"
    assert is_valid(runner)


@every_way
async def test_both_forms_in_one_message_are_each_answered_in_their_own(way):
    older = {"function_call": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    turn = says(None, function("weather", '{"city": "Oslo"}'), **older)
    runner = way.runner([turn, says(".")], [weather])
    await got(runner.until_done())
    assert [message["role"] for message in runner.messages[1:]] == ["assistant", "tool", "function", "assistant"]
    assert answers(runner) == ["sunny in Oslo", "sunny in Rome"]


@every_way
async def test_generators_are_lists_made_where_the_tool_runs(way):
    where = []

    def lines(x: int) -> Iterator[int]:
        where.append(threading.current_thread() is threading.main_thread())
        yield from range(x)

    def breaks() -> Iterator[int]:
        yield 1
        raise ConnectionError("down")

    runner = way.runner([says(None, function("lines", '{"x": 3}'), function("breaks")), says(".")], [lines, breaks])
    await got(runner.until_done())
    assert answers(runner) == ["[0,1,2]", "Error: ConnectionError: down"]
    assert where == [False]


@every_way
async def test_a_generator_without_end_is_given_up(way):
    closed = threading.Event()

    @function_tool(timeout=0.05)
    def numbers() -> Iterator[int]:
        try:
            while True:
                time.sleep(0.001)
                yield 1
        finally:
            closed.set()

    def too_many() -> Iterator[int]:
        yield from range(MAX_RESULT + 1)

    runner = way.runner([says(None, function("numbers"), function("too_many")), says(".")], [numbers, too_many])
    await got(runner.until_done())
    assert answers(runner) == [
        "Error: TimeoutError: numbers took longer than 0.05 s",
        "Error: ValueError: a generator that gives more than 262,144 parts",
    ]
    assert closed.wait(10)


@every_way
async def test_an_error_of_a_later_round_has_the_last_completion(way):
    failure = IncompleteStreamError("cut")
    runner = way.runner([TWO[0], failure], [weather])
    with pytest.raises(IncompleteStreamError):
        await got(runner.until_done())
    assert failure.completion is runner.all_chat_completions()[0]


@every_way
async def test_deny_may_be_said_without_a_reason(way):
    runner = way.runner(TWO, [weather], before_call=lambda call: Deny)
    await got(runner.until_done())
    assert answers(runner) == ["Error: the call was denied"] * 2


@pytest.mark.anyio
async def test_async_generators_are_lists_too():
    async def lines(x: int) -> AsyncIterator[int]:
        for number in range(x):
            await anyio.lowlevel.checkpoint()
            yield number

    turns = [says(None, function("lines", '{"x": 3}')), says(".")]
    runner = Way("", is_async=True, streams=False).runner(turns, [lines])
    await runner.until_done()
    assert answers(runner) == ["[0,1,2]"]
    with pytest.raises(TypeError, match="lines is async"):
        Way("", is_async=False, streams=False).runner(turns, [lines]).until_done()


@every_way
async def test_a_run_has_one_reader_at_a_time(way):
    def reads() -> str:
        if way.is_async:
            return "".join(map(str, anyio.from_thread.run(anext, runner)))
        return str(next(runner))

    runner = way.runner([says(None, function("reads")), says(".")], [reads])
    await got(runner.until_done())
    assert "the run is being read already" in answers(runner)[0]


@pytest.mark.anyio
async def test_a_sync_tool_may_abort_an_async_run():
    ended = []

    def stop() -> None:
        runner.abort()

    async def wait() -> None:
        try:
            await anyio.sleep(60)
        finally:
            ended.append(True)

    runner = Way("", is_async=True, streams=False).runner(
        [says(None, function("wait"), function("stop"))], [wait, stop]
    )
    with anyio.fail_after(10), pytest.raises(APIUserAbortError):
        await runner.until_done()
    assert ended == [True]
    assert is_valid(runner)


# Stopping


@every_way
async def test_a_run_that_is_aborted_before_it_begins_asks_nobody(way):
    runner = way.runner(TWO, [weather])
    runner.abort()
    with pytest.raises(APIUserAbortError):
        await got(runner.until_done())
    assert runner.script.asked == []
    assert runner.messages == [QUESTION]


@every_way
async def test_an_abort_after_the_end_changes_nothing(way):
    runner = way.runner(TWO, [weather])
    await got(runner.until_done())
    runner.abort()
    assert await got(runner.final_content()) == "Both sunny."
    assert runner.end.kind == "complete"


@pytest.mark.parametrize("hook", ["before_call", "after_call"])
@every_way
async def test_nothing_begins_after_a_hook_aborted_the_run(way, hook):
    ran, asked = [], []

    def work(x: int) -> int:
        ran.append(x)
        return x

    async def work_async(x: int) -> int:
        return work(x)

    def stops(call, result=None):
        asked.append(call.index)
        runner.abort()

    calls = [function("work", f'{{"x": {x}}}') for x in range(3)]
    tool = function_tool(work_async, name="work") if way.is_async else work
    runner = way.runner([says(None, *calls), says(".")], [tool], **{hook: stops})
    with pytest.raises(APIUserAbortError):
        await got(runner.until_done())
    assert asked == [0]
    assert sorted(ran) == ([] if hook == "before_call" else [0, 1, 2])
    assert len(runner.script.asked) == 1
    unrun = ["Error: the run ended before the call was run"] * 3
    unchecked = ["Error: the run ended before the call's result was let through"] * 2
    assert answers(runner) == (unrun if hook == "before_call" else ["0", *unchecked])
    assert is_valid(runner)


def test_an_abort_by_another_thread_ends_the_answer_that_is_coming():
    runner = Way("", is_async=False, streams=True).runner(FOREVER, [weather])
    reached, gone_on = threading.Event(), threading.Event()

    def stop():
        reached.wait(10)
        runner.abort()
        gone_on.set()

    def holds(event):
        reached.set()
        gone_on.wait(10)

    runner.once("chunk", lambda chunk, snapshot: holds(chunk))
    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(APIUserAbortError):
        runner.until_done()
    stopper.join()
    assert runner.messages == [QUESTION]
    assert len(runner.script.asked) == 1


@every_way
async def test_who_leaves_before_the_calls_are_run_has_a_valid_history(way):
    ran = []
    runner = way.runner(TWO, [weather], before_call=ran.append)
    async with entered(runner):
        await got(runner.wait_for("function_tool_call"))
    assert is_valid(runner)
    assert answers(runner) == ["Error: the run ended before the call was run"] * 2
    assert ran == []


@every_way
async def test_an_abort_by_a_listener_ends_the_run(way):
    for name in ("connect", "message", "function_tool_call", "function_tool_call_result", "chat_completion"):
        runner = way.runner(FOREVER, [weather])
        runner.on(name, lambda event, runner=runner: runner.abort())
        heard = []
        runner.on("abort", heard.append)
        with pytest.raises(APIUserAbortError):
            await events_of(runner)
        assert len(runner.script.asked) == 1, name
        assert len(heard) == 1, name
        assert is_valid(runner), name
        with pytest.raises(APIUserAbortError):
            await got(runner.until_done())


@every_way
async def test_an_abort_does_not_wait_for_tools(way):
    free, began, told = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def slow(context: ToolContext[None]) -> str:
        began.set()
        free.wait(10)
        seen.append(context.is_cancelled)
        told.set()
        return "late"

    runner = way.runner([says(None, function("slow"), function("weather", '{"city": "Oslo"}'))], [slow, weather])

    if way.is_async:
        assert await aborted_when(runner, began)
    else:
        stopper = threading.Thread(target=lambda: began.wait(10) and runner.abort())
        stopper.start()
        with pytest.raises(APIUserAbortError):
            runner.until_done()
        stopper.join()
    free.set()
    assert answers(runner)[0].startswith("Error: the run ended while the call was being run")
    assert is_valid(runner)
    assert await anyio.to_thread.run_sync(told.wait, 10)
    assert seen == [True]


async def aborted_when(runner, began):
    """Whether the run ends as aborted when it is stopped once a tool has begun."""
    outcome = []

    async def run():
        try:
            await runner.until_done()
        except APIUserAbortError:
            outcome.append("aborted")

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.to_thread.run_sync(began.wait, 10)
        runner.abort()
    return outcome == ["aborted"]


@every_way
async def test_leaving_the_context_closes_what_is_open(way):
    runner = way.runner(TWO, [weather])
    if way.is_async:
        async with runner as entered:
            await anext(aiter(entered))
    else:
        with runner as entered:
            next(iter(entered))
    assert entered is runner
    left = []
    try:
        while True:  # what had arrived can still be read
            left.append((await anext(runner)) if way.is_async else next(runner))
    except StreamConsumedError:
        pass
    assert not any(event.type == "function_tool_call_result" for event in left)
    with pytest.raises(StreamConsumedError):
        await got(runner.until_done())


@every_way
async def test_what_a_listener_raises_is_raised_and_reading_can_go_on(way):
    runner = way.runner(TWO, [weather])

    @runner.once("function_tool_call")
    def fails(event):
        raise LookupError("listener")

    with pytest.raises(LookupError, match="listener"):
        await events_of(runner)
    assert await got(runner.final_content()) == "Both sunny."


@every_way
async def test_what_is_no_exception_ends_more_than_the_tool(way):
    for kind in (SystemExit, KeyboardInterrupt, pytest.fail.Exception):

        def leaves(kind=kind) -> str:
            raise kind("3")

        tool = {"type": "function", "function": {"name": "leaves", "parameters": {}, "function": leaves}}
        runner = way.runner([says(None, function("leaves"), function("weather", '{"city": "Oslo"}'))], [tool, weather])
        with pytest.raises(kind):
            await got(runner.until_done())
        assert is_valid(runner)
        assert answers(runner)[0].startswith("Error: the run ended while")
        with pytest.raises(StreamConsumedError):
            await got(runner.until_done())


@pytest.mark.anyio
async def test_a_cancellation_ends_the_tools_and_leaves_a_valid_history():
    ended = []

    async def wait(x: int) -> int:
        try:
            await anyio.sleep(0 if x == 0 else 60)
        finally:
            ended.append(x)
        return x

    calls = [function("wait", f'{{"x": {x}}}') for x in range(3)]
    runner = Way("", is_async=True, streams=True).runner([says(None, *calls)], [wait], at_once=2)
    with anyio.move_on_after(0.1) as scope:
        await runner.until_done()
    assert scope.cancelled_caught
    assert sorted(ended) == [0, 1, 2]
    assert is_valid(runner)
    assert answers(runner)[0] == "0"
    with pytest.raises(StreamConsumedError):
        await runner.until_done()


@pytest.mark.anyio
@pytest.mark.parametrize("streams", [False, True])
async def test_cancelled_by_a_scope_at_any_turn_a_run_leaves_a_valid_history(streams):
    async def cancelled_after(turns, run):
        scope = anyio.CancelScope()

        async def within():
            with scope:
                await run()

        async with anyio.create_task_group() as group:
            group.start_soon(within)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

    await cancel_at_any_turn(cancelled_after, streams=streams)


@pytest.mark.asyncio
@pytest.mark.parametrize("streams", [False, True])
async def test_cancelled_as_a_task_at_any_turn_a_run_leaves_a_valid_history(streams):
    async def cancelled_after(turns, run):
        running = asyncio.create_task(run())
        for _ in range(turns):
            await asyncio.sleep(0)
        was_told = running.cancel()
        await asyncio.wait([running])
        assert running.cancelled() or not was_told
        assert asyncio.all_tasks() == {asyncio.current_task()}

    await cancel_at_any_turn(cancelled_after, streams=streams)


async def cancel_at_any_turn(cancelled_after, *, streams):
    async def pause(x: int, run: ToolContext[list]) -> int:
        run.context.append(x)
        await anyio.lowlevel.checkpoint()
        return x

    def sync(x: int, run: ToolContext[list]) -> int:
        run.context.append(x)
        return x

    calls = [function("pause", '{"x": 1}'), function("sync", '{"x": 2}'), function("pause", '{"x": 3}')]
    model = [says("Well.", *calls), says("Done.")]
    ends = set()
    for turns in range(0, 80, 2):
        ran = []
        runner = Way("", is_async=True, streams=streams).runner(model, [pause, sync], at_once=2, context=ran)
        await cancelled_after(turns, runner.until_done)
        assert is_valid(runner)
        assert len(set(ran)) == len(ran)
        for number, answer in enumerate(answers(runner), 1):
            assert answer == str(number) or answer.startswith("Error: the run ended")
            assert number not in ran or answer != "Error: the run ended before the call was run"
        ends.add(len(runner.messages))
    assert {1, 5} <= ends  # before the answer came, and while its calls were run


def test_both_halves_offer_the_same():
    one, other = ({name for name in dir(kind) if name[0] != "_"} for kind in (ToolRunner, AsyncToolRunner))
    assert other - one == {"aclose"}
    assert one - other == set()
    for name in one:
        ours, theirs = getattr(ToolRunner, name), getattr(AsyncToolRunner, name)
        assert ours.__doc__, name
        if inspect.isfunction(ours):
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


def test_the_events_of_a_run_are_written_out_as_json():
    runner = Way("", is_async=False, streams=True).runner(TWO, [weather])
    for event in runner:
        assert json.loads(json.dumps(event.to_dict(lazies=True)))["type"] == event.type
        assert event == event  # noqa: PLR0124
        assert type(event).__name__ in repr(event)
        assert isinstance(hash(event), int)


def test_the_main_thread_gets_its_interrupt_while_tools_run():
    program = """
import os, signal, sys, threading, time
sys.path[:0] = sys.argv[1:]
from scripted_model import Way, says, function
def slow() -> str:
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    time.sleep(30)
    return ""
runner = Way("", is_async=False, streams=False).runner([says(None, function("slow"))], [slow])
try:
    runner.until_done()
except KeyboardInterrupt:
    print(runner.messages[-1]["content"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *[path for path in sys.path if path.endswith("tests")]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("Error: the run ended while"), done.stderr
    assert done.returncode == 0
