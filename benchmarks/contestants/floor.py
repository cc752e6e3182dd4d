"""The floors: what nobody who reads these bytes in Python can be faster than, and no library at all.

``split``: the bytes cut at blank lines, and nothing else. ``floor``: each block decoded to dicts besides, by orjson or
msgspec, whichever is the faster one on this stream. Left out: everything that makes it of use. What was decoded is
dropped at once; its check runs the same loops again, untimed, and merges.
"""

from __future__ import annotations

import importlib.metadata
import json
import time
from typing import TYPE_CHECKING, Any

from benchmarks.blocks import DONE, small_blocks
from benchmarks.contestant import Contestant, Outcome
from benchmarks.digest import describe_completion
from benchmarks.naive import NaiveMerge

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.digest import Digest


class Split(Contestant):
    """The bytes cut at blank lines."""

    name = "split"
    role = "floor"
    library = "python"

    def open(self) -> str:
        """Needs nothing but the language."""
        from benchmarks.contestant import python_version

        return python_version()

    def gives(self, kind: str) -> list[str]:
        """How many blocks there were: all that it knows."""
        del kind
        return ["events"]

    def run(self) -> Outcome:
        """A count of blocks."""
        if self.framing == "random":
            return Outcome(sum(1 for _ in small_blocks(self.reads)))
        count, tail = 0, b""
        for data in self.reads:
            blocks = (tail + data if tail else data).split(b"\n\n")
            tail = blocks.pop()
            count += len(blocks)
        return Outcome(count)

    def digest(self, outcome: Outcome) -> Digest:
        """The count."""
        return {"events": outcome.completion}


class Floor(Contestant):
    """The bytes cut at blank lines, and each block decoded."""

    name = "floor"
    role = "floor"
    library = "msgspec"
    module = "msgspec"

    def open(self) -> str:
        """Both decoders, where there are two."""
        try:
            orjson = f", orjson {importlib.metadata.version('orjson')}"
        except importlib.metadata.PackageNotFoundError:
            orjson = ""
        return super().open() + orjson

    def gives(self, kind: str) -> list[str]:
        """The completion; it reads no partial values and keeps nothing."""
        del kind
        return ["choices", "total_tokens"]

    def prepare(self, kind: str, reads: list[bytes], framing: str) -> str | None:
        """Find the faster decoder."""
        super().prepare(kind, reads, framing)
        sample = b"".join(reads[:50000]).split(b"\n\n")[:200]
        decoders = sorted((_time(decode, sample), name) for name, decode in _decoders().items())
        name = decoders[0][1]
        self.decode = _decoders()[name]
        return name

    def run(self) -> Outcome:
        """A count of chunks."""
        return Outcome(self._read(self.decode))

    def _read(self, decode: Callable[[bytes], Any]) -> int:
        return self._read_small(decode) if self.framing == "random" else self._read_large(decode)

    def _read_large(self, decode: Callable[[bytes], Any]) -> int:
        count, tail = 0, b""
        for data in self.reads:
            blocks = (tail + data if tail else data).split(b"\n\n")
            tail = blocks.pop()
            for block in blocks:
                if block != DONE:
                    decode(block[6:])
                    count += 1
        return count

    def _read_small(self, decode: Callable[[bytes], Any]) -> int:
        count = 0
        for block in small_blocks(self.reads):
            if block != DONE:
                decode(block[6:])
                count += 1
        return count

    def digest(self, outcome: Outcome) -> Digest:
        """The same loops again, with a decoder that merges what it decoded."""
        merge = NaiveMerge()
        count = self._read(lambda data: merge.add(self.decode(data)))
        if count != outcome.completion:
            return {"events": outcome.completion}
        return describe_completion(merge.completion())


def _decoders() -> dict[str, Callable[[bytes], Any]]:
    import msgspec

    decoders: dict[str, Callable[[bytes], Any]] = {"msgspec": msgspec.json.Decoder().decode}
    try:
        import orjson
    except ImportError:
        return decoders
    return decoders | {"orjson": orjson.loads}


def _time(decode: Callable[[bytes], Any], blocks: list[bytes]) -> float:
    payloads = [block[6:] for block in blocks if block not in (b"", DONE)]
    if json.loads(payloads[0]) != decode(payloads[0]):
        raise ValueError(decode)
    return min(_time_once(decode, payloads) for _ in range(5))


def _time_once(decode: Callable[[bytes], Any], payloads: list[bytes]) -> float:
    started = time.perf_counter()
    for payload in payloads:
        decode(payload)
    return time.perf_counter() - started
