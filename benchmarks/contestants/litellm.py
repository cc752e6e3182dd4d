"""litellm's builder of a completion from the chunks of a stream.

Timed: the bytes split at blank lines, each block decoded by json and made a ``ModelResponseStream``, as litellm's own
stream gives them, and ``stream_chunk_builder`` over the list of them. Left out, in its favour: its stream wrapper with
its callbacks and its costs, the HTTP client, and events, of which it has none.
"""

from __future__ import annotations

import json
import os
from typing import ClassVar

from benchmarks.blocks import read_payloads
from benchmarks.contestant import Contestant, Outcome


class Litellm(Contestant):
    """``stream_chunk_builder`` over ``ModelResponseStream`` chunks."""

    name = "litellm"
    library = "litellm"
    module = "litellm"
    skips: ClassVar = {"structured": "reads no partial values"}
    faults: ClassVar = {
        "logprobs": "drops them",
        "n4": "takes the first choice of each chunk, whatever its index",
    }

    def open(self) -> str:
        """Without its look at the network for prices, which it takes when it is imported."""
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        return super().open()

    def run(self) -> Outcome:
        """Chunks, then the completion."""
        from litellm import stream_chunk_builder
        from litellm.types.utils import ModelResponseStream

        chunks = [ModelResponseStream(**json.loads(payload)) for payload in read_payloads(self.reads, self.framing)]
        return Outcome(stream_chunk_builder(chunks), kept=chunks if self.keep else [])
