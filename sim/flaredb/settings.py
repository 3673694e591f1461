"""What one seed decides about a run, before anything happens."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from flaredb.core.retention import History
from ultracloud.testkit.sim import Faults

TICK_MS = 100
ELECTION_TICKS = 10
LONG = History(age_ms=3_600_000, changes=1_000_000, bytes=1 << 30)
SHORT = History(age_ms=1500, changes=40, bytes=1 << 30)
"""So short that pages of a list and watches that stand still lose it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one run goes.

    Attributes:
        stores: Stores at the beginning; the first region is on three of them, or on one.
        voters: Replicas of the first region.
        chaos_ms: How long faults happen.
        fault_every_ms: Mean time between faults.
        split_every_ms: Mean time between splits.
        move_every_ms: Mean time between moves of replicas.
        clients: Who put, read, delete and compare.
        think_ms: Mean time a client waits before its next call.
        network: Loss, doubling and delay of messages while faults happen.
        disk_ms_max: What a sync takes at most, normally.
        keeps_entries: Applied entries a replica keeps for others.
        skew_ms: How far clocks of stores stand apart, at most.
        history: How much of it regions keep.
        bankers: Who move money between accounts, in transactions over several regions.
        merge_every_ms: Mean time between merges.
        watchers: Who follow everything that is committed.
    """

    stores: int
    voters: int
    chaos_ms: int
    fault_every_ms: int
    split_every_ms: int
    move_every_ms: int
    clients: int
    think_ms: int
    network: Faults
    disk_ms_max: int
    keeps_entries: int
    skew_ms: int
    history: History
    bankers: int
    watchers: int
    merge_every_ms: int


def draw(random: Random) -> Settings:
    """Draw the settings of a run."""
    stores = random.choice((1, 3, 3, 4, 5))
    network = Faults(
        delay_ms_min=1,
        delay_ms_max=random.choice((5, 20, 150)),
        drop=random.choice((0.0, 0.02, 0.2)),
        duplicate=random.choice((0.0, 0.05, 0.2)),
        late=random.choice((0.0, 0.01)),
    )
    return Settings(
        stores=stores,
        voters=min(stores, 3),
        chaos_ms=random.choice((3_000, 5_000, 8_000)),
        fault_every_ms=random.choice((400, 1000, 2500)),
        split_every_ms=random.choice((400, 1000, 3000)),
        move_every_ms=random.choice((1000, 3000, 1_000_000)),
        clients=random.randint(1, 3),
        think_ms=random.choice((5, 30, 100, 300)),
        network=network,
        disk_ms_max=random.choice((1, 5, 40)),
        keeps_entries=random.choice((4, 20, 1000)),
        skew_ms=random.choice((0, 0, 240)),
        history=random.choice((LONG, LONG, SHORT)),
        bankers=random.randint(1, 4),
        watchers=2,
        merge_every_ms=random.choice((300, 1000, 1_000_000)),
    )
