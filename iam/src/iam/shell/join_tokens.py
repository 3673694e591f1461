"""Join tokens: the kind, and what only this service may do with them.

What a machine is given is ``ucj.<id>.<secret>``. Of the secret the store keeps a SHA-256, in a key of its own that no
RPC reads, and that goes in the transaction that issues the certificate: that is why a token works once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from google.protobuf.message import Message

from iam.core.ca_admission import bad_token, check_join_ttl, check_pattern
from iam.shell.qr import qr_text
from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1.ca_rpc import JOIN_TOKENS
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.ids import is_id
from ultracloud.servicekit.resources import Context, Kind, KindServer, Resources, Scope
from ultracloud.servicekit.resources.records import milliseconds, timestamp
from ultracloud.servicekit.store import Committed, Store

WORD = "ucj"
"""What every join token begins with, so that people and scanners of leaked secrets know one."""
SECRET_BYTES = 20
"""160 bits: nobody guesses it, and it still fits a small QR code."""
TOKEN_LENGTH_MAX = 200
DESCRIPTION_LENGTH_MAX = 1000
PREFIX = b"keys/join/"


def _admit(context: Context, new: pb.JoinToken, old: pb.JoinToken | None) -> pb.JoinToken:
    if len(new.spec.description) > DESCRIPTION_LENGTH_MAX:
        raise InvalidArgumentError(
            f"description has {len(new.spec.description)} characters; at most {DESCRIPTION_LENGTH_MAX} are accepted",
            reason="DESCRIPTION_TOO_LONG",
        )
    if old is None:
        check_pattern(new.spec.identity)
        ttl_s = check_join_ttl(new.spec.ttl_s)
        new.spec.ttl_s = ttl_s
        new.status.expires_at.CopyFrom(timestamp(context.clock.now_ms() + ttl_s * 1000))
    return new


JOIN_TOKEN = Kind(
    name="JoinToken",
    prefix="join",
    service=JOIN_TOKENS,
    message=pb.JoinToken,
    scope=Scope.ROOT,
    admit=_admit,
    immutable=frozenset({"identity", "ttl_s"}),
    indexed=("spec.identity",),
)


class JoinTokensServer(KindServer[pb.JoinToken]):
    """Serves ultracloud.iam.v1.JoinTokens."""

    def __init__(self, resources: Resources, store: Store) -> None:
        super().__init__(resources, JOIN_TOKEN)
        self._store = store

    async def create(self, request: Message, call: Call) -> pb.JoinToken:
        """Make one, and tell it: only now, and only to who really made it."""
        made = await super().create(request, call)
        secret = secrets.token_hex(SECRET_BYTES)
        # The same request sent twice finds the key there: what was told once is not told again.
        key = secret_key(made.metadata.id)
        if not made.status.HasField("used_at"):
            done = await self._store.txn({key: 0}, {key: hashlib.sha256(secret.encode()).digest()})
            if isinstance(done, Committed):
                made.token = f"{WORD}.{made.metadata.id}.{secret}"
                made.qr = qr_text(made.token)
        return made

    async def delete(self, request: DeleteRequest, call: Call) -> pb.JoinToken:
        """Revoke one."""
        gone = await super().delete(request, call)
        await self._store.txn({}, {secret_key(gone.metadata.id): None})
        return gone


class JoinTokens:
    """What a token lets in, as the authority asks."""

    def __init__(self, resources: Resources, store: Store) -> None:
        self._resources = resources
        self._store = store

    async def check(self, token: str) -> tuple[pb.JoinToken, tuple[bytes, int]]:
        """The token that a text is, and the key and version of the store to spend with it.

        Raises:
            UnauthenticatedError: It is not good, for whatever reason.
        """
        parts = token.split(".") if len(token) <= TOKEN_LENGTH_MAX else []
        word, identifier, secret = parts if len(parts) == 3 else ("", "", "")  # noqa: PLR2004 - word, id, secret
        if word != WORD or not is_id(identifier, JOIN_TOKEN.prefix):
            raise bad_token()
        kept = await self._store.get(secret_key(identifier))
        given = hashlib.sha256(secret.encode()).digest()
        if kept is None or not hmac.compare_digest(kept.value, given):
            raise bad_token()
        found = await self._resources.read(JOIN_TOKEN, identifier)
        if found is None or milliseconds(found.message.status.expires_at) <= self._resources.clock.now_ms():
            raise bad_token()
        return found.message, (kept.key, kept.version)

    async def note_use(self, token: pb.JoinToken, identity: str, source: str) -> None:
        """Write down who came with it."""

        def change(message: pb.JoinToken) -> None:
            message.status.used_at.CopyFrom(timestamp(self._resources.clock.now_ms()))
            message.status.used_by, message.status.used_from = identity, source

        await self._resources.change_status(JOIN_TOKEN, token.metadata.id, change)

    async def proof(self, identifier: str, content: bytes) -> str:
        """What shows the holder of a token that `content` comes from here: an HMAC with what is kept of its secret.

        Raises:
            FailedPreconditionError: There is no such token, or it is used.
        """
        if is_id(identifier, JOIN_TOKEN.prefix):
            kept = await self._store.get(secret_key(identifier))
            if kept is not None:
                return hmac.new(kept.value, content, hashlib.sha256).hexdigest()
        raise FailedPreconditionError(bad_token().public, reason="JOIN_TOKEN_REFUSED")


def secret_key(identifier: str) -> bytes:
    """Where the digest of a token's secret is."""
    return PREFIX + identifier.encode()
