"""The `grpc-timeout` header: up to eight digits and a unit.

Source: gRPC over HTTP2, "Timeout".
"""

from __future__ import annotations

DIGITS_MAX = 8
TIMEOUT_S_MAX = 366 * 24 * 3600.0
"""A year; the header can say eleven thousand, and timers are not made for that."""
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def parse_timeout(text: str) -> float | None:
    """Seconds, TIMEOUT_S_MAX at most, or None if `text` is no timeout."""
    digits, unit = text[:-1], _SECONDS.get(text[-1:])
    if unit is None or not 0 < len(digits) <= DIGITS_MAX or not (digits.isascii() and digits.isdigit()):
        return None
    return min(int(digits) * unit, TIMEOUT_S_MAX)
