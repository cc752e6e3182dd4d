"""What a case expects, checked against what came of its stream; every key of the shared data is known here."""

import json

from chatstream import errors


def content_of(completion):
    return completion.choices[0].message.content if completion is not None and completion.choices else None


def calls_of(message):
    """[name, parsed arguments] of each call, empty ones as {}; of a custom call [name, input]."""
    return [
        [call.custom.name, call.custom.input]
        if call.type == "custom"
        else [call.function.name, json.loads(call.function.arguments or "{}")]
        for call in message.tool_calls or []
    ]


def no_call_with_empty_arguments(outcome):
    """Cut arguments never turn into a call that could be run."""
    done = [event for event in outcome.events if event.type == "tool_calls.function.arguments.done"]
    assert outcome.error is not None or not any(event.complete for event in done)
    assert not any(event.parsed_arguments == {} for event in done)
    calls = outcome.completion.choices[0].message.tool_calls
    assert calls
    assert all(call.function.arguments not in {"", "{}"} for call in calls)


WIRE_SHAPE = {
    "content": lambda outcome, first, value: first.message.content == value,
    "contents_by_choice": lambda outcome, first, value: [one.message.content for one in outcome.completion.choices] == value,
    "some_choice_has_content": lambda outcome, first, value: value in [one.message.content for one in outcome.completion.choices],
    "role": lambda outcome, first, value: first.message.role == value,
    "reasoning": lambda outcome, first, value: first.message.reasoning == value,
    "tool_calls": lambda outcome, first, value: calls_of(first.message) == value,
    "tool_call_ids": lambda outcome, first, value: [call.id for call in first.message.tool_calls] == value,
    "every_call_has_an_id": lambda outcome, first, value: all(call.id for call in first.message.tool_calls) is value,
    "function_call_name": lambda outcome, first, value: first.message.function_call.name == value,
    "finish_reason": lambda outcome, first, value: first.finish_reason == value,
    "usage_prompt_completion": lambda outcome, first, value: (
        [outcome.completion.usage.prompt_tokens, outcome.completion.usage.completion_tokens] == value
    ),
    "error": lambda outcome, first, value: isinstance(outcome.error, errors.ChatStreamError) is value,
    "error_mentions": lambda outcome, first, value: value in str(outcome.error),
    "incomplete": lambda outcome, first, value: isinstance(outcome.error, errors.IncompleteStreamError) is value,
    "no_error": lambda outcome, first, value: (outcome.error is None) is value,
    "no_call_with_empty_arguments": lambda outcome, first, value: no_call_with_empty_arguments(outcome) is None,
    # Of our own cases alone.
    "anomalies": lambda outcome, first, value: [anomaly.kind for anomaly in outcome.anomalies] == value,
    "end": lambda outcome, first, value: outcome.end.kind == value,
    "refusal": lambda outcome, first, value: first.message.refusal == value,
    "message_extra": lambda outcome, first, value: first.message.model_extra == value,
    "extra": lambda outcome, first, value: outcome.completion.model_extra == value,
    "function_call": lambda outcome, first, value: first.message.function_call.model_dump() == value,
    "raises": lambda outcome, first, value: type(outcome.error).__name__ == value,
    "ids": lambda outcome, first, value: (outcome.completion.id, outcome.completion.model, outcome.completion.created) == tuple(value),
    "audio": lambda outcome, first, value: first.message.audio.model_dump() == value,
}  # fmt: skip
MAY_FAIL = {"error", "incomplete", "no_call_with_empty_arguments", "raises", "error_mentions"}


def check_wire_shape(expect, outcome):
    """Each expectation of the case holds; and unless one of them is about an error, there is none."""
    first = outcome.completion.choices[0] if outcome.completion is not None and outcome.completion.choices else None
    for name, value in expect.items():
        assert WIRE_SHAPE[name](outcome, first, value), (name, value, first, outcome.error)
    if not MAY_FAIL & expect.keys():
        assert outcome.error is None


def check_fault(expect, outcome):
    """The outcome of a faulty response: whole as it says, or the error it says with what had arrived."""
    assert expect.keys() <= {"outcome", "error", "partial_content", "choices", "usage", "reasoning", "why", "note"}
    if expect["outcome"] == "error":
        assert isinstance(outcome.error, getattr(errors, expect["error"])), outcome.error
        if expect["partial_content"] is not None:
            assert (content_of(outcome.error.completion) or "") == expect["partial_content"]
            assert (content_of(outcome.completion) or "") == expect["partial_content"]
        return
    assert expect["outcome"] == "complete"
    assert outcome.error is None
    assert outcome.end.kind in {"complete", "no_done"}
    assert [choice_as_expected(choice) for choice in outcome.completion.choices] == expect["choices"]
    if "usage" in expect:
        assert outcome.completion.usage.model_dump(exclude_unset=True) == expect["usage"]
    if "reasoning" in expect:
        assert outcome.completion.choices[0].message.reasoning == expect["reasoning"]
    for event in outcome.events:
        if event.type == "tool_calls.function.arguments.done":
            assert event.complete == is_object(event.arguments)


def is_object(text):
    try:
        return type(json.loads(text)) is dict
    except ValueError:
        return False


def choice_as_expected(choice):
    calls = [
        {
            "id": call.id,
            "type": call.type,
            "name": (call.custom if call.type == "custom" else call.function).name,
            "arguments": call.custom.input if call.type == "custom" else call.function.arguments,
        }
        for call in choice.message.tool_calls or []
    ]
    return {
        "index": choice.index,
        "content": choice.message.content,
        "finish_reason": choice.finish_reason,
        "tool_calls": calls,
    }


def check_merge(expected, completion):
    """The whole merge of a recorded stream."""
    found = {
        name: getattr(completion, name)
        for name in ("id", "object", "created", "model", "system_fingerprint", "service_tier")
    }
    assert found == {name: expected[name] for name in found}
    assert expected.keys() == {*found, "usage", "choices", "extra"}
    assert completion.model_extra == expected["extra"]
    usage = completion.usage
    assert (usage.model_dump(exclude_unset=True) if usage is not None else None) == expected["usage"]
    assert [merged_choice(choice) for choice in completion.choices] == [
        without_call_index(choice) for choice in expected["choices"]
    ]


def merged_choice(choice):
    message = choice.message
    calls = [call.model_dump(exclude_unset=True) for call in message.tool_calls or []]
    logprobs = choice.logprobs.model_dump(exclude_unset=True) if choice.logprobs is not None else None
    named = {
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "tool_calls": calls,
    }
    return {
        "index": choice.index,
        "finish_reason": choice.finish_reason,
        "logprobs": logprobs,
        "extra": choice.model_extra,
        "message": named,
    }


def without_call_index(choice):
    calls = [{key: value for key, value in call.items() if key != "index"} for call in choice["message"]["tool_calls"]]
    return {**choice, "message": {**choice["message"], "tool_calls": calls}}
