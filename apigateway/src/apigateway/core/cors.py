"""Which pages of which origins may call from a browser.

Source: the Fetch standard, section 3.2 (CORS protocol).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ANY = "*"
PREFLIGHT_S = 600
"""How long a browser may remember an answer; Chromium takes no more than two hours."""
EXPOSED = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
ALLOWED_FIELDS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Traceparent, X-Request-Id"
)


def is_allowed(origin: str, origins: Sequence[str]) -> bool:
    """Whether an origin is one of those that may call."""
    return origin in origins or ANY in origins


def answer_fields(origin: str, origins: Sequence[str]) -> dict[str, str]:
    """Fields of any answer to a request that names its origin; a token is no cookie, so no credentials are allowed."""
    if not is_allowed(origin, origins):
        return {"vary": "Origin"}
    return {"vary": "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED}


def preflight_fields(origin: str, origins: Sequence[str], methods: Mapping[str, object]) -> dict[str, str]:
    """Fields of the answer to a preflight."""
    if not is_allowed(origin, origins):
        return {"vary": "Origin"}
    return {
        "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        "access-control-allow-origin": origin,
        "access-control-allow-methods": ", ".join(sorted(methods)),
        "access-control-allow-headers": ALLOWED_FIELDS,
        "access-control-max-age": str(PREFLIGHT_S),
    }
