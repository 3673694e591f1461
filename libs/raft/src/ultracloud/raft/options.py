"""What may be chosen of a node's behaviour, with the bounds that keep it sound."""

from __future__ import annotations

from dataclasses import dataclass

ELECTION_TICKS_MAX = 10_000
"""A cluster that waits longer for its next leader is not available in any useful sense."""
APPEND_BYTES_MAX = 64 << 20
"""One message stands whole in both nodes' memory, and no heartbeat overtakes it on the same connection."""
INFLIGHT_MAX = 1 << 16
"""A window is kept as one entry for each message; beyond this it bounds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a node behaves. All nodes of a cluster should be given the same.

    Attributes:
        election_ticks: A follower waits this long for its leader, and up to as much again, drawn at random.
        heartbeat_ticks: Ticks between heartbeats of a leader.
        append_bytes_max: Bodies in one `Append`, in bytes; one entry goes even when it is larger.
        inflight_max: `Append` with entries to one peer that are not yet answered.
        inflight_bytes_max: The same in bytes of bodies: what a peer that reads slowly holds in our buffers.
        uncommitted_bytes_max: Bodies in a leader's log that are not yet committed, or not on its own disk; beyond it
            proposals are dropped, or a leader without a quorum, or whose disk stands still, fills its memory.
        reads_max: Reads that wait for a round; beyond it they are lost at once.
        compact_keep: Entries that `Compact` leaves before its index, so that a follower that is a little behind needs
            no snapshot.
        pre_vote: Ask whether an election could be won before the term is raised (dissertation, 9.6).
        check_quorum: A leader that hears of no quorum for `election_ticks` steps down, and nobody votes against a
            leader it has just heard (4.2.3).
        lease_reads: A leader answers reads without a round while a quorum's promise not to vote lasts (6.4.1). It
            trusts that nodes' ticks run equally fast, up to `lease_margin_ticks` in `election_ticks`; ReadIndex trusts
            no clock.
        lease_margin_ticks: How much shorter than `election_ticks` the lease is.
    """

    election_ticks: int = 10
    heartbeat_ticks: int = 1
    append_bytes_max: int = 1 << 20
    inflight_max: int = 256
    inflight_bytes_max: int = 64 << 20
    uncommitted_bytes_max: int = 256 << 20
    reads_max: int = 100_000
    compact_keep: int = 0
    pre_vote: bool = True
    check_quorum: bool = True
    lease_reads: bool = False
    lease_margin_ticks: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: A value is out of its range.
        """
        _check("heartbeat_ticks", self.heartbeat_ticks, 1, ELECTION_TICKS_MAX // 2)
        # One lost heartbeat must not be an election: at least two fit into a timeout.
        _check("election_ticks", self.election_ticks, 2 * self.heartbeat_ticks, ELECTION_TICKS_MAX)
        _check("append_bytes_max", self.append_bytes_max, 1, APPEND_BYTES_MAX)
        _check("inflight_max", self.inflight_max, 1, INFLIGHT_MAX)
        # A window that holds less than one message would never send it.
        _check("inflight_bytes_max", self.inflight_bytes_max, self.append_bytes_max, 1 << 40)
        _check("uncommitted_bytes_max", self.uncommitted_bytes_max, self.append_bytes_max, 1 << 40)
        _check("reads_max", self.reads_max, 1, 1 << 30)
        _check("compact_keep", self.compact_keep, 0, 1 << 30)
        _check("lease_margin_ticks", self.lease_margin_ticks, 1, max(1, self.election_ticks - self.heartbeat_ticks))
        if self.lease_reads and not self.check_quorum:
            raise ValueError("lease_reads needs check_quorum: without it nobody promises not to vote")


def _check(name: str, value: int, least: int, most: int) -> None:
    """Hold one value against its range."""
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}; it must be {least} to {most}")
