"""What a region is: a range of encoded keys, who holds it, and an epoch that tells an old map from a new one.

Regions of a store do not overlap, and together they cover what the store holds of the key space. A region's replica on
a store is a *peer* with an id of its own, never given again: a store that lost its replica and gets another one has
promised nothing under the new id.

Source: "TiKV" (deep dive, "Multi-Raft"; `metapb.RegionEpoch` of kvproto) for epoch, peers and split.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NewType

from flaredb.core.records import Mark
from ultracloud.raft.membership import members
from ultracloud.raft.words import NOBODY, Config, NodeId

RegionId = NewType("RegionId", int)
StoreId = NewType("StoreId", int)
"""A node's disk. A node that lost its disk comes back as another store."""

FIRST_INDEX = 1
FIRST_TERM = 1
"""A group begins with a state as of here, the same on each of its first members: nobody has to be first."""
LOGICAL_BITS = 16
"""Of a version: the rest is the leader's time in milliseconds, so that versions of all regions compare."""
PEERS_MAX = 15
"""Members of one region while they change: seven voters is what anybody needs, and twice that is a whole move."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """How often a region has changed.

    Attributes:
        version: Of its range: raised by split and merge. Reads and writes name it, since keys may be elsewhere.
        conf_version: Of its members: raised by each change of them. Only what concerns members names it.
    """

    version: int
    conf_version: int


@dataclass(frozen=True, slots=True)
class Peer:
    """One replica: its id in the region's Raft group, and the store that holds it."""

    peer: NodeId
    store: StoreId


@dataclass(frozen=True, slots=True)
class Region:
    """One region as of an epoch.

    Attributes:
        start: First encoded key.
        end: The key after the last one; empty is the end of the key space.
        peers: Everybody who is sent the log, by rising id.
        config: The parts they play.
        newest: The highest id that a peer ever had. Later ones are higher, so a peer that is neither later nor here is
            gone for good.
    """

    region: RegionId
    start: bytes
    end: bytes
    epoch: Epoch
    peers: tuple[Peer, ...]
    config: Config
    newest: NodeId

    @property
    def is_known(self) -> bool:
        """Whether this is a region, and not the place for one whose state has not arrived."""
        return self.epoch.version > 0

    def covers(self, key: bytes) -> bool:
        """Whether an encoded key belongs here."""
        return self.start <= key and (not self.end or key < self.end)

    def overlaps(self, other: Region) -> bool:
        """Whether some key belongs to both."""
        if not (self.is_known and other.is_known):
            return False
        return (not other.end or self.start < other.end) and (not self.end or other.start < self.end)

    def store_of(self, peer: NodeId) -> StoreId | None:
        """Where a peer is, None if it is no peer."""
        return next((each.store for each in self.peers if each.peer == peer), None)

    def has_removed(self, peer: NodeId) -> bool:
        """Whether a peer was a member and will never be one again."""
        return peer <= self.newest and self.store_of(peer) is None

    def peer_on(self, store: StoreId) -> NodeId:
        """The newest peer on a store, NOBODY without one."""
        return max((each.peer for each in self.peers if each.store == store), default=NOBODY)

    def may_split(self, at: bytes, peers: tuple[Peer, ...]) -> bool:
        """Whether `at` is inside and `peers` stand where this region's do; not while its members change."""
        is_inside = at > self.start and self.covers(at)
        mine, theirs = (sorted(each.store for each in some) for some in (self.peers, peers))
        return is_inside and not self.config.outgoing and mine == theirs

    def split(self, at: bytes, right: RegionId, peers: tuple[Peer, ...]) -> tuple[Region, Region]:
        """The two halves: the left keeps the id, the right begins with `peers`, which take over these ones' parts."""
        assert self.may_split(at, peers), (self, at, peers)
        epoch = Epoch(self.epoch.version + 1, self.epoch.conf_version)
        by_store = {each.store: each.peer for each in peers}
        becomes = {each.peer: by_store[each.store] for each in self.peers}
        voters, learners = (_renamed(part, becomes) for part in (self.config.voters, self.config.learners))
        left = replace(self, end=at, epoch=epoch)
        ordered = tuple(sorted(peers, key=lambda each: each.peer))
        return left, Region(right, at, self.end, epoch, ordered, Config(voters, learners=learners), ordered[-1].peer)

    def changed(self, config: Config, joining: Iterable[Peer]) -> Region:
        """The region once `config` holds; `joining` says where its new members are."""
        everybody = members(config)
        peers = {each.peer: each for each in (*self.peers, *joining) if each.peer in everybody}
        epoch = Epoch(self.epoch.version, self.epoch.conf_version + 1)
        ordered = tuple(peers[peer] for peer in sorted(peers))
        return replace(self, epoch=epoch, config=config, peers=ordered, newest=max(self.newest, ordered[-1].peer))


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a region's state goes: the last entry in it, and the counters after that.

    Attributes:
        mark: Nothing at or below its version will be committed any more, and everything that was is here.
        given: The highest version that anything has: above the mark's while parts of transactions are unresolved.
        floor: The oldest version that may be read.
        swept: What nobody at this version or after can see is gone; not above `floor`.
    """

    index: int
    term: int
    mark: Mark
    given: int = 0
    floor: int = 0
    swept: int = 0


NOTHING = Applied(0, 0, Mark(0, 0, 0, 0))
"""Of a region whose rows are not written yet: it covers no version."""


def first_region(region: RegionId, peers: Iterable[Peer]) -> Region:
    """A region of all keys, with `peers` as its voters."""
    ordered = tuple(sorted(peers, key=lambda each: each.peer))
    voters = frozenset(each.peer for each in ordered)
    return Region(region, b"", b"", Epoch(1, 1), ordered, Config(voters), ordered[-1].peer)


def unknown_region(told: Region, peer: Peer) -> Region:
    """The place for a region whose state is on its way to `peer`, with those who know of it."""
    peers = {each.peer: each for each in (*told.peers, peer)}
    ordered = tuple(peers[each] for each in sorted(peers))
    return Region(told.region, b"", b"", Epoch(0, 0), ordered, Config(), peer.peer)


def _renamed(part: frozenset[NodeId], becomes: dict[NodeId, NodeId]) -> frozenset[NodeId]:
    return frozenset(becomes[peer] for peer in part)
