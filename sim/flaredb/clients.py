"""Clients: they put, read, delete and compare by a map of regions that may be old, and write down what they were told.

Each value is unique. A call that was not answered in time is in doubt and not asked again; the client goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from flaredb.core import commands
from flaredb.core.engine import Column
from flaredb.core.keys import encode
from flaredb.core.region import Region, RegionId, StoreId
from flaredb.core.region_errors import NotLeaderError, OutcomeUnknownError, RegionMovedError
from flaredb.core.region_locks import EVERYTHING, Sought
from flaredb.core.region_node import RegionNode
from flaredb.core.region_work import Answer
from flaredb.core.visibility import read
from sim.flaredb.place import Outside, Token
from sim.flaredb.store import Store
from ultracloud.base.faults import Fault
from ultracloud.testkit.checks.history import (
    Call,
    Compare,
    Delete,
    Get,
    Got,
    Kv,
    Lost,
    Put,
    Refused,
    Result,
    Txn,
    TxnDone,
)

NAMESPACE = "sim"
KEYS = tuple(f"k{number}" for number in range(8))
COUNTERS = ("n0", "n1")
"""Keys that are only added to: each put of them stands for one more."""
ACCOUNTS = ("a0", "a1", "a2", "z0", "z1", "z2")
"""Money is moved between these, and comes from nowhere else. Between them stands everything else."""
GUARDED = (("k0", "k7"), ("k1", "k6"), ("k2", "z3"))
"""Pairs of which one is written if neither has changed."""
EVERY_KEY = (*KEYS, *COUNTERS, *ACCOUNTS, "z3")
MONEY = 100
"""On each account."""
TIMEOUT_MS = 2500
DELAY_MS_MAX = 3
"""Between a client and a store, each way."""
WIDE = 0.1
"""Part of the transactions in one region that are run as if they were over several: it may be cut meanwhile."""
PAIRS = 0.4
"""Part of the puts of several keys that are of two."""
EXACT = 0.5
"""Part of the reads that say what they look at; the others wait for everything of their region."""
STRAY = 0.1
"""Part of the calls that go to any store: reads at followers, and stores that know nothing of the region."""

Reply = Callable[[Result], None]


class Place(Outside, Protocol):
    """What clients have around them.

    Attributes:
        calls: Everything that was asked, in the order of asking.
        open_calls: Numbers of those without an answer.
        is_closing: No more calls are to be made.
    """

    calls: list[Call]
    open_calls: set[int]
    is_closing: bool
    stores: dict[StoreId, Store]

    def stamp(self) -> float:
        """Now, later than every earlier stamp."""
        ...


@dataclass(slots=True)
class Client:
    """One client: a call at a time.

    Attributes:
        seen: Versions of keys that it was told of, to compare with.
    """

    place: Place
    name: str
    map: dict[RegionId, Region] = field(default_factory=dict)
    leaders: dict[RegionId, StoreId] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Make the next call after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.think_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        self.ask(self._draw(), lambda _: self.begin())

    def ask(self, op: Get | Txn, then: Reply) -> None:
        """Ask the store that should know, write down what comes of it, and go on with `then`."""
        place, number = self.place, len(self.place.calls) + 1
        regions = {region.region: region for region in map(self._region_of, _keys_of(op))}
        region = next(iter(regions.values()))
        is_wide = len(regions) > 1 or (isinstance(op, Txn) and place.random.random() < WIDE)
        store = place.random.choice(list(place.stores.values())) if is_wide else self._store_for(region)
        asked, invoked_ms = store.name, place.stamp()
        place.calls.append(Call(number, self.name, asked, op, invoked_ms, None, Lost()))
        place.open_calls.add(number)

        def close(result: Result) -> None:
            if number in place.open_calls:
                place.open_calls.discard(number)
                returned_ms = None if isinstance(result, Lost) else place.stamp()
                place.calls[number - 1] = Call(number, self.name, asked, op, invoked_ms, returned_ms, result)
                place.note(place.calls[number - 1])
                self._learn(result)
                then(result)

        def answered(came: Result | Fault) -> None:
            result = self._refusal(region, came) if isinstance(came, Fault) else came
            place.clock.call_later(place.random.randint(0, DELAY_MS_MAX), lambda: close(result))

        def arrive() -> None:
            if store.node is None or store.name != asked:
                answered(Refused("nobody listens"))
            elif is_wide and isinstance(op, Txn):
                store.take(lambda _: serve_wide(store, op, answered))
            else:
                store.take(lambda node: serve(node, store, region, op, answered))

        place.clock.call_later(place.random.randint(0, DELAY_MS_MAX), arrive)
        place.clock.call_later(TIMEOUT_MS, lambda: close(Lost("no answer in time")))

    def _draw(self) -> Get | Txn:  # noqa: PLR0911 - one return a kind
        random = self.place.random
        key, other = random.sample(KEYS, 2)
        value = f"{self.name}-{len(self.place.calls) + 1}"
        match random.choices(range(7), (30, 35, 8, 10, 10, 7, 10))[0]:
            case 0:
                return Get(key)
            case 1:
                return Txn((), (Put(key, value),), ())
            case 2:
                return Txn((), (Delete(key),), ())
            case 3:
                return Txn((Compare(key, "version", "=", 0),), (Put(key, value),), ())
            case 4:
                return Txn((Compare(key, "mod", "=", self.seen.get(key, 1)),), (Put(key, value),), ())
            case 5:
                others = (
                    [other] if random.random() < PAIRS else random.sample([each for each in KEYS if each != key], 4)
                )
                return Txn((), (Put(key, value), *(Put(each, f"{value}{each}") for each in others)), ())
            case _:
                return Txn((), (Put(random.choice(COUNTERS), value),), ())

    def _learn(self, result: Result) -> None:
        if isinstance(result, Got):
            self.seen.update({kv.key: kv.mod for kv in result.kvs})

    def _region_of(self, key: str) -> Region:
        encoded = encode(NAMESPACE, key.encode())
        found = next((region for region in self.map.values() if region.covers(encoded)), None)
        if found is None:
            found = self.place.look_up(encoded)
            self._note(found)
        return found

    def _store_for(self, region: Region) -> Store:
        random, stores = self.place.random, self.place.stores
        guess = self.leaders.get(region.region)
        if guess is None or guess not in stores or random.random() < STRAY:
            return random.choice(list(stores.values()))
        return stores[guess]

    def _note(self, region: Region) -> None:
        """Put a region into the map in place of older ones of its keys."""
        old = [each for each in self.map.values() if each.region == region.region or each.overlaps(region)]
        if all(each.epoch.version <= region.epoch.version for each in old):
            for each in old:
                del self.map[each.region]
            self.map[region.region] = region

    def _refusal(self, region: Region, fault: Fault) -> Result:
        """Either it did not happen and never will, or nobody knows; and what the refusal says of the map."""
        match fault:
            case OutcomeUnknownError():
                return Lost(fault.public)
            case RegionMovedError():
                if not fault.regions:
                    self.map.pop(region.region, None)
                for each in fault.regions:
                    self._note(each)
                self.leaders.pop(region.region, None)
            case NotLeaderError():
                self.leaders.pop(region.region, None)
                if fault.leader is not None:
                    self.leaders[region.region] = fault.leader
            case _:
                self.leaders.pop(region.region, None)
        return Refused(fault.public)


def serve(
    node: RegionNode[Token], store: Store, region: Region, op: Get | Txn, reply: Callable[[Result | Fault], None]
) -> None:
    """Do at a store what a client asks, by the client's map."""

    def proposed(answer: Answer | int) -> None:
        if isinstance(answer, Fault):
            reply(answer)
        else:
            assert isinstance(answer, tuple), answer
            reply(_done(op, answer[0]))

    def readable(told: Answer | int) -> None:
        if isinstance(told, Fault):
            reply(told)
        else:
            assert isinstance(op, Get), op
            assert isinstance(told, int), told
            reply(_look(store, op.key, told))

    try:
        if isinstance(op, Get):
            sought = (
                Sought((encode(NAMESPACE, op.key.encode()),)) if store.outside.random.random() < EXACT else EVERYTHING
            )
            node.read(region.region, region.epoch, readable, sought)
        else:
            node.propose(region.region, region.epoch, (_txn(op),), proposed)
    except Fault as fault:
        reply(fault)


def serve_wide(store: Store, op: Txn, reply: Callable[[Result | Fault], None]) -> None:
    """Run a transaction over whatever regions it needs."""
    assert store.router is not None
    store.router.run(_txn(op), lambda outcome: reply(outcome if isinstance(outcome, Fault) else _done(op, outcome)))


def _look(store: Store, key: str, version: int) -> Got:
    """What a key holds at a store as of a version."""
    name = key.encode()
    found = read(store.disk.cursor(Column.DATA), encode(NAMESPACE, name), name, version, 0)
    if found is None:
        return Got(0, (), 0)
    return Got(found.version, (Kv(key, found.value.decode(), 0, found.version, 1),), 1)


def _txn(op: Txn) -> commands.Txn:
    """A history's transaction as the store's."""
    comparisons = tuple(commands.Comparison(each.key.encode(), int(each.operand)) for each in op.compare)
    return commands.Txn(NAMESPACE, comparisons, tuple(map(_write, op.success)))


def _write(step: Get | Put | Delete | Txn) -> commands.AnyWrite:
    match step:
        case Put() if step.key in COUNTERS:
            return commands.Increment(step.key.encode(), 1)
        case Put():
            return commands.Write(step.key.encode(), step.value.encode())
        case Delete():
            return commands.Write(step.key.encode(), None)
        case Get() | Txn():
            raise AssertionError(step)
        case _:
            assert_never(step)


def _done(op: Get | Txn, outcome: commands.Outcome) -> TxnDone:
    assert isinstance(op, Txn), op
    steps = op.success if outcome.succeeded else op.failure
    return TxnDone(outcome.version, outcome.succeeded, tuple(Lost() for _ in steps))


def _keys_of(op: Get | Txn) -> list[str]:
    """Every key that is named."""
    if isinstance(op, Get):
        return [op.key]
    return [compare.key for compare in op.compare] + [step.key for step in op.success if isinstance(step, Put | Delete)]
