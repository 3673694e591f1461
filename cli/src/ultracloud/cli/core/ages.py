"""Spans of time as people write and read them: `90s`, `5m`, `1h30m`, `3d4h`.

Source: Go's duration notation as kubectl uses it, with days; RFC 3339 for points in time.
"""

from __future__ import annotations

import re

from ultracloud.cli.core.failures import UsageFailure

UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SPAN_S_MAX = 366 * 86400.0
"""A year: what is longer is a mistake in the unit."""
SPAN_LENGTH_MAX = 32
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|\+00:00)")
_DAYS_TO_1970 = 719468


def parse_span(text: str, what: str = "duration") -> float:
    """Seconds; a bare number is seconds.

    Raises:
        UsageFailure: It is no span, or over a year.
    """
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
        seconds = float(text)
    elif len(text) <= SPAN_LENGTH_MAX and re.fullmatch(rf"(?:{_PART.pattern})+", text):
        seconds = sum(float(number) * UNIT_S[unit] for number, unit in _PART.findall(text))
    else:
        raise UsageFailure(f"{what} {text!r} is no span of time; accepted: 90s, 5m, 1h30m, 2d")
    if seconds > SPAN_S_MAX:
        raise UsageFailure(f"{what} {text!r} is over a year; accepted: up to 366d")
    return seconds


def render_span(seconds: float) -> str:  # noqa: PLR0911 - a line a size
    """Its two greatest units, as in kubectl's AGE: `45s`, `5m10s`, `3h`, `12d`."""
    total = max(0, int(seconds))
    if total < 2 * 60:
        return f"{total}s"
    if total < 10 * 60:
        return _two(total // 60, "m", total % 60, "s")
    if total < 3 * 3600:
        return f"{total // 60}m"
    if total < 8 * 3600:
        return _two(total // 3600, "h", total % 3600 // 60, "m")
    if total < 48 * 3600:
        return f"{total // 3600}h"
    if total < 8 * 86400:
        return _two(total // 86400, "d", total % 86400 // 3600, "h")
    if total < 2 * 365 * 86400:
        return f"{total // 86400}d"
    return _two(total // (365 * 86400), "y", total % (365 * 86400) // 86400, "d")


def parse_moment(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time in UTC; None if it is none.

    Counts days by hand: datetime is not imported for one column.
    """
    found = _MOMENT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    # Days since 0000-03-01, so that the leap day is the last of its year.
    shifted = year - (month in {1, 2})
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _DAYS_TO_1970
    return float(days * 86400 + hour * 3600 + minute * 60 + second)


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"
