"""Between a kind's message and the stored record; the one place that knows all kinds have the same shape."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.store import Entry

_SHORT = tuple(bytes([length]) for length in range(0x80))
"""Lengths of seven bits."""


class Shaped(Protocol):
    """What every kind's message has."""

    metadata: pb.Metadata
    spec: Message
    status: Message


class _HasConditions(Protocol):
    """What every kind's status has."""

    conditions: MutableSequence[pb.Condition]


@dataclass(frozen=True, slots=True)
class Stored(Generic[MessageT]):
    """A resource as it is in the store: the message (etag filled in), the version, what it holds and counts for."""

    message: MessageT
    version: int
    _parts: pb.RecordParts | None = field(default=None, repr=False, compare=False)

    @property
    def metadata(self) -> pb.Metadata:
        """The message's."""
        return metadata_of(self.message)

    @property
    def claims(self) -> tuple[str, ...]:
        """What it alone holds."""
        return tuple(self._parts.claims) if self._parts is not None else ()

    @property
    def charges(self) -> dict[str, int]:
        """What it counts for."""
        return dict(self._parts.charges) if self._parts is not None else {}


def shaped(message: Message) -> Shaped:
    """`message` with the three fields all kinds have."""
    return cast("Shaped", message)


def metadata_of(message: Message) -> pb.Metadata:
    """The metadata of any kind's message."""
    return shaped(message).metadata


def spec_of(message: Message) -> Message:
    """The spec of any kind's message."""
    return shaped(message).spec


def status_of(message: Message) -> Message:
    """The status of any kind's message."""
    return shaped(message).status


def conditions_of(message: Message) -> MutableSequence[pb.Condition]:
    """The conditions in the status of any kind's message."""
    return cast("_HasConditions", status_of(message)).conditions


def etag_of(version: int) -> str:
    """What a caller sends back to change only what it read."""
    return f"{version:x}"


def render(kind: Kind[MessageT], message: MessageT, claims: Sequence[str], charges: Mapping[str, int]) -> bytes:
    """The record to store."""
    record = pb.Record(kind=kind.name, claims=claims, charges=charges)
    record.metadata.CopyFrom(metadata_of(message))
    # The etag is the version the store gives to this write.
    record.metadata.etag = ""
    record.spec = spec_of(message).SerializeToString(deterministic=True)
    record.status = status_of(message).SerializeToString(deterministic=True)
    return record.SerializeToString(deterministic=True)


def parse(kind: Kind[MessageT], value: bytes, version: int) -> Stored[MessageT]:
    """The resource in a stored record.

    A page is a thousand of these. All kinds have metadata, spec and status as their fields 1, 2 and 3, which `Kind`
    checks, so the stored bytes are put together to a message instead of each being parsed and copied into one. The
    etag is metadata's field 6: appended, it replaces the empty one.
    """
    parts = pb.RecordParts.FromString(value)
    assert parts.kind == kind.name, f"a record in {kind.name} is a {parts.kind}"
    etag = etag_of(version).encode()
    metadata = b"%b\x32%c%b" % (parts.metadata, len(etag), etag)
    # An empty spec is a spec: `HasField` must not depend on which fields were set.
    spec, status = parts.spec, parts.status
    raw = b"\x0a%b%b\x12%b%b\x1a%b%b" % (
        _length(len(metadata)),
        metadata,
        _length(len(spec)),
        spec,
        _length(len(status)),
        status,
    )
    return Stored(kind.message.FromString(raw), version, parts)


def _length(length: int) -> bytes:
    """A length as protobuf writes it."""
    if length < len(_SHORT):
        return _SHORT[length]
    return bytes([length & 0x7F | 0x80]) + _length(length >> 7)


def parse_entry(kind: Kind[MessageT], entry: Entry) -> Stored[MessageT]:
    """The same, of what a store gave."""
    return parse(kind, entry.value, entry.version)


def copy(message: MessageT) -> MessageT:
    """A message that can be changed without changing `message`."""
    fresh = type(message)()
    fresh.CopyFrom(message)
    return fresh


def timestamp(now_ms: int) -> Timestamp:
    """Milliseconds since 1970 as protobuf writes them."""
    return Timestamp(seconds=now_ms // 1000, nanos=now_ms % 1000 * 1_000_000)


def milliseconds(moment: Timestamp) -> int:
    """The opposite of `timestamp`."""
    return moment.seconds * 1000 + moment.nanos // 1_000_000
