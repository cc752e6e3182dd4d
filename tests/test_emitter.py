import re
from functools import partial
from typing import get_overloads
from unittest.mock import AsyncMock

import pytest

from chatstream import events as events_module
from chatstream import listening
from chatstream.emitter import EventEmitter
from chatstream.events import EVENT_TYPES, ChoiceDoneEvent, ContentDeltaEvent, ContentDoneEvent
from chatstream.parser import ChatStreamParser
from chatstream.types import ChatCompletion, ChatCompletionChunk

CONTENT = ContentDoneEvent(0, "Hello")
CHOICE = ChoiceDoneEvent(0, "stop")


def chunk(content):
    delta = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}


def events_of(*contents):
    parser = ChatStreamParser()
    return [event for content in contents for event in parser.feed_chunk(chunk(content))]


class Calls(list):
    """Listeners that note what they were called with, sync and async ones by name."""

    def sync(self, name):
        return lambda event: self.append((name, event))

    def awaited(self, name):
        async def listener(event):
            self.append((name, event))

        return listener

    @property
    def names(self):
        return [name for name, _ in self]


@pytest.fixture
def calls():
    return Calls()


# ---------------------------------------------------------------- adding and removing


def test_listeners_are_called_with_the_event_in_the_order_they_were_added(calls):
    emitter = EventEmitter()
    emitter.on("content.done", calls.sync("a")).on("choice.done", calls.sync("b")).on("content.done", calls.sync("c"))
    emitter.emit(CONTENT)
    assert calls == [("a", CONTENT), ("c", CONTENT)]


def test_on_once_and_off_give_the_emitter_back():
    class Stream(EventEmitter):
        pass

    stream = Stream()
    assert stream.on("end", print) is stream
    assert stream.once("end", print) is stream
    assert stream.off("end", print) is stream


@pytest.mark.parametrize("how", ["on", "once"])
def test_without_a_listener_it_is_a_decorator_that_gives_the_function_back(how):
    emitter = EventEmitter()
    seen = []

    def listener(event):
        seen.append(event)

    assert getattr(emitter, how)("content.done")(listener) is listener
    emitter.emit(CONTENT)
    assert seen == [CONTENT]


def test_decorators_stand_one_upon_the_other(calls):
    emitter = EventEmitter()

    @emitter.on("content.done")
    @emitter.once("choice.done")
    def listener(event):
        calls.append(("a", event))

    for event in (CHOICE, CONTENT, CHOICE, CONTENT):
        emitter.emit(event)
    assert calls == [("a", CHOICE), ("a", CONTENT), ("a", CONTENT)]


def test_a_listener_added_twice_is_called_twice_and_off_removes_the_newest():
    emitter = EventEmitter()
    order = []

    class Equal:
        def __init__(self, name):
            self.name = name

        def __eq__(self, other):
            return isinstance(other, Equal)

        __hash__ = None

        def __call__(self, event):
            order.append(self.name)

    emitter.on("content.done", Equal("first")).on("content.done", Equal("second"))
    emitter.emit(CONTENT)
    emitter.off("content.done", Equal("any"))
    emitter.emit(CONTENT)
    assert order == ["first", "second", "first"]


def test_a_bound_method_is_found_again(calls):
    emitter = EventEmitter()
    emitter.on("content.done", calls.append).off("content.done", calls.append)
    emitter.emit(CONTENT)
    assert calls == []


def test_off_quietly_does_nothing_for_a_listener_that_is_not_there(calls):
    listener = calls.sync("a")
    emitter = EventEmitter().on("content.done", listener)
    emitter.off("content.done", print).off("choice.done", listener)
    emitter.emit(CONTENT)
    assert calls.names == ["a"]


def test_off_removes_from_the_one_name_alone():
    seen = []

    def listener(*arguments):
        seen.append(len(arguments))

    emitter = EventEmitter().on("content.delta", listener).on("content", listener)
    emitter.off("content.delta", listener)
    emitter.emit(events_of("x")[1])
    assert seen == [2]


def test_once_is_called_for_the_next_event_alone(calls):
    emitter = EventEmitter().once("content.done", calls.sync("once")).on("content.done", calls.sync("on"))
    emitter.emit(CONTENT)
    emitter.emit(CONTENT)
    assert calls.names == ["once", "on", "on"]


def test_a_once_listener_can_be_removed_before_it_is_called(calls):
    listener = calls.sync("a")
    emitter = EventEmitter().once("content.done", listener).off("content.done", listener)
    emitter.emit(CONTENT)
    assert calls == []


# ---------------------------------------------------------------- while emitting


@pytest.mark.parametrize("others", [0, 1])
def test_a_once_listener_is_removed_before_it_is_called(others):
    emitter = EventEmitter()
    seen = []

    def listener(event):
        seen.append("content.done" in emitter.active)
        emitter.emit(event)  # as a listener that reads on does

    emitter.once("content.done", listener)
    for _ in range(others):
        emitter.on("content.done", lambda _: seen.append("other"))
    emitter.emit(CONTENT)
    assert seen == ([False] if not others else [True, "other", "other"])


def test_a_once_listener_that_is_still_to_come_is_not_called_twice_by_an_event_within_an_event():
    emitter = EventEmitter()
    seen = []

    def nested(event):
        if not seen:
            seen.append("nested")
            emitter.emit(event)

    emitter.on("content.done", nested).once("content.done", lambda _: seen.append("once"))
    emitter.emit(CONTENT)
    assert seen == ["nested", "once"]


def test_a_listener_added_while_emitting_is_called_from_the_next_event_on(calls):
    emitter = EventEmitter()
    emitter.once("content.done", lambda _: emitter.on("content.done", calls.sync("added")))
    emitter.emit(CONTENT)
    assert calls == []
    emitter.emit(CONTENT)
    assert calls.names == ["added"]


@pytest.mark.parametrize("how", ["on", "once"])
def test_a_listener_removed_while_emitting_is_still_called_for_this_event(calls, how):
    emitter = EventEmitter()
    removed = calls.sync("removed")
    emitter.on("content.done", lambda _: emitter.off("content.done", removed))
    getattr(emitter, how)("content.done", removed)
    emitter.emit(CONTENT)
    emitter.emit(CONTENT)
    assert calls.names == ["removed"]


def test_what_a_listener_raises_goes_to_the_caller_and_a_once_listener_is_gone_all_the_same(calls):
    emitter = EventEmitter()

    @emitter.once("content.done")
    def fails(event):
        raise LookupError(event.content)

    emitter.on("content.done", calls.sync("after"))
    with pytest.raises(LookupError, match="Hello"):
        emitter.emit(CONTENT)
    assert calls == []
    emitter.emit(CONTENT)
    assert calls.names == ["after"]


# ---------------------------------------------------------------- the older forms


def test_a_content_listener_is_called_with_delta_and_snapshot():
    seen = []
    emitter = EventEmitter().on("content", lambda delta, snapshot: seen.append((delta, snapshot)))
    for event in events_of("Hel", "lo"):
        emitter.emit(event)
    assert seen == [("Hel", "Hel"), ("lo", "Hello")]


def test_content_and_content_delta_are_called_in_one_order():
    seen = []
    emitter = EventEmitter()
    emitter.on("content.delta", lambda event: seen.append(type(event)))
    emitter.once("content", lambda delta, snapshot: seen.append(delta))
    emitter.on("content.delta", lambda event: seen.append(event.delta))
    for event in events_of("a", "b"):
        emitter.emit(event)
    assert seen == [ContentDeltaEvent, "a", "a", ContentDeltaEvent, "b"]


def test_a_chunk_listener_is_called_with_chunk_and_snapshot():
    seen = []
    emitter = EventEmitter().on("chunk", lambda chunk, snapshot: seen.append((chunk, snapshot)))
    for event in events_of("Hel", "lo"):
        emitter.emit(event)
    assert [type(value) for value in seen[0]] == [ChatCompletionChunk, ChatCompletion]
    assert [chunk.choices[0].delta.content for chunk, _ in seen] == ["Hel", "lo"]
    assert [snapshot.choices[0].message.content for _, snapshot in seen] == ["Hel", "Hello"]


# ---------------------------------------------------------------- who listens


def test_active_has_the_types_somebody_listens_for_and_stays_the_same_dict():
    emitter = EventEmitter()
    active = emitter.active
    emitter.on("content", print).on("content.delta", print).once("choice.done", lambda _: None)
    assert set(active) == {"content.delta", "choice.done"}
    emitter.off("content.delta", print)
    emitter.emit(CHOICE)
    assert set(active) == {"content.delta"}
    emitter.off("content", print)
    assert active == {}
    assert emitter.active is active


def test_an_event_nobody_listens_for_is_dropped():
    EventEmitter().on("choice.done", pytest.fail).emit(CONTENT)


@pytest.mark.parametrize("name", [*EVENT_TYPES, "content"])
def test_every_name_can_be_listened_for(name):
    emitter = EventEmitter().on(name, print).once(name, print)
    assert list(emitter.active) == ["content.delta" if name == "content" else name]
    emitter.off(name, print).off(name, print)
    assert emitter.active == {}


def test_a_class_of_more_events_names_them():
    class Loop(EventEmitter):
        _names = (*EventEmitter._names, "connect")

    assert "connect" in Loop().on("connect", print).active


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("content.detla", "content.delta"),
        ("Content.Delta", "content.delta"),
        ("contents", "content"),
        ("tool_call.function.arguments.done", "tool_calls.function.arguments.done"),
        ("errors", "error"),
        ("delta", "audio.delta"),
    ],
)
def test_an_unknown_name_is_a_value_error_that_names_the_near_ones(name, near):
    for method in (EventEmitter().on, EventEmitter().once, EventEmitter().off):
        with pytest.raises(ValueError, match=rf"{re.escape(repr(name))}.*did you mean.*{re.escape(repr(near))}"):
            method(name, print)


@pytest.mark.parametrize("name", ["", "zzz", "z" * 1_000_000])
def test_an_unknown_name_near_none_says_where_the_names_are_and_is_cut_short(name):
    with pytest.raises(ValueError, match="EVENT_TYPES") as caught:
        EventEmitter().on(name, print)
    assert len(str(caught.value)) < 200


def test_a_decorator_with_an_unknown_name_fails_where_it_stands():
    with pytest.raises(ValueError, match=r"content\.delta"):
        EventEmitter().on("content.delt")


@pytest.mark.parametrize("name", [None, 1, b"end", ["end"], print])
def test_a_name_that_is_no_string_is_a_type_error(name):
    with pytest.raises(TypeError, match="name of an event is a str"):
        EventEmitter().on(name)


@pytest.mark.parametrize("how", ["on", "once"])
def test_a_listener_that_cannot_be_called_is_a_type_error(how):
    method = getattr(EventEmitter(), how)
    with pytest.raises(TypeError, match="str cannot be called"):
        method("end", "print")
    with pytest.raises(TypeError, match="NoneType cannot be called"):
        method("end")(None)


# ---------------------------------------------------------------- async listeners


async def coroutine_function(event):
    pass


class AsyncCallable:
    async def __call__(self, event):
        pass

    async def method(self, event):
        pass

    @classmethod
    async def of_class(cls, event):
        pass


ASYNC = [
    coroutine_function,
    partial(coroutine_function),
    partial(partial(AsyncCallable.of_class)),
    AsyncCallable(),
    partial(AsyncCallable()),
    AsyncCallable().method,
    AsyncCallable.of_class,
]
SYNC = [
    print,
    len,
    lambda event: None,
    partial(print),
    AsyncCallable,
    [].append,
    type("Sync", (), {"__call__": print})(),
]


@pytest.mark.parametrize("listener", ASYNC, ids=repr)
def test_an_async_listener_is_refused_where_nobody_would_await_it(listener):
    emitter = EventEmitter(allow_async=False)
    for add in (emitter.on, emitter.once):
        with pytest.raises(TypeError, match="use AsyncChatCompletionStream"):
            add("end", listener)
        with pytest.raises(TypeError, match="use AsyncChatCompletionStream"):
            add("end")(listener)
    assert emitter.active == {}


@pytest.mark.parametrize("listener", SYNC, ids=repr)
def test_a_sync_listener_is_taken_everywhere(listener):
    assert "end" in EventEmitter(allow_async=False).on("end", listener).active
    assert "end" in EventEmitter().on("end", listener).active


@pytest.mark.parametrize("listener", ASYNC, ids=repr)
def test_emit_refuses_to_call_an_async_listener(listener):
    emitter = EventEmitter().on("content.done", listener)
    with pytest.raises(TypeError, match="await emit_async"):
        emitter.emit(CONTENT)


def test_a_lambda_that_gives_a_coroutine_is_refused_when_it_shows(calls):
    send = calls.awaited("sent")
    emitter = EventEmitter(allow_async=False).on("content.done", lambda event: send(event.content))
    with pytest.raises(TypeError, match="use AsyncChatCompletionStream"):
        emitter.emit(CONTENT)
    assert calls == []


@pytest.mark.anyio
async def test_async_listeners_are_awaited_in_order_among_sync_ones(calls):
    emitter = EventEmitter()
    emitter.on("content.done", calls.sync("a")).on("content.done", calls.awaited("b"))
    emitter.on("content.done", calls.sync("c")).on("content.done", calls.awaited("d"))
    emitter.once("content.done", calls.awaited("e")).on("content.done", calls.sync("f"))
    await emitter.emit_async(CONTENT)
    assert calls == [(name, CONTENT) for name in "abcdef"]
    await emitter.emit_async(CONTENT)
    assert "".join(calls.names) == "abcdefabcdf"


@pytest.mark.anyio
async def test_an_async_listener_is_done_before_the_next_one_is_called(calls):
    import anyio

    emitter = EventEmitter()

    @emitter.on("content.done")
    async def slow(event):
        await anyio.lowlevel.checkpoint()
        calls.append(("slow", event))

    emitter.on("content.done", calls.sync("after"))
    await emitter.emit_async(CONTENT)
    assert calls.names == ["slow", "after"]


@pytest.mark.anyio
@pytest.mark.parametrize("others", [0, 1])
async def test_one_listener_is_awaited_whatever_makes_it_async(calls, others):
    class Listener:
        async def __call__(self, event):
            calls.append(("called", event))

    send = calls.awaited("sent")
    mock = AsyncMock()
    for listener in (Listener(), partial(Listener()), Listener().__call__, lambda event: send(event.content), mock):
        emitter = EventEmitter().on("content.done", listener)
        for _ in range(others):
            emitter.on("content.done", calls.sync("other"))
        await emitter.emit_async(CONTENT)
    mock.assert_awaited_once_with(CONTENT)
    assert [name for name in calls.names if name != "other"] == ["called", "called", "called", "sent"]


@pytest.mark.anyio
async def test_the_older_forms_may_be_async_too():
    seen = []
    emitter = EventEmitter()

    @emitter.on("content")
    async def content(delta, snapshot):
        seen.append((delta, snapshot))

    @emitter.once("chunk")
    async def chunk(chunk, snapshot):
        seen.append(snapshot.choices[0].message.content)

    for event in events_of("Hel", "lo"):
        await emitter.emit_async(event)
    assert seen == ["Hel", ("Hel", "Hel"), ("lo", "Hello")]


@pytest.mark.anyio
async def test_what_an_async_listener_raises_goes_to_the_caller(calls):
    emitter = EventEmitter()

    @emitter.on("content.done")
    async def fails(event):
        raise LookupError(event.content)

    emitter.on("content.done", calls.sync("after"))
    with pytest.raises(LookupError, match="Hello"):
        await emitter.emit_async(CONTENT)
    assert calls == []


@pytest.mark.anyio
async def test_what_a_listener_gives_back_is_dropped_unless_it_is_a_coroutine():
    class Future:
        """It runs by itself, as tasks and futures do: to wait for it is the caller's business."""

        def __await__(self):
            pytest.fail("awaited")

    emitter = EventEmitter()
    for result in (5, "text", Future(), [], object()):
        emitter.on("content.done", lambda _, result=result: result)
    await emitter.emit_async(CONTENT)
    emitter.emit(CONTENT)


@pytest.mark.anyio
async def test_a_coroutine_of_compiled_code_is_awaited():
    class Compiled:
        """What Cython and mypyc make of an async function: a coroutine of a type of their own."""

        awaited = False

        def __await__(self):
            self.awaited = True
            yield from ()

        def send(self, value):
            raise NotImplementedError

        throw = close = send

    coroutines = [Compiled(), Compiled()]
    emitter = EventEmitter()
    for coroutine in coroutines:
        emitter.on("content.done", lambda _, coroutine=coroutine: coroutine)
    await emitter.emit_async(CONTENT)
    assert all(coroutine.awaited for coroutine in coroutines)


@pytest.mark.anyio
async def test_an_event_nobody_listens_for_is_dropped_by_emit_async():
    await EventEmitter().on("choice.done", pytest.fail).emit_async(CONTENT)


# ---------------------------------------------------------------- what type checkers are told


def overloads(protocol):
    """Name, type of the listener, what is given, of each overload of a protocol's call, as they are written."""

    def call():
        """A protocol has no implementation that get_overloads could be asked about: this stands in for it."""

    call.__module__, call.__qualname__ = protocol.__module__, f"{protocol.__qualname__}.__call__"
    found = []
    for overload in get_overloads(call):
        annotations = overload.__annotations__
        names = re.findall(r'"(.+?)"', annotations["event"].replace("'", '"'))
        found += [(name, annotations.get("listener"), annotations["return"]) for name in names]
    return found


def event_class(name):
    return {cls.type: cls for cls in vars(events_module).values() if hasattr(cls, "type")}[name].__name__


def test_every_name_has_an_overload_with_its_own_event_for_both_forms():
    expected = []
    for name in [*EVENT_TYPES, "content"]:
        older = {
            "chunk": "Callable[[ChatCompletionChunk, ChatCompletion], object]",
            "content": "Callable[[str, str], object]",
        }
        cls = event_class("content.delta" if name == "content" else name)
        shown = f"{cls}[Any]" if name == "content.done" else cls
        variable = {"chunk": "_Chunk", "content": "_Content"}.get(name, f"_{cls.removesuffix('Event')}")
        expected.append((name, older.get(name, f"Listener[{shown}]"), "S_co"))
        expected.append((name, None, f"Callable[[{variable}], {variable}]"))
    assert sorted(overloads(listening.Subscribe), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("protocol", [listening.WaitFor, listening.AsyncWaitFor])
def test_every_name_has_an_overload_to_wait_for_its_event(protocol):
    expected = [(name, None, event_class(name)) for name in EVENT_TYPES]
    expected.append(("content", None, "ContentDeltaEvent"))
    assert sorted((name, form, given.removesuffix("[Any]")) for name, form, given in overloads(protocol)) == sorted(
        expected
    )


def test_what_is_shown_to_type_checkers_is_the_method_itself():
    def method(self):
        pass

    assert listening.subscribes(method) is listening.waits(method) is listening.waits_async(method) is method
    assert EventEmitter.on.__doc__.startswith("The emitter itself")
