import re
from typing import get_overloads

import pytest

from chatstream import events
from chatstream import listening as of_streams
from chatstream.events import LOOP_EVENT_TYPES
from chatstream.tools import listening

LOOP_EVENTS = {cls.type: name for name, cls in vars(events).items() if getattr(cls, "type", None) in LOOP_EVENT_TYPES}


def overloads(protocol):
    """Name, type of the listener, what is given, of each overload of a protocol's call, as they are written."""

    def call():
        """A protocol has no implementation that get_overloads could be asked about: this stands in for it."""

    call.__module__, call.__qualname__ = protocol.__module__, f"{protocol.__qualname__}.__call__"
    written = [overload.__annotations__ for overload in get_overloads(call)]
    return sorted(
        (name, annotations.get("listener", ""), annotations["return"])
        for annotations in written
        for name in re.findall(r'"(.+?)"', annotations["event"].replace("'", '"'))
    )


def variable(name):
    return "_" + LOOP_EVENTS[name].removesuffix("Event")


# What a stream's overloads are held to be is in test_emitter.py.
def test_every_name_has_the_streams_overloads_or_its_own_for_both_forms():
    own = []
    for name in LOOP_EVENT_TYPES:
        own.append((name, f"Listener[{LOOP_EVENTS[name]}]", "S_co"))
        own.append((name, "", f"Callable[[{variable(name)}], {variable(name)}]"))
    assert overloads(listening.RunnerSubscribe) == sorted(overloads(of_streams.Subscribe) + own)


@pytest.mark.parametrize(
    ("protocol", "of_stream"),
    [(listening.RunnerWaitFor, of_streams.WaitFor), (listening.AsyncRunnerWaitFor, of_streams.AsyncWaitFor)],
)
def test_every_name_has_the_streams_overload_or_its_own_to_wait_for_its_event(protocol, of_stream):
    own = [(name, "", LOOP_EVENTS[name]) for name in LOOP_EVENT_TYPES]
    assert overloads(protocol) == sorted(overloads(of_stream) + own)


def test_what_is_shown_to_type_checkers_is_the_method_itself():
    def method(self):
        pass

    for shown in (listening.runner_subscribes, listening.runner_waits, listening.runner_waits_async):
        assert shown(method) is method
