"""Listeners by event name: who wants to hear of what, and the calls.

In go functions with the name of an event, and then events; out come calls, in the order in which the listeners were
added. Rules: nobody is called unless an event is handed in; listeners added or removed meanwhile count from the next
event on; what a listener raises goes to whoever handed the event in, and listeners after it are not called. No task,
no queue, no clock: an async listener is awaited before the next one is called, so that a slow one slows the reading
and fills no memory.
"""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar
from weakref import WeakMethod

from chatstream.events import EVENT_TYPES
from chatstream.listening import subscribes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self, TypeGuard

    from chatstream.events import ChatStreamEvent, ChunkEvent, ContentDeltaEvent, Event
    from chatstream.listening import ListenerName
    from chatstream.types import ChatCompletion, ChatCompletionChunk

    _Call: TypeAlias = Callable[[Any], object]

__all__ = ["EventEmitter", "is_coroutine"]

L = TypeVar("L", bound="Callable[..., object]")

_MAX_SHOWN = 80


class EventEmitter:
    """Calls your functions by event name: ``on``, ``once``, ``off``, and ``emit`` or ``emit_async`` for each event.

    Both streams are emitters and hand their events in as you read them. One of your own goes with a parser that you
    feed yourself: ``for event in parser.feed(data): emitter.emit(event)``.

    A listener is called with the event. Two names follow an older form and read what is otherwise built only when
    somebody looks: ``content`` is called with ``(delta, snapshot)`` at every ``content.delta``, and ``chunk`` with
    ``(chunk, snapshot)``. Each call so costs as much as the whole answer until then.

    A listener may be async, unless ``allow_async`` is false; then one is refused with TypeError when it is added.
    ``active`` has a key for each type of event that somebody listens for: without one, an event need not be emitted.
    """

    _names: ClassVar[tuple[str, ...]] = (*EVENT_TYPES, "content")  # what may be listened for; the tool loop knows more
    _names_home: ClassVar[str] = "chatstream.events.EVENT_TYPES has them all"

    def __init__(self, *, allow_async: bool = True) -> None:
        self._allow_async = allow_async
        self._listeners: dict[str, tuple[_Listener, ...]] = {}
        # One call for each type of event somebody listens for: the whole of what a stream has to look up. Looked up
        # and called, one listener costs what a call costs; a list to be walked for each event cost twice that.
        self.active: dict[str, _Call] = {}

    @subscribes
    def on(self, event: str, listener: Callable[..., object] | None = None) -> object:
        """The emitter itself, which from now on calls the listener at each such event.

        Without a listener: a decorator, which gives the function back unchanged. A function may be added several
        times, and is then called as often. ValueError for a name that is none, naming the near ones; TypeError for
        what cannot be called, or for an async listener where nobody would await it.
        """
        return self._subscribe(event, listener, once=False)

    @subscribes
    def once(self, event: str, listener: Callable[..., object] | None = None) -> object:
        """As ``on``, for the next such event alone: the listener is removed, and then called."""
        return self._subscribe(event, listener, once=True)

    def off(self, event: ListenerName, listener: Callable[..., object]) -> Self:
        """The emitter itself, without this listener: the newest one, if it was added to this name several times.

        A listener that is not there is no error, as in other emitters: a ``once`` that has been called is gone, too.
        ValueError for a name that is none.
        """
        self._unsubscribe(event, listener)
        return self

    def emit(self, event: ChatStreamEvent) -> None:
        """Call the listeners for this event. TypeError if one of them is async: that is for ``emit_async``."""
        call = self.active.get(event.type)
        if call is not None:
            result = call(event)
            if result is not None and is_coroutine(result):
                raise self._unawaited(event, result)

    async def emit_async(self, event: ChatStreamEvent) -> None:
        """Call the listeners for this event, and await each that is async before the next one is called."""
        call = self.active.get(event.type)
        if call is not None:
            result = call(event)
            if result is not None and is_coroutine(result):
                await result

    def _subscribe(self, event: str, listener: Callable[..., object] | None, *, once: bool) -> object:
        event_type = self._check_name(event)
        if listener is not None:
            self._add(event_type, event, listener, once=once)
            return self

        def decorator(decorated: L) -> L:
            self._add(event_type, event, decorated, once=once)
            return decorated

        return decorator

    def _unsubscribe(self, event: str, listener: Callable[..., object]) -> None:
        for added in reversed(self._listeners.get(self._check_name(event), ())):
            if added.name == event and added.function == listener:
                self._drop(added)
                break

    def _check_name(self, name: str) -> str:
        """The type of the events that listeners of this name are called for; ValueError for a name that is none."""
        if not isinstance(name, str):
            raise TypeError(f"the name of an event is a str, not {type(name).__name__}")
        if name not in self._names:
            raise ValueError(f"no event is called {name[:_MAX_SHOWN]!r}{_near(name, self._names, self._names_home)}")
        return "content.delta" if name == "content" else name

    def _add(self, event_type: str, name: str, listener: Callable[..., object], *, once: bool) -> None:
        if not callable(listener):
            raise TypeError(f"a listener is called with the event; {type(listener).__name__} cannot be called")
        if not self._allow_async and _is_async(listener):
            raise TypeError(f"this listener for {name!r} is async: {self._who_awaits}")
        added = _Listener(name, listener)
        if once:
            added.call = _only_once(added.call, WeakMethod(self._drop), added)
        self._set(event_type, (*self._listeners.get(event_type, ()), added))

    def _drop(self, dropped: _Listener) -> None:
        event_type = self._check_name(dropped.name)
        self._set(event_type, tuple(added for added in self._listeners.get(event_type, ()) if added is not dropped))

    def _set(self, event_type: str, listeners: tuple[_Listener, ...]) -> None:
        # Replaced and never changed: a call that is under way goes on with the listeners it began with.
        if listeners:
            self._listeners[event_type] = listeners
            self.active[event_type] = _in_turn([added.call for added in listeners])
        else:
            self._listeners.pop(event_type, None)
            self.active.pop(event_type, None)

    def _unawaited(self, event: Event, result: Coroutine[Any, Any, object]) -> TypeError:
        result.close()
        return TypeError(f"a listener for {getattr(event, 'type', '')!r} is async: {self._who_awaits}")

    @property
    def _who_awaits(self) -> str:
        if self._allow_async:
            return "await emit_async(event) in place of emit(event)"
        return "use AsyncChatCompletionStream, which awaits it"


class _Listener:
    """A function, the name it was added to, and how it is called for an event."""

    __slots__ = ("call", "function", "name")

    def __init__(self, name: str, function: Callable[..., object]) -> None:
        self.name = name
        self.function = function
        self.call: _Call = _OLDER_FORMS[name](function) if name in _OLDER_FORMS else function


def _content_form(function: Callable[[str, str], object]) -> _Call:
    def call(event: ContentDeltaEvent) -> object:
        return function(event.delta, event.snapshot)

    return call


def _chunk_form(function: Callable[[ChatCompletionChunk, ChatCompletion], object]) -> _Call:
    def call(event: ChunkEvent) -> object:
        return function(event.chunk, event.snapshot)

    return call


_OLDER_FORMS: dict[str, Callable[[Callable[..., object]], _Call]] = {"chunk": _chunk_form, "content": _content_form}


def _only_once(listener_call: _Call, drop: WeakMethod[Callable[[_Listener], None]], added: _Listener) -> _Call:
    called = False

    def call(event: object) -> object:
        # Dropped before it is called, so that a listener that reads on is not called again from within. Dropping
        # alone would not do: a call that is under way goes on with the listeners it began with.
        nonlocal called
        if called:
            return None
        called = True
        # Held weakly, for the emitter holds this: a stream that nobody reads on is to go at once, with its source.
        drop_from_emitter = drop()
        if drop_from_emitter is not None:
            drop_from_emitter(added)
        return listener_call(event)

    return call


def _in_turn(calls: list[_Call]) -> _Call:
    """One call that makes them all, in order; from the first coroutine on it is one itself."""
    if len(calls) == 1:
        return calls[0]

    def call(event: object) -> object:
        remaining = iter(calls)
        for listener_call in remaining:
            result = listener_call(event)
            if result is not None and is_coroutine(result):
                return _go_on(result, remaining, event)
        return None

    return call


async def _go_on(pending: Coroutine[Any, Any, object], remaining: Iterator[_Call], event: object) -> None:
    await pending
    for listener_call in remaining:
        result = listener_call(event)
        if result is not None and is_coroutine(result):
            await result


def is_coroutine(result: object) -> TypeGuard[Coroutine[Any, Any, object]]:
    """Whether what a listener gave back does nothing until it is awaited.

    Also a lambda gives a coroutine back, if it calls an async function, and could not be told when it was added. A task
    or a future is none: it runs by itself, and whoever starts one wants nobody to wait.
    """
    # First the usual type, then the coroutines of compiled code. The ABC alone is right, and slow to say no: 0.3 µs.
    return type(result) is CoroutineType or (hasattr(result, "__await__") and isinstance(result, Coroutine))


def _is_async(function: object) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _near(name: str, names: Iterable[str], home: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name[:_MAX_SHOWN].lower(), sorted(names), cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; {home}"
