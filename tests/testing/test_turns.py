import json
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream import ChatCompletionStream
from chatstream.chunking import words
from chatstream.errors import APIStreamError, StreamProtocolError
from chatstream.recording import Recording
from chatstream.testing import refusal_turn, sse, text_turn, tool_turn, turns

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(
    st.tuples(st.text("abc_", min_size=1, max_size=8), st.dictionaries(TEXTS, VALUES, max_size=3)),
    min_size=1,
    max_size=3,
)
PIECES = st.integers(1, 40) | st.tuples(st.integers(1, 5), st.integers(5, 40)) | st.just(words)
SENT = {"seed": st.integers(), "pieces": PIECES, "cut": st.booleans()}


def completion_of(recording):
    return ChatCompletionStream(recording).final_chat_completion()


def message_of(recording):
    return completion_of(recording).choices[0].message


@given(TEXTS, TEXTS, st.fixed_dictionaries(SENT))
def test_the_parser_reads_the_text_that_went_in_whatever_the_cuts_are(text, reasoning, options):
    message = message_of(text_turn(text, reasoning=reasoning, **options))
    assert message.content == text
    assert message.refusal is None
    assert getattr(message, "reasoning_content", "") == reasoning


@given(CALLS, st.fixed_dictionaries(SENT))
def test_the_parser_reads_the_calls_that_went_in_whatever_the_cuts_are(calls, options):
    completion = completion_of(tool_turn(*calls, **options))
    assert completion.choices[0].finish_reason == "tool_calls"
    made = completion.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in made] == calls
    assert [call.id for call in made] == [f"call_{number}" for number in range(1, len(calls) + 1)]


@given(TEXTS, st.fixed_dictionaries(SENT))
def test_the_parser_reads_the_refusal_that_went_in(text, options):
    message = message_of(refusal_turn(text, **options))
    assert (message.content, message.refusal) == (None, text)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.fixed_dictionaries(SENT))
def test_several_texts_are_several_choices(texts, options):
    assert [choice.message.content for choice in completion_of(text_turn(*texts, **options)).choices] == texts


@given(st.fixed_dictionaries(SENT))
def test_the_same_seed_gives_the_same_reads(options):
    one, other = (text_turn("Every cut is drawn once more.", **options) for _ in range(2))
    assert one == other


def test_another_seed_cuts_elsewhere():
    made = {text_turn("The same text, cut into other pieces.", seed=seed).bytes for seed in range(5)}
    assert len(made) == 5


def test_a_chunk_has_as_many_characters_as_were_asked_for():
    stream = ChatCompletionStream(text_turn("abcdefgh", pieces=3))
    assert [event.delta for event in stream if event.type == "content.delta"] == ["abc", "def", "gh"]


@pytest.mark.parametrize("pieces", [0, -1, (0, 3), (4, 3)])
def test_pieces_of_nothing_are_refused(pieces):
    with pytest.raises(ValueError, match="pieces is a number of characters"):
        text_turn("Hello", pieces=pieces)


def test_a_body_that_is_cut_has_reads_that_end_within_events_and_the_bytes_of_one_that_is_not():
    whole, cut = text_turn("Hello there, all of you!"), text_turn("Hello there, all of you!", cut=True)
    assert cut.bytes == whole.bytes
    assert all(read.data.endswith(b"\n\n") for read in whole.reads)
    assert not all(read.data.endswith(b"\n\n") for read in cut.reads)


def test_the_gap_is_waited_before_each_chunk_and_not_before_the_end_of_all():
    recording = text_turn("abcd", pieces=2, gap=0.25)
    waits = []
    list(recording.play(sleep=waits.append))
    assert waits == [0.25] * 4  # the role, two pieces, the finish reason
    assert recording.head == 0.25


@pytest.mark.parametrize("gap", [-1, float("nan")])
def test_a_gap_is_no_negative_time(gap):
    with pytest.raises(ValueError, match="gap"):
        text_turn("Hello", gap=gap)


def test_what_is_asked_for_besides_is_in_the_answer():
    recording = text_turn("Hi", usage=(7, 2), finish_reason="length", model="m", id="c9", created=5)
    completion = ChatCompletionStream(recording).until_done().snapshot
    assert (completion.id, completion.created, completion.model) == ("c9", 5, "m")
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
    }


def test_usage_may_be_the_object_of_the_api_and_is_not_there_unless_asked_for():
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cached": 1}
    assert completion_of(text_turn("Hi", usage=usage)).usage.cached == 1
    assert completion_of(text_turn("Hi")).usage is None


def test_the_question_is_recorded_as_words_or_as_a_body():
    asked = text_turn("Hi", asked="Say hi.", model="m").request
    assert asked["body"] == {"model": "m", "messages": [{"role": "user", "content": "Say hi."}]}
    assert (asked["method"], asked["url"]) == ("POST", "/v1/chat/completions")
    assert text_turn("Hi", asked={"model": "other"}).request["body"] == {"model": "other"}
    assert text_turn("Hi").request is None


def test_a_call_may_be_written_as_the_api_has_it_or_with_arguments_that_are_no_json():
    custom = {"id": "x", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    recording = tool_turn(custom, ("f", "{broken"), text="Let me see.")
    message = ChatCompletionStream(recording).until_done().snapshot.choices[0].message
    assert message.content == "Let me see."
    assert message.tool_calls[0].custom.input == "ls"
    assert message.tool_calls[0].id == "x"
    assert (message.tool_calls[1].id, message.tool_calls[1].function.arguments) == ("call_2", "{broken")


def test_turns_are_one_recording_each_and_their_ids_count_on():
    own = text_turn("mine", id="own")
    made = turns("Hello", [("f", {}), ("g", {})], own, [("f", {})], model="m")
    completions = [completion_of(recording) for recording in made]
    assert [completion.id for completion in completions] == ["chatcmpl-1", "chatcmpl-2", "own", "chatcmpl-4"]
    assert [call.id for place in (1, 3) for call in completions[place].choices[0].message.tool_calls] == [
        "call_1",
        "call_2",
        "call_3",
    ]
    assert completions[0].model == "m"
    assert [recording.name for recording in made] == ["turn-1", "turn-2", "turn", "turn-4"]


def test_an_option_that_there_is_not_is_told():
    with pytest.raises(TypeError, match="not modle"):
        text_turn("Hello", modle="m")


def test_raw_events_are_written_as_they_are():
    assert sse({"a": 1}, "not json", done=False) == b'data: {"a":1}\n\ndata: not json\n\n'
    assert sse("two\nlines") == b"data: two\ndata: lines\n\ndata: [DONE]\n\n"


def test_raw_events_are_a_source_of_streams_that_no_model_sends():
    with pytest.raises(APIStreamError, match="too hot"):
        ChatCompletionStream([sse({"error": {"message": "too hot"}})]).final_chat_completion()
    with pytest.raises(StreamProtocolError):
        ChatCompletionStream([sse("{broken")]).final_chat_completion()


def test_a_turn_is_a_recording_that_ended_well():
    recording = text_turn("Hello")
    assert isinstance(recording, Recording)
    assert recording.end == {"end": "eof"}
    assert recording.response["status"] == 200


def test_making_up_an_answer_loads_neither_pydantic_nor_an_http_library():
    code = """
        import sys
        from chatstream.testing import Steps, VirtualClock, text_turn
        text_turn("Hello")
        assert not {"anyio", "httpx", "httpx2", "pydantic"} & {*sys.modules}
        """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
