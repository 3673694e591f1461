"""What a counter's value looks like: the integer in ASCII, as ``-12``, so that Get, Put and people can use it.

There is one way to write each: no sign but ``-``, no zeros in front. A value that looks otherwise is no counter.
"""

from __future__ import annotations

import re

COUNTER_MIN, COUNTER_MAX = -(1 << 63), (1 << 63) - 1
COUNTER_BYTES_MAX = len(str(COUNTER_MIN))
_COUNTER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def render(number: int) -> bytes:
    """The value of a counter that stands at `number`."""
    assert is_counted(number), number
    return b"%d" % number


def parse(value: bytes) -> int | None:
    """Where a counter with this value stands, None if it is no counter."""
    if not _COUNTER.fullmatch(value):
        return None
    number = int(value)
    return number if is_counted(number) else None


def is_counted(number: int) -> bool:
    """Whether a counter can stand there."""
    return COUNTER_MIN <= number <= COUNTER_MAX
