"""The `grpc-timeout` header: up to eight digits and a unit.

Source: gRPC over HTTP2, "Timeout".
"""

from __future__ import annotations

DIGITS_MAX = 8
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def parse_timeout(text: str) -> float | None:
    """Seconds, or None if `text` is no timeout."""
    digits, unit = text[:-1], _SECONDS.get(text[-1:])
    if unit is None or not 0 < len(digits) <= DIGITS_MAX or not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) * unit
