"""Eventual namespaces that are broken on purpose: each breaks one rule that the simulation must find broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flaredb.core.engine import Engine
from flaredb.core.eventual_clock import HybridClock
from flaredb.core.eventual_contents import Batch, Contents
from flaredb.core.eventual_records import Counters, Record, Told
from flaredb.core.eventual_repair import Answering, Holder, Repair
from flaredb.core.eventual_replica import EventualReplica
from flaredb.core.region import StoreId
from sim.flaredb.storage import Disk

Break = Callable[[pytest.MonkeyPatch], None]


def answers_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    """The disk says that it is done at once, and forgets."""

    def begin_sync(disk: Disk, done: Callable[[], None]) -> None:
        life = disk._life
        disk._clock.call_later(0, lambda: done() if disk._life == life else None)

    patch.setattr(Disk, "begin_sync", begin_sync)


def shows_what_is_not_on_the_disk(patch: pytest.MonkeyPatch) -> None:
    """Readers see the rows of a batch as soon as it is written."""
    patch.setattr(Contents, "get", Contents._stored)


def follows_what_is_not_on_the_disk(patch: pytest.MonkeyPatch) -> None:
    """A watcher misses a change whose replacement a power cut takes back."""
    patch.setattr(Contents, "_hidden", lambda _self: {})


def the_last_to_arrive_wins(patch: pytest.MonkeyPatch) -> None:
    """A store keeps what it heard last."""

    def merge(replica: EventualReplica[object], told: Told) -> None:
        replica._own.pop(told.encoded, None)
        replica.contents.stage(told.encoded, told)

    patch.setattr(EventualReplica, "_merge", merge)


def deletions_are_forgotten_at_once(patch: pytest.MonkeyPatch) -> None:
    """Nothing is left of a deleted key."""

    def due_ms(told: Told, _tombstone_ms: int) -> int:
        return told.expires_at_ms if told.value is not None else told.stamp.ms

    patch.setattr(Told, "due_ms", due_ms)


def the_clock_begins_anew(patch: pytest.MonkeyPatch) -> None:
    """A restarted store does not know which stamps it gave."""
    whole = HybridClock.__init__
    patch.setattr(HybridClock, "__init__", lambda clock, store, _time=0: whole(clock, store, 0))


def the_clock_follows_nobody(patch: pytest.MonkeyPatch) -> None:
    """A write that replaces what its writer saw may be the earlier one."""
    patch.setattr(HybridClock, "follow", lambda _clock, _stamp, _now_ms: None)


def versions_begin_anew(patch: pytest.MonkeyPatch) -> None:
    """A restarted store gives versions again."""
    whole = Contents.__init__

    def init(contents: Contents, engine: Engine, tombstone_ms: int, start: int) -> None:
        whole(contents, engine, tombstone_ms, start)
        contents.counters = Counters(contents.counters.time, contents.counters.version - 1, contents.counters.floor)

    patch.setattr(Contents, "__init__", init)


def what_only_one_has_stays_there(patch: pytest.MonkeyPatch) -> None:
    """A repair only brings later writes of what both have."""
    whole = Repair._to_give
    patch.setattr(Repair, "_to_give", lambda repair, found: whole(repair, replace(found, unknown=())))
    patch.setattr(Answering, "_tell_missing", lambda _self, _sender, _item, _found: None)


def the_tree_forgets_what_was_replaced(patch: pytest.MonkeyPatch) -> None:
    """Hashes differ where stores are equal, and the other way round."""
    whole = Contents.publish

    def publish(contents: Contents, through: int) -> list[Batch]:
        for batch in contents._begun:
            batch.before = dict.fromkeys(batch.before)
        return whole(contents, through)

    patch.setattr(Contents, "publish", publish)


def what_the_other_lost_is_dropped(patch: pytest.MonkeyPatch) -> None:
    """Whoever does not know a key has deleted it."""

    def was_deleted(holder: Holder, peer: StoreId, _record: Record) -> bool:
        return holder.others.is_apart(peer, holder.now_ms)

    patch.setattr("flaredb.core.eventual_repair.was_deleted", was_deleted)


MUTANTS: tuple[Break, ...] = (
    answers_before_it_is_durable,
    what_the_other_lost_is_dropped,
    follows_what_is_not_on_the_disk,
    the_last_to_arrive_wins,
    deletions_are_forgotten_at_once,
    versions_begin_anew,
    what_only_one_has_stays_there,
    the_tree_forgets_what_was_replaced,
)
"""Found out within a few seeds."""
RARE_MUTANTS: tuple[Break, ...] = (
    the_clock_begins_anew,
    the_clock_follows_nobody,
    shows_what_is_not_on_the_disk,
)
"""It takes something like a hundred seeds until it matters that they are broken."""
