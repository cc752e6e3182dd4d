"""Figures as text, at most 100 columns wide: for a terminal, and as Markdown for docs/benchmarks.md.

In go figures as measure, memory, imports, growth, tools and recording make them, out come lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.framing import FRAMINGS
from benchmarks.measure import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.measure import Figure

WIDTH = 100


def lines(run: Mapping[str, Any]) -> Iterator[str]:
    """All tables of a run."""
    for figure in [*run["figures"], *run["drivers"]]:
        yield from lines_of_figure(figure)
    yield from lines_of_memory(run["memory"])
    yield from lines_of_imports(run["imports"])
    yield from lines_of_growth(run["growth"])
    yield from lines_of_tools(run["tools"])
    yield from lines_of_recording(run["recording"])


def lines_of_figure(figure: Figure) -> Iterator[str]:
    """A shape: its contestants, the fastest first, then those who do not count."""
    yield ""
    yield title(figure)
    yield f"  {'':<24}{'µs a chunk':>12}   times chatstream's, median (spread)"
    for name, entry in ranked(figure):
        yield f"  {name + _word(entry):<24}{entry['microseconds']:>12.2f}   {_ratios(entry)}".rstrip()
    for name, entry in figure["contestants"].items():
        if "left_out" in entry:
            yield f"  {name:<24}{entry['left_out']}"[:WIDTH]


def title(figure: Figure) -> str:
    """What was measured, in a line."""
    size = figure["bytes"] / 1000
    framing = FRAMINGS[figure["framing"]]
    return f"{figure['shape']}, {framing}: {figure['chunks']:,} chunks, {figure['reads']:,} reads, {size:,.0f} kB"


def ranked(figure: Figure) -> list[tuple[str, Any]]:
    """Who was timed, the fastest first."""
    timed = [pair for pair in figure["contestants"].items() if "microseconds" in pair[1]]
    return sorted(timed, key=lambda pair: pair[1]["microseconds"])


def _word(entry: Mapping[str, Any]) -> str:
    return f" ({entry['word']})" if entry.get("word") else ""


def _ratios(entry: Mapping[str, Any]) -> str:
    if "chatstream_over" in entry:
        return f"chatstream is {spread_text(entry['chatstream_over'])} times it"
    return spread_text(entry["over_chatstream"]) if "over_chatstream" in entry else ""


def spread_text(ratios: Mapping[str, float]) -> str:
    """Median and spread of ratios, in three digits each."""
    return f"{digits(ratios['median'])} ({digits(ratios['least'])} to {digits(ratios['most'])})"


def digits(value: float) -> str:
    """A number to about three digits."""
    places = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:,.{places}f}"


def lines_of_memory(figures: Sequence[Figure]) -> Iterator[str]:
    """Bytes a chunk, by shape and contestant."""
    if not figures:
        return
    yield ""
    yield f"  {'bytes a chunk (tracemalloc)':<42}{'held':>12}{'by stream':>12}{'peak':>12}"
    for figure in figures:
        for name, entry in figure["contestants"].items():
            start = f"  {figure['shape'] + ', ' + name:<42}"
            if "left_out" in entry:
                yield f"{start}   {entry['left_out']}"[:WIDTH]
            else:
                parts = (entry["held"], entry["held_by_stream"], entry["peak"])
                yield start + "".join(f"{part:>12,.0f}" for part in parts)


def lines_of_imports(figures: Sequence[Figure]) -> Iterator[str]:
    """Milliseconds and modules of each import."""
    if not figures:
        return
    yield ""
    yield f"  {'':<46}{'ms':>8}{'modules':>10}   times import chatstream"
    for figure in figures:
        ratios = spread_text(figure["over_chatstream"]) if "over_chatstream" in figure else ""
        milliseconds = min(figure["seconds"]) * 1000
        yield f"  {figure['statement']:<46}{milliseconds:>8.1f}{figure['modules']:>10,}   {ratios}".rstrip()


def lines_of_growth(figures: Sequence[Figure]) -> Iterator[str]:
    """Counted work a chunk by size, and how it grows."""
    if not figures:
        return
    yield ""
    yield f"  {'work a chunk, counted':<24}{'bytecodes':>12}{'bytes':>12}"
    for figure in figures:
        for row in figure["rows"]:
            yield f"  {row['shape']:<24}{row['bytecodes']:>12,.1f}{row['bytes']:>12,.0f}"
        growth = figure["growth"]
        yield f"  {'over the smallest':<24}{growth['bytecodes']:>12.3f}{growth['bytes']:>12.3f}"


def lines_of_tools(figures: Sequence[Figure]) -> Iterator[str]:
    """Milliseconds of the calls of a message side by side, against one of them, and one after the other."""
    if not figures:
        return
    yield ""
    yield f"  {'the tool loop':<34}{'ms':>8}   {'times one tool':<24}times one after the other"
    for figure in figures:
        milliseconds = min(figure["seconds"]) * 1000
        ratios = f"{spread_text(figure['over_one_tool']):<24}{spread_text(figure['over_one_by_one'])}"
        yield f"  {_of_tools(figure):<34}{milliseconds:>8.1f}   {ratios}"


def _of_tools(figure: Figure) -> str:
    return f"{figure['way']}, {figure['calls']} of {figure['tool_seconds'] * 1000:.0f} ms"


def lines_of_recording(figures: Sequence[Figure]) -> Iterator[str]:
    """Microseconds a read without a recorder, and how much more it is with one."""
    if not figures:
        return
    yield ""
    yield f"  {'recorded: times plain':<38}{'us a read':>10}   {'processor':<21}{'clock':<10}tape closed"
    for figure in figures:
        closed = f"{figure['closed']['median']:.2f}" if figure["closed"] else ""
        line = f"  {_of_recording(figure):<38}{_microseconds(figure):>10.2f}   {spread_text(figure['recorded']):<21}"
        yield f"{line}{figure['clock']['median']:<10.2f}{closed}".rstrip()


def _of_recording(figure: Figure) -> str:
    return f"{figure['reading']}, {figure['reads']:,} reads" + (", blocked" if figure["blocked"] else "")


def _microseconds(figure: Figure) -> float:
    return float(min(figure["seconds"]) / figure["reads"] * 1_000_000)


def markdown(run: Mapping[str, Any]) -> Iterator[str]:
    """All tables of a run, for docs/benchmarks.md."""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    yield f"Python {run['python']} on {run['platform']}, {run['cores']} cores; {run['rounds']} rounds. {versions}."
    if run["figures"]:
        yield from _markdown_figures(run["figures"])
    if run["drivers"]:
        yield from _markdown_figures(run["drivers"])
    if run["memory"]:
        yield from _markdown_memory(run["memory"])
    if run["imports"]:
        yield from _markdown_imports(run["imports"])
    if run["growth"]:
        yield from _markdown_growth(run["growth"])
    if run["tools"]:
        yield from _markdown_tools(run["tools"])
    if run["recording"]:
        yield from _markdown_recording(run["recording"])


def _markdown_figures(figures: Sequence[Figure]) -> Iterator[str]:
    roles = {name: entry["role"] for figure in figures for name, entry in figure["contestants"].items()}
    names = [name for name in roles if name != BASE]
    heads = [f"chatstream / {name}" if roles[name] == "floor" else f"{name} / chatstream" for name in names]
    yield from _markdown_head(["Shape", "chatstream, µs a chunk", *heads])
    for figure in figures:
        entries = figure["contestants"]
        own = entries.get(BASE, {}).get("microseconds")
        cells = [_markdown_cell(entries.get(name, {})) for name in names]
        yield _row([_markdown_shape(figure), digits(own) if own else "", *cells])


def _markdown_shape(figure: Figure) -> str:
    return figure["shape"] if figure["framing"] == "events" else f"{figure['shape']}, {FRAMINGS[figure['framing']]}"


def _markdown_cell(entry: Mapping[str, Any]) -> str:
    if ratios := entry.get("chatstream_over") or entry.get("over_chatstream"):
        return spread_text(ratios)
    return "wrong result" if entry.get("left_out", "").startswith("wrong") else "-"


def _markdown_memory(figures: Sequence[Figure]) -> Iterator[str]:
    yield from _markdown_head(["Shape", "", "held", "held by the stream alone", "peak"])
    for figure in figures:
        for name, entry in figure["contestants"].items():
            if "held" in entry:
                sizes = [f"{entry[part]:,.0f}" for part in ("held", "held_by_stream", "peak")]
                yield _row([figure["shape"], name, *sizes])


def _markdown_imports(figures: Sequence[Figure]) -> Iterator[str]:
    yield from _markdown_head(["", "ms", "modules", "times `import chatstream`"])
    for figure in figures:
        ratios = spread_text(figure["over_chatstream"]) if "over_chatstream" in figure else ""
        milliseconds = f"{min(figure['seconds']) * 1000:.1f}"
        yield _row([f"`{figure['statement']}`", milliseconds, f"{figure['modules']:,}", ratios])


def _markdown_growth(figures: Sequence[Figure]) -> Iterator[str]:
    yield from _markdown_head(["Shape", "bytecodes a chunk", "bytes a chunk"])
    for figure in figures:
        for row in figure["rows"]:
            yield _row([row["shape"], f"{row['bytecodes']:,.1f}", f"{row['bytes']:,.0f}"])


def _markdown_tools(figures: Sequence[Figure]) -> Iterator[str]:
    yield from _markdown_head(["Calls of one message", "ms", "times one tool", "times one after the other"])
    for figure in figures:
        ratios = [spread_text(figure[part]) for part in ("over_one_tool", "over_one_by_one")]
        yield _row([_of_tools(figure), f"{min(figure['seconds']) * 1000:.1f}", *ratios])


def _markdown_recording(figures: Sequence[Figure]) -> Iterator[str]:
    yield from _markdown_head(
        ["Recorded", "µs a read, plain", "times plain", "by the clock", "until the tape is closed"]
    )
    for figure in figures:
        closed = spread_text(figure["closed"]) if figure["closed"] else ""
        ratios = [spread_text(figure["recorded"]), spread_text(figure["clock"]), closed]
        yield _row([_of_recording(figure), f"{_microseconds(figure):.2f}", *ratios])


def _markdown_head(cells: Sequence[str]) -> Iterator[str]:
    yield ""
    yield _row(cells)
    yield _row(["---"] * len(cells))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
