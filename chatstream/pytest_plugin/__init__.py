"""The pytest plugin: tests of code that talks to a model, on tape.

    @pytest.mark.tape
    def test_greeting():
        assert "Paris" in my_app.ask("What is the capital of France?")

The first run sends the request and records the answer, every other one plays it. Here stand the options, markers and
fixtures that pytest sees. The rooms: ``settings`` says what a test has asked for, ``taping`` is the tape of a test,
``patching`` puts it under every HTTP client, ``misses`` tells what did not match, ``faulty`` is the streams' faults.

Rule: this module is imported by every run of pytest where chatstream is installed, so it imports nothing but pytest,
and the rooms when a test first uses them.
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from chatstream.pytest_plugin.faulty import StreamFaults
    from chatstream.pytest_plugin.taping import TapeFixture
    from chatstream.server import ReplayServer

__all__ = ["StreamFaults", "TapeFixture", "replay_server", "stream_faults", "tape"]

_MODES = ("once", "none", "all", "new_episodes")
_MARKERS = (
    "tape(name=None, *, mode, match, ignore, speed, secrets, passthrough, faults, seed): record once, then replay",
    "stream_faults(*faults): run the test once for each of these faults, or for every kind there is",
)

_tape_of = pytest.StashKey["TapeFixture"]()
_passed = pytest.StashKey[bool]()


def __getattr__(name: str) -> object:
    """Load what annotations name when it is first used."""
    home = {"StreamFaults": "faulty", "TapeFixture": "taping"}.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say what the command line and the configuration take."""
    group = parser.getgroup("chatstream", "tapes (chatstream)")
    group.addoption(
        "--tape-mode",
        choices=_MODES,
        help="once: record tapes that are not there (default); none: send nothing; all: record everything anew;"
        " new_episodes: record what no tape answers",
    )
    parser.addini("tape_mode", "the mode of tapes, where neither --tape-mode nor a marker says one")
    parser.addini("tape_dir", "the folder of tapes, seen from each test's file", default="tapes")
    parser.addini("tape_passthrough", "hosts that are no business of a tape", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Have a test that is marked use the fixture, set up in its turn: after what outlives the test."""
    if not collector.istestfunction(obj, name):
        return
    own: list[pytest.Mark] = getattr(obj, "pytestmark", [])
    is_marked = collector.get_closest_marker("tape") or any(mark.name == "tape" for mark in own)
    if is_marked:
        pytest.mark.usefixtures("tape")(cast("Callable[..., object]", obj))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same for those that were marked only now, or are methods of unittest."""
    for item in items:
        names: list[str] | None = getattr(item, "fixturenames", None)
        if names is not None and "tape" not in names and item.get_closest_marker("tape"):
            names.append("tape")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that is marked ``stream_faults`` once for each of them."""
    marker = metafunc.definition.get_closest_marker("stream_faults")
    if marker is None:
        return
    if "stream_faults" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} is marked stream_faults, and takes no such argument")
    from chatstream.pytest_plugin.faulty import named_faults

    faults = named_faults(marker.args)
    metafunc.parametrize("stream_faults", faults, indirect=True, ids=[str(fault) for fault in faults])


@pytest.fixture
def tape(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapeFixture]:
    """The tape of this test: what HTTP clients exchange is recorded on the first run, and replayed afterwards."""
    from chatstream.pytest_plugin.patching import patched
    from chatstream.pytest_plugin.settings import settings_of
    from chatstream.pytest_plugin.taping import TapeFixture

    item = request.node
    made = TapeFixture(settings_of(item), tmp_path_factory.mktemp("tape"))
    item.stash[_tape_of] = made
    try:
        with patched(made):
            yield made
    finally:
        made.close(keep=item.stash.get(_passed, False))
    if told := made.untold():
        pytest.fail(told, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test whose tape did not answer, also if the code under test took the error for an answer."""
    yield
    made = item.stash.get(_tape_of, None)
    if made is not None and (told := made.untold()):
        pytest.fail(told, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test passed; and where it failed by itself, tell what the tape did not answer."""
    report = yield
    made = item.stash.get(_tape_of, None)
    if made is None:
        return report
    if report.when == "call":
        item.stash[_passed] = report.passed
    for told in (made.untold(), made.left) if report.failed else ():
        if told:
            _add(report, told)
    return report


def _add(report: pytest.TestReport, told: str) -> None:
    """Put a text under the failure itself: a section of the report could be hidden with what was captured."""
    add = getattr(report.longrepr, "addsection", None)
    if callable(add):
        add("tape", told)
    else:
        report.sections.append(("tape", told))


@pytest.fixture
def replay_server() -> Iterator[Callable[..., ReplayServer]]:
    """A function that starts a ``ReplayServer`` of these tapes and options, in a thread; it stops with the test."""
    from chatstream.server import ReplayServer

    with ExitStack() as running:

        def start(tapes: Any = (), *, speed: float | None = None, **options: Any) -> ReplayServer:
            return running.enter_context(ReplayServer(tapes, speed=speed, **options))

        yield start


@pytest.fixture
def stream_faults(request: pytest.FixtureRequest) -> StreamFaults:
    """A function that gives a recording with faults; with the marker, one that knows its fault already."""
    from chatstream.pytest_plugin.faulty import StreamFaults

    return StreamFaults(getattr(request, "param", None))
