"""Who calls, and whether they may call again already."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from apigateway.core.proxies import HEADER, Proxies
from apigateway.core.rates import Buckets, Taken
from apigateway.core.traffic import Traffic
from ultracloud.base.faults import ResourceExhaustedError, UnauthenticatedError
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.origin import Visit
from ultracloud.servicekit.policy import Authority

SCHEME = "Bearer "
TOKENS_MAX = 4096
"""Tokens whose header field is remembered, of callers who were told by them; one that is padded is not."""


class RateLimitedError(ResourceExhaustedError):
    """Too often; `fields` say when to come back."""

    def __init__(self, whose: str, buckets: Buckets, taken: Taken) -> None:
        wait_s = max(1, -int(-taken.reset_s // 1))
        super().__init__(
            f"too many requests of this {whose}: {buckets.rate.per_second:g} a second, {buckets.rate.burst} at once",
            hint=f"come back in {wait_s} s",
            reason="RATE_LIMITED",
        )
        self.fields = {"retry-after": str(wait_s), **rate_fields(whose, buckets, taken)}


class Caller(NamedTuple):
    """Who calls, with the token that says so, and the fields that tell how often they may go on."""

    who: str
    token: str
    fields: Mapping[str, str]


ANYONE = Caller("", "", {})
"""Who calls what needs no token."""


class Callers:
    """Tells callers and counts them.

    Args:
        authority: The policy and the keys.
        clock: Time.
        traffic: The limits.
    """

    def __init__(self, authority: Authority, clock: Clock, traffic: Traffic) -> None:
        self._authenticator = Authenticator(authority, clock)
        self._clock = clock
        self._principals = Buckets(traffic.principals)
        self._sources = Buckets(traffic.sources)
        self._proxies = Proxies(traffic.proxies.trusted)
        self._tokens: dict[str, str] = {}
        """By the whole field, and always the same object: its hash is known then, wherever it is looked for."""

    def use(self, traffic: Traffic) -> None:
        """Use other limits from now on."""
        self._principals.rate, self._sources.rate = traffic.principals, traffic.sources
        self._proxies = Proxies(traffic.proxies.trusted)

    def source_of(self, request: Visit) -> str:
        """The address that a request comes from, as far as it can be believed, without its port."""
        address = request.peer.address
        host = address.rpartition(":")[0] or address
        return self._proxies.source(host, request.metadata.get(HEADER, "")) if self._proxies else host

    def admit_source(self, source: str) -> None:
        """Count a request of an address.

        Raises:
            RateLimitedError: It had too many.
        """
        taken = self._sources.take(source, self._clock.now_ms() / 1000)
        if taken is not None and not taken.is_allowed:
            raise RateLimitedError("address", self._sources, taken)

    def admit(self, authorization: str) -> Caller:
        """Tell who calls, and count it.

        Raises:
            UnauthenticatedError: There is no token, or one that does not hold.
            RateLimitedError: They called too often.
        """
        token = self._tokens.get(authorization) or bearer_token(authorization)
        principal = self._authenticator.principal_of_token(token)
        if authorization not in self._tokens and len(authorization) == len(SCHEME) + len(token):
            if len(self._tokens) >= TOKENS_MAX:
                self._tokens.clear()
            self._tokens[authorization] = token
        taken = self._principals.take(principal.id, self._clock.now_ms() / 1000)
        if taken is None:
            return Caller(principal.id, token, {})
        if not taken.is_allowed:
            raise RateLimitedError("principal", self._principals, taken)
        return Caller(principal.id, token, rate_fields("principal", self._principals, taken))


def bearer_token(authorization: str) -> str:
    """The token that a request brings.

    Raises:
        UnauthenticatedError: It brings none.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError(
            "the request has no bearer token",
            hint="send 'Authorization: Bearer <token>'; certificates are not looked at here",
            reason="NO_IDENTITY",
        )
    return token


def rate_fields(whose: str, buckets: Buckets, taken: Taken) -> dict[str, str]:
    """Fields of draft-ietf-httpapi-ratelimit-headers."""
    rate = buckets.rate
    return {
        "ratelimit-policy": _policy(whose, rate.burst, rate.per_second),
        "ratelimit": f'"{whose}";r={taken.left};t={math.ceil(taken.reset_s)}',
    }


@lru_cache(maxsize=8)
def _policy(whose: str, burst: int, per_second: float) -> str:
    """What stays the same in these fields while the limits do."""
    return f'"{whose}";q={burst};w={max(1, int(burst / per_second))}'
