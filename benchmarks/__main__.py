"""What chatstream costs: bytes to events to the final completion, against its rivals and the floor.

Without options: the shapes that fit into ten minutes. --all takes every shape and every section, about an hour.
A section (--drivers, --memory, --imports, --growth, --tools, --recording) runs alone unless a shape is asked for, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import plan, table
from benchmarks.chart import THEMES, chart
from benchmarks.contestants import ALL, FIELD
from benchmarks.framing import FRAMINGS
from benchmarks.growth import grows
from benchmarks.measure import BASE, WrongResultError
from benchmarks.run import PARTS, Field, carry_out
from benchmarks.shapes import NAMES, split_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 if a result was wrong or the work a chunk grows."""
    options = _options(arguments)
    if options.list:
        _print(_list())
        return 0
    try:
        run = _load(options.saved) if options.saved else _run(options)
    except WrongResultError as error:
        print(error, file=sys.stderr)
        return 1
    if options.saved:
        _print(table.markdown(run) if options.markdown else table.lines(run))
    _save(run, options)
    return int(any(map(grows, run["growth"])))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--list", action="store_true", help="list shapes, framings and contestants, and do nothing else")
    add("--all", action="store_true", help="every shape, also the long ones, and every section")
    add("--shape", action="append", type=_shape, default=[], metavar="NAME", help="measure this shape; may be repeated")
    add("--framing", choices=FRAMINGS, help="cut the bytes of the shapes this way (default: events)")
    add(
        "--contestant",
        action="append",
        choices=ALL,
        default=[],
        metavar="NAME",
        help="only chatstream and these; may be repeated",
    )
    add("--rounds", type=int, default=9, help="rounds of each contestant, at least 9 (default: 9)")
    add("--seed", type=int, default=1, help="of the generator (default: 1)")
    add("--smoke", action="store_true", help="all that there is at a tiny size, one round: does it run, is it right?")
    add("--drivers", action="store_true", help="async against sync, callback against iterating, what listeners cost")
    add("--memory", action="store_true", help="bytes held and at the peak, a chunk")
    add("--imports", action="store_true", help="seconds and modules of import chatstream and import openai")
    add("--growth", action="store_true", help="work a chunk, counted, by length; exit code 1 if it grows")
    add("--tools", action="store_true", help="the tool loop: calls side by side against one after the other")
    add("--recording", action="store_true", help="what reading costs while it is recorded, over the same without")
    add("--json", metavar="FILE", help="write the figures as JSON; - for stdout, without tables")
    add("--svg", metavar="FILE", help="write the shapes as charts: FILE with -light and -dark before its suffix")
    add("--from", action="append", metavar="FILE", dest="saved", help="measure nothing, take what --json wrote")
    add("--markdown", action="store_true", help="with --from: print tables in Markdown")
    add("--python", action="append", default=[], metavar="NAME=PATH", help="the interpreter for a contestant")
    add(
        "--patience",
        type=float,
        metavar="SECONDS",
        help="a rival that takes longer for a round is left out of that shape",
    )
    options = parser.parse_args(arguments)
    if options.rounds < 9 and not options.smoke:
        parser.error("--rounds: at least 9")
    if wrong := [pair for pair in options.python if pair.partition("=")[0] not in ALL]:
        parser.error(f"--python: NAME=PATH, not {wrong[0]!r}")
    return options


def _shape(name: str) -> str:
    try:
        split_name(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(error) from None
    return name


def _list() -> Iterable[str]:
    yield "shapes; any other size will do, too: text-4k"
    for name, meaning in NAMES.items():
        yield f"  {name:<24}{meaning}{' (--all)' if name in plan.LONG else ''}"
    yield "framings"
    yield from (f"  {name:<24}{meaning}" for name, meaning in FRAMINGS.items())
    yield "contestants"
    for name, contestant in ALL.items():
        yield f"  {name:<24}{(contestant.__doc__ or '').splitlines()[0]}"


def _load(paths: Iterable[str]) -> dict[str, Any]:
    """The runs of these files as one."""
    runs = [json.loads(Path(path).read_text("utf-8")) for path in paths]
    joined = {part: [figure for run in runs for figure in run[part]] for part in PARTS}
    return {**runs[0], **joined, "versions": {key: value for run in runs for key, value in run["versions"].items()}}


def _run(options: argparse.Namespace) -> dict[str, Any]:
    interpreters = dict(pair.split("=", 1) for pair in options.python)
    with ExitStack() as stack:
        field = Field(stack, interpreters, patience=options.patience or (120 if options.all else 20))
        return carry_out(_plan(options), field, _pass_by if options.json == "-" else _print)


def _plan(options: argparse.Namespace) -> plan.Plan:
    if options.smoke:
        return plan.SMOKE
    contestants = list(dict.fromkeys([BASE, *options.contestant])) if options.contestant else FIELD
    sections = ("drivers", "memory", "imports", "growth", "tools", "recording")
    only_sections = any(getattr(options, section) for section in sections)
    if options.shape:
        figures = plan.shapes(options.shape, options.framing or "events", contestants)
    elif options.framing:
        figures = plan.shapes(plan.names(long=options.all), options.framing, contestants)
    else:
        figures = [] if only_sections and not options.all else plan.every_shape(contestants, long=options.all)
    return plan.Plan(
        figures=figures,
        drivers=plan.DRIVERS if options.drivers or options.all else [],
        memory=plan.MEMORY if options.memory or options.all else [],
        weighed=contestants if options.contestant else plan.WEIGHED,
        imports=options.imports or options.all,
        growth=plan.GROWTH if options.growth or options.all else {},
        tools=plan.TOOLS if options.tools or options.all else (),
        recording=plan.RECORDING if options.recording or options.all else (),
        rounds=options.rounds,
        seed=options.seed,
    )


def _save(run: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json == "-":
        print(json.dumps(run, indent=1))
    elif options.json:
        Path(options.json).write_text(json.dumps(run, indent=1) + "\n", "utf-8")
    if options.svg:
        path = Path(options.svg)
        for theme in THEMES:
            path.with_stem(f"{path.stem}-{theme}").write_text(chart(run["figures"], theme), "utf-8")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _pass_by(_lines: Iterable[str]) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
