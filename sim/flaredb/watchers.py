"""Those who follow everything that is committed, and those who read everything as of one version, at any replicas.

Both take, for each part of the key space, any replica that has it, also one that is behind or was cut off. Of what they
need nothing but its mark: everything at or below is in its rows, and nothing will be added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flaredb.core.engine import Column
from flaredb.core.keys import encode, key_of
from flaredb.core.region import LOGICAL_BITS, Region
from flaredb.core.region_history import stored_commits
from flaredb.core.region_node import RegionNode
from flaredb.core.region_replica import RegionReplica
from flaredb.core.visibility import read
from sim.flaredb.clients import EVERY_KEY, NAMESPACE, Place
from sim.flaredb.place import Token
from sim.flaredb.store import Store
from ultracloud.base.faults import Fault

POLL_MS = 200
"""Mean time between two looks."""
CLOSED = 0.5
"""Part of the looks before which a leader is asked to close: quiet regions hold everybody up."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a watcher was told of one version: the value of each key, None for one that was deleted."""

    version: int
    values: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything as of one version: of each key that existed its version and its value."""

    version: int
    values: dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the key space, and a replica that has it."""

    store: Store
    replica: RegionReplica[Token]
    low: bytes
    high: bytes


@dataclass(slots=True)
class Watcher:
    """One that follows.

    Attributes:
        position: Everything up to here was told, or lost in one of `gaps`.
        told: By rising version.
        gaps: After which version and up to which nothing was told, because it is not kept any more.
    """

    place: Place
    position: int = 0
    told: list[Told] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    def begin(self) -> None:
        """Look again after a while."""
        wait_ms = int(self.place.random.expovariate(1 / POLL_MS))
        self.place.clock.call_later(wait_ms, self._act)

    def look(self) -> None:
        """Take what is closed everywhere and was not told, and read everything as of then."""
        pieces = self._pieces()
        closed = min((piece.replica.applied.mark.version for piece in pieces), default=0)
        floor = max((piece.replica.applied.floor for piece in pieces), default=0)
        if closed <= self.position:
            return
        if floor > self.position:
            self.gaps.append((self.position, floor))
            self.position = floor
            return
        told: dict[int, dict[str, str | None]] = {}
        for piece in pieces:
            for version, key, value in _changes(piece, self.position, closed):
                assert key not in told.setdefault(version, {}), (version, key)
                told[version][key] = value
        self.told += [Told(version, told[version]) for version in sorted(told)]
        self.position = closed
        self._snap(pieces, floor, closed)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        if self.place.random.random() < CLOSED:
            self._close()
        self.look()
        self.begin()

    def _snap(self, pieces: list[_Piece], floor: int, closed: int) -> None:
        """Read everything at some version that all replicas cover."""
        earlier = [told.version for told in self.told if told.version >= floor]
        at = self.place.random.choice([*earlier[-20:], closed])
        values = {}
        for key in EVERY_KEY:
            encoded = encode(NAMESPACE, key.encode())
            piece = next(each for each in pieces if each.low <= encoded and (not each.high or encoded < each.high))
            found = read(piece.store.disk.cursor(Column.DATA), encoded, key.encode(), at)
            if found is not None:
                values[key] = found.version, found.value.decode()
        self.snapshots.append(Snapshot(at, values))

    def _close(self) -> None:
        """Ask somebody who leads to close what is past."""
        leading = [(store, replica) for store, replica in self._replicas() if replica.is_leader]
        if leading:
            store, replica = self.place.random.choice(leading)
            region, floor = replica.region, self.place.clock.now_ms() << LOGICAL_BITS
            store.take(lambda node: _close(node, region, floor))

    def _pieces(self) -> list[_Piece]:
        """Replicas that have the whole key space; none if nobody has some part."""
        pieces: list[_Piece] = []
        found, at = self._replicas(), b""
        while not pieces or at:
            here = [(store, replica) for store, replica in found if replica.region.covers(at)]
            if not here:
                return []
            store, replica = self.place.random.choice(here)
            pieces.append(_Piece(store, replica, at, replica.region.end))
            at = replica.region.end
        return pieces

    def _replicas(self) -> list[tuple[Store, RegionReplica[Token]]]:
        return [
            (store, replica)
            for store in self.place.stores.values()
            if store.node is not None and not store.is_stalled
            for replica in store.node.replicas.values()
            if replica.region.is_known
        ]


def _changes(piece: _Piece, after: int, through: int) -> Iterator[tuple[int, str, str | None]]:
    """Version, key and value of what was changed in a piece."""
    for commit in stored_commits(piece.store.disk, piece.replica.region, after, through):
        for change in commit.changes:
            if piece.low <= change.encoded and (not piece.high or change.encoded < piece.high):
                key = key_of(change.encoded, commit.namespace).decode()
                yield commit.version, key, None if change.value is None else change.value.decode()


def _close(node: RegionNode[Token], region: Region, floor: int) -> None:
    try:
        node.propose(region.region, region.epoch, (), lambda _: None, floor)
    except Fault:
        return
