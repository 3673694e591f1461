"""Clients: they write, delete and read at any store, and remember what they were told.

Each write is known by its stamp, and each value is unique. What a store has shown is on its disk: so it never shows an
older write of a key afterwards, whatever happens to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flaredb.core.commands import EncodedKey, Write
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_records import Told
from flaredb.core.eventual_replica import EventualReplica
from flaredb.core.keys import encode
from flaredb.core.region import StoreId
from sim.eventual.store import Outside, Store, Token
from ultracloud.base.faults import Fault
from ultracloud.testkit.checks import BrokenPromiseError

NAMESPACE = "sim"
TTL_MS = 2000
READS, DELETES, ENDING = 0.3, 0.25, 0.1
"""Parts of the calls."""


@dataclass(slots=True)
class Attempt:
    """A write that a store took.

    Attributes:
        store: Which one, and which life of it.
        is_acknowledged: Whether its client was told that it is kept.
    """

    told: Told
    store: str
    is_acknowledged: bool = False


class Place(Outside, Protocol):
    """What clients have around them.

    Attributes:
        attempts: Every write, by stamp.
        shown: The latest write of a key that a store has shown.
    """

    stores: dict[StoreId, Store]
    attempts: dict[Stamp, Attempt]
    shown: dict[tuple[StoreId, EncodedKey], Told]
    reads: int
    is_closing: bool


@dataclass(slots=True)
class Client:
    """One client: a call, and then the next, whether it was answered or not."""

    place: Place

    def begin(self) -> None:
        """Make the next call after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.think_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        place, random = self.place, self.place.random
        if place.is_closing:
            return
        store = random.choice(list(place.stores.values()))
        key = encode(NAMESPACE, b"k%d" % random.randrange(place.settings.keys))
        if random.random() < READS:
            store.take(lambda replica: look(place, store, replica, key))
        else:
            value = None if random.random() < DELETES else b"v%d" % len(place.attempts)
            ttl_ms = TTL_MS if value is not None and random.random() < ENDING else 0
            store.take(lambda replica: self._write(store, replica, key, value, ttl_ms))
        self.begin()

    def _write(
        self, store: Store, replica: EventualReplica[Token], key: EncodedKey, value: bytes | None, ttl_ms: int
    ) -> None:
        """Write at a store, and note what it makes of it."""
        place = self.place
        attempts: list[Attempt] = []

        def acknowledge() -> None:
            attempts[0].is_acknowledged = True
            place.note(f"{store.name} has {attempts[0].told}")

        plain = key[len(NAMESPACE) + 1 : -2]
        try:
            replica.put(NAMESPACE, Write(plain, value, ttl_ms), acknowledge, store.now_ms)
        except Fault as fault:
            place.note(f"{store.name} refuses: {fault}")
            return
        record = replica.contents.latest(key)
        assert record is not None, key
        known = place.attempts.get(record.told.stamp)
        # It may give one again that a power cut took back, with the write that had it.
        if known is not None and (known.is_acknowledged or is_anywhere(place, known.told)):
            raise BrokenPromiseError(f"{store.name} gives {record.told.stamp} again, which {known} has")
        attempts.append(Attempt(record.told, store.name))
        place.attempts[record.told.stamp] = attempts[0]


def look(place: Place, store: Store, replica: EventualReplica[Token], key: EncodedKey) -> None:
    """Read a key at a store: it is what it showed before, or later."""
    record = replica.contents.get(key)
    place.reads += 1
    shown = place.shown.get((store.store, key))
    if record is None:
        if shown is not None:
            check_forgotten(place, store, shown)
            del place.shown[store.store, key]
        return
    if shown is not None and record.told.rank < shown.rank:
        if not place.settings.is_short:
            raise BrokenPromiseError(f"{store.name} shows {record.told} and had shown {shown}")
        check_forgotten(place, store, shown)
    place.shown[store.store, key] = record.told


def is_anywhere(place: Place, told: Told) -> bool:
    """Whether some store has a write, or had it when it was read."""
    if told in place.shown.values():
        return True
    running = (store.replica for store in place.stores.values() if store.replica is not None)
    latest = (replica.contents.latest(told.encoded) for replica in running)
    return any(record is not None and record.told == told for record in latest)


def check_forgotten(place: Place, store: Store, shown: Told) -> None:
    """Pass if nothing may be left of what a store has shown: it was deleted, or somebody has deleted it since."""
    later = [attempt.told for attempt in place.attempts.values() if attempt.told.encoded == shown.encoded]
    if not any(told.stamp >= shown.stamp and (told.value is None or told.expires_at_ms) for told in later):
        raise BrokenPromiseError(f"{store.name} has nothing of {shown}, which nobody has deleted")
