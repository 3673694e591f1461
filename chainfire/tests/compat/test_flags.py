"""etcd's flags: what is refused, and with which words and exit code, by both; and what starts."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import pytest
from compat.programs import CHAINFIRE, member, needs, program
from shell.servers import free_port

from chainfire.__etcd__ import flags_of
from chainfire.core.flags import FlagError
from chainfire.etcd import settings_of
from ultracloud.api.etcd import rpc_pb2
from ultracloud.servicekit import pki
from ultracloud.testkit.processes import started

HERE = Path(__file__).parent
LINES = [line for line in (HERE / "refused.txt").read_text().splitlines() if line and not line.startswith("#")]
REFUSE_S = 20.0
PORT = re.compile(r"127\.0\.0\.1:\d+")
FREE_PORTS = {
    "--listen-peer-urls": ["--listen-peer-urls=http://127.0.0.1:0"],
    "--listen-client-urls": ["--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:1"],
}
"""etcd listens before it looks at the members: not at the ports that another etcd of this machine may have."""


@needs("3.5")
def test_a_bad_command_line_is_refused_as_etcd_refuses_it(tmp_path: Path) -> None:
    etcd = program("etcd", "3.5")
    assert etcd is not None
    different = []
    for line in LINES:
        wanted, got = refused_by_etcd(etcd, *split(line), tmp_path), refused(*split(line))
        if wanted != got:
            different.append(f"{line}\n  etcd:      {wanted}\n  chainfire: {got}")
    assert not different, "\n".join(different)


def split(line: str) -> tuple[list[str], dict[str, str]]:
    """Flags and variables of a line; flags for free ports where it says nothing of them."""
    words = shlex.split(line)
    variables = dict(word.split("=", 1) for word in words if word.startswith("ETCD_"))
    added = [flag for name, more in FREE_PORTS.items() if name not in line for flag in more]
    return [*added, *(word for word in words if not word.startswith("ETCD_"))], variables


def refused(flags: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and reason of chainfire, which is not started for it."""
    try:
        return 0, repr(settings_of(flags_of(flags, variables)))
    except FlagError as error:
        return error.exit_code, PORT.sub("PORT", str(error))


def refused_by_etcd(etcd: str, flags: Sequence[str], variables: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """The same of an etcd that does not start."""
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("ETCD")}, **variables}
    done = subprocess.run(
        [etcd, *flags], capture_output=True, text=True, timeout=REFUSE_S, check=False, env=environment, cwd=folder
    )
    return done.returncode, PORT.sub("PORT", reason(done.stderr))


def reason(log: str) -> str:
    """The sentence that says why: the first line if it is no log, or what the log calls an error."""
    first = log.splitlines()[0] if log else ""
    if not first.startswith("{"):
        return first
    for line in log.splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if "error" in entry:
            return re.sub(r" \(resolved urls: .*\)$", "", entry["error"])
        if entry.get("level") == "fatal":
            return f"{entry['msg']}: {entry.get('environment-variable', '')}"
    return log[-300:]


def test_an_unknown_flag_is_told_the_nearest_known_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [*CHAINFIRE, "--heartbeat-intervl=5"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[1] == "did you mean --heartbeat-interval?"


def test_the_version_is_told_in_the_line_that_scripts_take_apart() -> None:
    done = subprocess.run([*CHAINFIRE, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("etcd Version: 3.5.16\nGit SHA: chainfire ")


@needs("3.5")
def test_help_names_every_flag_that_the_help_of_etcd_names() -> None:
    etcd = program("etcd", "3.5")
    told = [
        set(
            re.findall(
                r"^ +--([a-z0-9-]+)",
                subprocess.run([*one, "--help"], capture_output=True, text=True, check=True).stdout,
                re.MULTILINE,
            )
        )
        for one in ([str(etcd)], CHAINFIRE)
    ]
    assert told[0] - {"version", "config-file"} <= told[1]


def put_a_key(address: str, credentials: grpc.ChannelCredentials | None = None) -> int:
    """The revision of a put."""
    channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    with channel:
        put = channel.unary_unary(
            "/etcdserverpb.KV/Put",
            rpc_pb2.PutRequest.SerializeToString,
            rpc_pb2.PutResponse.FromString,
        )
        return int(put(rpc_pb2.PutRequest(key=b"k", value=b"v"), timeout=10).header.revision)


def test_it_listens_at_every_url_and_says_so_for_each(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    socket = tmp_path / "client.sock"
    urls = f"http://127.0.0.1:{ports[0]},http://127.0.0.1:{ports[1]},unix://{socket}"
    with member(CHAINFIRE, tmp_path, f"--listen-client-urls={urls}") as server:
        assert [put_a_key(f"127.0.0.1:{port}") for port in ports] == [2, 3]
        assert put_a_key(f"unix:{socket}") == 4
        entries = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    messages = [entry["msg"] for entry in entries]
    assert messages.count("ready to serve client requests") == 3
    assert sum(message.startswith("serving client traffic insecurely") for message in messages) == 3
    assert {"level", "ts", "caller", "msg"} <= set(entries[0])


def test_the_certificate_files_of_etcd_are_used(tmp_path: Path) -> None:
    files = pki.issue(pki.make_ca(tmp_path), pki.service_identity("chainfire"), tmp_path / "pki")
    port = free_port()
    flags = [
        f"--listen-client-urls=https://127.0.0.1:{port}",
        *(f"--cert-file={files.certificate}", f"--key-file={files.key}"),
        *(f"--trusted-ca-file={files.ca}", "--client-cert-auth"),
    ]
    with member(CHAINFIRE, tmp_path, *flags):
        ca = files.ca.read_bytes()
        with pytest.raises(grpc.RpcError):
            put_a_key(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca))
        known = grpc.ssl_channel_credentials(ca, files.key.read_bytes(), files.certificate.read_bytes())
        assert put_a_key(f"127.0.0.1:{port}", known) == 2


def test_the_variables_of_etcd_stand_for_flags(tmp_path: Path) -> None:
    port = free_port()
    urls = f"http://127.0.0.1:{port}"
    variables = {
        "ETCD_NAME": "by-variable",
        "ETCD_DATA_DIR": str(tmp_path / "data"),
        "ETCD_LISTEN_CLIENT_URLS": urls,
        "ETCD_ADVERTISE_CLIENT_URLS": urls,
        "ETCD_LISTEN_PEER_URLS": f"http://127.0.0.1:{free_port()}",
        "ETCD_NOSUCH": "1",
    }
    peer = variables["ETCD_LISTEN_PEER_URLS"]
    flags = [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=by-variable={peer}", "--max-wals=3"]
    with started([*CHAINFIRE, *flags], tmp_path / "log", env=variables) as server:
        server.wait_ready()
        assert put_a_key(f"127.0.0.1:{port}") == 2
        log = server.log.read_text()
    assert '"environment-variable":"ETCD_NOSUCH"' in log
    assert "--max-wals has no effect here" in log


def test_a_configuration_file_of_etcd_stands_for_flags_and_hides_them(tmp_path: Path) -> None:
    port, peer = free_port(), free_port()
    file = tmp_path / "etcd.conf.yml"
    file.write_text(
        f"name: 'by-file'  # a comment\ndata-dir: {tmp_path / 'data'}\n"
        f"listen-client-urls: http://127.0.0.1:{port}\nadvertise-client-urls: http://127.0.0.1:{port}\n"
        f"listen-peer-urls: http://127.0.0.1:{peer}\ninitial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-cluster: by-file=http://127.0.0.1:{peer}\nclient-transport-security:\n  client-cert-auth: false\n"
    )
    with started([*CHAINFIRE, "--config-file", str(file), "--name=hidden"], tmp_path / "log") as server:
        server.wait_ready()
        assert put_a_key(f"127.0.0.1:{port}") == 2
