"""Why writes are refused or slow: a judgement of what a server measures, as sentences that end in what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import TypeAlias

MIB = 1024 * 1024
SYNC_P99_S_MAX = 0.010
"""A disk that takes longer for one sync in a hundred is felt in every service: each of their writes waits for one."""
COMMIT_P99_S_MAX = 0.050
"""The same where commits go to PostgreSQL: two trips and its own sync."""
WRITE_S_MAX = 0.100
"""What a transaction that writes nothing waits for is the loop and the batches before it."""
WAITING_MAX = 1000
"""Writes that wait for their batch: half of what a batch takes; refused from 50,000 on."""
UNSWEPT_MAX = 100_000
"""Versions of history that are given up and not swept: a minute of sweeping. Scans step over them."""
EXPIRY_BEHIND_S_MAX = 10.0
"""Keys that have ended are deleted within a second where less end than 5,000 a second."""
WATCH_BEHIND_MAX = 10_000
"""Versions that the slowest watch has yet to be told: more than is kept in memory, so it reads from disk."""
PENDING_COMPACTION_MAX = 1024 * MIB
"""RocksDB slows writes down at 64 GiB by default; a store of metadata that is a gibibyte behind is on its way there."""
RESERVES_MIN = 2
"""Room on the disk in reserves, below which somebody should look."""
P99 = 0.99
SAMPLES_MIN = 100
"""Of fewer, one in a hundred is the slowest of all."""


Counts: TypeAlias = tuple[tuple[float, float], ...]


class Weight(Enum):
    """What a finding means for writes."""

    REFUSED = "refused"
    SLOW = "slow"
    RISK = "risk"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause.

    Attributes:
        cause: A word that does not change, for programs.
        says: One sentence.
        remedy: What to do about it.
    """

    weight: Weight
    cause: str
    says: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the server measures of itself; nothing where its page could not be read.

    Attributes:
        numbers: By name, without ``flaredb_`` and labels.
        syncs: Counts of synced batches by upper bound in seconds, each with all below it.
        commits: The same of batches that PostgreSQL committed.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    syncs: Counts = ()
    commits: Counts = ()

    def __getitem__(self, name: str) -> float:
        return self.numbers.get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """Transactions that were tried: they compare and write nothing, but wait and are refused as all others.

    Attributes:
        failure: What refused them; empty if nothing did.
        seconds: What each took.
    """

    failure: str = ""
    seconds: tuple[float, ...] = ()


def judge(trial: Trial, before: Gauges, after: Gauges) -> list[Finding]:
    """Give what is wrong, what refuses writes first.

    Args:
        trial: What was tried.
        before: What was measured before it.
        after: What was measured after it; a slow sync long ago slows nobody now, so what lies between counts.
    """
    found = [*_database(after), *_disk(before, after), *_behind(after), *_watches(after), *_eventual(after)]
    found += _trial(trial, found)
    order = list(Weight)
    return sorted(found, key=lambda finding: order.index(finding.weight))


def quantile(counts: Sequence[tuple[float, float]], share: float) -> float:
    """The bound below which `share` of what was counted lies; 0 if less than SAMPLES_MIN were counted."""
    ordered = sorted(counts)
    whole = ordered[-1][1] if ordered else 0
    if whole < SAMPLES_MIN:
        return 0.0
    return next(bound for bound, below in ordered if below >= whole * share)


def between(before: Counts, after: Counts) -> Counts:
    """What was counted between two looks; all there ever was if that is too little to tell."""
    counted = dict(before)
    since = tuple((bound, count - counted.get(bound, 0)) for bound, count in after)
    return since if since and max(count for _, count in since) >= SAMPLES_MIN else after


def _database(after: Gauges) -> Iterator[Finding]:
    """Only where PostgreSQL is the engine is there such a gauge."""
    if after.numbers.get("database_connected") == 0:
        yield Finding(
            Weight.REFUSED,
            "DATABASE_AWAY",
            "The database behind flaredb does not answer: reads and writes are refused until it does.",
            "Look at PostgreSQL and the way to it; flaredb's log has its answer, and goes on by itself.",
        )


def _disk(before: Gauges, after: Gauges) -> Iterator[Finding]:
    free, reserve = after["disk_free_bytes"], after["disk_reserve_bytes"]
    if "disk_free_bytes" in after.numbers and free < reserve:
        yield Finding(
            Weight.REFUSED,
            "DISK_FULL",
            f"The disk has {_mib(free)} free, and {_mib(reserve)} are kept in reserve: writes are refused until there "
            "is more.",
            "Free space on the disk that holds state_dir; no restart is needed.",
        )
    elif free < reserve * RESERVES_MIN:
        yield Finding(
            Weight.RISK,
            "DISK_LOW",
            f"The disk has {_mib(free)} free; below {_mib(reserve)} writes are refused.",
            "Free space on the disk that holds state_dir, or keep less history ([history] in the configuration).",
        )
    elif after["refusing_writes"]:
        yield Finding(
            Weight.REFUSED,
            "DISK_FAILED",
            "The disk failed the last write: writes are refused until one succeeds.",
            "flaredb's log has what the disk said; so has dmesg.",
        )
    sync_s = quantile(between(before.syncs, after.syncs), P99)
    if sync_s > SYNC_P99_S_MAX:
        yield Finding(
            Weight.SLOW,
            "DISK_SLOW",
            f"The disk takes {_ms(sync_s)} for one sync in a hundred; {_ms(SYNC_P99_S_MAX)} is what services bear.",
            "Give state_dir a disk of its own, without other writers; look at iostat and dmesg.",
        )
    commit_s = quantile(between(before.commits, after.commits), P99)
    if commit_s > COMMIT_P99_S_MAX:
        yield Finding(
            Weight.SLOW,
            "DATABASE_SLOW",
            f"PostgreSQL takes {_ms(commit_s)} for one commit in a hundred; {_ms(COMMIT_P99_S_MAX)} are borne well.",
            "Look at its disk, its log (log_lock_waits, checkpoints) and the network between.",
        )
    if after["write_stalls"] > before["write_stalls"]:
        yield Finding(
            Weight.SLOW,
            "ENGINE_STALLED",
            "RocksDB asks for pauses: it flushes and compacts more slowly than is written.",
            "Raise [rocksdb] write_buffer_mib if it comes in bursts; otherwise write less, or to a faster disk.",
        )
    pending = after["compaction_pending_bytes"]
    if pending > PENDING_COMPACTION_MAX:
        yield Finding(
            Weight.RISK,
            "COMPACTION_BEHIND",
            f"RocksDB is {_mib(pending)} behind with compaction: reads slow down now, and writes in the end.",
            "If it does not shrink within minutes, look at the disk (iostat) and at what is written so often.",
        )


def _behind(after: Gauges) -> Iterator[Finding]:
    """What the store has put off."""
    if after["waiting_writes"] > WAITING_MAX:
        yield Finding(
            Weight.SLOW,
            "QUEUE",
            f"{after['waiting_writes']:.0f} writes wait for the disk.",
            "Services ask for more than it gives: write in fewer, larger transactions, or fewer at once.",
        )
    unswept = after["floor_version"] - after["swept_version"]
    if unswept > UNSWEPT_MAX:
        yield Finding(
            Weight.RISK,
            "SWEEP_BEHIND",
            f"{unswept:.0f} versions of old history are given up and not deleted yet: scans step over them.",
            "It catches up when less is written. If not, flaredb's log says what keeps it from sweeping.",
        )
    if after["expiry_behind_seconds"] > EXPIRY_BEHIND_S_MAX:
        yield Finding(
            Weight.RISK,
            "EXPIRY_BEHIND",
            f"Keys that have ended are deleted {after['expiry_behind_seconds']:.0f} s late; readers do not see them, "
            "watchers hear of it late.",
            "More keys end than 5,000 a second, or writes are refused. Spread their ends.",
        )


def _watches(after: Gauges) -> Iterator[Finding]:
    behind, kept = after["watch_behind_versions"], after["applied_version"] - after["floor_version"]
    if behind > WATCH_BEHIND_MAX:
        yield Finding(
            Weight.RISK,
            "WATCH_SLOW",
            f"The slowest watch is {behind:.0f} versions behind, and history has {kept:.0f}: once it is overtaken it "
            "has to read everything again.",
            "Look for a service that is busy or stopped with its watch open. It slows nobody else.",
        )


def _eventual(after: Gauges) -> Iterator[Finding]:
    """Only where there are eventual namespaces are there such gauges."""
    if after.numbers.get("eventual_is_whole") == 0:
        yield Finding(
            Weight.RISK,
            "JOINING",
            "This store has no copy of eventual namespaces yet: reads of them are refused here.",
            "It gets one in seconds from any other store. If not, see which of them run (flaredb stores), and forget "
            "those that never come back.",
        )
    if after["eventual_self_ahead_seconds"]:
        yield Finding(
            Weight.REFUSED,
            "CLOCK_AHEAD",
            f"Most other stores say that this store's clock is {_ms(after['eventual_self_ahead_seconds'])} ahead: "
            "writes to eventual namespaces are refused.",
            "Set this machine's clock by NTP.",
        )
    if after["eventual_peer_ahead_seconds"]:
        yield Finding(
            Weight.RISK,
            "CLOCK_SKEW",
            f"Another store's clock is {_ms(after['eventual_peer_ahead_seconds'])} ahead: nothing is taken from it in "
            "eventual namespaces.",
            "Set the machines' clocks by NTP; flaredb_eventual_self_ahead_seconds tells which is wrong.",
        )


def _trial(trial: Trial, found: Sequence[Finding]) -> Iterator[Finding]:
    """What the transactions that were tried add to what is known already."""
    if trial.failure and not any(finding.weight is Weight.REFUSED for finding in found):
        yield Finding(
            Weight.REFUSED,
            "WRITE_REFUSED",
            f"A transaction was refused: {trial.failure}",
            "See that flaredb runs and listens there (ss -ltnp), and that both sides use TLS or neither.",
        )
    if trial.seconds:
        middle = sorted(trial.seconds)[len(trial.seconds) // 2]
        if middle > WRITE_S_MAX:
            yield Finding(
                Weight.SLOW,
                "WRITE_SLOW",
                f"A transaction that writes nothing takes {_ms(middle)}.",
                "Without another cause named here, the process or its machine is busy: look at its load.",
            )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if isfinite(seconds) else "longer than is counted"


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / MIB:.0f} MiB"
