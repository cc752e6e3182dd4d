"""The benchmarks measure what they say: fixtures, checks, ratios and pictures. No rival is needed, and no time is read."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from chatstream import ChatStreamParser

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not there", allow_module_level=True)
sys.path.append(str(ROOT))  # they are run from a clone, and never installed

from benchmarks import chart, framing, growth, measure, memory, plan, table  # noqa: E402
from benchmarks.__main__ import main  # noqa: E402
from benchmarks.contestants import ALL, FIELD  # noqa: E402
from benchmarks.digest import describe_completion, describe_text, difference  # noqa: E402
from benchmarks.process import Fault, Process  # noqa: E402
from benchmarks.shapes import CALLS, KINDS, NAMES, fixture, split_name  # noqa: E402

NEEDS_NO_RIVAL = ["chatstream", "chatstream-async", "chatstream-parser", "httpx-sse", "floor", "split"]

# Fixtures.


@pytest.mark.parametrize("cut", framing.FRAMINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fixture_parses_to_what_was_promised(kind, cut) -> None:
    stream = fixture(f"{kind}-40")
    parser = ChatStreamParser()
    events = [event for data in framing.frame(stream.blocks, cut) for event in parser.feed(data)]
    events += parser.close()
    assert parser.end.kind == "complete"
    assert parser.anomalies == []
    assert sum(event.type == "chunk" for event in events) == stream.chunks
    assert_promised(stream, describe_completion(parser.snapshot.model_dump()))


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("-100", "-1k"))])
def test_a_named_fixture_decoded_by_hand_is_what_was_promised(name) -> None:
    stream = fixture(name)
    lines = b"".join(stream.blocks).decode().split("\n")
    assert lines[1::2] == [""] * len(stream.blocks)
    payloads = [line.removeprefix("data: ") for line in lines if line]
    assert payloads.pop() == "[DONE]"
    chunks = [json.loads(payload) for payload in payloads]
    assert len(chunks) == stream.chunks == len(stream.blocks) - 1
    assert_promised(stream, describe_completion({"choices": fold(chunks), "usage": chunks[-1]["usage"]}))


def assert_promised(stream, digest):
    assert difference({part: stream.promise[part] for part in digest}, digest) is None


def fold(chunks):
    """The choices of chunks that do nothing odd, by another road than any contestant takes."""
    parts = [part for chunk in chunks for part in chunk["choices"]]
    for index in sorted({part["index"] for part in parts}):
        mine = [part for part in parts if part["index"] == index]
        deltas = [part["delta"] for part in mine]
        fragments = [call for delta in deltas for call in delta.get("tool_calls", [])]
        calls = []
        for number in sorted({call["index"] for call in fragments}):
            of_call = [call for call in fragments if call["index"] == number]
            arguments = "".join(call["function"]["arguments"] for call in of_call)
            assert isinstance(json.loads(arguments), dict)
            calls.append({"id": of_call[0]["id"], "function": {**of_call[0]["function"], "arguments": arguments}})
        yield {
            "index": index,
            "message": {
                "content": "".join(delta.get("content") or "" for delta in deltas),
                "reasoning_content": "".join(delta.get("reasoning_content") or "" for delta in deltas),
                "tool_calls": calls,
            },
            "logprobs": {
                "content": [token for part in mine if part["logprobs"] for token in part["logprobs"]["content"]]
            },
            "finish_reason": mine[-1]["finish_reason"],
        }


def test_a_shape_is_what_its_name_says() -> None:
    (choice,) = fixture("tools-64").promise["choices"]
    assert len(choice["tool_calls"]) == CALLS
    assert len(fixture("n4-64").promise["choices"]) == 4
    assert fixture("logprobs-64").promise["choices"][0]["logprobs"]["alternatives"] == 5 * 64
    assert fixture("reasoning-64").promise["choices"][0]["reasoning"] is not None
    assert fixture("structured-64").promise["values"]["read"] == 64
    assert fixture("kept-64").promise["kept"] == fixture("kept-64").chunks
    assert fixture("text-64").chunks == 64 + 3  # role, finish reason, usage


def test_one_seed_gives_one_stream() -> None:
    for kind in KINDS:
        assert fixture(f"{kind}-40").blocks == fixture(f"{kind}-40").blocks
        assert fixture(f"{kind}-40").blocks != fixture(f"{kind}-40", seed=2).blocks


@pytest.mark.parametrize(("name", "expected"), [("text-4k", ("text", 4000)), ("kept-text-24", ("kept-text", 24))])
def test_a_shape_may_have_any_size(name, expected) -> None:
    assert split_name(name) == expected


@pytest.mark.parametrize("name", ["text", "text-", "text-k", "text-1", "poem-1k", "text-1m", ""])
def test_a_name_that_is_no_shape_is_an_error_that_says_so(name) -> None:
    with pytest.raises(ValueError, match=r"is no shape|too small"):
        split_name(name)


def test_however_the_bytes_are_cut_they_are_the_same_bytes(tmp_path) -> None:
    blocks = fixture("text-100").blocks
    for cut in framing.FRAMINGS:
        reads = framing.frame(blocks, cut)
        assert b"".join(reads) == b"".join(blocks)
        assert all(reads)
        assert reads == framing.frame(blocks, cut)
        framing.write_reads(reads, tmp_path / cut)
        assert framing.load_reads(tmp_path / cut) == reads
    assert max(map(len, framing.frame(blocks, "random"))) == 64
    assert {len(read) for read in framing.frame(blocks, "16k")[:-1]} == {16384}


# Contestants.


@pytest.mark.parametrize("cut", framing.FRAMINGS)
@pytest.mark.parametrize("name", NEEDS_NO_RIVAL)
def test_a_contestant_comes_to_what_was_promised(name, cut) -> None:
    contestant = ALL[name]()
    assert contestant.open()
    try:
        for kind in KINDS.keys() - contestant.skips.keys():
            stream = fixture(f"{kind}-40")
            contestant.prepare(kind, framing.frame(stream.blocks, cut), cut)
            digest = contestant.digest(contestant.run())
            for part in contestant.gives(kind):
                assert difference(stream.promise[part], digest[part], part) is None
    finally:
        if name == "chatstream-async":
            contestant.loop.close()


@pytest.mark.parametrize("name", ["chatstream-callback", "chatstream-on-content", "chatstream-on-chunk"])
def test_a_listener_runs_to_the_same_end(name) -> None:
    contestant, stream = ALL[name](), fixture("text-40")
    contestant.prepare("text", stream.blocks, "events")
    assert_promised(stream, contestant.digest(contestant.run()))


@pytest.mark.parametrize("name", ALL)
def test_a_contestant_says_what_it_is(name) -> None:
    contestant = ALL[name]
    assert contestant.__doc__
    assert contestant.library
    assert {*contestant.skips, *contestant.faults} <= KINDS.keys()
    assert contestant.role == "rival" or not contestant.faults
    assert "Left out" in sys.modules[contestant.__module__].__doc__ or contestant.role == "own"


def test_a_digest_tells_where_it_differs() -> None:
    promise = {"choices": [{"content": describe_text("one"), "tool_calls": []}], "total_tokens": 3}
    assert difference(promise, json.loads(json.dumps(promise))) is None
    other = {"choices": [{"content": describe_text("two"), "tool_calls": []}], "total_tokens": 3}
    assert difference(promise, other).startswith("choices.0.content.sha256: ")
    assert difference(promise, {**promise, "total_tokens": None}) == "total_tokens: null, not 3"
    assert difference(promise, {**promise, "choices": []}).startswith("choices: [], not [{")


# Processes.


def test_a_worker_obeys_in_its_own_process(tmp_path) -> None:
    stream = fixture("kept-24")
    framing.write_reads(stream.blocks, tmp_path / "reads")
    with Process(ALL["chatstream"](), sys.executable, patience=60) as process:
        process.greet()
        assert process.missing is None
        assert process.version
        order = {"kind": "kept", "framing": "events", "reads": str(tmp_path / "reads")}
        assert process.ask({"prepare": order}) == {"prepared": None}
        answer = process.ask({"run": 1})
        assert answer["seconds"] > 0
        assert_promised(stream, answer["result"])
        answer = process.ask({"memory": 1})
        assert answer["peak"] >= answer["held"] > answer["held_by_stream"] > 0
        assert_promised(stream, answer["result"])
        with pytest.raises(Fault, match="FileNotFoundError"):
            process.ask({"prepare": {**order, "reads": str(tmp_path / "gone")}})


class Command:
    name = "made-up"
    role = "rival"
    skips: dict = {}  # noqa: RUF012
    faults: dict = {}  # noqa: RUF012

    def __init__(self, program):
        self.program = program

    def command(self, python):
        return [python, "-c", self.program]

    def missing(self):
        return None


@pytest.mark.parametrize(
    ("program", "patience", "words"),
    [
        ("raise SystemExit('so long')", 60, "so long"),
        ("raise SystemExit(3)", 60, "ended with code 3"),
        ("print('{}', flush=True); import time; time.sleep(60)", 0.2, r"takes more than 0\.2 s"),
    ],
)
def test_a_process_that_does_not_answer_is_missing_with_a_word(program, patience, words) -> None:
    with Process(Command(program), sys.executable, patience=patience) as process:
        process.greet()
        with pytest.raises(Fault, match=words):
            process.ask({"run": 1})


# Rounds.


class FakeProcess:
    """Answers from a script: seconds, a result that is wrong, or a Fault."""

    version = "1"

    def __init__(self, name, log, stream, *, role="rival", missing=None, skips=(), faults=(), script=()):
        self.name = name
        self.missing = missing
        self.contestant = Command("")
        self.contestant.role = role
        self.contestant.skips = dict.fromkeys(skips, "cannot")
        self.contestant.faults = dict.fromkeys(faults, "known to be wrong")
        self.contestant.gives = lambda kind: ["choices"]
        self.log = log
        self.stream = stream
        self.script = iter(script)

    def tell(self, order):
        self.kind = order["prepare"]["kind"]

    def hear(self):
        return {"prepared": None}

    def ask(self, order):
        self.log.append(self.name)
        word = next(self.script)
        if isinstance(word, Fault):
            raise word
        choices = self.stream.promise["choices"] if word != "wrong" else []
        return {"seconds": word, "result": {"choices": choices}}


STREAM = fixture("text-24")


def race(*processes, rounds=3):
    return measure.measure(STREAM, "events", processes, rounds=rounds)


def test_contestants_take_turns_and_ratios_are_of_one_round() -> None:
    log = []
    own = FakeProcess("chatstream", log, STREAM, role="own", script=[9, 1, 2, 4])
    rival = FakeProcess("rival", log, STREAM, script=[9, 10, 10, 10])
    floor = FakeProcess("floor", log, STREAM, role="floor", script=[9, 0.5, 1, 1])
    figure = race(own, rival, floor)
    assert log == ["chatstream", "rival", "floor"] * 4
    entries = figure["contestants"]
    assert entries["rival"]["over_chatstream"] == {"least": 2.5, "median": 5, "most": 10}
    assert entries["floor"]["chatstream_over"] == {"least": 2, "median": 2, "most": 4}
    assert entries["chatstream"]["seconds"] == [1, 2, 4]  # the first round is not counted
    assert entries["chatstream"]["microseconds"] == 1e6 / STREAM.chunks
    assert "over_chatstream" not in entries["chatstream"]


def test_who_is_missing_or_cannot_or_fails_or_is_known_to_be_wrong_is_named_and_not_ranked() -> None:
    log = []
    figure = race(
        FakeProcess("chatstream", log, STREAM, role="own", script=[1, 1, 1, 1]),
        FakeProcess("missing", log, STREAM, missing="not installed"),
        FakeProcess("unable", log, STREAM, skips=["text"]),
        FakeProcess("failing", log, STREAM, script=[1, 1, Fault("it broke")]),
        FakeProcess("wrong", log, STREAM, faults=["text"], script=["wrong"]),
    )
    words = {name: entry.get("left_out") for name, entry in figure["contestants"].items()}
    assert words == {
        "chatstream": None,
        "missing": "not installed",
        "unable": "cannot",
        "failing": "it broke",
        "wrong": "wrong result: known to be wrong",
    }
    assert [name for name, _ in table.ranked(figure)] == ["chatstream"]


def test_a_wrong_result_that_nobody_has_explained_stops_the_run() -> None:
    own = FakeProcess("chatstream", [], STREAM, role="own", script=[1, 1, 1, 1])
    with pytest.raises(measure.WrongResultError, match=r"rival got text-24 wrong: choices: \[\]"):
        race(own, FakeProcess("rival", [], STREAM, script=[1, "wrong"]))
    with pytest.raises(measure.WrongResultError, match="chatstream: it broke"):
        race(FakeProcess("chatstream", [], STREAM, role="own", script=[Fault("it broke")]))


def test_memory_is_a_chunk() -> None:
    own = FakeProcess("chatstream", [], STREAM, role="own")
    sizes = {"held": 270, "held_by_stream": 27, "peak": 540}
    own.ask = lambda order, seconds: {**sizes, "result": {"choices": STREAM.promise["choices"]}}
    entry = memory.weigh(STREAM, [own, FakeProcess("gone", [], STREAM, missing="gone")])["contestants"]["chatstream"]
    assert [entry[part] for part in memory.PARTS] == [10, 1, 20]


# Growth.


@pytest.mark.parametrize("kind", ["text", "tools", "logprobs", "n4", "reasoning"])
def test_work_a_chunk_does_not_grow_with_the_stream(kind) -> None:
    assert not growth.grows(growth.measure_growth(kind, (100, 400)))


def test_work_that_grows_is_seen() -> None:
    figure = {"kind": "text", "rows": [], "growth": {"bytecodes": 1.06, "bytes": 1}}
    assert growth.grows(figure)
    assert growth.grows({**figure, "growth": {"bytecodes": 1, "bytes": 2}})
    assert not growth.grows({**figure, "growth": {"bytecodes": 1.04, "bytes": 0.9}})


# What is shown.


def made_up_run():
    figures = []
    for name, cut in [("text-1k", "events"), ("tools-10k", "random"), ("logprobs-4k", "16k")]:
        contestants = {
            contestant: {"role": ALL[contestant].role, "word": None, "seconds": [number + 1.0, number + 2.0]}
            for number, contestant in enumerate(FIELD)
        }
        contestants["litellm"] = {"role": "rival", "left_out": "wrong result: <drops> them & " + 200 * "x"}
        contestants["floor"]["word"] = "msgspec"
        figure = {"shape": name, "framing": cut, "chunks": 1003, "reads": 1004, "bytes": 333_000}
        figures.append({**figure, "contestants": contestants})
        measure.add_ratios(figures[-1])
    weights = {"held": 1234.5, "held_by_stream": 12.3, "peak": 5000.0}
    missing = {"role": "rival", "left_out": "not installed"}
    seconds = {"seconds": [0.02, 0.03], "modules": 30}
    return {
        "python": "3.11.7",
        "platform": "Linux x86_64",
        "cores": 2,
        "rounds": 9,
        "seed": 1,
        "versions": {"chatstream": "0.1.0", "openai": "3.54.0"},
        "figures": figures,
        "drivers": figures[:1],
        "memory": [{**figures[0], "contestants": {"chatstream": {"role": "own"} | weights, "openai-python": missing}}],
        "imports": [
            {"statement": "import chatstream", **seconds},
            {"statement": "import openai", **seconds, "over_chatstream": {"least": 40, "median": 50, "most": 60}},
        ],
        "growth": [
            {
                "kind": "text",
                "rows": [{"shape": "text-1000", "chunks": 1003, "bytecodes": 217.5, "bytes": 1034.0}],
                "growth": {"bytecodes": 1.0, "bytes": 1.0},
            }
        ],
        "tools": [
            {
                "way": "async, sync tools",
                "calls": 8,
                "tool_seconds": 0.2,
                "seconds": [0.21, 0.2],
                "over_one_tool": {"least": 1.0, "median": 1.01, "most": 1.05},
                "over_one_by_one": {"least": 0.12, "median": 0.13, "most": 0.14},
            }
        ],
        "recording": [
            {
                "reading": reading,
                "blocked": blocked,
                "reads": 10_000,
                "seconds": [0.031, 0.03],
                "recorded": {"least": 1.2, "median": 1.3, "most": 1.4},
                "clock": {"least": 1.2, "median": 1.3, "most": 1.4},
                "closed": None if blocked else {"least": 2.2, "median": 2.3, "most": 2.4},
            }
            for reading in ("the pipe alone", "httpx")
            for blocked in (False, True)
        ],
    }


def test_tables_fit_into_100_columns_and_tell_the_fastest_first() -> None:
    lines = list(table.lines(made_up_run()))
    assert max(map(len, lines)) <= table.WIDTH
    names = [line.split()[0] for line in lines[3:12]]
    assert names[0] == "chatstream"
    assert names[-1] == "litellm"  # was wrong
    assert "floor (msgspec)" in "\n".join(lines)


def test_markdown_tables_have_as_many_cells_in_each_row() -> None:
    text = "\n".join(table.markdown(made_up_run()))
    for part in text.split("\n\n")[1:]:
        assert len({row.count("|") for row in part.splitlines()}) == 1, part
    assert "| text-1k | 997 |" in text
    assert "wrong result" in text


@pytest.mark.parametrize(
    "value", [(123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.12"), (0.0123, "0.012")]
)
def test_numbers_have_about_three_digits(value) -> None:
    assert table.digits(value[0]) == value[1]


@pytest.mark.parametrize("theme", chart.THEMES)
def test_a_chart_is_well_formed_and_names_everybody(theme) -> None:
    picture = ET.fromstring(chart.chart(made_up_run()["figures"], theme))  # noqa: S314  our own
    texts = {"".join(element.itertext()) for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= {*FIELD, "wrong result"}
    marks = [float(mark.get("cx")) for mark in picture.iter("{http://www.w3.org/2000/svg}circle")]
    assert all(0 < mark < chart.WIDTH for mark in marks)


def test_a_chart_of_nothing_is_a_chart() -> None:
    assert ET.fromstring(chart.chart([], "light")).tag.endswith("svg")  # noqa: S314


# The command line.


def test_figures_that_were_saved_can_be_shown_again(tmp_path, capsys) -> None:
    saved = tmp_path / "figures.json"
    saved.write_text(json.dumps(made_up_run()), "utf-8")
    assert main(["--from", str(saved), "--markdown", "--svg", str(tmp_path / "chart.svg")]) == 0
    assert capsys.readouterr().out.startswith("Python 3.11.7 on Linux x86_64, 2 cores; 9 rounds.")
    assert {path.name for path in tmp_path.glob("*.svg")} == {"chart-light.svg", "chart-dark.svg"}
    assert main(["--from", str(saved), "--from", str(saved)]) == 0
    assert capsys.readouterr().out.count("text-1k, one event a read: 1,003 chunks") == 4


def test_a_run_is_json_and_checks_its_results(capsys) -> None:
    assert main(["--shape", "text-24", "--contestant", "floor", "--contestant", "split", "--json", "-"]) == 0
    run = json.loads(capsys.readouterr().out)
    (figure,) = run["figures"]
    assert figure["shape"] == "text-24"
    assert {name: len(entry["seconds"]) for name, entry in figure["contestants"].items()} == {
        "chatstream": 9,
        "floor": 9,
        "split": 9,
    }
    assert run["versions"].keys() == {"chatstream", "msgspec", "python"}


def test_all_there_is_can_be_listed(capsys) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    for name in [*NAMES, *framing.FRAMINGS, *ALL]:
        assert f"  {name} " in listed


@pytest.mark.parametrize("arguments", [["--rounds", "8"], ["--shape", "poem"], ["--python", "nobody=python"]])
def test_wrong_arguments_are_told(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_plan_names_what_there_is() -> None:
    trials = [*plan.every_shape(FIELD, long=True), *plan.DRIVERS, *plan.SMOKE.figures, *plan.SMOKE.drivers]
    for name, cut, names in trials:
        split_name(name)
        assert cut in framing.FRAMINGS
        assert set(names) <= ALL.keys()
    assert {name for name, *_ in plan.every_shape(FIELD, long=True)} == NAMES.keys()
    assert plan.LONG.issubset(NAMES)
    assert plan.GROWTH.keys() <= KINDS.keys()
