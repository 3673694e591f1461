"""Audit records: what a change was, and the chain that shows whether one was altered, left out or put in. Pure.

A record holds the SHA-256 of the one before it, as bytes that are stored and never rendered again. So `verify` needs
nothing but the records and the two marks between which they stand; whoever keeps a mark elsewhere can tell later that
the end was not cut off either.

Source: RFC 6962 section 2 for why hashes are chained; Crosby and Wallach, "Efficient Data Structures for Tamper-Evident
Logging" (2009), section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import DataLossError
from ultracloud.servicekit.resources.indexes import text_of
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import metadata_of, spec_of

TEXT_LENGTH_MAX = 200
"""Characters of a value in a record: enough to see what it was; the record of a change is not a backup."""
START = pb.AuditMark(sequence=0, sha256=b"\x00" * 32)
"""Before the first record of a lane."""


def changes_of(kind: Kind[MessageT], old: MessageT | None, new: MessageT) -> list[pb.FieldChange]:
    """What differs in spec and labels; without `old`, what is set at all. Status is nobody's request."""
    before = old if old is not None else kind.message()
    found = list(_differences("spec", spec_of(before), spec_of(new)))
    for change in found:
        if change.path.split(".")[1] in kind.secret:
            change.old, change.new, change.secret = "", "", True
    labels, were = metadata_of(new).labels, metadata_of(before).labels
    differing = [key for key in sorted({*labels, *were}) if labels.get(key) != were.get(key)]
    found.extend(pb.FieldChange(path=f"labels.{key}", old=were.get(key), new=labels.get(key)) for key in differing)
    return found


def sealed(draft: pb.AuditRecord, lane: int, last: pb.AuditMark) -> tuple[bytes, pb.AuditMark]:
    """A record as the next of a lane: what to store, and where the lane ends then."""
    record = pb.AuditRecord()
    record.CopyFrom(draft)
    record.lane, record.sequence, record.previous_sha256 = lane, last.sequence + 1, last.sha256
    stored = record.SerializeToString(deterministic=True)
    return stored, mark_of(record.sequence, stored)


def mark_of(sequence: int, stored: bytes) -> pb.AuditMark:
    """The mark behind a stored record."""
    return pb.AuditMark(sequence=sequence, sha256=hashlib.sha256(stored).digest())


def verify(lane: int, stored: Iterable[bytes], floor: pb.AuditMark, head: pb.AuditMark) -> list[pb.AuditRecord]:
    """The records of a lane, if they are all there and as they were written.

    Args:
        lane: Which.
        stored: Its records as they are stored, in order.
        floor: The mark behind which they begin; START if none has been dropped.
        head: The mark they end with.

    Raises:
        DataLossError: A record was altered, left out, put in or moved, or the end was cut off; the sentence says where.
    """
    last, found = floor, list[pb.AuditRecord]()
    for one in stored:
        record = _parsed(lane, last.sequence + 1, one)
        if (record.lane, record.sequence) != (lane, last.sequence + 1):
            raise _broken(lane, last.sequence + 1, f"record {record.sequence} of lane {record.lane} stands there")
        if record.previous_sha256 != last.sha256:
            raise _broken(
                lane, record.sequence, "it does not follow the record before it, so one of the two was altered"
            )
        last = mark_of(record.sequence, one)
        found.append(record)
    if last != head:
        raise _broken(lane, last.sequence, f"the lane ends there and not with record {head.sequence} as it was written")
    return found


def _parsed(lane: int, sequence: int, stored: bytes) -> pb.AuditRecord:
    """One record."""
    try:
        return pb.AuditRecord.FromString(stored)
    except DecodeError as error:
        raise _broken(lane, sequence, "it is no record") from error


def _broken(lane: int, sequence: int, why: str) -> DataLossError:
    """What tells where a chain is broken."""
    return DataLossError(
        f"audit record {sequence} of lane {lane}: {why}; compare with a backup", reason="AUDIT_CHAIN_BROKEN"
    )


def _differences(path: str, old: Message, new: Message) -> Iterator[pb.FieldChange]:
    """Fields that differ, down to those that hold plain values or lists."""
    # Most fields of most specs are not set: those are not looked at.
    for field in sorted({field for message in (old, new) for field, _ in message.ListFields()}, key=_index):
        name = field.name
        before, after = getattr(old, name), getattr(new, name)
        if field.message_type is not None and not field.is_repeated:
            yield from _differences(f"{path}.{name}", before, after)
        elif before != after:
            yield pb.FieldChange(path=f"{path}.{name}", old=_text(field, before), new=_text(field, after))


def _index(field: FieldDescriptor) -> int:
    """Where a field stands in its message."""
    return int(field.index)


def _text(field: Any, value: Any) -> str:
    """A field's value as a person reads it."""
    if not field.is_repeated:
        return text_of(field, value)[:TEXT_LENGTH_MAX]
    shown = [f"{key}: {_one(field, value[key])}" if isinstance(value, Mapping) else _one(field, key) for key in value]
    return ", ".join(shown)[:TEXT_LENGTH_MAX]


def _one(field: Any, value: object) -> str:
    """One of a field's values."""
    if isinstance(value, Message):
        return "{" + text_format.MessageToString(value, as_one_line=True) + "}"
    return text_of(field, value)
