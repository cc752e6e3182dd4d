"""Text cut into tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.server.echo.tokens import count, cut


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("Hello there", ["Hello", " there"]),
        ("international", ["intern", "ationa", "l"]),
        ("a, b!", ["a", ",", " b", "!"]),
        ("日本語 text", ["日", "本", "語", " text"]),
        ("한글", ["한", "글"]),
        ("one\n\n  two", ["one", "\n\n ", " two"]),
        ("x  ", ["x", "  "]),
        ("snake_case", ["snake_", "case"]),
        ("😀é", ["😀", "é"]),
        ("\ud83d", ["\ud83d"]),
    ],
)
def test_words_signs_and_marks_are_tokens(text, tokens):
    assert cut(text) == tokens


@given(st.text(alphabet=st.characters(codec=None) | st.sampled_from(" \n\ta日1.")))
def test_tokens_join_to_the_text_and_are_small(text):
    tokens = cut(text)
    assert "".join(tokens) == text
    assert all(0 < len(token) <= 16 for token in tokens)
    assert count(text) == len(tokens)


def test_a_very_long_text_is_counted_by_its_beginning():
    assert count("hello " * 10**6) == pytest.approx(2 * count("hello " * (5 * 10**5)), rel=0.01)
