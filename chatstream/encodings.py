"""Content encodings, undone as the bytes come: gzip, deflate, br and zstd, and one upon another.

In goes what the header ``content-encoding`` says, out comes a decoder, or None where there is nothing to undo. Rules:
the encoding's own end is asked for, since a body that was cut is otherwise the beginning of a whole one; a step gives
1 MiB at most, so that a bomb is met by the parser's limits and not by the memory; no other error than ours is raised;
what cannot be undone here is refused by its name, before its bytes are taken for text.

Behind the end of a gzip or deflate body, or of a zstd frame, another one may begin, and zeros mean nothing. Anything
else there, and whatever stands behind the end of a br body, is damage: both of br's libraries have it so. A body of no
bytes at all was not cut: servers send an empty answer that way, whatever its header says.

br and zstd have their libraries imported when a body asks for them: brotli or brotlicffi from 1.2 on; Python's own
``compression.zstd``, ``backports.zstd`` or ``zstandard``. The extra ``chatstream[encodings]`` brings what is missing.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from chatstream.errors import StreamInterruptedError, StreamProtocolError
from chatstream.jsontext import mend

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Decoder", "decoder_for"]

_MAX_PIECE = 1024 * 1024  # bytes a step

# Not one of them changes a byte. The first is the standard's. "none" is how a framework's compression is told to leave
# an event stream alone, the rest belongs into other headers and is met in this one: browsers read such bodies as well.
_NOTHING = frozenset({"", "identity", "none", "utf-8", "utf8", "chunked"})

_MAX_CODINGS = 5  # nobody packs twice on purpose, and each more makes a bomb a thousand times as large

_MAX_NAME = 40  # characters of a name that are shown


class Decoder(Protocol):
    """What undoes the encoding of one body; fed again when it has been read empty."""

    def feed(self, data: bytes) -> None:
        """Take the bytes of one read."""

    def read(self) -> bytes:
        """The next piece of what those bytes stand for, 1 MiB at most; empty when there is no more of it.

        Raises StreamInterruptedError for bytes that are not this encoding's.
        """
        ...

    def close(self) -> None:
        """StreamInterruptedError unless the encoding's own end was seen."""


def decoder_for(content_encoding: str | None) -> Decoder | None:
    """What undoes a body with this header, which may name several encodings; None if nothing has to be undone.

    Raises StreamProtocolError for an encoding not known here, or whose library is not installed.
    """
    names = [name.strip() for name in (content_encoding or "").lower().split(",")]
    names = [name for name in names if name not in _NOTHING]
    if len(names) > _MAX_CODINGS:
        raise StreamProtocolError(f"the body was encoded {len(names)} times over: {_MAX_CODINGS} can be undone")
    decoder: Decoder | None = None
    for name in names:  # in the order they were applied (RFC 9110, 8.4): the last is undone first
        coding = _coding(name)
        decoder = coding if decoder is None else _Chain(coding, decoder)
    return decoder


def _coding(name: str) -> _Coding:
    if name in {"gzip", "x-gzip", "deflate"}:
        return _Coding(name, _Members(lambda head: _inflate(head, name)), zlib.error)
    if name == "br":
        library = _library(name, "brotli", "brotlicffi")
        return _Coding(name, _Brotli(library.Decompressor()), library.error)
    if name == "zstd":
        library = _library(name, "compression.zstd", "backports.zstd", "zstandard")
        return _Coding(name, _Members(_zstd(library)), library.ZstdError)
    raise StreamProtocolError(f"the body comes as '{_shown(name)}', which cannot be undone here")


def _library(encoding: str, *modules: str) -> Any:
    """The first of the modules that is installed and has what is needed of it."""
    for module in modules:
        try:
            library: Any = import_module(module)
        except ImportError:
            continue
        # br before 1.2 had no way to bound a step: 50 bytes could become a gigabyte. An old one counts as none.
        if encoding != "br" or hasattr(library.Decompressor, "can_accept_more_data"):
            return library
    raise StreamProtocolError(f"the body comes as '{_shown(encoding)}': install chatstream[encodings] to read it")


def _shown(name: str) -> str:
    return mend(name[:_MAX_NAME])


class _Chain:
    """Two decoders, one behind the other."""

    def __init__(self, outer: Decoder, inner: Decoder) -> None:
        self._outer = outer
        self._inner = inner

    def feed(self, data: bytes) -> None:
        self._outer.feed(data)

    def read(self) -> bytes:
        while not (piece := self._inner.read()):
            between = self._outer.read()
            if not between:
                break
            self._inner.feed(between)
        return piece

    def close(self) -> None:
        self._outer.close()
        self._inner.close()


class _Inflater(Protocol):
    """The format of one encoding."""

    @property
    def complete(self) -> bool:
        """Whether the body may end here."""
        ...

    def inflate(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece, and what of the data is to be given again."""
        ...


class _Coding:
    """One encoding: its name, its format, and the errors of its library as ours."""

    def __init__(self, name: str, inflater: _Inflater, error: type[Exception]) -> None:
        self._name = name
        self._inflater = inflater
        self._error = error
        self._input = b""

    def feed(self, data: bytes) -> None:
        self._input += data  # what was fed before has been read by now, but for a first byte

    def read(self) -> bytes:
        while True:
            before = len(self._input)
            try:
                piece, self._input = self._inflater.inflate(self._input)
            except self._error as error:
                raise StreamInterruptedError(f"the {self._name} body is damaged") from error
            # Also asked without input: a library may hold back what went over the bound. No piece is then the answer.
            if piece or len(self._input) == before:
                return piece

    def close(self) -> None:
        if self._input or not self._inflater.complete:
            raise StreamInterruptedError(f"the {self._name} body was cut")


class _Members:
    """A format of members (gzip's word, zstd's is frame), each of which has its own end and may be the last one."""

    def __init__(self, begin: Callable[[bytes], Any]) -> None:
        self._begin = begin
        self._member: Any = None  # kept at its end: what follows may be padding

    @property
    def complete(self) -> bool:
        return self._member is None or bool(self._member.eof)

    def inflate(self, data: bytes) -> tuple[bytes, bytes]:
        if self.complete:
            if self._member is not None:
                data = data.lstrip(b"\0")  # padding means nothing; what comes behind it is a member
            if len(data) < 2:  # noqa: PLR2004  the head of zlib and the magic number of gzip; zstd's is longer
                return b"", data
            self._member = self._begin(data)
        member = self._member
        piece: bytes = member.decompress(data, _MAX_PIECE)
        # Behind a bound zlib hands the rest back, and zstd keeps it to itself.
        rest: bytes = member.unused_data if member.eof else getattr(member, "unconsumed_tail", b"")
        return piece, rest


def _inflate(head: bytes, name: str) -> Any:
    """Zlib's decompressor, told what to expect; "deflate" comes without its head, too (RFC 9110, 8.4.1.2)."""
    is_zlib = head[0] & 15 == 8 and int.from_bytes(head[:2]) % 31 == 0  # noqa: PLR2004  RFC 1950, 2.2
    return zlib.decompressobj(wbits=-15 if name == "deflate" and not is_zlib else 47)


class _Brotli:
    """A body of br, which is one stream."""

    # The libraries grow their buffer in blocks and look at the limit after each: brotli gives up to twice of this.
    _LIMIT = _MAX_PIECE // 2

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor
        self._begun = False

    @property
    def complete(self) -> bool:
        return not self._begun or bool(self._decompressor.is_finished())

    def inflate(self, data: bytes) -> tuple[bytes, bytes]:
        self._begun = self._begun or bool(data)
        return self._decompressor.process(data, output_buffer_limit=self._LIMIT), b""


# What HTTP allows (RFC 9659). The format itself would let a peer take gigabytes with a frame's first bytes.
_ZSTD_WINDOW_LOG = 23


def _zstd(library: Any) -> Callable[[bytes], Any]:
    """What begins a frame."""
    if library.__name__ == "zstandard":
        return lambda _: _Zstandard(library.ZstdDecompressor(max_window_size=2**_ZSTD_WINDOW_LOG).decompressobj())
    options = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return lambda _: library.ZstdDecompressor(options=options)


class _Zstandard:
    """The frame of ``zstandard``, which knows no bound but decompresses all it is given: so it is given little.

    A block is 128 KiB at most and takes 4 bytes at least (RFC 8878, 3.1.1.2), of which 3 may have come before: 16
    bytes are the end of 4 blocks or fewer. Its reader has a bound, but takes "no more for now" for the end.
    """

    _STEP = 16
    _STEP_YIELD = 4 * 128 * 1024

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        unused: bytes = self._frame.unused_data
        return unused + self.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        pieces: list[bytes] = []
        size = place = 0
        while place < len(data) and size <= most - self._STEP_YIELD and not self._frame.eof:
            pieces.append(self._frame.decompress(data[place : place + self._STEP]))
            size += len(pieces[-1])
            place += self._STEP
        self.unconsumed_tail = data[place:]
        return b"".join(pieces)
