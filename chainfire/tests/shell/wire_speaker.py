"""A server as a partner in the store's conversations: the same words, over the wire."""

from __future__ import annotations

import grpc
from core.stores import parse, parse_query, parse_txn, shown
from shell.clients import Client, refusal

from chainfire.core.commands import (
    Alarm,
    AlarmSet,
    Command,
    Compact,
    Compare,
    CompareTarget,
    DeleteRange,
    LeaseGrant,
    LeaseRevoke,
    Operation,
    Put,
    Range,
    Txn,
)
from chainfire.core.keyvalue import KeyValue, LeaseId
from chainfire.core.results import (
    AlarmsResult,
    DeleteResult,
    Done,
    LeaseGranted,
    OperationResult,
    PutResult,
    RangeResult,
    Result,
    TxnResult,
)
from ultracloud.api.etcd import kv_pb2, rpc_pb2

OPERANDS = {
    CompareTarget.VERSION: "version",
    CompareTarget.CREATE: "create_revision",
    CompareTarget.MOD: "mod_revision",
    CompareTarget.VALUE: "value",
    CompareTarget.LEASE: "lease",
}


class WireSpeaker:
    """Says what a server answers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def say(self, words: list[str]) -> str:
        """Do one line; a refusal is an answer."""
        try:
            return self.answer(words)
        except grpc.RpcError as error:
            return refusal(error)

    def answer(self, words: list[str]) -> str:
        """Do one line.

        Raises:
            RpcError: It is refused.
        """
        match words:
            case ["leases"]:
                return self._leases()
            case ["get", *rest]:
                return shown(self._send(parse_query(rest)))
            case ["txn", *rest]:
                return shown(self._send(parse_txn(rest)))
            case _:
                return shown(self._send(parse(words)))

    def _send(self, command: Command | Range) -> Result:  # noqa: PLR0911 - one return a command
        """Send a command, and read the answer as the core would have given it."""
        client = self._client
        match command:
            case Range():
                return range_result(client("KV.Range", range_request(command)))
            case Put():
                return put_result(client("KV.Put", put_request(command)))
            case DeleteRange():
                return delete_result(client("KV.DeleteRange", delete_request(command)))
            case Txn():
                return txn_result(client("KV.Txn", txn_request(command)))
            case Compact():
                done = client("KV.Compact", rpc_pb2.CompactionRequest(revision=command.revision, physical=True))
                return Done(done.header.revision)
            case LeaseGrant():
                granted = client("Lease.LeaseGrant", rpc_pb2.LeaseGrantRequest(ID=command.lease, TTL=command.ttl_s))
                return LeaseGranted(granted.header.revision, granted.ID, granted.TTL)
            case LeaseRevoke():
                return Done(client("Lease.LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=command.lease)).header.revision)
            case AlarmSet():
                request = rpc_pb2.AlarmRequest(
                    action=command.action.name, memberID=command.member, alarm=command.alarm.name
                )
                answer = client("Maintenance.Alarm", request)
                pairs = sorted((alarm.memberID, Alarm(alarm.alarm)) for alarm in answer.alarms)
                return AlarmsResult(answer.header.revision, tuple(pairs))
            case _:
                raise AssertionError(command)

    def _leases(self) -> str:
        ids = sorted(lease.ID for lease in self._client("Lease.LeaseLeases", rpc_pb2.LeaseLeasesRequest()).leases)
        asked = [
            self._client("Lease.LeaseTimeToLive", rpc_pb2.LeaseTimeToLiveRequest(ID=lease, keys=True)) for lease in ids
        ]
        return "\n".join(f"lease {a.ID}: {a.grantedTTL} s, keys {sorted(a.keys)}" for a in asked)


def range_request(query: Range) -> rpc_pb2.RangeRequest:
    """A RangeRequest."""
    return rpc_pb2.RangeRequest(
        key=query.key,
        range_end=query.end,
        limit=query.limit,
        revision=query.revision,
        sort_order=query.order.name,
        sort_target=query.target.name,
        keys_only=query.keys_only,
        count_only=query.count_only,
        min_mod_revision=query.min_mod_revision,
        max_mod_revision=query.max_mod_revision,
        min_create_revision=query.min_create_revision,
        max_create_revision=query.max_create_revision,
    )


def put_request(put: Put) -> rpc_pb2.PutRequest:
    """A PutRequest."""
    return rpc_pb2.PutRequest(
        key=put.key,
        value=put.value,
        lease=put.lease,
        prev_kv=put.prev_kv,
        ignore_value=put.ignore_value,
        ignore_lease=put.ignore_lease,
    )


def delete_request(delete: DeleteRange) -> rpc_pb2.DeleteRangeRequest:
    """A DeleteRangeRequest."""
    return rpc_pb2.DeleteRangeRequest(key=delete.key, range_end=delete.end, prev_kv=delete.prev_kv)


def txn_request(txn: Txn) -> rpc_pb2.TxnRequest:
    """A TxnRequest."""
    return rpc_pb2.TxnRequest(
        compare=[compare_request(compare) for compare in txn.compare],
        success=[operation_request(operation) for operation in txn.success],
        failure=[operation_request(operation) for operation in txn.failure],
    )


def compare_request(compare: Compare) -> rpc_pb2.Compare:
    """A Compare."""
    made = rpc_pb2.Compare(
        key=compare.key, target=compare.target.name, result=compare.result.name, range_end=compare.end
    )
    setattr(made, OPERANDS[compare.target], compare.operand)
    return made


def operation_request(operation: Operation) -> rpc_pb2.RequestOp:
    """A RequestOp."""
    match operation:
        case Range():
            return rpc_pb2.RequestOp(request_range=range_request(operation))
        case Put():
            return rpc_pb2.RequestOp(request_put=put_request(operation))
        case DeleteRange():
            return rpc_pb2.RequestOp(request_delete_range=delete_request(operation))
        case Txn():
            return rpc_pb2.RequestOp(request_txn=txn_request(operation))


def record_of(kv: kv_pb2.KeyValue) -> KeyValue:
    """A record."""
    return KeyValue(kv.key, kv.create_revision, kv.mod_revision, kv.version, kv.value, LeaseId(kv.lease))


def range_result(answer: rpc_pb2.RangeResponse) -> RangeResult:
    """What a range found."""
    return RangeResult(answer.header.revision, tuple(map(record_of, answer.kvs)), answer.more, answer.count)


def put_result(answer: rpc_pb2.PutResponse) -> PutResult:
    """What a put replaced."""
    return PutResult(answer.header.revision, record_of(answer.prev_kv) if answer.HasField("prev_kv") else None)


def delete_result(answer: rpc_pb2.DeleteRangeResponse) -> DeleteResult:
    """What was deleted."""
    return DeleteResult(answer.header.revision, answer.deleted, tuple(map(record_of, answer.prev_kvs)))


def txn_result(answer: rpc_pb2.TxnResponse, outer_revision: int = 0) -> TxnResult:
    """What a txn did. The header of a nested one is empty on the wire; in words it has the outer one's revision."""
    revision = answer.header.revision or outer_revision
    results = tuple(_operation_result(inner, revision) for inner in answer.responses)
    return TxnResult(revision, answer.succeeded, results)


def _operation_result(answer: rpc_pb2.ResponseOp, revision: int) -> OperationResult:
    match answer.WhichOneof("response"):
        case "response_range":
            return range_result(answer.response_range)
        case "response_put":
            return put_result(answer.response_put)
        case "response_delete_range":
            return delete_result(answer.response_delete_range)
        case _:
            return txn_result(answer.response_txn, revision)
