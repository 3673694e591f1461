"""Token buckets, for many keys in bounded memory.

A bucket holds `burst` requests and gets `per_second` back. When there are too many buckets, the one that was used
least recently is forgotten, so a flood of sources forgets itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

KEYS_MAX = 50_000
"""Buckets at once: 200 bytes each, more than the callers of a busy minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often; `per_second` 0 is without limit.

    Attributes:
        per_second: Requests a second, in the long run.
        burst: Requests at once.
    """

    per_second: float = 0.0
    burst: int = 1

    def __post_init__(self) -> None:
        if self.per_second < 0 or self.burst < 1:
            raise ValueError(f"a rate of {self.per_second:g} with a burst of {self.burst}; accepted: from 0, from 1")


class Taken(NamedTuple):
    """What asking a bucket gave.

    Attributes:
        is_allowed: Whether there was one left.
        left: Requests that may follow at once.
        reset_s: Seconds until the bucket is full, or has one again if there was none.
    """

    is_allowed: bool
    left: int
    reset_s: float


class Buckets:
    """The buckets of one rate.

    Args:
        rate: The rate; may be replaced at any time.
        keys_max: Most that are remembered.
    """

    def __init__(self, rate: Rate, keys_max: int = KEYS_MAX) -> None:
        self.rate = rate
        self._keys_max = keys_max
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now_s: float) -> Taken | None:
        """Take one; None where there is no limit."""
        rate = self.rate
        if not rate.per_second:
            return None
        filled = self._filled
        level, found = float(rate.burst), filled.get(key)
        if found is not None:
            grown = found[0] + (now_s - found[1]) * rate.per_second
            level = min(level, grown)
        if level < 1:
            return Taken(False, 0, (1 - level) / rate.per_second)
        filled[key] = (level - 1, now_s)
        filled.move_to_end(key)
        if len(filled) > self._keys_max:
            filled.popitem(last=False)
        return Taken(True, int(level - 1), (rate.burst - level + 1) / rate.per_second)

    def __len__(self) -> int:
        return len(self._filled)
