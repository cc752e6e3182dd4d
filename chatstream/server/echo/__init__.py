"""The echo: a request to an answer, without a model.

In goes the body of a request, out comes the whole completion; nothing here waits. ``prompts`` is what the request says,
``asked`` what it asks for, ``calls`` which tools that calls; ``answers`` puts the answer together, of ``tokens``,
``likelihoods`` and ``speech``. Values for schemas come from ``chatstream.server.samples``.
"""

from chatstream.server.echo.answers import FINGERPRINT, answer
from chatstream.server.echo.tokens import cut

__all__ = ["FINGERPRINT", "answer", "cut"]
