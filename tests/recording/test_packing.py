"""gzip and zstd: what is read of a file that was cut, damaged or made to burst, and what is written to be cut."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chatstream.errors import RecordingError
from chatstream.recording import Recording
from chatstream.recording.files.packing import pack_writer, packed, read_packed, unpack

LINES = [b'[0.01,"j",{"choices":[{"index":0,"delta":{"content":"%d"}}]}]\n' % number**3 for number in range(200)]
SUFFIXES = [".gz", ".zst"]
SKIPPED = b"\x52\x2a\x4d\x18\x04\x00\x00\x00skip"


def zst(data, **options):
    return zstandard.ZstdCompressor(**options).compress(data)


def packed_lines(path, lines):
    packer = pack_writer(path)
    return [*map(packer.pack, lines), packer.end()]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_of_a_file_cut_at_any_byte_every_line_is_read_that_was_written_whole(suffix, tmp_path):
    written = packed_lines(tmp_path / f"x{suffix}", LINES)
    whole = b"".join(written)
    sizes = [sum(map(len, written[: number + 1])) for number in range(len(written))]
    for cut in range(4, len(whole)):
        data, problem = unpack(whole[:cut])
        assert problem == f"the {'gzip' if suffix == '.gz' else 'zstd'} file was cut or damaged"
        least = b"".join(LINES[: sum(size <= cut for size in sizes[:-1])])
        assert data.startswith(least)
        assert b"".join(LINES).startswith(data)
    assert unpack(whole) == (b"".join(LINES), None)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_tape_that_is_packed_line_by_line_stays_small(suffix, tmp_path):
    words = random.Random(1).choices(["model", "answer", "token", "the", "stream", "of", "where", "light"], k=500)
    lines = [
        b'[0.0%d,"j",{"id":"c1","choices":[{"delta":{"content":" %s"}}]}]\n' % (len(word), word.encode())
        for word in words
    ]
    assert sum(map(len, packed_lines(tmp_path / f"x{suffix}", lines))) < sum(map(len, lines)) / 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_packed_is_what_the_format_s_own_tool_reads(suffix, tmp_path):
    whole = b"".join(packed_lines(tmp_path / f"x{suffix}", LINES))
    if suffix == ".gz":
        assert gzip.decompress(whole) == b"".join(LINES)
    else:
        assert zstandard.ZstdDecompressor().decompressobj().decompress(whole) == b"".join(LINES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recorder_that_follows_one_that_died_is_read_from_its_first_line(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    first = b"".join(packed_lines(path, LINES)[:-1])
    for cut in range(4, len(first), 17):
        path.write_bytes(first[:cut])
        packer = pack_writer(path)
        path.write_bytes(first[:cut] + packer.pack(b"after\n") + packer.pack(b"more\n") + packer.end())
        unpacked = read_packed(path.read_bytes())
        before, _, after = unpacked.data.rpartition(b"\nafter\n")
        assert (after, unpacked.cut) == (b"more\n", False)
        assert b"".join(LINES).startswith(before)
        assert unpacked.problem is not None
        assert unpack(first[:cut])[0] == before


def test_packing_after_the_end_begins_another_member(tmp_path):
    for suffix in SUFFIXES:
        packer = pack_writer(tmp_path / f"x{suffix}")
        assert packer.end() == b""
        parts = [packer.pack(b"a\n"), packer.end(), packer.end(), packer.pack(b"b\n"), packer.end()]
        assert parts[2] == b""
        assert unpack(b"".join(parts)) == (b"a\nb\n", None)
        assert unpack(b"".join(parts[:2])) == (b"a\n", None)


@pytest.mark.parametrize("name", ["x.jsonl", "gz", "x", "x.gz.tape"])
def test_a_name_without_a_packing_s_suffix_is_written_as_it_is(name, tmp_path):
    assert pack_writer(tmp_path / name) is None


def test_a_file_that_is_written_as_a_whole_is_just_its_data_whatever_was_there(tmp_path):
    for name, begins in (("x.gz", b"\x1f\x8b"), ("x.zst", b"\x28\xb5"), ("x.sse", b"data")):
        (tmp_path / name).write_bytes(b"before")
        assert packed(tmp_path / name, b"data: 1\n\n").startswith(begins)
        assert unpack(packed(tmp_path / name, b"data: 1\n\n")) == (b"data: 1\n\n", None)


def test_a_suffix_counts_in_capitals_too(tmp_path):
    assert pack_writer(str(tmp_path / "x.GZ")).pack(b"a\n").startswith(b"\x1f\x8b")


@pytest.mark.parametrize("data", [b"", b"{}", b"data: 1\n\n", b"\x1f", b"\x28\xb5\x2f", b"PK\x03\x04"])
def test_what_is_not_packed_is_given_as_it_is(data):
    assert unpack(data) == (data, None)


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_members_with_zeros_between_and_behind_them_are_one_file(pack):
    packed = pack(b"one ") + b"\0" * 700 + pack(b"two ") + pack(b"") + pack(b"three") + b"\0"
    assert unpack(packed) == (b"one two three", None)


def test_frames_that_are_to_be_skipped_are():
    assert unpack(SKIPPED + zst(b"one ") + SKIPPED + zst(b"two") + SKIPPED) == (b"one two", None)


def test_a_member_whose_data_looks_like_a_header_is_read_through():
    for header, pack in (
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", lambda data: gzip.compress(data, 0)),
        (b"\x28\xb5\x2f\xfd\x20", zst),
    ):
        data = random.Random(2).randbytes(9000) + header + random.Random(3).randbytes(9000)
        packed = pack(data)
        assert header in packed
        assert unpack(packed) == (data, None)
        assert read_packed(packed[:-900]).cut
        assert unpack(packed[:-900])[0] == data[: len(unpack(packed[:-900])[0])]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zst(data, write_checksum=True)])
def test_a_damaged_file_gives_what_came_before_the_damage_and_the_members_behind_it(pack):
    first = b"".join(LINES)
    packed = bytearray(pack(first))
    packed[-2] ^= 1  # of the check sum: everything else is there
    assert unpack(bytes(packed))[0] == first
    data, problem = unpack(bytes(packed) + pack(b"behind"))
    assert (data, problem is not None) == (first + b"behind", True)
    assert not read_packed(bytes(packed) + pack(b"behind")).cut


def test_damage_in_the_middle_of_a_gzip_file_costs_nothing_that_came_before_it():
    data = b"".join(LINES)
    member = zlib.compressobj(wbits=31)
    packed = member.compress(data) + member.flush(zlib.Z_SYNC_FLUSH)
    assert unpack(packed + b"\xff" * 50 + packed[20:]) == (data, "the gzip file was cut or damaged")


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_a_bomb_is_refused(pack):
    bomb = pack(bytes(5 * 2**20))
    with pytest.raises(RecordingError, match="unpacks to more than 4 MiB"):
        unpack(bomb, limit=4 * 2**20)
    assert unpack(bomb, limit=5 * 2**20)[1] is None


@pytest.mark.parametrize("member", [gzip.compress(b"", mtime=0), zst(b""), SKIPPED])
def test_a_file_of_a_great_many_members_is_refused(member):
    with pytest.raises(RecordingError, match="more than 100,000"):
        unpack(member * 100_001)


@given(st.binary(max_size=300), st.integers(0, 2**16), st.integers(0, 400), st.booleans())
def test_nothing_crashes_whatever_was_done_to_a_file(noise, seed, place, is_gzip):
    lines = random.Random(seed).choices(LINES, k=30)
    pack = gzip.compress if is_gzip else zst
    packed = pack(b"".join(lines)) * 2
    data, problem = unpack(packed[:4] + packed[4:place] + noise + packed[place + len(noise) :])
    assert isinstance(data, bytes)
    assert problem is None or "cut or damaged" in problem


def test_without_a_library_zstd_says_what_to_install_and_gzip_still_works(tmp_path):
    code = f"""
import sys
for name in ("compression.zstd", "backports.zstd", "zstandard"): sys.modules[name] = None
from chatstream.errors import RecordingError
from chatstream.recording import Recording
from chatstream.recording.files.packing import pack_writer
for tried in (lambda: Recording.load({str(tmp_path / "x.tape")!r}), lambda: pack_writer("y.zst")):
    try: tried()
    except RecordingError as error: print(error)
print(len(pack_writer("y.gz").pack(b"a")) > 0)
"""
    (tmp_path / "x.tape").write_bytes(zst(b"data: 1\n\n"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *errors, works = done.stdout.splitlines()
    assert len(errors) == 2
    assert all("chatstream[encodings]" in error for error in errors)
    assert works == "True"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recording_is_unpacked_whatever_its_file_is_called(suffix, tmp_path):
    stream = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'
    packed = b"".join(packed_lines(tmp_path / f"x{suffix}", [stream]))
    for name in (f"x.sse{suffix}", "x.sse", "x"):
        (tmp_path / name).write_bytes(packed)
        assert (Recording.load(tmp_path / name).bytes, Recording.load(tmp_path / name).torn) == (stream, False)
    (tmp_path / "cut").write_bytes(packed[:-2])
    cut = Recording.load(tmp_path / "cut")
    assert (cut.bytes, cut.torn, len(cut.problems)) == (stream, True, 1)


def test_damage_that_another_tape_follows_is_told_and_does_not_tear_that_one(tmp_path):
    path = tmp_path / "x.tape.jsonl.gz"
    tape = [b'{"tape":1}\n', b'[0,"s","data: 1"]\n', b'[0,"s","data: 2"]\n']
    path.write_bytes(b"".join(packed_lines(path, tape)[:-1])[:-10])
    packer = pack_writer(path)
    path.write_bytes(path.read_bytes() + packer.pack(tape[0]) + packer.pack(tape[1]) + packer.end())
    first, second = Recording.load_all(path)
    assert (first.bytes, second.bytes) == (b"data: 1", b"data: 1")
    assert (second.torn, second.problems) == (False, ["the gzip file was cut or damaged"])


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.sse"
    with path.open("wb") as file:
        file.truncate(2**30 + 1)
    with pytest.raises(RecordingError, match="1,024 MiB"):
        Recording.load(path)


def test_the_packings_keep_their_own_state(tmp_path):
    one, two = pack_writer(tmp_path / "a.gz"), pack_writer(tmp_path / "b.gz")
    a, b = one.pack(b"a\n"), two.pack(b"b\n")
    assert zlib.decompress(a + one.end(), 31) == b"a\n"
    assert zlib.decompress(b + two.end(), 31) == b"b\n"
