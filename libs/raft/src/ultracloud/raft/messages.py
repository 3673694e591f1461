"""What nodes say to each other. Every message has a receiver, a sender and the sender's term.

Messages may be lost, doubled and overtaken, but for `Forward`: a doubled one would be logged twice, so whoever carries
messages delivers it at most once.

Source: the Raft paper, figure 2 and section 7; the dissertation, sections 3.10 (TimeoutNow), 6.4 (reads), 9.6
(pre-vote).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ultracloud.raft.words import Entry, NodeId, SnapshotMark


@dataclass(frozen=True, slots=True)
class Append:
    """A leader's entries; without any it finds out where logs part, or tells the commit index."""

    to: NodeId
    sender: NodeId
    term: int
    prev_index: int
    prev_term: int
    commit: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Appended:
    """Answer to `Append` and `Install`.

    Attributes:
        index: The last index that is now alike and durable; of a rejection, the `prev_index` that was rejected.
        hint_index: Of a rejection: where the leader should try next.
        hint_term: The receiver's term there.
    """

    to: NodeId
    sender: NodeId
    term: int
    index: int
    rejected: bool = False
    hint_index: int = 0
    hint_term: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The leader is there.

    Attributes:
        commit: What of the receiver's log is committed.
        round: Rises; an answer confirms that the sender still led when the round began. With 0 it only tells the commit
            index, and is not answered.
    """

    to: NodeId
    sender: NodeId
    term: int
    commit: int
    round: int = 0


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """Answer to `Heartbeat`, with its round."""

    to: NodeId
    sender: NodeId
    term: int
    round: int = 0


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """Somebody wants to lead in `term`.

    Attributes:
        is_pre: Only asks whether it could; `term` is the one it would take.
        is_transfer: The leader asked it to: stickiness to that leader does not count.
        commit: What the sender knows to be committed, and the term of that entry; 0 and 0 tell nothing.
    """

    to: NodeId
    sender: NodeId
    term: int
    last_index: int
    last_term: int
    is_pre: bool = False
    is_transfer: bool = False
    commit: int = 0
    commit_term: int = 0


@dataclass(frozen=True, slots=True)
class Vote:
    """Answer to `VoteRequest`, with what the voter knows to be committed."""

    to: NodeId
    sender: NodeId
    term: int
    granted: bool
    is_pre: bool = False
    commit: int = 0
    commit_term: int = 0


@dataclass(frozen=True, slots=True)
class Install:
    """The receiver's log is too far behind: it needs the state as of `mark`.

    The sender's shell streams that state (as of `mark` or later; then it replaces `mark`), and the receiver's shell
    hands this message to its core only when it has all of it.
    """

    to: NodeId
    sender: NodeId
    term: int
    mark: SnapshotMark


@dataclass(frozen=True, slots=True)
class TimeoutNow:
    """The leader wants the receiver to lead: campaign at once."""

    to: NodeId
    sender: NodeId
    term: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Proposals of a follower, for the leader of `term` to log; in any other term they are dropped."""

    to: NodeId
    sender: NodeId
    term: int
    bodies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A follower asks the leader which index a linearizable read must see."""

    to: NodeId
    sender: NodeId
    term: int
    context: int


@dataclass(frozen=True, slots=True)
class ReadReply:
    """Answer to `ReadRequest`."""

    to: NodeId
    sender: NodeId
    term: int
    context: int
    index: int


Message: TypeAlias = (
    Append
    | Appended
    | Heartbeat
    | HeartbeatReply
    | VoteRequest
    | Vote
    | Install
    | TimeoutNow
    | Forward
    | ReadRequest
    | ReadReply
)
