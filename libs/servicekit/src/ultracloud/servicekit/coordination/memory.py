"""A coordination store in memory, for tests of what stands on one. It forgets everything when it ends.

Every change is kept until it is compacted, because watches resume and readers page at one revision. Leases end by the
clock it is given, when somebody looks.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ultracloud.base.faults import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
)
from ultracloud.servicekit.clock import Clock, SystemClock
from ultracloud.servicekit.coordination.errors import CompactedError
from ultracloud.servicekit.coordination.guards import guarded
from ultracloud.servicekit.coordination.interface import PAGE, Coordinator
from ultracloud.servicekit.coordination.keeping import keep_alive
from ultracloud.servicekit.coordination.paging import pages_of
from ultracloud.servicekit.coordination.words import (
    EVERY_KEY_FROM,
    Batch,
    Compare,
    Delete,
    Deleted,
    Event,
    Get,
    Operation,
    Pair,
    Put,
    Range,
    Relation,
    Result,
    SortBy,
    Target,
    TimeToLive,
    Txn,
    TxnResult,
    Written,
    below,
    span,
)


@dataclass(slots=True)
class _Lease:
    """A lease and its keys."""

    ttl_s: int
    ends_at_ms: int
    keys: set[bytes] = field(default_factory=set)


class MemoryCoordination(Coordinator):
    """See `Coordinator`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._keys: dict[bytes, Pair] = {}
        self._events: list[Event] = []
        self._revision = 1
        self._compacted = 0
        self._leases: dict[int, _Lease] = {}
        self._lease_ids = itertools.count(1)
        self._grown = asyncio.Event()

    async def put(self, key: bytes, value: bytes, lease: int = 0) -> int:
        """See `Coordinator`."""
        return (await self.write(Put(key=key, value=value, lease=lease))).revision

    async def write(self, put: Put) -> Written:
        """See `Coordinator`."""
        result = self._do(Txn().then(put)).results[0]
        assert isinstance(result, Written), "a put was done"
        return result

    async def get(self, key: bytes) -> Pair | None:
        """See `Coordinator`."""
        found = await self.read(Get(key=key))
        return found.pairs[0] if found.pairs else None

    async def read(self, get: Get) -> Range:
        """See `Coordinator`."""
        self._end_leases()
        return self._read(get)

    async def range(self, prefix: bytes, limit: int = 0) -> Range:
        """See `Coordinator`."""
        return await self.read(below(prefix, limit=limit))

    def pages(self, get: Get, page: int = PAGE) -> AsyncIterator[Range]:
        """See `Coordinator`."""
        return pages_of(self, get, page)

    async def delete(self, key: bytes) -> bool:
        """See `Coordinator`."""
        return (await self.remove(Delete(key=key))).count > 0

    async def remove(self, delete: Delete) -> Deleted:
        """See `Coordinator`."""
        result = self._do(Txn().then(delete)).results[0]
        assert isinstance(result, Deleted), "a delete was done"
        return result

    async def txn(
        self,
        comparisons: Mapping[bytes, int],
        puts: Mapping[bytes, bytes],
        deletes: Sequence[bytes] = (),
        lease: int = 0,
    ) -> bool:
        """See `Coordinator`."""
        return self._do(guarded(comparisons, puts, deletes, lease)).succeeded

    async def perform(self, txn: Txn, *, repeatable: bool = False) -> TxnResult:
        """See `Coordinator`."""
        del repeatable  # no answer is ever lost here
        return self._do(txn)

    async def compact(self, revision: int, *, physical: bool = False) -> None:
        """See `Coordinator`."""
        del physical
        if revision <= self._compacted:
            raise CompactedError(revision, self._compacted)
        if revision > self._revision:
            raise OutOfRangeError(f"revision {revision} is in the future", reason="FUTURE_REVISION")
        self._compacted = revision

    async def grant(self, ttl_s: int, lease: int = 0) -> int:
        """See `Coordinator`."""
        self._end_leases()
        if lease in self._leases:
            raise FailedPreconditionError("etcdserver: lease already exists", reason="LEASE_EXISTS")
        granted = lease or next(number for number in self._lease_ids if number not in self._leases)
        self._leases[granted] = _Lease(ttl_s, self._clock.monotonic_ms() + ttl_s * 1000)
        return granted

    async def revoke(self, lease: int) -> None:
        """See `Coordinator`."""
        self._end_leases()
        self._lease(lease)
        self._end(lease)

    async def renew(self, lease: int) -> int:
        """See `Coordinator`."""
        self._end_leases()
        found = self._lease(lease)
        found.ends_at_ms = self._clock.monotonic_ms() + found.ttl_s * 1000
        return found.ttl_s

    async def keep(self, lease: int, ttl_s: int, clock: Clock) -> None:
        """See `Coordinator`."""
        await keep_alive(self, lease, ttl_s, clock)

    async def time_to_live(self, lease: int, *, keys: bool = False) -> TimeToLive:
        """See `Coordinator`."""
        self._end_leases()
        found = self._lease(lease)
        left_s = (found.ends_at_ms - self._clock.monotonic_ms()) // 1000
        return TimeToLive(left_s, found.ttl_s, tuple(sorted(found.keys)) if keys else ())

    async def leases(self) -> tuple[int, ...]:
        """See `Coordinator`."""
        self._end_leases()
        return tuple(self._leases)

    async def watch(
        self, prefix: bytes, from_revision: int = 0, *, end: bytes | None = None, previous: bool = False
    ) -> AsyncGenerator[Batch, None]:
        """See `Coordinator`."""
        start, until = span(prefix) if end is None else (prefix, end)
        upcoming = from_revision or self._revision + 1
        yield Batch((), upcoming - 1)
        while True:
            self._end_leases()
            if upcoming < self._compacted:
                raise CompactedError(upcoming, self._compacted)
            place = bisect.bisect_left(self._events, upcoming, key=lambda event: event.revision)
            told = [event for event in self._events[place:] if _is_within(event.key, start, until)]
            upcoming = max(upcoming, self._revision + 1)
            for _, events in itertools.groupby(told, key=lambda event: event.revision):
                kept = tuple(event if previous else replace(event, previous=None) for event in events)
                yield Batch(kept, kept[-1].revision)
            await self._wait_beyond(upcoming - 1)

    async def _wait_beyond(self, revision: int) -> None:
        """Wait for a change, or for the end of the lease that ends next."""
        while self._revision <= revision:
            ends = min((lease.ends_at_ms for lease in self._leases.values()), default=None)
            left_s = None if ends is None else max(0.0, (ends - self._clock.monotonic_ms()) / 1000)
            try:
                async with asyncio.timeout(left_s):
                    await self._grown.wait()
            except TimeoutError:
                self._end_leases()

    def _do(self, txn: Txn) -> TxnResult:
        """Do all of it at one revision, or nothing."""
        self._end_leases()
        self._refuse(txn)
        changes: list[Event] = []
        result = self._act(txn, changes)
        self._publish(changes)
        return result

    def _publish(self, changes: Sequence[Event]) -> None:
        """Changes are there for everybody."""
        if changes:
            self._revision += 1
            self._events.extend(changes)
            self._grown.set()
            self._grown = asyncio.Event()

    def _refuse(self, txn: Txn) -> None:
        """Raise for what cannot be done, before anything is."""
        operations = txn.success if all(map(self._holds, txn.compares)) else txn.failure
        for operation in operations:
            match operation:
                case Txn():
                    self._refuse(operation)
                case Put():
                    if operation.lease:
                        self._lease(operation.lease)
                    if operation.key not in self._keys and (operation.value is None or operation.lease is None):
                        raise InvalidArgumentError("etcdserver: key not found", reason="KEY_NOT_FOUND")
                case Get():
                    self._read(operation)
                case Delete():
                    pass

    def _act(self, txn: Txn, changes: list[Event]) -> TxnResult:
        succeeded = all(map(self._holds, txn.compares))
        results = [self._act_one(operation, changes) for operation in (txn.success if succeeded else txn.failure)]
        revision = self._revision + bool(changes)
        return TxnResult(succeeded, revision, tuple(results))

    def _act_one(self, operation: Operation, changes: list[Event]) -> Result:
        match operation:
            case Get():
                return self._read(operation, self._revision + bool(changes))
            case Put():
                return self._put(operation, changes)
            case Delete():
                return self._remove(operation, changes)
            case Txn():
                return self._act(operation, changes)

    def _put(self, put: Put, changes: list[Event]) -> Written:
        revision = self._revision + 1
        before = self._keys.get(put.key)
        value = before.value if put.value is None and before else put.value or b""
        lease = before.lease if put.lease is None and before else put.lease or 0
        created, version = (before.create_revision, before.version + 1) if before else (revision, 1)
        pair = Pair(put.key, value, created, revision, lease, version)
        if before and before.lease:
            self._leases[before.lease].keys.discard(put.key)
        if lease:
            self._leases[lease].keys.add(put.key)
        self._keys[put.key] = pair
        changes.append(Event(put.key, pair, revision, before))
        return Written(revision, before if put.previous else None)

    def _remove(self, delete: Delete, changes: list[Event]) -> Deleted:
        gone = [self._keys[key] for key in sorted(self._keys) if _is_within(key, delete.key, delete.end)]
        for pair in gone:
            del self._keys[pair.key]
            if pair.lease:
                self._leases[pair.lease].keys.discard(pair.key)
            changes.append(Event(pair.key, None, self._revision + 1, pair))
        revision = self._revision + bool(changes)
        return Deleted(len(gone), revision, tuple(gone) if delete.previous else ())

    def _read(self, get: Get, revision: int = 0) -> Range:
        """A range as of its revision; `revision` is what the answer tells, if not the store's."""
        now = revision or self._revision
        if get.revision > now:
            raise OutOfRangeError(f"revision {get.revision} is in the future", reason="FUTURE_REVISION")
        if 0 < get.revision < self._compacted:
            raise CompactedError(get.revision, self._compacted)
        there = self._as_of(get.revision) if get.revision else self._keys
        pairs = [there[key] for key in sorted(there) if _is_within(key, get.key, get.end)]
        count = len(pairs)
        if get.count_only:
            return Range((), now, count)
        pairs = [pair for pair in pairs if _passes(get, pair)]
        pairs.sort(key=lambda pair: _sort_key(get.sort_by, pair), reverse=get.descending)
        more = 0 < get.limit < len(pairs)
        kept = pairs[: get.limit] if get.limit else pairs
        return Range(tuple(replace(p, value=b"") if get.keys_only else p for p in kept), now, count, more)

    def _as_of(self, revision: int) -> dict[bytes, Pair]:
        """All pairs as they were."""
        there: dict[bytes, Pair] = {}
        for event in itertools.takewhile(lambda event: event.revision <= revision, self._events):
            if event.pair is None:
                there.pop(event.key, None)
            else:
                there[event.key] = event.pair
        return there

    def _holds(self, compare: Compare) -> bool:
        """Whether a condition is true."""
        pairs = [pair for key, pair in self._keys.items() if _is_within(key, compare.key, compare.end)]
        if not pairs:
            return compare.target is not Target.VALUE and _stands(0, compare.relation, compare.operand)
        return all(_stands(_property(pair, compare.target), compare.relation, compare.operand) for pair in pairs)

    def _lease(self, lease: int) -> _Lease:
        """A lease that is there."""
        if lease not in self._leases:
            raise NotFoundError("etcdserver: requested lease not found", reason="LEASE_GONE")
        return self._leases[lease]

    def _end_leases(self) -> None:
        """End what the clock has ended."""
        now_ms = self._clock.monotonic_ms()
        for lease in [lease for lease, found in self._leases.items() if found.ends_at_ms <= now_ms]:
            self._end(lease)

    def _end(self, lease: int) -> None:
        changes: list[Event] = []
        for key in sorted(self._leases[lease].keys):
            self._remove(Delete(key=key), changes)
        del self._leases[lease]
        self._publish(changes)


def _is_within(key: bytes, start: bytes, end: bytes) -> bool:
    """Whether a key is the one, or in the range."""
    if not end:
        return key == start
    return start <= key and (end == EVERY_KEY_FROM or key < end)


def _property(pair: Pair, target: Target) -> int | bytes:
    match target:
        case Target.VERSION:
            return pair.version
        case Target.CREATE_REVISION:
            return pair.create_revision
        case Target.MOD_REVISION:
            return pair.mod_revision
        case Target.VALUE:
            return pair.value
        case Target.LEASE:
            return pair.lease


def _stands(found: int | bytes, relation: Relation, operand: int | bytes) -> bool:
    assert type(found) is type(operand), "numbers are compared with numbers, values with bytes"
    order = (found > operand) - (found < operand)  # type: ignore[operator]
    match relation:
        case Relation.EQUAL:
            return order == 0
        case Relation.NOT_EQUAL:
            return order != 0
        case Relation.GREATER:
            return order > 0
        case Relation.LESS:
            return order < 0


def _passes(get: Get, pair: Pair) -> bool:
    """Whether a pair is within the bounds of revisions."""
    bounds: Iterator[bool] = iter(
        (
            pair.mod_revision >= get.min_mod_revision,
            not get.max_mod_revision or pair.mod_revision <= get.max_mod_revision,
            pair.create_revision >= get.min_create_revision,
            not get.max_create_revision or pair.create_revision <= get.max_create_revision,
        )
    )
    return all(bounds)


def _sort_key(by: SortBy, pair: Pair) -> tuple[int | bytes, bytes]:
    match by:
        case SortBy.KEY:
            return pair.key, b""
        case SortBy.VERSION:
            return pair.version, pair.key
        case SortBy.CREATE_REVISION:
            return pair.create_revision, pair.key
        case SortBy.MOD_REVISION:
            return pair.mod_revision, pair.key
        case SortBy.VALUE:
            return pair.value, pair.key
