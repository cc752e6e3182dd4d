"""Unfinished JSON: what can be read of it, and whether an object is whole."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from chatstream.partial_json import ObjectScanner, read_partial, read_whole_object
from chatstream.text import Text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def reference(text):
    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return None


@given(VALUES, st.booleans())
def test_every_prefix_is_read_as_pydantic_reads_it(value, ensure_ascii):
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    for end in range(len(text) + 1):
        assert repr(read_partial(text[:end])) == repr(reference(text[:end]))


@given(VALUES)
def test_a_whole_text_is_read_as_what_it_is(value):
    assert read_partial(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["", " ", "x", "}", "{]", "{'a'", "\x00", "nan", '{"a" 1'])
def test_what_cannot_be_read_is_none(text):
    assert read_partial(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        '{"a":' * 10_000,
        "1" * 10_000,
        '"' + "x" * 100_000,
        '"\\ud83d',
        '{"a": "\\u12',
        "-",
        "tru",
        "NaN",
        "1e999",
    ],
)
def test_no_text_raises(text):
    read_partial(text)
    read_whole_object(text)


# ---------------------------------------------------------------- whole objects


@given(VALUES, st.text(" \t\r\n"), st.text(" \t\r\n"))
def test_a_whole_object_is_one_json_object_and_nothing_else(value, before, after):
    text = before + json.dumps(value) + after
    assert read_whole_object(text) == (value if isinstance(value, dict) else None)


@pytest.mark.parametrize(
    "text",
    ["", "{", "}", "{}{}", "{},", "[{}]", "null", '"{}"', "{a}", "{'a':1}", "{}\x00", "\ufeff{}", "{,}", '{"a":1,}'],
)
def test_anything_else_is_none(text):
    assert read_whole_object(text) is None


def scanned(fragments):
    """What the scanner says when it is asked after each fragment that ends in a brace."""
    text, scanner, said = Text([]), ObjectScanner(), []
    for number, fragment in enumerate(fragments):
        if fragment:
            text.append(fragment)
        if fragment.endswith("}"):
            said.append((scanner.is_whole(text), "".join(fragments[: number + 1])))
    return said


@given(VALUES.map(json.dumps) | st.text('{}[]",:\\a1 '), st.sets(st.integers(0, 60)))
def test_the_scanner_says_the_same_as_reading_all_of_it(text, cuts):
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for said, so_far in scanned([text[start:end] for start, end in pairwise(edges)]):
        assert said is (read_whole_object(so_far) is not None), so_far


@given(st.dictionaries(st.text('{}"\\[]é', max_size=4), VALUES, max_size=4))
def test_the_scanner_knows_an_object_that_comes_character_by_character(value):
    text = json.dumps(value)
    said = scanned(list(text))
    assert said[-1][0] is True
    assert not any(whole for whole, _ in said[:-1])


def test_an_object_stays_whole_while_white_space_follows_and_is_none_for_good_after_anything_else():
    text, scanner = Text([]), ObjectScanner()
    text.append('{"a":1}')
    assert scanner.is_whole(text)
    assert scanner.is_whole(text)
    text.append(" \n")
    assert scanner.is_whole(text)
    text.append("}")
    assert not scanner.is_whole(text)
    text.append("\n")
    assert not scanner.is_whole(text)


def test_the_scanner_looks_at_each_character_once(monkeypatch):
    read = []
    original = Text.read
    monkeypatch.setattr(
        Text, "read", lambda self, mark=None, start=0: read.append(self.length - start) or original(self, mark, start)
    )
    text, scanner = Text([]), ObjectScanner()
    text.append('{"a":[')
    for _ in range(1000):
        text.append("{},{}")
        assert not scanner.is_whole(text)
    assert sum(read) <= 2 * text.length
