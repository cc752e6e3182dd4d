"""Names that are made of anything, and paths that stay in their folder."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording.writing.names import safe_name

GOOD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<![.])")


@pytest.mark.parametrize(
    "name", ["a", "test_it_streams", "TestTools.test_it", "v1-chat-completions", "x.tape.jsonl", "9"]
)
def test_a_good_name_is_kept(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "C:\\x",
        ".hidden",
        "x.",
        "con",
        "NUL.tape",
        "com1",
        "a\0b",
        "ä",
        "\ud800",
        "-x",
        "a" * 101,
        "🦊",
    ],
)
def test_any_other_text_becomes_one(text):
    name = safe_name(text)
    assert GOOD.fullmatch(name)
    assert len(name) <= 100
    assert name != text
    assert name.lower().partition(".")[0] not in {"con", "nul", "com1"}


@given(st.text(st.characters(exclude_categories=()), max_size=150))
def test_a_name_is_good_whatever_the_text(text):
    name = safe_name(text)
    assert GOOD.fullmatch(name)
    assert len(name) <= 100
    assert safe_name(name) == name


def test_texts_that_lose_the_same_have_two_names():
    texts = ["a/b", "a b", "a-b", "a?b", "a//b", "ä-b", ".a-b", "a" * 200, "a" * 201]
    assert len({safe_name(text) for text in texts}) == len(texts)


def test_what_can_be_read_of_a_text_stays_in_its_name():
    assert re.fullmatch(r"test_it-gpt-4o-en-[0-9a-f]{8}", safe_name("test_it[gpt-4o/en]"))
