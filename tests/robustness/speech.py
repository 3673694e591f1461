"""What clients say: from the words of the checks to etcd's messages, and the answers back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import assert_never

from google.protobuf.message import Message

from ultracloud.api.etcd import kv_pb2, rpc_pb2
from ultracloud.base.faults import CancelledError as CallCancelledError
from ultracloud.base.faults import DeadlineExceededError, Fault, InternalError, UnavailableError, UnknownError
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.coordination import Batch, Pair
from ultracloud.servicekit.coordination.errors import is_not_done, translate
from ultracloud.servicekit.streams import closing
from ultracloud.testkit.checks import history
from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Compare,
    Delete,
    Get,
    Grant,
    Kv,
    Op,
    Put,
    Renew,
    Revoke,
    Txn,
)

LEADER = (("hasleader", "true"),)
IN_DOUBT = (UnavailableError, DeadlineExceededError, CallCancelledError, UnknownError, InternalError)
"""Faults after which the request may have been done, or may still be."""

PADDING = b"."

_TARGETS = {"version": "VERSION", "create": "CREATE", "mod": "MOD", "value": "VALUE", "lease": "LEASE"}
_SIGNS = {"=": "EQUAL", "!=": "NOT_EQUAL", ">": "GREATER", "<": "LESS"}
_FIELDS = {"version": "version", "create": "create_revision", "mod": "mod_revision", "value": "value", "lease": "lease"}


async def ask(channel: PeerChannel, op: Op, timeout_s: float) -> history.Result:
    """Ask one member, once.

    Raises:
        Fault: As the channel.
    """
    match op:
        case Get():
            headers = () if op.serializable else LEADER
            got = await channel.once("/etcdserverpb.KV/Range", _get(op), rpc_pb2.RangeResponse, timeout_s, headers)
            return _got(got)
        case Put():
            put = await channel.once("/etcdserverpb.KV/Put", _put(op), rpc_pb2.PutResponse, timeout_s, LEADER)
            return _wrote(put)
        case Delete():
            path = "/etcdserverpb.KV/DeleteRange"
            return _deleted(await channel.once(path, _delete(op), rpc_pb2.DeleteRangeResponse, timeout_s, LEADER))
        case Txn():
            return _txn_done(
                await channel.once("/etcdserverpb.KV/Txn", _txn(op), rpc_pb2.TxnResponse, timeout_s, LEADER)
            )
        case Grant() | Renew() | Revoke():
            return await _ask_of_lease(channel, op, timeout_s)
        case _:
            assert_never(op)


async def _ask_of_lease(channel: PeerChannel, op: Grant | Renew | Revoke, timeout_s: float) -> history.Result:
    match op:
        case Grant():
            request: Message = rpc_pb2.LeaseGrantRequest(TTL=op.ttl_s, ID=op.lease)
            path = "/etcdserverpb.Lease/LeaseGrant"
            granted = await channel.once(path, request, rpc_pb2.LeaseGrantResponse, timeout_s, LEADER)
            return history.LeaseDone(granted.header.revision, granted.TTL)
        case Revoke():
            request = rpc_pb2.LeaseRevokeRequest(ID=op.lease)
            path = "/etcdserverpb.Lease/LeaseRevoke"
            revoked = await channel.once(path, request, rpc_pb2.LeaseRevokeResponse, timeout_s, LEADER)
            return history.LeaseDone(revoked.header.revision)
        case Renew():

            async def requests() -> AsyncGenerator[rpc_pb2.LeaseKeepAliveRequest, None]:
                yield rpc_pb2.LeaseKeepAliveRequest(ID=op.lease)

            path = "/etcdserverpb.Lease/LeaseKeepAlive"
            stream = channel.stream(path, requests(), rpc_pb2.LeaseKeepAliveResponse, timeout_s, LEADER)
            async with closing(stream) as answers:
                answer = await anext(answers, None)
            if answer is None:
                raise UnavailableError("the stream ended")
            return history.LeaseDone(answer.header.revision, max(0, answer.TTL))
        case _:
            assert_never(op)


def refusal(fault: Fault) -> history.Refused | history.Lost:
    """A fault: either it did not happen and never will, or nobody knows."""
    found = translate(fault)
    if is_not_done(found) or not isinstance(found, IN_DOUBT):
        return history.Refused(found.public)
    return history.Lost(found.public)


def told(batch: Batch, at_ms: float) -> history.Told:
    """One message of a watch."""
    return history.Told(at_ms, batch.revision, tuple(_event(event.key, event.pair, event.revision) for event in batch))


def _event(key: bytes, pair: Pair | None, revision: int) -> history.Event:
    if pair is None:
        return history.Event(Kv(key.decode(), "", 0, revision, 0))
    return history.Event(
        Kv(key.decode(), shown(pair.value), pair.create_revision, pair.mod_revision, pair.version, pair.lease)
    )


def stored(value: str) -> bytes:
    """A value as it is stored: ``name~5`` says that it has so many bytes more, which the history leaves out."""
    return value.encode() + PADDING * int(value.partition("~")[2] or 0)


def shown(value: bytes) -> str:
    """A value as the history has it.

    Raises:
        BrokenPromiseError: It is not what anybody stored.
    """
    text = value.rstrip(PADDING).decode()
    if stored(text) != value:
        raise BrokenPromiseError(f"a value has {len(value)} bytes and is no longer what was put: {value[:80]!r}")
    return text


def _get(op: Get) -> rpc_pb2.RangeRequest:
    return rpc_pb2.RangeRequest(
        key=op.key.encode(),
        range_end=op.end.encode(),
        limit=op.limit,
        revision=op.revision,
        serializable=op.serializable,
    )


def _put(op: Put) -> rpc_pb2.PutRequest:
    return rpc_pb2.PutRequest(key=op.key.encode(), value=stored(op.value), lease=op.lease, prev_kv=op.prev_kv)


def _delete(op: Delete) -> rpc_pb2.DeleteRangeRequest:
    return rpc_pb2.DeleteRangeRequest(key=op.key.encode(), range_end=op.end.encode(), prev_kv=op.prev_kv)


def _txn(op: Txn) -> rpc_pb2.TxnRequest:
    return rpc_pb2.TxnRequest(
        compare=map(_compare, op.compare), success=map(_operation, op.success), failure=map(_operation, op.failure)
    )


def _operation(op: Get | Put | Delete | Txn) -> rpc_pb2.RequestOp:
    match op:
        case Get():
            return rpc_pb2.RequestOp(request_range=_get(op))
        case Put():
            return rpc_pb2.RequestOp(request_put=_put(op))
        case Delete():
            return rpc_pb2.RequestOp(request_delete_range=_delete(op))
        case Txn():
            return rpc_pb2.RequestOp(request_txn=_txn(op))
        case _:
            assert_never(op)


def _compare(compare: Compare) -> rpc_pb2.Compare:
    made = rpc_pb2.Compare(
        key=compare.key.encode(),
        target=_TARGETS[compare.target],
        result=_SIGNS[compare.sign],
    )
    operand = compare.operand.encode() if isinstance(compare.operand, str) else compare.operand
    setattr(made, _FIELDS[compare.target], operand)
    return made


def _kv(kv: kv_pb2.KeyValue) -> Kv:
    return Kv(kv.key.decode(), shown(kv.value), kv.create_revision, kv.mod_revision, kv.version, kv.lease)


def _got(answer: rpc_pb2.RangeResponse) -> history.Got:
    return history.Got(answer.header.revision, tuple(map(_kv, answer.kvs)), answer.count)


def _wrote(answer: rpc_pb2.PutResponse) -> history.Wrote:
    previous = _kv(answer.prev_kv) if answer.HasField("prev_kv") else None
    return history.Wrote(answer.header.revision, previous)


def _deleted(answer: rpc_pb2.DeleteRangeResponse) -> history.Deleted:
    return history.Deleted(answer.header.revision, answer.deleted, tuple(map(_kv, answer.prev_kvs)))


def _txn_done(answer: rpc_pb2.TxnResponse) -> history.TxnDone:
    results = tuple(map(_operation_result, answer.responses))
    return history.TxnDone(answer.header.revision, answer.succeeded, results)


def _operation_result(answer: rpc_pb2.ResponseOp) -> history.OpResult:
    match answer.WhichOneof("response"):
        case "response_range":
            return _got(answer.response_range)
        case "response_put":
            return _wrote(answer.response_put)
        case "response_delete_range":
            return _deleted(answer.response_delete_range)
        case _:
            return _txn_done(answer.response_txn)
