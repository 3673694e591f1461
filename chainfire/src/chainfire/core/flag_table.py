"""The flags of etcd 3.5: their names, kinds and defaults, and what each does to chainfire.

A flag without a counterpart here is still taken, so that a unit file written for etcd works; whoever sets it is told
that it does nothing. One whose absence would let in somebody whom its author wanted to keep out is refused.

Source: `etcd --help` of etcd 3.5.16 (names and defaults only).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a flag's text must be."""

    TEXT = "text"
    WORDS = "words"
    BOOL = "bool"
    WHOLE = "whole"
    COUNT = "count"
    DURATION = "duration"
    URLS = "urls"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Attributes:
        name: Without dashes.
        kind: What its text must be.
        default: Its text when nobody sets it.
        says: What it does, for --help.
        choices: The only texts that are accepted, of a CHOICE.
        idle: Why it has no effect here; empty if it has one.
        unsafe: Why it is refused when it is set to other than its default; empty if it is not.
    """

    name: str
    kind: Kind
    default: str
    says: str
    choices: tuple[str, ...] = ()
    idle: str = ""
    unsafe: str = ""


_BBOLT = "chainfire keeps its state in memory and a log, not in a bbolt file"
_V2 = "chainfire serves the v3 API only"
_DISCOVERY = "chainfire has no discovery service; name the members with --initial-cluster"
_BOUNDED = "chainfire's own bounds hold"
_TRACING = "chainfire exports no traces"
_CHECKSUMS = "chainfire compares checksums by itself"
_OPENSSL = "OpenSSL's own choice holds"
_REMOVED = "etcd itself has ignored it since 3.0"

_MEMBER = (
    Flag("name", Kind.TEXT, "default", "what this member is called"),
    Flag("data-dir", Kind.TEXT, "${name}.etcd", "folder of its log and snapshots"),
    Flag("wal-dir", Kind.TEXT, "", "folder of the log alone", idle="the log is kept in --data-dir"),
    Flag(
        "snapshot-count", Kind.COUNT, "100000", "writes between snapshots", idle="a snapshot is due by the log's size"
    ),
    Flag("heartbeat-interval", Kind.COUNT, "100", "milliseconds between a leader's heartbeats"),
    Flag("election-timeout", Kind.COUNT, "1000", "milliseconds without a leader that start an election"),
    Flag(
        "initial-election-tick-advance",
        Kind.BOOL,
        "true",
        "elect sooner after a start",
        idle="a lone member elects itself at once, others wait their whole timeout",
    ),
    Flag("listen-peer-urls", Kind.URLS, "http://localhost:2380", "where to listen for members"),
    Flag("listen-client-urls", Kind.URLS, "http://localhost:2379", "where to listen for clients"),
    Flag("listen-client-http-urls", Kind.URLS, "", "where to listen for clients that speak only HTTP"),
    Flag("max-snapshots", Kind.COUNT, "5", "snapshot files kept", idle="the newest two are kept"),
    Flag("max-wals", Kind.COUNT, "5", "log files kept", idle="what the newest snapshot holds is dropped"),
    Flag(
        "quota-backend-bytes", Kind.WHOLE, "0", "bytes stored above which puts are refused; 0: 2 GiB, below: no bound"
    ),
    Flag("backend-bbolt-freelist-type", Kind.TEXT, "map", "how bbolt keeps free pages", idle=_BBOLT),
    Flag("backend-batch-interval", Kind.DURATION, "0s", "longest wait before a commit", idle=_BBOLT),
    Flag("backend-batch-limit", Kind.WHOLE, "0", "most writes before a commit", idle=_BBOLT),
    Flag("max-txn-ops", Kind.COUNT, "128", "most operations of a txn"),
    Flag("max-request-bytes", Kind.COUNT, "1572864", "most bytes of a request"),
    Flag("max-concurrent-streams", Kind.COUNT, "4294967295", "most calls at once on a connection"),
    Flag("enable-grpc-gateway", Kind.BOOL, "true", "serve the JSON gateway"),
    Flag("grpc-keepalive-min-time", Kind.DURATION, "5s", "least time between a client's pings", idle=_BOUNDED),
    Flag("grpc-keepalive-interval", Kind.DURATION, "2h0m0s", "time between the server's pings", idle=_BOUNDED),
    Flag("grpc-keepalive-timeout", Kind.DURATION, "20s", "time for the answer to a ping", idle=_BOUNDED),
    Flag("socket-reuse-port", Kind.BOOL, "false", "set SO_REUSEPORT", idle="a port has one listener"),
    Flag("socket-reuse-address", Kind.BOOL, "false", "set SO_REUSEADDR", idle="it is always set"),
    Flag("raft-read-timeout", Kind.DURATION, "5s", "longest silence of a member's connection", idle=_BOUNDED),
    Flag("raft-write-timeout", Kind.DURATION, "5s", "longest write to a member", idle=_BOUNDED),
)
_CLUSTERING = (
    Flag("initial-advertise-peer-urls", Kind.URLS, "http://localhost:2380", "where other members reach this one"),
    Flag("initial-cluster", Kind.TEXT, "default=http://localhost:2380", "the first members, NAME=URL,NAME=URL"),
    Flag("initial-cluster-state", Kind.CHOICE, "new", "start a cluster, or join one", choices=("new", "existing")),
    Flag("initial-cluster-token", Kind.TEXT, "etcd-cluster", "tells clusters with the same URLs apart"),
    Flag("advertise-client-urls", Kind.URLS, "http://localhost:2379", "where clients are told to go"),
    Flag("discovery", Kind.TEXT, "", "a discovery service", idle="", unsafe=_DISCOVERY),
    Flag(
        "discovery-fallback", Kind.CHOICE, "proxy", "when discovery fails", choices=("exit", "proxy"), idle=_DISCOVERY
    ),
    Flag("discovery-proxy", Kind.TEXT, "", "proxy to the discovery service", idle=_DISCOVERY),
    Flag("discovery-srv", Kind.TEXT, "", "DNS domain of the members", unsafe=_DISCOVERY),
    Flag("discovery-srv-name", Kind.TEXT, "", "suffix of the DNS names", idle=_DISCOVERY),
    Flag("strict-reconfig-check", Kind.BOOL, "true", "refuse changes of members that would lose the quorum"),
    Flag("pre-vote", Kind.BOOL, "true", "ask before an election", idle="chainfire always asks"),
    Flag("auto-compaction-retention", Kind.TEXT, "0", "history kept, in revisions or time; 0: all of it"),
    Flag("auto-compaction-mode", Kind.TEXT, "periodic", "whether that is time (periodic) or revisions (revision)"),
    Flag("enable-v2", Kind.BOOL, "false", "serve the v2 API", idle=_V2),
    Flag(
        "v2-deprecation",
        Kind.CHOICE,
        "not-yet",
        "what to do with v2 state",
        choices=("not-yet", "write-only", "write-only-drop-data", "gone"),
        idle=_V2,
    ),
)
_SECURITY = (
    Flag("cert-file", Kind.TEXT, "", "certificate shown to clients"),
    Flag("key-file", Kind.TEXT, "", "its key"),
    Flag("client-cert-auth", Kind.BOOL, "false", "clients must show a certificate"),
    Flag("client-cert-file", Kind.TEXT, "", "certificate for calls to itself", idle="chainfire does not call itself"),
    Flag("client-key-file", Kind.TEXT, "", "its key", idle="chainfire does not call itself"),
    Flag("client-crl-file", Kind.TEXT, "", "revoked certificates", unsafe="revoked clients would be let in"),
    Flag(
        "client-cert-allowed-hostname",
        Kind.WORDS,
        "",
        "hosts that may call",
        unsafe="clients of other hosts would be let in",
    ),
    Flag("trusted-ca-file", Kind.TEXT, "", "authority whose clients may call; then they must show a certificate"),
    Flag("auto-tls", Kind.BOOL, "false", "make a certificate for clients"),
    Flag("peer-cert-file", Kind.TEXT, "", "certificate shown to members"),
    Flag("peer-key-file", Kind.TEXT, "", "its key"),
    Flag("peer-client-cert-auth", Kind.BOOL, "false", "members must show a certificate"),
    Flag("peer-trusted-ca-file", Kind.TEXT, "", "authority of the members"),
    Flag("peer-cert-allowed-cn", Kind.TEXT, "", "the common name of members' certificates"),
    Flag("peer-cert-allowed-hostname", Kind.TEXT, "", "the host name of members' certificates"),
    Flag(
        "peer-auto-tls",
        Kind.BOOL,
        "false",
        "make a certificate for members",
        unsafe="members could not tell each other from strangers; give --peer-cert-file and its kin",
    ),
    Flag("peer-client-cert-file", Kind.TEXT, "", "certificate for calls to members", idle="--peer-cert-file is shown"),
    Flag("peer-client-key-file", Kind.TEXT, "", "its key", idle="--peer-key-file is used"),
    Flag("self-signed-cert-validity", Kind.COUNT, "1", "years that a certificate made here lives"),
    Flag("peer-crl-file", Kind.TEXT, "", "revoked certificates of members", unsafe="revoked members would be let in"),
    Flag("cipher-suites", Kind.WORDS, "", "accepted cipher suites", idle=_OPENSSL),
    Flag("cors", Kind.TEXT, "*", "origins that browsers may call from", idle="no page of chainfire is for browsers"),
    Flag("host-whitelist", Kind.WORDS, "*", "accepted Host headers", idle="no page of chainfire is for browsers"),
    Flag("tls-min-version", Kind.TEXT, "TLS1.2", "oldest TLS", unsafe="older versions would be let in"),
    Flag("tls-max-version", Kind.TEXT, "", "newest TLS", idle=_OPENSSL),
)
_AUTH = (
    Flag("auth-token", Kind.TEXT, "simple", "tokens of users: simple, or jwt with options"),
    Flag("bcrypt-cost", Kind.COUNT, "10", "work of a password hash, 4 to 31"),
    Flag("auth-token-ttl", Kind.COUNT, "300", "seconds that a simple token lives"),
)
_WATCHING = (
    Flag("enable-pprof", Kind.BOOL, "false", "serve Go profiles", idle="chainfire is not written in Go"),
    Flag("metrics", Kind.TEXT, "basic", "basic or extensive metrics", idle="all metrics are always served"),
    Flag("listen-metrics-urls", Kind.URLS, "", "where to serve /metrics and /health besides"),
    Flag("logger", Kind.TEXT, "zap", "zap is the only one"),
    Flag("log-outputs", Kind.WORDS, "default", "default, stderr, stdout or files"),
    Flag("log-level", Kind.TEXT, "info", "debug, info, warn, error, panic or fatal"),
    Flag("enable-log-rotation", Kind.BOOL, "false", "rotate the log", idle="a log that is moved away is opened anew"),
    Flag("log-rotation-config-json", Kind.TEXT, "", "how to", idle="a log that is moved away is opened anew"),
    Flag("experimental-enable-distributed-tracing", Kind.BOOL, "false", "export traces", idle=_TRACING),
    Flag("experimental-distributed-tracing-address", Kind.TEXT, "localhost:4317", "where to", idle=_TRACING),
    Flag("experimental-distributed-tracing-service-name", Kind.TEXT, "etcd", "as whom", idle=_TRACING),
    Flag("experimental-distributed-tracing-instance-id", Kind.TEXT, "", "as which", idle=_TRACING),
    Flag("experimental-distributed-tracing-sampling-rate", Kind.WHOLE, "0", "how many of a million", idle=_TRACING),
)
_PROXY = (
    Flag("proxy", Kind.CHOICE, "off", "be a v2 proxy", choices=("off", "readonly", "on"), unsafe=_V2),
    *(
        Flag(f"proxy-{name}", Kind.COUNT, default, "of the v2 proxy", idle=_V2)
        for name, default in (
            ("failure-wait", "5000"),
            ("refresh-interval", "30000"),
            ("dial-timeout", "1000"),
            ("write-timeout", "5000"),
            ("read-timeout", "0"),
        )
    ),
)
_EXPERIMENTAL = (
    Flag("experimental-initial-corrupt-check", Kind.BOOL, "false", "compare with members first", idle=_CHECKSUMS),
    Flag("experimental-corrupt-check-time", Kind.DURATION, "0s", "time between comparisons; 0 for none"),
    Flag("experimental-compact-hash-check-enabled", Kind.BOOL, "false", "compare compactions", idle=_CHECKSUMS),
    Flag("experimental-compact-hash-check-time", Kind.DURATION, "1m0s", "how often", idle=_CHECKSUMS),
    Flag("experimental-enable-v2v3", Kind.TEXT, "", "serve v2 from v3", idle=_V2),
    Flag("experimental-enable-lease-checkpoint", Kind.BOOL, "false", "log what leases have left", idle="always done"),
    Flag("experimental-enable-lease-checkpoint-persist", Kind.BOOL, "false", "and keep it", idle="always done"),
    Flag("experimental-compaction-batch-limit", Kind.WHOLE, "1000", "revisions freed at once", idle=_BOUNDED),
    Flag("experimental-compaction-sleep-interval", Kind.DURATION, "10ms", "and the pause after", idle=_BOUNDED),
    Flag(
        "experimental-peer-skip-client-san-verification", Kind.BOOL, "false", "trust members by their authority alone"
    ),
    Flag("experimental-watch-progress-notify-interval", Kind.DURATION, "10m0s", "between progress answers"),
    Flag("experimental-downgrade-check-time", Kind.DURATION, "5s", "between looks at a downgrade", idle=_V2),
    Flag("experimental-memory-mlock", Kind.BOOL, "false", "keep all memory in RAM", idle=_BBOLT),
    Flag("experimental-warning-apply-duration", Kind.DURATION, "100ms", "what is slow", idle="see `chainfire why`"),
    Flag("experimental-txn-mode-write-with-shared-buffer", Kind.BOOL, "true", "of the backend", idle=_BBOLT),
    Flag("experimental-bootstrap-defrag-threshold-megabytes", Kind.COUNT, "0", "of the backend", idle=_BBOLT),
    Flag(
        "experimental-stop-grpc-service-on-defrag", Kind.BOOL, "false", "of the backend", idle="nothing to defragment"
    ),
    Flag("experimental-snapshot-catchup-entries", Kind.COUNT, "5000", "log kept for slow members", idle=_BOUNDED),
)
_UNSAFE = (
    Flag("force-new-cluster", Kind.BOOL, "false", "go on alone with this member's data: the others are forgotten"),
    Flag("unsafe-no-fsync", Kind.BOOL, "false", "do not wait for the disk", idle="chainfire always waits for the disk"),
)
_OTHER = (
    Flag("config-file", Kind.TEXT, "", "read all of this from a file instead; then flags and variables are ignored"),
    Flag("version", Kind.BOOL, "false", "print the version"),
)
_FORGOTTEN = tuple(
    Flag(name, Kind.TEXT, "", "", idle=_REMOVED)
    for name in (
        "cluster-active-size",
        "cluster-remove-delay",
        "cluster-sync-interval",
        "config",
        "force",
        "max-result-buffer",
        "max-retry-attempts",
        "peer-heartbeat-interval",
        "peer-election-timeout",
        "retry-interval",
        "snapshot",
        "v",
        "vv",
        "test.coverprofile",
        "test.outputdir",
    )
)

GROUPS: tuple[tuple[str, tuple[Flag, ...]], ...] = (
    ("Member", _MEMBER),
    ("Clustering", _CLUSTERING),
    ("Security", _SECURITY),
    ("Auth", _AUTH),
    ("Watching", _WATCHING),
    ("Proxy", _PROXY),
    ("Experimental", _EXPERIMENTAL),
    ("Unsafe", _UNSAFE),
    ("Other", _OTHER),
)
"""What --help shows, in its order."""

FLAGS: dict[str, Flag] = {flag.name: flag for _, flags in (*GROUPS, ("", _FORGOTTEN)) for flag in flags}
"""All of them by name."""
