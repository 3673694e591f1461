"""What an operator may set.

```toml
state_dir = "/var/lib/ultracloud/chainfire"
name = "node1"
[storage]
quota_mib = 2048
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from chainfire.core.urls import Url, url_of
from ultracloud.servicekit.settings import Settings

MIB = 1 << 20
QUOTA_MIB_MIN, QUOTA_MIB_MAX = 1 / 64, 64 * 1024
"""The store is kept in memory: more than this is no coordination."""
SEGMENT_MIB_MIN, SEGMENT_MIB_MAX = 4, 1024
"""The largest batch takes 2.5 MiB. Two segments exist from the start."""
SNAPSHOT_MIB_MAX = 64 * 1024
HISTORY_REVISIONS_MAX = 1_000_000_000
PROGRESS_S_MIN, PROGRESS_S_MAX = 0.5, 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How much is kept, in memory and on disk.

    Attributes:
        quota_mib: Keys, values and history, in memory; above it the NOSPACE alarm is raised.
        segment_mib: Size of one file of the log.
        snapshot_mib: Log since the last snapshot after which the next is written; a start replays about as much.
        history_revisions: Revisions kept for watches that resume and for reads of the past; 0 keeps all, as etcd does
            unless told otherwise, until somebody compacts.
    """

    quota_mib: float = 2048
    segment_mib: int = 64
    snapshot_mib: int = 64
    history_revisions: int = 100_000

    def __post_init__(self) -> None:
        _check("quota_mib", self.quota_mib, QUOTA_MIB_MIN, QUOTA_MIB_MAX)
        _check("segment_mib", self.segment_mib, SEGMENT_MIB_MIN, SEGMENT_MIB_MAX)
        _check("snapshot_mib", self.snapshot_mib, 1, SNAPSHOT_MIB_MAX)
        _check("history_revisions", self.history_revisions, 0, HISTORY_REVISIONS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """What clients that come by an https URL of `listen_urls` are shown, and asked for.

    Attributes:
        certificate: The server's.
        key: Its key.
        ca: Authority of clients' certificates; without, they are asked for none.
        require: Refuse clients without a certificate.
        made_in: Folder to make a certificate in that nobody vouches for, if there is no other; for trials.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    require: bool = False
    made_in: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("client_tls has one of certificate and key; give both, or neither")
        if self.require and self.ca is None:
            raise ValueError("client_tls requires certificates of clients and has no ca to check them with; set ca")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """chainfire's configuration.

    Attributes:
        listen_urls: Where clients are served instead of at `listen`: ``http://HOST:PORT``, ``https://HOST:PORT``,
            ``unix://PATH``, ``unixs://PATH``. Clear text that other machines can reach is served if it is named here.
        pages_urls: Where only pages are served: metrics and health, for those who may see no keys.
        client_tls: What is shown at https and unixs URLs.
        name: What this member is called in lists of members.
        client_urls: Where clients are told to find it; without any, where it listens.
        clients: SPIFFE identities that may call, `*` at the end for all that begin so; empty admits every certificate
            of the cluster's CA. Without [tls] everybody on this machine may call.
        progress_s: Seconds between progress answers to watches that asked for them.
        storage: How much is kept.
    """

    listen_urls: tuple[str, ...] = ()
    pages_urls: tuple[str, ...] = ()
    client_tls: ClientTls = field(default_factory=ClientTls)
    name: str = "chainfire"
    client_urls: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    progress_s: float = 600.0
    storage: Storage = field(default_factory=Storage)

    def __post_init__(self) -> None:
        _check("progress_s", self.progress_s, PROGRESS_S_MIN, PROGRESS_S_MAX)
        has_tls = self.client_tls.certificate is not None or self.client_tls.made_in is not None
        for url in (*self.listeners(), *self.pages()):
            if url.is_tls and not has_tls:
                raise ValueError(f"'{url.text}' speaks TLS, and client_tls has no certificate; set client_tls")
        for pattern in self.clients:
            if not pattern.startswith("spiffe://"):
                raise ValueError(f"clients names '{pattern}'; accepted: spiffe://TRUST-DOMAIN/PATH, * at its end")

    def listeners(self) -> tuple[Url, ...]:
        """`listen_urls`, read."""
        return tuple(url_of(text) for text in self.listen_urls)

    def pages(self) -> tuple[Url, ...]:
        """`pages_urls`, read."""
        return tuple(url_of(text) for text in self.pages_urls)


def _check(key: str, value: float, smallest: float, largest: float) -> None:
    if not smallest <= value <= largest:
        raise ValueError(f"{key} is {value}; accepted: {smallest} to {largest}")
