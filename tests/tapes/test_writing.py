import io
import json
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.errors import RecordingError
from chatstream.recording import Exchange, Fault, Read, Recording, TapeWriter
from chatstream.recording.files.packing import unpack
from chatstream.tapes import save, tape_text, write_file
from tapes_for_tests import ASKED, DONE, HEAD, recording
from wire import DONE as LAST
from wire import chunk, random_cuts, wire

FULL_DISK = Path("/dev/full")
LINES = [
    (0, "n", {"about": "before all"}),
    (0, "q", ASKED),
    (0.1, "h", HEAD),
    (0.05, "n", {"note": "waiting"}),
    (0.05, "j", chunk({"content": "Hel"})),
    (None, "j", chunk({"content": "lo"})),
    (0.2, "s", ": keep-alive\n\n"),
    (0.1, "n", {"note": "here"}),
    (0, "x", "stall:2,after=2"),
    (0.3, "j", chunk(finish="stop")),
    (0, "s", DONE),
    (0.2, "n", {"note": "after"}),
]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def plain(exchange):
    return msgspec.to_builtins(exchange)


def written(reads, end="eof"):
    """A tape that a recorder wrote: (microseconds to wait, then what was read)."""
    file, clock = io.BytesIO(), Clock()
    writer = TapeWriter(file, clock=clock)
    micros = 0
    for wait, data in reads:
        micros += wait
        clock.now = micros / 1_000_000
        writer.chunk(data) if isinstance(data, dict) else writer.read(data)
    if end:
        writer.end(end)
    writer.close()
    return file.getvalue()


def comes_back(data):
    """Written again it is the same recording; the lines may be others, as a recorder writes some of them in pieces."""
    one = Recording.parse(data)
    again = tape_text(one)
    assert plain(Recording.parse(again)) == plain(one)
    assert tape_text(Recording.parse(again)) == again


def test_a_tape_that_was_read_is_written_as_it_was():
    one = recording(*LINES)
    again = tape_text(one)
    assert plain(Recording.parse(again, one.name)) == plain(one)
    assert tape_text(Recording.parse(again, one.name)) == again
    codes = [json.loads(line)[1] for line in again.splitlines()[1:]]
    assert codes == ["n", "q", "h", "n", "j", "j", "x", "s", "n", "j", "s", "n", "e"]


@given(st.lists(st.tuples(st.integers(0, 10**7), st.binary(max_size=40)), max_size=6), st.booleans())
def test_a_recorders_tape_of_any_bytes_comes_back(reads, ended):
    comes_back(written(reads, end="cancel" if ended else None))


@given(st.randoms(use_true_random=False))
def test_reads_cut_anywhere_come_back_with_their_times(random):
    pieces = random_cuts(wire([chunk({"content": "é😀 text"}), chunk(finish="stop")]), random)
    comes_back(written([(random.randint(0, 10**6), piece) for piece in pieces]))


def test_chunks_come_back_as_chunks():
    comes_back(written([(5, chunk({"content": "a"})), (7, chunk(finish="stop"))]))


def test_what_was_no_tape_becomes_one_without_times():
    data = wire([chunk({"content": "a"}), chunk(finish="stop")])
    one = Recording.parse(tape_text(Recording.parse(data)))
    assert (one.form, one.bytes, one.duration, one.problems) == ("tape", data, 0, [])


def test_the_end_line_says_what_is_true_of_the_bytes_now():
    one = recording(*LINES)
    other = msgspec.structs.replace(one, reads=[Read(0.5, LAST)])
    again = Recording.parse(tape_text(other))
    assert again.problems == []
    assert again.end["bytes"] == len(LAST)


def test_a_fault_that_names_no_event_stays_where_it_struck():
    one = recording(*LINES[:5], (0, "x", "reset"), *LINES[5:8], *LINES[9:])
    assert one.faults == [Fault("reset", after=1)]
    assert Recording.parse(tape_text(one)).faults == one.faults


def test_bytes_and_chunks_in_one_exchange_are_refused():
    with pytest.raises(RecordingError, match="both bytes and chunks"):
        tape_text(Exchange(form="tape", name="x", reads=[Read(0, {})]))


def test_a_new_file_is_for_its_owner_and_an_old_one_keeps_its_mode(tmp_path):
    one = recording(*LINES)
    save([one, one], tmp_path / "new.tape.jsonl")
    assert stat.S_IMODE((tmp_path / "new.tape.jsonl").stat().st_mode) == 0o600
    assert len(Recording.load_all(tmp_path / "new.tape.jsonl")) == 2
    (tmp_path / "new.tape.jsonl").chmod(0o644)
    save([one], tmp_path / "new.tape.jsonl")
    assert stat.S_IMODE((tmp_path / "new.tape.jsonl").stat().st_mode) == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["new.tape.jsonl"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_suffix_packs_it(tmp_path, suffix):
    one = recording(*LINES)
    file = tmp_path / f"x.tape.jsonl{suffix}"
    save([one], file)
    assert not file.read_bytes().startswith(b"{")
    assert plain(Recording.load(file)) == {**plain(one), "name": file.name}


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_that_is_replaced_holds_the_new_data_and_nothing_before_it(tmp_path, suffix):
    file = tmp_path / f"x.sse{suffix}"
    for data in (b"data: 1\n\n", b"data: 2\n\n"):
        write_file(file, data)
        assert unpack(file.read_bytes()) == (data, None)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    save([recording(*LINES)], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Recording.load(tmp_path / "real").form == "tape"


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "x.tape.jsonl"
    file.write_bytes(b"old")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save([recording(*LINES)], file)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full on this system")
def test_a_device_is_written_to_and_not_replaced():
    with pytest.raises(OSError, match="No space"):
        save([recording(*LINES)], FULL_DISK)
    assert FULL_DISK.is_char_device()


def test_a_wait_that_no_reader_takes_is_not_written():
    longest = Exchange(form="tape", name="x", reads=[Read(999_999_999.0, b"a\n")])
    assert Recording.parse(tape_text(longest)).reads == longest.reads
    with pytest.raises(RecordingError, match="longer than any tape holds"):
        tape_text(Exchange(form="tape", name="x", reads=[Read(1e9, b"a\n")]))
