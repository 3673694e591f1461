"""Between our words and etcd's messages: nothing outside this module and its callers here sees protobuf."""

from __future__ import annotations

from typing import assert_never

from ultracloud.api.etcd import kv_pb2, rpc_pb2
from ultracloud.servicekit.coordination.words import (
    Compare,
    Delete,
    Deleted,
    Event,
    Get,
    Member,
    Operation,
    Pair,
    Put,
    Range,
    Result,
    Status,
    Target,
    Txn,
    TxnResult,
    Written,
)


def render_get(get: Get) -> rpc_pb2.RangeRequest:
    """A read."""
    order = rpc_pb2.RangeRequest.DESCEND if get.descending else rpc_pb2.RangeRequest.ASCEND
    return rpc_pb2.RangeRequest(
        key=get.key,
        range_end=get.end,
        limit=get.limit,
        revision=get.revision,
        sort_order=order,
        sort_target=rpc_pb2.RangeRequest.SortTarget.Name(get.sort_by.value),
        serializable=get.serializable,
        keys_only=get.keys_only,
        count_only=get.count_only,
        min_mod_revision=get.min_mod_revision,
        max_mod_revision=get.max_mod_revision,
        min_create_revision=get.min_create_revision,
        max_create_revision=get.max_create_revision,
    )


def render_put(put: Put) -> rpc_pb2.PutRequest:
    """A write."""
    return rpc_pb2.PutRequest(
        key=put.key,
        value=put.value or b"",
        lease=put.lease or 0,
        prev_kv=put.previous,
        ignore_value=put.value is None,
        ignore_lease=put.lease is None,
    )


def render_delete(delete: Delete) -> rpc_pb2.DeleteRangeRequest:
    """A removal."""
    return rpc_pb2.DeleteRangeRequest(key=delete.key, range_end=delete.end, prev_kv=delete.previous)


def render_txn(txn: Txn) -> rpc_pb2.TxnRequest:
    """A transaction, with those inside it."""
    return rpc_pb2.TxnRequest(
        compare=map(_render_compare, txn.compares),
        success=map(_render_operation, txn.success),
        failure=map(_render_operation, txn.failure),
    )


def _render_operation(operation: Operation) -> rpc_pb2.RequestOp:
    match operation:
        case Get():
            return rpc_pb2.RequestOp(request_range=render_get(operation))
        case Put():
            return rpc_pb2.RequestOp(request_put=render_put(operation))
        case Delete():
            return rpc_pb2.RequestOp(request_delete_range=render_delete(operation))
        case Txn():
            return rpc_pb2.RequestOp(request_txn=render_txn(operation))
        case _:
            assert_never(operation)


def _render_compare(compare: Compare) -> rpc_pb2.Compare:
    message = rpc_pb2.Compare(
        key=compare.key,
        range_end=compare.end,
        target=rpc_pb2.Compare.CompareTarget.Name(compare.target.value),
        result=rpc_pb2.Compare.CompareResult.Name(compare.relation.value),
    )
    operand = compare.operand
    match compare.target:
        case Target.VALUE:
            assert isinstance(operand, bytes), "a value is compared with bytes"
            message.value = operand
        case Target.VERSION:
            message.version = _number(operand)
        case Target.CREATE_REVISION:
            message.create_revision = _number(operand)
        case Target.MOD_REVISION:
            message.mod_revision = _number(operand)
        case Target.LEASE:
            message.lease = _number(operand)
        case _:
            assert_never(compare.target)
    return message


def _number(operand: int | bytes) -> int:
    assert isinstance(operand, int), "versions, revisions and leases are compared with numbers"
    return operand


def parse_pair(kv: kv_pb2.KeyValue) -> Pair:
    """A key and its value."""
    return Pair(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.lease, kv.version)


def parse_range(answer: rpc_pb2.RangeResponse, revision: int) -> Range:
    """What a read gave; inside a transaction the header is empty, and `revision` is the transaction's."""
    return Range(tuple(map(parse_pair, answer.kvs)), answer.header.revision or revision, answer.count, answer.more)


def parse_put(answer: rpc_pb2.PutResponse, revision: int) -> Written:
    """What a write did."""
    previous = parse_pair(answer.prev_kv) if answer.HasField("prev_kv") else None
    return Written(answer.header.revision or revision, previous)


def parse_delete(answer: rpc_pb2.DeleteRangeResponse, revision: int) -> Deleted:
    """What a removal did."""
    return Deleted(answer.deleted, answer.header.revision or revision, tuple(map(parse_pair, answer.prev_kvs)))


def parse_txn(answer: rpc_pb2.TxnResponse, revision: int = 0) -> TxnResult:
    """Which way a transaction went and what it gave."""
    at = answer.header.revision or revision
    return TxnResult(answer.succeeded, at, tuple(_parse_operation(response, at) for response in answer.responses))


def _parse_operation(answer: rpc_pb2.ResponseOp, revision: int) -> Result:
    match answer.WhichOneof("response"):
        case "response_range":
            return parse_range(answer.response_range, revision)
        case "response_put":
            return parse_put(answer.response_put, revision)
        case "response_delete_range":
            return parse_delete(answer.response_delete_range, revision)
        case _:
            return parse_txn(answer.response_txn, revision)


def parse_event(event: kv_pb2.Event) -> Event:
    """What happened to a key."""
    pair = parse_pair(event.kv) if event.type == kv_pb2.Event.PUT else None
    previous = parse_pair(event.prev_kv) if event.HasField("prev_kv") else None
    return Event(event.kv.key, pair, event.kv.mod_revision, previous)


def parse_status(answer: rpc_pb2.StatusResponse, endpoint: str) -> Status:
    """What a member says of itself."""
    return Status(
        endpoint=endpoint,
        cluster=answer.header.cluster_id,
        member=answer.header.member_id,
        leader=answer.leader,
        revision=answer.header.revision,
        term=answer.raftTerm,
        index=answer.raftIndex,
        applied=answer.raftAppliedIndex,
        size_bytes=answer.dbSize,
        version=answer.version,
        is_learner=answer.isLearner,
        errors=tuple(answer.errors),
    )


def parse_member(member: rpc_pb2.Member) -> Member:
    """One member."""
    return Member(member.ID, member.name, tuple(member.peerURLs), tuple(member.clientURLs), member.isLearner)
