"""The servers that the coordination client is for: chainfire, and Debian's etcd."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ultracloud.servicekit import coordination, pki
from ultracloud.servicekit.coordination import Coordination
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import serve, started

Connect = Callable[[], Coordination]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def chainfire_program() -> list[str]:
    if importlib.util.find_spec("chainfire") is None:
        pytest.skip("chainfire is not installed here")
    return [sys.executable, "-m", "chainfire.__etcd__"]


def etcd_program() -> list[str]:
    program = shutil.which("etcd")
    if program is None:
        pytest.skip("no etcd here; ./dev test unpacks it")
    return [program]


def run_etcd(folder: Path) -> Iterator[Connect]:
    """A single etcd, and the way to it."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    command = [*etcd_program(), "--data-dir", str(folder / "data"), "--listen-client-urls", client]
    command += ["--advertise-client-urls", client, "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    with started(command, folder / "log") as process:
        target = client.removeprefix("http://")

        def connect() -> Coordination:
            assert process.is_running, process.tail()
            return coordination.connect(target)

        yield connect


def run_chainfire(folder: Path) -> Iterator[Connect]:
    """A single chainfire, with certificates, and the way to it."""
    if importlib.util.find_spec("chainfire") is None:
        pytest.skip("chainfire is not installed here")
    material = TlsMaterial(folder)
    me = material.service("demo")
    config = folder / "chainfire.toml"
    config.write_text('state_dir = "state"\n' + material.toml(material.service("chainfire")))
    with serve("chainfire", config) as process:
        yield lambda: coordination.connect(process.addresses[0], me, pki.service_identity("chainfire"))
