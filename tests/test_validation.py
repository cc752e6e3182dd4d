"""`chatstream.validation`: what the API would take has no problem, and anything else one with the path that is wrong."""

import copy
import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from chatstream.types import CompletionCreateParams
from chatstream.validation import Problem, first_problem, metadata_problem, problems
from counting import opcodes
from made_up import ODD

HI = {"role": "user", "content": "hi"}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "custom": {"name": "g"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OTHER_CALL = {"id": "call_2", "type": "custom", "custom": {"name": "g", "input": "x"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CALLING_BOTH = {"role": "assistant", "tool_calls": [CALL, OTHER_CALL]}


def answer(call_id="call_1"):
    return {"role": "tool", "tool_call_id": call_id, "content": "1"}


def asking(*messages, **members):
    return {"model": "m", "messages": list(messages) or [HI], **members}


def found(body):
    return [(problem.param, problem.code) for problem in problems(body)]


def said(content, role="user"):
    return asking({"role": role, "content": content})


# --- what is right ------------------------------------------------------------------------------------

GOOD = {
    "a question": asking(),
    "every role": asking(
        {"role": "developer", "content": "d"}, {"role": "system", "content": [{"type": "text", "text": "s"}], "name": "x"}, HI,
        CALLING_BOTH, answer("call_2"), answer(), {"role": "assistant", "content": "a"}, {"role": "function", "name": "f", "content": None},
    ),
    "every part": said([
        {"type": "text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}, PNG,
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "original"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        {"type": "file", "file": {"file_id": "f"}}, {"type": "file", "file": {"file_data": "AA==", "filename": "a.pdf"}},
    ]),
    "a refusal in parts": said([{"type": "refusal", "refusal": "no"}], role="assistant"),
    "an answer by its sound alone": asking(HI, {"role": "assistant", "audio": {"id": "a"}}, HI),
    "a call in the older form": asking(HI, {"role": "assistant", "function_call": {"name": "f", "arguments": ""}}),
    "the edges of ranges": asking(
        n=128, temperature=0, top_p=1, presence_penalty=-2, frequency_penalty=2.0, logprobs=True, top_logprobs=20,
        logit_bias={"1": -100, "2": 100}, max_tokens=1, stop=["a", "b", "c", "d"], safety_identifier="x" * 128,
        metadata={f"{index:064}": "x" * 512 for index in range(16)},
    ),
    "nulls": asking(
        {**CALLING, "name": None, "refusal": None, "audio": None, "function_call": None}, answer(),
        **dict.fromkeys(["n", "stop", "stream", "stream_options", "tools", "tool_choice", "functions", "function_call", "user",
                         "audio", "modalities", "metadata", "response_format", "web_search_options", "top_logprobs"]),
    ),
    "what is not known": asking({**HI, "cache_control": {"type": "x"}}, top_k=[1], tool={"a": "b"}),
    "tuples": {"model": "m", "messages": (HI,), "stop": ("a",)},
    "mappings": MappingProxyType(asking(MappingProxyType(HI))),
    "a stream": asking(stream=True, stream_options={"include_usage": True, "include_obfuscation": False}),
    "speech": asking(modalities=["text", "audio"], audio={"format": "pcm16", "voice": "a voice of their own"}),
    "a voice by its id": asking(modalities=["audio"], audio={"format": "wav", "voice": {"id": "v"}}),
    "tools": asking(tools=[TOOL, CUSTOM], tool_choice="required", parallel_tool_calls=False),
    "a grammar": asking(tools=[{"type": "custom", "custom": {"name": "g", "format": {
        "type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}}}]),
    "a named function": asking(tools=[TOOL, CUSTOM], tool_choice={"type": "function", "function": {"name": "f"}}),
    "a named custom tool": asking(tools=[TOOL, CUSTOM], tool_choice={"type": "custom", "custom": {"name": "g"}}),
    "allowed tools": asking(tools=[TOOL, CUSTOM], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "g"}}, {"type": "mcp"}]}}),
    "functions": asking(functions=[{"name": "f"}], function_call={"name": "f"}),
    "a schema": asking(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": [1, None]}, "strict": None}}),
    "a JSON object": asking(response_format={"type": "json_object"}),
    "text by a grammar": asking(response_format={"type": "grammar", "grammar": "start: /a/"}),
    "a program": asking(response_format={"type": "python"}),
    "a prediction": asking(prediction={"type": "content", "content": [{"type": "text", "text": "t"}]}),
    "everything else": asking(
        moderation={"model": "m", "policy": {"input": {"mode": "block"}, "output": None}}, prompt_cache_key="k", seed=-(2**70),
        prompt_cache_options={"mode": "explicit", "ttl": "30m"}, prompt_cache_retention="24h", reasoning_effort="xhigh",
        service_tier="flex", store=True, user="u", verbosity="low", max_completion_tokens=5,
        web_search_options={"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_request_that_the_api_takes_has_no_problem(name):
    assert list(problems(GOOD[name])) == []
    assert first_problem(GOOD[name]) is None


class Answer(BaseModel):
    """Something to be answered with."""

    steps: list[str]


def test_what_the_official_sdk_sends_has_no_problem():
    openai = pytest.importorskip("openai")
    httpx2 = pytest.importorskip("httpx2")
    sent = []

    def refuse(request):
        sent.append(json.loads(request.content))
        return httpx2.Response(400, json={"error": {"message": "no"}})

    http_client = httpx2.Client(transport=httpx2.MockTransport(refuse))
    with openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=http_client, max_retries=0) as client:
        completions = client.chat.completions
        common = {"model": "gpt-4o", "messages": [HI]}
        tools = [openai.pydantic_function_tool(Answer)]
        for ask in (
            lambda: completions.create(**common, stream=True, stream_options={"include_usage": True}),
            lambda: completions.parse(**common, response_format=Answer, tools=tools),
            lambda: completions.stream(**common, response_format=Answer, tools=tools).__enter__(),
        ):
            with pytest.raises(openai.BadRequestError):
                ask()
    assert len(sent) == 3
    assert [found(body) for body in sent] == [[], [], []]


# --- what is wrong ------------------------------------------------------------------------------------

MISSING, TYPE, VALUE, CLASH = (
    "missing_required_parameter",
    "invalid_type",
    "invalid_value",
    "invalid_parameter_combination",
)
WRONG = [
    # the body and its members
    (None, None, TYPE), ([asking()], None, TYPE), ("x", None, TYPE),
    ({"messages": [HI]}, "model", MISSING), ({"model": "m"}, "messages", MISSING), ({"model": None, "messages": [HI]}, "model", TYPE),
    ({"model": "m", "messages": []}, "messages", "empty_array"), ({"model": "m", "messages": "hi"}, "messages", TYPE),
    ({"model": "m", "messages": None}, "messages", TYPE), ({"model": "m", "messages": {"0": HI}}, "messages", TYPE),
    (asking("hi"), "messages[0]", TYPE), (asking(HI, None), "messages[1]", TYPE),
    (asking(n=True), "n", TYPE), (asking(n="1"), "n", TYPE), (asking(n=1.0), "n", TYPE), (asking(logprobs=1), "logprobs", TYPE),
    (asking(stream="true"), "stream", TYPE), (asking(temperature="1"), "temperature", TYPE), (asking(temperature=False), "temperature", TYPE),
    (asking(modalities="text"), "modalities", TYPE), (asking(modalities=["video"]), "modalities[0]", VALUE), (asking(stop=5), "stop", TYPE),
    (asking(stop=["a", 5]), "stop[1]", TYPE), (asking(reasoning_effort="huge"), "reasoning_effort", VALUE),
    (asking(service_tier=[]), "service_tier", TYPE), (asking(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage", TYPE),
    (asking(logit_bias={"5": 1.5}), "logit_bias.5", TYPE), (asking(logit_bias={"5": True}), "logit_bias.5", TYPE),
    (asking(metadata={"a": 1}), "metadata.a", TYPE), (asking(metadata={"a": None}), "metadata.a", TYPE),
    (asking(web_search_options={"user_location": {"type": "exact", "approximate": {}}}), "web_search_options.user_location.type", VALUE),
    (asking(prediction={"type": "content"}), "prediction.content", MISSING),
    # messages
    (asking({"content": "x"}), "messages[0].role", MISSING), (asking({"role": "robot"}), "messages[0].role", VALUE),
    (asking({"role": ["user"], "content": "x"}), "messages[0].role", TYPE), (asking({"role": None}), "messages[0].role", TYPE),
    (asking({"role": "user"}), "messages[0].content", MISSING), (said(None), "messages[0].content", TYPE), (said(7), "messages[0].content", TYPE),
    (said({"type": "text", "text": "t"}), "messages[0].content", TYPE), (said([]), "messages[0].content", "empty_array"),
    (said(["t"]), "messages[0].content[0]", TYPE), (said([{"text": "t"}]), "messages[0].content[0].type", MISSING),
    (said([{"type": "text"}]), "messages[0].content[0].text", MISSING), (said([{"type": "video"}]), "messages[0].content[0].type", VALUE),
    (said([PNG, {"type": "image_url", "image_url": {"url": 5}}]), "messages[0].content[1].image_url.url", TYPE),
    (said([{"type": "image_url", "image_url": {"url": 1, "image_url": {"url": "u"}}}]), "messages[0].content[0].image_url.url", TYPE),
    (said([{"type": "image_url", "image_url": "data:"}]), "messages[0].content[0].image_url", TYPE),
    (said([{"type": "input_audio", "input_audio": {"data": "", "format": "ogg"}}]), "messages[0].content[0].input_audio.format", VALUE),
    (said([{"type": "refusal", "refusal": "no"}]), "messages[0].content[0].type", VALUE),
    (said([PNG], role="system"), "messages[0].content[0].type", VALUE), (said([PNG], role="assistant"), "messages[0].content[0].type", VALUE),
    (asking({"role": "tool", "content": "x"}), "messages[0].tool_call_id", MISSING),
    (asking({"role": "function", "content": None}), "messages[0].name", MISSING),
    (asking({"role": "assistant", "tool_calls": [{**CALL, "id": 1}]}), "messages[0].tool_calls[0].id", TYPE),
    (asking({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}), "messages[0].tool_calls[0].custom", MISSING),
    (asking({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}), "messages[0].tool_calls[0].function.arguments", TYPE),
    # messages among each other
    (asking({"role": "assistant"}), "messages[0].content", MISSING), (said(None, role="assistant"), "messages[0].content", MISSING),
    (asking(answer()), "messages[0].tool_call_id", VALUE), (asking(HI, answer()), "messages[1].tool_call_id", VALUE),
    (asking(CALLING, answer("call_9"), answer()), "messages[1].tool_call_id", VALUE), (asking(CALLING), "messages[0].tool_calls[0]", VALUE),
    (asking(CALLING, HI), "messages[0].tool_calls[0]", VALUE), (asking(CALLING_BOTH, answer(), HI), "messages[0].tool_calls[1]", VALUE),
    (asking(CALLING, answer(), HI, answer()), "messages[3].tool_call_id", VALUE),
    # ranges
    (asking(n=0), "n", "integer_below_min_value"), (asking(n=129), "n", "integer_above_max_value"), (asking(n=10**5000), "n", "integer_above_max_value"),
    (asking(temperature=2.1), "temperature", "decimal_above_max_value"), (asking(temperature=3), "temperature", "decimal_above_max_value"),
    (asking(temperature=-0.1), "temperature", "decimal_below_min_value"), (asking(top_p=1.01), "top_p", "decimal_above_max_value"),
    (asking(temperature=float("nan")), "temperature", VALUE), (asking(temperature=float("inf")), "temperature", "decimal_above_max_value"),
    (asking(presence_penalty=-3), "presence_penalty", "decimal_below_min_value"), (asking(frequency_penalty=2.5), "frequency_penalty", "decimal_above_max_value"),
    (asking(max_tokens=0), "max_tokens", "integer_below_min_value"), (asking(max_completion_tokens=-1), "max_completion_tokens", "integer_below_min_value"),
    (asking(logprobs=True, top_logprobs=21), "top_logprobs", "integer_above_max_value"), (asking(stop=list("abcde")), "stop", "array_above_max_length"),
    (asking(logit_bias={"5": 101}), "logit_bias.5", "integer_above_max_value"), (asking(logit_bias={"5": -101}), "logit_bias.5", "integer_below_min_value"),
    (asking(safety_identifier="x" * 129), "safety_identifier", "string_above_max_length"),
    (asking(metadata={str(index): "" for index in range(17)}), "metadata", "object_above_max_properties"),
    (asking(metadata={"k" * 65: ""}), "metadata." + "k" * 40 + "…", "string_above_max_length"),
    (asking(metadata={"a.b": "v" * 513}), "metadata.a.b", "string_above_max_length"),
    (asking(tools=[TOOL] * 129), "tools", "array_above_max_length"), (asking(functions=[]), "functions", "empty_array"),
    # tools and formats
    (asking(tools=TOOL), "tools", TYPE), (asking(tools=[{"function": {"name": "f"}}]), "tools[0].type", MISSING),
    (asking(tools=[TOOL, {"type": "function"}]), "tools[1].function", MISSING), (asking(tools=[{"type": "web_search"}]), "tools[0].type", VALUE),
    (asking(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name", "empty_string"),
    (asking(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name", VALUE),
    (asking(tools=[{"type": "function", "function": {"name": "f\n"}}]), "tools[0].function.name", VALUE),
    (asking(tools=[{"type": "function", "function": {"name": "f" * 65}}]), "tools[0].function.name", "string_above_max_length"),
    (asking(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]), "tools[0].function.parameters", TYPE),
    (asking(tools=[{"type": "custom", "custom": {"name": "ü"}}]), "tools[0].custom.name", VALUE),
    (asking(tools=[{"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "bnf", "definition": ""}}}}]), "tools[0].custom.format.grammar.syntax", VALUE),
    (asking(functions=[{"name": "a b"}]), "functions[0].name", VALUE),
    (asking(response_format="json"), "response_format", TYPE), (asking(response_format={}), "response_format.type", MISSING),
    (asking(response_format={"type": "xml"}), "response_format.type", VALUE), (asking(response_format={"type": "json_schema"}), "response_format.json_schema", MISSING),
    (asking(response_format={"type": "json_schema", "json_schema": {"schema": {}}}), "response_format.json_schema.name", MISSING),
    (asking(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": True}}), "response_format.json_schema.schema", TYPE),
    (asking(response_format={"type": "grammar"}), "response_format.grammar", MISSING), (asking(response_format={"type": "grammar", "grammar": {}}), "response_format.grammar", TYPE),
    (asking(modalities=["audio"], audio={"format": "wav", "voice": 1}), "audio.voice", TYPE),
    (asking(modalities=["audio"], audio={"format": "wav", "voice": {}}), "audio.voice.id", MISSING),
    (asking(tools=[TOOL], tool_choice="maybe"), "tool_choice", VALUE), (asking(tools=[TOOL], tool_choice={"function": {"name": "f"}}), "tool_choice.type", MISSING),
    (asking(tools=[TOOL], tool_choice=True), "tool_choice", TYPE), (asking(functions=[{"name": "f"}], function_call="required"), "function_call", VALUE),
    # combinations
    (asking(modalities=["text", "audio"]), "audio", MISSING), (asking(audio={"format": "wav", "voice": "ash"}), "audio", CLASH),
    (asking(tools=[TOOL], functions=[{"name": "f"}]), "functions", CLASH), (asking(function_call="auto"), "function_call", CLASH),
    (asking(functions=[{"name": "f"}], function_call={"name": "g"}), "function_call.name", VALUE),
    (asking(tool_choice="none"), "tool_choice", CLASH), (asking(parallel_tool_calls=True), "parallel_tool_calls", CLASH),
    (asking(tools=[]), "tools", "empty_array"), (asking(model=""), "model", "empty_string"),
    (asking(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice.function.name", VALUE),
    (asking(tools=[CUSTOM], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice.function.name", VALUE),
    (asking(tools=[TOOL], tool_choice={"type": "custom", "custom": {"name": "f"}}), "tool_choice.custom.name", VALUE),
    (asking(tools=[TOOL], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL, CUSTOM]}}), "tool_choice.allowed_tools.tools[1].custom.name", VALUE),
    (asking(stream_options={"include_usage": True}), "stream_options", CLASH), (asking(stream=False, stream_options={}), "stream_options", CLASH),
    (asking(top_logprobs=0), "top_logprobs", CLASH), (asking(logprobs=False, top_logprobs=1), "top_logprobs", CLASH),
    (asking(max_tokens=5, max_completion_tokens=5), "max_tokens", CLASH),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code"), WRONG)
def test_what_is_wrong_is_told_with_its_path_and_its_code(body, param, code):
    assert found(body) == [(param, code)]
    problem = first_problem(body)
    assert problem.status == 400
    assert problem.message.startswith(f"{param or 'the body'}: ")


# Of those above, the ones where a fixed word was expected and another came.
UNKNOWN = [
    asking(modalities=["video"]), asking(reasoning_effort="huge"), asking({"role": "robot"}), said([{"type": "video"}]),
    said([{"type": "input_audio", "input_audio": {"data": "", "format": "ogg"}}]), said([{"type": "refusal", "refusal": "no"}]),
    said([PNG], role="system"), said([PNG], role="assistant"), asking(tools=[{"type": "web_search"}]), asking(response_format={"type": "xml"}),
    asking(tools=[{"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "bnf", "definition": ""}}}}]),
    asking(tools=[TOOL], tool_choice="maybe"), asking(functions=[{"name": "f"}], function_call="required"),
    asking(web_search_options={"user_location": {"type": "exact", "approximate": {}}}),
]  # fmt: skip


def test_a_word_that_the_reference_does_not_know_is_told_from_what_is_wrong_anywhere():
    bodies = [body for body, _, _ in WRONG]
    assert all(body in bodies for body in UNKNOWN)
    for body in bodies:
        assert [problem.unknown_word for problem in problems(body)] == [body in UNKNOWN]


def test_whoever_lets_an_unknown_word_through_hears_of_the_rest():
    body = asking(
        {"role": "robot"}, {"role": "user"}, said([{"type": "video"}])["messages"][0],
        tools=[{"type": "web_search"}, {"type": "function"}], tool_choice={"type": "mcp"}, verbosity="loud", n=0, max_tokens=5, max_completion_tokens=5,
    )  # fmt: skip
    told = [(problem.param, problem.unknown_word) for problem in problems(body)]
    assert told == [
        ("messages[0].role", True),
        ("messages[1].content", False),
        ("messages[2].content[0].type", True),
        ("n", False),
        ("tool_choice.type", True),
        ("tools[0].type", True),
        ("tools[1].function", False),
        ("verbosity", True),
    ]


def test_everything_that_is_wrong_is_told_in_the_order_of_the_reference():
    body = asking({"role": "user"}, {"role": "x"}, n=0, metadata={"a": 1, "b": 2})
    assert [param for param, _ in found(body)] == [
        "messages[0].content",
        "messages[1].role",
        "metadata.a",
        "metadata.b",
        "n",
    ]


def test_combinations_are_looked_at_only_when_each_part_is_right():
    assert found(asking(n=0, top_logprobs=1)) == [("n", "integer_below_min_value")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (asking(n="1"), "n: expected an integer, got a string"),
        (asking(n=129), "n: expected a number from 1 to 128, got 129"),
        (asking(max_tokens=0), "max_tokens: expected at least 1, got 0"),
        (asking(n=10**5000), "n: expected a number from 1 to 128, got a huge integer"),
        (asking(temperature=True), "temperature: expected a number, got true"),
        (asking(verbosity="loud"), "verbosity: expected one of 'low', 'medium', 'high', got 'loud'"),
        (asking(verbosity=None, stop={}), "stop: expected a string or an array, got an object"),
        (asking(stop={1}), "stop: expected a string or an array, got a Python set"),
        (asking(tools=[TOOL], tool_choice=5), "tool_choice: expected one of 'none', 'auto', 'required' or an object, got 5"),
        (asking(prediction={"type": "text", "content": "x"}), "prediction.type: expected 'content', got 'text'"),
        ([], "the body: expected an object, got an array"),
        ({"model": "m"}, "messages: must be given"),
        (asking(modalities=["audio"]), "audio: must be given when modalities has 'audio'"),
        (asking(CALLING), "messages[0].tool_calls[0]: no tool message answers this call"),
    ],
)  # fmt: skip
def test_a_message_names_the_path_what_was_expected_and_what_came(body, message):
    assert first_problem(body).message == message


SECRET = "what nobody else should read " * 3


@pytest.mark.parametrize(
    "body",
    [
        asking(n=SECRET), said(SECRET, role=SECRET), said([{"type": SECRET}]), asking(SECRET), asking(verbosity=SECRET),
        asking(answer(SECRET)), asking(tools=[{"type": "custom", "custom": {"name": SECRET[:50]}}]), SECRET, asking(stop=[{"x": SECRET}]),
        asking(tools=[TOOL], tool_choice={"type": "function", "function": {"name": SECRET}}), asking(metadata={SECRET: 1}),
    ],
)  # fmt: skip
def test_a_message_never_quotes_a_long_text(body):
    told = [problem.message + (problem.param or "") for problem in problems(body)]
    assert told
    assert not any(SECRET[:45] in text for text in told)


def test_what_is_told_can_be_encoded():
    for problem in problems(asking({"role": "\ud800"}, metadata={"\ud800": 1}, verbosity="\udfff")):
        assert "\ufffd" in (problem.message + problem.param).encode().decode()


# --- metadata of a stored completion ------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"metadata": {}}, {"metadata": None}, {"metadata": {"a": "b"}, "more": 1}])
def test_metadata_that_can_be_stored_has_no_problem(body):
    assert metadata_problem(body) is None


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "metadata", MISSING), ([], None, TYPE), ({"metadata": "x"}, "metadata", TYPE), ({"metadata": {"a": 1}}, "metadata.a", TYPE),
        ({"metadata": {str(index): "" for index in range(17)}}, "metadata", "object_above_max_properties"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_stored_has_one(body, param, code):
    problem = metadata_problem(body)
    assert (problem.param, problem.code, problem.status) == (param, code, 400)


# --- all inputs ---------------------------------------------------------------------------------------

texts = st.text(max_size=8)
text_parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
contents = texts | st.lists(text_parts, min_size=1, max_size=3)
user_contents = contents | st.lists(text_parts | st.just(PNG), min_size=1, max_size=3)
turns = st.one_of(
    st.builds(
        lambda role, content: [{"role": role, "content": content}], st.sampled_from(["developer", "system"]), contents
    ),
    st.builds(lambda content: [{"role": "user", "content": content}], user_contents),
    st.builds(lambda content: [{"role": "assistant", "content": content}], contents),
    st.permutations([answer(), answer("call_2")]).map(lambda answers: [CALLING_BOTH, *answers]),
)
options = st.fixed_dictionaries(
    {},
    optional={
        "n": st.none() | st.integers(1, 128),
        "temperature": st.floats(0, 2) | st.integers(0, 2),
        "stop": texts | st.lists(texts, max_size=4),
        "metadata": st.dictionaries(texts, texts, max_size=16),
        "logit_bias": st.dictionaries(texts, st.integers(-100, 100), max_size=5),
        "reasoning_effort": st.sampled_from([None, "none", "max"]),
        "response_format": st.sampled_from([{"type": "text"}, GOOD["a schema"]["response_format"]]),
        "store": st.booleans(),
        "seed": st.integers(),
    },
)
additions = st.sampled_from(
    [
        {key: value for key, value in body.items() if key not in {"model", "messages"}}
        for name, body in GOOD.items()
        if name != "nulls"
    ]
)
bodies = st.builds(
    lambda model, turns, some, more: {"model": model, "messages": [message for turn in turns for message in turn], **some, **more},
    st.text(min_size=1, max_size=8), st.lists(turns, min_size=1, max_size=4), options, additions,
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "function", "text", "tool"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*GOOD["everything else"], "role", "type", "content", "function"]), inner),
)  # fmt: skip


@given(bodies)
def test_a_request_made_of_what_is_allowed_has_no_problem(body):
    assert list(problems(body)) == []


def paths(value, path=()):
    """The path of every value within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield (*path, step)
        yield from paths(part, (*path, step))


def spoiled(body, random):
    """The body with one value in it replaced by an odd one, or taken away, and the path of it."""
    body = json.loads(json.dumps(body))
    path = random.choice(list(paths(body)))
    place = body
    for step in path[:-1]:
        place = place[step]
    if random.random() < 0.2:
        del place[path[-1]]
    else:
        # Null is judged otherwise than by pydantic, and lone surrogates are strings here.
        place[path[-1]] = copy.deepcopy(random.choice([odd for odd in ODD if odd is not None and odd != "\ud800"]))
    return body


@given(bodies, st.randoms(use_true_random=False))
def test_the_verdict_on_types_is_that_of_pydantic(body, random):
    body = spoiled(body, random)
    told = [code for _, code in found(body)]
    try:
        TypeAdapter(CompletionCreateParams).validate_python(body, strict=True)
    except ValidationError:
        assert told
    else:
        assert TYPE not in told


@given(json_values | json_values.map(asking) | json_values.map(lambda value: asking(tools=value, metadata=value)))
def test_no_json_value_makes_it_raise(value):
    for problem in problems(value):
        assert isinstance(problem, Problem)
        problem.message.encode()
    metadata_problem(value)


def test_any_depth_of_nesting_is_judged():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert (
        found(asking(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"x": deep}}}))
        == []
    )
    assert found(said(deep)) == [("messages[0].content[0]", TYPE)]
    while deep:  # freed from the outside in: older Pythons free a deep list by recursion
        deep = deep.pop()


def test_work_is_linear_in_the_body():
    def work(count):
        body = asking(*[HI, CALLING, answer()] * count, tools=[TOOL])
        return opcodes(lambda: list(problems(body)))

    few, many = work(20), work(200)
    assert many < 11 * few


def test_the_first_problem_costs_no_more_for_those_that_follow():
    body = asking(*[1] * 100_000)
    assert opcodes(lambda: first_problem(body)) < 2_000


def test_the_body_is_left_as_it_was():
    body = GOOD["every role"]
    before = copy.deepcopy(body)
    list(problems(body))
    assert body == before
