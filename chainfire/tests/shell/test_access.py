"""Who may call: with [tls] only clients with a certificate of the cluster's CA, and of those whom `clients` names."""

import subprocess
from pathlib import Path

import grpc
import pytest
from shell.clients import Client, refusal
from shell.servers import chainfire
from shell.test_etcdctl import ETCDCTL, environment

from ultracloud.api.etcd import rpc_pb2
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.testkit.pki import TlsMaterial

GET = rpc_pb2.RangeRequest(key=b"k")


def caller(address: str, ca: Path, identity: TlsIdentity | None) -> Client:
    """A client over TLS, with a certificate or without."""
    credentials = grpc.ssl_channel_credentials(
        ca.read_bytes(),
        identity.key.read_bytes() if identity else None,
        identity.certificate.read_bytes() if identity else None,
    )
    return Client(grpc.secure_channel(address, credentials))


def test_only_clients_with_a_certificate_are_served(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    own = material.service("chainfire")
    stranger = TlsMaterial(tmp_path / "elsewhere").service("flaredb")
    with chainfire(tmp_path / "node", material.toml(own)) as server:
        address = server.addresses[0]
        assert caller(address, own.ca, material.service("flaredb"))("KV.Range", GET).header.revision == 1
        for unwanted in (None, stranger):
            with pytest.raises(grpc.RpcError) as refused:
                caller(address, own.ca, unwanted)("KV.Range", GET)
            assert refusal(refused.value).startswith("UNAVAILABLE")


def test_only_the_clients_that_are_named_are_let_in(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    own = material.service("chainfire")
    settings = 'clients = ["spiffe://ultracloud.local/operator/*", "spiffe://ultracloud.local/service/flaredb"]\n'
    with chainfire(tmp_path / "node", settings + material.toml(own)) as server:
        for allowed in (material.operator("root"), material.service("flaredb")):
            assert caller(server.addresses[0], own.ca, allowed)("KV.Range", GET).header.revision == 1
        with pytest.raises(grpc.RpcError) as refused:
            caller(server.addresses[0], own.ca, material.service("flaredb2"))("KV.Range", GET)
        assert refusal(refused.value) == (
            "PERMISSION_DENIED: 'spiffe://ultracloud.local/service/flaredb2' may not use this chainfire; "
            "name it in 'clients' of its configuration"
        )


@pytest.mark.skipif(ETCDCTL is None, reason="etcdctl is not installed (Debian: etcd-client)")
def test_etcdctl_comes_in_with_a_certificate(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    own, operator = material.service("chainfire"), material.operator("root")
    with chainfire(tmp_path / "node", material.toml(own)) as server:
        command = [str(ETCDCTL), f"--endpoints=https://{server.addresses[0]}", f"--cacert={own.ca}"]
        command += [f"--cert={operator.certificate}", f"--key={operator.key}", "put", "a", "1"]
        assert subprocess.run(command, capture_output=True, text=True, env=environment(), check=True).stdout == "OK\n"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("[storage]\nquota_mb = 5\n", "did you mean 'storage.quota_mib'"),
        ("[storage]\nsegment_mib = 1\n", "segment_mib is 1; accepted: 4 to 1024"),
        ('clients = ["flaredb"]\n', "clients names 'flaredb'; accepted: spiffe://"),
        ("progress_s = 0.1\n", "progress_s is 0.1; accepted: 0.5 to 86400"),
        ("request_kib = 0\n", "request_kib is 0.0; accepted: 0.0009765625 to 10240"),
        ("request_kib = -1\n", "request_kib is -1.0; accepted: 0.0009765625 to 10240"),
        ("txn_operations = 0\n", "txn_operations is 0; accepted: 1 to 10240"),
        ("[cluster]\nmember = []\n", "did you mean 'cluster.members'"),
        ('name = "x"\n[cluster]\nmembers = ["a=http://h:1"]\n', "cluster.members has no 'x'"),
        ('name = "a"\n[cluster]\nmembers = ["a=http://h:1", "b=http://h:1"]\n', "has 'http://h:1' 2 times"),
        ('name = "a"\n[cluster]\nmembers = ["a=http://h:1", "b=https://i:1"]\n', "mix http and https"),
        (
            'name = "a"\n[cluster]\nmembers = ["a=https://h:1"]\nlisten = ["http://h:1"]\n',
            "cluster.listen has 'http://h:1' and cluster.members 'https://h:1'; give both the same scheme",
        ),
        ('[cluster]\nlisten = ["unix://x"]\n', "cluster.listen has 'unix://x'; accepted: http://HOST:PORT"),
        ('[cluster]\nmembers = ["http://h:1"]\n', "names 'http://h:1'; accepted: NAME=PEER-URL"),
        ('[cluster]\nmembers = ["a=http://h:1"]\njoin = ["http://h:2"]\n', "give one of them"),
        ('[cluster]\njoin = ["http://h:2"]\n', "cluster.join needs cluster.advertise"),
        ("[cluster]\nelection_ms = 100\n", "cluster.election_ms is 100; accepted: 300 to 50000"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_accepted(settings: str, sentence: str, tmp_path: Path) -> None:
    from chainfire.config import Config
    from ultracloud.servicekit.config import load
    from ultracloud.servicekit.errors import ConfigError

    path = tmp_path / "chainfire.toml"
    path.write_text(f'state_dir = "state"\n{settings}')
    with pytest.raises(ConfigError) as refused:
        load(Config, path, {}, "chainfire")
    assert sentence in str(refused.value)
