"""How the bytes of a stream are cut into reads, and how a list of reads lies in a file for any language to take up.

In go the blocks of a fixture, out come reads; joined, they are the same bytes under every framing.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FRAMINGS = {
    "events": "one event a read",
    "16k": "16 KiB reads",
    "random": "random reads of 1 to 64 bytes",
}
_LENGTH = struct.Struct("<I")


def frame(blocks: list[bytes], framing: str, *, seed: int = 1) -> list[bytes]:
    """The reads of a framing, by its name."""
    if framing == "events":
        return list(blocks)
    data = b"".join(blocks)
    if framing == "16k":
        return [data[start : start + 16384] for start in range(0, len(data), 16384)]
    rng = random.Random(seed)
    reads, start = [], 0
    while start < len(data):
        end = start + rng.randint(1, 64)
        reads.append(data[start:end])
        start = end
    return reads


def write_reads(reads: list[bytes], path: Path) -> None:
    """A file of reads: before each one its length, four bytes, the lowest first."""
    path.write_bytes(b"".join(part for data in reads for part in (_LENGTH.pack(len(data)), data)))


def load_reads(path: Path) -> list[bytes]:
    """The reads of such a file."""
    data = path.read_bytes()
    reads, start = [], 0
    while start < len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        reads.append(data[start : start + length])
        start += length
    return reads
