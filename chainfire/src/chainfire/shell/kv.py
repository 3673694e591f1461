"""The KV service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from chainfire.core import checks, render, txn
from chainfire.core.commands import Compact, Range, Txn
from chainfire.core.keyvalue import KeyValue, unpack
from chainfire.core.query import Found, chosen, find
from chainfire.core.results import DeleteResult, PutResult, RangeResult, Result, TxnResult
from chainfire.errors import LearnerRpcError
from chainfire.shell import requests
from chainfire.shell.encoded import Encoded
from chainfire.shell.guard import Guard
from chainfire.shell.node import Node
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call

REQUEST_MESSAGE_SLACK_BYTES = 512 * 1024
"""etcd's: messages a little over the limit of requests are still read, to be refused in its own words."""

KEY_HEAD_BYTES, FLAG_BYTES = 2, 2
"""What stands before a key of less than 128 bytes in a request, and what a flag takes."""
INLINE_KEYS_MAX = 500
"""Keys answered in one go: about a millisecond."""


class KvService:
    """Serves etcdserverpb.KV. Writes are answered when they are durable, without a task each."""

    def __init__(self, node: Node, guard: Guard) -> None:
        self._node = node
        self._guard = guard
        self._auth = node.machine.auth
        self._store = node.machine.store
        self._headers = node.headers

    def range(self, request: rpc_pb2.RangeRequest, call: Call, /) -> Encoded | Awaitable[Encoded]:
        """Read keys, from memory; many of them a few at a time, so that nobody else waits long."""
        node, key = self._node, request.key
        is_local = node.is_alone or (request.serializable and not self._auth.is_enabled)
        if key and request.ByteSize() == len(key) + KEY_HEAD_BYTES + (FLAG_BYTES if request.serializable else 0):
            # Nothing else is set: one key, which is what is asked most.
            if is_local:
                return self._get(key, call)
            if not request.serializable:
                return self._get_confirmed(key, call)
        query = requests.range_of(request)
        checks.check_key(query.key)
        if request.serializable or node.is_alone:
            if self._auth.is_enabled and self._guard.is_behind(call):
                return self._range_learned(query, call)
            return self._range(query, call)
        if node.is_learner:
            raise LearnerRpcError
        return self._range_confirmed(query, call)

    def _range(self, query: Range, call: Call) -> Encoded | Awaitable[Encoded]:
        """Read keys as they are here."""
        if self._auth.is_enabled:
            self._guard.check_read(call, query.key, query.end)
        found = find(self._store, query, self._store.revision)
        if len(found.records) > INLINE_KEYS_MAX:
            return self._found_many(found, query)
        return self._found(chosen(found, [unpack(record) for record in found.records], query))

    def put(self, request: rpc_pb2.PutRequest, call: Call, /) -> Awaitable[Encoded]:
        """Write a key."""
        put = requests.put_of(request)
        checks.check_put(put)
        if self._auth.is_enabled:
            return self._guard.propose(put, call, self._was_put)
        return self._node.propose(put, self._was_put)

    def delete_range(self, request: rpc_pb2.DeleteRangeRequest, call: Call, /) -> Awaitable[Encoded]:
        """Delete keys."""
        delete = requests.delete_of(request)
        checks.check_key(delete.key)
        return self._guard.propose(delete, call, self._was_deleted)

    def txn(self, request: rpc_pb2.TxnRequest, call: Call, /) -> Awaitable[Encoded] | Encoded:
        """Do one of two lists of operations; without writes it is answered from memory."""
        command = requests.txn_of(request)
        checks.check_txn(command, self._node.bounds.txn_operations_max)
        if txn.is_read_only(command):
            if self._node.is_alone:
                return self._read_txn(command, call)
            return self._node.read(lambda: self._read_txn(command, call))
        return self._guard.propose(command, call, self._was_run)

    def compact(self, request: rpc_pb2.CompactionRequest, call: Call, /) -> Awaitable[Encoded]:
        """Forget the past; `physical` waits until its space is free."""
        logged = self._guard.propose(Compact(request.revision), call, self._is_done)
        return self._when_swept(logged) if request.physical else logged

    def _get(self, key: bytes, call: Call) -> Encoded:
        """Read one key."""
        if self._auth.is_enabled:
            self._guard.check_read(call, key)
        record = self._store.get(key)
        header = self._headers.render(self._store.revision)
        return Encoded(header if record is None else render.single_response(header, record))

    def _get_confirmed(self, key: bytes, call: Call) -> Awaitable[Encoded]:
        """Read one key once this member has everything that was answered anywhere before."""
        if self._node.is_learner:
            raise LearnerRpcError
        return self._node.read(lambda: self._get(key, call))

    def _read_txn(self, command: Txn, call: Call) -> Encoded:
        self._guard.check_txn(call, command)
        return self._was_run(self._node.machine.read_txn(command))

    async def _range_learned(self, query: Range, call: Call) -> Encoded:
        """Read keys here, for a caller whose token this member has yet to learn of."""
        await self._guard.learn(call)
        answer = self._range(query, call)
        return answer if isinstance(answer, Encoded) else await answer

    async def _range_confirmed(self, query: Range, call: Call) -> Encoded:
        """Read keys once this member has everything that was answered anywhere before."""
        confirmed = self._node.confirm()
        if confirmed is not None:
            await confirmed
        answer = self._range(query, call)
        return answer if isinstance(answer, Encoded) else await answer

    async def _when_swept(self, logged: Awaitable[Encoded]) -> Encoded:
        answer = await logged
        await self._node.housekeeping.sweep()
        return answer

    async def _found_many(self, found: Found, query: Range) -> Encoded:
        """Answer with many keys. The records were all found at one revision and never change."""
        unpacked: list[KeyValue] = []
        for at in range(0, len(found.records), INLINE_KEYS_MAX):
            unpacked += map(unpack, found.records[at : at + INLINE_KEYS_MAX])
            await asyncio.sleep(0)
        result = chosen(found, unpacked, query)
        parts = [self._headers.render(result.revision)]
        for at in range(0, len(result.kvs), INLINE_KEYS_MAX):
            parts.append(render.range_part(result.kvs[at : at + INLINE_KEYS_MAX]))
            await asyncio.sleep(0)
        return Encoded(b"".join((*parts, render.range_end(result))))

    def _found(self, result: RangeResult) -> Encoded:
        return Encoded(render.range_response(self._headers.render(result.revision), result))

    def _was_put(self, result: Result) -> Encoded:
        assert isinstance(result, PutResult), result
        return Encoded(render.put_response(self._headers.render(result.revision), result))

    def _was_deleted(self, result: Result) -> Encoded:
        assert isinstance(result, DeleteResult), result
        return Encoded(render.delete_response(self._headers.render(result.revision), result))

    def _was_run(self, result: Result) -> Encoded:
        assert isinstance(result, TxnResult), result
        return Encoded(render.txn_response(self._headers.render(result.revision), result))

    def _is_done(self, result: Result) -> Encoded:
        return Encoded(self._headers.render(result.revision))
