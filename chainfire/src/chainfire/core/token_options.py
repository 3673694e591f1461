"""How tokens are made, as etcd's `--auth-token` says it: `simple`, or `jwt` with options.

`jwt,sign-method=RS256,pub-key=/etc/jwt.pub,priv-key=/etc/jwt.key,ttl=10m`: the files are in PEM, for HMAC the private
key is any bytes; a member with the public key alone verifies tokens and gives none.

Source: etcd's documentation of `--auth-token`; Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SIGN_METHODS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"),
)
JWT_TTL_S = 300.0
"""etcd's."""
_KEYS = ("sign-method", "pub-key", "priv-key", "ttl")
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class JwtOptions:
    """JSON web tokens.

    Attributes:
        sign_method: One of SIGN_METHODS.
        public_key: Path, empty without.
        private_key: Path, empty without.
    """

    sign_method: str
    public_key: str
    private_key: str
    ttl_s: float


def parse(text: str) -> JwtOptions | None:
    """Read how tokens are made; None is simple tokens.

    Raises:
        ValueError: It says nothing that can be done.
    """
    kind, *pairs = text.split(",")
    if kind == "simple":
        # etcd takes options here and looks at none of them.
        return None
    if kind != "jwt":
        raise ValueError(f"tokens are '{kind}'; accepted: simple, or jwt,sign-method=...,pub-key=...,priv-key=...")
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or "=" in value or key in options or key not in _KEYS:
            raise ValueError(f"tokens have '{pair}'; accepted, once each: {', '.join(f'{each}=...' for each in _KEYS)}")
        options[key] = value
    return _checked(options)


def parse_duration_s(text: str) -> float:
    """Read a duration as Go writes it, `1h30m`, in seconds.

    Raises:
        ValueError: It is none, or not above 0.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(parts) != text:
        raise ValueError(f"'{text}' is no duration; accepted: such as 300s, 5m or 1h30m")
    seconds = 0.0
    for part in parts:
        number = part.rstrip("nuµmsh")
        seconds += float(number) * _SECONDS[part[len(number) :]]
    if seconds <= 0:
        raise ValueError(f"'{text}' is no time at all; accepted: such as 300s, 5m or 1h30m")
    return seconds


def _checked(options: dict[str, str]) -> JwtOptions:
    method = options.get("sign-method", "")
    if method not in SIGN_METHODS:
        raise ValueError(f"tokens have the sign-method '{method}'; accepted: {', '.join(SIGN_METHODS)}")
    public_key, private_key = options.get("pub-key", ""), options.get("priv-key", "")
    if not private_key and (method.startswith("HS") or not public_key):
        raise ValueError(f"tokens signed by {method} need priv-key=FILE, or, to be verified only, pub-key=FILE")
    ttl_s = parse_duration_s(options["ttl"]) if "ttl" in options else JWT_TTL_S
    return JwtOptions(method, public_key, private_key, ttl_s)
