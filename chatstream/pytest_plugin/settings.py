"""What a test has asked its tape to be: by markers, by the command line, by the configuration.

In goes a test, out come its settings. Rules: a marker nearer to the test counts more, option by option; the command
line's mode counts more than any marker's; no name leads out of the folder for tapes, and no link in it. What a marker
does not take is a pytest.UsageError, with the test's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from chatstream.recording.transports.cassette import Mode
from chatstream.recording.writing.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TapeSettings", "settings_of"]

_SUFFIX = ".tape.jsonl"
# Of what can be played. Any other end of a name is a part of it, as in "gpt-4.1".
_SUFFIXES = (".jsonl", ".sse", ".har", ".json", ".yaml", ".yml", ".gz", ".zst")
_OWN = ("mode", "passthrough")  # the others are the cassette's


class TapeSettings(msgspec.Struct, frozen=True):
    """Where the tape is and how it is used; ``options`` are for the cassette."""

    path: Path
    mode: Mode
    passthrough: frozenset[str]
    options: dict[str, Any]


def settings_of(item: pytest.Item) -> TapeSettings:
    """The settings of a test."""
    name, given = _marked(item)
    config = item.config
    mode = config.getoption("--tape-mode") or given.get("mode") or config.getini("tape_mode") or "once"
    hosts = {*config.getini("tape_passthrough"), *_several(given.get("passthrough", ()))}
    options = {key: value for key, value in given.items() if key not in _OWN}
    return TapeSettings(_path(item, name), cast("Mode", mode), frozenset(hosts), options)


def _marked(item: pytest.Item) -> tuple[str | None, dict[str, Any]]:
    """The name and the options of all its markers; those nearer to the test count more."""
    name: str | None = None
    given: dict[str, Any] = {}
    for mark in item.iter_markers("tape"):
        _check(item, mark)
        name = name or (mark.args[0] if mark.args else None)
        given = {**mark.kwargs, **given}
    return name, given


def _check(item: pytest.Item, mark: pytest.Mark) -> None:
    takes = ("mode", "match", "ignore", "speed", "secrets", "passthrough", "faults", "seed")
    unknown = sorted({*mark.kwargs} - {*takes})
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: the marker tape takes {', '.join(takes)}, not {', '.join(unknown)}")
    if len(mark.args) > 1 or not all(isinstance(name, str) for name in mark.args):
        raise pytest.UsageError(f"{item.nodeid}: the marker tape takes one name of a file, not {mark.args!r}")


def _path(item: pytest.Item, name: str | None) -> Path:
    """The file: under the name that was given, or under those of module, class and test, made safe."""
    folder = item.path.parent / cast("str", item.config.getini("tape_dir"))
    if name is not None:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise pytest.UsageError(f"{item.nodeid}: a tape is in {folder}, and {name!r} leads out of it")
        if path.is_dir():
            raise pytest.UsageError(f"{item.nodeid}: a tape is a file, and {path} is a folder")
        return path if path.name.lower().endswith(_SUFFIXES) else path.with_name(path.name + _SUFFIX)
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return folder / safe_name(item.path.stem) / (safe_name(".".join([*classes, item.name])) + _SUFFIX)


def _several(hosts: str | Iterable[str]) -> Iterable[str]:
    return [hosts] if isinstance(hosts, str) else hosts
