"""Cases of streams as servers send them: the shared ones, and our own of the same kinds.

Each is read whole, byte by byte and at random cuts, by the parser, the sync and the async stream; and how it was cut or
read makes no difference to any event.
"""

import json
from base64 import b64decode
from random import Random
from types import SimpleNamespace

import httpx
import httpx2
import pytest

from chatstream.errors import StreamInterruptedError
from chatstream.parser import ChatStreamParser
from chatstream.sse import ServerSentEvent, SSEDecoder
from expectations import check_fault, check_merge, check_wire_shape
from own_cases import FAULTS, STREAMS, WIRE_SHAPES
from sources_for_tests import (
    AsyncReads,
    Outcome,
    Reads,
    async_response,
    response,
    through_async_stream,
    through_stream,
)
from wire import byte_by_byte, cut, random_cuts, read, wire


def cuttings(data, parts=None):
    """The bytes whole, byte by byte, at random cuts, and as the server wrote them."""
    return [[data], byte_by_byte(data), random_cuts(data, Random(len(data))), *([parts] if parts else [])]


def through_parser(reads, failure=None, **options):
    """What comes of reads that end cleanly, or by this error."""
    parser = ChatStreamParser(**options)
    events = [event for data in reads for event in parser.feed(data)]
    events += parser.close() if failure is None else parser.fail(failure)
    last = events[-1]
    failed = last.type == "error"
    return Outcome(events[:-1] if failed else events, last.error if failed else None, parser)


def same(outcome, other):
    """Nothing about them differs."""
    assert outcome.told == other.told
    assert (outcome.end, outcome.anomalies) == (other.end, other.anomalies)
    assert type(outcome.error) is type(other.error)
    assert str(outcome.error) == str(other.error)
    if outcome.error is not None:
        assert outcome.error.completion == other.error.completion == outcome.completion
    assert outcome.completion == other.completion


def options_of(case):
    return {
        name: case[name]
        for name in ("tools", "response_format", "allow_incomplete", "raise_on", "limits")
        if name in case
    }


def body_of(case):
    return b64decode(case["body_base64"]) if "body_base64" in case else case["body"].encode("utf-8", "surrogatepass")


# Wire shapes


def check_shape_sync(case):
    data, options = body_of(case), options_of(case)
    headers = {"content-type": case.get("content_type", "text/event-stream")}
    whole = through_parser([data], **options)
    check_wire_shape(case["expect"], whole)
    for reads in cuttings(data):
        same(through_parser(reads, **options), whole)
        same(through_stream(reads, **options), whole)
    same(through_stream(response([data], headers=headers), **options), whole)


async def check_shape_async(case):
    data, options = body_of(case), options_of(case)
    whole = await through_async_stream(data, **options)
    check_wire_shape(case["expect"], whole)
    for reads in cuttings(data):
        same(await through_async_stream(AsyncReads(reads), **options), whole)
    same(await through_async_stream(async_response([data]), **options), whole)


@pytest.mark.conformance("wire-shapes.json")
def test_each_shared_wire_shape_is_read_as_a_correct_client_reads_it(case):
    check_shape_sync(case)


@pytest.mark.anyio
@pytest.mark.conformance("wire-shapes.json")
async def test_each_shared_wire_shape_is_read_the_same_without_blocking(case):
    await check_shape_async(case)


@pytest.mark.parametrize("case", WIRE_SHAPES, ids=lambda case: case["name"])
def test_each_wire_shape_of_our_own_is_read_as_a_correct_client_reads_it(case):
    check_shape_sync(case)


@pytest.mark.anyio
@pytest.mark.parametrize("case", WIRE_SHAPES, ids=lambda case: case["name"])
async def test_each_wire_shape_of_our_own_is_read_the_same_without_blocking(case):
    await check_shape_async(case)


# Faults


def needs_no_socket(case):
    return case["generator"] is None


def failure_of(case, library=httpx):
    """What the transport raises where the body ends, as far as the HTTP library can tell that it did not end well."""
    ending = case["ending"]
    if "reset" in ending:
        return library.ReadError("[Errno 104] Connection reset by peer")
    assert "properly ended" in ending or "close-delimited" in ending, ending
    return None


def headers_of(case):
    lines = [line.partition(":") for line in case["headers"].splitlines() if line]
    return {"content-type": case["content_type"], **{name.strip(): value.strip() for name, _, value in lines}}


def check_fault_sync(case):
    parts = [b64decode(part) for part in case["parts_base64"]]
    status, headers = int(case["status"].split()[0]), headers_of(case)
    plain = "content-encoding" not in headers and status == 200
    outcomes = []
    for reads in cuttings(b"".join(parts), parts):
        if plain:
            broken = failure_of(case) and StreamInterruptedError("the connection broke off (ReadError)")
            outcomes.append(through_parser(reads, broken, **options_of(case)))
            outcomes.append(through_stream(Reads(reads, failure_of(case)), **options_of(case)))
        for library in (httpx, httpx2):
            made = response(reads, failure_of(case, library), library=library, status=status, headers=headers)
            outcomes.append(through_stream(made, **options_of(case)))
            assert made.stream.reads.closed
    for outcome in outcomes:
        check_fault(case["expect"], outcome)
        if plain:
            same(outcome, outcomes[0])


async def check_fault_async(case):
    parts = [b64decode(part) for part in case["parts_base64"]]
    status, headers = int(case["status"].split()[0]), headers_of(case)
    for reads in cuttings(b"".join(parts), parts):
        if "content-encoding" not in headers and status == 200:
            check_fault(
                case["expect"], await through_async_stream(AsyncReads(reads, failure_of(case)), **options_of(case))
            )
    for library in (httpx, httpx2):
        made = async_response(parts, failure_of(case, library), library=library, status=status, headers=headers)
        check_fault(case["expect"], await through_async_stream(made, **options_of(case)))
        assert made.stream.reads.closed


@pytest.mark.conformance("faults.json", where=needs_no_socket)
def test_each_shared_fault_is_told_as_what_it_is(case):
    check_fault_sync(case)


@pytest.mark.anyio
@pytest.mark.conformance("faults.json", where=needs_no_socket)
async def test_each_shared_fault_is_told_the_same_without_blocking(case):
    await check_fault_async(case)


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case["name"])
def test_each_fault_of_our_own_is_told_as_what_it_is(case):
    check_fault_sync(case)


@pytest.mark.anyio
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case["name"])
async def test_each_fault_of_our_own_is_told_the_same_without_blocking(case):
    await check_fault_async(case)


# The event-stream format; our own cases of it are in test_sse.py


@pytest.mark.conformance("sse.json")
def test_each_shared_event_stream_is_decoded_by_the_standard_however_it_is_cut(case):
    data = b64decode(case["input_base64"])
    expected = [ServerSentEvent(**one) for one in case["expected"]]
    two_way = [cut(data, [place]) for place in range(len(data) + 1)] if len(data) < 2000 else []
    for reads in [*cuttings(data), cut(data, case.get("splits", [])), *two_way]:
        decoder = SSEDecoder()
        assert [event for one in reads for event in decoder.feed(one)] == expected
        assert (decoder.last_event_id, decoder.reconnection_time) == (case["last_event_id"], case["reconnection_time"])
        assert decoder.close() == []
        if "expected_flush_at_eof" in case:
            # What a decoder that does not drop the unfinished block would give is what is left in ours.
            flushed = SSEDecoder()
            events = flushed.feed(data + b"\n\n")
            assert events == [ServerSentEvent(**one) for one in case["expected_flush_at_eof"]]
            assert (decoder.pending != b"") == (len(events) > len(expected))


# Recorded streams


def lines_of(case, folder):
    return (folder / case["file"]).read_bytes().splitlines()


def recorded(lines):
    return b"".join(b"data: " + line + b"\n\n" for line in lines) + b"data: [DONE]\n\n"


def check_stream_sync(expected, lines):
    data = recorded(lines)
    whole = through_parser([data])
    assert whole.error is None
    assert whole.end.kind == "complete"
    check_merge(expected, whole.completion)
    # The events of a long stream hold long snapshots: byte by byte, what they add up to is compared.
    for reads in cuttings(data):
        outcome = through_stream(reads)
        assert outcome.types == whole.types
        assert (outcome.end, outcome.anomalies, outcome.completion) == (whole.end, whole.anomalies, whole.completion)
        assert [event.to_dict() for event in outcome.events] == [event.to_dict() for event in whole.events]
        check_merge(expected, outcome.completion)
    chunks = through_stream([json.loads(line) for line in lines])
    check_merge(expected, chunks.completion)
    assert chunks.end.kind == "complete"
    assert chunks.types == whole.types


async def check_stream_async(expected, lines):
    data = recorded(lines)
    # Each read really waits: of a long stream, pieces of 16 bytes are small enough.
    pieces = byte_by_byte(data) if len(data) < 10_000 else cut(data, range(16, len(data), 16))
    for reads in ([data], pieces, random_cuts(data, Random(len(data)))):
        outcome = await through_async_stream(AsyncReads(reads))
        assert outcome.error is None
        check_merge(expected, outcome.completion)


@pytest.mark.conformance("streams/index.json")
def test_each_recorded_stream_merges_as_the_slow_reference_says(case, conformance):
    lines = lines_of(case, conformance)
    assert len(lines) == case["chunks"]
    check_stream_sync(case["expected"], lines)


@pytest.mark.anyio
@pytest.mark.conformance("streams/index.json")
async def test_each_recorded_stream_merges_the_same_without_blocking(case, conformance):
    await check_stream_async(case["expected"], lines_of(case, conformance))


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["name"])
def test_each_stream_of_our_own_merges_as_it_should(case):
    check_stream_sync(case["expected"], [json.dumps(chunk).encode() for chunk in case["chunks"]])


@pytest.mark.anyio
@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["name"])
async def test_each_stream_of_our_own_merges_the_same_without_blocking(case):
    await check_stream_async(case["expected"], [json.dumps(chunk).encode() for chunk in case["chunks"]])


# The cut law, on real streams


def is_small(case):
    return case["bytes"] < 4000


@pytest.mark.conformance("streams/index.json", where=is_small)
def test_a_small_recorded_stream_cut_at_any_byte_is_told_as_what_it_is(case, conformance):
    check_every_cut([line.decode() for line in lines_of(case, conformance)])


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["name"])
def test_a_stream_of_our_own_cut_at_any_byte_is_told_as_what_it_is(case):
    check_every_cut([json.dumps(chunk, ensure_ascii=False) for chunk in case["chunks"]])


def check_every_cut(lines):
    """Cut before the last finish reason is whole: incomplete, with exactly what was whole. After it: no_done."""
    data = recorded([line.encode() for line in lines])
    states = [
        SimpleNamespace(parser=parser, dump=dump_of(parser))
        for parser in (whole_chunks(lines[:count]) for count in range(len(lines) + 1))
    ]
    finish = max(place for place, line in enumerate(lines) if finishes(line))
    ends = [
        len(recorded([line.encode() for line in lines[:count]])) - len(b"data: [DONE]\n\n")
        for count in range(len(lines) + 1)
    ]
    for place in range(len(data)):
        parser, events = read([data[:place]])
        # A chunk is whole with the last byte of its JSON: the two line ends behind it say nothing.
        whole = max(count for count in range(len(ends)) if count == 0 or ends[count] - 2 <= place)
        assert dump_of(parser) == states[whole].dump, place
        if whole <= finish:
            assert parser.end.kind == "incomplete", place
            assert type(events[-1].error).__name__ == "IncompleteStreamError"
            assert events[-1].error.completion == parser.snapshot
        elif place < len(data) - 2:
            assert (parser.end.kind, parser.end.done_seen) == ("no_done", False), place
        else:
            assert (parser.end.kind, parser.end.done_seen) == ("complete", True)


def finishes(line):
    return any(choice.get("finish_reason") for choice in json.loads(line).get("choices") or [])


def whole_chunks(lines):
    return read([recorded([line.encode() for line in lines])])[0]


def dump_of(parser):
    return parser.snapshot.model_dump() if parser.snapshot is not None else None


@pytest.mark.conformance("streams/index.json", where=is_small)
def test_no_cut_in_two_changes_an_event_of_a_small_recorded_stream(case, conformance):
    check_two_way_cuts(recorded(lines_of(case, conformance)))


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["name"])
def test_no_cut_in_two_changes_an_event_of_a_stream_of_our_own(case):
    check_two_way_cuts(wire(case["chunks"]))


def check_two_way_cuts(data):
    whole, expected = read([data])
    gist = [event.to_dict() for event in expected]
    completion = whole.snapshot
    for place in range(0, len(data) + 1, 1 + len(data) // 500):
        parser, events = read(cut(data, [place]))
        assert [event.to_dict() for event in events] == gist, place
        assert parser.snapshot == completion
