"""Values made up from JSON schemas: the arguments and structured answers of the echo.

In goes a schema, as a tool or a response format has it; out comes a value that fits. What is understood is what such
schemas are made of (``values``); this is no validator, and keywords that are not known are not looked at. ``schemas``
reads them, ``scalars`` and ``patterns`` make strings and numbers.
"""

from chatstream.server.samples.schemas import UnusableSchemaError
from chatstream.server.samples.values import sample

__all__ = ["UnusableSchemaError", "sample"]
