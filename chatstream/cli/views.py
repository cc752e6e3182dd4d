"""What is shown of a stream, and where: one class for each way to look at it.

In go the events of a stream, and at last the stream itself; out go text or JSON. Rules: what was asked for by name
(``--events``, ``--final``, ``--text``) is all that is shown; otherwise a terminal gets everything, and a pipe the text,
with everything else on stderr.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TypeGuard

from chatstream.cli.closing import closing_line
from chatstream.cli.screen import Screen
from chatstream.events import ContentDeltaEvent

if TYPE_CHECKING:
    from chatstream import ChatCompletionStream
    from chatstream.cli.outlet import Outlet
    from chatstream.events import ChatStreamEvent

__all__ = ["View", "view_of"]


class View(Protocol):
    """A way to look at a stream."""

    def show(self, event: ChatStreamEvent) -> None:
        """Show one event, the terminal one included."""
        ...

    def close(self, stream: ChatCompletionStream, *, timed: bool) -> None:
        """The stream is over. ``timed``: whether its stats hold times that mean anything."""
        ...


def view_of(form: str | None, out: Outlet, err: Outlet, title: str | None = None) -> View:
    """The way to look at a stream that was asked for: events, final, text, or None for whatever fits the outlet.

    ``title``: what tells the stream from the others that are shown with it; not for JSON or the text alone.
    """
    if form == "events":
        return _Events(out)
    if form == "final":
        return _Final(out)
    if form == "text":
        return _Text(out)
    return _Everything(out, title) if out.is_terminal else _TextAside(out, err, title)


class _Everything:
    """All parts under their headings, and a closing line."""

    def __init__(self, out: Outlet, title: str | None) -> None:
        self._out = out
        self._screen = Screen(out)
        if title is not None:
            out.write(f"\u2550\u2550 {title}\n", "bold")

    def show(self, event: ChatStreamEvent) -> None:
        self._screen.show(event)

    def pause(self) -> None:
        """Something else is being shown, and perhaps on the same terminal."""
        self._screen.pause()

    def close(self, stream: ChatCompletionStream, *, timed: bool) -> None:
        self._screen.close()
        blank = "" if self._screen.is_empty else "\n"
        self._out.write(blank + closing_line(stream, timed=timed, columns=self._out.columns), "dim")


class _Text:
    """The content of choice 0: on a pipe to the byte, so without a line end of our own."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def show(self, event: ChatStreamEvent) -> None:
        if _is_text(event):
            self._out.write(event.delta)

    def close(self, stream: ChatCompletionStream, *, timed: bool) -> None:  # noqa: ARG002  a View's arguments
        if self._out.is_terminal:
            self._out.end_line()


class _TextAside:
    """The content of choice 0 on one outlet, and everything else on another."""

    def __init__(self, out: Outlet, aside: Outlet, title: str | None) -> None:
        self._text = _Text(out)
        self._everything = _Everything(aside, title)

    def show(self, event: ChatStreamEvent) -> None:
        if _is_text(event):
            self._everything.pause()
            self._text.show(event)
        else:
            self._everything.show(event)

    def close(self, stream: ChatCompletionStream, *, timed: bool) -> None:
        self._text.close(stream, timed=timed)
        self._everything.close(stream, timed=timed)


class _Events:
    """Each event as a line of JSON."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def show(self, event: ChatStreamEvent) -> None:
        self._out.write_json(json.dumps(event.to_dict(), ensure_ascii=False, separators=(",", ":")))

    def close(self, stream: ChatCompletionStream, *, timed: bool) -> None:
        pass


class _Final:
    """The completion as JSON, whole or as far as it came."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def show(self, event: ChatStreamEvent) -> None:
        pass

    def close(self, stream: ChatCompletionStream, *, timed: bool) -> None:  # noqa: ARG002  a View's arguments
        completion = stream.snapshot
        if completion is not None:
            self._out.write_json(completion.to_json())


def _is_text(event: ChatStreamEvent) -> TypeGuard[ContentDeltaEvent]:
    return isinstance(event, ContentDeltaEvent) and not event.choice_index
