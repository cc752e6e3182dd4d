"""Functions and models as tools.

In goes a typed Python function or a pydantic model; out comes what is sent of it, what reads the arguments that a model
chose, and the call. Rules: what cannot be described is told when the tool is made, not when it is first sent; the
function stays what it is, and can be called as before.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Protocol, TypeVar, get_args, overload

from pydantic import BaseModel

from chatstream.errors import ParameterError
from chatstream.structured.shape import Shape
from chatstream.structured.signatures import Signature, docstring_of, innermost, read_method, read_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.structured.context import ToolContext
    from chatstream.types import ChatCompletionFunctionToolParam

__all__ = ["FunctionTool", "function_tool", "is_async", "tool_at"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

OnError = Literal["report", "raise"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class FunctionTool(Generic[P, R_co]):
    """A function, or a pydantic model, as a tool that a model may call. ``function_tool`` makes one.

    Called itself, it calls the function as it was written. ``name``, ``description`` and ``strict`` are what is sent;
    ``to_param()`` is all of it, as a dict. ``on_error`` and ``timeout``, in seconds, are for the loop that runs it.
    ``function`` is what it was made of; ``is_async``: its result has to be awaited.
    """

    function: Callable[P, R_co]
    name: str
    description: str | None
    strict: bool
    on_error: OnError
    timeout: float | None
    is_async: bool
    __name__: str
    __doc__: str | None
    __wrapped__: Callable[P, R_co]

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool = True,
        on_error: OnError = "report",
        timeout: float | None = None,
    ) -> None:
        _check_options(description=description, strict=strict, on_error=on_error, timeout=timeout)
        self.function = self.__wrapped__ = function
        self.name = self.__name__ = _checked_name(function, name)
        self.strict = strict
        self.on_error = on_error
        self.timeout = timeout
        self._is_model = _is_model(function)
        arguments, told = self._describe_model() if self._is_model else self._describe_function()
        self.description = told if description is None else description or None
        self._shape: Shape[Any] = Shape(arguments, where=f"{self.name}.parameters")
        self._shape.schema(strict=strict)  # here, and not when it is sent, is who can mend it

    def __repr__(self) -> str:
        return f"FunctionTool({self.name})"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """What the function gives for these arguments; for a model, an instance of it."""
        return self.function(*args, **kwargs)

    @property
    def can_run(self) -> bool:
        """Whether there is something to call: always for a function, for a model if it has a ``__call__``."""
        return self._signature is not None

    @property
    def parameters(self) -> dict[str, Any]:
        """The schema of the arguments as it is sent, in its strict form if ``strict``: a copy, the caller's own."""
        return self._shape.schema(strict=self.strict)

    def to_param(self) -> ChatCompletionFunctionToolParam:
        """The tool as it is sent."""
        described = {} if self.description is None else {"description": self.description}
        function: Any = {"name": self.name, **described, "parameters": self.parameters, "strict": self.strict}
        return {"type": "function", "function": function}

    def model_json_schema(self) -> dict[str, Any]:
        """The schema of the arguments as pydantic gives it, not in its strict form."""
        return self._shape.schema(strict=False)

    def model_validate_json(self, text: str) -> Any:
        """The arguments that a JSON text holds: for a function a dict by name, for a model an instance.

        A blank text has none. Raises pydantic's ValidationError for arguments that do not fit.
        """
        return self._shape.read("{}" if not text.strip() else text)

    def call(self, arguments: Any, context: ToolContext[Any]) -> Any:
        """The result for arguments as ``model_validate_json`` gives them; an awaitable of it if ``is_async``."""
        if self._signature is None:
            raise TypeError(f"{self.name}: the model has no __call__, so there is nothing to run")
        named = {} if self._is_model else arguments
        positional, by_name = self._signature.filled(named, context)
        called: Any = arguments if self._is_model else self.function
        return called(*positional, **by_name)

    def _describe_function(self) -> tuple[Any, str | None]:
        function: Any = self.function
        self._signature: Signature | None = read_signature(function, self.name)
        self.is_async = is_async(function)
        self.__doc__ = docstring_of(function)
        return self._signature.arguments_type(self.name, self.__doc__)

    def _describe_model(self) -> tuple[Any, str | None]:
        model: Any = self.function
        run = _own_call(model)
        self._signature = None if run is None else read_method(run, self.name)
        self.is_async = inspect.iscoroutinefunction(run)
        generic = model.__pydantic_generic_metadata__["origin"] or model  # Page[int] has no docstring, Page has
        self.__doc__ = generic.__doc__
        return model, inspect.cleandoc(self.__doc__ or "") or None


class _Decorator(Protocol):
    """What ``function_tool`` gives if it is given options alone."""

    def __call__(self, function: Callable[P, R], /) -> FunctionTool[P, R]: ...


@overload
def function_tool(
    model_or_function: Callable[P, R],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
    on_error: OnError = "report",
    timeout: float | None = None,
) -> FunctionTool[P, R]: ...
@overload
def function_tool(
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
    on_error: OnError = "report",
    timeout: float | None = None,
) -> _Decorator: ...
def function_tool(
    model_or_function: Any = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = True,
    on_error: OnError = "report",
    timeout: float | None = None,
) -> Any:
    """A tool of a typed Python function, or of a pydantic model; without either, a decorator.

    What is sent is made of the signature and the docstring (Google's form, reST or NumPy's), or of the model's fields
    and docstring; ``name`` and ``description`` replace what is found there. ``strict``: the service holds the model to
    the schema. ``on_error``: what a tool raises is reported to the model, or raised. ``timeout`` is in seconds.

    Raises TypeError for a parameter that cannot be described, ParameterError for a name that the API would refuse and
    for a schema without a strict form, ValueError or TypeError for an option that is none.
    """
    _check_options(description=description, strict=strict, on_error=on_error, timeout=timeout)
    made = functools.partial(
        _made, name=name, description=description, strict=strict, on_error=on_error, timeout=timeout
    )
    return made if model_or_function is None else made(model_or_function)


def tool_at(where: str, function: Any) -> FunctionTool[Any, Any]:
    """The tool that a function or a model is or becomes; what is wrong with it is told with its place."""
    if isinstance(function, FunctionTool):
        return function
    try:
        return _made(function)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error.message}", param=where, code=error.code) from None
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None


def _made(function: Any, **options: Any) -> FunctionTool[Any, Any]:
    if isinstance(function, FunctionTool):
        raise TypeError(f"function_tool: expected a function or a pydantic model, got the tool {function.name}")
    if not callable(function) or (isinstance(function, type) and not _is_model(function)):
        kind = (
            f"the class {function.__name__}"
            if isinstance(function, type)
            else f"an instance of {type(function).__name__}"
        )
        raise TypeError(f"function_tool: expected a function or a pydantic model, got {kind}")
    return FunctionTool(function, **options)


def _is_model(function: Any) -> bool:
    return isinstance(function, type) and issubclass(function, BaseModel)


def _own_call(model: type[BaseModel]) -> Any:
    """The ``__call__`` that a model's class defines. An attribute of the class would be found on its metaclass."""
    return next((vars(base)["__call__"] for base in model.__mro__ if "__call__" in vars(base)), None)


def is_async(function: Any) -> bool:
    """Whether a callable has to be awaited: a function, a tool, what a partial is of, or an instance's ``__call__``."""
    function = innermost(function)
    if isinstance(function, FunctionTool):
        return function.is_async
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _checked_name(function: Any, name: str | None) -> str:
    if name is None:
        function = innermost(function)
        name = getattr(function, "__name__", None) or type(function).__name__
    if not isinstance(name, str):
        raise TypeError(f"name: expected a str, got {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"name: expected 1 to 64 letters, digits, _ and -, got {name[:80]!r}; name= gives a tool another one",
            param="name",
        )
    return name


def _check_options(*, description: Any, strict: Any, on_error: Any, timeout: Any) -> None:
    if description is not None and not isinstance(description, str):
        raise TypeError(f"description: expected a str, got {type(description).__name__}")
    if not isinstance(strict, bool):
        raise TypeError(f"strict: expected true or false, got {type(strict).__name__}")
    if on_error not in get_args(OnError):
        raise ValueError(f"on_error: expected 'report' or 'raise', got {str(on_error)[:80]!r}")
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout: expected seconds as a number, or None, got {type(timeout).__name__}")
    if not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError(f"timeout: expected seconds above 0, got {timeout}")
