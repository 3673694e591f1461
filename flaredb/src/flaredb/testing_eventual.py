"""Stores with eventual namespaces in memory, driven by hand: for tests of their rules without a disk or a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from flaredb.core.commands import EncodedKey, Write
from flaredb.core.eventual_messages import Message, parse_message
from flaredb.core.eventual_reads import is_visible
from flaredb.core.eventual_records import Told
from flaredb.core.eventual_replica import TOMBSTONE_MS, EventualReplica
from flaredb.core.keys import encode, key_of
from flaredb.core.region import StoreId
from flaredb.testing import MemoryEngine

NAMESPACE = "dns"
START_MS = 1_700_000_000_000
TICK_MS = 100


class EventualStore:
    """One store: its rows for good, and its process.

    Attributes:
        skew_ms: How wrong its clock is.
    """

    def __init__(self, store: int, tombstone_ms: int = TOMBSTONE_MS, now_ms: int = START_MS) -> None:
        self.store = StoreId(store)
        self.engine = MemoryEngine()
        self.skew_ms = 0
        self._tombstone_ms = tombstone_ms
        self.start(now_ms)

    def start(self, now_ms: int) -> None:
        """Begin, or begin again, with what the engine has."""
        draw = Random(self.store).randrange  # noqa: S311 - a test repeats itself
        self.replica: EventualReplica[str] = EventualReplica(
            self.store, self.engine, draw, now_ms + self.skew_ms, self._tombstone_ms
        )

    def put(self, key: bytes, value: bytes | None, now_ms: int, **end: int) -> int:
        """Write a key and wait for the disk; gives the version."""
        self.replica.put(NAMESPACE, Write(key, value, **end), "put", now_ms + self.skew_ms)
        self.sync(now_ms)
        return self.replica.finish().answers[-1][1]

    def sync(self, now_ms: int) -> None:
        """Have everything on the disk."""
        self.engine.write(self.replica.begin(now_ms + self.skew_ms))
        self.replica.synced(self.replica.to_sync())

    def get(self, key: bytes, now_ms: int) -> bytes | None:
        """What a reader sees."""
        record = self.replica.contents.get(encode(NAMESPACE, key))
        return record.told.value if record is not None and is_visible(record, now_ms + self.skew_ms) else None

    def values(self, now_ms: int) -> dict[bytes, bytes]:
        """Everything that a reader sees."""
        found = self.replica.contents.scan(b"", b"\xff")
        return {
            key_of(record.told.encoded, NAMESPACE): record.told.value or b""
            for record in found
            if is_visible(record, now_ms + self.skew_ms)
        }

    def told(self) -> dict[EncodedKey, Told]:
        """Everything that is on the disk."""
        return {record.told.encoded: record.told for record in self.replica.contents.scan(b"", b"\xff")}


class EventualCluster:
    """Stores that hear each other, unless they are cut off.

    Attributes:
        now_ms: The time.
        founded_ms: When it began.
        away: Stores that hear nobody and are heard by nobody.
        lose: Whether a message is lost.
        messages: Kinds that were sent.
        heard: Told of each message that arrives: sender, receiver, what it says.
    """

    def __init__(self, count: int, tombstone_ms: int = TOMBSTONE_MS) -> None:
        self.now_ms = self.founded_ms = START_MS
        self.tombstone_ms = tombstone_ms
        self.stores: dict[StoreId, EventualStore] = {}
        self.away: set[StoreId] = set()
        self.lose: Callable[[Message], bool] = lambda _: False
        self.messages: list[str] = []
        self.heard: Callable[[StoreId, StoreId, Message], None] = lambda _sender, _to, _message: None
        for number in range(1, count + 1):
            self.join(number)

    def __getitem__(self, number: int) -> EventualStore:
        return self.stores[StoreId(number)]

    def join(self, number: int) -> EventualStore:
        """Add a store."""
        store = self.stores[StoreId(number)] = EventualStore(number, self.tombstone_ms, self.now_ms)
        self.tell_members()
        return store

    def tell_members(self) -> None:
        """Tell everybody who is there."""
        for store in self.stores.values():
            store.replica.set_members(self.stores)

    def run(self, ms: int, step_ms: int = TICK_MS) -> None:
        """Let time pass, with a tick, a sync and the mail of each store in every step."""
        for _ in range(0, ms, step_ms):
            self.now_ms += step_ms
            for store in self.stores.values():
                store.replica.tick(self.now_ms + store.skew_ms)
            for _ in range(20):
                if not self.turn(self.stores.values()):
                    break

    def turn(self, stores: Iterable[EventualStore]) -> bool:
        """Sync, and deliver what was sent; False if nothing was."""
        mail = []
        for store in stores:
            store.sync(self.now_ms)
            mail += [(store.store, to, content) for to, content in store.replica.take_outgoing()]
        for sender, to, content in mail:
            message = parse_message(content).message
            self.messages.append(type(message).__name__)
            target = self.stores.get(to)
            if target is not None and not {sender, to} & self.away and not self.lose(message):
                self.heard(sender, to, message)
                target.replica.receive(sender, content, self.now_ms + target.skew_ms)
        return bool(mail)
