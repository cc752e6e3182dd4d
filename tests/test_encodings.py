"""Content encodings: undone as the bytes come, bounded, and never taken for whole when they were cut."""

import gzip
import socket
import sys
import threading
import tracemalloc
import types
import zlib
from contextlib import contextmanager, suppress
from importlib import import_module

import brotli
import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chatstream.encodings import decoder_for
from chatstream.errors import (
    AuthenticationError,
    IncompleteStreamError,
    InternalServerError,
    StreamInterruptedError,
    StreamLimitError,
    StreamProtocolError,
)
from chatstream.responses import AsyncResponseReads, ResponseReads
from own_cases import HI, STOP
from sources_for_tests import async_response, response, through_async_stream, through_stream
from wire import DONE, block, byte_by_byte, chunk, cut

MIB = 2**20

# Packing: parts in, reads out, with a flush behind each part where one is asked for; the last read is the encoding's end


def zlib_reads(parts, wbits, flush):
    packer = zlib.compressobj(wbits=wbits)
    end = zlib.Z_SYNC_FLUSH
    return [packer.compress(part) + (packer.flush(end) if flush else b"") for part in parts] + [packer.flush()]


def br_reads(parts, flush):
    packer = brotli.Compressor(quality=1)  # a bomb is packed in a second, and not in a minute
    return [packer.process(part) + (packer.flush() if flush else b"") for part in parts] + [packer.finish()]


def zstd_reads(parts, flush):
    packer = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    end = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return [packer.compress(part) + (packer.flush(end) if flush else b"") for part in parts] + [packer.flush()]


PACKERS = {
    "gzip": lambda parts, flush: zlib_reads(parts, 31, flush),
    "zlib": lambda parts, flush: zlib_reads(parts, 15, flush),
    "raw": lambda parts, flush: zlib_reads(parts, -15, flush),
    "br": br_reads,
    "zstd": zstd_reads,
    "chain": lambda parts, flush: br_reads(zlib_reads(parts, 31, flush), flush),
    "three": lambda parts, flush: zlib_reads(br_reads(zstd_reads(parts, flush), flush), 31, flush),
}
HEADERS = {"zlib": "deflate", "raw": "deflate", "chain": "gzip, br", "three": "zstd, BR ,x-gzip"}

LIBRARIES = {"br": ("brotli", "brotlicffi"), "zstd": ("compression.zstd", "backports.zstd", "zstandard")}


def is_installed(library):
    with suppress(ImportError):
        return bool(import_module(library))


INSTALLED = [(kind, library) for kind in LIBRARIES for library in LIBRARIES[kind] if is_installed(library)]


def hide_all_but(library, kind, monkeypatch):
    for other in set(LIBRARIES[kind]) - {library}:
        monkeypatch.setitem(sys.modules, other, None)


def header_of(kind):
    return HEADERS.get(kind, kind)


def pack(kind, data):
    return b"".join(PACKERS[kind]([data], False))


def unpack(header, reads):
    """All that the reads stand for, and the pieces it came in."""
    decoder = decoder_for(header)
    pieces = []
    for data in reads:
        decoder.feed(data)
        pieces += iter(decoder.read, b"")
    decoder.close()
    return pieces


@pytest.fixture(
    params=[*((kind, None) for kind in PACKERS if kind not in LIBRARIES), *INSTALLED],
    ids=lambda pair: " by ".join(filter(None, pair)),
)
def kind(request, monkeypatch):
    """A kind of encoding; br and zstd with each of the libraries that are installed."""
    name, library = request.param
    if library is not None:
        hide_all_but(library, name, monkeypatch)
    return name


FLUSHES = pytest.mark.parametrize("flush", [False, True], ids=["in one", "flushed"])

TEXTS = ["Hi", " there", ", how", " are you?", " Ünï 🙂"]
PARTS = [block(HI[0]), *(block(chunk({"content": text})) for text in TEXTS), block(STOP)]
WHOLE = "".join(TEXTS)
DATA = b"".join(PARTS)


# The decoder by itself


def test_where_there_is_nothing_to_undo_there_is_no_decoder():
    for header in (None, "", "identity", "Identity", " identity , ", ",,", "none", "UTF-8", "utf8", "chunked"):
        assert decoder_for(header) is None


@FLUSHES
def test_however_the_bytes_are_cut_the_same_comes_out(kind, flush):
    reads = PACKERS[kind](PARTS, flush)
    packed = b"".join(reads)
    for pieces in (reads, [packed], byte_by_byte(packed), cut(packed, range(0, len(packed), 7)), [b"", packed, b""]):
        assert b"".join(unpack(header_of(kind), pieces)) == DATA


def test_what_was_flushed_is_given_as_soon_as_it_is_there(kind):
    decoder = decoder_for(header_of(kind))
    for part, read in zip(PARTS, PACKERS[kind](PARTS, flush=True), strict=False):
        decoder.feed(read)
        assert b"".join(iter(decoder.read, b"")) == part


def test_until_its_own_end_was_seen_a_body_is_cut(kind):
    packed = pack(kind, DATA)
    for place in range(1, len(packed)):
        with pytest.raises(StreamInterruptedError, match=r"^the \S+ body was cut$"):
            unpack(header_of(kind), [packed[:place]])


def test_no_bytes_at_all_are_an_empty_body_and_so_is_nothing_packed(kind):
    assert unpack(header_of(kind), []) == unpack(header_of(kind), [b""]) == []
    assert unpack(header_of(kind), byte_by_byte(pack(kind, b""))) == []


def test_the_message_names_the_encoding_that_was_cut():
    inner = pack("gzip", DATA)
    with pytest.raises(StreamInterruptedError, match="the gzip body was cut"):
        unpack("gzip, br", [pack("br", inner[:-1])])
    with pytest.raises(StreamInterruptedError, match="the br body was cut"):
        unpack("gzip, br", [pack("br", inner)[:-1]])


@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 258])
def test_a_piece_that_fills_its_bound_exactly_hides_neither_the_rest_nor_the_end(kind, size):
    data = bytes(size)
    packed = pack(kind, data)
    for reads in ([packed], byte_by_byte(packed)):
        pieces = unpack(header_of(kind), reads)
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= MIB


@pytest.mark.parametrize(
    "garbage", [b"data: {}\n\n" * 9, b"<html>" * 20, b"\xff" * 64, b"\0" * 64, b"\x1f\x8b\x08\xff" * 9]
)
def test_bytes_that_are_not_this_encodings_are_reported_as_damage_or_as_cut(kind, garbage):
    for reads in ([garbage], byte_by_byte(garbage)):
        with pytest.raises(StreamInterruptedError, match=r"^the \S+ body (is damaged|was cut)$"):
            unpack(header_of(kind), reads)


@given(st.sampled_from(sorted(PACKERS)), st.data())
def test_whatever_the_bytes_are_there_is_no_other_error(kind, data):
    packed = bytearray(pack(kind, DATA))
    for place in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=4)):
        packed[place] = data.draw(st.integers(0, 255))
    packed = bytes(packed) + data.draw(st.binary(max_size=8))
    places = data.draw(st.lists(st.integers(0, len(packed)), max_size=5))
    for reads in ([packed], cut(packed, places)):
        with suppress(StreamInterruptedError):
            unpack(header_of(kind), reads)


@pytest.mark.parametrize("reads_of", [lambda packed: [packed], byte_by_byte], ids=["in one", "byte by byte"])
class TestBehindTheEnd:
    @pytest.mark.parametrize("kind", ["gzip", "zlib", "raw", "zstd"])
    def test_another_member_may_begin_and_zeros_mean_nothing(self, kind, reads_of):
        packed = pack(kind, DATA) + bytes(3) + pack(kind, b"") + pack(kind, b"more") + bytes(5)
        assert b"".join(unpack(header_of(kind), reads_of(packed))) == DATA + b"more"

    def test_a_frame_of_zstd_to_be_skipped_is_skipped(self, reads_of):
        skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
        packed = skippable + pack("zstd", DATA) + skippable + pack("zstd", b"more") + skippable
        assert b"".join(unpack("zstd", reads_of(packed))) == DATA + b"more"
        with pytest.raises(StreamInterruptedError, match="cut"):
            unpack("zstd", reads_of(packed[:-1]))

    def test_a_member_that_has_only_begun_is_cut(self, reads_of):
        for kind in ("gzip", "zstd"):
            for length in (1, 2, 5):
                with pytest.raises(StreamInterruptedError, match="cut"):
                    unpack(kind, reads_of(pack(kind, DATA) + pack(kind, DATA)[:length]))

    def test_anything_else_is_damage(self, kind, reads_of):
        with pytest.raises(StreamInterruptedError, match="damaged"):
            unpack(header_of(kind), reads_of(pack(kind, DATA) + b"\xff\xff anything"))

    def test_behind_br_there_is_nothing_at_all(self, reads_of):
        for tail in (b"\0", pack("br", DATA)):
            with pytest.raises(StreamInterruptedError, match="damaged"):
                unpack("br", reads_of(pack("br", DATA) + tail))


def zeros(kind, size):
    """A bomb: that many zeros, packed."""
    return b"".join(PACKERS[kind]((bytes(MIB) for _ in range(size // MIB)), False))


def test_a_bomb_is_undone_in_pieces_whatever_it_stands_for(kind):
    size = 1024 * MIB if kind in LIBRARIES else 64 * MIB
    decoder = decoder_for(header_of(kind))
    decoder.feed(zeros(kind, size))
    decoder.read()  # a library that is imported now is no part of it
    tracemalloc.start()
    largest = seen = 0
    while (length := len(decoder.read())) > 0:
        largest, seen = max(largest, length), seen + length
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    decoder.close()
    assert largest <= MIB
    assert size - MIB <= seen < size
    assert peak < 5 * MIB


@pytest.mark.parametrize("library", [library for kind, library in INSTALLED if kind == "zstd"])
def test_a_window_as_large_as_http_allows_is_read_and_a_larger_one_refused(monkeypatch, library):
    hide_all_but(library, "zstd", monkeypatch)
    packed = {}
    for log in (23, 24):
        parameters = zstandard.ZstdCompressionParameters(window_log=log)
        packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        packed[log] = packer.compress(bytes(32 * MIB)) + packer.flush()
    assert sum(map(len, unpack("zstd", [packed[23]]))) == 32 * MIB
    with pytest.raises(StreamInterruptedError, match="damaged"):
        unpack("zstd", [packed[24]])


# Encodings that cannot be undone


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_that_is_not_installed_is_asked_for(monkeypatch, name):
    hide_all_but(None, name, monkeypatch)
    with pytest.raises(StreamProtocolError) as caught:
        decoder_for(f"gzip, {name}")
    assert str(caught.value) == f"the body comes as '{name}': install chatstream[encodings] to read it"


def test_a_library_of_br_that_knows_no_bound_counts_as_none(monkeypatch):
    old = types.SimpleNamespace(Decompressor=type("Decompressor", (), {"process": None, "is_finished": None}))
    monkeypatch.setitem(sys.modules, "brotli", old)
    monkeypatch.setitem(sys.modules, "brotlicffi", None)
    with pytest.raises(StreamProtocolError, match="install"):
        decoder_for("br")
    monkeypatch.setitem(sys.modules, "brotlicffi", brotli)
    assert decoder_for("br") is not None


def test_an_unknown_encoding_is_refused_by_its_name_cut_short():
    with pytest.raises(StreamProtocolError) as caught:
        decoder_for("gzip, Compress")
    assert str(caught.value) == "the body comes as 'compress', which cannot be undone here"
    with pytest.raises(StreamProtocolError) as caught:
        decoder_for("\ud800" + "x" * 100)
    assert caught.value.message == "the body comes as '\ufffd" + "x" * 39 + "', which cannot be undone here"


def test_an_encoding_upon_another_is_undone_up_to_five_deep():
    packed = DATA
    for _ in range(5):
        packed = gzip.compress(packed)
    assert b"".join(unpack("gzip," * 5, [packed])) == DATA
    with pytest.raises(StreamProtocolError, match="encoded 6 times over"):
        decoder_for("gzip," * 6)


# Streams of responses


def headers(kind):
    return {"content-encoding": header_of(kind)}


def check_cut(outcome, place, least=""):
    """What every cut of a stream without [DONE] gives: what had come, and never a success."""
    assert outcome.error is not None
    assert type(outcome.error) is (StreamInterruptedError if place else IncompleteStreamError)
    completion = outcome.error.completion
    content = (completion.choices[0].message.content or "") if completion and completion.choices else ""
    assert WHOLE.startswith(content)
    assert content.startswith(least)


def content_before(reads, place):
    """The text of the parts that were flushed whole before this place."""
    came, whole = 0, 0
    for read in reads[:-1]:
        came += len(read)
        whole += came <= place
    return "".join(TEXTS[: max(0, whole - 1)])


@FLUSHES
def test_a_stream_cut_at_any_byte_is_reported(kind, flush):
    reads = PACKERS[kind](PARTS, flush)
    packed = b"".join(reads)
    for place in range(len(packed)):
        outcome = through_stream(response([packed[:place]], headers=headers(kind)))
        check_cut(outcome, place, content_before(reads, place) if flush else "")
    assert through_stream(response([packed], headers=headers(kind))).end.kind == "no_done"


@pytest.mark.anyio
@FLUSHES
async def test_an_async_stream_cut_at_any_byte_is_reported(kind, flush):
    reads = PACKERS[kind](PARTS, flush)
    packed = b"".join(reads)
    for place in range(len(packed)):
        outcome = await through_async_stream(async_response([packed[:place]], headers=headers(kind)))
        check_cut(outcome, place, content_before(reads, place) if flush else "")
    assert (await through_async_stream(async_response([packed], headers=headers(kind)))).end.kind == "no_done"


@pytest.mark.anyio
async def test_behind_done_the_end_of_the_encoding_is_not_waited_for(kind):
    reads = PACKERS[kind]([*PARTS, DONE], flush=True)
    packed = b"".join(reads)
    enough = len(packed) - len(reads[-1])
    for place in range(1, len(packed) + 1):
        one = [packed[:place]]
        for outcome in (
            through_stream(response(one, headers=headers(kind))),
            await through_async_stream(async_response(one, headers=headers(kind))),
        ):
            if outcome.error is None:
                assert outcome.end.done_seen
                assert outcome.completion.choices[0].message.content == WHOLE
            else:
                assert place < enough
                check_cut(outcome, place)


@contextmanager
def serving(header, body):
    """A server that answers one request with this body, ended by closing the connection."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {header}\r\n\r\n".encode()

    def answer():
        client, _ = listener.accept()
        with client:
            while b"\r\n\r\n" not in client.recv(65536):
                pass
            client.sendall(head + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("part", [0, 1, 10, 0.5, -4, -1, None])
def test_over_a_socket_a_body_that_was_cut_is_reported(kind, part):
    packed = b"".join(PACKERS[kind](PARTS, flush=True))
    place = len(packed) if part is None else int(part * len(packed)) if part == 0.5 else part % len(packed)
    with (
        serving(header_of(kind), packed[:place]) as url,
        httpx.Client(trust_env=False) as client,
        client.stream("GET", url) as made,
    ):
        outcome = through_stream(made)
    if part is None:
        assert outcome.end.kind == "no_done"
    else:
        check_cut(outcome, place)


# Their async generators hold others, and do not close them when they are closed; trio says so, and only they can mend it.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <async_generator object:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.anyio
@pytest.mark.parametrize("part", [0.5, 1])
async def test_over_a_socket_an_async_stream_reports_it_as_well(kind, part):
    packed = b"".join(PACKERS[kind](PARTS, flush=True))
    place = int(part * len(packed))
    with serving(header_of(kind), packed[:place]) as url:
        async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url) as made:
            outcome = await through_async_stream(made)
    if part == 1:
        assert outcome.end.kind == "no_done"
    else:
        check_cut(outcome, place)


@pytest.mark.anyio
async def test_what_cannot_be_undone_is_an_error_of_the_stream_and_no_text():
    for header in ("something", "gzip, something"):
        made = {"content-encoding": header}
        data = [DATA, DONE]
        for outcome in (
            through_stream(response(data, headers=made)),
            await through_async_stream(async_response(data, headers=made)),
        ):
            assert type(outcome.error) is StreamProtocolError
            assert "'something'" in str(outcome.error)
            assert outcome.types == []
            assert outcome.completion is None or not outcome.completion.choices


@pytest.mark.anyio
async def test_asked_again_it_is_refused_again():
    reads = ResponseReads(response([DATA], headers={"content-encoding": "something"}))
    async_reads = AsyncResponseReads(async_response([DATA], headers={"content-encoding": "something"}))
    for _ in range(2):
        with pytest.raises(StreamProtocolError):
            next(reads)
        with pytest.raises(StreamProtocolError):
            await anext(async_reads)


@pytest.mark.anyio
async def test_a_header_that_names_no_encoding_is_no_obstacle():
    for header in ("none", "utf-8", "identity, identity"):
        made = {"content-encoding": header}
        assert through_stream(response([DATA], headers=made)).end.kind == "no_done"
        assert (await through_async_stream(async_response([DATA], headers=made))).end.kind == "no_done"


def test_headers_may_be_any_mapping():
    made = types.SimpleNamespace(
        headers={"Content-Encoding": "br"}, status_code=200, iter_raw=lambda: iter([pack("br", DATA)])
    )
    assert b"".join(ResponseReads(made)) == DATA


@pytest.mark.anyio
async def test_an_error_status_is_told_in_words_that_were_packed(kind):
    body = pack(kind, b'{"error": {"message": "which key?"}}')
    for reads in ([body], byte_by_byte(body)):
        outcomes = [
            through_stream(response(reads, status=401, headers=headers(kind))),
            await through_async_stream(async_response(reads, status=401, headers=headers(kind))),
        ]
        for outcome in outcomes:
            assert type(outcome.error) is AuthenticationError
            assert outcome.error.message == "which key?"


@pytest.mark.anyio
async def test_an_error_status_stays_one_when_its_body_cannot_be_undone():
    made = {"content-encoding": "something"}
    assert type(through_stream(response([DATA], status=500, headers=made)).error) is InternalServerError
    outcome = await through_async_stream(async_response([DATA], status=500, headers=made))
    assert type(outcome.error) is InternalServerError


def test_a_bomb_is_met_by_the_limits_of_the_parser(kind):
    packed = b"".join(PACKERS[kind]([b"data: ", *[b" " * MIB] * 65], False))
    outcome = through_stream(response([packed], headers=headers(kind)))
    assert type(outcome.error) is StreamLimitError
    assert outcome.error.limit == "max_event_size"
