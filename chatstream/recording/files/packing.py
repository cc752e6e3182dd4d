"""Tapes in gzip and zstd: read up to where they were cut, and written so that they may be cut anywhere.

In go the bytes of a file, out comes what was packed in them; or lines go in, and out come the bytes to write for each.
Rules: reading goes by a file's first bytes, writing by its suffix; damage is told in words and costs no more than what
it struck; a bomb is a RecordingError, and so is zstd without its library, which ``chatstream[encodings]`` brings.

A file is made of members (gzip's word, zstd's is frame), one after the other: one for each recorder that wrote to it.
A recorder that died leaves a member without an end. The next one's header is then found by its look, since the data in
between cannot say where it stops; where what follows is no member after all, it is read as what it was before.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from chatstream.encodings import decoder_for
from chatstream.errors import RecordingError, StreamInterruptedError, StreamProtocolError
from chatstream.recording.files.members import gzip_member, no_library, zstd_member

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from chatstream.encodings import Decoder
    from chatstream.recording.files.members import Member

__all__ = ["MAX_UNPACKED", "LinePacker", "Unpacked", "pack_writer", "packed", "read_packed", "unpack"]

MAX_UNPACKED = 256 * 2**20  # bytes: days of streaming, and no bomb
_MAX_MEMBERS = 100_000  # of one file; an empty one takes 9 bytes, and longer to begin than to read
_STEP = 4096  # bytes: where a file is damaged, this many are gone through one by one

# RFC 8878, 3.1.1 and 3.1.2: a frame, or one to be skipped.
_FRAME = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
_FIRST = {"gzip": re.compile(rb"\x1f\x8b"), "zstd": _FRAME}
# Further on, packed data may look like it by chance, so all that is fixed is looked at (RFC 1952, 2.3): the method,
# flags, how hard it was packed, the system.
_NEXT = {"gzip": re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00-\x04][\x00-\x0d\xff]", re.DOTALL), "zstd": _FRAME}

_PACKINGS: dict[str, Callable[[], Callable[[], Member]]] = {".gz": gzip_member, ".zst": zstd_member}


class Unpacked(msgspec.Struct, frozen=True):
    """What a file holds. ``problem``: what is wrong with it, in words. ``cut``: whether that is at its end."""

    data: bytes
    problem: str | None = None
    cut: bool = False


class LinePacker(Protocol):
    """Packs lines for one file."""

    def pack(self, line: bytes) -> bytes:
        """What to write for a line: once it is in the file, the line can be read back, whatever happens after it."""
        ...

    def end(self) -> bytes:
        """What ends the member; empty if nothing was packed. Packing again begins another one."""
        ...


def unpack(data: bytes, *, limit: int = MAX_UNPACKED) -> tuple[bytes, str | None]:
    """What the bytes of a gzip or zstd file stand for, other bytes as they are; and what is wrong, in words, or None.

    RecordingError for more than ``limit`` bytes unpacked or 100,000 members, and for zstd without its library.
    """
    unpacked = read_packed(data, limit=limit)
    return unpacked.data, unpacked.problem


def read_packed(data: bytes, *, limit: int = MAX_UNPACKED) -> Unpacked:
    """The same, and whether what is wrong is that the file was cut."""
    coding = next((coding for coding, begins in _FIRST.items() if begins.match(data)), None)
    if coding is None:
        return Unpacked(data)
    starts = [0, *_headers(data, coding)]
    file = _Packed(data, coding, limit)
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        file.read_from(start, end)
    cut = file.is_cut
    problem = f"the {coding} file was cut or damaged" if cut or file.damaged else None
    return Unpacked(b"".join(file.pieces), problem, cut)


def pack_writer(path: str | os.PathLike[str]) -> LinePacker | None:
    """What packs the lines of a file that is named ``.gz`` or ``.zst``; None for any other.

    A file that is there gets another member, to be appended. RecordingError for zstd without its library.
    """
    path = Path(path)
    packing = _PACKINGS.get(path.suffix.lower())
    if packing is None:
        return None
    # Asked for here already: a library that is missing is told before anything is recorded.
    return _Packer(packing(), continued=path.is_file() and path.stat().st_size > 0)


def packed(path: str | os.PathLike[str], data: bytes) -> bytes:
    """All that is to be in a file, packed if it is named ``.gz`` or ``.zst``; what is there already does not count."""
    packing = _PACKINGS.get(Path(path).suffix.lower())
    if packing is None:
        return data
    packer = _Packer(packing(), continued=False)
    return packer.pack(data) + packer.end()


def _headers(data: bytes, coding: str) -> list[int]:
    """Where members may begin, but for the first."""
    starts: list[int] = []
    for match in _NEXT[coding].finditer(data, 1):
        starts.append(match.start())
        if len(starts) == _MAX_MEMBERS:
            raise RecordingError(f"it is made of more than {_MAX_MEMBERS:,} {coding} files, one after the other")
    return starts


class _Packed:
    """A packed file while it is gone through, from one thing that looks like a header to the next."""

    def __init__(self, data: bytes, coding: str, limit: int) -> None:
        self.pieces: list[bytes] = []
        self.damaged = False
        self._data = data
        self._coding = coding
        self._limit = limit
        self._left = limit  # bytes that may still come
        self._decoder = _decoder(coding)
        self._origin = 0  # where this decoder was begun
        self._broken = False  # whether it met damage: nothing comes of it any more

    @property
    def is_cut(self) -> bool:
        """Whether more had to come."""
        try:
            self._decoder.close()
        except StreamInterruptedError:
            return True
        return self._broken

    def read_from(self, start: int, end: int) -> None:
        """Read on from a header, or from what looks like one."""
        before, origin, followed = self._decoder, self._origin, self.is_cut and not self._broken and start > 0
        self._begin(start)
        damage = self._read(start, end)
        if followed and damage is not None:
            # No header, perhaps, but a piece of the member that had no end yet.
            self._drop(damage.kept)
            self._decoder, self._origin = before, origin
            damage = self._read(start, end)
            if damage is None:
                return
            self._drop(damage.kept)
            self._begin(start)
            damage = self._read(start, end)
        self.damaged = self.damaged or followed
        if damage is not None:
            self._rescue(damage, end)

    def _begin(self, start: int) -> None:
        self._decoder = _decoder(self._coding)
        self._origin = start
        self._broken = False

    def _read(self, start: int, end: int) -> _Damage | None:
        """Read on; where it is damaged, everything before that step was read, and nothing of it."""
        first = len(self.pieces)
        for place in range(start, end, _STEP):
            kept = len(self.pieces)
            try:
                for piece in _fed(self._decoder, self._data[place : min(place + _STEP, end)]):
                    self._keep(piece)
            except StreamInterruptedError:
                self._drop(kept)
                return _Damage(place, first)
        return None

    def _rescue(self, damage: _Damage, end: int) -> None:
        """What stands in the damaged step before the damage: a decoder that failed says nothing, so with another."""
        self.damaged = self._broken = True
        decoder = _decoder(self._coding)
        for place in range(self._origin, damage.place, _STEP):
            for _ in _fed(decoder, self._data[place : min(place + _STEP, damage.place)]):
                pass
        try:
            for place in range(damage.place, min(damage.place + _STEP, end)):
                for piece in _fed(decoder, self._data[place : place + 1]):
                    self._keep(piece)
        except StreamInterruptedError:
            return

    def _keep(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise RecordingError(f"it unpacks to more than {self._limit >> 20} MiB")
        self.pieces.append(piece)

    def _drop(self, kept: int) -> None:
        self._left += sum(map(len, self.pieces[kept:]))
        del self.pieces[kept:]


class _Damage(msgspec.Struct, frozen=True):
    """The step that is damaged: where it begins, and how many pieces there were before the reading that met it."""

    place: int
    kept: int


def _decoder(coding: str) -> Decoder:
    try:
        decoder = decoder_for(coding)
    except StreamProtocolError:
        raise no_library(coding) from None
    assert decoder is not None  # noqa: S101  both codings are known there
    return decoder


def _fed(decoder: Decoder, data: bytes) -> Iterator[bytes]:
    decoder.feed(data)
    while piece := decoder.read():
        yield piece


class _Packer:
    """Lines to the bytes of members."""

    def __init__(self, begin: Callable[[], Member], *, continued: bool) -> None:
        self._begin = begin
        self._member: Member | None = None
        # Whoever wrote the file before may have died in the middle of a line. Nobody can look, as in a file that is not
        # packed, so the line is ended in any case: a blank one means nothing.
        self._first = b"\n" if continued else b""

    def pack(self, line: bytes) -> bytes:
        if self._member is None:
            self._member = self._begin()
        line, self._first = self._first + line, b""
        return self._member.add(line)

    def end(self) -> bytes:
        member, self._member = self._member, None
        return b"" if member is None else member.end()
