"""Texts for regular expressions, and a matcher that cannot be slowed down; Python's own `re` is the judge."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.server.samples.patterns import UnusablePatternError, Work, WorkLimitError, matches, text_for

STEPS = 100_000

PATTERNS = [
    "", "abc", r"^\d{3}-\d{4}$", r"^[A-Z]{2}\w+$", r"^(red|green|blue)$", r"^(\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$", r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$",
    r"^[a-z]+(-[a-z]+)*$", r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{8,}$", r"^(?!x)[a-z]+$", r"\bword\b", r"^\$[0-9]+\.[0-9]{2}$", r"[д-я]+",
    r"^https?://[^/]+/.*$", r"^.{5}$", r"^[^a]$", r"^(a|bc)*d$", r"^\s\S\D\W$", r"^a+?b*?$", r"^[a-z&&|~\[]+$", r"^(a(b(c)?)?)?$", r"^\u0041$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_is_found_that_the_pattern_matches(pattern):
    text = text_for(pattern, work=Work(STEPS))
    assert re.search(pattern.replace("[a-z&&|~\\[]", "[a-z&|~\\[]"), text)


@pytest.mark.parametrize(
    ("pattern", "shortest", "longest"),
    [
        (r"^[a-z]{2,9}$", 5, 5), (r"^[A-Z]", 7, 9), (r"[0-9]$", 7, 7), (r"^(ab)+$", 5, 6), (r"^[a-z]+[0-9]+$", 5, 5),
        (r"^.*$", 3000, None), ("x", 200, 300), (r"^(a|[b-z]{3,8})$", 6, 7),
    ],
)  # fmt: skip
def test_a_text_of_the_wanted_length_is_found(pattern, shortest, longest):
    text = text_for(pattern, work=Work(STEPS), shortest=shortest, longest=longest)
    assert re.search(pattern, text)
    assert shortest <= len(text) <= (longest or 10**6)


def test_a_named_group_is_read_in_the_spelling_of_javascript():
    assert text_for(r"^(?<year>\d{4})$", work=Work(STEPS)) == "1234"


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "[z-a]",
        r"(a)\1",
        "(?<=a)b",
        "(?i:a)",
        r"\p{L}",
        "a" * 5000,
        "(" * 3000 + ")" * 3000,
        "^a$b",
        "(?P<1>a)",
        "a{1,2}{3}",
        "[]",
    ],
)
def test_a_pattern_that_cannot_be_followed_is_refused(pattern):
    with pytest.raises((UnusablePatternError, WorkLimitError)):
        text_for(pattern, work=Work(STEPS))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y", "^((a*)*)*$", "^(a?){40}a{40}$"])
def test_a_pattern_meant_to_be_slow_is_answered_at_once(pattern):
    began = time.perf_counter()
    with suppress(WorkLimitError):
        assert not matches(pattern, "a" * 39 + "!", work=Work(STEPS))
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("pattern", ["a{1000000000}", "(a{1000}){1000}", "((a{99}){99}){99}b*"])
def test_a_pattern_that_asks_for_too_long_a_text_is_refused(pattern):
    with pytest.raises((UnusablePatternError, WorkLimitError)):
        text_for(pattern, work=Work(STEPS))
    assert not matches(pattern, "aaa", work=Work(STEPS))


atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", r"\d", ".", "(?:ab|b)", "(a|b1)", "^", "$", r"\b", "(?=a)", "(?!b)"])
made_patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        ),
        st.tuples(inner, inner).map(lambda parts: f"(?:{parts[0]}|{parts[1]})"),
    ),
    max_leaves=6,
)


@given(made_patterns, st.text(alphabet="ab1 ", max_size=8))
def test_a_text_matches_when_it_does_for_the_standard_library(pattern, text):
    assert matches(pattern, text, work=Work(10**6)) == (re.search(pattern, text) is not None)


@given(made_patterns)
def test_what_is_found_for_a_pattern_matches_it(pattern):
    try:
        text = text_for(pattern, work=Work(STEPS))
    except UnusablePatternError:
        return  # many of them contradict themselves
    assert re.search(pattern, text)


@given(st.text(alphabet="()[]{}|?*+^$\\.ab1,-<>=!:P&~", max_size=20))
def test_no_pattern_raises_anything_else(pattern):
    with suppress(UnusablePatternError, WorkLimitError):
        text_for(pattern, work=Work(STEPS))
