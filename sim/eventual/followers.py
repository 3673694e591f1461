"""Followers: each reads a store, follows its changes at its own pace, and knows at any time what the store has.

Now and then one moves to another store, which must tell it to read again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from flaredb.core.eventual_reads import changes_after
from flaredb.core.eventual_replica import EventualReplica
from flaredb.core.feed import Interest
from flaredb.core.region import StoreId
from sim.eventual.clients import NAMESPACE
from sim.eventual.store import Outside, Store, Token
from ultracloud.base.faults import OutOfRangeError
from ultracloud.testkit.checks import BrokenPromiseError

EVERYTHING = Interest(NAMESPACE, b"", b"")
REST_MS = (5, 800)
MOVES = 0.05
"""Part of the looks before which a follower goes to another store."""


class Place(Outside, Protocol):
    """What followers have around them."""

    stores: dict[StoreId, Store]
    changes: int
    rereads: int


@dataclass(slots=True)
class Follower:
    """One follower.

    Attributes:
        store: Whom it follows.
        position: Up to where.
        known: What it takes the store to have, with the version of each key's change.
        is_of_empty: The store had nothing when it was read.
    """

    place: Place
    store: Store
    position: int = 0
    known: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    is_of_empty: bool = False

    def begin(self) -> None:
        """Look after a while, for ever."""
        self.place.clock.call_later(self.place.random.randint(*REST_MS), self._act)

    def _act(self) -> None:
        if self.place.random.random() < MOVES:
            self._move()
        self.store.take(self.look)
        self.begin()

    def look(self, replica: EventualReplica[Token]) -> None:
        """Take the next changes of the store; read it again where it says so."""
        if replica is not self.store.replica:
            return  # asked when it stood still, and the follower has gone elsewhere
        contents = replica.contents
        if not self.position:
            self._read(replica)
        try:
            page = changes_after(contents, EVERYTHING, self.position)
        except OutOfRangeError as fault:
            # What an empty store began with may not be on its disk, and is another after a power cut.
            if not self.place.settings.is_short and not self.is_of_empty:
                raise BrokenPromiseError(f"{self.store.name} does not know its own version: {fault}") from fault
            self._read(replica)
            return
        last = self.position
        for version, change in page.changes:
            if not last < version <= page.position:
                raise BrokenPromiseError(f"{self.store.name} tells change {version} after {last}")
            last = version
            self.place.changes += 1
            if change.value is None:
                self.known.pop(change.key, None)
            else:
                self.known[change.key] = version, change.value
        self.position = page.position
        if page.position == contents.published.version:
            self._compare(replica)

    def _read(self, replica: EventualReplica[Token]) -> None:
        self.place.rereads += 1
        self.known = _what_is_there(replica)
        self.position = replica.contents.published.version
        self.is_of_empty = replica.contents.is_empty()

    def _compare(self, replica: EventualReplica[Token]) -> None:
        there = _what_is_there(replica)
        if there != self.known:
            missed = {key for key in there.keys() | self.known.keys() if there.get(key) != self.known.get(key)}
            told = {key: (there.get(key), self.known.get(key)) for key in missed}
            raise BrokenPromiseError(f"{self.store.name} has, and has told up to {self.position}: {told}")

    def _move(self) -> None:
        other = self.place.random.choice(list(self.place.stores.values()))
        if other is self.store or other.replica is None or not self.position:
            return
        try:
            changes_after(other.replica.contents, EVERYTHING, self.position)
        except OutOfRangeError:
            self.store, self.position = other, 0
            return
        raise BrokenPromiseError(f"{other.name} takes version {self.position} of {self.store.name} for its own")


def _what_is_there(replica: EventualReplica[Token]) -> dict[bytes, tuple[int, bytes]]:
    """Every key that has a value, with the version of its change."""
    skip = len(NAMESPACE) + 1
    return {
        record.told.encoded[skip:-2]: (record.version, record.told.value)
        for record in replica.contents.scan(b"", b"\xff")
        if record.told.value is not None
    }
