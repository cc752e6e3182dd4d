"""Types as formats of answers and as tools: what is sent of them, and what reads what comes back.

``strict`` knows the schemas that a service takes, ``definitions`` what references in them lead to; ``shape`` is a type
that JSON is read as. ``OutputFormat`` is a type as a ``response_format``, ``FunctionTool`` a function or a model as a
tool, which ``signatures`` and ``docstrings`` describe; a ``ToolContext`` is what a tool is told of its run. All of it
needs pydantic, so nothing loads it but use.
"""

from chatstream.structured.context import ToolContext
from chatstream.structured.formats import OutputFormat, output_format
from chatstream.structured.functions import FunctionTool, function_tool, tool_at

__all__ = ["FunctionTool", "OutputFormat", "ToolContext", "function_tool", "output_format", "tool_at"]
