"""Who takes part, one file a library. What each one's time holds, and what it leaves out, its file says at the top.

To add one: a subclass of Contestant in a file of its own, a line here, and its library in the extra ``bench``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contestants.chatstream import Async, Callback, OnChunk, OnContent, Parser, Sync
from benchmarks.contestants.floor import Floor, Split
from benchmarks.contestants.httpx_sse import HttpxSse
from benchmarks.contestants.langchain_openai import LangchainOpenai
from benchmarks.contestants.litellm import Litellm
from benchmarks.contestants.openai_node import OpenaiNode
from benchmarks.contestants.openai_python import Helper, Raw

if TYPE_CHECKING:
    from benchmarks.contestant import Contestant

ALL: dict[str, type[Contestant]] = {
    contestant.name: contestant
    for contestant in (
        Sync,
        Async,
        Callback,
        Parser,
        OnContent,
        OnChunk,
        Helper,
        Raw,
        OpenaiNode,
        Litellm,
        LangchainOpenai,
        HttpxSse,
        Floor,
        Split,
    )
}
FIELD = [name for name, contestant in ALL.items() if contestant.role != "own" or contestant is Sync]
"""Who stands against each other in a shape: chatstream, its rivals and the floors."""
