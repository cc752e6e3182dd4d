"""Texts for regular expressions; Python's own `re` is the judge."""

import math
import re
from contextlib import suppress
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.server.samples.patterns import text_for
from chatstream.server.samples.schemas import Work, WorkLimitError


def made(pattern, *, shortest=0, longest=math.inf, variant=0):
    return text_for(pattern, work=Work(10_000), shortest=shortest, longest=longest, variant=variant)


PATTERNS = [
    "", "abc", r"^\d{3}-\d{4}$", r"^[A-Z]{2}\w+$", r"^(red|green|blue)$", r"^(\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$", r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$",
    r"^[a-z]+(-[a-z]+)*$", r"^\$[0-9]+\.[0-9]{2}$", r"[д-я]+", "[ſß]", r"^https?://[^/]+/.*$", r"^.{5}$", r"^[^a]$", r"^(a|bc)*d$", r"^\s\S\D\W$", r"^a+?b*?$",
    r"^(a(b(c)?)?)?$", r"^\u0041$", r"\A[^\x00-\x7f]\Z", r"^[^\W\d]$", r"^a$|^b$", "^^a$$", r"^(?:[01]\d|2[0-3]):[0-5]\d$", r"^#?([a-fA-F0-9]{6}|[a-fA-F0-9]{3})$",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)(-((0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*))*))?$",
]  # fmt: skip


@pytest.mark.parametrize("variant", [0, 1, 40])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_is_found_that_the_pattern_matches(pattern, variant):
    assert re.search(pattern, made(pattern, variant=variant))


@pytest.mark.parametrize(
    ("pattern", "shortest", "longest"),
    [
        (r"^[a-z]{2,9}$", 5, 5), (r"^[A-Z]", 7, 9), (r"[0-9]$", 7, 7), (r"^(ab)+$", 5, 6), (r"^[a-z]+[0-9]+$", 5, 5),
        (r"^.*$", 1000, math.inf), ("x", 200, 300), (r"^(a|[b-z]{3,8})$", 6, 7),
    ],
)  # fmt: skip
def test_a_text_of_the_wanted_length_is_found(pattern, shortest, longest):
    text = made(pattern, shortest=shortest, longest=longest)
    assert re.search(pattern, text)
    assert shortest <= len(text) <= longest


def test_a_named_group_is_read_in_the_spelling_of_javascript():
    assert made(r"^(?<year>\d{4})$") == "1234"


@pytest.mark.parametrize(
    "pattern",
    [
        "(", "[z-a]", r"(a)\1", "(?<=a)b", "(?=a)a", "(?!a)b", "(?i:a)", "(?i)a", r"\bword", r"\p{L}", "a" * 5000, "(" * 3000 + ")" * 3000, "^a$b", "b^a",
        "(?P<1>a)", "a{1,2}{3}", "[]", "a*+a", "(?>a)", r"[^\s\S]", "[a-z&&b]",
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_be_followed_is_refused(pattern):
    with pytest.raises(ValueError, match=r"pattern|regular expression"):
        made(pattern)


def test_a_pattern_whose_texts_are_all_too_long_is_refused():
    with pytest.raises(ValueError, match="no text of a fitting length"):
        made("^a{5}$", longest=4)


@pytest.mark.parametrize("pattern", ["^(a|a){40}b$", "^(a*)*c$", "(x+x+)+y", "^(a?){40}a{40}$"])
def test_a_pattern_that_is_slow_to_match_is_not_matched(pattern):
    began = perf_counter()
    assert len(made(pattern, shortest=39)) >= 39
    assert perf_counter() - began < 2


@pytest.mark.parametrize("pattern", ["a{1000000000}", "(a{1000}){1000}", "((a{99}){99}){99}b*", "(){1000000000}"])
def test_a_pattern_that_asks_for_too_long_a_text_is_refused(pattern):
    with pytest.raises(WorkLimitError):
        made(pattern)


made_patterns = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", r"\d", ".", "(?:ab|b)", "(a|b1)", "^", "$"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        ),
        st.tuples(inner, inner).map(lambda parts: f"(?:{parts[0]}|{parts[1]})"),
    ),
    max_leaves=6,
)


@given(made_patterns, st.integers(0, 9), st.integers(0, 9))
def test_what_is_found_for_a_pattern_matches_it(pattern, shortest, variant):
    try:
        text = made(pattern, shortest=shortest, variant=variant)
    except ValueError:
        return  # many of them contradict themselves
    assert re.search(pattern, text)
    assert len(text) >= shortest


@given(st.text(alphabet="()[]{}|?*+^$\\.ab1,-<>=!:P&~", max_size=20))
def test_no_pattern_raises_anything_else(pattern):
    with suppress(ValueError, WorkLimitError):
        made(pattern)
