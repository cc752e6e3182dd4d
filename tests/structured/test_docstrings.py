"""What docstrings tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.structured.docstrings import read_docstring

GOOGLE = """
    The weather in a city.

    As it was measured.

    Args:
        city: Where to look,
            in English.
        unit (str, optional): Of the temperature: C or F.
        *rest: Anything else.

    Returns:
        str: Words.
    """
REST = """The weather in a city.

    As it was measured.

    :param city: Where to look,
        in English.
    :param str unit: Of the temperature: C or F.
    :returns: Words.
    """
NUMPY = """The weather in a city.

    As it was measured.

    Parameters
    ----------
    city : str
        Where to look,
        in English.
    unit : {"C", "F"}, optional
        Of the temperature: C or F.

    Returns
    -------
    str
        Words.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, REST, NUMPY], ids=["google", "rest", "numpy"])
def test_each_form_gives_a_text_for_the_function_and_one_for_each_parameter(docstring):
    text, parameters = read_docstring(docstring, {"city", "unit"})
    assert text == "The weather in a city.\n\nAs it was measured."
    assert parameters == {"city": "Where to look,\nin English.", "unit": "Of the temperature: C or F."}


def test_what_is_no_parameter_is_left_out():
    assert read_docstring(GOOGLE, {"unit"})[1] == {"unit": "Of the temperature: C or F."}
    assert read_docstring(GOOGLE, ())[1] == {}


def test_several_names_before_one_text_have_it_each():
    docstring = "A.\n\nParameters\n----------\nx, y : int\n    Where.\n"
    assert read_docstring(docstring, {"x", "y"}) == ("A.", {"x": "Where.", "y": "Where."})


def test_the_form_is_the_one_that_finds_most_parameters():
    docstring = "A.\n\nArgs:\n    x: One.\n\n:param x: Two.\n:param y: Three.\n"
    assert read_docstring(docstring, {"x", "y"})[1] == {"x": "Two.", "y": "Three."}
    assert read_docstring("A.\n\nReturns:\n    int: Words.\n", ())[0] == "A."


@pytest.mark.parametrize("docstring", [None, "", "  \n ", "\n\n"])
def test_a_blank_one_tells_nothing(docstring):
    assert read_docstring(docstring, {"x"}) == (None, {})


@pytest.mark.parametrize(
    "docstring",
    ["At 10:30.", "A.\n\nArgs:\n    x without a colon\n", "A.\n\n:param", "A.\n\nArgs:\n", "Args: none.\n:x"],
)
def test_one_in_no_known_form_is_all_text(docstring):
    assert read_docstring(docstring, {"x"}) == (docstring.strip(), {})


LINES = st.sampled_from(
    [
        "Args:",
        "    x: y",
        "    x (",
        ":param x: y",
        ":param",
        "Parameters",
        "----------",
        "x : int",
        "Returns:",
        "",
        " ",
        ":",
    ]
)


@given(st.text(max_size=30) | st.lists(LINES | st.text(max_size=5)).map("\n".join))
def test_no_docstring_is_an_error(docstring):
    text, parameters = read_docstring(docstring, {"x", "y"})
    assert text is None or text.strip() == text != ""
    assert parameters.keys() <= {"x", "y"}
