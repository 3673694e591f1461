"""Servers under test: chainfire, and Debian's etcd to compare with."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ultracloud.testkit.processes import Process, ProcessFailedError, serve, started

ETCD = shutil.which("etcd")
needs_etcd = pytest.mark.skipif(ETCD is None, reason="etcd is not installed (Debian: etcd-server)")
TRIXIE = Path(__file__).parents[3] / ".cache" / "trixie" / "usr" / "bin"
"""Where `tools/bootstrap.sh` unpacks etcd 3.5."""
ETCD_35 = shutil.which("etcd", path=str(TRIXIE))
needs_etcd_35 = pytest.mark.skipif(ETCD_35 is None, reason="etcd 3.5 is not unpacked (tools/bootstrap.sh)")
START_S = 20.0


def write_config(folder: Path, settings: str = "") -> Path:
    """A configuration for a chainfire that keeps its state below `folder` and listens on a free port."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "chainfire.toml"
    config.write_text(f'state_dir = "state"\n{settings}')
    return config


@contextlib.contextmanager
def chainfire(folder: Path, settings: str = "", **options: object) -> Iterator[Process]:
    """A chainfire that is ready."""
    with serve("chainfire", write_config(folder, settings), **options) as process:  # type: ignore[arg-type]
        yield process


@contextlib.contextmanager
def etcd(
    folder: Path, env: Mapping[str, str] | None = None, *, program: str | None = ETCD, flags: Sequence[str] = ()
) -> Iterator[Process]:
    """An etcd that is ready."""
    assert program is not None
    folder.mkdir(parents=True, exist_ok=True)
    client, peer = free_port(), free_port()
    command = [
        *(
            program,
            "--name",
            "chainfire",
            "--data-dir",
            str(folder / "data"),
            "--log-level",
            "error",
            "--logger",
            "zap",
        ),
        *("--listen-client-urls", f"http://127.0.0.1:{client}"),
        *("--advertise-client-urls", f"http://127.0.0.1:{client}"),
        *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
        *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
        *("--initial-cluster", f"chainfire=http://127.0.0.1:{peer}"),
        *flags,
    ]
    with started(command, folder / "etcd.log", env=env) as process:
        wait_until(lambda: is_listening(client), process)
        process.addresses = (f"127.0.0.1:{client}",)
        yield process


SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Process]]] = {
    "chainfire": chainfire,
    "etcd": etcd,
}
both = pytest.mark.parametrize("kind", ["chainfire", pytest.param("etcd", marks=needs_etcd)])


def wait_until(is_so: Callable[[], bool], process: Process | None = None, timeout_s: float = START_S) -> None:
    """Wait for something that a process will bring about."""
    ends_at = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > ends_at or (process is not None and not process.is_running):
            raise ProcessFailedError("it did not happen" + (f"\n{process.tail()}" if process else ""))
        time.sleep(0.01)


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody has now; etcd cannot be told to take a free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
