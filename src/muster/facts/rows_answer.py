"""What the parsers of several answers at once have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from muster.probes import Unobserved


def none_at_all(answers: Sequence[Any]) -> None:
    """Raises the first failure where nothing but failures came back: what hangs on it is all of it."""
    failures = [answer for answer in answers if isinstance(answer, Unobserved)]
    if failures and len(failures) == len(answers):
        raise failures[0]
