"""Names of files that are made of anything: of a test, of a URL, of what a peer sent.

In goes a text, out comes a file name, or a path that stays in its folder. Rules: a name is good on every system, so
that a folder of tapes can be checked out anywhere; two texts never share a name by what was left out of them.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["inside", "safe_name"]

_LONGEST = 100  # characters: room for suffixes below the 255 bytes of most file systems, in a folder of a deep path
_HASH = 8  # hexadecimal digits: 32 bits, for the few names of one folder
_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")
# Devices on Windows, whatever suffix is put behind them.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9])(?:\.|\Z)", re.IGNORECASE)


def safe_name(text: str) -> str:
    """A file name made of a text: ASCII letters, digits, ``-``, ``_`` and ``.``, 100 characters at most, never empty.

    A text that is such a name already is given back. Any other one loses what does not fit, and gets a few digits of
    its hash, so that two texts that lose the same still have two names. No name begins with a dot or a dash, ends with
    a dot or is a device's on Windows. Texts that differ in case alone have names that do, too.
    """
    name = _OTHER.sub("-", text).lstrip(".-").rstrip(".-")
    if _DEVICE.match(name):
        name = f"_{name}"
    if name == text and name and len(name) <= _LONGEST:
        return name
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    kept = name[: _LONGEST - _HASH - 1].rstrip(".-")
    return f"{kept}-{digits}" if kept else digits


def inside(folder: Path, name: str) -> Path:
    """The path of ``name`` in a folder; ValueError where it would leave it, by ``..``, from a root, or through a link.

    It is looked at as things are: whoever may write into the folder can still put a link there afterwards.
    """
    path = folder / name
    try:
        root, end = folder.resolve(), path.resolve()
    except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle, a NUL
        raise ValueError(f"not a name in a folder: {name[:_LONGEST]!r}") from None
    if end == root or not end.is_relative_to(root):
        raise ValueError(f"a name that leaves its folder: {name[:_LONGEST]!r}")
    return path
