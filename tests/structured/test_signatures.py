"""Signatures: what the arguments of a function are, and how it is called with them."""

import functools
import sys
import types
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from chatstream.structured import ToolContext
from chatstream.structured.signatures import docstring_of, innermost, read_method, read_signature

CONTEXT = ToolContext(context="mine", tool_call_id="call_1", name="f", messages=())


def schema_of(function, docstring=None):
    arguments, _ = read_signature(function, "f").arguments_type("f", docstring)
    return TypeAdapter(arguments).json_schema()


def properties(function, docstring=None):
    return schema_of(function, docstring)["properties"]


def filled(function, **arguments):
    """What a function gives when it is called with these arguments and the context."""
    positional, by_name = read_signature(function, "f").filled(arguments, CONTEXT)
    return function(*positional, **by_name)


def module(text):
    """A module of this source: annotations are what they are where a function is defined."""
    made = types.ModuleType("made")
    exec(text, made.__dict__)  # noqa: S102  the test's own text
    return made


# ---------------------------------------------------------------- what the arguments are


def test_parameters_are_keys_and_those_without_a_default_are_required():
    def f(a: int, b: str = "x", *, c: float | None, d: Literal["y"] = "y"): ...

    schema = schema_of(f)
    assert list(schema["properties"]) == ["a", "b", "c", "d"]
    assert schema["required"] == ["a", "c"]
    assert schema["additionalProperties"] is False
    assert schema["title"] == "f"


def test_any_name_works():
    names = ["json", "copy", "_x", "self_", "model_config", "schema", "cls", "été", "keys"]
    made = module(f"def f({', '.join(f'{name}: int' for name in names)}): ...")
    assert list(properties(made.f)) == names
    arguments, _ = read_signature(made.f, "f").arguments_type("f", None)
    text = "{" + ", ".join(f'"{name}": 1' for name in names) + "}"
    assert TypeAdapter(arguments).validate_json(text) == dict.fromkeys(names, 1)


def test_a_description_comes_from_a_field_then_a_string_then_the_docstring():
    def f(
        a: Annotated[int, Field(description="field"), "string"],
        b: Annotated[int, Field(ge=1), "string", "another"],
        c: Annotated[int, Field(ge=1)],
        d: int,
        e: int,
    ): ...

    docstring = "F.\n\nArgs:\n" + "".join(f"    {name}: docstring\n" for name in "abcd")
    found = properties(f, docstring)
    assert [found[name].get("description") for name in "abcde"] == ["field", "string", "docstring", "docstring", None]
    assert [found[name].get("minimum") for name in "bc"] == [1, 1]


def test_annotations_may_be_text():
    made = module(
        "from __future__ import annotations\n"
        "from typing import Annotated, Optional\n"
        "from pydantic import Field\n"
        "class Here: ...\n"
        "def f(a: int, b: Optional[list['str']], c: Annotated[int, Field(ge=2)], d: None) -> Nowhere: ...\n"
    )
    found = properties(made.f)
    assert found["a"]["type"] == "integer"
    assert found["b"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    assert found["c"]["minimum"] == 2
    assert found["d"]["type"] == "null"


def test_the_annotation_of_the_result_is_nobodys_business():
    def f(a: int) -> "Nowhere": ...  # noqa: F821

    assert list(properties(f)) == ["a"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("a", "f: the parameter a has no annotation"),
        ("a: int, b=1", "f: the parameter b has no annotation"),
        ("*args: int", "f: *args cannot be described: name each argument"),
        ("**rest: int", "f: **rest cannot be described: name each argument"),
        (
            "a: 'Nowhere'",
            "f: the annotation of a cannot be resolved: 'Nowhere' is not known where the function is defined",
        ),
        ("a: 'list[Nowhere]'", "f: the annotation of a cannot be resolved: 'Nowhere' is not known where"),
        ("a: '1 +'", "f: the annotation of a cannot be resolved: SyntaxError"),
        ("a: 'print.nothing'", "f: the annotation of a cannot be resolved: AttributeError"),
        ("a: int = Field(ge=1)", "f: the parameter a has a Field as its default: put it into Annotated"),
    ],
)
def test_what_cannot_be_described_is_told_by_its_name(parameters, message):
    made = module(f"from pydantic import Field\ndef f({parameters}): ...")
    with pytest.raises(TypeError) as caught:
        read_signature(made.f, "f")
    assert str(caught.value).startswith(message)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated when the function is made")
def test_annotations_that_are_evaluated_late_are_told_likewise():
    made = module("def f(a: int) -> Nowhere: ...\ndef g(a: Nowhere): ...")
    assert list(properties(made.f)) == ["a"]
    with pytest.raises(TypeError, match="f: the annotation of a cannot be resolved: 'Nowhere' is not known"):
        read_signature(made.g, "f")


def test_a_function_that_does_not_tell_its_parameters_is_told():
    with pytest.raises(TypeError, match=r"f: it does not tell its parameters: .*incorrect arguments"):
        read_signature(functools.partial(lambda: None, 1), "f")


# ---------------------------------------------------------------- kinds of functions


class Weather:
    """A source of weather."""

    def __call__(self, city: str) -> str:
        """The weather."""
        return f"sun in {city}"

    def method(self, city: str) -> str:
        return f"rain in {city}"

    @classmethod
    def of_class(cls, city: str) -> str:
        return f"snow in {city}"

    @staticmethod
    def static(city: str) -> str:
        return f"fog in {city}"


class Silent:
    """Told by the class."""

    def __call__(self): ...


def weather(city: str, unit: str = "C") -> str:
    """As a function."""
    return f"{city} in {unit}"


@functools.wraps(weather)
def wrapped(*args, **kwargs):
    return weather(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (Weather(), "sun in Oslo"),
        (Weather().method, "rain in Oslo"),
        (Weather.of_class, "snow in Oslo"),
        (Weather.static, "fog in Oslo"),
        (Weather.__dict__["static"], "fog in Oslo"),
        (functools.partial(weather, unit="F"), "Oslo in F"),
        (functools.partial(Weather().method), "rain in Oslo"),
        (functools.partial(Weather()), "sun in Oslo"),
        (functools.lru_cache(Weather.static), "fog in Oslo"),
    ],
)
def test_whatever_can_be_called_has_a_signature(function, result):
    assert list(properties(function)) == ["city"]
    assert filled(function, city="Oslo") == result


def test_a_decorated_function_has_the_signature_of_the_one_within():
    assert list(properties(wrapped)) == ["city", "unit"]
    assert filled(wrapped, city="Oslo") == "Oslo in C"


def test_what_a_partial_has_is_no_parameter():
    def f(a: int, b, /, c, d: int = 4, *, e=None):
        return a, b, c, d, e

    assert list(properties(functools.partial(functools.partial(f, 1, 2, e=5), c=3))) == ["d"]
    assert filled(functools.partial(f, 1, 2, c=3, e=5), d=6) == (1, 2, 3, 6, 5)


def test_the_docstring_is_that_of_what_is_called():
    assert docstring_of(weather) == docstring_of(wrapped) == "As a function."
    assert docstring_of(functools.partial(weather, "a")) == "As a function."
    assert docstring_of(Weather()) == docstring_of(functools.partial(Weather())) == "The weather."
    assert docstring_of(Silent()) == "Told by the class."
    assert docstring_of(lambda: None) is None
    assert docstring_of(Weather().method) is None


def test_a_whole_is_what_a_partial_is_of():
    assert innermost(functools.partial(functools.partial(weather, "a"))) is weather
    assert innermost(weather) is weather


# ---------------------------------------------------------------- the call


def test_positional_only_parameters_are_given_by_position():
    def f(a: int, b: int = 2, c: int = 3, /, d: int = 4):
        return a, b, c, d

    assert filled(f, a=1) == (1, 2, 3, 4)
    assert filled(f, a=1, c=5, d=6) == (1, 2, 5, 6)


def test_what_is_left_out_is_pythons_own_default():
    default = object()

    def f(a: int, b: Any = default):
        return b

    assert filled(f, a=1) is default


def test_what_the_call_is_filled_from_stays_as_it_is():
    def f(a: int, /, b: int): ...

    arguments = {"a": 1, "b": 2}
    assert read_signature(f, "f").filled(arguments, CONTEXT) == ([1], {"b": 2})
    assert arguments == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "annotation",
    [
        ToolContext,
        ToolContext[int],
        ToolContext[dict[str, Any]],
        Optional[ToolContext],  # noqa: UP045  the older form is what is tried
        ToolContext[int] | None,
        Optional[ToolContext[int]],  # noqa: UP045  likewise
        Annotated[ToolContext[int], "mine"],
        Annotated[ToolContext | None, "mine"],
        "ToolContext",
        "ToolContext[int] | None",
        "Optional[ToolContext[int]]",
        type("Own", (ToolContext,), {}),
    ],
    ids=str,
)
def test_a_parameter_annotated_tool_context_gets_it_and_is_not_described(annotation):
    def by_name(a: int, ctx=None):
        return a, ctx

    def by_position(ctx, a: int = 3, /):
        return a, ctx

    for function in (by_name, by_position):
        function.__annotations__["ctx"] = annotation
        assert list(properties(function)) == ["a"]
        assert filled(function, a=1) == (1, CONTEXT)
    assert filled(by_position) == (3, CONTEXT)


def test_a_context_imported_for_type_checkers_alone_is_known_by_its_name():
    made = module(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from chatstream.tools import ToolContext\n"
        "def f(a: int, context: ToolContext[int]): return context\n"
    )
    assert list(properties(made.f)) == ["a"]
    assert filled(made.f, a=1) is CONTEXT


def test_a_name_of_the_functions_own_comes_before_ours():
    made = module("from __future__ import annotations\nToolContext = int\ndef f(a: ToolContext): ...\n")
    assert properties(made.f)["a"]["type"] == "integer"


def test_a_context_may_have_a_model_beside_it():
    class Query(BaseModel):
        text: str

    def f(query: Query, ctx: ToolContext[str]):
        return query.text, ctx.context

    assert filled(f, query=Query(text="a")) == ("a", "mine")


# ---------------------------------------------------------------- methods of models


def test_a_method_is_called_with_the_instance_and_the_context_at_most():
    def plain(self): ...
    def with_context(self, ctx: ToolContext[int]): ...
    def by_position(self, a=1, ctx: ToolContext[int] | None = None, /): ...
    def with_defaults(self, *args, a=1, b: int = 2, **rest): ...

    assert read_method(plain, "f").filled({}, CONTEXT) == ([], {})
    assert read_method(with_context, "f").filled({}, CONTEXT) == ([], {"ctx": CONTEXT})
    assert read_method(by_position, "f").filled({}, CONTEXT) == ([1, CONTEXT], {})
    assert read_method(with_defaults, "f").filled({}, CONTEXT) == ([], {})


def test_a_method_that_wants_more_is_told():
    def wants(self, a: int): ...
    def wants_anything(self, a): ...

    with pytest.raises(TypeError, match="f: its __call__ is given the context at most, and nothing for a"):
        read_method(wants, "f")
    with pytest.raises(TypeError, match="f: the parameter a has no annotation"):
        read_method(wants_anything, "f")
