"""What all tests share: how hard Hypothesis tries, both async backends, and the shared conformance cases."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]  # runs tests in tests, for those of the plugin

ROOT = Path(__file__).resolve().parent.parent
CONFORMANCE = ROOT.parent / "shared" / "conformance"
NO_CONFORMANCE = "the shared conformance data is not there (../shared/conformance)"

# A run tries the same examples each time: red means the change and not the dice. CI tries more of them, and whoever
# looks for what nobody has thought of searches at random: HYPOTHESIS_PROFILE=search python -m pytest.
# No deadline anywhere: how long one example takes says more about the machine than about us.
_SAME_EACH_TIME = settings(derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile("default", _SAME_EACH_TIME, max_examples=60)
settings.register_profile("ci", _SAME_EACH_TIME, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "default"))


@pytest.fixture(params=["asyncio", "trio"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def conformance() -> Path:
    if not CONFORMANCE.is_dir():
        pytest.skip(NO_CONFORMANCE)
    return CONFORMANCE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test marked `conformance(file)` each case of that file as `case`; `where` picks among them."""
    marker = metafunc.definition.get_closest_marker("conformance")
    if marker is None:
        return
    if CONFORMANCE.is_dir():
        metafunc.parametrize("case", _cases(*marker.args, **marker.kwargs))
    else:
        metafunc.parametrize("case", [pytest.param(None, id="missing", marks=pytest.mark.skip(NO_CONFORMANCE))])


def _cases(file, where=None):
    # Each file is an object of remarks and one list, which goes by another name in each: cases, scenarios, streams.
    members = json.loads((CONFORMANCE / file).read_text("utf-8")).values()
    (cases,) = (member for member in members if isinstance(member, list))
    return [pytest.param(case, id=case["name"]) for case in cases if where is None or where(case)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # Said aloud, because a run without these cases is green and yet has not shown what it seems to show.
    skipped = sum(NO_CONFORMANCE in str(report.longrepr) for report in terminalreporter.getreports("skipped"))
    if skipped:
        terminalreporter.section("conformance")
        terminalreporter.line(f"{skipped} conformance tests were skipped, with all their cases: {NO_CONFORMANCE}")
