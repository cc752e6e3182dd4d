"""What a docstring tells of a function and of its parameters.

In goes a docstring, in Google's form, in reST or in NumPy's; out come the text for the function as a whole, and one for
each parameter. Rules: the form is the one that finds most of the parameters there are; a docstring in no known form is
all text, and none is ever an error, for it was written to be read.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING

from docstring_parser import Docstring, DocstringStyle, ParseError, parse

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["read_docstring"]

_STYLES = (DocstringStyle.GOOGLE, DocstringStyle.REST, DocstringStyle.NUMPYDOC)


def read_docstring(docstring: str | None, names: Collection[str]) -> tuple[str | None, dict[str, str]]:
    """The description of a function, or None, and those of its parameters, of which ``names`` are the names."""
    text = cleandoc(docstring or "").strip()
    best = Docstring()
    best.long_description = text  # if no form takes it
    most = (-1, -1)
    for style in _STYLES:
        try:
            found = parse(text, style)
        except ParseError:
            continue
        told = len(_parameters(found).keys() & set(names)), len(found.meta)
        if told > most:
            best, most = found, told
    parameters = {name: told for name, told in _parameters(best).items() if name in names}
    return (best.description or "").strip() or None, parameters


def _parameters(docstring: Docstring) -> dict[str, str]:
    """The descriptions by name; NumPy's form may have several names before one."""
    return {
        name.strip(" *"): parameter.description.strip()
        for parameter in docstring.params
        if parameter.description
        for name in parameter.arg_name.split(",")
    }
