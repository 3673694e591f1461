"""etcd's flags as our configuration."""

from pathlib import Path

import pytest

from chainfire.config import QUOTA_MIB_MAX, Cluster, Config, PeerFiles
from chainfire.core.flags import FlagError, parse
from chainfire.etcd import log_files, settings_of, warnings_of


def settings(*arguments: str, has_state: bool = False) -> Config:
    """The configuration of a command line."""
    return settings_of(parse(arguments, {}), has_state=has_state)


CLIENT = ("--listen-client-urls=http://0.0.0.0:1,unix://s", "--advertise-client-urls=http://h:1")
PEER = "--initial-advertise-peer-urls=http://h1:2"
MEMBERS = "--initial-cluster=m1=http://h1:2,m2=http://h2:2"


def test_a_member_is_alone_by_default() -> None:
    config = settings()
    assert (config.name, config.state_dir) == ("default", Path("default.etcd"))
    assert config.listen_urls == config.client_urls == ("http://localhost:2379",)
    assert config.cluster == Cluster(
        members=("default=http://localhost:2380",),
        listen=("http://localhost:2380",),
        advertise=("http://localhost:2380",),
        token="etcd-cluster",
        heartbeat_ms=100,
        election_ms=1000,
    )
    assert config.storage.history_revisions == 0


def test_a_new_cluster_begins_with_its_list() -> None:
    config = settings("--name=m1", *CLIENT, PEER, MEMBERS, "--initial-cluster-token=t", "--data-dir=/d")
    assert config.state_dir == Path("/d")
    assert config.cluster.members == ("m1=http://h1:2", "m2=http://h2:2")
    assert config.cluster.token == "t"
    assert config.cluster.join == ()


def test_a_member_of_an_existing_cluster_asks_the_others() -> None:
    cluster = settings("--name=m1", PEER, MEMBERS, "--initial-cluster-state=existing").cluster
    assert cluster.members == ()
    assert cluster.join == ("http://h2:2",)
    assert cluster.advertise == ("http://h1:2",)


def test_what_the_first_members_were_counts_no_more_once_there_is_state() -> None:
    other = ("--name=m3", "--initial-advertise-peer-urls=http://h3:2", MEMBERS)
    with pytest.raises(FlagError, match="couldn't find local name"):
        settings(*other)
    assert settings(*other, has_state=True).cluster.members == ()


@pytest.mark.parametrize(
    ("arguments", "revisions", "seconds"),
    [
        (["--auto-compaction-retention=0"], 0, 0),
        (["--auto-compaction-retention=2"], 0, 7200),
        (["--auto-compaction-retention=5m"], 0, 300),
        (["--auto-compaction-mode=revision", "--auto-compaction-retention=1000"], 1000, 0),
    ],
)
def test_history_is_kept_by_time_or_by_revisions(arguments: list[str], revisions: int, seconds: float) -> None:
    storage = settings(*arguments).storage
    assert (storage.history_revisions, storage.history_s) == (revisions, seconds)


@pytest.mark.parametrize(("quota", "mib"), [("0", 2048), ("-1", QUOTA_MIB_MAX), ("53248", 53248 / (1 << 20))])
def test_the_quota_is_in_bytes(quota: str, mib: float) -> None:
    assert settings(f"--quota-backend-bytes={quota}").storage.quota_mib == mib


def test_certificates_are_used_where_a_url_speaks_tls() -> None:
    files = ("--cert-file=c", "--key-file=k", "--trusted-ca-file=a")
    served = settings("--listen-client-urls=https://1.1.1.1:1", "--advertise-client-urls=https://h:1", *files)
    assert (served.client_tls.certificate, served.client_tls.require) == (Path("c"), True)
    peers = (
        *("--listen-peer-urls=https://1.1.1.1:2", "--initial-advertise-peer-urls=https://h:2"),
        *("--peer-cert-file=c", "--peer-key-file=k", "--peer-trusted-ca-file=a", "--peer-cert-allowed-cn=n"),
    )
    assert settings(*peers).cluster.tls == PeerFiles(
        certificate=Path("c"), key=Path("k"), ca=Path("a"), allowed_name="n"
    )


@pytest.mark.parametrize(
    "flag", ["--client-crl-file=x", "--peer-crl-file=x", "--discovery=x", "--proxy=on", "--tls-min-version=TLS1.3"]
)
def test_a_flag_that_cannot_be_ignored_safely_is_refused(flag: str) -> None:
    with pytest.raises(FlagError, match="is refused: "):
        settings(flag)


def test_a_flag_without_effect_is_told() -> None:
    told = warnings_of(parse(["--max-wals=3", "--enable-v2", "--max-snapshots=5"], {}))
    assert told == [
        "--max-wals has no effect here: what the newest snapshot holds is dropped",
        "--enable-v2 has no effect here: chainfire serves the v3 API only",
    ]


def test_the_log_goes_where_it_is_sent() -> None:
    assert log_files(parse([], {})) == ["stderr"]
    assert log_files(parse(["--log-outputs=stdout,/l"], {})) == ["stdout", "/l"]
