"""What one seed decides about a run, before anything happens."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ultracloud.testkit.sim import Faults

TICK_MS = 100
ELECTION_TICKS = 10
"""etcd's defaults: a leader is heard every 100 ms, and missed after a second."""
REQUEST_TIMEOUT_MS = 3000
"""What a member waits for its command to be applied. etcd's is 7 s; less makes more doubt in the same time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one run goes.

    Attributes:
        voters: Members at the beginning.
        chaos_ms: How long faults happen.
        fault_every_ms: Mean time between faults.
        clients: Who put, read, delete and compare; some of them hold leases.
        watchers: Who watch.
        think_ms: Mean time a client waits before its next call.
        network: Loss, doubling and delay of messages while faults happen.
        disk_ms_max: What a sync takes at most, normally.
        keeps_entries: Applied entries a member keeps in memory for others.
        snapshot_bytes: Log after which a snapshot is written.
        drift: How much faster or slower ticks of members are, at most.
        quota_bytes: Stored bytes from which on NOSPACE is raised; 0 is none.
        changes_members: Members join and leave.
        checkpoint_ms: How often what leases have left is logged.
        outwaits_leases: The run goes on until every lease must be dead.
    """

    voters: int
    chaos_ms: int
    fault_every_ms: int
    clients: int
    watchers: int
    think_ms: int
    network: Faults
    disk_ms_max: int
    keeps_entries: int
    snapshot_bytes: int
    drift: float
    quota_bytes: int
    changes_members: bool
    checkpoint_ms: int
    outwaits_leases: bool


def draw(random: Random) -> Settings:
    """Draw the settings of a run."""
    voters = random.choice((1, 3, 3, 3, 3, 5))
    delay_ms_max = random.choice((5, 20, 150))
    network = Faults(
        delay_ms_min=1,
        delay_ms_max=delay_ms_max,
        drop=random.choice((0.0, 0.02, 0.2)),
        duplicate=random.choice((0.0, 0.05, 0.2)),
        late=random.choice((0.0, 0.01)),
    )
    return Settings(
        voters=voters,
        chaos_ms=random.choice((6_000, 9_000, 12_000)),
        fault_every_ms=random.choice((400, 1000, 2500)),
        clients=random.randint(2, 4),
        watchers=random.randint(1, 2),
        think_ms=random.choice((30, 100, 300)),
        network=network,
        disk_ms_max=random.choice((1, 5, 40)),
        keeps_entries=random.choice((4, 20, 1000)),
        snapshot_bytes=random.choice((1500, 6000, 1 << 20)),
        drift=random.choice((0.0, 0.0, 0.04)),
        quota_bytes=random.choice((0, 0, 0, 12_000)),
        changes_members=random.random() < 0.4,  # noqa: PLR2004 - less often than not
        checkpoint_ms=random.choice((300_000, 1500)),
        outwaits_leases=random.random() < 0.2,  # noqa: PLR2004 - it takes long
    )
