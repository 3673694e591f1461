"""The AuditHeads service: signs where audit trails end, with the key that signs tokens.

What is signed begins with other bytes than any token, and names the service that asked, so that it can pass neither as
a token nor as another service's.
"""

from __future__ import annotations

from iam.shell.keys import Keys
from ultracloud.api.iam.v1 import audit_heads_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import InvalidArgumentError, PermissionDeniedError
from ultracloud.base.principals import PrincipalKind, spiffe_parts
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.resources.export import Signature, signed_text

DIGEST_BYTES = 32


class Heads:
    """Signs."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def sign(self, service: str, digest: bytes) -> Signature:
        """A service's digest, signed.

        Raises:
            UnavailableError: There is no key yet.
        """
        kid, private = self._keys.signer()
        now_s = self._clock.now_ms() // 1000
        signature = private.sign(signed_text(service, now_s, digest))
        return Signature(kid, private.public_key().public_bytes_raw(), now_s, signature)

    async def sign_own(self, digest: bytes) -> Signature:
        """The same of iam's own trail."""
        return self.sign("iam", digest)


class AuditHeadsServer:
    """Serves ultracloud.iam.v1.AuditHeads."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads

    def sign(self, request: pb.SignHeadsRequest, call: Call) -> pb.SignHeadsResponse:
        """Sign for the service that calls."""
        caller = principal_of(call)
        if caller.kind is not PrincipalKind.SERVICE:
            raise PermissionDeniedError("only services have their audit trails signed", reason="NOT_A_SERVICE")
        if len(request.sha256) != DIGEST_BYTES:
            raise InvalidArgumentError(f"sha256 has {len(request.sha256)} bytes; accepted: {DIGEST_BYTES}")
        signed = self._heads.sign(spiffe_parts(caller.id)[1]["service"], request.sha256)
        return pb.SignHeadsResponse(
            kid=signed.kid,
            signature=signed.signature,
            signed_at_s=signed.signed_at_s,
            public_key=signed.public_key,
        )
