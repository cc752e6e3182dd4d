"""What the tests of the client share: a key in the environment that none of them may let out."""

import logging

import pytest

CANARY = "sk-planted-9c81f04d7be2a635"


@pytest.fixture(autouse=True)
def planted_key(monkeypatch, caplog):
    """The key of every client here that is given none; what the libraries log of their requests is looked at too."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    for name in ("chatstream", "httpx", "httpx2"):
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a test that logged or printed the planted key."""
    report = yield
    if report.when != "setup" and report.passed and any(CANARY in text for _, text in report.sections):
        report.outcome = "failed"
        report.longrepr = "the planted key was logged or printed"
    return report
