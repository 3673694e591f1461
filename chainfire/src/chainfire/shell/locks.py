"""The Lock service: a queue of keys, whose front has the lock.

Fence with the `create_revision` of the lock's key: of two owners the later has the larger one, so a store that refuses
revisions below the largest it has seen cannot be written by an owner that has lost its lock and does not know it yet.
"""

from __future__ import annotations

from chainfire.errors import LockSessionError
from chainfire.shell.queues import Queues, refusing_as_etcd
from ultracloud.api.etcd import lock_pb2
from ultracloud.api.rpc import Call


class LockService:
    """Serves v3lockpb.Lock."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def lock(self, request: lock_pb2.LockRequest, call: Call, /) -> lock_pb2.LockResponse:
        """Wait until the lock is the caller's; a call that ends before that takes its key with it."""
        with refusing_as_etcd():
            place = await self._queues.enter(request.name, request.lease, b"", call)
            header = place.header
            if not place.is_first:
                header = await self._queues.wait_first(place, call, LockSessionError)
            return lock_pb2.LockResponse(header=header, key=place.key)

    async def unlock(self, request: lock_pb2.UnlockRequest, call: Call, /) -> lock_pb2.UnlockResponse:
        """Delete the lock's key; one that is gone is no error."""
        with refusing_as_etcd():
            answer = await self._queues.store.delete(request.key, call)
            return lock_pb2.UnlockResponse(header=answer.header)
