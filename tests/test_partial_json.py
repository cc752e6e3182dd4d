"""Unfinished JSON: what can be read of it, and whether an object is whole."""

import json
from itertools import pairwise

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.partial_json import ObjectScanner, PartialJSON, partial_value, read_partial, read_whole_object
from chatstream.text import Text
from counting import opcodes, peaks

KEYS = st.text(max_size=5) | st.sampled_from("ab")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
ODD_VALUES = st.recursive(
    st.sampled_from(
        [float("nan"), float("inf"), -float("inf"), -0.0, 1, 1.0, True, 2**64, -(10**40), "\0\x7f\u2028\ufeff"]
    )
    | st.text('\\"/\n\x1fé日😀\ud83d\ude00u0', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
SPACING = st.sampled_from([{}, {"separators": (",", ":")}, {"separators": (" , ", "\r:\t")}, {"indent": 1}])
WHOLE = st.builds(
    lambda value, ensure_ascii, spacing, around: (
        around + json.dumps(value, ensure_ascii=ensure_ascii, **spacing) + around
    ),
    VALUES | ODD_VALUES,
    st.booleans(),
    SPACING,
    st.sampled_from(["", " ", "\n\t\r "]),
)
# What texts about JSON are made of, and what is nearly JSON.
PIECES = [
    *'""""\\{}[],,::0123456789.-+eE abdu/x_',
    *(
        "\\u",
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\ude00",
        "\\u00e9",
        "\\n",
        '\\"',
        "\\x",
        "d83d",
        "00",
        "-0",
        "1.5",
        "1e400",
    ),
    *(
        "true",
        "tru",
        "false",
        "null",
        "nul",
        "NaN",
        "Na",
        "Infinity",
        "-Infinity",
        "-Inf",
        '"a":',
        '{"a":',
        '"a"',
        "]]",
        "}}",
    ),
    *("\n", "\t", "\r", "\x0b", "\0", "\x1f", "\x7f", "é", "日", "😀", "\xa0", "\u2028", "\ufeff", "\ud800", "\udc00"),
]
GARBAGE = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


@st.composite
def mutated(draw):
    text = draw(WHOLE)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 3))
        text = text[:start] + draw(st.sampled_from(["", *PIECES])) + text[end:]
    return text


TEXTS = WHOLE | mutated() | GARBAGE
CUTS = st.lists(st.integers(1, 12), max_size=40)


def reference(text):
    """What pydantic-core reads, shown: so that 1 is not 1.0 or True, nor 0.0 -0.0, and NaN is NaN."""
    try:
        return repr(pydantic_core.from_json(text, allow_partial="trailing-strings"))
    except (ValueError, TypeError):
        return repr(None)


def cut(text, lengths):
    """The text in fragments of these lengths, and what is left in one more."""
    fragments = []
    for length in lengths:
        fragments.append(text[:length])
        text = text[length:]
    return [fragment for fragment in [*fragments, text] if fragment]


def check(fragments, asked=lambda _: True):
    """Feed the fragments; where a value is asked for, it is the reference's. All the text is always asked for."""
    partial, so_far = PartialJSON(), ""
    for number, fragment in enumerate(fragments):
        if asked(number):
            assert repr(partial.value()) == reference(so_far), so_far
        partial.feed(fragment)
        so_far += fragment
        assert partial.length == len(so_far)
    assert repr(partial.value()) == reference(so_far), so_far
    assert repr(partial.value()) == reference(so_far), so_far


# ---------------------------------------------------------------- as the reference reads it

ODD_TEXTS = [
    # Where a text begins, and what may follow its end.
    *("", " ", "\n\t\r 1 ", "\x0b1", "\xa01", "\ufeff{}", "{}x", "{} }", "1 2", '"a"x', "[]]", "nullx", "truefalse", "x", "}", ":"),
    # Commas.
    *("[1, 2 ]", "[1,]", "[,1]", "[1,,2]", '{"a":1,}', "{,}", '{"a":1,,"b":2}', "[1 2]", '["a" "b"]', '{"a":1 "b":2}', "[1,\xa02]"),
    # A mark that cannot follow a value.
    *('{"a":[1},"b":2}', '{"a":{"b":[1},"c":2}', '{"a":{"b":[1}},"c":2', "[[1 x],2]", '[{"a":1],2]', "[[1}}],2", "[1:2,3]", "[[]1]", "[1-,2]", '{"a":1-,"b":2}', "[[1-],2]", "[nullx,1]", '[{}"a"]'),
    # Numbers.
    *("12.5e+10,", "[-0.0, -0, 0.0, 0]", "[01]", "[-01]", "[0x1]", "[1.]", "[1.x", "[1e]", "[-]", "[--1]", "[+1]", "[.5]", "[1-2]", "[1.5.5]"),
    *("[1e400,-1e400,1e-400]", "[1" + 40 * "0" + "]", "[0.1" + 40 * "1" + "]", "1.", "1e5.5", "-", "[1_000]", "1\xa0"),
    # Words.
    *("[true,false,null]", "[trux]", "[tru]", "[truex]", "nul", "[NaN, Infinity, -Infinity]", "[nan]", "[-NaN]", "[-Ix", "[Infinityx", "[-Inf]"),
    # Strings.
    *('"a\\', '"\\u00e9\\ud83d\\ude00\\n\\/\\""', '"\\ud83d"', '"\\ud83dx"', '"\\ud83d\\n"', '"\\ud83d\\u0041"', '"\\ude00"', '"\\x"', '"\\U0041"'),
    *('["\\u"]', '["\\u"],1]', '["\\u12"],x]', '"\\u1é"', '"\\ué"', '"\\u😀"', '"\\ud83d\\ué"', '"\\ud83d\\u"', '"\\uD83D\\uDE00"', '"\\ud83d\\'),
    *('"a\nb"', '"a\0b"', '"a\x1fb"', '"a\x7f\x80\u2028\ufeff\U0010ffff"', '["a', '"a\\\nb"', '"\\ud83d\\u\n000"'),
    # Keys.
    *('{"a" : 1 , "b":2}', '{"a"x:1}', '{"a":}', '{"a":x', "{1:2}", "{a:1}", '{"a\nb":1}', '{"a\\x":1}', '{"\\u00e9\\ud83d\\ude00":1}'),
    *('{"\\ud83d":1}', '[{"],x', '{"a":{"b\\u12', '{"a":1,"b":2,"a":[3]}', '{"a":1,"b":2,"a":"x"}', '{"a":1,"b":2,"a":1.', '{"a":{"x":1},"a":{"y":2}}'),
]  # fmt: skip


@given(TEXTS)
def test_every_prefix_is_read_as_pydantic_reads_it(text):
    check(list(text))


@given(TEXTS, CUTS, st.sets(st.integers(0, 40)))
def test_it_does_not_matter_how_a_text_is_cut_nor_when_it_is_read(text, lengths, asked):
    check(cut(text, lengths))
    check(cut(text, lengths), asked.__contains__)
    check(list(text), asked.__contains__)
    check([text])


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_every_prefix_of_an_odd_text_is_read_as_pydantic_reads_it(text):
    check(list(text))
    check([text])
    for length in range(1, len(text)):
        check(cut(text, [length]))


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', "[1,", '{"b":[],"a":'])
@pytest.mark.parametrize("value", ["]", "{}", "[]", '""', "1", "tru", "-", '"\\u'])
def test_too_deep_is_what_is_too_deep_for_pydantic(opening, value):
    limit = next(depth for depth in range(1000) if reference(depth * "[" + "1") == "None")
    depth = limit // (opening.count("[") + opening.count("{"))
    for text in (opening * (depth - 1), opening * depth, opening * (depth + 1)):
        check([text, *value, *"]}]}", " ", "x"])
    check([depth * opening, 3 * opening])


@pytest.mark.parametrize("number", ["1", "-1", "0.1"])
def test_too_long_is_what_is_too_long_for_pydantic(number):
    check(["[", number + 4295 * "1", *(10 * "1"), *".5e1]"])


@pytest.mark.parametrize(
    "text", ['"a\ud800', '[1]\ud800"', "\ud800", '{"\ud800', "[1,\ud800", '"\\n\ud800', "[1] \ud83d\ude00 "]
)
def test_a_surrogate_makes_a_text_unreadable_wherever_it_stands(text):
    check(list(text))
    check([text, "a"])


@given(WHOLE)
def test_read_partial_reads_the_same(text):
    for end in range(len(text) + 1):
        assert repr(read_partial(text[:end])) == reference(text[:end])


@given(VALUES)
def test_a_whole_text_is_read_as_what_it_is(value):
    partial = PartialJSON()
    partial.feed(json.dumps(value))
    assert read_partial(json.dumps(value)) == partial.value() == value


@pytest.mark.parametrize("text", ["", " ", "x", "}", "{]", "{'a'", "\x00", "nan", '{"a" 1', "\ud800"])
def test_what_cannot_be_read_is_none(text):
    assert read_partial(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        '{"a":' * 10_000,
        "1" * 10_000,
        "[" + "1-" * 10_000,
        '"' + "x" * 100_000,
        '"' + "\\" * 9_999,
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
    partial = PartialJSON()
    for fragment in text:
        partial.feed(fragment)
    assert repr(partial.value()) == repr(read_partial(text))


# ---------------------------------------------------------------- what is handed out


@given(TEXTS, CUTS)
def test_what_was_handed_out_never_changes(text, lengths):
    partial, given_out = PartialJSON(), []
    for fragment in cut(text, lengths) * 2:
        partial.feed(fragment)
        given_out.append(partial.value())
    shown = repr(given_out)
    for fragment in ('"', "]", "}", ",", "1]", text):
        partial.feed(fragment)
        partial.value()
    assert repr(given_out) == shown


def spoil(value):
    """Do to a value, and to all that is in it, what an owner may do."""
    if isinstance(value, list):
        for inner in value:
            spoil(inner)
        value[:] = ["spoilt"]
    elif isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value.clear()
        value["spoilt"] = True


@given(
    st.lists(st.sampled_from(["[", '{"a":', '[1,"b",', '{"c":null,"a":', '{"a":"b","a":'])),
    st.sampled_from(['"x\\ny', "12", "tru", ""]),
    CUTS,
)
def test_an_open_list_or_object_is_its_readers_own(opening, end, lengths):
    text = "".join(opening) + end
    partial, so_far = PartialJSON(), ""
    for fragment in cut(text, lengths):
        partial.feed(fragment)
        so_far += fragment
        spoil(partial.value())
        assert repr(partial.value()) == reference(so_far)


def test_what_is_closed_is_shared_and_what_is_open_is_not():
    partial = PartialJSON()
    partial.feed('{"closed":[{"x":1}],"open":[{"y":2},{"z":"')
    one, same_text = partial.value(), partial.value()
    partial.feed("abc")
    other = partial.value()
    assert one == same_text == {"closed": [{"x": 1}], "open": [{"y": 2}, {"z": ""}]}
    assert other["open"][1] == {"z": "abc"}
    assert one["closed"] is same_text["closed"] is other["closed"]
    assert one["open"][0] is same_text["open"][0] is other["open"][0]
    opened = [part for value in (one, same_text, other) for part in (value, value["open"], value["open"][1])]
    assert len(set(map(id, opened))) == len(opened)
    partial.feed('"}]}')
    assert partial.value() is partial.value()
    assert one == same_text


def test_a_key_that_comes_again_is_held_once():
    partial = PartialJSON()
    for fragment in ('[{"na', 'me":1},{"n', 'ame":2}]'):
        partial.feed(fragment)
    (first,), (second,) = partial.value()
    assert first is second


# ---------------------------------------------------------------- the text of a stream


@given(
    TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()), CUTS, st.lists(st.integers(0, 40), max_size=60)
)
def test_every_mark_is_read_as_it_was_then_in_whatever_order(text, lengths, order):
    grown, asked, so_far = Text([]), [], ""
    for fragment in cut(text, lengths):
        so_far += fragment
        asked.append((grown.append(fragment), fragment, reference(so_far)))
    for number in [*order, *range(len(asked)), *order]:
        if number < len(asked):
            mark, fragment, expected = asked[number]
            assert repr(partial_value(grown, mark, fragment)) == expected


@given(TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()), CUTS, st.sets(st.integers(0, 40)))
def test_a_mark_is_read_while_the_text_grows(text, lengths, asked):
    grown, so_far = Text([]), ""
    for number, fragment in enumerate(cut(text, lengths)):
        so_far += fragment
        mark = grown.append(fragment)
        if number in asked:
            assert repr(partial_value(grown, mark, fragment)) == reference(so_far)
            assert repr(partial_value(grown, mark, fragment)) == reference(so_far)
    assert grown.read() == so_far


def test_a_delta_read_in_order_does_not_read_the_text(monkeypatch):
    monkeypatch.delattr(Text, "read")
    text = Text([])
    for fragment in ("", '{"a"', ":1", "2", "}"):
        value = partial_value(text, text.append(fragment), fragment)
    assert value == {"a": 12}


def test_an_old_mark_is_read_without_losing_the_place(monkeypatch):
    text = Text([])
    old, new = text.append('["a'), text.append('b"')
    assert partial_value(text, old, '["a') == ["a"]
    assert partial_value(text, new, 'b"') == ["ab"]
    assert partial_value(text, old, '["a') == ["a"]
    assert text.partial.length == new
    mark = text.append(',"c')
    monkeypatch.delattr(Text, "read")
    assert partial_value(text, mark, ',"c') == ["ab", "c"]


def test_what_was_not_asked_for_is_read_once_when_something_is(monkeypatch):
    read = []
    original = Text.read
    monkeypatch.setattr(
        Text, "read", lambda self, mark=None, start=0: read.append(mark - start) or original(self, mark, start)
    )
    text = Text([])
    for number in range(3000):
        fragment = f'"{number}",' if number else "["
        mark = text.append(fragment)
        if number % 7 == 6:
            assert len(partial_value(text, mark, fragment)) == number
    first_two = len("".join(f'"{number}",' for number in range(14)))
    assert sum(read) <= text.length + first_two


def test_a_single_late_mark_is_read_at_once(monkeypatch):
    monkeypatch.delattr(PartialJSON, "feed")
    text = Text([])
    text.append('{"a":')
    assert partial_value(text, text.append("1}"), "1}") == {"a": 1}


# ---------------------------------------------------------------- work


def steps(count):
    yield '{"steps":['
    for number in range(count):
        yield from (
            '{"exp',
            'lanation":',
            '"so',
            " and",
            " so",
            '\\n"',
            ',"output":',
            f"{number}",
            '.5,"ok":tr',
            "ue",
            "}",
            ",\n",
        )


def feed_and_read(fragments):
    partial = PartialJSON()
    for fragment in fragments:
        partial.feed(fragment)
        partial.value()


SHAPES = {
    "plain": lambda n: ['{"a":"', *n * ["word "]],
    "steps": lambda n: list(steps(n // 12)),
    "escapes": lambda n: ['"', *n // 5 * ["\\n", "\\u00", "e9\\ud8", "3d\\u", "de00"]],
    "not ASCII": lambda n: ['["', *n * ["日本"]],
    "numbers": lambda n: ["[", *n * ["1,"]],
    "opened and closed": lambda n: ["[", *n * ['[{"a":1}],']],
    "a key that does not end": lambda n: ["{", '"', *n * ["word"]],
    "space": lambda n: n * [" \n"],
    "behind the end": lambda n: ["{}", *n * ['"}[']],
    "behind the end, not ASCII": lambda n: ["{}", *n * ["é"]],
    "broken": lambda n: ["[}", *n * ['"}[']],
    "too deep": lambda n: n * ['{"a":'],
    "a value with garbage after it": lambda n: ["[1", *n * ["-"]],
    "an escape that is none": lambda n: ['"\\ud83d', *n * ["x"]],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", ["fragments", "one fragment"])
def test_work_grows_as_the_text_does(shape, size):
    once, twice = SHAPES[shape](600), SHAPES[shape](1200)
    if size == "one fragment":
        once, twice = ["".join(once)], ["".join(twice)]
    assert opcodes(lambda: feed_and_read(twice)) <= 2.2 * opcodes(lambda: feed_and_read(once)) + 200


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_given_to_pydantic_grows_as_the_text_does(shape, monkeypatch):
    parsed = []
    original = pydantic_core.from_json
    monkeypatch.setattr(
        pydantic_core, "from_json", lambda text, **how: parsed.append(len(text)) or original(text, **how)
    )
    for fragments in (SHAPES[shape](1200), ["".join(SHAPES[shape](1200))]):
        parsed.clear()
        feed_and_read(fragments)
        assert sum(parsed) <= 8 * len("".join(fragments)) + 30_000  # which is how the limit of depth is found


@pytest.mark.parametrize("shape", SHAPES)
def test_feeding_copies_what_is_fed_and_no_more(shape):
    feed_and_read(SHAPES[shape](100))  # what is loaded or built when first needed
    once, twice = (peaks(PartialJSON(), SHAPES[shape](n)) for n in (2000, 4000))
    assert twice <= 2.2 * once


@pytest.mark.parametrize("fragments", [['["', *1000 * ["word"]], ['{"', *1000 * ["word"]], ["[0.", *1000 * ["1"]]])
def test_what_was_read_is_held_in_one_piece(fragments):
    partial = PartialJSON()
    for fragment in fragments:
        partial.feed(fragment)
        partial.value()
    assert len(partial._pieces) == 1


def test_reading_a_long_string_each_time_copies_it_once_each_time():
    class Reader(PartialJSON):
        def feed(self, fragment):
            super().feed(fragment)
            self.value()

    word = 1000 * "x"
    copied = peaks(Reader(), ['"', *100 * [word]])
    assert copied <= 1.2 * sum(len(word) * number for number in range(101))


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
