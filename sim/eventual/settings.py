"""What one seed decides about a run, before anything happens."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ultracloud.testkit.sim import Faults

TICK_MS = 100
DAY_MS = 24 * 3_600_000
SHORT_MS = 4000
"""Deletions are kept for less than many a fault lasts, so that stores come back that were away for longer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one run goes.

    Attributes:
        stores: Stores at the beginning.
        joins: Stores that join while things go wrong, with an empty disk.
        chaos_ms: How long faults happen.
        fault_every_ms: Mean time between faults.
        clients: Who write, delete and read.
        think_ms: Mean time a client waits before its next call.
        keys: Keys in use: few are fought over, many make leaves of several.
        network: Loss, doubling and delay of messages while faults happen.
        disk_ms_max: What a sync takes at most, normally.
        skew_ms: How far a store's clock is off at most; two of them stand twice that apart, which is the bound.
        tombstone_ms: How long deletions are kept.
    """

    stores: int
    joins: int
    chaos_ms: int
    fault_every_ms: int
    clients: int
    think_ms: int
    keys: int
    network: Faults
    disk_ms_max: int
    skew_ms: int
    tombstone_ms: int

    @property
    def is_short(self) -> bool:
        """Whether stores may be away for longer than deletions are kept."""
        return self.tombstone_ms == SHORT_MS


def draw(random: Random) -> Settings:
    """Draw the settings of a run."""
    network = Faults(
        delay_ms_min=1,
        delay_ms_max=random.choice((5, 20, 150)),
        drop=random.choice((0.0, 0.02, 0.2)),
        duplicate=random.choice((0.0, 0.05, 0.2)),
        late=random.choice((0.0, 0.01, 0.05)),
    )
    return Settings(
        stores=random.choice((3, 3, 4, 5)),
        joins=random.choice((0, 0, 1)),
        chaos_ms=random.choice((5_000, 9_000, 15_000)),
        fault_every_ms=random.choice((300, 800, 2000)),
        clients=random.randint(2, 4),
        think_ms=random.choice((20, 60, 200)),
        keys=random.choice((3, 8, 60)),
        network=network,
        disk_ms_max=random.choice((1, 5, 40)),
        skew_ms=random.choice((0, 50, 245)),
        tombstone_ms=random.choice((DAY_MS, DAY_MS, SHORT_MS)),
    )
