"""How long a client waits for what.

In go seconds as a caller has them, out comes a Timeout. Rules: each is a number of seconds above zero, or None for no
limit; what they are measured by is in `chatstream.client.patience`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Timeout"]

# Days, and still a number that every platform takes for a socket: poll() counts milliseconds in 31 bits.
_LONGEST = 1_000_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeout:
    """The seconds that each wait may take; None is no limit.

    - ``connect``: until the connection stands, TLS included
    - ``pool``: until the pool of the HTTP client has a connection free
    - ``first_byte``: from then on, until the first byte of the answer's body has come
    - ``idle``: between one byte and the next; comments count, since they say that the server is there
    - ``data_idle``: between one event with data and the next, comments not counted
    - ``total``: for everything, retries and the reading of the whole answer included; looked at before each read

    All but ``total`` count only the time that was spent waiting: a reader who takes his time costs nobody's patience.
    """

    connect: float | None = 10.0
    pool: float | None = 10.0
    first_byte: float | None = 60.0
    idle: float | None = 60.0
    data_idle: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))

    @classmethod
    def of(cls, value: object) -> Timeout:
        """The timeout that is meant: one number for connect, pool, first_byte and idle; None for no limit at all.

        A timeout of httpx is taken as well: its ``read`` is ``first_byte`` and ``idle``. Raises TypeError and
        ValueError, naming ``timeout``.
        """
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(connect=None, pool=None, first_byte=None, idle=None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check("", value)
            return cls(connect=value, pool=value, first_byte=value, idle=value)
        if all(hasattr(value, name) for name in ("connect", "read", "write", "pool")):
            read = getattr(value, "read")  # noqa: B009  an object of httpx, known by what it has
            connect, pool = (getattr(value, name) for name in ("connect", "pool"))
            return cls(connect=connect, pool=pool, first_byte=read, idle=read)
        raise TypeError(f"timeout: expected seconds, a Timeout or None, got {type(value).__name__}")


def _check(name: str, seconds: object) -> None:
    where = f"timeout.{name}" if name else "timeout"
    if seconds is None:
        return
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{where}: expected seconds as a number, or None, got {type(seconds).__name__}")
    if not 0 < seconds <= _LONGEST:  # NaN is not, either
        shown = f"{seconds:g}" if -_LONGEST <= seconds <= _LONGEST else "one beyond that"
        raise ValueError(f"{where}: expected seconds from above 0 to {_LONGEST:.0f}, or None, got {shown}")
