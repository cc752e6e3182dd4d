"""Small values: how a stream ended, what was odd, and what it may grow to."""

import typing

import pytest

from chatstream.ends import Anomaly, AnomalyKind, EndKind, Limits, StreamEnd


def test_the_limits_are_those_of_the_rules():
    limits = Limits()
    assert limits.max_event_size == 64 * 2**20
    assert limits.max_text == 256 * 2**20
    assert limits.max_arguments == 16 * 2**20
    assert limits.max_choices == 128
    assert limits.max_tool_calls == 1024
    assert limits.max_depth == 256
    assert limits.max_extras == 2**20
    assert len(limits.__struct_fields__) == 7


def test_limits_are_named_and_each_can_be_lifted():
    for name in Limits().__struct_fields__:
        assert getattr(Limits(**{name: None}), name) is None
    with pytest.raises(TypeError):
        Limits(5)


def test_the_kinds_of_an_end_are_those_of_the_rules():
    assert set(typing.get_args(EndKind)) == {"complete", "no_done", "no_finish", "incomplete", "error", "aborted"}


def test_after_done_is_a_kind_of_anomaly_and_each_is_there_once():
    kinds = typing.get_args(AnomalyKind)
    assert "after_done" in kinds
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("value", [StreamEnd("complete"), Anomaly("after_done", 1, 1), Limits()])
def test_they_are_values(value):
    name = value.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(value, name, 5)
    assert value == type(value)(**{field: getattr(value, field) for field in value.__struct_fields__})
    assert hash(value) == hash(type(value)(**{field: getattr(value, field) for field in value.__struct_fields__}))


def test_an_end_has_four_fields_in_the_order_of_the_rules():
    assert StreamEnd.__struct_fields__ == ("kind", "done_seen", "finish_seen", "trailing_bytes")
    assert Anomaly.__struct_fields__ == ("kind", "first_event", "count")
