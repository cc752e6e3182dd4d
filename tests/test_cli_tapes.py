"""The commands that work on tapes: inspect, diff, convert, edit, scrub, check; in this process, and as one of their own."""

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chatstream.cli.outlet import Outlet
from chatstream.cli.progress import Progress
from chatstream.cli.tables import padded, shortened, width
from chatstream.recording import Recording
from chatstream.tapes import write_file
from tapes_for_tests import ASKED, DONE, HEAD, tape
from test_cli import COMMANDS, FULL_DISK, PAGE, Terminal, environment, from_a_shell, is_quiet, on_a_terminal, run
from wire import chunk, wire

KEY = "sk-canary-0123456789abcdef"
LINES = [
    (0, "q", ASKED),
    (0.5, "h", HEAD),
    (0.5, "j", chunk({"role": "assistant", "content": "Hel"})),
    (1, "j", chunk({"content": "lo"})),
    (1, "j", chunk(finish="stop")),
    (0, "s", DONE),
]
TAPE = tape(*LINES)


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Writes a file into the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)

    def write(name, data=TAPE):
        Path(name).write_bytes(data)
        return name

    return write


def said(ran):
    """The lines of JSON that it printed."""
    return [json.loads(line) for line in ran.out.splitlines()]


# All of them


COMMAND_LINES = [
    "inspect {}",
    "diff {} b.tape.jsonl",
    "diff b.tape.jsonl {}",
    "convert {} x.sse",
    "edit {} -o x.tape.jsonl",
    "edit b.tape.jsonl -o x.tape.jsonl --join {}",
    "scrub {} --in-place",
    "check {}",
    "check b.tape.jsonl --secrets-file {}",
]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_file_that_is_not_there_is_one_line_on_stderr(save, line):
    save("b.tape.jsonl")
    for name in ("missing", "nul\0"):
        ran = run(*(word.format(name) for word in line.split()))
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("chatstream: ")
        assert ran.err.count("\n") == 1
        assert not Path("x.sse").exists()


@pytest.mark.parametrize("name", ["-x", "a b", "\u202e.tape.jsonl", "x\ny", "\udcff.jsonl", "*"])
def test_file_names_may_hold_anything(save, name):
    save(name)
    for command, *options in (
        ["inspect"],
        ["inspect", "--json"],
        ["check"],
        ["check", "--json"],
        ["convert", "out.sse"],
        ["scrub", "--in-place"],
    ):
        ran = run(
            command,
            *[option for option in options if option.startswith("--")],
            "--",
            name,
            *[option for option in options if not option.startswith("--")],
        )
        assert (ran.code, "Traceback" in ran.err) == (0, False)


def test_the_table_stays_one_line_a_row_whatever_the_file_is_called(save):
    save("x\ny")
    assert run("inspect", "x\ny").out.startswith("x\\ny\n")


@pytest.mark.parametrize(
    "line", ["inspect -", "check -", "diff - a.tape.jsonl", "convert - - --to sse", "edit - -o -", "scrub - -o -"]
)
def test_a_dash_is_standard_input(save, line):
    save("a.tape.jsonl")
    ran = run(*line.split(), stdin=TAPE)
    assert ran.code == 0
    if line.endswith("-o -"):
        assert Recording.parse(ran.out.encode()).problems == []


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full on this system")
def test_an_output_that_cannot_be_written_is_told(save):
    save("a.tape.jsonl")
    for line in (
        "inspect a.tape.jsonl > /dev/full",
        "edit a.tape.jsonl -o /dev/full",
        "edit a.tape.jsonl -o - > /dev/full",
        "convert a.tape.jsonl none/x.sse",
    ):
        ran = from_a_shell(f"chatstream {line}")
        assert ran.returncode == 1
        assert is_quiet(ran.stderr)
        assert ran.stderr.startswith("chatstream: ")


def test_whoever_stops_reading_hears_no_complaint(save):
    save("a.tape.jsonl", tape(*LINES[:2], *[(0.01, "j", chunk({"content": "x" * 99}))] * 3000))
    for line in ("inspect a.tape.jsonl", "convert a.tape.jsonl - --to tape"):
        ours, its = os.pipe()
        os.close(ours)
        ran = subprocess.run(
            [sys.executable, "-m", "chatstream", *line.split()],
            stdout=its,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
            env=environment(),
        )
        os.close(its)
        assert (ran.returncode, ran.stderr) == (141, b"")


WAITING = """
import signal, sys
from chatstream.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
class Stdin:
    buffer = property(lambda self: self)
    def read(self):
        print("reading", flush=True)
        signal.pause()
sys.stdin = Stdin()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(signal, "pause"), reason="no signals to wait for on this system")
@pytest.mark.parametrize("line", ["check -", "inspect -", "edit - -o x.tape.jsonl"])
def test_ctrl_c_is_quiet(save, line):
    pipe = subprocess.PIPE
    started = [sys.executable, "-c", WAITING, *line.split()]
    with subprocess.Popen(started, stdout=pipe, stderr=pipe, env=environment()) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130
    assert not Path("x.tape.jsonl").exists()


@pytest.mark.parametrize("command", ["inspect", "diff", "convert", "edit", "scrub", "check"])
def test_the_page_has_the_help_as_it_is_printed(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")  # argparse folds its help to the window
    ran = run(command, "--help")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    assert f"$ chatstream {command} --help\n{ran.out}" in PAGE.read_text("utf-8")


# inspect


def test_inspect_shows_a_table_and_totals(save):
    ran = run("inspect", save("a.tape.jsonl", tape(*LINES, masked=2)))
    assert ran.out == (
        "a.tape.jsonl\n"
        "tape · POST /v1/chat/completions · m · status 200\n"
        "       at       gap  read  bytes  event\n"
        "    0.500                         response       200\n"
        "    1.000     1.000     1    174  content.delta  Hel\n"
        "    2.000     1.000     2    154  content.delta  lo\n"
        "    3.000     1.000     3    142  content.done\n"
        "    3.000                         choice.done    stop\n"
        "    3.000     0.000     4     14  done\n"
        "    3.250     0.250               end            eof\n"
        "first byte after 1.000 s · first token after 1.000 s · median gap 1.000 s · longest gap 1.000 s · all in 3.250 s\n"
        "4 reads · 484 bytes · 3 chunks · 2 masked secrets\n"
        "complete · stop · sha256 ok\n"
    )
    assert run("inspect", "a.tape.jsonl", "--totals").out.count("\n") == 5


def test_inspect_gives_a_line_of_json_for_each_recording(save):
    save("a.tape.jsonl", TAPE + TAPE)
    one, other = said(run("inspect", "a.tape.jsonl", "--json"))
    assert (one["number"], other["number"], one["file"]) == (1, 2, "a.tape.jsonl")
    assert one["rows"][1]["text"] == "Hel"
    assert [value["number"] for value in said(run("inspect", "a.tape.jsonl", "--json", "--number", "2"))] == [2]
    assert "a.tape.jsonl, recording 2 of 2\n" in run("inspect", "a.tape.jsonl").out
    assert run("inspect", "a.tape.jsonl", "--number", "3").code == 2


def test_inspect_says_what_is_wrong(save):
    ran = run("inspect", save("a.tape.jsonl", TAPE.replace(b"Hel", b"Hal")), "--totals")
    assert "sha256 broken\nproblem: the bytes are not those of the sha256 in the end line\n" in ran.out
    ran = run("inspect", save("b.tape.jsonl", tape(*LINES[:3], end=None)[:-3]), "--totals")
    assert ran.out.endswith(
        "the last line was cut\nfailed: the stream ended too early: no choice came (IncompleteStreamError)\n"
    )
    ran = run("inspect", save("c.tape.jsonl", tape(*LINES, (1, "j", chunk({"content": "late"})))))
    assert "unread" in ran.out


def test_a_row_fits_the_terminal_and_nothing_commands_it(save):
    texts = ["好" * 200, "word " * 100, COMMANDS, "a\u0301" * 300, "🌊" * 99]
    save("a.tape.jsonl", tape(*LINES[:2], *((0.1, "j", chunk({"content": text})) for text in texts)))
    for columns in (60, 80, 200):
        shown = on_a_terminal("inspect", "a.tape.jsonl", columns=columns).shown
        rows = [line for line in shown.splitlines() if "content.d" in line]
        assert len(rows) == len(texts)
        assert max(map(width, rows)) <= columns
        assert "\x1b" not in shown
        assert "\u202e" not in shown


# diff


def test_diff_says_whether_two_tapes_mean_the_same(save):
    save("a.tape.jsonl")
    save("b.sse", wire([chunk({"content": "Hello"}, id="other"), chunk(finish="stop", id="other")]))
    ran = run("diff", "a.tape.jsonl", "a.tape.jsonl", "--timing", "--ids", "--bytes")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = run("diff", "a.tape.jsonl", "b.sse", "--json")
    assert ran.code == 1
    assert {value["place"].split(".")[0] for value in said(ran)} == {"request", "response", "end"}


def test_diff_shows_the_words_that_changed(save):
    save("a.tape.jsonl")
    text = "The answer is 42, and that has been so for a very long time, as everybody knows who has ever asked for it at all, or has heard of it."
    for name, one in (("a.sse", text), ("b.sse", text.replace("42", "43").replace("very ", ""))):
        save(name, wire([chunk({"content": one}), chunk(finish="stop")]))
    ran = run("diff", "a.sse", "b.sse")
    assert ran.code == 1
    assert ran.out == (
        "answer.choices[0].message.content\n"
        "  The answer is [-42-]{+43+}, and that has been so for a[- very-] long time, as everybody knows who has e … \n"
    )


def test_diff_compares_several_recordings_one_by_one(save):
    save("a.tape.jsonl", TAPE + TAPE)
    save("b.tape.jsonl", TAPE + TAPE.replace(b"Hel", b"Hal") + TAPE)
    ran = run("diff", "a.tape.jsonl", "b.tape.jsonl")
    assert ran.code == 1
    assert ran.out.startswith("recording 2: answer.choices[0].message.content\n  [-Hello-]{+Hallo+}\n")
    assert "recording 3: recording\n" in ran.out


def test_diff_takes_timing_ids_and_bytes_only_with_their_flags(save):
    save("a.tape.jsonl")
    save("b.tape.jsonl", tape(*LINES[:3], (1.2, "j", chunk({"content": "lo"})), *LINES[4:]))
    assert run("diff", "a.tape.jsonl", "b.tape.jsonl", "--ids", "--bytes").code == 0
    assert run("diff", "a.tape.jsonl", "b.tape.jsonl", "--timing", "--tolerance", "0.3").code == 0
    ran = run("diff", "a.tape.jsonl", "b.tape.jsonl", "--timing")
    assert (ran.code, ran.out) == (1, "timing.intervals[1]\n  - 1.0\n  + 1.2\n")
    assert run("diff", "--timing", "--tolerance", "-1", "a.tape.jsonl", "b.tape.jsonl").code == 2


def test_a_reader_who_stops_behind_done_has_read_to_the_end(save):
    save("a.tape.jsonl")
    save("b.tape.jsonl", tape(*LINES, end="cancel"))
    ran = run("diff", "a.tape.jsonl", "b.tape.jsonl")
    assert (ran.code, ran.out) == (0, "")
    assert run("check", "b.tape.jsonl").code == 0
    assert "end            cancel behind [DONE]\n" in run("inspect", "b.tape.jsonl").out
    save("c.tape.jsonl", tape(*LINES[:-1], end="cancel"))
    ran = run("diff", "a.tape.jsonl", "c.tape.jsonl", "--json")
    assert "end" in [value["place"] for value in said(ran)]
    assert "end            cancel\n" in run("inspect", "c.tape.jsonl").out


# convert


@pytest.mark.parametrize(
    "name", ["x.sse", "x.sse.gz", "x.jsonl", "x.json", "x.json.zst", "x.tape.jsonl", "X.TAPE.JSONL.GZ"]
)
def test_convert_goes_by_the_suffix(save, name):
    save("a.tape.jsonl")
    assert run("convert", "a.tape.jsonl", name).code == 0
    assert Recording.load(name).form == {"sse": "sse", "jsonl": "chunks", "json": "completion"}.get(
        name.split(".")[1], "tape"
    )


def test_convert_and_edit_say_in_json_what_they_wrote(save):
    (told,) = said(run("convert", save("a.tape.jsonl"), "a.sse", "--json"))
    assert (told["file"], told["to"], told["recordings"], told["failures"]) == ("a.sse", "sse", 1, [None])
    assert "times" in told["left_out"]
    folder = said(run("convert", "a.tape.jsonl", "tapes/", "--to", "jsonl", "--json"))
    assert [Path(one["file"]).exists() for one in folder] == [True]
    (edited,) = said(run("edit", "a.tape.jsonl", "-o", "b.tape.jsonl", "--cut=1:2", "--fault", "reset:1", "--json"))
    assert edited["file"] == "b.tape.jsonl"
    (one,) = edited["recordings"]
    assert (one["reads"], one["faults"], one["notes"]) == (len(Recording.load("b.tape.jsonl").reads), ["reset:1"], 0)
    for command in (["convert", "a.tape.jsonl", "-", "--to", "sse"], ["edit", "a.tape.jsonl", "-o", "-"]):
        assert run(*command, "--json").code == 2


def test_convert_says_what_there_was_no_room_for(save):
    ran = run("convert", save("a.tape.jsonl"), "-", "--to", "sse")
    assert ran.out.encode() == Recording.parse(TAPE).bytes
    assert (
        ran.err == "chatstream: standard output: left out: the request; the response head; times; where reads ended\n"
    )


def test_several_recordings_become_a_tape_or_files_of_a_folder(save):
    save("a.tape.jsonl", TAPE + TAPE.replace(b"Hel", b"Hal"))
    assert run("convert", "a.tape.jsonl", "b.tape.jsonl").code == 0
    assert len(Recording.load_all("b.tape.jsonl")) == 2
    ran = run("convert", "a.tape.jsonl", "x.json")
    assert (ran.code, Path("x.json").exists()) == (2, False)
    assert run("convert", "a.tape.jsonl", "x.json", "--number", "2").code == 0
    assert "Hallo" in Path("x.json").read_text("utf-8")
    assert run("convert", "a.tape.jsonl", "folder/", "--to", "sse").code == 0
    assert sorted(file.name for file in Path("folder").iterdir()) == ["a-001.sse", "a-002.sse"]
    assert run("convert", "a.tape.jsonl", "folder").code == 2


def test_in_a_folder_what_is_no_tape_becomes_one(save):
    save("a.sse", wire([chunk({"content": KEY}), chunk(finish="stop")]))
    assert run("convert", "a.sse", "folder/").code == 0
    assert [file.name for file in Path("folder").iterdir()] == ["a-001.tape.jsonl"]
    one = Recording.load("folder/a-001.tape.jsonl")
    assert (one.form, KEY.encode() in one.bytes) == ("tape", False)
    assert run("convert", "a.sse", "folder/", "--to", "json").code == 2
    assert run("convert", "a.sse", "folder/", "--to", "sse").code == 0
    assert Recording.load("folder/a-001.sse").form == "sse"


def test_convert_refuses_what_it_cannot_do(save):
    save("a.tape.jsonl")
    before = Path("a.tape.jsonl").read_bytes()
    Path("link.sse").symlink_to("a.tape.jsonl")
    for out in ("x.txt", "-", "a.tape.jsonl", "link.sse"):
        assert run("convert", "a.tape.jsonl", out).code == 2
    assert Path("a.tape.jsonl").read_bytes() == before
    assert run("convert", save("empty", b""), "x.json").code == 2


def test_a_completion_that_was_cut_is_written_and_has_the_code_of_its_stream(save):
    save("a.sse", wire([chunk({"content": "Hel"})], done=False))
    ran = run("convert", "a.sse", "-", "--to", "completion")
    assert ran.code == 3
    assert json.loads(ran.out)["choices"][0]["message"]["content"] == "Hel"
    assert "IncompleteStreamError" in ran.err


# edit


def test_edit_does_its_steps_in_their_order(save):
    save("a.tape.jsonl")
    assert run("edit", "a.tape.jsonl", "-o", "b.tape.jsonl", "--speed", "2", "--gap", "1").code == 0
    assert run("edit", "a.tape.jsonl", "-o", "c.tape.jsonl", "--gap", "1", "--speed", "2").code == 0
    times = [[read.interval for read in Recording.load(name).reads] for name in ("b.tape.jsonl", "c.tape.jsonl")]
    assert times == [[0.5, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]]


def test_edit_cuts_joins_and_marks(save):
    save("a.tape.jsonl")
    steps = [
        "--cut",
        "1:2",
        "--join",
        "a.tape.jsonl",
        "--fault",
        "stall:2,after=3",
        "--note",
        "see@x@after=2",
        "--note",
        "end",
        "--max-gap",
        ".5",
    ]
    assert run("edit", "a.tape.jsonl", "-o", "b.tape.jsonl", *steps).code == 0
    one = Recording.load("b.tape.jsonl")
    assert [str(fault) for fault in one.faults] == ["stall:2,after=3"]
    assert [note.value["note"] for note in one.notes] == ["see@x", "end"]
    assert max(read.interval for read in one.reads) == 0.5
    assert len(one.reads) == 6
    assert one.problems == []
    assert run("edit", "b.tape.jsonl", "--in-place", "--remove-faults", "--keep=:1").code == 0
    assert Recording.load("b.tape.jsonl").faults == []
    assert len(Recording.load("b.tape.jsonl").reads) == 1


def test_edit_takes_seconds_and_numbers_from_the_end(save):
    save("a.tape.jsonl")
    for option, left in (
        ("--cut=2s:", 1),
        ("--cut=:1.5s", 3),
        ("--keep=2s:3s", 1),
        ("--cut=-1:", 3),
        ("--keep=-2:", 2),
    ):
        ran = run("edit", "a.tape.jsonl", "-o", "-", option)
        assert (option, len(Recording.parse(ran.out.encode()).reads)) == (option, left)


@pytest.mark.parametrize(
    "step",
    [
        "--cut=3",
        "--cut=:",
        "--cut=a:b",
        "--cut=1s:2",
        "--cut=1:2:3",
        "--speed=0",
        "--speed=x",
        "--gap=-1",
        "--gap=1e300",
        "--speed=1e-300",
        "--speed=1e-320",
        "--max-gap=nan",
        "--fault=fire",
        "--join=no\0file",
    ],
)
def test_edit_says_which_step_makes_no_sense(save, step):
    ran = run("edit", save("a.tape.jsonl"), "-o", "b.tape.jsonl", step)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert not Path("b.tape.jsonl").exists()


def test_edit_never_writes_over_its_input_by_accident(save):
    save("a.tape.jsonl")
    Path("link").symlink_to("a.tape.jsonl")
    for out in ("a.tape.jsonl", "./a.tape.jsonl", "link"):
        assert "--in-place" in run("edit", "a.tape.jsonl", "-o", out, "--cut=0:1").err
    assert Path("a.tape.jsonl").read_bytes() == TAPE
    assert run("edit", save("a.sse", wire([chunk()])), "--in-place").code == 2
    assert run("edit", "a.tape.jsonl").code == 2


def test_waits_that_no_tape_can_hold_are_not_written(save):
    assert run("edit", save("a.tape.jsonl"), "-o", "b.tape.jsonl", "--gap=999999999").code == 0
    assert run("edit", "b.tape.jsonl", "-o", "c.tape.jsonl", "--join", "b.tape.jsonl").code == 0
    assert Recording.load("c.tape.jsonl").flaw is None
    lines = [
        (0, "q", ASKED),
        (0, "h", HEAD),
        (9e8, "j", chunk({"content": "a"})),
        (9e8, "s", ":\n\n"),
        (9e8, "j", chunk()),
    ]
    ran = run("edit", save("d.tape.jsonl", tape(*lines)), "-o", "e.tape.jsonl", "--join", "d.tape.jsonl", "--cut=1:2")
    assert ran.code == 0
    assert Recording.load("e.tape.jsonl").flaw is None


def test_edit_masks_what_it_writes(save):
    asked = {**ASKED, "headers": {"authorization": f"Bearer {KEY}"}}
    save("a.tape.jsonl", tape((0, "q", asked), (0, "h", HEAD), (0, "j", chunk({"content": "canary-plain"}))))
    assert run("edit", "a.tape.jsonl", "--in-place", "--note", f"{KEY}@0").code == 0
    written = Path("a.tape.jsonl").read_bytes()
    assert KEY.encode() not in written
    assert b"authorization" not in written
    assert [len(note.value["note"]) for note in Recording.load("a.tape.jsonl").notes] == [len(KEY)]


def test_edit_changes_one_recording_of_several(save):
    save("a.tape.jsonl", TAPE + TAPE)
    assert run("edit", "a.tape.jsonl", "--in-place", "--number", "2", "--cut=0:1").code == 0
    assert [len(one.reads) for one in Recording.load_all("a.tape.jsonl")] == [4, 3]


# scrub


def test_scrub_takes_secrets_out_and_leaves_the_rest(save):
    save(
        "a.tape.jsonl",
        tape(
            *LINES[:2], (0.5, "j", chunk({"content": KEY[:12]})), (1, "j", chunk({"content": KEY[12:]})), (0, "s", DONE)
        ),
    )
    Path("a.tape.jsonl").chmod(0o640)
    save("b.tape.jsonl")
    ran = run("scrub", "--in-place", "a.tape.jsonl", "b.tape.jsonl")
    assert (ran.code, ran.err) == (
        0,
        "chatstream: a.tape.jsonl: 1 secret masked\nchatstream: b.tape.jsonl: 0 secrets masked\n",
    )
    one = Recording.load("a.tape.jsonl")
    assert (one.end["masked"], one.problems, one.duration) == (1, [], 2.25)
    assert stat.S_IMODE(Path("a.tape.jsonl").stat().st_mode) == 0o640
    assert Path("b.tape.jsonl").read_bytes() == TAPE  # there was nothing to change, so nothing was written
    assert run("diff", "a.tape.jsonl", "a.tape.jsonl").code == 0


def test_secrets_come_from_the_environment_from_files_and_from_patterns(save, monkeypatch):
    monkeypatch.setenv("A_SECRET", "swordfish")
    save("words", b"\nopen sesame \n")
    save(
        "a.tape.jsonl", tape(*LINES[:2], (0.5, "j", chunk({"content": "swordfish, open sesame, id-4711, tell nobody"})))
    )
    options = ["--secret-env", "A_SECRET", "--secrets-file", "words", "--pattern", r"id-(\d+)", "--secret", "nobody"]
    ran = run("scrub", "a.tape.jsonl", "-o", "-", *options)
    assert "*********, ***********, id-****, tell ******" in ran.out
    for wrong in (["--secret-env", "NO_SUCH"], ["--pattern", "("], ["--pattern", ".*"], ["--secret", " "]):
        assert run("check", "a.tape.jsonl", *wrong).code == 2


@pytest.mark.parametrize("name", ["a.tape.jsonl.gz", "a.tape.jsonl.zst"])
def test_packed_tapes_are_scrubbed_and_checked(save, name):
    write_file(name, tape((0, "j", chunk({"content": KEY}))))
    assert run("check", name).code == 1
    assert said(run("scrub", name, "--in-place", "--json")) == [
        {"file": name, "masked": 1, "found": [{"data": 1}], "headers": [], "lines_left_out": []}
    ]
    assert run("check", name).code == 0


def test_scrub_refuses_what_would_lose_something(save):
    save("a.tape.jsonl")
    save("a.sse", wire([chunk({"content": KEY})]))
    for line in (
        "scrub a.sse --in-place",
        "scrub a.sse a.tape.jsonl -o x",
        "scrub a.sse",
        "scrub a.sse -o - --json",
        "scrub - --in-place",
    ):
        assert run(*line.split(), stdin=TAPE).code == 2
    assert run("scrub", "a.sse", "-o", "b.tape.jsonl").code == 0
    assert KEY.encode() not in Path("b.tape.jsonl").read_bytes()


@pytest.mark.parametrize(
    "end",
    [
        json.dumps([0, "?", {"x": KEY}]) + "\n",
        f'[0,"j",{{"id":"{KEY}"\n',
        f"{KEY}\n",
        '[0,"e",{}]\n[0,"n","' + KEY + '"]\n',
    ],
)
def test_a_secret_in_a_line_that_is_not_read_is_found_and_goes_with_its_line(save, end):
    save("a.tape.jsonl", tape(*LINES, end=None) + end.encode() + TAPE)
    ran = run("check", "a.tape.jsonl")
    assert (ran.code, KEY in ran.out) == (1, False)
    line = 8 + end[:-1].count("\n")
    assert f"a secret in line {line}, which is not read (secret)\n" in ran.out
    ran = run("scrub", "a.tape.jsonl", "--in-place")
    assert f"a.tape.jsonl: lines left out, which could not be read: {line}\n" in ran.err
    assert KEY.encode() not in Path("a.tape.jsonl").read_bytes()
    assert len(Recording.load_all("a.tape.jsonl")) == 2
    assert "(secret)" not in run("check", "a.tape.jsonl").out


def test_only_one_side_of_a_diff_comes_on_standard_input():
    assert run("diff", "-", "-", stdin=TAPE).code == 2


# check


def test_check_is_a_gate(save):
    ran = run("check", save("a.tape.jsonl"))
    assert (ran.code, ran.out, ran.err) == (0, "", "chatstream: 1 recording checked, 0 findings\n")
    save("b.tape.jsonl", TAPE + tape((0, "j", chunk({"content": KEY})), end=None)[:-3])
    ran = run("check", "a.tape.jsonl", "b.tape.jsonl")
    assert ran.code == 1
    assert ran.out == (
        "b.tape.jsonl: a secret in line 10, which is not read (secret)\n"
        "b.tape.jsonl: recording 2: the last line was cut (torn)\n"
    )
    assert ran.err == "chatstream: 3 recordings checked, 2 findings\n"
    assert run("check", "b.tape.jsonl", "--allow", "torn,secret").code == 0
    assert run("check", "b.tape.jsonl", "--allow", "all").code == 2


def test_check_looks_into_folders(save):
    Path("tapes/deep").mkdir(parents=True)
    save("tapes/deep/a.tape.jsonl")
    save("tapes/b.sse", wire([chunk({"content": KEY})]))
    save("tapes/notes.txt", KEY.encode())
    ran = run("check", "tapes", "--json")
    assert ran.code == 1
    assert {value["file"]: [finding["kind"] for finding in value["findings"]] for value in said(ran)} == {
        str(Path("tapes/b.sse")): ["secret"],
        str(Path("tapes/deep/a.tape.jsonl")): [],
    }
    assert KEY not in ran.out + ran.err
    Path("nothing").mkdir()
    assert run("check", "nothing").code == 2


@pytest.mark.parametrize("packed", [False, True])
def test_check_looks_at_all_of_a_file_that_is_no_tape(save, packed):
    answered = b"HTTP/1.1 200 OK\r\ndate: now\r\nset-cookie: sid=%s; path=/\r\n\r\n" % KEY.encode()
    data = answered + wire([chunk({"content": "Hello"}), chunk(finish="stop")])
    save("a.txt", gzip.compress(data) if packed else data)
    ran = run("check", "a.txt")
    assert (ran.code, ran.out) == (1, "a.txt: a secret in the header set-cookie (secret)\n")
    assert KEY not in ran.err
    save("b.txt", data.replace(KEY.encode(), b"***"))
    assert run("check", "b.txt").code == 0


def test_check_tells_who_may_read_a_file_if_that_is_asked(save):
    save("a.tape.jsonl")
    Path("a.tape.jsonl").chmod(0o644)
    assert run("check", "a.tape.jsonl").code == 0
    assert "(readable)" in run("check", "a.tape.jsonl", "--private").out


# What they are shown with


def test_a_text_is_cut_to_its_width():
    assert [shortened(text, 5) for text in ("abcde", "abcdef", "好好好", "🌊🌊", "e\u0301" * 5)] == [
        "abcde",
        "abcd…",
        "好好…",
        "🌊🌊",
        "e\u0301" * 5,
    ]
    assert (shortened("abc", 0), shortened("abc", None), padded("好", 4)) == ("", "abc", "好  ")


def drawn(steps, terminal, *, each=0.3):
    now = [0.0]
    err = Terminal(is_terminal=terminal)

    def clock():
        now[0] += each
        return now[0]

    assert list(Progress(steps, err=Outlet(err, environ={}), clock=clock)) == steps
    return err.shown()


def test_a_bar_shows_how_far_long_work_has_come():
    shown = drawn([1, 2, 3, 4], terminal=True)
    assert "[############............] 2 of 4" in shown
    assert shown.endswith("\r\x1b[K")


def test_there_is_no_bar_where_nobody_looks_or_nothing_takes_long():
    assert drawn([1, 2, 3, 4], terminal=False) == ""
    assert drawn([1, 2, 3, 4], terminal=True, each=0.01) == ""
    assert drawn([1], terminal=True, each=9) == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
@pytest.mark.parametrize(
    "line", ["check {}", "inspect {}", "scrub {} -o x.tape.jsonl", "check a.tape.jsonl --secrets-file {}"]
)
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_what_may_never_end_is_refused(save, line, kind):
    save("a.tape.jsonl")
    if kind == "pipe":
        os.mkfifo(kind)
    command = [sys.executable, "-m", "chatstream", *line.format(kind).split()]
    ran = subprocess.run(command, capture_output=True, env=environment(), timeout=30, check=False)
    assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1)
    assert b"a device or a pipe" in ran.stderr


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="there is no such file here")
@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_read_by_all_its_names(name):
    command = [sys.executable, "-m", "chatstream", "inspect", "--json", name]
    ran = subprocess.run(command, input=TAPE, capture_output=True, env=environment(), timeout=30, check=False)
    assert (ran.returncode, ran.stdout.count(b"\n")) == (0, 1)
