"""An S3 server for tests: SeaweedFS, which the environment has as one program; gone at the end.

    with s3_server(folder) as s3:
        s3.url, s3.environment()    # where, and the variables with which clients find their credentials

It checks signatures and knows multipart uploads, as Amazon's does. Its parts listen on ports of their own, which have
to be named; whoever takes one of them meanwhile makes the start fail, and it is tried once more.

Source: `weed help server`; SeaweedFS's wiki, "Amazon S3 API".
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ultracloud.testkit.processes import Process, ProcessFailedError, started

ACCESS_KEY, SECRET_KEY = "test-access", "test-secret"
READY_S = 30.0
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
TRIES = 2
SOCKETS = Path("/tmp")  # noqa: S108 - where it puts them, whatever the environment says


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server.

    Attributes:
        url: Its endpoint.
        process: For those who want to stop it.
    """

    url: str
    process: Process

    def environment(self) -> dict[str, str]:
        """What a client's environment says."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server that keeps everything in `folder`.

    Raises:
        ProcessFailedError: It does not start.
    """
    program = Path(sys.executable).with_name("weed")
    (folder / "data").mkdir()
    identity = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    users = [{"name": "test", "credentials": [identity], "actions": ["Admin", "Read", "Write", "List"]}]
    (folder / "s3.json").write_text(json.dumps({"identities": users}))
    with contextlib.ExitStack() as opened:
        for tries_left in reversed(range(TRIES)):
            ports = _free_ports(2 * len(PORTS))
            process = opened.enter_context(started(_command(program, folder, ports), folder / "s3.log"))
            try:
                _wait_answer(process, ports[-2])
                break
            except ProcessFailedError:
                process.kill()
                if not tries_left:
                    raise
        try:
            yield S3Server(f"http://127.0.0.1:{ports[-2]}", process)
        finally:
            process.kill()
            _clean(folder, ports)


def _clean(folder: Path, ports: list[int]) -> None:
    """Remove what a server that was killed has left."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    for port in ports:
        for path in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def _command(program: Path, folder: Path, ports: list[int]) -> list[str]:
    command = [
        *(str(program), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
        *(f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"),
        *("-volume.max=20", "-master.volumeSizeLimitMB=64"),
    ]
    for at, name in enumerate(PORTS):
        command += [f"-{name}={ports[2 * at]}", f"-{name}.grpc={ports[2 * at + 1]}"]
    return command


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has: all are held until the last is found."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _wait_answer(process: Process, port: int) -> None:
    """Wait until it lists no buckets to somebody without a name."""
    end = time.monotonic() + READY_S
    while process.is_running and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == http.client.FORBIDDEN:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise ProcessFailedError(f"no S3 server within {READY_S:g} s\n{process.tail()}")
