"""What a connection between members brings: the events of `peerlink.Link`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chainfire.core.peerwire import Answer, Call, Failed, Purpose, Refusal, StreamTaken
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.words import NodeId


@dataclass(frozen=True, slots=True)
class Opened:
    """Both sides know each other; `peer` is NOBODY if it asks before it is a member."""

    peer: NodeId
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Messages:
    """Raft's messages that came together, in order."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class SnapshotBegun:
    """A snapshot comes; chunks follow."""

    install: Install


@dataclass(frozen=True, slots=True)
class ChunkCame:
    """The next bytes of the snapshot."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class SnapshotWhole:
    """All of the snapshot is here, and its length and digest are right."""


@dataclass(frozen=True, slots=True)
class SnapshotBroken:
    """The snapshot is worthless; `is_damaged` if what came is not what was sent."""

    sentence: str
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over: flush what is to be sent, then close.

    Attributes:
        why: The kind of refusal, by us or by them; None if the connection is lost.
        by_peer: They said so.
    """

    sentence: str
    why: Refusal | None = None
    by_peer: bool = False


Event: TypeAlias = (
    Opened
    | Messages
    | Call
    | Answer
    | Failed
    | SnapshotBegun
    | ChunkCame
    | SnapshotWhole
    | SnapshotBroken
    | StreamTaken
    | Closed
)
