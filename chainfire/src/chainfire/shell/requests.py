"""Messages as commands: the only place where a request's protobuf objects are read.

Numbers of enumerations that etcd does not have are refused here, so the core knows none.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

from chainfire.core.auth_commands import Permission, PermissionKind
from chainfire.core.commands import (
    Alarm,
    AlarmAction,
    AlarmSet,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    Operation,
    Put,
    Range,
    SortOrder,
    SortTarget,
    Txn,
)
from chainfire.core.keyvalue import LeaseId
from chainfire.core.watch import Wanted
from chainfire.errors import KeyNotFoundError
from ultracloud.api.etcd import auth_pb2, rpc_pb2
from ultracloud.base.faults import InvalidArgumentError

SMALLEST_KEY = b"\x00"
_NO_PUT = rpc_pb2.WatchCreateRequest.NOPUT
_NO_DELETE = rpc_pb2.WatchCreateRequest.NODELETE
_ORDERS = {member.value: member for member in SortOrder}
_TARGETS = {member.value: member for member in SortTarget}
_COMPARE_TARGETS = {member.value: member for member in CompareTarget}
_COMPARE_RESULTS = {member.value: member for member in CompareResult}
_ACTIONS = {member.value: member for member in AlarmAction}
_ALARMS = {member.value: member for member in Alarm}
_PERMISSIONS = {member.value: member for member in PermissionKind}

EnumT = TypeVar("EnumT", bound=IntEnum)


def put_of(request: rpc_pb2.PutRequest) -> Put:
    """A put."""
    return Put(
        request.key,
        request.value,
        LeaseId(request.lease),
        request.prev_kv,
        request.ignore_value,
        request.ignore_lease,
    )


def range_of(request: rpc_pb2.RangeRequest) -> Range:
    """A range.

    Raises:
        InvalidArgumentError: Its order or target is none of etcd's.
    """
    return Range(
        request.key,
        request.range_end,
        request.limit,
        request.revision,
        _known(_ORDERS, request.sort_order, "sort_order"),
        _known(_TARGETS, request.sort_target, "sort_target"),
        request.keys_only,
        request.count_only,
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    )


def delete_of(request: rpc_pb2.DeleteRangeRequest) -> DeleteRange:
    """A deletion."""
    return DeleteRange(request.key, request.range_end, request.prev_kv)


def txn_of(request: rpc_pb2.TxnRequest) -> Txn:
    """A txn.

    Raises:
        KeyNotFoundError: An operation is empty (etcd's word for it).
        InvalidArgumentError: A number is none of an enumeration.
    """
    return Txn(
        tuple([compare_of(compare) for compare in request.compare]),
        tuple([operation_of(operation) for operation in request.success]),
        tuple([operation_of(operation) for operation in request.failure]),
    )


def operation_of(request: rpc_pb2.RequestOp) -> Operation:
    """One operation of a txn; raises as `txn_of`."""
    match request.WhichOneof("request"):
        case "request_put":
            return put_of(request.request_put)
        case "request_range":
            return range_of(request.request_range)
        case "request_delete_range":
            return delete_of(request.request_delete_range)
        case "request_txn":
            return txn_of(request.request_txn)
        case _:
            raise KeyNotFoundError


def compare_of(request: rpc_pb2.Compare) -> Compare:
    """A comparison. As in etcd, an operand of another kind than the target counts as absent: 0, or no bytes.

    Raises:
        InvalidArgumentError: Its target or result is none of etcd's.
    """
    target = _known(_COMPARE_TARGETS, request.target, "target")
    operand: int | bytes
    match target:
        case CompareTarget.VERSION:
            operand = request.version
        case CompareTarget.CREATE:
            operand = request.create_revision
        case CompareTarget.MOD:
            operand = request.mod_revision
        case CompareTarget.VALUE:
            operand = request.value
        case CompareTarget.LEASE:
            operand = request.lease
    return Compare(request.key, target, _known(_COMPARE_RESULTS, request.result, "result"), operand, request.range_end)


def wanted_of(request: rpc_pb2.WatchCreateRequest) -> Wanted:
    """A watch."""
    return Wanted(
        # As in etcd: no key at all means from the smallest on.
        request.key or SMALLEST_KEY,
        request.range_end,
        request.start_revision,
        request.watch_id,
        puts=_NO_PUT not in request.filters,
        deletes=_NO_DELETE not in request.filters,
        prev_kv=request.prev_kv,
        progress=request.progress_notify,
        fragment=request.fragment,
    )


def alarm_of(request: rpc_pb2.AlarmRequest) -> AlarmSet:
    """An action on alarms.

    Raises:
        InvalidArgumentError: The action or alarm is none of etcd's.
    """
    action = _known(_ACTIONS, request.action, "action")
    return AlarmSet(action, request.memberID, _known(_ALARMS, request.alarm, "alarm"))


def permission_of(message: auth_pb2.Permission) -> Permission:
    """A permission.

    Raises:
        InvalidArgumentError: Its kind is none of etcd's.
    """
    return Permission(_known(_PERMISSIONS, message.permType, "permType"), message.key, message.range_end)


def _known(members: dict[int, EnumT], number: int, field: str) -> EnumT:
    member = members.get(number)
    if member is None:
        raise InvalidArgumentError(f"etcdserver: {field} is {number}; accepted: 0 to {max(members)}")
    return member
