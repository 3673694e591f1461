"""What an operator can read of flaredb's state under ``/metrics``; taken when it is asked for, so it costs no write."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

from prometheus_client import Gauge

from flaredb.core.engine import Column
from flaredb.core.records import Mark
from flaredb.shell.committer import Committer
from flaredb.shell.expirer import Expirer
from flaredb.shell.rocks import RocksEngine
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from ultracloud.servicekit.metrics import Metrics, Times
from ultracloud.servicekit.metrics_text import TimesCollector


class Kept(Protocol):
    """What any store says of itself."""

    @property
    def applied(self) -> Mark:
        """The counters after the newest published commit."""
        ...

    @property
    def floor(self) -> int:
        """The oldest version that can be read."""
        ...

    @property
    def swept(self) -> int:
        """Up to which version old history is deleted."""
        ...


class Gathering(Protocol):
    """What any committer says of itself."""

    @property
    def waiting_count(self) -> int:
        """Writes that no batch has yet."""
        ...


class Writing(Protocol):
    """What whoever writes to a disk says of itself.

    Attributes:
        stall_count: How often the engine asked for a pause.
        free_bytes: Tells how much room there is.
        reserve_bytes: Below so much, writes are refused.
        times: How long batches waited for the disk.
    """

    stall_count: int
    free_bytes: Callable[[], int]
    reserve_bytes: int
    times: Times

    @property
    def is_refusing(self) -> bool:
        """Whether writes are refused."""
        ...


AddGauge: TypeAlias = Callable[[str, str, Callable[[], float]], None]
"""Adds a gauge of a name, about something, read so."""


class Ending(Protocol):
    """What any expirer says of itself."""

    behind_ms: int


def install_common(
    metrics: Metrics, store: Kept, committer: Gathering, watchers: Watchers, expirer: Ending
) -> AddGauge:
    """Add the gauges that every engine has; gives what adds one more."""

    def gauge(name: str, about: str, read: Callable[[], float]) -> None:
        Gauge(f"flaredb_{name}", about, registry=metrics.registry).set_function(read)

    gauge("applied_version", "Version of the newest commit", lambda: store.applied.version)
    gauge("floor_version", "Oldest version that can be read", lambda: store.floor)
    gauge("swept_version", "Version up to which old history is deleted", lambda: store.swept)
    gauge("written_bytes", "Keys and values written since the store was made", lambda: store.applied.bytes)
    gauge("waiting_writes", "Writes that wait for their batch", lambda: committer.waiting_count)
    gauge("watches", "Watches that are open", lambda: watchers.count)
    gauge(
        "watch_behind_versions",
        "Versions that the slowest watch has not been told yet",
        lambda: watchers.behind(store.applied.version),
    )
    gauge("expiry_behind_seconds", "How late expired keys are deleted", lambda: expirer.behind_ms / 1000)
    return gauge


def install(
    metrics: Metrics, store: Store, engine: RocksEngine, committer: Committer, watchers: Watchers, expirer: Expirer
) -> None:
    """Add the embedded engine's gauges to the process's metrics."""
    install_disk(metrics, install_common(metrics, store, committer, watchers, expirer), engine, committer)


def install_disk(metrics: Metrics, gauge: AddGauge, engine: RocksEngine, committer: Writing) -> None:
    """Add what there is to say of RocksDB, and of who writes it."""
    gauge("refusing_writes", "Whether the last batch of writes was refused", lambda: committer.is_refusing)
    gauge("write_stalls", "Pauses that the engine asked for", lambda: committer.stall_count)
    gauge("disk_free_bytes", "Room on the disk of the state directory", committer.free_bytes)
    gauge("disk_reserve_bytes", "Room below which writes are refused", lambda: committer.reserve_bytes)
    metrics.registry.register(TimesCollector("flaredb_sync_seconds", "What batches wait for the disk", committer.times))
    figures = {
        "records": ("Versions of keys on disk, about", "rocksdb.estimate-num-keys"),
        "table_bytes": ("Bytes of SST files", "rocksdb.total-sst-files-size"),
        "memtable_bytes": ("Bytes of memtables", "rocksdb.cur-size-all-mem-tables"),
        "compaction_pending_bytes": ("Bytes that compaction is behind", "rocksdb.estimate-pending-compaction-bytes"),
    }
    for name, (about, figure) in figures.items():
        family = Gauge(f"flaredb_{name}", about, ["column"], registry=metrics.registry)
        for column in Column:
            family.labels(column).set_function(partial(engine.figure, column, figure))
