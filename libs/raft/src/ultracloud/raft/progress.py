"""What a leader knows of one peer, and how much it may send it.

    PROBE      where the logs part is not known: one Append at a time, answered or given up at the next heartbeat
    REPLICATE  the logs are alike up to `match`: Append after Append without waiting, within a window
    SNAPSHOT   the peer needs entries that are gone: nothing is sent until the stream has ended

Source: the dissertation, section 10.2.1 (pipelining); the states are those of etcd's raft.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum


class PeerState(Enum):
    """How a peer is sent entries."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a leader tells of one peer.

    Attributes:
        match: Highest index known to be durable on the peer.
        next: Index of the entry to send next.
        is_active: It was heard of since quorum was last checked.
        heard_ticks: Ticks since it was last heard of; since the election, if never.
        inflight: Appends with entries that it has not answered.
    """

    match: int
    next: int
    state: PeerState
    is_active: bool
    heard_ticks: int
    inflight: int


class Peer:
    """One peer, as its leader sees it."""

    __slots__ = (
        "_inflight",
        "commit_told",
        "heard_tick",
        "inflight_bytes",
        "is_active",
        "is_paused",
        "match",
        "next",
        "round",
        "snapshot_index",
        "state",
    )

    def __init__(self, next_index: int, tick: int, *, is_active: bool) -> None:
        self.match = 0
        self.next = next_index
        self.state = PeerState.PROBE
        self.is_active = is_active
        self.is_paused = False
        """A probe is on its way."""
        self.heard_tick = tick
        self.round = 0
        """Highest heartbeat round it answered."""
        self.commit_told = 0
        """Commit index that it was sent in this state."""
        self.snapshot_index = 0
        self._inflight: deque[tuple[int, int]] = deque()
        self.inflight_bytes = 0

    def shown(self, tick: int) -> Progress:
        """A copy for whoever asks."""
        return Progress(self.match, self.next, self.state, self.is_active, tick - self.heard_tick, len(self._inflight))

    def heard(self, tick: int) -> None:
        """Any answer of this term came."""
        self.is_active = True
        self.heard_tick = tick

    def is_full(self, appends_max: int, bytes_max: int) -> bool:
        """Whether the window is used up."""
        return len(self._inflight) >= appends_max or self.inflight_bytes >= bytes_max

    def sent(self, last: int, size: int) -> None:
        """An Append with entries up to `last` went out, in REPLICATE."""
        self.next = last + 1
        self._inflight.append((last, size))
        self.inflight_bytes += size

    def acked(self, index: int, base_index: int) -> bool:
        """The peer has everything up to `index`; the log is kept after `base_index`.

        Returns whether that was news.
        """
        is_news = index > self.match
        if is_news:
            self.match = index
            self.next = max(self.next, index + 1)
        while self._inflight and self._inflight[0][0] <= index:
            self.inflight_bytes -= self._inflight.popleft()[1]
        if self._can_replicate(base_index):
            told = min(self.commit_told, self.match)
            self._reset(PeerState.REPLICATE, self.match + 1)
            self.commit_told = told
        return is_news

    def _can_replicate(self, base_index: int) -> bool:
        """Whether what it has acknowledged ends its probing, or its waiting for a snapshot."""
        match self.state:
            case PeerState.PROBE:
                return True
            case PeerState.SNAPSHOT:
                return self.match >= min(self.snapshot_index, base_index)
            case PeerState.REPLICATE:
                return False

    def rejected(self, index: int, guess: int) -> bool:
        """The peer does not have the entry at `index`; its log may be alike up to `guess`.

        Returns whether to try again: an answer that is overtaken by events says nothing.
        """
        match self.state:
            case PeerState.SNAPSHOT:
                return False
            case PeerState.REPLICATE:
                if index <= self.match:
                    return False
                self.probe()
                return True
            case PeerState.PROBE:
                if index != self.next - 1:
                    return False
                self.next = max(min(index, guess + 1), self.match + 1)
                self.is_paused = False
                return True

    def probe(self) -> None:
        """Nothing is sure after `match`."""
        self._reset(PeerState.PROBE, self.match + 1)

    def snapshot(self, index: int) -> None:
        """A snapshot as of `index` is being sent."""
        self._reset(PeerState.SNAPSHOT, index + 1)
        self.snapshot_index = index

    def snapshot_sent(self, index: int, *, ok: bool) -> None:
        """The stream ended; the peer says itself, or when it is next heard of, what it made of it."""
        self._reset(PeerState.PROBE, (max(self.match, index) if ok else self.match) + 1)
        self.is_paused = True

    def _reset(self, state: PeerState, next_index: int) -> None:
        """Begin another state, with nothing on its way."""
        self.state = state
        self.next = next_index
        self.is_paused = False
        self.snapshot_index = 0
        self.commit_told = 0
        self._inflight.clear()
        self.inflight_bytes = 0
