"""What transactions over several regions hold in one: keys that are locked, changes that wait, and decisions.

A part that is prepared locks what it compared against writes, and what it writes against everything. What it changes is
worked out when it is prepared and done when it is resolved: nothing that it depends on changes in between. The region
that holds the primary key keeps the decision to commit until all parts are resolved; there is none to drop, because a
transaction of which the primary region knows nothing was dropped.

Locks stand in rows, so that they survive; the same in memory answers whether a transaction must wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from flaredb.core.commands import Change, DeleteRange, EncodedKey, Txn
from flaredb.core.keys import bounds, encode
from flaredb.core.region_entry import Span, TxnId

LOCKS_MAX = 2000
"""Parts of transactions that one region holds: each is looked at when a range is locked, and travels with the state."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One part that is prepared and not resolved.

    Attributes:
        primary: The region that holds this key decides.
        floor: The transaction gets this version or a later one.
        at_ms: The leader's time when it was prepared.
        compared: Keys that nobody may write.
        written: Keys that nobody may write or compare, whether they change or not.
        ranges: The same of ranges.
        changes: What it does.
    """

    txn: TxnId
    primary: bytes
    namespace: str
    floor: int
    at_ms: int
    compared: tuple[EncodedKey, ...]
    written: tuple[EncodedKey, ...]
    ranges: tuple[Span, ...]
    changes: tuple[Change, ...]

    def within(self, start: bytes, end: bytes) -> Intent | None:
        """What of it belongs to [start, end), None if nothing does."""

        def has(key: bytes) -> bool:
            return start <= key and (not end or key < end)

        part = replace(
            self,
            compared=tuple(filter(has, self.compared)),
            written=tuple(filter(has, self.written)),
            ranges=tuple(_cut(self.ranges, start, end)),
            changes=tuple(change for change in self.changes if has(change.encoded)),
        )
        return part if part.compared or part.written or part.ranges else None


@dataclass(frozen=True, slots=True)
class Decision:
    """A transaction that is committed, and may have parts that are not resolved.

    Attributes:
        primary: Where it stands; it moves with this key.
        at: Its version.
        spans: Where its other parts are.
        at_ms: The leader's time when it was decided.
        deleted: What the primary's part came to, as in `Outcome`: its coordinator may have missed the answer.
        counters: The same.
    """

    txn: TxnId
    primary: bytes
    at: int
    spans: tuple[Span, ...]
    at_ms: int
    deleted: int = 0
    counters: tuple[int, ...] = ()


def intent_of(txn: TxnId, primary: bytes, part: Txn, changes: tuple[Change, ...], at: tuple[int, int]) -> Intent:
    """The locks of a part.

    Args:
        txn: Whose part it is.
        primary: See `Intent`.
        part: What it names.
        changes: What it does.
        at: Its floor, and the leader's time.
    """
    written = {encode(part.namespace, write.key): None for write in part.writes if not isinstance(write, DeleteRange)}
    written |= {change.encoded: None for change in changes}
    compared = {encode(part.namespace, each.key): None for each in part.comparisons}
    return Intent(txn, primary, part.namespace, *at, tuple(compared), tuple(written), tuple(ranges_of(part)), changes)


@dataclass(frozen=True, slots=True)
class Named:
    """What a transaction names.

    Attributes:
        keys: Single ones, compared and written.
        written: Those that it writes.
        ranges: That it deletes.
    """

    keys: frozenset[EncodedKey]
    written: tuple[EncodedKey, ...]
    ranges: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Sought:
    """What a read is to look at.

    Attributes:
        keys: These; None is every key of [low, high).
        high: Empty is the end of the key space.
    """

    keys: tuple[EncodedKey, ...] | None = None
    low: bytes = b""
    high: bytes = b""


EVERYTHING = Sought()


def named_by(txn: Txn) -> Named:
    """What a transaction names."""
    written = tuple(encode(txn.namespace, each.key) for each in txn.writes if not isinstance(each, DeleteRange))
    compared = (encode(txn.namespace, each.key) for each in txn.comparisons)
    return Named(frozenset((*written, *compared)), written, tuple(ranges_of(txn)))


def ranges_of(txn: Txn) -> Iterator[Span]:
    """Every range that a transaction names, on disk; the end is not in it."""
    for write in txn.writes:
        if isinstance(write, DeleteRange):
            yield bounds(txn.namespace, write.start, write.end)


class Locks:
    """The parts and the decisions of one region.

    Attributes:
        intents: By transaction.
        decisions: The same.
    """

    def __init__(self, intents: Iterable[Intent] = (), decisions: Iterable[Decision] = ()) -> None:
        self.intents: dict[TxnId, Intent] = {}
        self.decisions = {each.txn: each for each in decisions}
        self._written: dict[EncodedKey, TxnId] = {}
        self._compared: dict[EncodedKey, set[TxnId]] = {}
        self._ranges: dict[TxnId, tuple[Span, ...]] = {}
        for intent in intents:
            self.add(intent)

    def add(self, intent: Intent) -> None:
        """Lock what a part names."""
        self.intents[intent.txn] = intent
        for key in intent.written:
            self._written[key] = intent.txn
        for key in intent.compared:
            self._compared.setdefault(key, set()).add(intent.txn)
        if intent.ranges:
            self._ranges[intent.txn] = intent.ranges

    def remove(self, txn: TxnId) -> Intent | None:
        """Unlock; what was locked, None if nothing was."""
        intent = self.intents.pop(txn, None)
        if intent is not None:
            self._ranges.pop(txn, None)
            for key in intent.written:
                del self._written[key]
            for key in intent.compared:
                self._compared[key].discard(txn)
                if not self._compared[key]:
                    del self._compared[key]
        return intent

    def lowest(self) -> int | None:
        """The lowest version that a part may still be resolved at, None without one."""
        return min((intent.floor for intent in self.intents.values()), default=None)

    def blocks(self, txn: Txn) -> bool:
        """Whether a transaction names what another one has locked."""
        return bool(self.intents) and self.meets(named_by(txn))

    def meets(self, named: Named) -> bool:
        """The same, where what it names is known."""
        if not self.intents:
            return False
        if not self._written.keys().isdisjoint(named.keys) or not self._compared.keys().isdisjoint(named.written):
            return True
        if self._ranges and any(map(self._is_in_range, named.written)):
            return True
        return any(self._blocks_range(low, high) for low, high in named.ranges)

    def changing(self, sought: Sought) -> list[Intent]:
        """Parts that may change something of what is sought."""
        if not self._written:
            return []
        if sought.keys is not None:
            found = {self._written[key] for key in sought.keys if key in self._written}
        else:
            low, high = sought.low, sought.high
            found = {txn for key, txn in self._written.items() if low <= key and (not high or key < high)}
        return [self.intents[txn] for txn in found]

    def within(self, start: bytes, end: bytes) -> Locks:
        """What of all this belongs to [start, end)."""
        parts = (intent.within(start, end) for intent in self.intents.values())
        own = (each for each in self.decisions.values() if start <= each.primary and (not end or each.primary < end))
        return Locks((part for part in parts if part is not None), own)

    def _is_in_range(self, key: EncodedKey) -> bool:
        return any(low <= key < high for spans in self._ranges.values() for low, high in spans)

    def _blocks_range(self, low: bytes, high: bytes) -> bool:
        locked = (*self._written, *self._compared)
        spans = (span for each in self._ranges.values() for span in each)
        return any(low <= key < high for key in locked) or any(low < end and start < high for start, end in spans)


def _cut(spans: Iterable[Span], start: bytes, end: bytes) -> Iterator[Span]:
    for low, high in spans:
        low, high = max(low, start), min(high, end) if end else high  # noqa: PLW2901 - the same span, cut
        if low < high:
            yield low, high
