"""JSON schemas to values that fit them."""

from chatstream.server.samples.making import sample
from chatstream.server.samples.schemas import UnusableSchemaError, entries, members

__all__ = ["UnusableSchemaError", "entries", "members", "sample"]
