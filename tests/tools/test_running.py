"""The calls of one message, run side by side: threads for whoever waits, a task group for whoever awaits.

What is settled, what is given up, and what is left behind, whatever the tools do and whenever nobody wants them any
more. The loop that these calls belong to is not here: a task needs no more than a tool with a name.
"""

import asyncio
import gc
import math
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar

import anyio
import anyio.lowlevel
import pytest

from chatstream.structured import ToolContext
from chatstream.tools.calls import ToolCall
from chatstream.tools.loop import Task
from chatstream.tools.running import Crew, run_async
from chatstream.tools.toolbox import Tool

LONG = 10  # seconds that no test takes unless it fails


def task(function, name=None, *, is_async=False, timeout=None, on_error="report", index=0):
    """A task whose tool is called with its context alone."""
    name = name or function.__name__
    call = ToolCall(index, f"call_{index}", "function", name, "{}", {})
    tool = Tool(
        name, "function", {}, read=lambda _: {}, call=lambda _, context: function(context),
        is_async=is_async, on_error=on_error, timeout=timeout,
    )  # fmt: skip
    return Task(call, tool)


def context_of(of):
    return ToolContext(None, of.call.id, of.call.name, (), _cancelled=lambda: of.is_given_up)


def outcomes(tasks):
    """What came of each: its result, what is told of its failure, or that nothing is known."""
    return [(each.failure.text if each.failure else each.result) if each.is_settled else "?" for each in tasks]


def tool_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tool ")]


def until(holds):
    """Wait for threads, of which nobody tells when they have done something."""
    late = time.monotonic() + LONG
    while not holds() and time.monotonic() < late:
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    until(lambda: not tool_threads())
    assert tool_threads() == []


class Sync:
    """Runs them as a caller who waits: under one name with the other way, so that one test body does for both."""

    async def run(self, tasks, at_once=8):
        Crew(tasks, context_of, at_once=at_once).run()


class Async:
    async def run(self, tasks, at_once=8):
        await run_async(tasks, context_of, at_once=at_once)


_WAYS = [(Sync(), "asyncio"), (Async(), "asyncio"), (Async(), "trio")]


def each_way(test):
    ids = ["sync", "asyncio", "trio"]
    return pytest.mark.anyio(pytest.mark.parametrize(("way", "anyio_backend"), _WAYS, ids=ids)(test))


# What holds of both


@each_way
async def test_no_tasks_are_done_at_once(way):
    await way.run([])


@each_way
async def test_each_is_settled_by_what_its_tool_gives(way):
    tasks = [
        task(lambda context, number=number: (context.tool_call_id, number), "f", index=number) for number in range(20)
    ]
    await way.run(tasks)
    assert outcomes(tasks) == [(f"call_{number}", number) for number in range(20)]
    assert all(each.is_given_up for each in tasks)  # nobody waits for what has ended, either


@pytest.mark.parametrize("at_once", [1, 3])
@each_way
async def test_they_begin_in_order_and_so_many_at_once(way, at_once):
    lock, begun, running, most = threading.Lock(), [], 0, 0
    together = threading.Barrier(at_once)

    def work(context):
        nonlocal running, most
        with lock:
            begun.append(int(context.tool_call_id[5:]))
            running += 1
            most = max(most, running)
        together.wait(LONG)  # so many, or never
        with lock:
            running -= 1

    tasks = [task(work, index=number) for number in range(9)]
    await way.run(tasks, at_once)
    assert most == at_once
    assert all(abs(number - place) < at_once for place, number in enumerate(begun))
    assert all(each.is_settled for each in tasks)


@each_way
async def test_what_a_tool_raises_stays_with_its_task(way):
    raised = [ValueError("v"), StopIteration(1), StopAsyncIteration(), ExceptionGroup("g", [KeyError("k")])]

    def fails(context):
        raise raised[int(context.tool_call_id[5:])]

    tasks = [task(fails, index=index) for index in range(len(raised))] + [task(lambda context: "fine", "fine")]
    await way.run(tasks)
    assert [each.failure.error for each in tasks[:-1]] == raised
    assert outcomes(tasks) == [
        "ValueError: v", "StopIteration: 1", "StopAsyncIteration", "ExceptionGroup: g (1 sub-exception): KeyError: 'k'", "fine",
    ]  # fmt: skip


class Left(BaseException):
    """What is no Exception, as Ctrl-C is none."""


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, Left, GeneratorExit])
@pytest.mark.parametrize("at_once", [1, 8])
@each_way
async def test_what_is_no_exception_is_raised_as_it_is_and_nothing_begins_after_it(way, kind, at_once):
    begun = []

    def leaves(context):
        raise kind("out")

    def after(context):
        begun.append(context.tool_call_id)

    tasks = [task(leaves), *[task(after, index=number) for number in range(1, 4)]]
    with pytest.raises(kind, match="out"):
        await way.run(tasks, at_once)
    assert not tasks[0].is_settled
    if at_once == 1:
        assert begun == []


@each_way
async def test_a_tool_that_takes_too_long_makes_room_for_the_next(way):
    free = threading.Event()
    told = []

    def slow(context):
        while not context.is_cancelled and not free.wait(0.005):
            pass
        told.append(context.is_cancelled)
        return "late"

    tasks = [task(slow, timeout=0.03), task(slow, timeout=0.04), task(lambda context: "next", "next")]
    await way.run(tasks, at_once=1)
    assert outcomes(tasks) == [
        "TimeoutError: slow took longer than 0.03 s",
        "TimeoutError: slow took longer than 0.04 s",
        "next",
    ]
    assert isinstance(tasks[0].failure.error, TimeoutError)
    until(lambda: len(told) == 2)
    assert told == [True, True]
    assert tasks[0].failure is not None  # what it gave in the end is nobody's


@each_way
async def test_a_tool_that_looks_at_nothing_holds_up_nobody_once_its_time_is_over(way):
    free, ended = threading.Event(), threading.Event()

    def deaf(context):
        free.wait(LONG)
        ended.set()
        return "late"

    def frees(context):
        free.set()
        assert ended.wait(LONG)  # while the others are still being run
        time.sleep(0.02)
        return "next"

    tasks = [task(deaf, timeout=0.02), task(frees)]
    await way.run(tasks, at_once=1)
    assert outcomes(tasks) == ["TimeoutError: deaf took longer than 0.02 s", "next"]
    assert tasks[0].result is None


@each_way
async def test_what_is_done_in_time_is_not_too_late(way):
    tasks = [task(lambda context: time.sleep(0.01), "f", timeout=LONG) for _ in range(5)]
    await way.run(tasks, at_once=2)
    assert outcomes(tasks) == [None] * 5


HELD: ContextVar[str] = ContextVar("HELD", default="nothing")


@pytest.mark.parametrize("at_once", [1, 8])
@each_way
async def test_the_callers_context_variables_hold(way, at_once):
    HELD.set("mine")
    tasks = [task(lambda context: HELD.get(), "f") for _ in range(3)]
    await way.run(tasks, at_once)
    assert outcomes(tasks) == ["mine"] * 3


class Unlookable:
    """As a proxy is whose other end has gone."""

    @property
    def __class__(self):
        raise ConnectionError("gone")

    def __getattr__(self, name):
        raise ConnectionError("gone")


@pytest.mark.parametrize("at_once", [1, 8])
@each_way
async def test_a_result_that_cannot_be_looked_at_holds_up_nobody(way, at_once):
    tasks = [task(lambda context: Unlookable(), "odd"), task(lambda context: "fine", "fine")]
    with anyio.fail_after(LONG):
        await way.run(tasks, at_once)
    assert all(each.is_settled for each in tasks)
    assert outcomes(tasks)[1] == "fine"


# Threads


def test_one_at_a_time_is_the_callers_own_thread_unless_it_may_take_so_long_only():
    def where(context):
        return threading.current_thread() is threading.main_thread()

    tasks = [task(where), task(where, timeout=LONG), task(where)]
    Crew(tasks, context_of, at_once=1).run()
    assert outcomes(tasks) == [True, False, True]


def test_threads_are_named_and_hold_up_no_end_of_the_process():
    def who(context):
        return threading.current_thread().name, threading.current_thread().daemon

    tasks = [task(who, "weather")]
    Crew(tasks, context_of, at_once=2).run()
    assert outcomes(tasks) == [("tool weather", True)]


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_coroutine_is_the_callers_mistake_and_closed(at_once):
    async def later():
        raise AssertionError

    tasks = [task(lambda context: later(), "lazy")]
    with pytest.raises(TypeError, match="lazy is async: use AsyncChatClient, which awaits it"):
        Crew(tasks, context_of, at_once=at_once).run()
    gc.collect()  # one that was not closed would warn now
    assert outcomes(tasks) == ["?"]


def test_stopped_it_returns_while_tools_run_and_their_results_are_nobodys():
    began, free, told = threading.Event(), threading.Event(), []

    def slow(context):
        began.set()
        free.wait(LONG)
        told.append(context.is_cancelled)
        return "late"

    tasks = [task(lambda context: "soon", "soon"), task(slow), task(slow), task(slow)]
    crew = Crew(tasks, context_of, at_once=2)

    def stop():
        began.wait(LONG)
        while not tasks[0].is_settled:
            time.sleep(0.001)
        crew.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    crew.run()
    stopper.join()
    given_up = [each for each in tasks if each.is_given_up]
    assert tasks[3] not in given_up  # never begun
    assert tasks[1] in given_up
    free.set()
    until(lambda: not tool_threads())
    assert outcomes(tasks) == ["soon", "?", "?", "?"]
    assert set(told) == {True}


def test_stopped_before_it_begins_it_begins_nothing():
    tasks = [task(lambda context: pytest.fail("begun"), "f") for _ in range(3)]
    crew = Crew(tasks, context_of, at_once=2)
    crew.stop()
    crew.run()
    assert outcomes(tasks) == ["?"] * 3
    assert not any(each.is_given_up for each in tasks)


@pytest.mark.parametrize("from_within", [True, False])
def test_a_tool_in_the_callers_thread_is_told_that_nobody_wants_it_any_more(from_within):
    began = threading.Event()

    def patient(context):
        if from_within:
            crew.stop()
        began.set()
        until(lambda: context.is_cancelled)
        return context.is_cancelled

    tasks = [task(patient), task(lambda context: pytest.fail("begun"), "next")]
    crew = Crew(tasks, context_of, at_once=1)
    stopper = threading.Thread(target=lambda: began.wait(LONG) and crew.stop())
    stopper.start()
    crew.run()
    stopper.join()
    assert outcomes(tasks) == [True, "?"]  # it was waited for, and so its result is known
    assert not tasks[1].is_given_up


def test_stopped_again_and_again_while_tools_end_nothing_is_lost_and_nothing_raised():
    # However the two fall together: what was settled has its result, all other that began was given up.
    for turn in range(300):
        begun = []

        def work(context, begun=begun):
            begun.append(context.tool_call_id)
            time.sleep(0)
            return "done"

        tasks = [task(work, index=number) for number in range(6)]
        crew = Crew(tasks, context_of, at_once=6)
        stopper = threading.Timer(turn * 1e-5, crew.stop)
        stopper.start()
        crew.run()
        stopper.join()
        until(lambda: not tool_threads())
        for number, each in enumerate(tasks):
            assert each.is_settled or each.is_given_up == (f"call_{number}" in begun)


def test_a_task_without_a_tool_is_a_failure_like_others():
    lost = Task(ToolCall(0, "call_0", "function", "lost", "{}"), None)
    Crew([lost], context_of, at_once=2).run()
    assert outcomes([lost]) == ["LookupError: lost"]


# A task group


@pytest.mark.anyio
async def test_async_tools_take_turns_in_the_loop_and_sync_ones_have_a_thread():
    main = threading.current_thread()
    both = anyio.Event()

    async def waits(context):
        assert threading.current_thread() is main
        await both.wait()
        return "waited"

    async def sets(context):
        both.set()
        return "set"

    def sync(context):
        return threading.current_thread() is main

    tasks = [task(waits, is_async=True), task(sets, is_async=True), task(sync)]
    with anyio.fail_after(LONG):
        await run_async(tasks, context_of, at_once=8)
    assert outcomes(tasks) == ["waited", "set", False]


@pytest.mark.anyio
async def test_a_coroutine_of_a_sync_tool_is_awaited_in_the_loop():
    main = threading.current_thread()

    async def later():
        await anyio.lowlevel.checkpoint()
        return threading.current_thread() is main

    tasks = [task(lambda context: later(), "lazy")]
    await run_async(tasks, context_of, at_once=8)
    assert outcomes(tasks) == [True]


@pytest.mark.anyio
async def test_as_many_sync_tools_run_at_once_as_may_whatever_other_threads_do():
    limiter = anyio.to_thread.current_default_thread_limiter()
    before, limiter.total_tokens = limiter.total_tokens, 1
    together = threading.Barrier(12)
    try:
        tasks = [task(lambda context: together.wait(LONG) >= 0, "f") for _ in range(12)]
        await run_async(tasks, context_of, at_once=12)
    finally:
        limiter.total_tokens = before
    assert outcomes(tasks) == [True] * 12


@pytest.mark.anyio
async def test_a_task_group_within_a_tool_is_told_by_what_is_in_it():
    async def fails(context):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, LONG)
            await anyio.lowlevel.checkpoint()
            raise KeyError("within")

    tasks = [task(fails, is_async=True), task(lambda context: "fine", "fine")]
    await run_async(tasks, context_of, at_once=8)
    assert tasks[0].failure.text.endswith("KeyError: 'within'")
    assert outcomes(tasks)[1] == "fine"


@pytest.mark.anyio
async def test_what_a_tool_raises_when_its_time_is_over_stays_with_its_task():
    async def alone(context):
        try:
            await anyio.sleep(LONG)
        finally:
            raise KeyError("cleanup")

    async def grouped(context):
        async def fails():
            try:
                await anyio.sleep(LONG)
            finally:
                raise KeyError("cleanup")

        async with anyio.create_task_group() as group:
            group.start_soon(fails)
            group.start_soon(anyio.sleep, LONG)

    tasks = [task(alone, is_async=True, timeout=0.02), task(grouped, is_async=True, timeout=0.02)]
    tasks.append(task(lambda context: "fine", "fine"))
    await run_async(tasks, context_of, at_once=8)
    assert all(each.is_settled for each in tasks)
    assert [each.failure.text[-19:] for each in tasks[:2]] == ["KeyError: 'cleanup'"] * 2
    assert outcomes(tasks)[2] == "fine"


@pytest.mark.anyio
async def test_a_tool_that_will_not_be_cancelled_is_waited_for_and_what_it_gives_counts():
    async def stubborn(context):
        try:
            await anyio.sleep(LONG)
        except anyio.get_cancelled_exc_class():
            return "all the same"

    tasks = [task(stubborn, is_async=True, timeout=0.02)]
    await run_async(tasks, context_of, at_once=8)
    assert outcomes(tasks) == ["all the same"]


@pytest.mark.anyio
async def test_the_timeout_of_one_is_nobody_elses():
    async def slow(context):
        await anyio.sleep(LONG)

    async def steady(context):
        await anyio.sleep(0.06)
        return "steady"

    tasks = [task(slow, is_async=True, timeout=0.02), task(steady, is_async=True)]
    await run_async(tasks, context_of, at_once=8)
    assert outcomes(tasks) == ["TimeoutError: slow took longer than 0.02 s", "steady"]


@pytest.mark.asyncio
async def test_a_tool_whose_own_task_was_cancelled_has_failed_and_nothing_else():
    async def asks(context):
        other = asyncio.create_task(asyncio.sleep(LONG))
        await asyncio.sleep(0)
        other.cancel()
        await other

    def in_thread(context):
        raise asyncio.CancelledError

    tasks = [task(asks, is_async=True), task(in_thread), task(asks, is_async=True, timeout=LONG)]
    tasks.append(task(lambda context: "fine", "fine"))
    await run_async(tasks, context_of, at_once=2)
    told = "CancelledError: what the tool waited for was cancelled"
    assert outcomes(tasks) == [told, told, told, "fine"]


@pytest.mark.anyio
@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("kind", [SystemExit, Left])
async def test_what_is_no_exception_ends_the_others_and_begins_none(kind, at_once):
    begun, ended = [], []

    async def leaves(context):
        await anyio.lowlevel.checkpoint()
        raise kind("out")

    async def waits(context):
        begun.append(context.tool_call_id)
        try:
            await anyio.sleep(LONG)
        finally:
            ended.append(context.tool_call_id)

    tasks = [task(leaves, is_async=True), *[task(waits, is_async=True, index=number) for number in range(1, 4)]]
    with pytest.raises(kind, match="out"):
        await run_async(tasks, context_of, at_once=at_once)
    assert sorted(begun) == sorted(ended)
    assert len(begun) == (0 if at_once == 1 else 3)
    assert outcomes(tasks) == ["?"] * 4


@pytest.mark.anyio
async def test_nothing_begins_where_nobody_waits_any_more():
    begun = []

    async def begins(context):
        begun.append(context.tool_call_id)

    tasks = [task(begins, is_async=True, index=number) for number in range(3)]
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run_async(tasks, context_of, at_once=2)
    assert scope.cancelled_caught
    assert begun == []
    assert not any(each.is_given_up for each in tasks)  # so it is known that none took effect


# Cancelled at every turn


class Several:
    """Tools of each kind, and who of them has begun and ended."""

    def __init__(self):
        self.begun, self.ended = set(), set()
        self.tasks = [
            task(self.steps, "steps", is_async=True, index=0),
            task(self.cleans_up, "cleans_up", is_async=True, index=1),
            task(self.polls, "polls", index=2),
            task(self.at_once, "at_once", is_async=True, index=3),
            task(self.grouped, "grouped", is_async=True, index=4, timeout=LONG),
            task(self.steps, "steps", is_async=True, index=5),
        ]

    @contextmanager
    def within(self, context):
        number = int(context.tool_call_id[5:])
        assert number not in self.begun, "run twice"
        self.begun.add(number)
        try:
            yield
        finally:
            self.ended.add(number)

    async def steps(self, context):
        with self.within(context):
            for _ in range(4):
                await anyio.lowlevel.checkpoint()

    async def cleans_up(self, context):
        with self.within(context):
            try:
                await anyio.lowlevel.checkpoint()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()

    def polls(self, context):
        with self.within(context):
            for _ in range(10):
                if context.is_cancelled:
                    return
                time.sleep(0.0005)

    async def at_once(self, context):
        with self.within(context):
            return "done"

    async def grouped(self, context):
        with self.within(context):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.lowlevel.checkpoint)
                group.start_soon(anyio.lowlevel.checkpoint)

    async def check(self):
        """Each that began has ended, or is a thread that was told so; and what is said of each is so."""
        late = anyio.current_time() + LONG
        while self.begun != self.ended and anyio.current_time() < late:
            assert self.begun - self.ended <= {2}
            await anyio.sleep(0.001)
        for number, each in enumerate(self.tasks):
            if each.is_settled or number in self.begun:
                assert each.is_settled or each.is_given_up
            elif number != 2:  # whether a thread was begun is not always known
                assert not each.is_given_up
        assert self.begun == self.ended


TURNS = 60


@pytest.mark.anyio
@pytest.mark.parametrize("at_once", [1, 2, 8])
async def test_cancelled_by_a_scope_at_any_turn_all_that_began_ends(at_once):
    whole = 0
    for turns in range(TURNS):
        several = Several()
        scope = anyio.CancelScope()

        async def run(several=several, scope=scope):
            with scope:
                await run_async(several.tasks, context_of, at_once=at_once)

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
        await several.check()
        whole += all(each.is_settled for each in several.tasks)
    assert whole < TURNS


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [0, 3])
@pytest.mark.parametrize("at_once", [1, 2, 8])
async def test_cancelled_as_a_task_at_any_turn_all_that_began_ends(at_once, again):
    for turns in range(TURNS):
        several = Several()
        running = asyncio.create_task(run_async(several.tasks, context_of, at_once=at_once))
        for _ in range(turns):
            await asyncio.sleep(0)
        was_told = running.cancel()
        for _ in range(again):
            await asyncio.sleep(0)
            running.cancel()
        await asyncio.wait([running])
        assert running.cancelled() or not was_told or all(each.is_settled for each in several.tasks)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await several.check()


@pytest.mark.asyncio
async def test_all_tasks_cancelled_as_a_program_ends_nothing_begins_after_it():
    begun = []

    async def waits(context):
        begun.append(context.tool_call_id)
        await asyncio.sleep(LONG)

    tasks = [task(waits, is_async=True, index=number) for number in range(4)]
    running = asyncio.create_task(run_async(tasks, context_of, at_once=2))
    await asyncio.sleep(0.01)
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert begun == ["call_0", "call_1"]
    assert outcomes(tasks)[2:] == ["?", "?"]
    assert not any(each.is_given_up for each in tasks[2:])


@pytest.mark.anyio
async def test_a_deadline_around_it_is_no_failure_of_a_tool():
    async def slow(context):
        await anyio.sleep(LONG)

    tasks = [task(slow, is_async=True, timeout=LONG), task(slow, is_async=True)]
    with anyio.move_on_after(0.02) as scope:
        await run_async(tasks, context_of, at_once=8)
    assert scope.cancelled_caught
    assert outcomes(tasks) == ["?", "?"]
    assert all(each.is_given_up for each in tasks)
    assert anyio.current_effective_deadline() == math.inf
