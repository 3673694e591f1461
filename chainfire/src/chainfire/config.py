"""What an operator may set.

```toml
state_dir = "/var/lib/ultracloud/chainfire"
name = "node1"
[cluster]
members = ["node1=https://10.0.0.1:2380", "node2=https://10.0.0.2:2380", "node3=https://10.0.0.3:2380"]
[storage]
quota_mib = 2048
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from chainfire.core import token_options
from chainfire.core.urls import Url, url_of
from ultracloud.servicekit.settings import Settings

KIB, MIB = 1 << 10, 1 << 20
QUOTA_MIB_MIN, QUOTA_MIB_MAX = 1 / 64, 64 * 1024
"""The store is kept in memory: more than this is no coordination."""
SEGMENT_MIB_MIN, SEGMENT_MIB_MAX = 4, 1024
"""The largest batch takes 2.5 MiB. Two segments exist from the start."""
SNAPSHOT_MIB_MAX = 64 * 1024
HISTORY_REVISIONS_MAX = 1_000_000_000
HISTORY_S_MAX = 10 * 365 * 86_400.0
HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX = 5, 10_000
ELECTION_HEARTBEATS_MIN = 3
"""One heartbeat that is lost or late must not be an election; etcd asks for five."""
ELECTION_MS_MAX = 50_000
"""etcd's."""
COMPARE_S_MAX = 30 * 86_400.0
REQUEST_KIB_MIN, REQUEST_KIB_MAX = 1 / 1024, 10 * 1024
"""etcd's recommended most."""
TXN_OPERATIONS_LIMIT = 10_240
"""A txn is checked and applied in one go, and each deletion is compared with each put: this many take a second."""
PEER_SCHEMES = ("http", "https")
"""Members find each other over networks only."""
PROGRESS_S_MIN, PROGRESS_S_MAX = 0.5, 86_400.0
TOKEN_TTL_S_MAX = 366 * 86_400
"""A year: a token that lives longer is a password."""
BCRYPT_COST_MIN, BCRYPT_COST_MAX = 4, 31
"""bcrypt's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How much is kept, in memory and on disk.

    Attributes:
        quota_mib: Keys, values and history, in memory; above it the NOSPACE alarm is raised.
        segment_mib: Size of one file of the log.
        snapshot_mib: Log since the last snapshot after which the next is written; a start replays about as much.
        history_revisions: Revisions kept for watches that resume and for reads of the past; 0 keeps all, as etcd does
            unless told otherwise, until somebody compacts.
        history_s: Seconds for which revisions are kept, whatever their number; 0 does not look at age.
    """

    quota_mib: float = 2048
    segment_mib: int = 64
    snapshot_mib: int = 64
    history_revisions: int = 100_000
    history_s: float = 0.0

    def __post_init__(self) -> None:
        _check("quota_mib", self.quota_mib, QUOTA_MIB_MIN, QUOTA_MIB_MAX)
        _check("segment_mib", self.segment_mib, SEGMENT_MIB_MIN, SEGMENT_MIB_MAX)
        _check("snapshot_mib", self.snapshot_mib, 1, SNAPSHOT_MIB_MAX)
        _check("history_revisions", self.history_revisions, 0, HISTORY_REVISIONS_MAX)
        _check("history_s", self.history_s, 0, HISTORY_S_MAX)


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
class PeerFiles:
    """Certificates for the other members, where they are not those of [tls].

    Attributes:
        certificate: With intermediates behind it; it serves as server and as client.
        key: Its key.
        ca: Authorities that sign members' certificates.
        allowed_name: The CommonName that members' certificates have, if they carry no SPIFFE identity.
        allowed_host: The host name that they have.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    allowed_name: str = ""
    allowed_host: str = ""

    def __post_init__(self) -> None:
        if len({self.certificate is None, self.key is None, self.ca is None}) > 1:
            raise ValueError("cluster.tls needs all of certificate, key and ca, or none to use those of [tls]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The members, and how they find each other. Without any of it, a member is alone.

    Attributes:
        members: Those that begin the cluster, each ``NAME=PEER-URL``, the same list on all of them; a name with
            several URLs stands several times.
        listen: Peer URLs to listen at, if not at those that `members` gives this one.
        advertise: Peer URLs that others are told, if not those of `members`.
        token: Tells apart clusters that begin with the same list.
        join: What `chainfire member add` printed, or peer URLs of members: joins a cluster that runs.
        force_new: Begin anew with this member alone, and forget all others: the way out when most are lost. Set it for
            one start only.
        strict: Refuse changes of members that would endanger the quorum.
        compare_s: Seconds between comparisons of the members' keys; a member whose keys differ raises the CORRUPT
            alarm, which stops writes. 0 never compares.
        heartbeat_ms: A leader is heard this often.
        election_ms: Without having heard of one for this long, and up to as much again, members elect another.
        tls: Certificates for the other members, if not those of [tls].
    """

    members: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    advertise: tuple[str, ...] = ()
    token: str = "ultracloud"  # noqa: S105 - a name, no secret
    join: tuple[str, ...] = ()
    force_new: bool = False
    strict: bool = True
    compare_s: float = 0.0
    heartbeat_ms: int = 100
    election_ms: int = 600
    tls: PeerFiles = field(default_factory=PeerFiles)

    def __post_init__(self) -> None:
        _check("cluster.compare_s", self.compare_s, 0, COMPARE_S_MAX)
        _check("cluster.heartbeat_ms", self.heartbeat_ms, HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX)
        _check("cluster.election_ms", self.election_ms, ELECTION_HEARTBEATS_MIN * self.heartbeat_ms, ELECTION_MS_MAX)
        for member in self.members:
            name, equals, url = member.partition("=")
            if not (name and equals):
                raise ValueError(f"cluster.members names '{member}'; accepted: NAME=PEER-URL")
            _check_peer_url("members", url)
        for key, urls in (("listen", self.listen), ("advertise", self.advertise)):
            for url in urls:
                _check_peer_url(key, url)
        self._check_members()
        if self.members and self.join:
            raise ValueError("cluster has members and join; members begin a cluster, join enters one: give one of them")

    def _check_members(self) -> None:
        """Refuse lists of members that cannot be meant."""
        urls = [member.partition("=")[2] for member in self.members]
        for url in urls:
            if urls.count(url) > 1:
                raise ValueError(f"cluster.members has '{url}' {urls.count(url)} times; each peer URL is one member's")
        for key, known in (("members", urls), ("listen and cluster.advertise", [*self.listen, *self.advertise])):
            if len({url_of(url).scheme for url in known}) > 1:
                raise ValueError(f"cluster.{key} mix http and https; members speak TLS with each other, or none does")
        if self.listen and urls and url_of(self.listen[0]).scheme != url_of(urls[0]).scheme:
            raise ValueError(
                f"cluster.listen has '{self.listen[0]}' and cluster.members '{urls[0]}'; give both the same scheme"
            )

    def urls_by_name(self) -> dict[str, tuple[str, ...]]:
        """`members`, read."""
        found: dict[str, tuple[str, ...]] = {}
        for member in self.members:
            name, _, url = member.partition("=")
            found[name] = (*found.get(name, ()), url)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How users are recognised, once somebody enables authentication (`etcdctl auth enable`).

    Attributes:
        token: `simple`, or `jwt,sign-method=...,pub-key=FILE,priv-key=FILE,ttl=5m`; etcd's `--auth-token`.
        token_ttl_s: How long a simple token lives unused.
        bcrypt_cost: Work of a password hash; each step up doubles it.
        by_certificate: Without a token, the CommonName of the client's certificate is its user.
    """

    token: str = "simple"  # noqa: S105 - the kind of tokens, and none of them
    token_ttl_s: int = 300
    bcrypt_cost: int = 10
    by_certificate: bool = True

    def __post_init__(self) -> None:
        _check("token_ttl_s", self.token_ttl_s, 1, TOKEN_TTL_S_MAX)
        _check("bcrypt_cost", self.bcrypt_cost, BCRYPT_COST_MIN, BCRYPT_COST_MAX)
        token_options.parse(self.token)

    def jwt(self) -> token_options.JwtOptions | None:
        """`token`, read; None for simple tokens."""
        return token_options.parse(self.token)


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
        request_kib: Largest request; the same on all members.
        txn_operations: Most comparisons or operations of a txn.
        cluster: The members.
        storage: How much is kept.
        auth: How users are recognised.
    """

    listen_urls: tuple[str, ...] = ()
    pages_urls: tuple[str, ...] = ()
    client_tls: ClientTls = field(default_factory=ClientTls)
    name: str = "chainfire"
    client_urls: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    progress_s: float = 600.0
    request_kib: float = 1536
    txn_operations: int = 128
    cluster: Cluster = field(default_factory=Cluster)
    storage: Storage = field(default_factory=Storage)
    auth: Auth = field(default_factory=Auth)

    def __post_init__(self) -> None:
        _check("progress_s", self.progress_s, PROGRESS_S_MIN, PROGRESS_S_MAX)
        _check("request_kib", self.request_kib, REQUEST_KIB_MIN, REQUEST_KIB_MAX)
        _check("txn_operations", self.txn_operations, 1, TXN_OPERATIONS_LIMIT)
        if self.cluster.members and self.name not in self.cluster.urls_by_name():
            known = ", ".join(self.cluster.urls_by_name())
            raise ValueError(
                f"cluster.members has no '{self.name}', which is this member's name; it has {known}; "
                "set name, or CHAINFIRE_NAME where all members have one file"
            )
        if self.cluster.join and not self.cluster.advertise:
            raise ValueError("cluster.join needs cluster.advertise: the peer URLs that 'member add' was given")
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


def _check_peer_url(key: str, text: str) -> None:
    if url_of(text).scheme not in PEER_SCHEMES:
        raise ValueError(f"cluster.{key} has '{text}'; accepted: http://HOST:PORT or https://HOST:PORT")


def _check(key: str, value: float, smallest: float, largest: float) -> None:
    if not smallest <= value <= largest:
        raise ValueError(f"{key} is {value}; accepted: {smallest} to {largest}")
