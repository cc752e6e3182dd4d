"""What tests of streams need: answers made up in a line, a clock that waits in no time, a replay that is stepped.

    from chatstream.testing import text_turn

    recording = text_turn("Hello there!", asked="Say hello.")

``text_turn``, ``tool_turn``, ``refusal_turn`` and ``turns`` give recordings: play them, give them to a stream, to
``ReplayServer`` or to ``ReplayTransport``. ``Steps`` and ``VirtualClock`` go with ``Recording.play``. The rooms:
``answers`` says what a model would have answered, ``cutting`` how it arrives, ``turns`` puts both together.
"""

from chatstream.testing.clock import VirtualClock
from chatstream.testing.cutting import sse
from chatstream.testing.steps import Steps
from chatstream.testing.turns import TurnOptions, refusal_turn, text_turn, tool_turn, turns

__all__ = [
    "Steps",
    "TurnOptions",
    "VirtualClock",
    "refusal_turn",
    "sse",
    "text_turn",
    "tool_turn",
    "turns",
]
