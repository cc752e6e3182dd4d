"""The tool loop: a model that calls your functions, until it calls no more.

``client.chat.completions.run_tools(...)`` makes a ToolRunner or an AsyncToolRunner. Here is also what hooks and tools
are given (ToolCall, ToolContext), what a hook is (BeforeCall, AfterCall) and may say (Deny), and what may be given as
a tool (RunnableTool).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from chatstream.structured import ToolContext
from chatstream.tools.calls import AfterCall, BeforeCall, ToolCall
from chatstream.tools.runner import AsyncToolRunner, ToolRunner
from chatstream.tools.toolbox import Deny

__all__ = [
    "AfterCall",
    "AsyncToolRunner",
    "BeforeCall",
    "Deny",
    "RunnableTool",
    "ToolCall",
    "ToolContext",
    "ToolRunner",
]

# A function, made by `function_tool` or to be; or a dict as the API takes it, with one callable in it.
RunnableTool: TypeAlias = Callable[..., Any] | Mapping[str, Any]
