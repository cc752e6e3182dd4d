"""One member of a gzip or zstd file, written so that it may be cut anywhere.

In goes a line, out come the bytes to write for it: once they are in the file, all lines up to it can be read back.
``gzip_member`` and ``zstd_member`` give what begins one; the latter is a RecordingError where no library is installed.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from chatstream.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Member", "gzip_member", "no_library", "zstd_member"]


class Member(Protocol):
    """One member that is being written."""

    def add(self, data: bytes) -> bytes:
        """The bytes by which this can be read back."""
        ...

    def end(self) -> bytes:
        """The member's end."""
        ...


# Each line flushed costs two to three times the size of a file packed whole, and still leaves a fourteenth of a tape:
# 5,000 lines of 240 bytes became 83 KB with gzip's level 6, 77 with 9, and 91 with zstd's 3, at 3 to 6 microseconds a
# line. Packed whole it is 28 and 35. Higher levels give little and cost the recorder time.
_GZIP_LEVEL = 6
_GZIP_BITS = 31  # zlib's word for: a gzip header, and the largest window
_ZSTD_LEVEL = 3


class _GzipMember:
    def __init__(self) -> None:
        self._member = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS)

    def add(self, data: bytes) -> bytes:
        return self._member.compress(data) + self._member.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._member.flush()


class _ZstdMember:
    """Of Python's own library, or of its backport."""

    def __init__(self, library: Any) -> None:
        options = {
            library.CompressionParameter.compression_level: _ZSTD_LEVEL,
            library.CompressionParameter.checksum_flag: 1,
        }
        self._member: Any = library.ZstdCompressor(options=options)

    def add(self, data: bytes) -> bytes:
        packed: bytes = self._member.compress(data, self._member.FLUSH_BLOCK)
        return packed

    def end(self) -> bytes:
        packed: bytes = self._member.flush(self._member.FLUSH_FRAME)
        return packed


class _ZstandardMember:
    def __init__(self, library: Any) -> None:
        self._block: int = library.COMPRESSOBJ_FLUSH_BLOCK
        self._member: Any = library.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()

    def add(self, data: bytes) -> bytes:
        packed: bytes = self._member.compress(data) + self._member.flush(self._block)
        return packed

    def end(self) -> bytes:
        packed: bytes = self._member.flush()
        return packed


def gzip_member() -> Callable[[], Member]:
    """What begins a member of gzip."""
    return _GzipMember


def zstd_member() -> Callable[[], Member]:
    """What begins a frame of zstd, with the first library that is installed, in the order in which frames are read."""
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            library = import_module(name)
        except ImportError:
            continue
        return lambda: _ZstandardMember(library) if name == "zstandard" else _ZstdMember(library)
    raise no_library("zstd")


def no_library(coding: str) -> RecordingError:
    """The error that says what to install."""
    return RecordingError(f"it is packed with {coding}: install chatstream[encodings] to read and write it")
