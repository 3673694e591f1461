"""What must be true once everything is healed: all stores have the same, and of each key the latest write.

Where stores may have been away for longer than deletions are kept, a deletion need not have won against what they wrote
at the last moment; everything else holds there too.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from flaredb.core.commands import EncodedKey
from flaredb.core.eventual_records import Told
from flaredb.core.eventual_replica import REPAIR_EVERY_MS
from flaredb.core.eventual_tree import ROOT, Tree
from sim.eventual.clients import TTL_MS, Attempt, look
from sim.eventual.world import World
from ultracloud.testkit.checks import BrokenPromiseError

ROUNDS_MAX = 12
"""Repairs of every store until all have the same: a rumour reaches five in three or four, and some come to nothing
because clocks are apart."""
SHOWN_MAX = 2
"""Keys that a sentence names."""
WAIT_MS = 6_000
"""Until repairs that lost a message before all was healed are given up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run that broke no promise, in figures.

    Attributes:
        doubts: Writes that nobody was told the fate of.
        rereads: Times that a follower had to read again.
        repairs: Those that came to their end in the stores' last lives.
    """

    writes: int
    doubts: int
    reads: int
    changes: int
    rereads: int
    repairs: int
    messages: int


def judge(seed: int, trace: Callable[[str], None] | None = None) -> Verdict:
    """Run one seed and judge it.

    Raises:
        BrokenPromiseError: A promise was broken; the sentence says which.
    """
    world = World(seed, trace)
    try:
        world.run()
        _come_together(world)
        _check_latest(world)
        _look_last(world)
    except AssertionError as broken:
        if isinstance(broken, BrokenPromiseError):
            raise
        raise BrokenPromiseError(f"an invariant is broken: {_where(broken)}: {broken}") from broken
    doubts = sum(not attempt.is_acknowledged for attempt in world.attempts.values())
    repairs = sum(store.replica.figures.repairs for store in world.stores.values() if store.replica is not None)
    return Verdict(len(world.attempts), doubts, world.reads, world.changes, world.rereads, repairs, world.network.sent)


def _come_together(world: World) -> None:
    """Wait until all stores have the same on their disks."""
    limit_ms = WAIT_MS + TTL_MS + ROUNDS_MAX * REPAIR_EVERY_MS
    if not world.clock.run_until(lambda: _is_together(world), limit_ms):
        raise BrokenPromiseError(
            f"{limit_ms} ms after everything was healed: {'; '.join(islice(_differences(world), SHOWN_MAX))}"
        )
    for store in world.stores.values():
        assert store.replica is not None
        tree = Tree()
        for item in store.replica.contents.items(ROOT.span()):
            tree.change(item.digest, None, item.stamp)
        assert tree.hash(ROOT) == store.replica.contents.tree.hash(ROOT), store.name


def _is_together(world: World) -> bool:
    replicas = [store.replica for store in world.stores.values()]
    hashes = {None if replica is None else replica.contents.tree.hash(ROOT) for replica in replicas}
    is_quiet = all(replica is not None and not replica.has_more and not replica.to_sync() for replica in replicas)
    return is_quiet and len(hashes) == 1 and len({tuple(state.items()) for state in _states(world)}) == 1


def _states(world: World) -> Iterator[dict[EncodedKey, Told]]:
    """What each store has on its disk."""
    for store in world.stores.values():
        assert store.replica is not None, store.name
        yield {record.told.encoded: record.told for record in store.replica.contents.scan(b"", b"\xff")}


def _differences(world: World) -> Iterator[str]:
    states = dict(zip(world.stores, _states(world), strict=True))
    for key in sorted({key for state in states.values() for key in state}):
        told = {store: state.get(key) for store, state in states.items()}
        if len(set(told.values())) > 1:
            yield f"{told}"


def _check_latest(world: World) -> None:
    """Of each key, what stores have is the latest write that was acknowledged, or a later one in doubt."""
    state = next(_states(world))
    by_key: dict[EncodedKey, list[Attempt]] = {}
    for attempt in world.attempts.values():
        by_key.setdefault(attempt.told.encoded, []).append(attempt)
    for key, attempts in by_key.items():
        _check_key(world, state.get(key), attempts)


def _check_key(world: World, told: Told | None, attempts: list[Attempt]) -> None:
    if told is not None and not any(_is_of(told, attempt.told) for attempt in attempts):
        raise BrokenPromiseError(f"all stores have {told}, which nobody wrote")
    latest = max((each for each in attempts if each.is_acknowledged), key=lambda each: each.told.rank, default=None)
    if latest is None:
        return
    if told is None:
        later = [each.told for each in attempts if each.told.rank >= latest.told.rank]
        if not any(each.value is None or each.expires_at_ms for each in later) or not world.settings.is_short:
            raise BrokenPromiseError(f"no store has anything of {latest}")
    elif told.rank < latest.told.rank:
        is_forgotten = latest.told.value is None or latest.told.expires_at_ms
        if not (world.settings.is_short and is_forgotten):
            raise BrokenPromiseError(f"all stores have {told} and not the later {latest}")


def _is_of(told: Told, written: Told) -> bool:
    """Whether what a store has is what was written, perhaps ended since."""
    return told.stamp == written.stamp and told.value in (written.value, None)


def _look_last(world: World) -> None:
    """Read every key once more everywhere, and let every follower come to the end."""
    for store in world.stores.values():
        assert store.replica is not None
        for key in {attempt.told.encoded for attempt in world.attempts.values()}:
            look(world, store, store.replica, key)
    for follower in world.followers:
        assert follower.store.replica is not None
        follower.look(follower.store.replica)


def _where(broken: AssertionError) -> str:
    last = traceback.extract_tb(broken.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"
