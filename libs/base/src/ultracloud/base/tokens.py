"""Tokens: what the claims of a verified JSON Web Token must say. Signatures are checked by the shell, before this.

A token is short-lived, names one service account, and carries the policy version it was issued at, so that a service
whose copy of the policy is older knows that a refusal may only mean "not yet".

Source: RFC 7519 (claims), RFC 8037 (EdDSA in JOSE), RFC 8725 (best current practices: one algorithm, checked issuer).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.base.principals import Principal, service_account_principal

ISSUER = "ultracloud"
ALGORITHM = "EdDSA"
TTL_S_MIN = 60
"""Shorter would expire between issue and first use on a busy machine."""
TTL_S_MAX = 86_400
"""A day: what leaks is worthless tomorrow; programs renew."""
TTL_S_DEFAULT = 3600
CLOCK_SKEW_S = 30
"""How far two machines' clocks may be apart before a fresh token is refused."""
TOKEN_LENGTH_MAX = 4096
"""Ours have about 400 characters; the bound keeps hostile headers out of the parser."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are seconds since 1970.

    Attributes:
        service_account: Id, ``sa-...`` (claim ``sub``).
        organisation: Id (claim ``org``).
        project: Id (claim ``proj``).
        token_id: Unique among all tokens (claim ``jti``).
        policy_version: Version of the policy at issue (claim ``rev``).
    """

    service_account: str
    organisation: str
    project: str
    issued_at_s: int
    expires_at_s: int
    token_id: str
    policy_version: int = 0


def check_ttl(ttl_s: int) -> int:
    """The lifetime to use; 0 means the default.

    Raises:
        InvalidArgumentError: Out of TTL_S_MIN to TTL_S_MAX.
    """
    if ttl_s == 0:
        return TTL_S_DEFAULT
    if not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
        raise InvalidArgumentError(
            f"ttl_s {ttl_s} is out of range; accepted: {TTL_S_MIN} to {TTL_S_MAX} seconds", reason="TTL_OUT_OF_RANGE"
        )
    return ttl_s


def render_claims(claims: Claims) -> dict[str, str | int]:
    """The JSON object to sign."""
    return {
        "iss": ISSUER,
        "sub": claims.service_account,
        "org": claims.organisation,
        "proj": claims.project,
        "iat": claims.issued_at_s,
        "exp": claims.expires_at_s,
        "jti": claims.token_id,
        "rev": claims.policy_version,
    }


def parse_claims(payload: Mapping[str, object], now_s: float) -> Claims:
    """The claims of a token whose signature has been verified.

    Args:
        payload: The JSON object that was signed.
        now_s: The verifier's clock.

    Raises:
        UnauthenticatedError: Wrong issuer, expired, not valid yet, or a claim is missing or malformed; each its own
            sentence and reason.
    """
    issuer = payload.get("iss")
    if issuer != ISSUER:
        raise UnauthenticatedError(
            f"the token was issued by {str(issuer)[:80]!a}, not by {ISSUER}", reason="TOKEN_WRONG_ISSUER"
        )
    claims = Claims(
        service_account=_text(payload, "sub"),
        organisation=_text(payload, "org"),
        project=_text(payload, "proj"),
        issued_at_s=_number(payload, "iat"),
        expires_at_s=_number(payload, "exp"),
        token_id=_text(payload, "jti"),
        policy_version=_number(payload, "rev") if "rev" in payload else 0,
    )
    if claims.issued_at_s > now_s + CLOCK_SKEW_S:
        raise UnauthenticatedError(
            f"the token is not valid for another {claims.issued_at_s - int(now_s)} s; the clock of this machine or of "
            "the issuer is wrong",
            reason="TOKEN_NOT_YET_VALID",
        )
    if claims.expires_at_s <= now_s:
        raise UnauthenticatedError(
            f"the token expired {int(now_s) - claims.expires_at_s} s ago; issue a new one", reason="TOKEN_EXPIRED"
        )
    return claims


def principal_of_claims(claims: Claims) -> Principal:
    """Who a token speaks for."""
    return service_account_principal(claims.service_account, claims.organisation, claims.project, claims.policy_version)


def _text(payload: Mapping[str, object], claim: str) -> str:
    value = payload.get(claim)
    if not isinstance(value, str) or not value:
        raise UnauthenticatedError(f"the token has no claim '{claim}'", reason="TOKEN_MALFORMED")
    return value


def _number(payload: Mapping[str, object], claim: str) -> int:
    value = payload.get(claim)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnauthenticatedError(f"the token's claim '{claim}' is no whole number", reason="TOKEN_MALFORMED")
    return value
