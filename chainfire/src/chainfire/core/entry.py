"""A command as bytes: the body of a log entry. `decode(encode(c)) == c` for every command.

Little-endian; byte strings carry their length. The first byte says which command it is. A put, which is nearly all
there is, has a layout of its own that takes one pack.
"""

from __future__ import annotations

import struct
from typing import assert_never

from chainfire.core import auth_entry
from chainfire.core.commands import (
    Alarm,
    AlarmAction,
    AlarmSet,
    By,
    Caller,
    Command,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    MemberAdd,
    MemberCommand,
    MemberPromote,
    MemberPublish,
    MemberRemove,
    MemberUpdate,
    Operation,
    Put,
    Range,
    SortOrder,
    SortTarget,
    Txn,
)
from chainfire.core.keyvalue import LeaseId
from chainfire.core.membership import Member
from chainfire.core.packing import LENGTH, read_sized, read_words, sized, words

_PUT, _DELETE, _TXN, _COMPACT, _GRANT, _REVOKE, _CHECKPOINT, _ALARM, _RANGE = range(1, 10)
_MEMBER_ADD, _MEMBER_REMOVE, _MEMBER_PROMOTE, _MEMBER_UPDATE, _MEMBER_PUBLISH = range(10, 15)
_BY = 15
_PREV_KV, _IGNORE_VALUE, _IGNORE_LEASE = 1, 2, 4

_PUT_HEAD = struct.Struct("<BBqI")
_RANGE_BODY = struct.Struct("<qqBBBqqqq")
_ALARM_BODY = struct.Struct("<BQB")
_COMPARE_HEAD = struct.Struct("<BBB")
_PAIR = struct.Struct("<qq")
_NUMBER = struct.Struct("<q")
_MEMBER = struct.Struct("<Q")


class MalformedEntryError(ValueError):
    """Bytes that are no command: written by another version, or damaged in a way the checksum does not see."""


def encode(command: Command) -> bytes:
    """Give the bytes of a command."""
    if isinstance(command, Put):
        return _encode_put(command)
    out = bytearray()
    _write_command(out, command)
    return bytes(out)


def decode(body: bytes) -> Command:
    """Give the command of some bytes.

    Raises:
        MalformedEntryError: They are not a command, or more than one.
    """
    try:
        operation, end = _read_operation(body, 0)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedEntryError(f"an entry of {len(body)} bytes is no command: {error}") from error
    if end != len(body) or isinstance(operation, Range):
        raise MalformedEntryError(f"an entry of {len(body)} bytes holds {end} bytes of command")
    return operation


def _encode_put(put: Put) -> bytes:
    flags = put.prev_kv * _PREV_KV | put.ignore_value * _IGNORE_VALUE | put.ignore_lease * _IGNORE_LEASE
    return b"".join((_PUT_HEAD.pack(_PUT, flags, put.lease, len(put.key)), put.key, sized(put.value)))


def _write_command(out: bytearray, command: Command) -> None:
    match command:
        case Put() | DeleteRange() | Txn():
            _write_operation(out, command)
        case Compact():
            out += bytes([_COMPACT]) + _NUMBER.pack(command.revision)
        case LeaseGrant():
            out += bytes([_GRANT]) + _PAIR.pack(command.lease, command.ttl_s)
        case LeaseRevoke():
            out += bytes([_REVOKE]) + _NUMBER.pack(command.lease)
        case LeaseCheckpoint():
            out += bytes([_CHECKPOINT]) + LENGTH.pack(len(command.remaining))
            for lease, seconds in command.remaining:
                out += _PAIR.pack(lease, seconds)
        case AlarmSet():
            out += bytes([_ALARM]) + _ALARM_BODY.pack(command.action, command.member, command.alarm)
        case MemberAdd() | MemberRemove() | MemberPromote() | MemberUpdate() | MemberPublish():
            _write_member_command(out, command)
        case By():
            out += bytes([_BY]) + _MEMBER.pack(command.caller.auth_revision) + words((command.caller.user,))
            _write_command(out, command.command)
        case _:
            out += auth_entry.render(command)


def _write_member_command(out: bytearray, command: MemberCommand) -> None:
    match command:
        case MemberAdd():
            out += bytes([_MEMBER_ADD]) + render_member(command.member)
        case MemberRemove():
            out += bytes([_MEMBER_REMOVE]) + _MEMBER.pack(command.member)
        case MemberPromote():
            out += bytes([_MEMBER_PROMOTE]) + _MEMBER.pack(command.member)
        case MemberUpdate():
            out += bytes([_MEMBER_UPDATE]) + _MEMBER.pack(command.member) + words(command.peer_urls)
        case MemberPublish():
            out += bytes([_MEMBER_PUBLISH]) + _MEMBER.pack(command.member)
            out += words((command.name,)) + words(command.client_urls)
        case _:
            assert_never(command)


def render_member(member: Member) -> bytes:
    """Give the bytes of a member, as commands and snapshots have them."""
    head = _MEMBER.pack(member.member_id) + bytes([member.is_learner])
    return head + words((member.name,)) + words(member.peer_urls) + words(member.client_urls)


def parse_member(body: bytes, at: int) -> tuple[Member, int]:
    """Read what `render_member` made, and where it ends.

    Raises:
        ValueError: There is no member at `at`; so may `struct.error` and `IndexError`.
    """
    (member_id,) = _MEMBER.unpack_from(body, at)
    is_learner = bool(body[at + _MEMBER.size])
    names, at = read_words(body, at + _MEMBER.size + 1)
    peer_urls, at = read_words(body, at)
    client_urls, at = read_words(body, at)
    (name,) = names
    return Member(member_id, name, peer_urls, client_urls, is_learner), at


def _write_operation(out: bytearray, operation: Operation) -> None:
    match operation:
        case Put():
            out += _encode_put(operation)
        case DeleteRange():
            out += bytes([_DELETE, operation.prev_kv]) + sized(operation.key) + sized(operation.end)
        case Range():
            _write_range(out, operation)
        case Txn():
            out.append(_TXN)
            out += LENGTH.pack(len(operation.compare))
            for compare in operation.compare:
                _write_compare(out, compare)
            for branch in (operation.success, operation.failure):
                out += LENGTH.pack(len(branch))
                for step in branch:
                    _write_operation(out, step)
        case _:
            assert_never(operation)


def _write_range(out: bytearray, query: Range) -> None:
    out.append(_RANGE)
    out += sized(query.key) + sized(query.end)
    out += _RANGE_BODY.pack(
        query.limit,
        query.revision,
        query.order,
        query.target,
        query.keys_only | query.count_only << 1,
        query.min_mod_revision,
        query.max_mod_revision,
        query.min_create_revision,
        query.max_create_revision,
    )


def _write_compare(out: bytearray, compare: Compare) -> None:
    operand = compare.operand
    out += _COMPARE_HEAD.pack(compare.target, compare.result, isinstance(operand, bytes))
    out += sized(operand) if isinstance(operand, bytes) else _NUMBER.pack(operand)
    out += sized(compare.key) + sized(compare.end)


def _read_operation(body: bytes, at: int) -> tuple[Command | Range, int]:  # noqa: PLR0911 - one return a command
    kind = body[at]
    if kind == _PUT:
        return _read_put(body, at)
    at += 1
    if kind == _DELETE:
        key, end_at = read_sized(body, at + 1)
        end, after = read_sized(body, end_at)
        return DeleteRange(key, end, bool(body[at])), after
    if kind == _TXN:
        return _read_txn(body, at)
    if kind == _RANGE:
        return _read_range(body, at)
    if _MEMBER_ADD <= kind <= _MEMBER_PUBLISH:
        return _read_member_command(kind, body, at)
    if kind == _BY:
        return _read_by(body, at)
    if kind >= auth_entry.FIRST_KIND:
        return auth_entry.read(body, at - 1)
    return _read_rare(kind, body, at)


def _read_by(body: bytes, at: int) -> tuple[By, int]:
    (auth_revision,) = _MEMBER.unpack_from(body, at)
    (user,), at = read_words(body, at + _MEMBER.size)
    command, at = _read_operation(body, at)
    if isinstance(command, By | Range):
        raise ValueError(f"somebody asks for a {type(command).__name__}")  # noqa: TRY004 - of the bytes, as above
    return By(Caller(user, auth_revision), command), at


def _read_rare(kind: int, body: bytes, at: int) -> tuple[Command, int]:
    if kind == _COMPACT:
        return Compact(*_NUMBER.unpack_from(body, at)), at + _NUMBER.size
    if kind == _GRANT:
        lease, ttl_s = _PAIR.unpack_from(body, at)
        return LeaseGrant(LeaseId(lease), ttl_s), at + _PAIR.size
    if kind == _REVOKE:
        return LeaseRevoke(LeaseId(*_NUMBER.unpack_from(body, at))), at + _NUMBER.size
    if kind == _CHECKPOINT:
        return _read_checkpoint(body, at)
    if kind == _ALARM:
        action, member, alarm = _ALARM_BODY.unpack_from(body, at)
        return AlarmSet(AlarmAction(action), member, Alarm(alarm)), at + _ALARM_BODY.size
    raise ValueError(f"no command has the number {kind}")


def _read_member_command(kind: int, body: bytes, at: int) -> tuple[MemberCommand, int]:
    if kind == _MEMBER_ADD:
        member, at = parse_member(body, at)
        return MemberAdd(member), at
    (member_id,) = _MEMBER.unpack_from(body, at)
    at += _MEMBER.size
    if kind == _MEMBER_REMOVE:
        return MemberRemove(member_id), at
    if kind == _MEMBER_PROMOTE:
        return MemberPromote(member_id), at
    if kind == _MEMBER_UPDATE:
        peer_urls, at = read_words(body, at)
        return MemberUpdate(member_id, peer_urls), at
    (name,), at = read_words(body, at)
    client_urls, at = read_words(body, at)
    return MemberPublish(member_id, name, client_urls), at


def _read_put(body: bytes, at: int) -> tuple[Put, int]:
    _, flags, lease, key_length = _PUT_HEAD.unpack_from(body, at)
    key_at = at + _PUT_HEAD.size
    value, after = read_sized(body, key_at + key_length)
    key = body[key_at : key_at + key_length]
    put = Put(
        key, value, LeaseId(lease), bool(flags & _PREV_KV), bool(flags & _IGNORE_VALUE), bool(flags & _IGNORE_LEASE)
    )
    return put, after


def _read_txn(body: bytes, at: int) -> tuple[Txn, int]:
    (count,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    compares: list[Compare] = []
    for _ in range(count):
        compare, at = _read_compare(body, at)
        compares.append(compare)
    success, at = _read_branch(body, at)
    failure, at = _read_branch(body, at)
    return Txn(tuple(compares), success, failure), at


def _read_branch(body: bytes, at: int) -> tuple[tuple[Operation, ...], int]:
    (count,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    steps: list[Operation] = []
    for _ in range(count):
        step, at = _read_operation(body, at)
        if not isinstance(step, Operation):
            raise ValueError(f"a txn holds a {type(step).__name__}")  # noqa: TRY004 - of the bytes, not of an argument
        steps.append(step)
    return tuple(steps), at


def _read_compare(body: bytes, at: int) -> tuple[Compare, int]:
    target, result, is_bytes = _COMPARE_HEAD.unpack_from(body, at)
    at += _COMPARE_HEAD.size
    operand: bytes | int
    if is_bytes:
        operand, at = read_sized(body, at)
    else:
        (operand,) = _NUMBER.unpack_from(body, at)
        at += _NUMBER.size
    key, at = read_sized(body, at)
    end, at = read_sized(body, at)
    return Compare(key, CompareTarget(target), CompareResult(result), operand, end), at


def _read_range(body: bytes, at: int) -> tuple[Range, int]:
    key, at = read_sized(body, at)
    end, at = read_sized(body, at)
    limit, revision, order, target, only, *bounds = _RANGE_BODY.unpack_from(body, at)
    query = Range(
        key, end, limit, revision, SortOrder(order), SortTarget(target), bool(only & 1), bool(only & 2), *bounds
    )
    return query, at + _RANGE_BODY.size


def _read_checkpoint(body: bytes, at: int) -> tuple[LeaseCheckpoint, int]:
    (count,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    pairs = [_PAIR.unpack_from(body, at + _PAIR.size * number) for number in range(count)]
    return LeaseCheckpoint(tuple((LeaseId(lease), left) for lease, left in pairs)), at + _PAIR.size * count
