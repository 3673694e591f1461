"""etcd's flags as chainfire's configuration: one pure function, `settings_of`.

Source: etcd 3.5.16 as observed (what it checks, and its sentences).
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

from chainfire.config import (
    BCRYPT_COST_MAX,
    BCRYPT_COST_MIN,
    HISTORY_REVISIONS_MAX,
    MIB,
    QUOTA_MIB_MAX,
    Auth,
    ClientTls,
    Cluster,
    Config,
    PeerFiles,
    Storage,
)
from chainfire.core.flags import FlagError, Flags, members_of, seconds_of
from chainfire.core.urls import Url
from ultracloud.servicekit.settings import Log

ELECTION_MS_MAX = 50_000
"""etcd's: longer is a mistake of units."""
HEARTBEATS_PER_ELECTION_MIN = 5
"""etcd's: fewer, and a late heartbeat costs the leader."""
_LEVELS: dict[str, Literal["debug", "info", "warning", "error"]] = {
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "error": "error",
    "dpanic": "error",
    "panic": "error",
    "fatal": "error",
}
_STREAMS = ("default", "stderr", "stdout", "systemd/journal")
_S_PER_H = 3600
KIB = 1024


def settings_of(flags: Flags, *, has_state: bool = False) -> Config:
    """The configuration that flags ask for.

    Args:
        flags: As they were set.
        has_state: The member has run before. What the flags say of the first members then counts no more.

    Raises:
        FlagError: They contradict each other, or chainfire cannot do what they ask for safely.
    """
    _check(flags)
    name = flags.text("name")
    listeners = flags.urls("listen-client-urls")
    try:
        return Config(
            state_dir=folder_of(flags),
            log=Log(level=_LEVELS[flags.text("log-level")]),
            name=name,
            listen_urls=tuple(url.text for url in listeners),
            pages_urls=tuple(
                url.text for name in ("listen-metrics-urls", "listen-client-http-urls") for url in flags.urls(name)
            ),
            client_tls=_client_tls(flags),
            client_urls=tuple(url.text for url in flags.urls("advertise-client-urls")),
            progress_s=flags.seconds("experimental-watch-progress-notify-interval"),
            request_kib=flags.whole("max-request-bytes") / KIB,
            txn_operations=flags.whole("max-txn-ops"),
            cluster=_cluster(flags, has_state=has_state),
            storage=_storage(flags),
            auth=_auth(flags),
        )
    except ValueError as error:
        raise FlagError(str(error)) from error


def folder_of(flags: Flags) -> Path:
    """Where the state is kept."""
    return Path(flags.text("data-dir").replace("${name}", flags.text("name")))


def log_files(flags: Flags) -> list[str]:
    """Where the log goes: `stderr`, `stdout`, or paths."""
    return ["stderr" if word in ("default", "systemd/journal") else word for word in flags.words("log-outputs")]


def warnings_of(flags: Flags) -> list[str]:
    """One sentence for each flag that was set and does nothing, and for each that is none."""
    told = [f"--{flag.name} has no effect here: {flag.idle}" for flag in flags.idle()]
    if flags.text("cert-file") and any(not url.is_tls for url in flags.urls("listen-client-urls")):
        told.append("scheme is http or unix while key and cert files are present; ignoring key and cert files")
    return told


def _check(flags: Flags) -> None:
    """What etcd refuses, and what cannot be ignored safely."""
    for flag in flags.unsafe():
        raise FlagError(f"--{flag.name}={flags.text(flag.name)} is refused: {flag.unsafe}")
    if flags.text("logger") != "zap":
        is_old = flags.text("logger") == "capnslog"
        raise FlagError(
            f"--logger={flags.text('logger')} is removed in v3.5"
            if is_old
            else f'unknown logger option "{flags.text("logger")}"'
        )
    if flags.text("log-level") not in _LEVELS:
        raise FlagError(f'unrecognized level: "{flags.text("log-level")}"; accepted: {", ".join(_LEVELS)}')
    for name in ("listen-peer-urls", "listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"):
        for url in flags.urls(name):
            _check_bindable(url)
    if flags.is_set("listen-client-urls") and not flags.is_set("advertise-client-urls"):
        raise FlagError("--advertise-client-urls is required when --listen-client-urls is set explicitly")
    _check_times(flags)


def _check_times(flags: Flags) -> None:
    heartbeat, election = flags.whole("heartbeat-interval"), flags.whole("election-timeout")
    for name, value in (("heartbeat-interval", heartbeat), ("election-timeout", election)):
        if value == 0:
            raise FlagError(f"--{name} must be >0 (set to 0ms)")
    if election < heartbeat * HEARTBEATS_PER_ELECTION_MIN:
        raise FlagError(
            f"--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
        )
    if election > ELECTION_MS_MAX:
        raise FlagError(
            f"--election-timeout[{election}ms] is too long, and should be set less than {ELECTION_MS_MAX}ms"
        )


def _check_bindable(url: Url) -> None:
    """A name may stand for several machines; only an address is ours for certain."""
    if url.scheme.startswith("unix") or url.host == "localhost":
        return
    try:
        ipaddress.ip_address(url.host or "0.0.0.0")  # noqa: S104 - what an empty host means
    except ValueError:
        raise FlagError(f"expected IP in URL for binding ({url.text})") from None


def _client_tls(flags: Flags) -> ClientTls:
    """As in etcd, the files are looked at only where a URL speaks TLS."""
    certificate, key, ca = (flags.text(name) for name in ("cert-file", "key-file", "trusted-ca-file"))
    has_certificate, makes = bool(certificate and key), flags.is_on("auto-tls")
    for url in flags.urls("listen-client-urls"):
        if url.is_tls and not (has_certificate or makes):
            raise FlagError(
                f"TLS key/cert (--cert-file, --key-file) must be provided for client url {url.text} with HTTPS scheme"
            )
    for name in ("listen-metrics-urls", "listen-client-http-urls"):
        if not (has_certificate or makes) and any(url.is_tls for url in flags.urls(name)):
            raise FlagError("client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url")
    if not (has_certificate or makes):
        return ClientTls()
    return ClientTls(
        certificate=Path(certificate) if has_certificate else None,
        key=Path(key) if has_certificate else None,
        ca=Path(ca) if ca else None,
        # As in etcd: who names an authority wants to see its certificates.
        require=bool(ca) or flags.is_on("client-cert-auth"),
        made_in=None if has_certificate else folder_of(flags) / "fixtures" / "client",
    )


def _cluster(flags: Flags, *, has_state: bool) -> Cluster:
    name = flags.text("name")
    advertised = tuple(url.text for url in flags.urls("initial-advertise-peer-urls"))
    first = members_of(flags.text("initial-cluster")) if flags.is_set("initial-cluster") else {name: advertised}
    if not has_state:
        _check_first(flags, first, name, advertised)
    is_joining = flags.text("initial-cluster-state") == "existing"
    others = tuple(url for other, urls in first.items() if other != name for url in urls)
    return Cluster(
        members=() if is_joining or name not in first else tuple(_pairs(first)),
        # A lone member that should join asks itself, and is told that nobody is there.
        join=(others or advertised) if is_joining else (),
        listen=tuple(url.text for url in flags.urls("listen-peer-urls")),
        advertise=advertised,
        token=flags.text("initial-cluster-token"),
        force_new=flags.is_on("force-new-cluster"),
        strict=flags.is_on("strict-reconfig-check"),
        heartbeat_ms=flags.whole("heartbeat-interval"),
        election_ms=flags.whole("election-timeout"),
        compare_s=flags.seconds("experimental-corrupt-check-time"),
        tls=_peer_files(flags),
    )


def _check_first(flags: Flags, first: dict[str, tuple[str, ...]], name: str, advertised: tuple[str, ...]) -> None:
    """What etcd refuses of the first members."""
    whole = ",".join(_pairs(first))
    if name not in first:
        raise FlagError(f'couldn\'t find local name "{name}" in the initial cluster configuration')
    urls = [url for urls in first.values() for url in urls]
    if len(urls) != len(set(urls)):
        raise FlagError(f"initial cluster {whole} has duplicate url")
    if flags.text("initial-cluster-state") == "new" and set(first[name]) != set(advertised):
        own = ",".join(f"{name}={url}" for url in first[name])
        raise FlagError(
            f"--initial-cluster has {own} but missing from --initial-advertise-peer-urls={','.join(advertised)}"
        )


def _pairs(first: dict[str, tuple[str, ...]]) -> list[str]:
    return [f"{name}={url}" for name, urls in sorted(first.items()) for url in urls]


def _peer_files(flags: Flags) -> PeerFiles:
    certificate, key, ca = (flags.text(f"peer-{name}") for name in ("cert-file", "key-file", "trusted-ca-file"))
    for url in flags.urls("listen-peer-urls"):
        if url.is_tls and not (certificate and key):
            raise FlagError(f"cannot listen on TLS for {url.address}: KeyFile and CertFile are not presented")
        if url.is_tls and not ca:
            raise FlagError(
                "--peer-trusted-ca-file is required: members must be able to tell each other from strangers"
            )
    if not (certificate and key and ca):
        return PeerFiles()
    return PeerFiles(
        certificate=Path(certificate),
        key=Path(key),
        ca=Path(ca),
        allowed_name=flags.text("peer-cert-allowed-cn"),
        allowed_host=flags.text("peer-cert-allowed-hostname"),
    )


def _auth(flags: Flags) -> Auth:
    """As in etcd, a lifetime of 0 and a cost that bcrypt does not have are the default ones."""
    cost = flags.whole("bcrypt-cost")
    return Auth(
        token=flags.text("auth-token"),
        token_ttl_s=flags.whole("auth-token-ttl") or Auth().token_ttl_s,
        bcrypt_cost=cost if BCRYPT_COST_MIN <= cost <= BCRYPT_COST_MAX else Auth().bcrypt_cost,
        by_certificate=flags.is_on("client-cert-auth"),
    )


def _storage(flags: Flags) -> Storage:
    quota = flags.whole("quota-backend-bytes")
    kept = Storage().quota_mib if quota == 0 else QUOTA_MIB_MAX if quota < 0 else quota / MIB
    return Storage(quota_mib=kept, history_revisions=_history(flags), history_s=_period_s(flags))


def _history(flags: Flags) -> int:
    mode, retention = flags.text("auto-compaction-mode"), flags.text("auto-compaction-retention")
    match mode:
        case "revision":
            if not re.fullmatch(r"\d+", retention):
                raise FlagError(f'error parsing CompactionRetention: invalid number "{retention}"')
            return min(int(retention), HISTORY_REVISIONS_MAX)
        case "periodic":
            return 0
        case _:
            raise FlagError(f'unknown auto-compaction-mode "{mode}"')


def _period_s(flags: Flags) -> float:
    """Seconds of history kept; a bare number is hours, as in etcd."""
    retention = flags.text("auto-compaction-retention")
    if flags.text("auto-compaction-mode") != "periodic":
        return 0.0
    try:
        return float(retention) * _S_PER_H if retention.isdigit() else seconds_of(retention)
    except ValueError:
        raise FlagError(f'error parsing CompactionRetention: time: invalid duration "{retention}"') from None
