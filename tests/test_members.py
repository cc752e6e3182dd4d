"""Members that the API does not have: the last that is not null, objects key by key, within a limit."""

import pytest

from chatstream.ends import Limits
from chatstream.errors import StreamLimitError
from chatstream.ledger import Ledger
from chatstream.members import Members


def members(**limits):
    return Members(Ledger(Limits(**limits)))


def test_null_says_nothing():
    found = members()
    assert found.set("a", None) is False
    found.set("a", 1)
    assert found.merge("a", None) is False
    assert found.values == {"a": 1}


def test_the_last_value_counts_and_it_is_told_whether_something_changed():
    found = members()
    assert [found.set("a", value) for value in (1, 1, 2, "2", [2], [2])] == [True, False, True, True, True, False]
    assert found.values == {"a": [2]}


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (1, 1.0), ([1], [True]), ({"a": 0}, {"a": False}), ("1", 1), ([], {}), ("", 0)],
)
def test_values_that_python_takes_for_equal_are_told_apart(one, other):
    found = members()
    found.set("a", one)
    assert found.set("a", other) is True
    assert repr(found.values["a"]) == repr(other)


@pytest.mark.parametrize("empty", ["", 0, False, [], {}])
def test_empty_values_are_values(empty):
    found = members()
    found.set("a", 5)
    assert found.set("a", empty) is True
    assert found.values == {"a": empty}


def test_objects_are_merged_key_by_key_all_the_way_down():
    found = members()
    found.merge("a", {"b": {"c": 1, "d": [1]}, "e": 1})
    found.merge("a", {"b": {"d": [2], "f": None}, "e": None, "g": {}})
    assert found.values == {"a": {"b": {"c": 1, "d": [2]}, "e": 1, "g": {}}}


def test_set_replaces_an_object():
    found = members()
    found.set("a", {"b": 1})
    found.set("a", {"c": 1})
    assert found.values == {"a": {"c": 1}}


@pytest.mark.parametrize(("one", "other"), [({"a": 1}, 5), (5, {"a": 1}), ({"a": 1}, [1]), ({"x": {"y": 1}}, {"x": 2})])
def test_a_value_of_another_kind_takes_the_place_of_an_object(one, other):
    found = members()
    found.merge("k", one)
    found.merge("k", other)
    assert found.values["k"] == other


def test_what_was_handed_out_is_never_changed():
    found = members()
    found.merge("a", {"b": {"c": 1}})
    before = found.values
    found.merge("a", {"b": {"d": 2}})
    found.set("x", 1)
    assert before == {"a": {"b": {"c": 1}}}


def test_what_was_given_is_not_changed():
    found = members()
    one, two = {"b": {"c": 1}}, {"b": {"d": 2}}
    found.merge("a", one)
    found.merge("a", two)
    assert (one, two) == ({"b": {"c": 1}}, {"b": {"d": 2}})


def test_what_is_held_is_limited_and_not_what_passes_by():
    found = members(max_extras=1000)
    for number in range(1000):
        found.set("a", str(number % 10) * 500)
    with pytest.raises(StreamLimitError) as caught:
        found.set("b", "x" * 500)
    assert (caught.value.limit, caught.value.value) == ("max_extras", 1000)
    assert "b" not in found.values


def test_empty_values_are_not_free():
    with pytest.raises(StreamLimitError):
        members(max_extras=1000).set("a", [[]] * 1000)
    found = members(max_extras=1000)
    with pytest.raises(StreamLimitError):
        list(map(found.set, map(str, range(1000)), [""] * 1000))


def test_an_object_that_grows_key_by_key_is_limited():
    found = members(max_extras=1000)
    with pytest.raises(StreamLimitError):
        list(map(found.merge, "a" * 1000, ({str(number): 1} for number in range(1000))))


def test_without_a_limit_anything_is_held():
    found = members(max_extras=None)
    assert found.set("a", "x" * 2**22) is True
