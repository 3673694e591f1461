"""Programs of etcd, of two versions, and servers all started with its flags: etcd 3.4, etcd 3.5, chainfire."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from shell.servers import free_port

from ultracloud.testkit.processes import Process, started

ROOT = Path(__file__).resolve().parents[3]
UNPACKED = [ROOT / ".cache" / release / "usr" / "bin" for release in ("debian", "trixie")]
READY_S = 20.0
SERVING = b"serving client traffic"
"""In the log of every one of them, once for each URL."""


@cache
def program(name: str, version: str) -> str | None:
    """Path of `etcd`, `etcdctl` or `etcdutl` of a version such as `3.5`; None if it is not here."""
    on_path = shutil.which(name)
    candidates = [*([Path(on_path)] if on_path else []), *(folder / name for folder in UNPACKED)]
    for candidate in candidates:
        if candidate.exists() and f"version: {version}." in said_version(str(candidate)).lower():
            return str(candidate)
    return None


@cache
def said_version(path: str) -> str:
    """What a program says of its version."""
    words = [path, "--version"] if path.endswith("etcd") else [path, "version"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=20).stdout


def release(path: str) -> str:
    """`3.5.16`, of a program of etcd's."""
    return said_version(path).splitlines()[0].rpartition(" ")[2]


def needs(version: str) -> pytest.MarkDecorator:
    """Skips a test without etcd's programs of a version."""
    missing = [name for name in ("etcd", "etcdctl") if program(name, version) is None]
    where = "Debian bookworm" if version == "3.4" else "Debian trixie"
    reason = f"{' and '.join(missing)} {version} not found, of {where}; `./dev test` unpacks it where it can be fetched"
    return pytest.mark.skipif(bool(missing), reason=reason)


CHAINFIRE = [sys.executable, "-m", "chainfire.__etcd__"]


@contextlib.contextmanager
def member(command: Sequence[str], folder: Path, *flags: str, name: str = "default") -> Iterator[Process]:
    """A cluster of one member; `process.addresses` is where clients go."""
    folder.mkdir(parents=True, exist_ok=True)
    client, peer = free_port(), free_port()
    whole = [
        *command,
        *(f"--name={name}", f"--data-dir={folder / 'data'}"),
        *(f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}"),
        *(f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        f"--initial-cluster={name}=http://127.0.0.1:{peer}",
        "--logger=zap",
        *flags,
    ]
    with started(whole, folder / "log") as process:
        process.addresses = (f"127.0.0.1:{client}",)
        wait_ready(process)
        yield process


def wait_ready(process: Process) -> None:
    """Wait until the log says that clients are served."""
    ends_at = time.monotonic() + READY_S
    while SERVING not in process.log.read_bytes():
        if not process.is_running or time.monotonic() > ends_at:
            raise AssertionError(f"it is not ready\n{process.tail()}")
        time.sleep(0.02)
