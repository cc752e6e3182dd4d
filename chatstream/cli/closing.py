"""The closing line: how a stream ended, why each choice did, what it cost, how long it took.

In goes a stream that is over, out comes a line. Rules: what is not known is left out, never made up; the peer's numbers
are shown only where they are numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream import ChatCompletionStream

__all__ = ["closing_line"]

_BETWEEN = " \u00b7 "


def closing_line(stream: ChatCompletionStream, *, timed: bool, columns: int | None) -> str:
    """The line with its end; in several if it is wider than ``columns``."""
    kind = stream.end.kind if stream.end is not None else "error"
    lines = [f"\u2500\u2500 {kind}"]
    for part in _parts(stream, timed=timed):
        if columns is not None and len(lines[-1] + _BETWEEN + part) > columns:
            lines.append(f"   {part}")
        else:
            lines[-1] += _BETWEEN + part
    return "\n".join(lines) + "\n"


def _parts(stream: ChatCompletionStream, *, timed: bool) -> Iterator[str]:
    snapshot = stream.snapshot
    if snapshot is not None:
        yield from _finishes(snapshot.choices)
        yield from _tokens(snapshot.usage)
    stats = stream.stats
    if timed and stats.first_output is not None:
        yield f"first token after {_seconds(stats.first_output)}"
    took = f" in {_seconds(stats.duration)}" if timed and stats.duration is not None else ""
    yield f"{_count(stats.chunks, 'chunk')}{took}"
    for anomaly in stream.anomalies:
        yield f"{anomaly.kind} \u00d7 {anomaly.count}"


def _finishes(choices: list[Any]) -> Iterator[str]:
    for choice in choices:
        # A finish reason is the peer's own word: folded, so that it cannot pass for a line of ours.
        reason = " ".join(str(choice.finish_reason or "no finish reason").split())
        yield reason if len(choices) == 1 else f"choice {choice.index}: {reason}"


def _tokens(usage: Any) -> Iterator[str]:
    """``25 + 180 tokens``: of the prompt and of the answer."""
    counts = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
    known = [str(count) if type(count) is int else "?" for count in counts]
    if known != ["?", "?"]:
        yield f"{known[0]} + {known[1]} tokens"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s"
