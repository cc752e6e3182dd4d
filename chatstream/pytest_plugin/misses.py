"""A request that no tape answers, in words for whoever wrote the test.

In go misses, out comes a text: what was asked, the nearest tape, where they differ and how, and what can be done.
Rules: whatever looks like a secret is masked; long values are cut short, and long differences too.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.recording.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from chatstream.recording.library.asked import Asked
    from chatstream.recording.transports.cassette import Miss

__all__ = ["told"]

_MOST_PLACES = 10
_MOST_LINES = 60  # of a diff; whoever changed more than that knows
_LONGEST_VALUE = 80  # characters
_LONGEST_LINE = 240
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_ABSENT = object()
_BESIDE = {"method", "path", "query", "body"}  # places that are not in a body, and cannot be ignored
_MOST_IGNORED = 3  # in the example

_OTHERWISE = """\
What to do:
  - if the request is meant to be another one now: `pytest --tape-mode=new_episodes` records what the tape does not
    have, and without the tape all of it is recorded again: {path}
  - if the difference means nothing (an id, a date): `@pytest.mark.tape(ignore=[{ignore}])`"""
_FOR_THE_FIRST_TIME = """\
What to do: record it, by `pytest --tape-mode=once` where the service can be reached. Nothing is sent in mode {mode}.
The tape will be {path}"""


def told(misses: Sequence[Miss], path: Path, mode: str, secrets: Secrets | Iterable[str]) -> str:
    """What there is to say about these misses."""
    masks = Secrets.of(secrets)
    places = dict.fromkeys(place for miss in misses for place in miss.places if place not in _BESIDE)
    ignore = ", ".join(f'"{place}"' for place in list(places)[:_MOST_IGNORED]) or '"metadata"'
    what_to_do = _OTHERWISE if any(miss.nearest for miss in misses) else _FOR_THE_FIRST_TIME
    parts = ["\n".join(_about(miss, masks)) for miss in misses]
    return "\n\n".join([*parts, what_to_do.format(path=path, mode=mode, ignore=ignore)])


def _about(miss: Miss, secrets: Secrets) -> Iterator[str]:
    asked = miss.asked
    yield f"no recording on the tape answers this request: {secrets.masked_url(_line(asked))[0]}"
    if miss.nearest is None:
        yield "there are no recordings on it"
        return
    nearest = miss.nearest.asked
    yield f"the nearest is {miss.nearest.name}; it differs in:" if miss.places else f"it is like {miss.nearest.name}"
    old, new = (secrets.masked_value(_values(request))[0] for request in (nearest, asked))
    for place in miss.places[:_MOST_PLACES]:
        yield f"  {place}: {_shown(_at(old, place))} on the tape, {_shown(_at(new, place))} now"
    if len(miss.places) > _MOST_PLACES:
        yield f"  and {len(miss.places) - _MOST_PLACES} more"
    yield from _diff(old["body"], new["body"])


def _line(asked: Asked) -> str:
    query = f"?{asked.query}" if asked.query else ""
    return f"{asked.method} {asked.path}{query}"


def _values(asked: Asked) -> dict[str, Any]:
    return {"method": asked.method, "path": asked.path, "query": asked.query, "body": asked.body}


def _at(values: dict[str, Any], place: str) -> Any:
    """What stands at a place of a request: of its body, or beside it."""
    inner = _walk(values["body"], place)
    return values.get(place, _ABSENT) if inner is _ABSENT else inner


def _walk(value: Any, place: str) -> Any:
    for step in _STEP.finditer(place):
        name, index = step[1], step[2]
        if name is not None and isinstance(value, dict) and name in value:
            value = value[name]
        elif index is not None and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return _ABSENT
    return value


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    return _short(msgspec.json.encode(value).decode(), _LONGEST_VALUE)


def _diff(old: Any, new: Any) -> Iterator[str]:
    lines = list(difflib.unified_diff(_lines(old), _lines(new), "on the tape", "now", lineterm=""))
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"… {len(lines) - _MOST_LINES} more lines"]
    for line in lines:
        yield f"  {_short(line, _LONGEST_LINE)}"


def _lines(body: Any) -> list[str]:
    """A body as lines that can be compared; members in one order, as theirs does not count."""
    if isinstance(body, str):
        return body.splitlines()
    return msgspec.json.format(msgspec.json.encode(body, order="sorted"), indent=2).decode().splitlines()


def _short(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"
