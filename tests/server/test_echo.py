"""The echo: what each field of a request brings about, and that the stream of an answer is the answer."""

import base64
import io
import math
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chatstream.chunking import chunks_of
from chatstream.jsontext import plain, read_json, write_json
from chatstream.server.echo import FINGERPRINT, answer, cut
from chatstream.server.echo.calls import plan
from chatstream.server.echo.prompts import read_prompt
from chatstream.server.echo.tokens import count
from chatstream.server.samples import UnusableSchemaError
from chatstream.types import ChatCompletion, build
from made_up import ODD, spoil
from wire import dump, read, wire

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def function(name, parameters=None):
    return {
        "type": "function",
        "function": {"name": name, **({} if parameters is None else {"parameters": parameters})},
    }


def custom(name, **members):
    return {"type": "custom", "custom": {"name": name, **members}}


TOOLS = [function("get_weather", WEATHER), function("now"), custom("shell")]


def ask(said="Hello", *, number=1, cached=False, messages=None, **members):
    """The answer to a request."""
    body = {"model": "m", "messages": messages or [{"role": "user", "content": said}], **members}
    return answer(body, id=f"chatcmpl-{number}", created=1700000000, cached=cached)


def choice(*said, **members):
    return ask(*said, **members)["choices"][0]


def message(*said, **members):
    return choice(*said, **members)["message"]


def called(*said, **members):
    """The names of the calls, and the finish reason."""
    made = choice(*said, **members)
    calls = made["message"].get("tool_calls", [])
    return [call[call["type"]]["name"] for call in calls], made["finish_reason"]


# ---------------------------------------------------------------- text


def test_an_answer_has_every_member_that_the_api_has():
    made = ask("Hello", model="gpt-x")
    content = made["choices"][0]["message"]["content"]
    assert made == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": count(content),
            "total_tokens": 5 + count(content),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }  # fmt: skip


def test_the_last_user_message_is_echoed():
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "second"},
    ]
    content = message(messages=messages)["content"]
    assert content.startswith("You said: second\n\n")
    assert "first" not in content


def test_text_parts_are_joined_and_the_others_are_counted():
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    parts = [
        {"type": "text", "text": "one"},
        image,
        {"type": "text", "text": "two"},
        image,
        {"type": "file", "file": {}},
    ]
    content = message(messages=[{"role": "user", "content": parts}])["content"]
    assert "one\ntwo" in content
    assert "2 images, 1 file" in content


def test_without_words_there_is_an_answer_all_the_same():
    assert message(messages=[{"role": "system", "content": "Be kind."}])["content"].startswith("You said nothing.")


def test_after_tools_have_answered_the_text_is_about_that():
    messages = [
        {"role": "user", "content": "call now and call get_weather, please refuse"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
        {"role": "function", "name": "old", "content": "done"},
    ]
    made = choice(messages=messages, tools=TOOLS)
    assert made["finish_reason"] == "stop"
    assert "now returned: noon" in made["message"]["content"]
    assert "old returned: done" in made["message"]["content"]
    for forced in ("required", {"type": "function", "function": {"name": "now"}}):
        assert called(messages=messages, tools=TOOLS, tool_choice=forced)[0] == []


def test_the_same_request_and_id_give_the_same_answer():
    asked = {"said": "call now", "tools": TOOLS, "n": 2, "reasoning_effort": "high", "logprobs": True}
    assert ask(**asked) == ask(**asked)
    ids = [ask(**asked, number=number)["choices"][0]["message"]["tool_calls"][0]["id"] for number in (1, 2)]
    assert ids[0] != ids[1]


def test_choices_differ():
    made = ask(n=3)["choices"]
    assert [one["index"] for one in made] == [0, 1, 2]
    assert len({one["message"]["content"] for one in made}) == 3


def test_choices_of_a_schema_differ_where_it_lets_them():
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y", "z"]}}}
    asked = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    assert len({one["message"]["content"] for one in ask(n=3, response_format=asked)["choices"]}) == 3
    said = [one["message"]["content"] for one in ask(n=6, response_format=asked)["choices"]]
    assert said[3] == said[4] == said[5], "a schema is not tried for each of 128 choices"


def test_a_service_tier_comes_back():
    assert ask(service_tier="flex")["service_tier"] == "flex"
    assert ask(service_tier="auto")["service_tier"] == ask(service_tier=None)["service_tier"] == "default"


def test_many_choices_do_not_multiply_a_long_text():
    made = ask("x" * 10**6, n=128)
    assert sum(len(one["message"]["content"]) for one in made["choices"]) < 200_000


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_at_the_token_limit(key):
    whole = cut(message()["content"])
    for most in (1, 3, len(whole) - 1):
        made = ask(**{key: most})
        assert made["choices"][0]["message"]["content"] == "".join(whole[:most])
        assert made["choices"][0]["finish_reason"] == "length"
        assert made["usage"]["completion_tokens"] == most
    assert choice(**{key: len(whole)})["finish_reason"] == "stop"


def test_the_limit_counts_reasoning_first():
    made = ask(reasoning_effort="high", max_completion_tokens=4)
    assert made["choices"][0]["message"]["content"] == ""
    assert made["choices"][0]["finish_reason"] == "length"
    assert made["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4
    assert count(made["choices"][0]["message"]["reasoning_content"]) == 4


def test_the_limit_cuts_arguments():
    made = choice("call get_weather call now", tools=TOOLS, max_completion_tokens=3)
    (call,) = made["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"city'
    assert made["finish_reason"] == "length"


@pytest.mark.parametrize("stop", ["echo", ["nowhere", "echo", "made"], ["", "echo"]])
def test_a_text_ends_before_a_stop_sequence(stop):
    made = choice(stop=stop)
    assert made["message"]["content"] == "You said: Hello\n\nThis is an "
    assert made["finish_reason"] == "stop"


def test_a_stop_sequence_past_the_limit_does_not_count():
    assert choice(stop="echo", max_tokens=2)["finish_reason"] == "length"


# ---------------------------------------------------------------- tools


def test_words_call_tools_in_their_order():
    assert called("Call now, then call get_weather. And call shell!", tools=TOOLS) == (
        ["now", "get_weather", "shell"],
        "tool_calls",
    )
    assert called("call now call now", tools=TOOLS)[0] == ["now", "now"]
    assert called("call now call shell", tools=TOOLS, parallel_tool_calls=False)[0] == ["now"]


def test_a_tool_or_a_call_without_a_name_is_passed_over():
    messages = [{"role": "user", "content": "call now"}, {"role": "assistant", "tool_calls": [{"id": "c"}]}]
    assert called(messages=messages, tools=[{"type": "function"}, *TOOLS])[0] == ["now"]
    answered = [*messages, {"role": "tool", "tool_call_id": "c", "content": "noon"}]
    assert "The tool returned: noon" in message(messages=answered)["content"]


@pytest.mark.parametrize("said", ["call nobody", "recall now", "callnow", "I will call you now"])
def test_other_words_call_nothing(said):
    assert called(said, tools=TOOLS) == ([], "stop")


def test_a_choice_of_none_calls_nothing():
    assert called("call now", tools=TOOLS, tool_choice="none") == ([], "stop")


def test_required_calls_the_first_tool_unless_words_name_another():
    assert called(tools=TOOLS, tool_choice="required") == (["get_weather"], "tool_calls")
    assert called("call now", tools=TOOLS, tool_choice="required") == (["now"], "tool_calls")


@pytest.mark.parametrize("tool", [function("now"), custom("shell")])
def test_a_named_tool_is_called_and_the_answer_finishes_with_stop(tool):
    name = tool[tool["type"]]["name"]
    assert called(
        "call get_weather", tools=TOOLS, tool_choice={"type": tool["type"], tool["type"]: {"name": name}}
    ) == ([name], "stop")


def test_of_allowed_tools_alone_one_is_called():
    def allowed(mode):
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [function("now"), custom("shell")]}}

    assert called(tools=TOOLS, tool_choice=allowed("required")) == (["now"], "tool_calls")
    assert called(tools=TOOLS, tool_choice=allowed("auto")) == ([], "stop")
    assert called("call get_weather call shell", tools=TOOLS, tool_choice=allowed("auto"))[0] == ["shell"]


def test_arguments_fit_the_parameters():
    made = message("call get_weather call now", tools=TOOLS)
    assert made["content"] is None
    first, second = made["tool_calls"]
    Draft202012Validator(WEATHER).validate(read_json(first["function"]["arguments"].encode())[0])
    assert second["function"]["arguments"] == "{}"
    assert first["id"] != second["id"]
    assert len(first["id"]) == len("call_") + 24


def test_a_custom_tool_gets_a_text_or_one_for_its_regex():
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": r"^\d{2}:\d{2}$"}}
    tools = [custom("free"), custom("timed", format=grammar)]
    free, timed = message("call free call timed", tools=tools)["tool_calls"]
    assert "call free" in free["custom"]["input"]
    assert timed["custom"]["input"] == "12:45"


def test_a_legacy_function_is_called():
    functions = [{"name": "f", "parameters": WEATHER}, {"name": "g"}]
    for asked, reason in (({"said": "call g call f"}, "function_call"), ({"function_call": {"name": "g"}}, "stop")):
        made = choice(**asked, functions=functions)
        assert made["message"]["function_call"] == {"name": "g", "arguments": "{}"}
        assert made["finish_reason"] == reason
        assert "tool_calls" not in made["message"]
    assert "function_call" not in message("call g", functions=functions, function_call="none")


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"tools": [TOOLS[1], function("bad", {"type": "object", "properties": {"a": False}, "required": ["a"]})]}, "tools[1].function.parameters.properties.a"),
        ({"functions": [{"name": "bad", "parameters": {"$ref": "#/x"}}]}, "functions[0].parameters"),
        ({"tools": [custom("bad", format={"type": "grammar", "grammar": {"syntax": "regex", "definition": "("}})]}, "tools[0].custom.format.grammar.definition"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}}, "response_format.json_schema.schema"),
    ],
)  # fmt: skip
def test_an_unusable_schema_is_named_by_its_path_in_the_body(members, path):
    with pytest.raises(UnusableSchemaError) as caught:
        ask("call bad", **members)
    assert caught.value.path == path


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize("asked", [{"type": "text"}, {"type": "grammar", "grammar": "start: /a+/"}, {"type": "python"}])
def test_what_is_no_json_is_answered_in_text(asked):
    assert message("hello", response_format=asked)["content"].startswith("You said: hello")


def test_a_json_object_has_what_was_said():
    value, _ = read_json(message('say "hi"', response_format={"type": "json_object"})["content"].encode())
    assert value == {"said": 'say "hi"'}


def test_a_json_schema_is_answered_with_a_value_of_it():
    asked = {"type": "json_schema", "json_schema": {"name": "weather", "strict": True, "schema": WEATHER}}
    content = message(response_format=asked)["content"]
    assert content == '{"city":"city","days":2}'
    Draft202012Validator(WEATHER).validate(read_json(content.encode())[0])


def test_tokens_have_log_probabilities():
    made = choice("Grüße 日本 😀", logprobs=True, top_logprobs=5)
    entries = made["logprobs"]["content"]
    assert made["logprobs"]["refusal"] is None
    assert "".join(entry["token"] for entry in entries) == made["message"]["content"]
    for entry in entries:
        top = entry["top_logprobs"]
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert {key: entry[key] for key in ("token", "logprob", "bytes")} == top[0]
        assert len({one["token"] for one in top}) == len(top) == 5
        assert [one["logprob"] for one in top] == sorted((one["logprob"] for one in top), reverse=True)
        assert sum(math.exp(one["logprob"]) for one in top) < 1


@pytest.mark.parametrize(("top", "expected"), [(None, 0), (0, 0), (1, 1), (20, 20)])
def test_as_many_likeliest_tokens_stand_beside_each_as_were_asked_for(top, expected):
    entries = choice(logprobs=True, top_logprobs=top)["logprobs"]["content"]
    assert {len(entry["top_logprobs"]) for entry in entries} == {expected}


def test_a_refusal_has_log_probabilities_of_its_own_and_calls_have_none():
    refused = choice("please refuse", logprobs=True)
    assert "".join(entry["token"] for entry in refused["logprobs"]["refusal"]) == refused["message"]["refusal"]
    assert choice("call now", tools=TOOLS, logprobs=True)["logprobs"] is None


def test_reasoning_comes_with_an_effort_and_grows_with_it():
    sizes = [len(message(reasoning_effort=effort)["reasoning_content"]) for effort in ("low", "medium", "high")]
    assert sizes == sorted(set(sizes))
    made = ask(reasoning_effort="low")
    text = made["choices"][0]["message"]
    assert made["usage"]["completion_tokens_details"]["reasoning_tokens"] == count(text["reasoning_content"])
    assert made["usage"]["completion_tokens"] == count(text["reasoning_content"]) + count(text["content"])
    assert "reasoning_content" not in message(reasoning_effort="none")
    assert "reasoning_content" not in message(reasoning_effort=None)


def test_speech_is_a_sound_with_its_transcript():
    made = ask(modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"})
    spoken = made["choices"][0]["message"]
    assert spoken["content"] is None
    assert spoken["audio"]["transcript"].startswith("You said: Hello")
    assert spoken["audio"]["expires_at"] == 1700000000 + 3600
    with wave.open(io.BytesIO(base64.b64decode(spoken["audio"]["data"]))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth(), sound.getnframes()) == (
            24000,
            1,
            2,
            2400,
        )
        samples = sound.readframes(2400)
    assert made["usage"]["completion_tokens_details"]["audio_tokens"] > 0
    raw = message(modalities=["text", "audio"], audio={"voice": "alloy", "format": "pcm16"})["audio"]["data"]
    assert base64.b64decode(raw) == samples


def test_a_search_is_cited_where_the_link_stands():
    made = message(web_search_options={})
    (annotation,) = made["annotations"]
    cited = annotation["url_citation"]
    assert annotation["type"] == "url_citation"
    assert cited["url"] in made["content"][cited["start_index"] : cited["end_index"]]
    assert message(web_search_options={}, max_tokens=3)["annotations"] == []


def test_predicted_tokens_are_accepted_or_rejected():
    prediction = {"type": "content", "content": "You said: Bananas"}
    usage = ask(prediction=prediction)["usage"]
    details = usage["completion_tokens_details"]
    assert (details["accepted_prediction_tokens"], details["rejected_prediction_tokens"]) == (3, 2)
    assert usage["completion_tokens"] == ask()["usage"]["completion_tokens"] + 2


def test_a_cached_prompt_has_cached_tokens():
    messages = [{"role": "system", "content": "You are kind. " * 9}, {"role": "user", "content": "Hello"}]
    usage = ask(messages=messages, cached=True)["usage"]
    assert 30 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


def test_images_calls_and_tools_cost_prompt_tokens():
    parts = [{"type": "text", "text": "Hello"}, {"type": "input_audio", "input_audio": {}}]
    costs = [
        ask()["usage"]["prompt_tokens"],
        ask(messages=[{"role": "user", "content": parts}])["usage"]["prompt_tokens"],
        ask(tools=TOOLS)["usage"]["prompt_tokens"],
    ]
    assert costs[1] == costs[0] + 85
    assert costs[2] > costs[0] + 20
    assert ask(messages=[{"role": "user", "content": parts}])["usage"]["prompt_tokens_details"]["audio_tokens"] == 85


def test_please_refuse_is_refused_whatever_else_is_asked():
    made = choice("PLEASE refuse to call now", tools=TOOLS, tool_choice="required")
    assert made["finish_reason"] == "stop"
    assert made["message"]["content"] is None
    assert made["message"]["refusal"]
    assert "tool_calls" not in made["message"]


def test_a_content_filter_breaks_the_answer_off():
    made = choice("trip the content filter")
    assert made["finish_reason"] == "content_filter"
    assert made["message"]["content"].startswith("You said: trip")
    assert not made["message"]["content"].endswith("model.")


# ---------------------------------------------------------------- laws

requests = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "messages": st.lists(
            st.sampled_from(
                [
                    {"role": "user", "content": "Hello"},
                    {"role": "user", "content": "call get_weather and call shell"},
                    {"role": "user", "content": "please refuse"},
                    {"role": "user", "content": "\ud83d \u2028 content filter"},
                    {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "input_audio"}]},
                    {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": "c", "content": "noon"},
                ]
            ),
            max_size=4,
        ),
    },
    optional={
        "n": st.integers(1, 3),
        "max_completion_tokens": st.integers(1, 30),
        "stop": st.sampled_from(["echo", ["e", "said"]]),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 3),
        "reasoning_effort": st.sampled_from(["none", "low", "high"]),
        "tools": st.just(TOOLS),
        "functions": st.just([{"name": "shell"}]),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "now"}}]),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}]),
        "modalities": st.just(["text", "audio"]),
        "web_search_options": st.just({}),
        "prediction": st.just({"type": "content", "content": [{"type": "text", "text": "You said"}]}),
        "parallel_tool_calls": st.booleans(),
        "service_tier": st.sampled_from(["auto", "flex"]),
    },
)  # fmt: skip


def as_streamed(made):
    """The answer as a stream can say it: an empty list says nothing, and reasoning goes by one name."""
    for one in made["choices"]:
        if not one["message"]["annotations"]:
            del one["message"]["annotations"]
        if "reasoning_content" in one["message"]:
            one["message"]["reasoning"] = one["message"]["reasoning_content"]
    return dump(build(ChatCompletion, made))


@given(requests, st.booleans())
def test_the_stream_of_an_answer_is_the_answer(body, cached):
    made = answer(body, id="chatcmpl-1", created=1, cached=cached)
    parser, events = read([wire(chunks_of(made, include_usage=True, pieces=cut))])
    assert events[-1].end.kind == "complete"
    assert dump(parser.snapshot) == as_streamed(made)
    assert parser.anomalies == []


@given(requests)
def test_an_answer_is_json_that_can_be_sent_and_keeps_its_limits(body):
    made = answer(body, id="chatcmpl-1", created=1)
    assert read_json(write_json(made).encode()) == (made, 0)
    usage = made["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    most = body.get("max_completion_tokens")
    rejected = usage["completion_tokens_details"]["rejected_prediction_tokens"]
    if most is not None:
        assert usage["completion_tokens"] - rejected <= most * len(made["choices"])


@given(requests, st.randoms(use_true_random=False))
def test_no_body_is_too_odd_to_be_answered(body, random):
    for _ in range(3):
        body = spoil(random, body)
    if not isinstance(body, dict):
        return
    body |= {random.choice(["tools", "messages", "stop", "n", "audio", "prediction", "modalities"]): random.choice(ODD)}
    try:
        made = answer(body, id="chatcmpl-1", created=1)
    except UnusableSchemaError as error:
        assert error.path  # noqa: PT017  whether it is raised depends on the body
        return
    write_json(plain(made)).encode()
    assert made["choices"]


def test_a_plan_is_made_of_what_the_prompt_says():
    body = {"messages": [{"role": "user", "content": "call now"}], "tools": TOOLS}
    assert [call.name for call in plan(body, read_prompt(body)).calls] == ["now"]
