"""What an operator may set.

`[namespaces]` names who may use a namespace other than the service of its name:

```toml
state_dir = "/var/lib/ultracloud/flaredb"
disk_reserve_mib = 64
[history]
minutes = 60
[rocksdb]
block_cache_mib = 64
[eventual]                            # namespaces that every store of a cluster takes writes of; the later one wins
namespaces = ["dns-status"]
[engine]                              # only to keep everything in PostgreSQL instead of `state_dir`
postgres = "postgresql://flaredb@db.example:5432/ultracloud?sslmode=verify-full"
password_file = "postgres.password"   # or PGPASSWORD in the environment
[cluster]                             # only to be one store of several; chainfire is where they meet
name = "main"
advertise = "10.0.0.1:7002"
labels = { zone = "a", host = "h1" }
[namespaces]
dns = ["spiffe://ultracloud.local/service/flashdns", "spiffe://ultracloud.local/service/prismnet"]
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from flaredb.core.limits import check_namespace
from flaredb.core.records import START
from flaredb.core.retention import History
from flaredb.errors import MIB
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit.settings import Settings

MINUTE_MS = 60_000
HISTORY_MINUTES_MAX = 7 * 24 * 60
"""A week. Longer history is what backups are for; every list and sweep steps over it."""
HISTORY_CHANGES_MAX = 100_000_000
HISTORY_MIB_MAX = 64 * 1024
WRITE_BUFFER_MIB_MIN, WRITE_BUFFER_MIB_MAX = 4, 512
"""A batch of the largest transactions fits the smallest; above the largest a start replays the log for many seconds."""
BLOCK_CACHE_MIB_MIN, BLOCK_CACHE_MIB_MAX = 0, 64 * 1024
DISK_RESERVE_MIB_MAX = 1024 * 1024
LABELS = ("zone", "rack", "host")
"""What may fail together, the widest first."""
REPLICAS_MAX = 7
"""Survives three stores at once; each one more makes every write slower."""
SPLIT_MIB_MAX = 256
"""A state is held in memory while it arrives, and takes no more than 512 MiB then."""
FULL_PERCENT_MIN, FULL_PERCENT_MAX = 50, 99
LOST_MINUTES_MIN, LOST_MINUTES_MAX = 0.1, 7 * 24 * 60.0
"""Below a few seconds a restart moves everything; above a week nobody remembers what is missing."""
TOMBSTONE_HOURS_MAX = 30 * 24
"""A month of deletions; each is a row of some hundred bytes, and in every comparison."""
CONNECTIONS_MAX = 100
"""PostgreSQL's own default for all its clients; a session there costs megabytes, and reads take a millisecond each."""
FIRST_VERSION_MAX = 1 << 62
"""As many versions are left after it."""
URL_OPTIONS = (
    "host",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslnegotiation",
)
"""What may follow the `?`. Anything else would reach the server as a setting of the session."""
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfig:
    """How much history is kept: the least of the three. Lists continue and watches resume within it.

    Attributes:
        minutes: Longer than a service is away when it restarts, and than anybody takes to page through a list.
        changes: Keys changed.
        mib: Keys and values written.
    """

    minutes: int = 60
    changes: int = 1_000_000
    mib: int = 512

    def __post_init__(self) -> None:
        _check("minutes", self.minutes, 1, HISTORY_MINUTES_MAX)
        _check("changes", self.changes, 1000, HISTORY_CHANGES_MAX)
        _check("mib", self.mib, 1, HISTORY_MIB_MAX)

    def bounds(self) -> History:
        """The same in the core's units."""
        return History(self.minutes * MINUTE_MS, self.changes, self.mib * MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class RocksConfig:
    """RocksDB's memory. It takes what is used: a control plane of hundreds of thousands of objects is some 30 MiB.

    Attributes:
        write_buffer_mib: One memtable; there are up to two.
        block_cache_mib: Blocks, indexes and filters at most; 0 is a sixteenth of the memory, 16 MiB to 1 GiB.
    """

    write_buffer_mib: int = 8
    block_cache_mib: int = 0

    def __post_init__(self) -> None:
        _check("write_buffer_mib", self.write_buffer_mib, WRITE_BUFFER_MIB_MIN, WRITE_BUFFER_MIB_MAX)
        _check("block_cache_mib", self.block_cache_mib, BLOCK_CACHE_MIB_MIN, BLOCK_CACHE_MIB_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventualConfig:
    """Namespaces without one order: any store takes a write, and the later one wins. The same on all stores.

    Attributes:
        namespaces: Which; everything else is strong. One that has keys cannot be made the other kind.
        tombstone_hours: How long it is kept that a key was deleted: longer than a store is away before it is mended.
    """

    namespaces: tuple[str, ...] = ()
    tombstone_hours: int = 24

    def __post_init__(self) -> None:
        for namespace in self.namespaces:
            check_namespace(namespace)
        _check("tombstone_hours", self.tombstone_hours, 1, TOMBSTONE_HOURS_MAX)

    @property
    def tombstone_ms(self) -> int:
        """The same in the core's unit."""
        return self.tombstone_hours * 60 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Where everything is kept: in `state_dir`, or in a schema of a PostgreSQL database.

    Attributes:
        postgres: The database's URL, without a password; empty keeps everything in `state_dir`.
        password_file: Holds the password; without it PGPASSWORD and PGPASSFILE in the environment say it.
        schema: Made if missing; one flaredb writes it at a time.
        connections: Sessions that read; one more writes.
    """

    postgres: str = ""
    password_file: Path | None = None
    schema: str = "flaredb"
    connections: int = 8

    def __post_init__(self) -> None:
        if self.postgres:
            _check_url(self.postgres)
        if not re.fullmatch("[a-z_][a-z0-9_]{0,62}", self.schema) or self.schema.startswith("pg_"):
            raise ValueError(
                f"'schema' is '{self.schema}'; accepted: 1 to 63 lower-case letters, digits and underscores, "
                "not beginning with a digit or 'pg_'"
            )
        _check("connections", self.connections, 1, CONNECTIONS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """The cluster that this store is of. All stores of one should be given the same `replicas` and `split_mib`.

    Attributes:
        name: Of the cluster in chainfire; empty for a store of its own.
        advertise: Where other stores reach this one; without it where it listens.
        labels: Where it stands: zone, rack, host, what may fail together.
        replicas: Of each region.
        split_mib: A region of this size is cut.
        full_percent: A store whose disk is fuller gets nothing new.
        lost_minutes: A store that was silent so long is taken for lost, and what it had is made anew elsewhere.
    """

    name: str = ""
    advertise: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    replicas: int = 3
    split_mib: int = 96
    full_percent: int = 85
    lost_minutes: float = 10.0

    def __post_init__(self) -> None:
        if self.name and not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", self.name):
            raise ValueError(
                f"'name' is '{self.name}'; accepted: 1 to 63 lower-case letters, digits and hyphens, with a letter or "
                "digit at both ends"
            )
        if self.advertise and not re.fullmatch(r"[^\s,/]+:[0-9]{1,5}", self.advertise):
            raise ValueError(f"'advertise' is '{self.advertise}'; accepted: host:port")
        for label in self.labels:
            if label not in LABELS:
                raise ValueError(f"'labels' has '{label}'; accepted: {', '.join(LABELS)}")
        _check("replicas", self.replicas, 1, REPLICAS_MAX)
        _check("split_mib", self.split_mib, 1, SPLIT_MIB_MAX)
        _check("full_percent", self.full_percent, FULL_PERCENT_MIN, FULL_PERCENT_MAX)
        if not LOST_MINUTES_MIN <= self.lost_minutes <= LOST_MINUTES_MAX:
            raise ValueError(
                f"'lost_minutes' is {self.lost_minutes:g}; accepted: {LOST_MINUTES_MIN:g} to {LOST_MINUTES_MAX:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """flaredb's configuration.

    Attributes:
        namespaces: Who may use a namespace, as SPIFFE ids; without an entry, the service of its name.
        disk_reserve_mib: Room left on the disk: below it writes are refused, so that RocksDB can still compact.
        first_version: Of a store that is made now, for one that takes the place of another: above all that was given
            there. A store that exists has its versions.
    """

    namespaces: dict[str, tuple[str, ...]] = field(default_factory=dict)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    rocksdb: RocksConfig = field(default_factory=RocksConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    eventual: EventualConfig = field(default_factory=EventualConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    disk_reserve_mib: int = 64
    first_version: int = START.version

    def __post_init__(self) -> None:
        if self.cluster.name and self.engine.postgres:
            raise ValueError("there are [cluster] and 'engine.postgres'; accepted: one of them")
        if self.eventual.namespaces and self.engine.postgres:
            raise ValueError("there are [eventual] namespaces and 'engine.postgres'; accepted: one of them")
        if self.cluster.name and not self.peers.chainfire:
            raise ValueError("there is [cluster] and no 'peers.chainfire'; set it to where chainfire's members listen")
        if self.cluster.name and self.first_version != START.version:
            raise ValueError(
                "there are [cluster] and 'first_version'; leave it out, a cluster's versions are made of time"
            )
        _check("disk_reserve_mib", self.disk_reserve_mib, 0, DISK_RESERVE_MIB_MAX)
        _check("first_version", self.first_version, START.version, FIRST_VERSION_MAX)
        for namespace, owners in self.namespaces.items():
            check_namespace(namespace)
            for owner in owners:
                spiffe_principal(owner)


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"'{name}' is {value}; accepted: {least} to {most}")


def _check_url(url: str) -> None:
    """Pass if a URL leads to PostgreSQL, keeps no secret, and says whether to encrypt. The URL is never shown."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("'postgres' is not a URL of PostgreSQL; accepted: postgresql://USER@HOST:PORT/DATABASE")
    if parts.password is not None or "password" in options:
        raise ValueError("'postgres' has a password in it; put that into 'password_file', or PGPASSWORD")
    for name in options:
        if name not in URL_OPTIONS:
            raise ValueError(f"'postgres' has an option '{name}'; accepted: {', '.join(URL_OPTIONS)}")
    mode = options.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise ValueError(f"'postgres' has sslmode={mode}; accepted: {', '.join(SSL_MODES)}")
    hosts = options.get("host", unquote(parts.netloc.rpartition("@")[2])).split(",")
    if mode is None and not all(map(_is_local, hosts)):
        raise ValueError(
            "'postgres' leads to another machine and does not say whether to encrypt; add ?sslmode=verify-full (or "
            "require, or disable where only you can listen)"
        )


def _is_local(host: str) -> bool:
    """Whether a host of a URL, perhaps with its port, is this machine: none, a socket's folder, or loopback."""
    return host.startswith("/") or re.fullmatch(r"(localhost|127\.[\d.]+|::1|\[::1\])?(:\d*)?", host) is not None
