"""Values for JSON schemas; the package `jsonschema` says whether they fit."""

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Address
from time import perf_counter
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import (
    UUID1,
    Base64Str,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    TypeAdapter,
)

from chatstream.jsontext import write_json
from chatstream.server.samples import UnusableSchemaError, sample
from chatstream.server.samples.scalars import suits
from made_up import ODD

FORMATS = ["date", "email", "ipv4", "ipv6", "uuid", "regex", "date-time", "time", "hostname", "uri", "duration"]


def check(value, schema):
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


# ---------------------------------------------------------------- what is said


def test_values_tell_what_they_are_for():
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["celsius", "kelvin"]},
        },
    }
    assert sample(schema) == {"city": "city", "days": 1, "unit": "celsius"}


@pytest.mark.parametrize("schema", [None, True, {}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_schema_that_says_nothing_gets_an_empty_object(schema):
    assert sample(schema) == {}


def test_an_example_comes_before_a_default_and_both_only_if_they_fit():
    assert sample({"type": "string", "examples": ["Paris"], "default": "Rome"}) == "Paris"
    assert sample({"type": "string", "examples": [7], "default": "Rome"}) == "Rome"
    assert sample({"type": "integer", "default": "Rome", "minimum": 5}) == 5


def test_a_value_goes_before_null():
    assert sample({"type": ["null", "string"]}) == "value"
    assert sample({"anyOf": [{"type": "integer"}, {"type": "null"}]}) == 1


def test_variants_differ_where_they_may():
    assert [sample({"enum": ["a", "b"]}, variant=number) for number in range(3)] == ["a", "b", "a"]
    assert sample({"type": "integer"}, variant=2) == 3
    assert sample({"const": 1}, variant=2) == 1
    assert [sample({"type": "integer", "default": 7}, variant=number) for number in range(2)] == [7, 2]


# ---------------------------------------------------------------- what fits

SCHEMAS = {
    "const": {"const": {"a": [1, None]}},
    "enum against a type": {"type": "string", "enum": [1, None, "x"]},
    "lengths": {"type": "string", "minLength": 30, "maxLength": 31},
    "a short one": {"type": "string", "maxLength": 2},
    "an empty one": {"type": "string", "maxLength": 0},
    "pattern": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
    "pattern and length": {"type": "string", "pattern": "^[a-z]+$", "minLength": 12, "maxLength": 12},
    "pattern and format": {"type": "string", "format": "email", "pattern": "@example\\.com$"},
    "bounds": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "between": {"type": "number", "minimum": 2.25, "maximum": 2.25},
    "negative": {"type": "integer", "maximum": -5},
    "exclusive integers": {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 10},
    "multiple of a fraction": {"type": "integer", "multipleOf": 1.5, "minimum": 2},
    "a fraction": {"type": "number", "multipleOf": 0.25, "minimum": 0.3},
    "big": {"type": "integer", "minimum": 10**30},
    "array": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
    "unique of an enum": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    "unique objects": {"type": "array", "minItems": 4, "uniqueItems": True, "items": {"properties": {"a": {"type": "boolean"}, "b": {"type": "string"}}}},
    "no items": {"type": "array", "items": False},
    "at most none": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
    "nested": {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "object", "required": ["c"], "properties": {"c": {"type": "null"}}}}}}}},
    "required without a property": {"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}},
    "minProperties": {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    "apart by a pattern": {"type": "array", "minItems": 12, "uniqueItems": True, "items": {"type": "string", "pattern": "^[a-z]{2}$"}},
    "maxProperties": {"type": "object", "properties": {name: {"type": "string"} for name in "abcd"}, "required": ["d"], "maxProperties": 2},
    "allOf": {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 7}, "b": {"const": 2}}, "required": ["b"]}]},
    "allOf of numbers": {"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 3}, {"multipleOf": 3}]},
    "anyOf beside": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
    "two groups": {"anyOf": [{"minimum": 3}, {"minimum": 5}], "oneOf": [{"type": "string"}, {"type": "integer", "minimum": 4}]},
    "an impossible branch": {"anyOf": [{"type": "integer", "minimum": 5, "maximum": 4}, False, {"type": "string"}]},
    "ref": {"$defs": {"p~/%": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/p~0~1%25"}}, "required": ["a"]},
    "ref beside": {"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n", "minimum": 9},
    "a list in itself": {"type": "object", "properties": {"value": {"type": "string"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["value", "next"]},
    "a tree": {"$defs": {"n": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/n"}}}, "required": ["children"]}}, "$ref": "#/$defs/n"},
    "a list in itself, null first": {"type": "object", "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}, "required": ["next"]},
    "ref into a list": {"prefixItems": [{"type": "integer"}, {"$ref": "#/prefixItems/0"}], "minItems": 2},
    "enums joined": {"allOf": [{"enum": [1, True, "x"]}, {"enum": ["y", True]}]},
    "multiples joined": {"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}, {"minimum": 13}]},
    "closed and open joined": {"allOf": [{"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"b": {}, "a": {"type": "null"}}}]},
    "additional ones joined": {"required": ["a"], "allOf": [{"additionalProperties": {"type": "integer"}}, {"properties": {"a": {"minimum": 4}}}, {"additionalProperties": {"maximum": 5}}]},
    "unique when joined": {"allOf": [{"type": "array", "items": {"type": "boolean"}, "minItems": 2}, {"uniqueItems": True}, {"uniqueItems": False}]},
    "a narrow room": {"type": "number", "minimum": 0.3, "maximum": 0.31},
    "next to an open bound": {"type": "number", "exclusiveMinimum": 1.9014877983339726, "maximum": 3.8029755966679453},
    "zero alone": {"type": "number", "minimum": 0, "maximum": 0},
    "downwards": {"type": "array", "items": {"type": "integer", "maximum": 2}, "minItems": 5, "uniqueItems": True},
    "round again": {"type": "array", "items": {"type": "integer", "minimum": -2, "maximum": 2}, "minItems": 5, "uniqueItems": True},
    "nullable": {"type": "string", "nullable": True},
    "a name cut": {"type": "array", "items": {"type": "string", "maxLength": 4}, "minItems": 12, "uniqueItems": True},
    "bounds as fractions": {"type": "array", "minItems": 2.0, "maxItems": 2.0, "items": {"type": "string", "minLength": 9.0}},
    "a default below": {"type": "object", "default": {"a": 1}, "required": ["b"], "properties": {"b": {"default": [], "type": "array", "minItems": 1}}},
    "a diamond": {"$defs": {"a": {"required": ["x"]}, "b": {"$ref": "#/$defs/a"}}, "type": "object", "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]},
    "typeless": {"properties": {"a": {"minimum": 3}, "b": {"minLength": 3}, "c": {"items": {"type": "null"}}}},
    "odd keywords": {"type": "string", "minLength": "3", "pattern": 7, "format": [], "enum": 7, "allOf": [{"enum": ["x"], "minLength": 2, "required": 3}]},
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_made_fits(name):
    schema = SCHEMAS[name]
    value = sample(schema)
    if name != "odd keywords":  # jsonschema will not look at those
        check(value, schema)
    assert value == sample(schema)


@pytest.mark.parametrize("variant", [0, 1, 5, 300])
@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_spelled_right(name, variant):
    check(sample({"type": "string", "format": name}, variant=variant), {"type": "string", "format": name})


def test_keywords_that_are_not_known_are_not_looked_at():
    unknown = {
        "not": {},
        "if": {},
        "then": False,
        "contains": False,
        "dependentRequired": {"a": ["b"]},
        "patternProperties": {"": False},
    }
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "unevaluatedProperties": False}
    assert sample({**schema, **unknown}) == sample(schema) == {"a": 1}


def test_what_is_not_required_is_left_out_where_nothing_fits_it_or_there_are_too_many():
    properties = {"a": {"type": "integer"}, "b": False, "c": {"type": "string", "pattern": "("}, "d": {"type": "null"}}
    assert sample({"type": "object", "properties": properties, "required": ["d"]}) == {"a": 1, "d": None}
    assert sample({"type": "object", "properties": properties, "required": ["d"], "maxProperties": 1}) == {"d": None}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        (1, {"type": "integer"}, True), (1.0, {"type": "integer"}, True), (1.5, {"type": "integer"}, False), (True, {"type": "integer"}, False),
        (5, {"minimum": 5, "exclusiveMaximum": 5}, False), (5, {"maximum": "x", "minimum": 5}, True), (5, {"exclusiveMinimum": 5}, False),
        ("abc", {"maxLength": 2}, False), ("abc", {"minimum": 9}, True), ([1], {"minItems": 2}, False), ({"a": 1}, {"required": ["a", "b"]}, False),
        ({"a": 1}, {"maxProperties": 0}, False), (None, {"type": "null"}, True), ({}, {"type": "array"}, False), ("x", {"type": "unheard of"}, True),
    ],
)  # fmt: skip
def test_a_given_value_suits_by_its_type_and_bounds(value, schema, expected):
    assert suits(value, schema) == expected


def test_older_tuples_and_definitions_are_understood():
    schema = {"definitions": {"a": {"type": "integer"}}, "type": "array", "items": [{"$ref": "#/definitions/a"}, {"type": "string"}], "additionalItems": False, "minItems": 2}  # fmt: skip
    value = sample(schema)
    assert value == [1, "value"]
    Draft7Validator(schema).validate(value)


def syntax(kinds):
    """A language whose every phrase may hold any other, the only way out being the last one."""
    union = [{"$ref": f"#/$defs/k{number}"} for number in range(kinds)]
    phrase = {
        "type": "object",
        "properties": {"left": {"anyOf": union}, "right": {"anyOf": union}},
        "required": ["left", "right"],
    }
    definitions = {f"k{number}": phrase for number in range(kinds - 1)} | {f"k{kinds - 1}": {"type": "integer"}}
    return {"$defs": definitions, "anyOf": union}


def test_a_language_of_many_phrases_ends():
    schema = syntax(25)
    check(sample(schema), schema)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)] = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    weight: Annotated[Decimal, Field(gt=0)]


class Leaf(BaseModel):
    kind: Literal["leaf"]
    number: Annotated[int, Field(multiple_of=5, gt=5)]


class Sum(BaseModel):
    kind: Literal["sum", "product"]
    left: "Expression"
    right: "Expression"


Expression = Annotated[Sum | Leaf, Field(discriminator="kind")]


class Spelled(BaseModel):
    """Whatever pydantic has a format or a pattern for."""

    url: HttpUrl
    network: IPv4Network
    address: IPv6Address
    secret: SecretStr
    encoded: Base64Str
    version: UUID1
    price: Decimal
    at: time
    name: Annotated[str, StringConstraints(pattern=r"^\w+(-\w+)*$", max_length=9)]


class Plain:
    """What a type adapter makes a schema of."""

    counts = TypeAdapter(Annotated[dict[str, Annotated[int, Field(ge=3)]], Field(min_length=2)])
    pair = TypeAdapter(tuple[Literal["a", 1] | None, bool])
    colors = TypeAdapter(Annotated[list["Color | None"], Field(min_length=3)])
    apart = TypeAdapter(Annotated[set["Color"], Field(min_length=2)])
    expression = TypeAdapter(Expression)
    any_of_it = TypeAdapter(Any)


class Node(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=3, max_length=5)
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}\d{3}$")]
    color: Color
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    when: datetime
    day: date
    lasts: timedelta
    id: UUID
    point: tuple[float, int]
    tags: set[str] = Field(min_length=2)
    scores: dict[str, list[int]]
    either: int | str | None
    children: list["Node"] = Field(min_length=0)
    parent: "Node | None" = None


@pytest.mark.parametrize("model", [Color, Cat, Dog, Node])
def test_a_model_of_pydantic_takes_what_is_made_of_its_schema(model):
    schema = model.model_json_schema() if model is not Color else {"enum": ["red", "blue"]}
    for variant in range(3):
        value = sample(schema, variant=variant)
        check(value, schema)
        if model is not Color:
            model.model_validate(value)


@pytest.mark.parametrize("model", [Leaf, Sum, Spelled])
def test_a_language_and_odd_spellings_are_taken_too(model):
    for variant in range(3):
        value = sample(model.model_json_schema(), variant=variant)
        check(value, model.model_json_schema())
        model.model_validate(value)


@pytest.mark.parametrize("name", [name for name in vars(Plain) if not name.startswith("_")])
def test_a_type_takes_what_is_made_of_its_schema(name):
    adapter = getattr(Plain, name)
    value = sample(adapter.json_schema())
    check(value, adapter.json_schema())
    adapter.validate_json(write_json(value))


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (False, ""),
        (7, ""),
        ({"type": "object", "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 2}}, "required": ["a"]}, "properties.a"),
        ({"type": "array", "items": {"type": "string", "pattern": "("}, "minItems": 1}, "items"),
        ({"type": "array", "prefixItems": [{"type": "x"}], "minItems": 1}, "prefixItems[0]"),
        ({"$ref": "https://example.com/schema"}, ""),
        ({"$ref": "#/nowhere"}, ""),
        ({"$ref": "#"}, ""),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, ""),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, ""),
        ({"$ref": 7}, ""),
        ({"$ref": "#/a/1", "a": [1]}, ""),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, ""),
        ({"type": "string", "minLength": 10**9}, ""),
        ({"type": "array", "minItems": 10**9}, ""),
        ({"type": "object", "minProperties": 10**9}, ""),
        ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "boolean"}}, "items"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, ""),
        ({"type": "string", "minLength": 3, "maxLength": 2}, ""),
        ({"type": "integer", "enum": ["a"]}, ""),
        ({"type": "number", "minimum": 3 * 10**400 + 1, "multipleOf": 1.5}, ""),
        ({"allOf": [{"enum": [1]}, {"enum": [True]}]}, ""),
        ({"allOf": [{"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"b": {}}, "required": ["b"]}]}, "properties.b"),
        ({"type": "object", "properties": {"p": {"anyOf": [{"type": "array", "items": 7, "minItems": 1}, False]}}, "required": ["p"]}, "properties.p.items"),
        ({"type": "object", "minProperties": 2, "properties": {"a": {}}, "additionalProperties": False}, "additionalProperties"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, ""),
    ],
)  # fmt: skip
def test_a_schema_that_nothing_fits_is_refused_where_it_goes_wrong(schema, path):
    with pytest.raises(UnusableSchemaError) as caught:
        sample(schema)
    assert caught.value.path == path
    assert caught.value.reason


def doubling(levels):
    """Each definition needs the next one twice."""
    definitions = {
        f"d{level}": {
            "type": "object",
            "properties": {key: {"$ref": f"#/$defs/d{level + 1}"} for key in "ab"},
            "required": ["a", "b"],
        }
        for level in range(levels)
    }
    return {"$defs": {**definitions, f"d{levels}": {"type": "null"}}, "$ref": "#/$defs/d0"}


def nested(levels, inner):
    for _ in range(levels):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    return inner


def alternatives(levels, inner):
    for _ in range(levels):
        inner = {"anyOf": [inner]}
    return inner


HOSTILE = {
    "doubling": doubling(30),
    "deep": nested(120, {"type": "null"}),
    "deeper": nested(60, {"type": "null"}),
    "many groups": {"allOf": [{"anyOf": [{"minimum": 1}, {"minimum": 2}]} for _ in range(200)] + [{"type": "integer", "maximum": 0}]},
    "wide and nested": {"type": "array", "minItems": 9999, "items": {"type": "array", "minItems": 9999, "items": {"type": "string", "minLength": 9999}}},
    "unique": {"type": "array", "minItems": 9999, "uniqueItems": True, "items": {"type": "object", "properties": {"a": {"const": 1}}}},
    "a slow pattern": {"type": "string", "pattern": "^(a|a){40}(?!.)b"},
    "a long name, often": {"type": "array", "minItems": 30_000, "items": {"type": "object", "required": ["x" * 10**6]}},
    "a big value, often": {"type": "array", "minItems": 30_000, "items": {"const": ["x" * 10**6]}},
    "a long reference, often": {"type": "array", "minItems": 30_000, "items": {"$ref": "#/" + "x" * 10**6}, "x" * 10**6: {"type": "null"}},
    "two of each, joined": {"$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}, "$ref": "#/$defs/d0"},
    "a chain of references": {"$defs": {f"c{number}": {"$ref": f"#/$defs/c{number + 1}"} for number in range(5000)}, "$ref": "#/$defs/c0"},
    "alternatives in alternatives": alternatives(900, {"type": "null"}),
    "each of each": {"$defs": {f"k{n}": {"anyOf": [{"$ref": f"#/$defs/k{m}"} for m in range(60)]} for n in range(60)}, "$ref": "#/$defs/k0"},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_refused_at_once(name):
    began = perf_counter()
    with pytest.raises(UnusableSchemaError):
        sample(HOSTILE[name])
    assert perf_counter() - began < 10  # a second at most; the rest is for a slow machine under coverage


def test_a_wide_schema_does_with_what_is_required():
    inner = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(180)}}
    schema = {
        "type": "object",
        "required": ["p0"],
        "properties": {f"p{number}": {"type": "array", "items": inner, "minItems": 1} for number in range(180)},
    }
    value = sample(schema)
    assert "p0" in value
    check(value, schema)


# ---------------------------------------------------------------- laws

names = st.sampled_from(["a", "b", "city"])


def objects(inner):
    properties = st.dictionaries(names, inner, max_size=3)
    return st.builds(
        lambda properties, count, others, least: {"type": "object", "properties": properties, "required": sorted(properties)[:count], "additionalProperties": others, "minProperties": min(least, len(properties))},
        properties, st.integers(0, 3), st.booleans() | inner, st.integers(0, 2),
    )  # fmt: skip


scalar_schemas = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.just({}),
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, st.integers(-9, 9), st.integers(0, 5)),
    st.builds(lambda low, more: {"type": "number", "exclusiveMinimum": low, "maximum": low + more}, st.floats(-9, 9), st.floats(0.5, 5)),
    st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, st.integers(0, 9), st.integers(0, 5)),
    st.builds(lambda low: {"type": "string", "pattern": "^[a-f]+-?\\d{2,}$", "minLength": low}, st.integers(0, 9)),
    st.builds(lambda name: {"type": "string", "format": name}, st.sampled_from(FORMATS)),
    st.builds(lambda values: {"enum": values}, st.lists(st.sampled_from([1, "x", None, True, [1], {"a": 1}]), min_size=1, max_size=4)),
    st.builds(lambda kinds: {"type": kinds}, st.lists(st.sampled_from(["string", "null", "integer"]), min_size=1, unique=True)),
)  # fmt: skip
schemas = st.recursive(
    scalar_schemas,
    lambda inner: st.one_of(
        objects(inner),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda first, second: {"allOf": [first, second]}, objects(inner), objects(inner)),
        st.builds(lambda inner: {"allOf": [inner], "description": "x"}, inner),
    ),
    max_leaves=8,
)


@given(schemas, st.integers(0, 3))
def test_a_value_fits_whatever_the_schema(schema, variant):
    try:
        value = sample(schema, variant=variant)
    except UnusableSchemaError:
        assert "allOf" in str(schema), "only joined schemas can contradict each other here"
        return
    check(value, schema)


KEYWORDS = [
    "type", "enum", "const", "properties", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$ref", "$defs",
    "minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "additionalProperties",
    "patternProperties", "propertyNames", "minProperties", "maxProperties", "contains", "minContains", "dependentRequired", "default", "examples", "$anchor",
    "dependentSchemas", "additionalItems", "exclusiveMinimum", "exclusiveMaximum",
]  # fmt: skip
odd = st.recursive(
    st.sampled_from([*ODD, "#", "object", "array", "string", "integer", "number", "null", "a", 3, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=12,
)


@given(odd)
def test_nothing_that_is_no_schema_raises_anything_else(schema):
    try:
        sample(schema)
    except UnusableSchemaError as error:
        assert error.reason  # noqa: PT017  whether it is raised depends on the schema
