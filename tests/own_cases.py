"""Our own cases of streams as servers send them, one for each rule of merging.md, in the form of the shared ones.

`WIRE_SHAPES`: a body, and what a correct client makes of it. `FAULTS`: responses write by write, and the outcome to be
told. `STREAMS`: whole streams, and all that they merge to. What each key of `expect` means is in expectations.py.
"""

import gzip
import json
import zlib
from base64 import b64encode

import brotli
import zstandard

from chatstream.ends import Limits
from wire import block, chunk, wire

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
STOP = chunk(finish="stop")
HI = [chunk({"role": "assistant", "content": ""}), chunk({"content": "H"}), chunk({"content": "i"}), STOP]


def shape(name, body, expect, **options):
    """A case; chunks are put on the wire, with a finish reason and [DONE] behind them where they have none."""
    if isinstance(body, list):
        finished = any(
            one["finish_reason"]
            for value in body
            for one in value.get("choices") or []
            if "finish_reason" in (one or {})
        )
        body = wire(body if finished else [*body, STOP])
    return {"name": name, "body_base64": b64encode(body), "expect": expect, **options}


def calls(*entries, **members):
    return chunk({"tool_calls": list(entries)}, **members)


def call(index=None, id=None, name=None, arguments=None, **members):
    """An entry of tool_calls with what is given, and nothing else."""
    function = {key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None}
    named = {"index": index, "id": id, "function": function or None, **members}
    return {key: value for key, value in named.items() if value is not None}


def bare(choice, **members):
    """A chunk whose one choice is as it is given."""
    return {**chunk(), "choices": [choice], **members}


F1, G2 = ["f", {"x": 1}], ["g", {"y": 2}]
X1, Y2 = '{"x":1}', '{"y":2}'

WIRE_SHAPES = [
    # From bytes to chunks
    shape("plain", HI, {"content": "Hi", "role": "assistant", "finish_reason": "stop", "anomalies": [], "end": "complete"}),
    shape("line-ends-cr", wire(HI, newline="\r"), {"content": "Hi", "end": "complete"}),
    shape("line-ends-crlf", wire(HI, newline="\r\n"), {"content": "Hi", "end": "complete"}),
    shape("byte-order-mark", b"\xef\xbb\xbf" + wire(HI), {"content": "Hi", "anomalies": []}),
    shape("no-space", wire(HI).replace(b"data: ", b"data:"), {"content": "Hi"}),
    shape("white-space-round-the-data", wire(HI).replace(b"data: ", b"data: \t ").replace(b"\n\n", b" \t\n\n"), {"content": "Hi"}),
    shape("done-padded", wire(HI, done=False) + b"data:   [DONE]  \n\n", {"content": "Hi", "end": "complete"}),
    shape("done-without-blank-line", wire(HI, done=False) + b"data: [DONE]", {"content": "Hi", "end": "complete"}),
    shape("nothing-after-done", wire(HI) + b"data: nonsense\n\n" + wire(HI), {"content": "Hi", "anomalies": []}),
    shape("done-with-a-tail-is-malformed", wire(HI[:2], done=False) + b"data: [DONE]x\n\n", {"raises": "StreamProtocolError", "content": "H"}),
    shape("keep-alives", b': a\n\ndata:\n\ndata: null\n\ndata: {}\n\nevent: ping\ndata: {"type": "ping"}\n\n' + wire(HI), {"content": "Hi", "anomalies": []}),
    shape("ids-and-retries", b"retry: 5\n\n" + wire(HI).replace(b"data:", b"id: 7\ndata:"), {"content": "Hi", "anomalies": []}),
    shape("named-events", wire(HI).replace(b"data:", b"event: chunk\ndata:"), {"content": "Hi", "anomalies": []}),
    shape("json-over-many-lines", b"".join(b"data: " + json.dumps(one, indent=1).replace("\n", "\ndata: ").encode() + b"\n\n" for one in HI), {"content": "Hi", "end": "no_done", "anomalies": []}),
    shape("blank-lines-lost", wire(HI).replace(b"\n\n", b"\n") + b"\n", {"content": "Hi", "end": "complete", "anomalies": ["lost_blank_line"]}),
    shape("blank-line-lost-once", wire(HI).replace(b"\n\n", b"\n", 1), {"content": "Hi", "anomalies": ["lost_blank_line"]}),
    shape("bad-utf8", wire([chunk({"content": "aXb"})]).replace(b"X", b"\xff"), {"content": "a\ufffdb", "anomalies": ["bad_utf8"]}),
    shape("json-error-without-data", wire(HI[:2], done=False) + b'{"error": {"message": "no quota", "code": "q"}}\n', {"error": True, "error_mentions": "no quota", "content": "H", "raises": "APIStreamError"}),
    shape("error-line", wire(HI[:2], done=False) + b'error: {"message": "gone", "code": 500}\n\n', {"raises": "APIStreamError", "error_mentions": "gone", "content": "H"}),
    shape("stray-lines", b"<!-- proxy -->\n" + wire(HI).replace(b"\n\n", b"\nhello\n\n"), {"content": "Hi", "anomalies": ["stray_line"]}),
    shape("a-document", json.dumps({"id": "1", "object": "chat.completion", "created": 2, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}], "usage": USAGE}, indent=2).encode(), {"content": "Hi", "usage_prompt_completion": [3, 4], "anomalies": ["not_streamed"], "end": "complete"}),
    shape("a-document-with-calls", json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": X1}}]}, "finish_reason": "tool_calls"}]}).encode(), {"tool_calls": [F1], "tool_call_ids": ["a"], "content": None}),
    shape("a-document-with-logprobs", json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "logprobs": {"content": [{"token": "Hi", "logprob": -1.0}], "refusal": None}, "finish_reason": "stop"}]}).encode(), {"content": "Hi"}),
    shape("an-error-document", b'{"error": {"message": "bad key", "type": "auth", "code": "invalid_api_key"}}', {"raises": "APIStreamError", "error_mentions": "bad key"}),
    shape("an-error-document-in-a-list", b'[{"error": {"message": "bad key"}}]', {"raises": "APIStreamError", "error_mentions": "bad key"}),
    shape("html", b"<!DOCTYPE html>\n<html>log in</html>\n", {"raises": "NotAStreamError", "error_mentions": "base_url"}),
    shape("other-json", b'{"models": []}', {"raises": "NotAStreamError"}),
    shape("plain-words", b"upstream connect error", {"raises": "NotAStreamError"}),
    shape("empty", b"", {"incomplete": True}),
    shape("comments-only", b": hello\n\n: again\n", {"incomplete": True}),
    # Errors
    *(
        shape(f"error-{name}", wire([HI[0], HI[1]], done=False) + data, {"raises": "APIStreamError", "error_mentions": says, "content": "H"})
        for name, data, says in [
            ("object", block({"error": {"message": "overloaded", "type": "server_error", "code": 529}}), "529: overloaded"),
            ("string", block({"error": "overloaded"}), "overloaded"),
            ("number", block({"error": 7}), ""),
            ("true", block({"error": True}), ""),
            ("nested", block({"error": {"error": {"message": "deep"}}}), "deep"),
            ("by-object", block({"object": "error", "message": "overloaded", "code": 40303}), "40303: overloaded"),
            ("in-a-list", block([{"error": {"message": "overloaded"}}]), "overloaded"),
            ("named-with-json", b"event: error\n" + block({"message": "overloaded"}), "overloaded"),
            ("named-with-text", b"event: error\ndata: overloaded\n\n", "overloaded"),
            ("named-with-nothing", b"event: error\ndata:\n\n", "error"),
            ("named-and-cut", b"event: error\ndata: overloaded", "overloaded"),
        ]
    ),
    *(shape(f"no-error-{value}", [HI[0], {**chunk({"content": "Hi"}), "error": value}], {"content": "Hi", "no_error": True}) for value in (None, False, "", {}, 0)),
    shape("error-beside-a-delta", wire([HI[1], {**chunk({"content": "i"}), "error": {"message": "cut off"}}]), {"content": "Hi", "raises": "APIStreamError", "error_mentions": "cut off"}),
    shape("error-after-done-is-not-read", wire(HI) + block({"error": "x"}), {"content": "Hi", "no_error": True}),
    # JSON
    shape("not-a-number", wire([chunk({"content": "Hi"}, extra=1), STOP]).replace(b'"extra": 1', b'"extra": NaN'), {"content": "Hi", "end": "complete", "no_error": True}),
    shape("infinities", wire([*HI, {**chunk(), "choices": [], "usage": USAGE}]).replace(b'"total_tokens": 7', b'"total_tokens": -Infinity'), {"content": "Hi", "usage_prompt_completion": [3, 4]}),
    shape("5000-digits", wire(HI[:2], done=False) + b'data: {"choices": [], "n": ' + b"9" * 5000 + b"}\n\n", {"content": "H", "raises": "StreamProtocolError"}),
    shape("4300-digits", wire(HI, done=False).replace(b'"created": 1', b'"created": ' + b"1" * 4300), {"content": "Hi", "no_error": True}),
    shape("256-deep", wire([chunk({"content": "Hi"}, deep=0), STOP]).replace(b'"deep": 0', b'"deep": ' + b"[" * 255 + b"]" * 255), {"content": "Hi", "no_error": True}),
    shape("257-deep", wire([HI[1], {**chunk({"content": "i"}), "deep": 0}, STOP]).replace(b'"deep": 0', b'"deep": ' + b"[" * 256 + b"]" * 256), {"content": "H", "raises": "StreamLimitError", "error_mentions": "256"}),
    shape("brackets-in-a-text-are-not-deep", [chunk({"content": "[" * 300 + '\\"{'}), STOP], {"content": "[" * 300 + '\\"{', "no_error": True}),
    *(shape(f"data-is-{json.dumps(value)}", wire(HI[:2], done=False) + block(json.dumps(value)), {"raises": "StreamProtocolError", "content": "H"}) for value in (1, "x", True, [], [1], [{}, {}])),
    shape("data-is-no-json", wire(HI[:2], done=False) + b'data: {"choices": [\n\n', {"raises": "StreamProtocolError", "content": "H"}),
    shape("surrogates-in-two-chunks", b"".join(block(json.dumps(one)) for one in [chunk({"content": "a\ud83d"}), chunk({"content": "\ude00b"}), STOP]), {"content": "a😀b", "anomalies": [], "end": "no_done"}),
    shape("half-a-surrogate", b"".join(block(json.dumps(one)) for one in [chunk({"content": "a\ud83d"}), chunk({"content": "b\ude00"}), STOP]), {"content": "a\ufffdb\ufffd", "anomalies": ["lone_surrogate"]}),
    shape("half-a-surrogate-at-the-end", b"".join(block(json.dumps(one)) for one in [chunk({"content": "a\ud83d"}), STOP]), {"content": "a\ufffd", "anomalies": ["lone_surrogate"]}),
    shape("half-a-surrogate-in-a-key", b"".join(block(json.dumps(one)) for one in [chunk({"content": "a", "k": {"\ud83d": "\ude00"}}), STOP]), {"content": "a", "message_extra": {"k": {"\ufffd": "\ufffd"}}}),
    # Choices
    shape("choices-null", [{**chunk(), "choices": None}, *HI, {**chunk(), "choices": None, "usage": USAGE}], {"content": "Hi", "usage_prompt_completion": [3, 4]}),
    shape("choices-missing", [{"id": "1", "usage": USAGE}, *HI], {"content": "Hi", "usage_prompt_completion": [3, 4]}),
    shape("delta-null-and-missing", [bare({"index": 0, "delta": None}), bare({"index": 0}), *HI], {"content": "Hi"}),
    shape("index-missing-and-null", [bare({"delta": {"content": "H"}}), bare({"index": None, "delta": {"content": "i"}}), STOP], {"contents_by_choice": ["Hi"]}),
    *(shape(f"index-{json.dumps(index)}", wire([HI[1], bare({"index": index, "delta": {"content": "x"}})]), {"raises": "StreamProtocolError", "content": "H"}) for index in ("0", True, 1.0, -1)),
    shape("choices-out-of-order", [chunk({"content": "b"}, index=5), chunk({"content": "a"}, index=2), chunk({"content": "B"}, index=5, finish="stop"), chunk(index=2, finish="stop")], {"contents_by_choice": ["a", "bB"]}),
    shape("one-choice-twice-in-a-chunk", [{**chunk(), "choices": [chunk({"content": "H"})["choices"][0], chunk({"content": "i"})["choices"][0]]}, STOP], {"contents_by_choice": ["Hi"]}),
    shape("index-of-a-billion", [chunk({"content": "Hi"}, index=10**9, finish="stop")], {"contents_by_choice": ["Hi"]}),
    shape("too-many-choices", [chunk({"content": "x"}, index=index) for index in range(5)], {"raises": "StreamLimitError", "error_mentions": "4", "contents_by_choice": ["x"] * 4}, limits=Limits(max_choices=4)),
    # Top level
    shape("first-id-model-created", [{**chunk(), "id": "", "model": "", "created": 0, "choices": []}, {**HI[0], "id": "A", "model": "B", "created": 3}, {**HI[1], "id": "C", "model": "D", "created": 4}, STOP], {"ids": ["A", "B", 3], "anomalies": ["id_changed"]}),
    shape("usage-in-every-chunk", [{**one, "usage": {**USAGE, "completion_tokens": place}} for place, one in enumerate(HI)], {"usage_prompt_completion": [3, 3]}),
    shape("usage-then-null", [*HI, {**chunk(), "choices": [], "usage": USAGE}, {**chunk(), "choices": [], "usage": None}], {"usage_prompt_completion": [3, 4]}),
    shape("usage-of-groq", [*HI[:3], {**STOP, "x_groq": {"id": "r", "usage": USAGE}}], {"usage_prompt_completion": [3, 4], "extra": {"x_groq": {"id": "r", "usage": USAGE}}}),
    shape("usage-in-a-choice", [*HI[:3], bare({"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE})], {"usage_prompt_completion": [3, 4]}),
    shape("extras-are-the-last", [{**HI[0], "citations": ["a"], "provider": "p", "obfuscation": "zzz"}, {**HI[1], "citations": ["a", "b"], "provider": None}, STOP], {"extra": {"citations": ["a", "b"], "provider": "p"}}),
    shape("other-object-names", [{**one, "object": "chat.completion.done"} for one in HI], {"content": "Hi", "no_error": True}),
    # Choice
    shape("finish-reasons-that-are-none", [bare({"index": 0, "delta": {"content": "H"}, "finish_reason": ""}), bare({"index": 0, "delta": {"content": "i"}, "finish_reason": "null"}), STOP], {"content": "Hi", "finish_reason": "stop", "anomalies": []}),
    shape("first-finish-reason", [*HI, chunk(finish="length")], {"finish_reason": "stop", "anomalies": ["finish_reason_changed"]}),
    shape("content-after-finish", [*HI[:3], STOP, chunk({"content": "!"})], {"content": "Hi!", "anomalies": ["after_done", "after_finish"]}),
    shape("message-beside-nothing", [bare({"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"})], {"content": "Hi", "role": "assistant", "finish_reason": "stop"}),
    shape("message-beside-deltas", [HI[1], bare({"index": 0, "delta": {"content": "i"}, "message": {"content": "Hi"}}), STOP], {"content": "Hi"}),
    shape("last-of-two-messages", [bare({"index": 0, "message": {"content": "H"}}), bare({"index": 0, "message": {"content": "Hi"}}), STOP], {"content": "Hi"}),
    # Message
    shape("role-once", [chunk({"role": "", "content": "a"}), chunk({"role": "assistant", "content": "b"}), chunk({"role": "user"})], {"content": "ab", "role": "assistant"}),
    shape("role-missing", [chunk({"content": "a"})], {"role": "assistant"}),
    shape("content-empty", [chunk({"content": ""})], {"content": ""}),
    shape("content-null", [chunk({"content": None})], {"content": None, "refusal": None}),
    shape("content-parts", [chunk({"content": [{"type": "text", "text": "H"}, {"type": "thinking", "thinking": [{"type": "text", "text": "th"}]}]}), chunk({"content": [{"type": "image_url", "image_url": {"url": "u"}}, {"type": "text", "text": "i"}]})], {"content": "Hi", "reasoning": "th", "message_extra": {"other_content_parts": [{"type": "image_url", "image_url": {"url": "u"}}]}}),
    shape("refusal", [chunk({"refusal": "I "}), chunk({"refusal": None}), chunk({"refusal": "can't"})], {"refusal": "I can't", "content": None}),
    shape("reasoning-content", [chunk({"reasoning_content": "th"}), chunk({"reasoning_content": "ink", "content": None}), chunk({"content": "Hi", "reasoning_content": None})], {"reasoning": "think", "content": "Hi", "message_extra": {"reasoning_content": "think"}}),
    shape("reasoning", [chunk({"reasoning": "th"}), chunk({"reasoning": "ink"}), chunk({"content": "Hi"})], {"reasoning": "think", "content": "Hi"}),
    shape("reasoning-under-both-names", [chunk({"reasoning": "th", "reasoning_content": "th"}), chunk({"reasoning": "ink", "reasoning_content": "ink"})], {"reasoning": "think"}),
    shape("reasoning-details-by-index", [chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "th"}]}), chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ink", "signature": "s"}]}), chunk({"reasoning_details": [{"type": "reasoning.encrypted", "index": 0, "data": "d"}]})], {"message_extra": {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "think", "signature": "s"}, {"type": "reasoning.encrypted", "index": 0, "data": "d"}]}}),
    shape("reasoning-details-without-index", [chunk({"reasoning_details": [{"type": "a", "text": "x"}]}), chunk({"reasoning_details": [{"type": "a", "text": "y"}, {"type": "b", "text": "z"}]}), chunk({"reasoning_details": [{"type": "a", "text": "w"}]})], {"message_extra": {"reasoning_details": [{"type": "a", "text": "xy"}, {"type": "b", "text": "z"}, {"type": "a", "text": "w"}]}}),
    shape("annotations-once", [chunk({"content": "a", "images": [{"u": 1}]}), chunk({"images": [{"u": 1}, {"u": 2}]})], {"message_extra": {"images": [{"u": 1}, {"u": 2}]}}),
    shape("audio", [chunk({"audio": {"id": "a1", "data": "AAE="}}), chunk({"audio": {"transcript": "H"}}), chunk({"audio": {"data": "Ag==", "transcript": "i"}}), chunk({"audio": {"expires_at": 9}})], {"audio": {"id": "a1", "data": "AAEC", "transcript": "Hi", "expires_at": 9}, "content": None}),
    shape("audio-that-is-no-base64", [chunk({"audio": {"data": "AAE*C"}})], {"audio": {"id": None, "data": "AAEC", "transcript": None, "expires_at": None}, "anomalies": ["bad_base64"]}),
    shape("function-call", [chunk({"function_call": {"name": "f", "arguments": ""}}), chunk({"function_call": {"arguments": '{"x"'}}), chunk({"function_call": {"name": "f", "arguments": ":1}"}}), chunk(finish="function_call")], {"function_call": {"name": "f", "arguments": '{"x":1}'}, "function_call_name": "f"}),
    shape("lists-of-scalars-are-extended", [chunk({"content": "a", "token_ids": [1, 2]}), chunk({"token_ids": [2, 3]})], {"message_extra": {"token_ids": [1, 2, 2, 3]}}),
    shape("objects-key-by-key", [chunk({"content": "a", "x": {"a": 1, "b": {"c": 1}}}), chunk({"x": {"b": {"d": 2}, "a": None}})], {"message_extra": {"x": {"a": 1, "b": {"c": 1, "d": 2}}}, "anomalies": []}),
    shape("numbers-are-the-last", [chunk({"content": "a", "n": 1}), chunk({"n": 2}), chunk({"n": None})], {"message_extra": {"n": 2}, "anomalies": []}),
    shape("unknown-strings-are-the-last", [chunk({"content": "a", "s": "x"}), chunk({"s": "y"})], {"message_extra": {"s": "y"}, "anomalies": ["string_changed"]}),
    shape("strings-known-to-come-in-pieces", [chunk({"content": "a", "thought": "x", "thinking": "p", "reasoning_text": "r"}), chunk({"thought": "y", "thinking": "q", "reasoning_text": "s"})], {"message_extra": {"thought": "xy", "thinking": "pq", "reasoning_text": "rs"}, "anomalies": []}),
    # Tool calls
    shape("call", [calls(call(0, "a", "f", "")), calls(call(0, arguments='{"x"')), calls(call(0, arguments=":1}"))], {"tool_calls": [F1], "tool_call_ids": ["a"], "content": None}),
    shape("calls-interleaved", [calls(call(0, "a", "f", ""), call(1, "b", "g", "")), calls(call(1, arguments='{"y"'), call(0, arguments='{"x"')), calls(call(0, arguments=":1}")), calls(call(1, arguments=":2}"))], {"tool_calls": [F1, G2], "tool_call_ids": ["a", "b"]}),
    shape("calls-by-wire-index", [calls(call(3, "b", "g", Y2)), calls(call(1, "a", "f", X1))], {"tool_calls": [F1, G2]}),
    shape("rule-1-known-id-without-index", [calls(call(0, "a", "f", '{"x"')), calls(call(1, "b", "g", '{"y"')), calls(call(id="a", arguments=":1}")), calls(call(id="b", arguments=":2}"))], {"tool_calls": [F1, G2], "anomalies": []}),
    shape("rule-1-known-id-and-an-unused-index", [calls(call(0, "a", "f", '{"x"')), calls(call(7, "a", arguments=":1}"))], {"tool_calls": [F1]}),
    shape("rule-2-another-name-after-a-whole-object", [calls(call(0, "a", "f", X1)), calls(call(0, name="g", arguments=Y2))], {"tool_calls": [F1, G2], "every_call_has_an_id": True}),
    shape("rule-2-another-name-before-it-is-whole", [calls(call(0, "a", "f", '{"x"')), calls(call(0, name="g", arguments=":1}"))], {"tool_calls": [F1]}),
    shape("rule-3-another-id-and-no-name", [calls(call(0, "a", "f", '{"x"')), calls(call(0, "b", arguments=":1}"))], {"tool_calls": [F1], "tool_call_ids": ["a"]}),
    shape("rule-3-another-id-and-name", [calls(call(0, "a", "f", X1)), calls(call(0, "b", "g", Y2))], {"tool_calls": [F1, G2], "tool_call_ids": ["a", "b"]}),
    shape("rule-3-another-id-same-name-whole", [calls(call(0, "a", "f", X1)), calls(call(0, "b", "f", Y2))], {"tool_calls": [F1, ["f", {"y": 2}]], "tool_call_ids": ["a", "b"]}),
    shape("rule-3-another-id-same-name-open", [calls(call(0, "a", "f", '{"x"')), calls(call(0, "b", "f", ":1}"))], {"tool_calls": [F1], "tool_call_ids": ["a"]}),
    shape("rule-5-no-index-new-ids", [calls(call(None, "a", "f", X1), call(None, "b", "g", Y2))], {"tool_calls": [F1, G2], "tool_call_ids": ["a", "b"]}),
    shape("rule-5-no-index-no-id-new-names", [calls(call(None, None, "f", X1)), calls(call(None, None, "g", Y2))], {"tool_calls": [F1, G2], "every_call_has_an_id": True}),
    shape("rule-5-two-names-in-one-chunk", [calls(call(None, None, "f", ""), call(None, None, "g", Y2))], {"tool_calls": [["f", {}], G2]}),
    shape("rule-5-no-index-at-all", [calls(call(None, "a", "f", "")), calls(call(arguments='{"x"')), calls(call(arguments=":1}"))], {"tool_calls": [F1], "anomalies": []}),
    shape("rule-5-a-guess", [calls(call(0, "a", "f", ""), call(1, "b", "g", "")), calls(call(arguments=Y2))], {"tool_calls": [["f", {}], G2], "anomalies": ["tool_call_guessed"]}),
    *(shape(f"call-index-{json.dumps(index)}", [calls({**call(None, "a", "f", '{"x"'), "index": index}), calls({**call(arguments=":1}"), "index": index})], {"tool_calls": [F1]}) for index in ("0", True, 1.5, -1, None)),
    shape("id-missing", [calls(call(0, name="f", arguments=X1))], {"tool_calls": [F1], "every_call_has_an_id": True}),
    shape("id-empty-then-given", [calls(call(0, "", "f", '{"x"')), calls(call(0, "a", arguments=":1}"))], {"tool_call_ids": ["a"], "tool_calls": [F1]}),
    shape("name-in-pieces", [calls(call(0, "a", "get_")), calls(call(0, name="weather")), calls(call(0, arguments="{}"))], {"tool_calls": [["get_weather", {}]]}),
    shape("name-repeated", [calls(call(0, "a", "f", '{"x"')), calls(call(0, "a", "f", ":1}"))], {"tool_calls": [F1]}),
    shape("name-cumulative", [calls(call(0, "a", "get")), calls(call(0, "a", "get_x")), calls(call(0, arguments="{}"))], {"tool_calls": [["get_x", {}]]}),
    shape("arguments-an-object", [calls({"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}})], {"tool_calls": [F1]}),
    shape("arguments-null", [calls({"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}), calls(call(0, arguments=X1)), calls({"index": 0, "function": {"arguments": None}})], {"tool_calls": [F1]}),
    shape("arguments-repeated-whole", [calls(call(0, "a", "f", '{"x"')), calls(call(0, arguments=":1}")), calls(call(0, arguments=X1))], {"tool_calls": [F1], "anomalies": ["repeated_arguments"]}),
    shape("arguments-missing", [calls(call(0, "a", "f")), chunk(finish="tool_calls")], {"tool_calls": [["f", {}]]}),
    shape("arguments-cut", [calls(call(0, "a", "f", '{"x"')), chunk(finish="length")], {"no_call_with_empty_arguments": True, "finish_reason": "length"}),
    shape("custom-call", [calls({"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": "H"}}), calls({"index": 0, "custom": {"input": "i"}})], {"tool_calls": [["c", "Hi"]]}),
    shape("custom-call-without-type", [calls({"index": 0, "id": "a", "custom": {"name": "c", "input": "H"}}), calls({"index": 0, "custom": {"input": "i"}})], {"tool_calls": [["c", "Hi"]]}),
    shape("type-empty", [calls({**call(0, "a", "f", X1), "type": ""})], {"tool_calls": [F1]}),
    shape("calls-null", [chunk({"content": "Hi", "tool_calls": None}), chunk({"tool_calls": []})], {"content": "Hi"}),
    shape("too-many-calls", [calls(*(call(index, f"c{index}", "f", "") for index in range(5)))], {"raises": "StreamLimitError", "error_mentions": "4"}, limits=Limits(max_tool_calls=4)),
    # How a stream ends
    shape("no-done", wire(HI, done=False), {"content": "Hi", "end": "no_done", "no_error": True}),
    shape("no-finish", wire(HI[:3]), {"content": "Hi", "end": "no_finish", "no_error": True, "finish_reason": None}),
    shape("neither", wire(HI[:3], done=False), {"content": "Hi", "end": "incomplete", "incomplete": True}),
    shape("neither-allowed", wire(HI[:3], done=False), {"content": "Hi", "end": "incomplete", "no_error": True, "finish_reason": None}, allow_incomplete=True),
    shape("one-of-two-choices-unfinished", wire([chunk({"content": "a"}), chunk({"content": "b"}, index=1), STOP], done=False), {"contents_by_choice": ["a", "b"], "incomplete": True}),
    shape("done-alone", block("[DONE]"), {"incomplete": True}),
    shape("usage-and-done-alone", wire([{**chunk(), "choices": [], "usage": USAGE}]), {"incomplete": True, "usage_prompt_completion": [3, 4]}),
    shape("cut-tail", wire(HI, done=False) + b'data: {"id": "chatcmpl-1", "usa', {"content": "Hi", "end": "no_done"}),
    shape("length-is-data", [HI[1], chunk(finish="length")], {"content": "H", "finish_reason": "length", "no_error": True}),
    shape("length-raised-on-request", [HI[1], chunk(finish="length"), {**chunk(), "choices": [], "usage": USAGE}], {"content": "H", "raises": "LengthFinishReasonError", "usage_prompt_completion": [3, 4]}, raise_on=["length"]),
    shape("content-filter-raised-on-request", [HI[1], chunk(finish="content_filter")], {"content": "H", "raises": "ContentFilterFinishReasonError"}, raise_on=["content_filter"]),
    shape("other-reasons-are-not-raised", [HI[1], chunk(finish="content_filter")], {"content": "H", "no_error": True}, raise_on=["length"]),
    shape("answer-by-schema", [chunk({"content": ' {"a": '}), chunk({"content": "1}"})], {"content": ' {"a": 1}', "no_error": True}, response_format={"type": "json_schema", "json_schema": {"name": "S", "schema": {}}}),
    # Limits
    shape("event-too-large", wire(HI[:2], done=False) + b"data: " + b"x" * 4000, {"content": "H", "raises": "StreamLimitError"}, limits=Limits(max_event_size=1000)),
    shape("text-too-long", [chunk({"content": "abc"}), chunk({"content": "de"})], {"content": "abc", "raises": "StreamLimitError"}, limits=Limits(max_text=4)),
    shape("arguments-too-long", [calls(call(0, "a", "f", "abc")), calls(call(0, arguments="de"))], {"raises": "StreamLimitError"}, limits=Limits(max_arguments=4)),
    shape("extras-too-large", [chunk({"content": "a", "x": {str(n): n for n in range(100)}})], {"raises": "StreamLimitError"}, limits=Limits(max_extras=500)),
]  # fmt: skip


def fault(
    name,
    parts,
    expect,
    *,
    ending="chunked body, properly ended",
    headers="",
    status="200 OK",
    content_type="text/event-stream",
    **options,
):
    return {
        "name": name, "parts_base64": [b64encode(part) for part in parts], "expect": expect, "ending": ending, "headers": headers,
        "status": status, "content_type": content_type, "generator": None, **options,
    }  # fmt: skip


def broken(error, content):
    return {"outcome": "error", "error": error, "partial_content": content}


def whole(content="Hi", finish="stop", **members):
    return {
        "outcome": "complete",
        "choices": [{"index": 0, "content": content, "finish_reason": finish, "tool_calls": []}],
        **members,
    }


HI_PARTS = [block(one) for one in HI]
DONE_PART = block("[DONE]")
GZIPPED = gzip.compress(wire(HI), mtime=0)
CLOSED, RESET = "close-delimited body", "chunked body, TCP reset"

FAULTS = [
    fault("ok", [*HI_PARTS, DONE_PART], whole()),
    fault("cut-cleanly-in-an-event", [*HI_PARTS[:3], HI_PARTS[3][:20]], broken("IncompleteStreamError", "Hi"), ending=CLOSED),
    fault("cut-cleanly-between-events", HI_PARTS[:2], broken("IncompleteStreamError", "H"), ending=CLOSED),
    fault("cut-cleanly-after-the-finish", HI_PARTS, whole(), ending=CLOSED),
    fault("reset-in-an-event", [*HI_PARTS[:2], HI_PARTS[2][:9]], broken("StreamInterruptedError", "H"), ending=RESET),
    fault("reset-between-events", HI_PARTS[:2], broken("StreamInterruptedError", "H"), ending=RESET),
    fault("reset-after-the-finish", HI_PARTS, broken("StreamInterruptedError", "Hi"), ending=RESET),
    fault("reset-after-done-is-not-seen", [*HI_PARTS, DONE_PART], whole(), ending=RESET),
    fault("reset-before-anything", [], broken("StreamInterruptedError", ""), ending=RESET),
    fault("reset-in-the-last-event-that-is-whole", [*HI_PARTS[:2], HI_PARTS[2].rstrip()], broken("StreamInterruptedError", "Hi"), ending=RESET),
    fault("empty", [], broken("IncompleteStreamError", "")),
    fault("done-alone", [DONE_PART], broken("IncompleteStreamError", "")),
    fault("html", [b"<html>", b"<body>no</body></html>"], broken("NotAStreamError", None)),
    fault("json-error", [b'{"error": ', b'{"message": "no"}}'], broken("APIError", ""), content_type="application/json"),
    fault("other-content-type", [*HI_PARTS, DONE_PART], whole(), content_type="text/plain"),
    fault("error-in-the-stream", [*HI_PARTS[:2], block({"error": {"message": "no"}})], broken("APIStreamError", "H")),
    fault("malformed", [*HI_PARTS[:2], b"data: {\n\n", *HI_PARTS[2:]], broken("StreamProtocolError", "H")),
    fault("usage-last", [*HI_PARTS, block({**chunk(), "choices": [], "usage": USAGE}), DONE_PART], whole(usage=USAGE)),
    fault("reasoning", [block(chunk({"reasoning": "th"})), *HI_PARTS, DONE_PART], whole(reasoning="th")),
    fault("gzip", [GZIPPED], whole(), headers="content-encoding: gzip"),
    fault("gzip-in-two-members", [gzip.compress(b"".join(HI_PARTS[:2]), mtime=0), gzip.compress(b"".join([*HI_PARTS[2:], DONE_PART]), mtime=0)], whole(), headers="content-encoding: gzip"),
    fault("gzip-cut", [gzip.compress(b"".join(HI_PARTS), mtime=0)[:-12]], broken("StreamInterruptedError", None), headers="content-encoding: gzip", ending=CLOSED),
    fault("gzip-without-its-trailer", [gzip.compress(b"".join(HI_PARTS[:3]), mtime=0)[:-8]], broken("StreamInterruptedError", "Hi"), headers="content-encoding: gzip", ending=CLOSED),
    fault("gzip-without-its-trailer-after-done", [GZIPPED[:-8]], whole(), headers="content-encoding: gzip", ending=CLOSED),
    fault("gzip-that-is-none", [wire(HI)], broken("StreamInterruptedError", None), headers="content-encoding: gzip"),
    fault("br", [brotli.compress(wire(HI))], whole(), headers="content-encoding: br"),
    fault("br-cut", [brotli.compress(b"".join(HI_PARTS))[:-1]], broken("StreamInterruptedError", None), headers="content-encoding: br", ending=CLOSED),
    fault("zstd", [zstandard.compress(wire(HI))], whole(), headers="content-encoding: zstd"),
    fault("zstd-cut", [zstandard.compress(b"".join(HI_PARTS))[:-1]], broken("StreamInterruptedError", None), headers="content-encoding: zstd", ending=CLOSED),
    fault("an-encoding-nobody-knows", [wire(HI)], broken("StreamProtocolError", ""), headers="content-encoding: rot13"),
    fault("gzip-of-nothing", [gzip.compress(b"", mtime=0)], broken("IncompleteStreamError", ""), headers="content-encoding: gzip"),
    fault("deflate", [zlib.compress(wire(HI))], whole(), headers="content-encoding: deflate"),
    fault("deflate-without-a-head", [zlib.compress(wire(HI), wbits=-15)], whole(), headers="content-encoding: deflate"),
    fault("identity", [wire(HI)], whole(), headers="content-encoding: identity"),
    fault("status-429", [b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'], broken("RateLimitError", ""), status="429 Too Many Requests", content_type="application/json"),
    fault("status-500-with-words", [b"oops"], broken("InternalServerError", ""), status="500 Internal Server Error", content_type="text/plain"),
    fault("status-404-with-a-stream", [wire(HI)], broken("NotFoundError", ""), status="404 Not Found"),
    fault("status-418-empty", [], broken("APIStatusError", ""), status="418 I'm a Teapot"),
    fault("status-401-zipped", [gzip.compress(b'{"error": {"message": "key"}}', mtime=0)], broken("AuthenticationError", ""), status="401 Unauthorized", headers="content-encoding: gzip"),
]  # fmt: skip


def message(content=None, reasoning=None, refusal=None, tool_calls=()):
    return {
        "role": "assistant",
        "content": content,
        "reasoning": reasoning,
        "refusal": refusal,
        "tool_calls": list(tool_calls),
    }


def merged(choices, **members):
    named = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "system_fingerprint": None,
        "service_tier": None,
    }
    return {**named, "usage": None, "extra": {}, **members, "choices": choices}


def merged_choice(finish, said, index=0, extra=None, logprobs=None):
    return {"index": index, "finish_reason": finish, "logprobs": logprobs, "extra": extra or {}, "message": said}


def token(text):
    return {"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []}


STREAMS = [
    {
        "name": "text-with-usage-and-tier",
        "chunks": [
            {**chunk({"role": "assistant", "content": "", "refusal": None}), "service_tier": "default", "system_fingerprint": "fp", "obfuscation": "a"},
            *({**chunk({"content": piece}), "obfuscation": "bc"} for piece in ("Grüße", ", ", "世界", " 👋", "\n")),
            chunk(finish="stop"),
            {**chunk(), "choices": [], "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": 0}}},
        ],
        "expected": merged(
            [merged_choice("stop", message("Grüße, 世界 👋\n"))],
            service_tier="default", system_fingerprint="fp", usage={**USAGE, "completion_tokens_details": {"reasoning_tokens": 0}},
        ),
    },
    {
        "name": "reasoning-then-two-calls-in-parallel",
        "chunks": [
            chunk({"role": "assistant", "content": None, "reasoning_content": "Let"}),
            chunk({"reasoning_content": " me see."}),
            chunk({"content": "Both:"}),
            calls({**call(0, "call_a", "weather", ""), "type": "function"}),
            calls(call(0, arguments='{"city": "Oslo')),
            calls(call(0, arguments='"}')),
            calls({**call(1, "call_b", "weather", ""), "type": "function"}),
            calls(call(1, arguments='{"city": "Rome"}')),
            chunk(finish="tool_calls"),
        ],
        "expected": merged([
            merged_choice(
                "tool_calls",
                message("Both:", "Let me see.", tool_calls=[
                    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
                    {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
                ]),
                extra={},
            ),
        ]),
    },
    {
        "name": "two-choices-with-logprobs-and-filters",
        "chunks": [
            {**chunk(), "id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
            bare({"index": 1, "delta": {"role": "assistant", "content": "B"}, "logprobs": {"content": [token("B")], "refusal": None}, "finish_reason": None}),
            bare({"index": 0, "delta": {"role": "assistant", "content": "A"}, "finish_reason": None, "content_filter_results": {"hate": {"filtered": False}}}),
            bare({"index": 1, "delta": {"content": "b"}, "logprobs": {"content": [token("b")], "refusal": None}, "finish_reason": "stop"}),
            bare({"index": 0, "delta": {}, "finish_reason": "length", "content_filter_results": {}}),
        ],
        "expected": merged(
            [
                merged_choice("length", message("A"), extra={"content_filter_results": {"hate": {"filtered": False}}}),
                merged_choice("stop", message("Bb"), index=1, logprobs={"content": [token("B"), token("b")], "refusal": None}),
            ],
            extra={"prompt_filter_results": [{"prompt_index": 0}]},
        ),
    },
    {
        "name": "usage-and-citations-in-every-chunk",
        "chunks": [
            {**chunk({"role": "assistant", "content": piece}, finish="stop" if piece == "!" else None), "citations": ["u", "v"], "usage": {**USAGE, "completion_tokens": n}}
            for n, piece in enumerate(["Yes", "!"])
        ],
        "expected": merged([merged_choice("stop", message("Yes!"))], usage={**USAGE, "completion_tokens": 1}, extra={"citations": ["u", "v"]}),
    },
]  # fmt: skip
