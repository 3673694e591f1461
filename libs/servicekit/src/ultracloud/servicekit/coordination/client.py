"""The client of chainfire, and of any etcd: one store behind one or several members.

Source: etcd's v3 API (rpc.proto, kv.proto).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import (
    FailedPreconditionError,
    NotFoundError,
    OutOfRangeError,
    UnavailableError,
)
from ultracloud.servicekit import channels
from ultracloud.servicekit.channels import DEADLINE_S, PeerChannel
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination import codec
from ultracloud.servicekit.coordination.admin import Admin
from ultracloud.servicekit.coordination.endpoints import Endpoints
from ultracloud.servicekit.coordination.errors import CompactedError
from ultracloud.servicekit.coordination.guards import guarded
from ultracloud.servicekit.coordination.interface import PAGE, Coordinator
from ultracloud.servicekit.coordination.keeping import keep_alive
from ultracloud.servicekit.coordination.paging import pages_of
from ultracloud.servicekit.coordination.tokens import Credentials, Tokens
from ultracloud.servicekit.coordination.watching import Watching
from ultracloud.servicekit.coordination.words import (
    Batch,
    Delete,
    Deleted,
    Get,
    Pair,
    Put,
    Range,
    TimeToLive,
    Txn,
    TxnResult,
    Written,
    below,
    span,
)
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.streams import closing

RENEW_S = 2.0
"""A renewal is answered by the leader in milliseconds; after this another member is asked to pass it on."""


def connect(
    targets: str,
    identity: TlsIdentity | None = None,
    expect: str = "",
    *,
    credentials: Credentials | None = None,
    deadline_s: float = DEADLINE_S,
) -> Coordination:
    """A client; nothing is sent before the first call. Close it in the end.

    Args:
        targets: Addresses of the members, ``host:port`` or ``unix:/path``, with commas between them.
        identity: Who we are; None speaks plaintext.
        expect: SPIFFE URI the members' certificates must have; needed with `identity`.
        credentials: A user of the store, where it has users.
        deadline_s: For each call, with all its repetitions.

    Raises:
        InvalidArgumentError: One of `targets` is no address.
    """
    members = [channels.connect(target.strip(), identity, expect) for target in targets.split(",")]
    return Coordination(*members, credentials=credentials, deadline_s=deadline_s)


class Coordination(Coordinator):
    """See `Coordinator` and `connect`.

    Attributes:
        endpoints: The members that it asks.
        admin: The care of members.
    """

    def __init__(
        self, *members: PeerChannel, credentials: Credentials | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self.endpoints = Endpoints(members, Tokens(credentials) if credentials else None)
        self._deadline_s = deadline_s
        self.admin = Admin(self.endpoints, deadline_s)

    async def close(self) -> None:
        """End the connections."""
        await self.endpoints.close()

    async def put(self, key: bytes, value: bytes, lease: int = 0) -> int:
        """See `Coordinator`."""
        return (await self.write(Put(key=key, value=value, lease=lease))).revision

    async def write(self, put: Put) -> Written:
        """See `Coordinator`."""
        answer = await self.endpoints.unary(
            "/etcdserverpb.KV/Put",
            codec.render_put(put),
            rpc_pb2.PutResponse,
            harmless_twice=False,
            timeout_s=self._deadline_s,
        )
        return codec.parse_put(answer, 0)

    async def get(self, key: bytes) -> Pair | None:
        """See `Coordinator`."""
        found = await self.read(Get(key=key))
        return found.pairs[0] if found.pairs else None

    async def read(self, get: Get) -> Range:
        """See `Coordinator`."""
        try:
            answer = await self.endpoints.unary(
                "/etcdserverpb.KV/Range",
                codec.render_get(get),
                rpc_pb2.RangeResponse,
                harmless_twice=True,
                timeout_s=self._deadline_s,
                needs_leader=not get.serializable,
            )
        except OutOfRangeError as error:
            if error.reason == "COMPACTED":
                raise CompactedError(get.revision) from error
            raise
        return codec.parse_range(answer, 0)

    async def range(self, prefix: bytes, limit: int = 0) -> Range:
        """See `Coordinator`."""
        return await self.read(below(prefix, limit=limit))

    def pages(self, get: Get, page: int = PAGE) -> AsyncIterator[Range]:
        """See `Coordinator`."""
        return pages_of(self, get, page)

    async def delete(self, key: bytes) -> bool:
        """See `Coordinator`."""
        return (await self.remove(Delete(key=key))).count > 0

    async def remove(self, delete: Delete) -> Deleted:
        """See `Coordinator`."""
        answer = await self.endpoints.unary(
            "/etcdserverpb.KV/DeleteRange",
            codec.render_delete(delete),
            rpc_pb2.DeleteRangeResponse,
            harmless_twice=False,
            timeout_s=self._deadline_s,
        )
        return codec.parse_delete(answer, 0)

    async def txn(
        self,
        comparisons: Mapping[bytes, int],
        puts: Mapping[bytes, bytes],
        deletes: Sequence[bytes] = (),
        lease: int = 0,
    ) -> bool:
        """See `Coordinator`."""
        return (await self.perform(guarded(comparisons, puts, deletes, lease))).succeeded

    async def perform(self, txn: Txn, *, repeatable: bool = False) -> TxnResult:
        """See `Coordinator`."""
        answer = await self.endpoints.unary(
            "/etcdserverpb.KV/Txn",
            codec.render_txn(txn),
            rpc_pb2.TxnResponse,
            harmless_twice=repeatable or txn.is_read,
            timeout_s=self._deadline_s,
        )
        return codec.parse_txn(answer)

    async def compact(self, revision: int, *, physical: bool = False) -> None:
        """See `Coordinator`."""
        try:
            await self.endpoints.unary(
                "/etcdserverpb.KV/Compact",
                rpc_pb2.CompactionRequest(revision=revision, physical=physical),
                rpc_pb2.CompactionResponse,
                harmless_twice=False,
                timeout_s=self._deadline_s,
            )
        except OutOfRangeError as error:
            if error.reason == "COMPACTED":
                raise CompactedError(revision) from error
            raise

    async def grant(self, ttl_s: int, lease: int = 0) -> int:
        """See `Coordinator`. Sent again when nobody knows: a lease too many dies by itself."""
        request = rpc_pb2.LeaseGrantRequest(TTL=ttl_s, ID=lease)
        answer = await self.endpoints.unary(
            "/etcdserverpb.Lease/LeaseGrant",
            request,
            rpc_pb2.LeaseGrantResponse,
            harmless_twice=lease == 0,
            timeout_s=self._deadline_s,
        )
        if answer.error:
            raise FailedPreconditionError(answer.error)
        return answer.ID

    async def revoke(self, lease: int) -> None:
        """See `Coordinator`. Sent again when nobody knows, so NotFound may mean that it is done."""
        await self.endpoints.unary(
            "/etcdserverpb.Lease/LeaseRevoke",
            rpc_pb2.LeaseRevokeRequest(ID=lease),
            rpc_pb2.LeaseRevokeResponse,
            harmless_twice=True,
            timeout_s=self._deadline_s,
        )

    async def renew(self, lease: int) -> int:
        """See `Coordinator`."""

        async def requests() -> AsyncGenerator[rpc_pb2.LeaseKeepAliveRequest, None]:
            yield rpc_pb2.LeaseKeepAliveRequest(ID=lease)
            await asyncio.Event().wait()  # some servers drop the answer when the request side ends

        stream = self.endpoints.stream(
            "/etcdserverpb.Lease/LeaseKeepAlive", requests(), rpc_pb2.LeaseKeepAliveResponse, timeout_s=RENEW_S
        )
        async with closing(stream) as answers:
            answer = await anext(answers, None)
        if answer is None:
            raise UnavailableError("the lease cannot be renewed now", reason="LEASE_UNCERTAIN")
        if answer.TTL <= 0:
            raise NotFoundError(f"lease {lease:x} is gone", reason="LEASE_GONE")
        return answer.TTL

    async def keep(self, lease: int, ttl_s: int, clock: Clock) -> None:
        """See `Coordinator`."""
        await keep_alive(self, lease, ttl_s, clock)

    async def time_to_live(self, lease: int, *, keys: bool = False) -> TimeToLive:
        """See `Coordinator`."""
        answer = await self.endpoints.unary(
            "/etcdserverpb.Lease/LeaseTimeToLive",
            rpc_pb2.LeaseTimeToLiveRequest(ID=lease, keys=keys),
            rpc_pb2.LeaseTimeToLiveResponse,
            harmless_twice=True,
            timeout_s=self._deadline_s,
        )
        if answer.TTL < 0:
            raise NotFoundError(f"lease {lease:x} is gone", reason="LEASE_GONE")
        return TimeToLive(answer.TTL, answer.grantedTTL, tuple(answer.keys))

    async def leases(self) -> tuple[int, ...]:
        """See `Coordinator`."""
        answer = await self.endpoints.unary(
            "/etcdserverpb.Lease/LeaseLeases",
            rpc_pb2.LeaseLeasesRequest(),
            rpc_pb2.LeaseLeasesResponse,
            harmless_twice=True,
            timeout_s=self._deadline_s,
        )
        return tuple(each.ID for each in answer.leases)

    def watch(
        self, prefix: bytes, from_revision: int = 0, *, end: bytes | None = None, previous: bool = False
    ) -> AsyncGenerator[Batch, None]:
        """See `Coordinator`."""
        first, until = span(prefix) if end is None else (prefix, end)
        return Watching(self.endpoints, first, until, from_revision, previous=previous).run()
