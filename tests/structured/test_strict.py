"""Strict schemas; the package `jsonschema` says what fits them."""

import copy
import enum
from dataclasses import make_dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from typing_extensions import TypedDict

from chatstream.errors import ParameterError
from chatstream.jsontext import write_json
from chatstream.structured.strict import strict_schema


def strict(schema, where="response_format"):
    """The strict schema, once it is known to be one."""
    before = copy.deepcopy(schema)
    made = strict_schema(schema, where=where)
    assert schema == before
    check_closed(made, made)
    assert strict_schema(made, where=where) == made
    Draft202012Validator.check_schema(made)
    return made


def check_closed(schema, root):
    """Every object is closed, all of it is required, every reference leads to a definition."""
    if "properties" in schema or schema.get("type") == "object" or "object" in schema.get("type", ()):
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    if "$ref" in schema:
        assert list(schema) == ["$ref"]
        name = schema["$ref"].removeprefix("#/$defs/").removeprefix("#/definitions/")
        assert name == "#" or name in root.get("$defs", {}) or name in root.get("definitions", {})
    for keyword in ("properties", "$defs", "definitions"):
        for inner in schema.get(keyword, {}).values():
            check_closed(inner, root)
    for inner in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
        check_closed(inner, root)


def problems(schema, where="response_format"):
    """The paths that a schema is refused for."""
    with pytest.raises(ParameterError) as caught:
        strict_schema(schema, where=where)
    assert caught.value.param == where
    assert caught.value.code == "invalid_schema"
    return caught.value.message.partition("a dict for a response_format: ")[2].split("; ")


def of(**properties):
    return {"type": "object", "properties": properties}


# ---------------------------------------------------------------- what it becomes


def test_every_object_is_closed_and_all_of_it_required():
    schema = of(a=of(b={"type": "integer"}), c={"type": "array", "items": of()}, d={"anyOf": [of(e={"type": "null"})]})
    made = strict({**schema, "required": ["c"], "additionalProperties": False})
    assert made == {
        "type": "object",
        "properties": {
            "a": {
                "type": "object",
                "properties": {"b": {"type": "integer"}},
                "required": ["b"],
                "additionalProperties": False,
            },
            "c": {
                "type": "array",
                "items": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
            },
            "d": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"e": {"type": "null"}},
                        "required": ["e"],
                        "additionalProperties": False,
                    }
                ]
            },
        },
        "required": ["a", "c", "d"],
        "additionalProperties": False,
    }


def test_an_object_without_properties_has_none():
    assert strict({"type": "object"}) == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_an_object_that_may_be_null_is_closed_too():
    made = strict(of(a={**of(b={"type": "string"}), "type": ["object", "null"]}))
    assert made["properties"]["a"]["additionalProperties"] is False


def test_constraints_titles_and_descriptions_stay():
    kept = {
        "title": "T",
        "description": "D",
        "type": "number",
        "enum": [1, 2],
        "const": 1,
        "pattern": "x",
        "multipleOf": 1,
        "minimum": 0,
        "maximum": 9,
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 9,
        "minLength": 1,
        "maxLength": 2,
        "minItems": 1,
        "maxItems": 2,
    }
    assert strict(of(a=kept))["properties"]["a"] == kept


@pytest.mark.parametrize(
    "annotation",
    [
        "$comment",
        "$id",
        "$schema",
        "default",
        "deprecated",
        "examples",
        "readOnly",
        "writeOnly",
        "discriminator",
        "x-y",
    ],
)
@pytest.mark.parametrize("value", [None, True, {"a": {}}, [1]])
def test_annotations_go_whatever_their_value(annotation, value):
    made = strict({**of(a={"type": "string", annotation: value}), annotation: value})
    assert made == strict(of(a={"type": "string"}))


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        *(
            (name, True)
            for name in ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid")
        ),
        *((name, False) for name in ("uri", "binary", "password", "", None, ["date"])),
    ],
)
def test_a_format_stays_where_services_know_it(name, stays):
    assert ("format" in strict(of(a={"type": "string", "format": name}))["properties"]["a"]) is stays


def test_one_of_becomes_any_of_and_its_discriminator_goes():
    cat, dog = (of(kind={"const": name, "type": "string"}) for name in ("cat", "dog"))
    choice = {"oneOf": [cat, dog], "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat"}}}
    made = strict(of(pet=choice))["properties"]["pet"]
    assert list(made) == ["anyOf"]
    assert [entry["properties"]["kind"]["const"] for entry in made["anyOf"]] == ["cat", "dog"]


def test_an_all_of_one_is_merged_in_and_what_stands_beside_it_wins():
    entry = {"type": "string", "description": "inner", "allOf": [{"minLength": 1}]}
    made = strict(of(a={"allOf": [entry], "description": "outer"}))
    assert made["properties"]["a"] == {"description": "outer", "type": "string", "minLength": 1}


def test_properties_may_be_called_like_keywords():
    names = ["default", "not", "$ref", "allOf", "properties", "required", "$defs", "x-a", "if", "patternProperties", ""]
    made = strict(of(**{name: {"type": "string"} for name in names}))
    assert made["required"] == names
    assert made["properties"] == {name: {"type": "string"} for name in names}


def test_values_are_no_schemas():
    odd = {"$ref": "nowhere", "not": {}, "default": 1, "properties": {"a": True}}
    made = strict(of(a={"const": odd}, b={"enum": [odd, None]}))
    assert made["properties"] == {"a": {"const": odd}, "b": {"enum": [odd, None]}}


def test_what_is_given_and_what_comes_out_share_no_schema():
    given_schema = of(a={"type": "string"})
    made = strict(given_schema)
    made["properties"]["a"]["type"] = "integer"
    assert given_schema == of(a={"type": "string"})


# ---------------------------------------------------------------- references


def test_a_reference_alone_stays_and_its_definition_is_made_strict():
    made = strict({**of(a={"$ref": "#/$defs/A"}), "$defs": {"A": of(b={"type": "string"})}})
    assert made["properties"]["a"] == {"$ref": "#/$defs/A"}
    assert made["$defs"]["A"]["additionalProperties"] is False


def test_a_reference_with_nothing_but_annotations_beside_it_is_alone():
    made = strict({**of(a={"$ref": "#/definitions/A", "default": None}), "definitions": {"A": {"type": "string"}}})
    assert made["properties"]["a"] == {"$ref": "#/definitions/A"}


def test_a_reference_beside_other_keywords_is_replaced_by_what_it_points_to():
    definitions = {"A": {**of(b={"type": "string"}), "title": "A", "description": "inner"}}
    made = strict({**of(a={"$ref": "#/$defs/A", "description": "outer"}), "$defs": definitions})
    assert made["properties"]["a"] == {**made["$defs"]["A"], "description": "outer"}


def test_a_chain_of_references_is_followed_to_its_end():
    definitions = {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/C", "title": "B"}, "C": {"type": "string"}}
    made = strict({**of(a={"$ref": "#/$defs/A", "description": "D"}, b={"$ref": "#/$defs/A"}), "$defs": definitions})
    assert made["properties"]["a"] == {"description": "D", "title": "B", "type": "string"}
    assert made["properties"]["b"] == {"$ref": "#/$defs/A"}
    assert made["$defs"]["A"] == {"$ref": "#/$defs/B"}


@pytest.mark.parametrize("ref", ["#/$defs/a~1b~0c%20d", "#/%24defs/a~1b~0c d", "#/$defs/a%7E1b~0c%20d"])
def test_a_pointer_may_be_escaped(ref):
    schema = {**of(x={"$ref": ref, "title": "T"}), "$defs": {"a/b~c d": {"type": "string"}}}
    assert strict_schema(schema, where="x")["properties"]["x"] == {"title": "T", "type": "string"}


def test_a_definition_may_be_called_like_a_keyword_or_have_odd_characters():
    definitions = {"not": {"type": "string"}, "$ref": {"type": "null"}}
    made = strict({**of(a={"$ref": "#/$defs/not"}, b={"$ref": "#/$defs/$ref", "title": "b"}), "$defs": definitions})
    assert made["$defs"] == definitions
    assert made["properties"]["b"] == {"title": "b", "type": "null"}


def test_a_root_that_is_a_reference_is_replaced_and_definitions_stay():
    node = of(children={"type": "array", "items": {"$ref": "#/$defs/Node"}})
    made = strict({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert made == {**made["$defs"]["Node"], "$defs": made["$defs"]}
    assert made["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_the_whole_may_hold_itself():
    made = strict(of(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}))
    assert made["properties"]["next"]["anyOf"][0] == {"$ref": "#"}


def test_a_described_reference_to_itself_is_written_out_once():
    described = {"$ref": "#/$defs/Node", "description": "a child"}
    node = of(children={"type": "array", "items": described})
    made = strict({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    child = made["properties"]["children"]["items"]
    assert child["description"] == "a child"
    assert child["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    deep: dict[str, Any] = {"children": []}
    for _ in range(5):
        deep = {"children": [deep]}
    Draft202012Validator(made).validate(deep)
    assert not Draft202012Validator(made).is_valid({"children": [{"children": [{}]}]})


def test_a_described_reference_to_the_whole_leaves_its_definitions_behind():
    made = strict({**of(a={"$ref": "#/$defs/A"}, next={"anyOf": [{"$ref": "#", "title": "n"}]}), "$defs": {"A": of()}})
    again = made["properties"]["next"]["anyOf"][0]
    assert "$defs" not in again
    assert again["properties"]["next"]["anyOf"] == [{"$ref": "#"}]


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("#/$defs/B", "leads to no definition"),
        ("#/$defs", "leads to no definition"),
        ("#/$defs/A/properties/b", "leads to no definition"),
        ("#/properties/a", "leads to no definition"),
        ("#A", "leads to no definition"),
        ("#/$defs/True", "leads to no definition"),
        ("other.json#/$defs/A", "another document"),
        ("https://example.com/schema", "another document"),
        ("", "another document"),
        (7, "no text"),
        (["#"], "no text"),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"description": "D"}])
def test_a_reference_to_nowhere_is_a_problem(ref, reason, beside):
    schema = {**of(a={"$ref": ref, **beside}), "$defs": {"A": of(b={"type": "string"})}}
    assert problems(schema) == [f"$.properties.a.$ref ({reason})"]


def test_a_reference_without_definitions_leads_nowhere():
    assert problems(of(a={"$ref": "#/$defs/A"})) == ["$.properties.a.$ref (leads to no definition)"]
    assert problems({**of(a={"$ref": "#/$defs/A"}), "$defs": None}) == [
        "$.$defs (no object)",
        "$.properties.a.$ref (leads to no definition)",
    ]


@pytest.mark.parametrize(
    ("definitions", "where"),
    [
        ({"A": {"$ref": "#/$defs/A"}}, "$.$defs.A.$ref"),
        ({"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, "$.$defs.B.$ref"),
        ({"A": {"$ref": "#/$defs/A", "title": "A"}}, "$.$defs.A.$ref"),
        ({"A": {"allOf": [{"$ref": "#/$defs/A"}]}}, "$.$defs.A.allOf[0].$ref"),
        ({"A": {"allOf": [{"$ref": "#/$defs/A"}], "title": "A"}}, "$.$defs.A.allOf[0].$ref"),
        ({"A": {"allOf": [{"title": "A", "$ref": "#/$defs/B"}]}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}}, "$.$defs.A"),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"description": "D"}])
def test_a_chain_that_holds_only_itself_is_a_problem(definitions, where, beside):
    told = problems({**of(a={"$ref": "#/$defs/A", **beside}), "$defs": definitions})
    assert all(problem.endswith("(leads to itself)") for problem in told)
    assert any(problem.startswith(where) for problem in told)


def test_a_root_that_is_a_reference_to_itself_is_a_problem():
    assert problems({"$ref": "#"}) == ["$.$ref (leads to itself)"]


# ---------------------------------------------------------------- problems


@pytest.mark.parametrize(
    "keyword",
    [
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "unevaluatedProperties",
        "unevaluatedItems",
        "contains",
        "minContains",
        "maxContains",
        "uniqueItems",
        "prefixItems",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "contentSchema",
        "$anchor",
        "anything",
    ],
)
def test_what_strict_schemas_lack_is_told_by_its_path(keyword):
    told = problems(of(a={"type": "array", "items": of(b={"type": "string", keyword: {}})}))
    assert [problem.split(" ")[0] for problem in told] == [f"$.properties.a.items.properties.b.{keyword}"]


@pytest.mark.parametrize("extra", [True, {}, {"type": "string"}, None])
def test_a_map_is_a_problem(extra):
    told = problems(of(a={"type": "object", "additionalProperties": extra}))
    assert told == ["$.properties.a.additionalProperties (names that are not known beforehand)"]


@pytest.mark.parametrize(
    "schema", [{}, True, {"title": "A", "description": "B", "default": 1}, {"minimum": 1}, of(b={})]
)
def test_a_schema_that_lets_everything_through_is_a_problem(schema):
    inner = "" if schema != of(b={}) else ".properties.b"
    assert problems(of(a=schema)) == [f"$.properties.a{inner} (any value)"]


@pytest.mark.parametrize("schema", [False, None, 7, "string", []])
def test_what_is_no_schema_is_a_problem(schema):
    assert problems(of(a=schema)) == ["$.properties.a (no schema)"]
    assert problems(of(a={"allOf": [schema]}))[0] == "$.properties.a.allOf (no schema)"


def test_an_array_of_anything_is_a_problem():
    assert problems(of(a={"type": "array"})) == ["$.properties.a (an array of anything)"]
    assert problems(of(a={"type": "array", "items": {}})) == ["$.properties.a.items (any value)"]
    assert problems(of(a={"type": "array", "prefixItems": [], "maxItems": 0})) == [
        "$.properties.a.prefixItems (a tuple)"
    ]


def test_all_of_more_than_one_and_two_kinds_of_choice_are_problems():
    one = {"type": "string"}
    assert problems(of(a={"allOf": [one, one]})) == ["$.properties.a.allOf (more than one)"]
    assert problems(of(a={"allOf": []})) == ["$.properties.a.allOf (no schema)"]
    assert problems(of(a={"anyOf": [one], "oneOf": [one]})) == ["$.properties.a.oneOf (beside anyOf)"]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "object", "properties": []}, "$.properties (no object)"),
        (of(a={"anyOf": {}}), "$.properties.a.anyOf (no list of schemas)"),
        (of(a={"anyOf": []}), "$.properties.a.anyOf (no list of schemas)"),
        ({**of(), "$defs": []}, "$.$defs (no object)"),
    ],
)
def test_what_has_the_wrong_shape_is_a_problem(schema, problem):
    assert problems(schema) == [problem]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"anyOf": [of(), of()]},
        {**of(), "anyOf": [of()]},
        {"type": ["object", "null"]},
        {"enum": [1]},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}},
    ],
)
def test_the_root_must_be_an_object(schema):
    assert problems(schema) == ["$ (not an object)"]


def test_a_problem_in_a_definition_is_told_once():
    schema = {
        **of(a={"$ref": "#/$defs/A", "title": "a"}, b={"$ref": "#/$defs/A", "title": "b"}),
        "$defs": {"A": of(s={"type": "array", "items": {"type": "integer"}, "uniqueItems": True})},
    }
    assert problems(schema) == ["$.$defs.A.properties.s.uniqueItems (a set)"]


def test_all_problems_are_told_at_once_the_first_ten_by_path():
    schema = of(**{f"p{number}": {"type": "string", "not": {}} for number in range(13)})
    told = problems(schema, where="weather.parameters")
    assert told == [*(f"$.properties.p{number}.not" for number in range(10)), "and 3 more"]


def test_an_error_says_whose_schema_it_is_and_what_can_be_done():
    with pytest.raises(ParameterError) as caught:
        strict_schema({**of(a={}), "title": "Event"}, where="response_format")
    text = str(caught.value)
    assert text.startswith("response_format: the schema of Event has no strict form.")
    assert "WithJsonSchema" in text
    assert "strict=False" in text
    assert "$.properties.a (any value)" in text


def test_a_long_path_is_cut_at_its_start():
    schema: dict[str, Any] = {"not": {}, "type": "string"}
    for _ in range(40):
        schema = of(inner=schema)
    (told,) = problems(schema)
    assert told.startswith("…")
    assert told.endswith(".properties.inner.not")
    assert len(told) == 120


# ---------------------------------------------------------------- size


def nested(levels):
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return of(a=schema)


def test_how_deep_a_schema_goes_is_limited():
    strict_schema(nested(298), where="x")
    (told,) = problems(nested(299))
    assert told.endswith("(nested deeper than 300 levels)")
    assert len(problems(nested(100_000))) == 1


def test_a_schema_that_holds_itself_as_python_does_is_too_deep():
    schema = of()
    schema["properties"]["a"] = schema
    (told,) = problems(schema)
    assert "300 levels" in told
    schema["properties"]["b"] = schema
    assert "$ (more than 50,000 schemas)" in problems(schema)
    alone: dict[str, Any] = {}
    alone["allOf"] = [alone]
    assert "300 levels" in problems(alone)[0]
    assert "300 levels" in problems({**of(a={"$ref": "#/$defs/A"}), "$defs": {"A": alone}})[0]


def test_definitions_that_all_describe_one_another_are_not_written_out_without_end():
    names = [f"D{number}" for number in range(12)]
    definitions = {
        name: of(**{other: {"anyOf": [{"$ref": f"#/$defs/{other}", "title": other}]} for other in names})
        for name in names
    }
    assert "$ (more than 50,000 schemas)" in problems({"$ref": "#/$defs/D0", "$defs": definitions})


# ---------------------------------------------------------------- models, made up


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    """A tree."""

    label: str
    children: list[Annotated["Tree", Field(description="a branch")]]
    parent: Optional["Tree"] = None


TREE = st.recursive(
    st.fixed_dictionaries({"label": st.text(max_size=3), "children": st.just([]), "parent": st.none()}),
    lambda tree: st.fixed_dictionaries(
        {"label": st.text(max_size=3), "children": st.lists(tree, max_size=2), "parent": st.none() | tree}
    ),
    max_leaves=4,
)
# Types, each with what JSON has for it.
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text(max_size=5)),
    (int, st.integers(-1000, 1000)),
    (float, st.floats(-1e6, 1e6)),
    (bool, st.booleans()),
    (None, st.none()),
    (Literal["a", "b", 3], st.sampled_from(["a", "b", 3])),
    (Literal["one"], st.just("one")),
    (Color, st.sampled_from(["red", "blue"])),
    (date, st.just("2024-02-29")),
    (datetime, st.just("2024-02-29T12:00:00Z")),
    (UUID, st.uuids().map(str)),
    (Annotated[int, Field(ge=0, lt=10, description="a digit")], st.integers(0, 9)),
    (Annotated[str, Field(min_length=1, max_length=4, examples=["x"])], st.text(min_size=1, max_size=4)),
    (Tree, TREE),
]
NAMES = st.sampled_from(["city", "items", "default", "type", "enum", "a_b", "properties", "title", "naïve"])


@st.composite
def kinds(draw, depth=2):
    """A type that JSON objects can be read as, or part of one, and a strategy for its values."""
    form = draw(st.sampled_from(["scalar", "scalar", "list", "optional", "model", "dataclass", "dict", "union"]))
    if depth == 0 or form == "scalar":
        return draw(st.sampled_from(SCALARS))
    if form in {"model", "dataclass", "dict"}:
        return draw(objects(depth=depth, form=form))
    kind, values = draw(kinds(depth=depth - 1))
    if form == "list":
        return list[kind], st.lists(values, max_size=3)
    if form == "optional":
        return Optional[kind], st.none() | values  # noqa: UP045  None | None is an error
    other, others = draw(kinds(depth=depth - 1))
    return Optional[kind] | Optional[other], st.none() | values | others  # noqa: UP045  as above


@st.composite
def objects(draw, depth=3, form="model"):
    fields = draw(st.dictionaries(NAMES, kinds(depth=depth - 1), max_size=4))
    described = {
        name: Annotated[kind, Field(description="told")] if draw(st.booleans()) else kind
        for name, (kind, _) in fields.items()
    }
    values = st.fixed_dictionaries({name: values for name, (_, values) in fields.items()})
    title = draw(st.sampled_from(["Event", "Place", "Thing"]))
    if form == "dict":
        return TypedDict(title, described), values
    if form == "dataclass":
        return make_dataclass(title, described.items()), values
    extra = draw(st.sampled_from(["ignore", "forbid"]))
    defaults = {name: (kind, None) if draw(st.booleans()) else (kind, ...) for name, kind in described.items()}
    return create_model(title, __config__=ConfigDict(extra=extra), **defaults), values


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
@pytest.mark.filterwarnings("ignore:Field name .* shadows")
def test_what_fits_a_model_fits_its_strict_schema(data):
    kind, values = data.draw(objects(form=data.draw(st.sampled_from(["model", "dataclass", "dict"]))))
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()
    made = strict(schema)
    value = data.draw(values)
    adapter.validate_json(write_json(value))
    Draft202012Validator(schema).validate(value)
    Draft202012Validator(made).validate(value)


KEYWORDS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "enum", "const"),
        *("not", "required", "additionalProperties", "title", "format", "default", "x-a"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["object", "string", "array", "#", "#/$defs/a", "#/definitions/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc") | KEYWORDS, inner, max_size=4),
)
TYPED = st.deferred(lambda: OBJECTS | LEAVES | ARRAYS | CHOICES)
LEAVES = st.sampled_from(
    [{"type": "string"}, {"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b", "title": "B"}, {"$ref": "#"}]
)
ARRAYS = st.fixed_dictionaries({"type": st.just("array"), "items": TYPED})
CHOICES = st.fixed_dictionaries({"oneOf": st.lists(TYPED, min_size=1, max_size=2)}) | st.fixed_dictionaries(
    {"allOf": st.lists(TYPED, min_size=1, max_size=1)}, optional={"description": st.just("D")}
)
OBJECTS = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(["a", "$ref", "not"]), TYPED, max_size=2)}
)


@given(
    st.dictionaries(KEYWORDS, JSON)
    | st.builds(lambda root, a, b: {**root, "$defs": {"a": a, "b": b}}, OBJECTS, TYPED, TYPED)
)
def test_a_schema_has_a_strict_form_that_is_its_own_or_a_parameter_error(schema):
    try:
        made = strict_schema(schema, where="x")
    except ParameterError:
        return
    check_closed(made, made)
    assert strict_schema(made, where="x") == made
