"""Answers of a model that never was, as recordings.

In goes what it says, out comes a recording of it, cut as a service would have cut it. Rules: what the real parser makes
of it is what went in, whatever the seed; the same arguments give the same bytes.
"""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import TypedDict

from chatstream.chunking import chunks_of
from chatstream.recording import Read, Recording
from chatstream.recording.changing.body import Body
from chatstream.recording.changing.changes import DONE, timed
from chatstream.recording.tape import block_of
from chatstream.testing.answers import Asked, Call, Usage, call_of, completion_of, request_of
from chatstream.testing.cutting import Pieces, pieces_of, read_cuts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import Unpack

__all__ = ["TurnOptions", "refusal_turn", "text_turn", "tool_turn", "turns"]

_CREATED = 1_795_000_000  # a second of November 2026
_HEAD = {"status": 200, "headers": {"content-type": "text/event-stream; charset=utf-8"}}


class TurnOptions(TypedDict, total=False):
    """What all turns take, by name.

    What is said besides: ``reasoning``, a text before the answer; ``usage``, the tokens of the prompt and of the answer
    or the API's object, in a last chunk; ``finish_reason``; ``model``, ``id``, ``created``.

    How it comes: ``pieces``, the characters of a chunk, as a number, as the fewest and the most (1 to 12 by default),
    or as a function that cuts a text (``chatstream.chunking.words`` is the local server's); ``cut``, whether reads end
    anywhere, and not where events do; ``gap``, seconds before each chunk, 0 by default; ``seed``, of all that is drawn.

    What it answers: ``asked``, the user's words or the body of the request, for whoever looks for a tape by that;
    ``name`` is what the recording is called.
    """

    reasoning: str
    usage: Usage
    finish_reason: str
    model: str
    id: str
    created: int
    pieces: Pieces
    cut: bool
    gap: float
    seed: int
    asked: Asked
    name: str


def text_turn(text: str, *others: str, **options: Unpack[TurnOptions]) -> Recording:
    """A recording of an answer of this text; of several, each is a choice. ``options``: see ``TurnOptions``."""
    return _turn([{"content": said, "refusal": None} for said in (text, *others)], "stop", options)


def refusal_turn(text: str, *others: str, **options: Unpack[TurnOptions]) -> Recording:
    """A recording of a refusal in these words; of several, each is a choice. ``options``: see ``TurnOptions``."""
    return _turn([{"content": None, "refusal": said} for said in (text, *others)], "stop", options)


def tool_turn(*calls: Call, text: str | None = None, **options: Unpack[TurnOptions]) -> Recording:
    """A recording of an answer that calls tools, ``("get_weather", {"city": "Paris"})``, with ``text`` before them.

    The arguments may also be a text, which need not be JSON; a mapping is a call as the API has it, such as one of a
    custom tool. Ids are ``call_1`` and so on. ``options``: see ``TurnOptions``.
    """
    return _tool_turn(calls, count(1), text, options)


def turns(*answers: str | Sequence[Call] | Recording, **options: Unpack[TurnOptions]) -> list[Recording]:
    """A recording of each answer: of a text, of a list of calls, or one that was made before.

    ``ReplayServer(turns(...), match="order")`` is a model that answers so, one after the other, whatever it is asked.
    Ids of answers and of calls are counted on; ``options`` (see ``TurnOptions``) are those of each.
    """
    numbers = count(1)
    made: list[Recording] = []
    for place, answer in enumerate(answers, 1):
        own: TurnOptions = {"id": f"chatcmpl-{place}", "name": f"turn-{place}", **options}
        if isinstance(answer, Recording):
            made.append(answer)
        elif isinstance(answer, str):
            made.append(text_turn(answer, **own))
        else:
            made.append(_tool_turn(answer, numbers, None, own))
    return made


def _tool_turn(calls: Sequence[Call], numbers: Iterator[int], text: str | None, options: TurnOptions) -> Recording:
    made = [call_of(call, number) for call, number in zip(calls, numbers, strict=False)]
    return _turn([{"content": text, "refusal": None, "tool_calls": made}], "tool_calls", options)


def _turn(said: Sequence[Mapping[str, Any]], finish_reason: str, options: TurnOptions) -> Recording:
    _check(options)
    draws = Random(f"turn {options.get('seed', 0)}")  # noqa: S311  to be repeated, and no secret
    reasoning = {"reasoning_content": options["reasoning"]} if "reasoning" in options else {}
    model = options.get("model", "gpt-5-mini")
    head = {"id": options.get("id", "chatcmpl-1"), "created": options.get("created", _CREATED), "model": model}
    completion = completion_of(
        [{"role": "assistant", **reasoning, **message} for message in said],
        options.get("finish_reason", finish_reason),
        head,
        options.get("usage"),
    )
    chunks = chunks_of(
        completion, include_usage="usage" in options, pieces=pieces_of(options.get("pieces", (1, 12)), draws)
    )
    recording = _recorded([*map(block_of, chunks), DONE], options.get("gap", 0.0), options.get("name", "turn"))
    if "asked" in options:
        recording = msgspec.structs.replace(recording, request=request_of(options["asked"], model))
    return _cut(recording, draws) if options.get("cut") else recording


def _recorded(blocks: Sequence[bytes], gap: float, name: str) -> Recording:
    """A recording of these reads; ``[DONE]``, the last of them, comes right behind what it ends."""
    if not gap >= 0:
        raise ValueError(f"gap is a number of seconds, not {gap!r}")
    reads = [Read(gap, block) for block in blocks[:-1]]
    return Recording(
        form="tape", name=name, response=_HEAD, head=gap, reads=[*reads, Read(0.0, blocks[-1])], end={"end": "eof"}
    )


def _cut(recording: Recording, draws: Random) -> Recording:
    body = Body.of(recording)
    return timed(recording, body.recut(read_cuts(len(body.data), draws)))


def _check(options: TurnOptions) -> None:
    """TypeError for an option that there is not: a ``**`` would let it pass."""
    unknown = sorted({*options} - {*TurnOptions.__annotations__})
    if unknown:
        raise TypeError(f"a turn takes {', '.join(TurnOptions.__annotations__)}, not {', '.join(unknown)}")
