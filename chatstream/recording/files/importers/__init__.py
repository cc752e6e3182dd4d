"""Files of other recorders: cassettes of vcr (YAML or JSON) and HAR files.

In go the bytes of a file, out comes what it says of each exchange, or None if it is neither. ``imported`` is what they
all give, ``vcr`` and ``har`` know one kind each, ``documents`` reads JSON and YAML that may have been cut. Rules: told
by content, not by name; what is whole counts, the rest is a problem in words. Of headers, only those are given on that
a tape would have: a recording is handed on, and the file it came from is full of keys. RecordingError for a bomb, and
for YAML without its library; nothing else raises.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.jsontext import entries, members
from chatstream.recording.files.importers.documents import read_array, read_yaml
from chatstream.recording.files.importers.har import entry
from chatstream.recording.files.importers.imported import Imported, Room
from chatstream.recording.files.importers.vcr import interaction

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Imported", "read_imported"]

_HAR = re.compile(rb'\s*\{\s*"log"\s*:\s*\{')
_JSON_CASSETTE = re.compile(
    rb'\s*\{\s*(?:"(?:version|recorded_with)"\s*:\s*[^,\[{]{0,100},\s*){0,2}"(?P<key>(?:http_)?interactions)"\s*:\s*\['
)
# What tools write above it: directives, the start of a document, comments, and the members that sort before it.
_YAML_CASSETTE = re.compile(
    rb"(?:(?:[%#]|---|version[ \t]*:|recorded_with[ \t]*:)[^\n]*\n|[ \t\r]*\n){0,100}"
    rb"[\"']?(?P<key>(?:http_)?interactions)[\"']?[ \t]*:"
)
_VERSIONS = frozenset({"version", "recorded_with"})


def read_imported(data: bytes) -> list[Imported] | None:
    """What a cassette or a HAR file says, one exchange at least, if an empty one; None for other files."""
    if _HAR.match(data):
        return _all(*read_array(data, "log", "entries"), entry, "the HAR file")
    if match := _JSON_CASSETTE.match(data):
        return _all(*read_array(data, match["key"].decode()), interaction, "the cassette")
    if match := _YAML_CASSETTE.match(data):
        root, problem = read_yaml(data)
        cassette = members(root)
        if problem is None and not _VERSIONS & cassette.keys():
            # YAML that was cut is still YAML, more often than not. But the version is the last to be written.
            problem = "has no version: it may have been cut"
        return _all(entries(cassette.get(match["key"].decode())), problem, interaction, "the cassette")
    return None


def _all(
    values: list[Any], problem: str | None, read: Callable[[dict[str, Any], Room], Imported], what: str
) -> list[Imported]:
    room = Room()
    found = [read(members(value), room) for value in values]
    if not found:
        found.append(Imported(problems=[f"{what} holds no exchange that is whole"]))
    if problem is not None:
        last = found[-1]
        found[-1] = msgspec.structs.replace(last, torn=True, problems=[*last.problems, f"{what} {problem}"])
    return found
