"""`chatstream.jsontext`: what is read as JSON, what is not, and what is written."""

import json
import math

import msgspec
import pytest

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import BAD_UTF8, entries, members, mend, plain, read_json, write_json

HIGH, LOW = "\ud83d", "\ude00"


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 1.5, "", "é😀\u2028\x00", [], {}, [1, [2, {"a": None}]], {"": {"": []}}, 2**64, 10**400],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_json_is_read_as_the_standard_library_reads_it(value, ensure_ascii):
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    found, _ = read_json(text.encode())
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [" 1", "1 ", "\n{}\t", "\r[]"])
def test_white_space_around_a_value_is_nothing(text):
    assert read_json(text.encode())[0] == json.loads(text)


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"a":{"b":1},"a":{"c":2}}'])
def test_of_a_key_that_comes_twice_the_last_value_counts(text):
    assert read_json(text.encode())[0] == json.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("NaN", math.nan), ("[Infinity]", [math.inf]), ('{"a": -Infinity}', {"a": -math.inf}), ("1e999", math.inf)],
)
def test_nan_and_infinities_are_read(text, value):
    assert repr(read_json(text.encode())[0]) == repr(value)


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "]", "{]", "nul", "nan", "+1", "01", "1.", ".5", "1e", "'a'", '"', '"\n"', '{"a"}', "{a:1}",
     "[1,]", "1 2", "\ufeff1", "//", "0x1", "1_000", "٣", "True", '"\\x41"', '"\\u12"', "\x00", "[1 2]"],
)  # fmt: skip
def test_what_is_no_json_is_a_protocol_error(text):
    with pytest.raises(StreamProtocolError):
        read_json(text.encode())


def test_an_error_names_the_place_and_not_the_text():
    with pytest.raises(StreamProtocolError) as caught:
        read_json(b'{"password": "hunter2", broken}')
    assert "hunter2" not in str(caught.value)
    assert "broken" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "data", [b'"a\xffb"', b'"\xe2\x82"', b'"\xed\xa0\x80"', b'"\xf8\x88\x80\x80\x80"', b'{"\xff": 1}', b'"\xc0\x80"']
)
def test_bytes_that_are_no_utf8_become_replacement_characters_and_are_told(data):
    value, flags = read_json(data)
    assert value == json.loads(data.decode("utf-8", "replace"))
    assert flags & BAD_UTF8


@pytest.mark.parametrize("data", [b'"a"', b'"\\ud83d"', '"é"'.encode(), b"NaN", b"1"])
def test_good_utf8_is_not_told_to_be_bad(data):
    assert not read_json(data)[1] & BAD_UTF8


def test_bad_utf8_outside_a_string_is_a_protocol_error():
    with pytest.raises(StreamProtocolError):
        read_json(b'{"a": \xff}')


@pytest.mark.parametrize("digits", [1, 19, 20, 309, 4299, 4300])
def test_numbers_of_up_to_4300_digits_are_read(digits):
    assert read_json(b"9" * digits)[0] == 10**digits - 1
    assert read_json(b"-" + b"9" * digits)[0] == 1 - 10**digits


@pytest.mark.parametrize(
    "number",
    [
        b"9" * 4301,
        b"-" + b"9" * 4301,
        b"0." + b"9" * 4301,
        b"1" * 4000 + b"." + b"1" * 301,
        b"[1, " + b"9" * 9999 + b"]",
        b"1" * 4301 + b"e1",
    ],
)
def test_longer_numbers_are_a_protocol_error(number):
    with pytest.raises(StreamProtocolError):
        read_json(number)


def test_digits_in_a_string_and_long_lists_of_numbers_are_no_long_number():
    assert read_json(b'"' + b"9" * 9999 + b'"')[0] == "9" * 9999
    assert read_json(json.dumps([123] * 5000, separators=(",", ":")).encode())[0] == [123] * 5000
    assert read_json(b"1" + b"0" * 4000 + b".5e3")[0] == math.inf


@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_depth_is_counted_over_lists_and_objects(left, right):
    levels = left.count(b"[") + left.count(b"{")
    for depth in (1, 10, 128):
        data = left * depth + b"0" + right * depth
        read_json(data, max_depth=depth * levels)
        with pytest.raises(StreamLimitError) as caught:
            read_json(data, max_depth=depth * levels - 1)
        assert (caught.value.limit, caught.value.value) == ("max_depth", depth * levels - 1)


@pytest.mark.parametrize(
    "text", ['"[[[["', '"\\"[[[["', '"\\\\"', '{"[[[[": "{{{{"}', '["[", "[", "[[[["]', '"\\\\\\"[[[["']
)
def test_brackets_in_strings_are_no_depth(text):
    assert read_json(text.encode(), max_depth=1)[0] == json.loads(text)


def test_brackets_behind_a_string_are_counted():
    with pytest.raises(StreamLimitError):
        read_json(b'["\\\\", [[]]]', max_depth=2)


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"NaN" + b"]" * 100_000, b'["\\' * 50_000]
)
def test_hostile_depth_is_an_error_of_ours_with_a_limit_and_without(data):
    for max_depth in (256, None):
        with pytest.raises((StreamLimitError, StreamProtocolError)):
            read_json(data, max_depth=max_depth)


# ---------------------------------------------------------------- mend and plain


@pytest.mark.parametrize(
    ("text", "mended"),
    [("", ""), ("abc", "abc"), ("é😀\u2028", "é😀\u2028"), (HIGH, "\ufffd"), (LOW, "\ufffd"), (HIGH + LOW, "😀"),
     (LOW + HIGH, "\ufffd" * 2), (f"a{HIGH}b", "a\ufffdb"), (HIGH + HIGH + LOW, "\ufffd😀"),
     (HIGH + LOW + LOW, "😀\ufffd"),
     ("\ufffd", "\ufffd"), ("\udfff\x00", "\ufffd\x00"), ("\U0010ffff\udbff", "\U0010ffff\ufffd")],
)  # fmt: skip
def test_mending_joins_pairs_and_replaces_every_lone_half(text, mended):
    assert mend(text) == mended
    assert mend(mended) == mended


def test_plain_shares_nothing_with_what_it_was_made_of():
    value = {"a": [{"b": [1]}]}
    copy = plain(value)
    assert copy == value
    copy["a"][0]["b"].append(2)
    assert value == {"a": [{"b": [1]}]}


def test_plain_values_can_be_encoded_and_have_no_infinities():
    value = {"\ud83d": ["\ude00", math.nan, math.inf, -math.inf, 1.5, (1, "\ud83d")]}
    found = plain(value)
    assert found == {"\ufffd": ["\ufffd", None, None, None, 1.5, [1, "\ufffd"]]}
    json.dumps(found, allow_nan=False).encode()
    assert plain([math.inf], keep_infinities=True) == [math.inf]


# ---------------------------------------------------------------- written


@pytest.mark.parametrize(
    "value", [None, True, 0, -1, 1.5, "é😀", [], {}, {"a": [1, {"b": None}]}, 2**64, 10**400, "\x00\u2028"]
)
def test_what_is_written_is_compact_and_is_read_as_the_same_value(value):
    text = write_json(value)
    assert json.loads(text) == value
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":")) or isinstance(value, float | str)
    assert read_json(text.encode())[0] == value


def test_nan_and_infinities_are_written_as_null():
    assert write_json([math.nan, {"a": math.inf}, -math.inf]) == '[null,{"a":null},null]'


def test_lone_surrogates_are_written_as_replacement_characters():
    assert json.loads(write_json({"\ud83d": ["\ude00", "😀"]})) == {"\ufffd": ["\ufffd", "😀"]}


def test_very_large_numbers_and_deep_values_are_written():
    assert write_json(10**4299) == "1" + "0" * 4299
    deep = []
    for _ in range(200):
        deep = [deep]
    assert write_json(deep) == "[" * 201 + "]" * 201


def test_what_is_written_needs_no_decoder_of_ours():
    assert msgspec.json.decode(write_json({"a": [1.5, "é"]})) == {"a": [1.5, "é"]}


def test_what_is_no_object_or_array_is_an_empty_one():
    assert members({"a": 1}) == {"a": 1}
    assert entries([1]) == [1]
    for value in (None, 1, "x", True):
        assert members(value) == {}
        assert entries(value) == []
    assert members([1]) == {}
    assert entries({"a": 1}) == []
