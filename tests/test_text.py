"""Values that grow: a mark stays good for ever, and halves of characters find each other."""

import base64
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.text import Blob, Items, Text

HIGH, LOW = "\ud83d", "\ude00"


@given(st.lists(st.text()))
def test_every_mark_reads_the_text_as_it_was_then(fragments):
    text = Text([])
    marks = [(text.append(fragment), "".join(fragments[: number + 1])) for number, fragment in enumerate(fragments)]
    for mark, expected in [*marks, *marks[::-1]]:
        assert text.read(mark) == expected
    assert text.read() == "".join(fragments)
    assert text.length == len("".join(fragments))
    assert text.read(0) == ""


def test_reading_in_between_does_not_disturb_what_is_appended():
    text = Text([])
    mark = text.append("abc")
    assert text.read(1) == "a"
    assert text.read(start=1) == "bc"
    text.append("d")
    assert text.read(2, start=1) == "b"
    text.append("e")
    assert (text.read(mark), text.read(), text.read(start=5)) == ("abc", "abcde", "")


@pytest.mark.parametrize("text", ["a\r\nb", "\r", "\n", "\r\n\r", "\x00", "\u2028", "\U0010ffff"])
def test_no_character_is_changed(text):
    grown = Text([])
    for character in text:
        grown.append(character)
    assert grown.read() == text
    assert grown.length == len(text)


def test_each_value_keeps_its_own_mark_up_to_date():
    marks = []
    text, items, blob, other = Text(marks), Items(marks), Blob(marks), Text(marks)
    text.append("abc")
    items.extend([1, 2])
    before = tuple(marks)
    blob.append(b"xyz")
    other.append("d")
    text.append("e")
    assert tuple(marks) == (4, 2, 3, 1)
    assert text.read(before[text.slot]) == "abc"
    assert blob.read(before[blob.slot]) == ""
    assert other.read(before[other.slot]) == ""
    assert items.read(before[items.slot]) == [1, 2]


def appended(*fragments):
    """What is appended for each fragment, and for what is left at the end."""
    text = Text([])
    return [*(text.mended(fragment) for fragment in fragments), text.last_half()]


def test_half_a_character_waits_for_the_other_half():
    assert appended("a" + HIGH, LOW + "b") == ["a", "😀b", ""]
    assert appended(HIGH, "", "", LOW) == ["", "", "", "😀", ""]


@pytest.mark.parametrize(
    ("fragments", "whole"),
    [([HIGH], "\ufffd"), ([LOW], "\ufffd"), ([HIGH, HIGH], "\ufffd\ufffd"), ([HIGH, "a"], "\ufffda"),
     ([HIGH, HIGH, LOW], "\ufffd😀"), ([LOW, HIGH], "\ufffd\ufffd"), ([HIGH + LOW, LOW], "😀\ufffd"),
     ([HIGH + "a" + LOW], "\ufffda\ufffd"), (["\ufffd", HIGH], "\ufffd\ufffd")],
)  # fmt: skip
def test_any_other_half_becomes_a_replacement_character(fragments, whole):
    assert "".join(appended(*fragments)) == whole


@given(st.text(st.sampled_from("a\ud83d\ude00é\ufffd")), st.lists(st.integers(0, 20)))
def test_how_a_text_is_cut_does_not_matter(text, cuts):
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    fragments = [text[start:end] for start, end in pairwise(edges)]
    found = "".join(appended(*fragments))
    assert found == "".join(appended(text))
    found.encode()


def test_the_last_half_is_told_once():
    text = Text([])
    text.mended(HIGH)
    assert (text.last_half(), text.last_half()) == ("\ufffd", "")


@given(st.lists(st.lists(st.integers())))
def test_a_list_that_grows_is_read_as_it_was_at_each_mark(parts):
    items = Items([])
    marks = [(items.extend(part), list(chain(*parts[: number + 1]))) for number, part in enumerate(parts)]
    assert all(items.read(mark) == expected for mark, expected in marks)


def test_a_list_that_was_read_is_the_reader_s_own():
    items = Items([])
    mark = items.extend([1])
    items.read().append(2)
    items.read(mark).append(3)
    assert items.read() == [1]


@given(st.lists(st.binary()))
def test_bytes_are_read_as_base64_of_all_of_them(parts):
    blob = Blob([])
    marks = [(blob.append(part), b"".join(parts[: number + 1])) for number, part in enumerate(parts)]
    assert all(base64.b64decode(blob.read(mark), validate=True) == expected for mark, expected in marks)


def test_a_text_is_shown_by_its_length_and_not_by_what_it_says():
    text = Text([])
    text.append("secret")
    assert "secret" not in repr(text)
