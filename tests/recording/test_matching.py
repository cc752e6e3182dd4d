"""What counts as the same request, and how two that differ are told apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording.library.matching import Paths, canonical, differences, last_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"temperature": 1}, {"temperature": 1.0}),
        ([{"x": {"b": 0.0, "a": None}}], [{"x": {"a": None, "b": 0}}]),
        ({"a": -0.0}, {"a": 0}),
        ({"a": 1e300}, {"a": 10**300 + 0.0}),
    ],
)
def test_what_means_the_same_is_the_same(one, other):
    assert canonical(one) == canonical(other)
    assert list(differences(one, other)) == []


@pytest.mark.parametrize(
    ("one", "other", "paths"),
    [
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": 1}, {"a": "1"}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({"m": [{"content": "x"}, {"content": "y"}]}, {"m": [{"content": "x"}, {"content": "z"}]}, ["m[1].content"]),
        ({"m": [1]}, {"m": [1, 2, 3]}, ["m[1]", "m[2]"]),
        ({"b": 1, "a": {"c": 2}}, {"b": 2, "a": {"c": 3, "d": 4}}, ["a.c", "a.d", "b"]),
        ({"a": [1]}, {"a": {"0": 1}}, ["a"]),
    ],
)
def test_what_differs_is_named_by_its_place(one, other, paths):
    assert canonical(one) != canonical(other)
    assert list(differences(one, other)) == paths
    assert list(differences(other, one)) == paths


@given(JSON, JSON)
def test_two_values_differ_just_if_their_canonical_texts_do(one, other):
    assert bool(list(differences(one, other))) == (canonical(one) != canonical(other))


@given(JSON)
def test_writing_and_reading_a_value_does_not_change_what_it_is(value):
    assert canonical(json.loads(json.dumps(value))) == canonical(value)


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("a", {"m": [{"name": 1, "x": {"y": 2}}, {"name": 3}]}),
        ("m", {"a": 1}),
        ("m[*].name", {"a": 1, "m": [{"x": {"y": 2}}, {}]}),
        ("m[0].x.y", {"a": 1, "m": [{"name": 1, "x": {}}, {"name": 3}]}),
        ("m[1]", {"a": 1, "m": [{"name": 1, "x": {"y": 2}}]}),
        ("m[*]", {"a": 1, "m": []}),
        ("m[7]", None),
        ("nothing.there", None),
        ("a.b", None),
        ("m.name", None),
    ],
)
def test_a_place_that_does_not_count_is_taken_out_of_a_copy(path, left):
    body = {"a": 1, "m": [{"name": 1, "x": {"y": 2}}, {"name": 3}]}
    before = json.dumps(body)
    assert Paths([path]).without(body) == (left if left is not None else body)
    assert json.dumps(body) == before


@pytest.mark.parametrize("path", ["", ".", "a.", "a[", "a[x]", "a]", "[*", "a..b", "a[-1]"])
def test_what_is_no_place_is_refused(path):
    with pytest.raises(ValueError, match="is no path"):
        Paths([path])


def test_the_last_message_is_its_role_content_and_the_call_it_answers():
    def said(**message):
        return last_message({"messages": [{"role": "system", "content": "s"}, message]})

    assert said(role="user", content="x") == said(role="user", content="x", name="n")
    assert said(role="user", content="x") != said(role="user", content="y")
    assert said(role="tool", content="x", tool_call_id="a") != said(role="tool", content="x", tool_call_id="b")
    assert last_message({"messages": []}) is last_message({}) is last_message({"messages": ["x"]}) is None
