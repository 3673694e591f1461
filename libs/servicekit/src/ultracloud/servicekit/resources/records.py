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
    claims: tuple[str, ...] = field(default=())
    charges: Mapping[str, int] = field(default_factory=dict)

    @property
    def metadata(self) -> pb.Metadata:
        """The message's."""
        return metadata_of(self.message)


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
    """The resource in a stored record."""
    record = pb.Record.FromString(value)
    assert record.kind == kind.name, f"{record.metadata.id} is a {record.kind}, not a {kind.name}"
    message = kind.message()
    parts = shaped(message)
    parts.metadata.CopyFrom(record.metadata)
    parts.metadata.etag = etag_of(version)
    parts.spec.MergeFromString(record.spec)
    parts.status.MergeFromString(record.status)
    # An empty spec is a spec: `HasField` must not depend on which fields were set.
    parts.spec.SetInParent()
    parts.status.SetInParent()
    return Stored(message, version, tuple(record.claims), dict(record.charges))


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
