"""What a run measures: which shapes, under which framing, and who takes part."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.contestants import FIELD
from benchmarks.framing import FRAMINGS
from benchmarks.shapes import KINDS, NAMES

Trial = tuple[str, str, list[str]]
"""A shape, a framing, and the names of contestants."""

LONG = {"text-100k", "tools-10k", "structured-10k", "logprobs-4k"}
"""Shapes at which a rival takes so long that a run without ``--all`` does not wait for it."""

WEIGHED = ["chatstream", "openai-python"]
"""Whose memory is measured, unless others are asked for."""

_DRIVEN = ["chatstream", "chatstream-async", "chatstream-callback", "chatstream-parser"]
_LISTENED = ["chatstream", "chatstream-callback", "chatstream-on-content", "chatstream-on-chunk"]


@dataclass(frozen=True)
class Plan:
    """All that a run will do."""

    figures: list[Trial] = field(default_factory=list)
    drivers: list[Trial] = field(default_factory=list)
    memory: list[str] = field(default_factory=list)
    weighed: list[str] = field(default_factory=lambda: WEIGHED)
    imports: bool = False
    growth: dict[str, tuple[int, ...]] = field(default_factory=dict)
    tools: tuple[int, ...] = ()
    recording: tuple[int, ...] = ()
    tool_seconds: float = 0.2
    rounds: int = 9
    seed: int = 1


def names(*, long: bool) -> list[str]:
    """The named shapes, with the long ones or without."""
    return [name for name in NAMES if long or name not in LONG]


def shapes(names: list[str], framing: str, contestants: list[str]) -> list[Trial]:
    """These shapes under one framing."""
    return [(name, framing, contestants) for name in names]


def every_shape(contestants: list[str], *, long: bool) -> list[Trial]:
    """All named shapes, one event a read, and some of them cut otherwise."""
    others = [("text-1k", "16k"), ("text-1k", "random"), ("tools-1k", "random")]
    return [*shapes(names(long=long), "events", contestants), *((*other, contestants) for other in others)]


DRIVERS: list[Trial] = [
    ("text-10k", "16k", _DRIVEN),
    ("text-10k", "events", _DRIVEN),
    ("text-1k", "events", _LISTENED),
    ("text-4k", "events", _LISTENED),
]
MEMORY = ["text-1k", "text-10k", "kept-text-1k", "tools-1k", "kept-1k", "logprobs-1k"]
GROWTH = {
    "text": (1000, 10_000, 100_000),
    "tools": (1000, 4000, 16_000),
    "structured": (1000, 4000, 16_000),
    "logprobs": (1000, 4000, 16_000),
    "n4": (1000, 4000, 16_000),
    "reasoning": (1000, 4000, 16_000),
}
TOOLS = (2, 8)
RECORDING = (1000, 10_000)
SMOKE = Plan(
    figures=[(f"{kind}-24", framing, FIELD) for kind in KINDS for framing in FRAMINGS],
    drivers=[("text-24", framing, list(dict.fromkeys([*_DRIVEN, *_LISTENED]))) for framing in FRAMINGS],
    memory=["text-24", "kept-24"],
    imports=True,
    growth={"text": (100, 400), "tools": (100, 400)},
    tools=(2,),
    recording=(50,),
    tool_seconds=0.02,
    rounds=1,
)
