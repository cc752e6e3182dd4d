"""Names of files that are made of anything: of a test, of a URL, of what a peer sent.

In goes a text, out comes a file name. Rules: it names no other folder; it is good on every system, so that a folder of
tapes can be checked out anywhere; two texts never share a name by what was left out of them.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["safe_name"]

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
