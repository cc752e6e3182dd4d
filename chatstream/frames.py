"""Frames: what a completion looked like at one chunk, cheap to take and built when somebody looks.

In go a tree of plain values with growing ones (Text, Items, Blob) as leaves, and the marks of those leaves; out comes
the completion as plain values. Rules: a tree that was put into a frame is never changed again. Whoever has something
new to say about it makes a new tree, sharing what stayed the same; text that grows needs no new tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.text import Blob, Items, Text, Tokens, Unread

if TYPE_CHECKING:
    from chatstream.types import ChatCompletion  # noqa: TC004  no frame is decoded, so nobody reads it at run time

__all__ = ["Frame", "Whole", "read_tree"]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One moment of a completion: a tree, and how far its growing leaves had grown."""

    tree: dict[str, Any]
    marks: tuple[int, ...]

    def values(self) -> dict[str, Any]:
        """The completion as plain JSON values, which share nothing with any other reading of it; tokens as Unread."""
        values: dict[str, Any] = read_tree(self.tree, self.marks)
        return values

    def completion(self) -> ChatCompletion:
        """The completion as a model."""
        from chatstream.types import ChatCompletion, build

        return build(ChatCompletion, self.values())


class Whole(msgspec.Struct, frozen=True):
    """A completion that is there as a model already, where a frame is wanted."""

    model: ChatCompletion

    def completion(self) -> ChatCompletion:
        """The completion as a model."""
        return self.model


def read_tree(node: Any, marks: tuple[int, ...]) -> Any:
    """A copy of the tree with each growing leaf as it was at its mark."""
    # No comprehensions: each would cost a second frame a level, and a peer sets how many levels there are.
    kind = type(node)
    if kind is dict:
        copy: dict[str, Any] = {}
        for key, value in node.items():
            copy[key] = read_tree(value, marks)
        return copy
    if kind is list or kind is tuple:
        copied: list[Any] = []
        for value in node:
            copied.append(read_tree(value, marks))  # noqa: PERF401  see above
        return copied
    if kind is Text or kind is Blob:
        return node.read(marks[node.slot])
    if kind is Tokens:
        return Unread(node, marks[node.slot])
    if kind is Items:
        return read_tree(node.read(marks[node.slot]), marks)
    return node
