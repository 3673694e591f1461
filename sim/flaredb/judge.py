"""What must be true once everything is healed: replicas come to one state, and kept every promise on the way."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flaredb.core.engine import Column
from flaredb.core.keys import encode
from flaredb.core.region import Region, RegionId
from flaredb.core.region_entry import NOT_MERGING
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_rows import checksum
from flaredb.core.visibility import standing
from sim.flaredb.clients import COUNTERS, EVERY_KEY, NAMESPACE, Client
from sim.flaredb.feeds import check_snapshots, check_watchers, placed
from sim.flaredb.place import Token
from sim.flaredb.store import Store
from sim.flaredb.world import World
from ultracloud.raft.membership import members
from ultracloud.testkit.checks import BrokenPromiseError, History, UndecidedError, check_cycles, check_keys
from ultracloud.testkit.checks.history import Call, Get, Got, Lost, Put, Result, Txn, TxnDone

ASKED_MAX = 20
"""Times that a key is asked for in the end: stores that know nothing of it are asked too."""
RECOVERY_MS_MAX = 20_000
"""After everything is healed, replicas must come together in this time: some elections, and a state to each."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run that broke no promise, in figures.

    Attributes:
        doubts: Calls that nobody knows the fate of.
        writes: Transactions that were told to have happened.
        sums: States of regions that were compared.
        wide: Versions that changed more than one key.
        snapshots: Times that all keys were read at a version.
    """

    calls: int
    doubts: int
    writes: int
    regions: int
    messages: int
    sums: int
    wide: int
    snapshots: int


def judge(seed: int, trace: Callable[[str], None] | None = None, kind: type[World] = World) -> Verdict:
    """Run one seed, of one kind of world, and judge it.

    Raises:
        BrokenPromiseError: A promise was broken; the sentence says which.
    """
    world = kind(seed, trace)
    try:
        world.run()
        regions = _come_together(world)
        _look_last(world)
        for watcher in world.watchers:
            watcher.look()
    except AssertionError as broken:
        if isinstance(broken, BrokenPromiseError):
            raise
        raise BrokenPromiseError(f"an invariant is broken: {_where(broken)}: {broken}") from broken
    history = world.history()
    try:
        check_keys(history)
    except UndecidedError as undecided:
        raise BrokenPromiseError(f"too much is in doubt to be judged: {undecided}") from undecided
    check_versions(history)
    check_counters(history, {key: _count(world, key) for key in COUNTERS})
    feed = check_watchers(world.watchers, history)
    snapshots = check_snapshots(world.watchers, feed)
    check_cycles(history, placed(feed))
    wide = sum(len(versions) > 1 for versions in feed.versions.values())
    doubts = sum(call.returned_ms is None for call in history.calls)
    writes = sum(isinstance(call.result, TxnDone) for call in history.calls)
    return Verdict(
        len(history.calls), doubts, writes, len(regions), world.network.sent, len(world.sums), wide, snapshots
    )


def check_versions(history: History) -> None:
    """Versions of a key rise with its writes, and between what was compared and what was written stands nothing.

    Raises:
        BrokenPromiseError: They do not.
    """
    written: dict[str, list[tuple[int, Call]]] = {}
    for call in history.calls:
        if isinstance(call.result, TxnDone) and call.result.succeeded and isinstance(call.op, Txn):
            for step in call.op.success:
                if isinstance(step, Put):
                    written.setdefault(step.key, []).append((call.result.revision, call))
    for key, found in written.items():
        found.sort(key=lambda each: each[0])
        for (version, one), (after, other) in itertools.pairwise(found):
            if version == after:
                raise BrokenPromiseError(f"two writes of {key} share version {version}: {one} and {other}")
            if other.ended_ms < one.invoked_ms:
                raise BrokenPromiseError(f"version {after} was told before {version} was asked for: {other}; {one}")
            _check_compared(key, version, one, other)


def check_counters(history: History, counted: dict[str, int]) -> None:
    """Every increment that was acknowledged is counted once, and nothing else but those in doubt.

    Args:
        history: What clients were told.
        counted: Where each counter stands in the end.

    Raises:
        BrokenPromiseError: Some are missing, or there are too many.
    """
    for key, count in counted.items():
        asked = [call.result for call in history.calls if isinstance(call.op, Txn) and _puts(call.op, key)]
        done = sum(isinstance(result, TxnDone) for result in asked)
        doubts = sum(isinstance(result, Lost) for result in asked)
        if not done <= count <= done + doubts:
            raise BrokenPromiseError(f"{key} stands at {count}: {done} increments were told, {doubts} are in doubt")


def _puts(op: Txn, key: str) -> bool:
    return any(isinstance(step, Put) and step.key == key for step in op.success)


def _count(world: World, key: str) -> int:
    """Where a counter stands in the rows of a store that has it."""
    encoded = encode(NAMESPACE, key.encode())
    for store, replica in _replicas(world):
        if replica.region.is_known and replica.region.covers(encoded):
            found = standing(store.disk.cursor(Column.DATA), encoded)
            return int(found.value) if found is not None else 0
    raise BrokenPromiseError(f"no store has the region of {key}")


def _check_compared(key: str, version: int, one: Call, other: Call) -> None:
    """Whether `other`, the next write that is known, may have seen what it compared with."""
    assert isinstance(other.op, Txn), other
    for compare in other.op.compare:
        if compare.key == key and compare.target == "mod" and int(compare.operand) < version:
            raise BrokenPromiseError(f"{other} did not see version {version} of {key}: {one}")


def _come_together(world: World) -> dict[RegionId, Region]:
    """Wait until every region has one leader and all replicas have applied what it has."""
    if not world.clock.run_until(lambda: not world.open_calls and _is_together(world), RECOVERY_MS_MAX):
        raise BrokenPromiseError(f"{RECOVERY_MS_MAX} ms after everything was healed: {'; '.join(_states(world))}")
    for store, replica in _replicas(world):
        total = checksum(store.disk, replica.region)
        world.compare(replica.region, replica.applied.index, total, store.name)
    return _regions(world)


def _is_together(world: World) -> bool:
    regions = _regions(world)
    spans = sorted((region.start, region.end) for region in regions.values())
    is_whole = spans[0][0] == spans[-1][1] == b"" and all(
        one[1] == other[0] for one, other in itertools.pairwise(spans)
    )
    return is_whole and all(_is_region_together(world, region) for region in regions.values())


def _is_region_together(world: World, region: Region) -> bool:
    found = {replica.me: replica for _, replica in _replicas(world) if replica.id == region.region}
    leaders = [replica for replica in found.values() if replica.is_leader]
    if len(leaders) != 1 or set(found) != members(region.config):
        return False
    last = leaders[0].raft.last_index
    is_still = all(each.merging == NOT_MERGING for each in found.values())
    return is_still and all(each.applied.index == last and each.region == region for each in found.values())


def _regions(world: World) -> dict[RegionId, Region]:
    """Every region, as its newest replica has it."""
    regions: dict[RegionId, Region] = {}
    for _, replica in _replicas(world):
        known = regions.get(replica.id)
        epoch = replica.region.epoch
        if known is None or (epoch.version, epoch.conf_version) > (known.epoch.version, known.epoch.conf_version):
            regions[replica.id] = replica.region
    return regions


def _replicas(world: World) -> Iterator[tuple[Store, RegionReplica[Token]]]:
    for store in world.stores.values():
        if store.node is not None:
            for replica in store.node.replicas.values():
                yield store, replica


def _states(world: World) -> Iterator[str]:
    for store, replica in _replicas(world):
        raft = replica.raft
        yield (
            f"{store.name} {replica.region} peer {replica.me} {raft.role.value} term {raft.term} "
            f"applied {replica.applied.index} of {raft.commit} of {raft.last_index}"
        )
    yield f"open calls {sorted(world.open_calls)}"


def _look_last(world: World) -> None:
    """Read every key once more: what was acknowledged is there, or something newer."""
    client = Client(world, "last")
    for key in EVERY_KEY:
        if key in COUNTERS:
            continue  # they hold no value that was put
        answers: list[Result] = []
        for _ in range(ASKED_MAX):
            answers.clear()
            client.ask(Get(key), answers.append)
            world.clock.run_until(lambda answers=answers: bool(answers), RECOVERY_MS_MAX)
            if isinstance(answers[0], Got):
                break
        else:
            raise BrokenPromiseError(f"nobody reads {key}: {answers[0]}")


def _where(broken: AssertionError) -> str:
    last = traceback.extract_tb(broken.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"
