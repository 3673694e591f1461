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
    Config,
    Storage,
)
from chainfire.core.flags import FlagError, Flags, seconds_of
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


def settings_of(flags: Flags) -> Config:
    """The configuration that flags ask for.

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
    heartbeat, election = flags.whole("heartbeat-interval"), flags.whole("election-timeout")
    if heartbeat == 0 or election == 0:
        raise FlagError("--heartbeat-interval and --election-timeout must be more than 0")
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
    ca = flags.text("trusted-ca-file")
    has_certificate = bool(flags.text("cert-file") and flags.text("key-file"))
    return ClientTls(
        certificate=Path(flags.text("cert-file")) if has_certificate else None,
        key=Path(flags.text("key-file")) if has_certificate else None,
        ca=Path(ca) if ca else None,
        # As in etcd: who names an authority wants to see its certificates.
        require=bool(ca) or flags.is_on("client-cert-auth"),
        made_in=folder_of(flags) / "fixtures" / "client" if flags.is_on("auto-tls") and not has_certificate else None,
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
    return Storage(quota_mib=kept, history_revisions=_history(flags))


def _history(flags: Flags) -> int:
    mode, retention = flags.text("auto-compaction-mode"), flags.text("auto-compaction-retention")
    match mode:
        case "revision":
            if not re.fullmatch(r"\d+", retention):
                raise FlagError(f'error parsing AutoCompactionRetention: "{retention}" is no number')
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
        raise FlagError(f'error parsing AutoCompactionRetention: "{retention}" is no time') from None
