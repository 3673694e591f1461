"""The clocks of the shell: seconds that never go back, and the time of day as HTTP tells it."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from time import monotonic as now_s

__all__ = ["http_date", "now_s"]


def http_date() -> str:
    """What `Date` says of an answer that is made now (RFC 9110 6.6.1)."""
    return _date_of(int(time.time()))


@lru_cache(maxsize=2)
def _date_of(second: int) -> str:
    """Made once a second, however many answers have it."""
    return formatdate(second, usegmt=True)
