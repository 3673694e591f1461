"""Who calls: a bearer token's user or service account, or the certificate's SPIFFE identity.

Tokens are verified offline, with the keys of the policy copy. `Authenticator` is a server interceptor: it puts the
`Principal` into the call's context, where `principal_of` finds it. It refuses callers it cannot tell; what a known
caller may do is `policy.authorise`'s matter.

Source: RFC 6750 (bearer tokens), RFC 8725 (JWT best current practices).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ultracloud.api.rpc import Call
from ultracloud.base.attenuation import Attenuation, split, walk
from ultracloud.base.faults import InvalidArgumentError, PermissionDeniedError, UnauthenticatedError
from ultracloud.base.policy import Principal, PrincipalKind
from ultracloud.base.principals import spiffe_parts, spiffe_principal
from ultracloud.base.tokens import (
    ALGORITHM,
    AUDIENCE,
    TOKEN_LENGTH_MAX,
    Claims,
    parse_claims,
    principal_of_claims,
)
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.origin import source_of
from ultracloud.servicekit.policy import Authority

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

OPEN_PATHS = ("/grpc.health.v1.Health/", "/grpc.reflection.")
"""Beginnings of paths that need no identity: a load balancer's probe has none, and the API is no secret."""
VERIFIED_MAX = 4096
"""Tokens whose signature is remembered; a signature costs 80 us, a look-up nothing."""
PERSONAL_PREFIX = "ucp_"
"""How a personal access token begins: iam gives a short-lived token for it, and nobody else knows it."""


class _Key:
    """Type of the context key."""


PRINCIPAL = _Key()


def principal_of(call: Call) -> Principal:
    """Who calls.

    Raises:
        UnauthenticatedError: Nobody the server knows.
    """
    principal = call.context.get(PRINCIPAL)
    if not isinstance(principal, Principal):
        raise UnauthenticatedError(
            "the call has no identity", hint="send a bearer token or a client certificate", reason="NO_IDENTITY"
        )
    return principal


def require_agent(call: Call, service: str, host: str) -> None:
    """Return if the caller is the agent of `service` on `host`.

    Raises:
        PermissionDeniedError: It is somebody else.
        UnauthenticatedError: It is nobody.
    """
    principal = principal_of(call)
    if principal.kind is PrincipalKind.AGENT:
        parts = spiffe_parts(principal.id)[1]
        if parts == {"service": service, "host": host}:
            return
    raise PermissionDeniedError(
        f"only the {service} agent of host {host[:80]!a} may call this", reason="NOT_THIS_HOSTS_AGENT"
    )


def require_service(call: Call, service: str) -> None:
    """Return if the caller is `service`.

    Raises:
        PermissionDeniedError: It is somebody else.
        UnauthenticatedError: It is nobody.
    """
    principal = principal_of(call)
    if principal.kind is not PrincipalKind.SERVICE or spiffe_parts(principal.id)[1] != {"service": service}:
        raise PermissionDeniedError(f"only the service {service} may call this", reason="NOT_THIS_SERVICE")


class Authenticator:
    """Interceptor that tells who calls.

    Args:
        authority: Where the keys come from.
        open_paths: Beginnings of further paths that need no identity.
        trusted_local: Principal of calls without certificate and token (plaintext on loopback or a unix socket). Only
            for a service run alone by a developer; None refuses them.
    """

    def __init__(
        self,
        authority: Authority,
        clock: Clock,
        *,
        open_paths: Iterable[str] = (),
        trusted_local: Principal | None = None,
    ) -> None:
        self._authority = authority
        self._clock = clock
        self._open = (*OPEN_PATHS, *open_paths)
        self._trusted_local = trusted_local
        self._keys: dict[str, tuple[bytes, Ed25519PublicKey]] = {}
        self._verified: dict[str, tuple[Mapping[str, object], Attenuation]] = {}
        self._principals: dict[str, Principal] = {}
        self._verified_keys: Mapping[str, bytes] = {}

    def admit(self, call: Call, /) -> None:
        """Put the caller's principal into the call's context.

        Raises:
            UnauthenticatedError: There is no identity, or one that does not hold.
        """
        header = call.metadata.get("authorization", "")
        if header:
            call.context[PRINCIPAL] = replace(self.principal_of_token(_bearer(header)), source=source_of(call))
        elif call.peer.identity is not None:
            try:
                call.context[PRINCIPAL] = replace(spiffe_principal(call.peer.identity), source=source_of(call))
            except InvalidArgumentError as error:
                raise UnauthenticatedError(error.public, reason="IDENTITY_UNKNOWN") from error
        elif self._trusted_local is not None:
            call.context[PRINCIPAL] = self._trusted_local
        elif not call.path.startswith(self._open):
            raise UnauthenticatedError(
                "the call has no identity", hint="send a bearer token or a client certificate", reason="NO_IDENTITY"
            )

    def done(self, call: Call, code: int, _seconds: float, /) -> None:
        """Log a refused call: who was refused what is what an operator looks for."""
        if code in (UnauthenticatedError.code, PermissionDeniedError.code):
            principal = call.context.get(PRINCIPAL)
            logging.getLogger(__name__).info(
                "call refused",
                extra={
                    "path": call.path,
                    "principal": getattr(principal, "id", ""),
                    "peer": call.peer.address,
                    "code": code,
                },
            )

    def principal_of_token(self, token: str) -> Principal:
        """Who a bearer token speaks for.

        Raises:
            UnauthenticatedError: Malformed, forged, expired, meant for others, or signed with a key this service does
                not know.
        """
        known, now_ms = self._principals.get(token), self._clock.now_ms()
        # The common case: seen before, with the same keys, and neither too early nor over.
        is_same = self._authority.snapshot.keys is self._verified_keys
        if known is not None and is_same and known.issued_at_ms <= now_ms < known.expires_at_ms:
            return known
        principal = principal_of_claims(self.claims_of_token(token))
        if len(self._principals) >= VERIFIED_MAX:
            self._principals.clear()
        self._principals[token] = principal
        return principal

    def claims_of_token(self, token: str, audience: str = AUDIENCE) -> Claims:
        """What a bearer token for `audience` says; raises as `principal_of_token`."""
        keys = self._authority.snapshot.keys
        if keys is not self._verified_keys:
            if keys != self._verified_keys:  # a key may have been withdrawn: verify everything again
                self._verified, self._principals = {}, {}
            self._verified_keys = keys
        verified = self._verified.get(token)
        if verified is None:
            verified = self._verify(token, keys)
            if len(self._verified) >= VERIFIED_MAX:
                self._verified.clear()
            self._verified[token] = verified
        return parse_claims(verified[0], self._clock.now_ms() / 1000, verified[1], audience)

    def _verify(self, token: str, keys: Mapping[str, bytes]) -> tuple[Mapping[str, object], Attenuation]:
        """What a token says under good signatures, and what its holders have left of it."""
        from ultracloud.base.ed25519 import Ed25519

        if len(token) > TOKEN_LENGTH_MAX or token.startswith(PERSONAL_PREFIX):
            raise _malformed(token)
        text, chain = split(token)
        payload = self._verify_jwt(text, keys)
        return payload, walk(payload, chain, Ed25519())

    def _verify_jwt(self, token: str, keys: Mapping[str, bytes]) -> Mapping[str, object]:
        """The claims under a good signature of iam."""
        import jwt

        malformed = _malformed(token)
        try:
            header = jwt.get_unverified_header(token)
            kid = str(header.get("kid", ""))
            # RFC 8725 3.1: the verifier, not the token, says which algorithm.
            if header.get("alg") != ALGORITHM or not kid:
                raise malformed
            raw = keys.get(kid)
            if raw is None:
                raise UnauthenticatedError(
                    f"the token is signed with key {kid[:80]!a}, which is not one of this cloud's",
                    hint="issue a new token",
                    reason="TOKEN_KEY_UNKNOWN",
                )
            # The claims are base.tokens' matter, with our clock and our sentences.
            verified: Mapping[str, object] = jwt.decode(
                token,
                self._key(kid, raw),
                algorithms=[ALGORITHM],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise UnauthenticatedError(
                "the token's signature does not verify", hint="issue a new token", reason="TOKEN_FORGED"
            ) from None
        except jwt.InvalidTokenError:
            raise malformed from None
        return verified

    def _key(self, kid: str, raw: bytes) -> Ed25519PublicKey:
        """The parsed key; parsing costs more than verifying."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        kept = self._keys.get(kid)
        if kept is None or kept[0] != raw:
            kept = self._keys[kid] = (raw, Ed25519PublicKey.from_public_bytes(raw))
        return kept[1]


def _malformed(token: str) -> UnauthenticatedError:
    if token.startswith(PERSONAL_PREFIX):
        return UnauthenticatedError(
            "a personal access token is not taken here", hint="exchange it at iam first", reason="TOKEN_PERSONAL"
        )
    return UnauthenticatedError(
        "the bearer token is no JSON Web Token of ours", hint="issue a new one", reason="TOKEN_MALFORMED"
    )


def _bearer(header: str) -> str:
    """The token of an ``authorization`` header."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError(
            "the authorization header is no bearer token", hint="send 'Bearer <token>'", reason="TOKEN_MALFORMED"
        )
    return token.strip()
