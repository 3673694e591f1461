"""The servers that `./dev bench chainfire` measures: one or three members of chainfire or of etcd, started alike.

All members run on one core, the load on the other. Both stores keep all history, which is etcd's default, and their
data below one folder, so they wait for the same disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SERVER_CORE, LOAD_CORE = 1, 0
START_S = 30.0
"""A start with a million keys takes seconds."""
SETTLE_S = 20.0
"""How long files may change after the load has ended."""
NOT_PASSED = ("ETCD_", "PYTHONDONTWRITEBYTECODE")
"""Beginnings of variables that would change what is measured: without its bytecode, which all that is installed has,
a start compiles what was edited last."""
KEY, VALUE = b"k" * 8, b"v" * 256


@dataclass(slots=True)
class Member:
    """One member's place, and its process while it runs."""

    name: str
    folder: Path
    port: int
    peer_port: int
    command: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None, self.name
        return self.process.pid

    def start(self) -> int:
        """Start it; when, by the monotonic clock in nanoseconds."""
        started_ns = time.monotonic_ns()
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(SERVER_CORE), *self.command],
                stdout=output,
                stderr=output,
                env={name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED)},
                cwd=self.folder,
            )
        return started_ns

    def stop(self) -> None:
        """End it, and wait for that; one that has ended by itself is fine too."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Members of one program.

    Attributes:
        tls: Folder of the certificate they show, or None.
    """

    members: tuple[Member, ...]
    etcdctl: str
    tls: Path | None

    @property
    def url(self) -> str:
        """Where the first member serves clients."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Where all do."""
        return [f"{'https' if self.tls else 'http'}://127.0.0.1:{member.port}" for member in self.members]

    def leader(self) -> Member:
        """Who leads."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            answer = self._ask("endpoint", "status", "--write-out=json")
            for member, each in zip(self.members, json.loads(answer.stdout or "[]"), strict=False):
                if each["Status"]["leader"] == each["Status"]["header"]["member_id"]:
                    return member
            time.sleep(0.05)
        raise SystemExit("bench chainfire: nobody leads")

    def wait_ready(self) -> None:
        """Wait until every member takes a put; afterwards the key that is read is there."""
        deadline = time.monotonic() + START_S
        for url in self.urls:
            while (asked := self._ask("put", KEY.decode(), VALUE.decode(), urls=[url])).returncode:
                if time.monotonic() > deadline:
                    outputs = "".join((each.folder / "output").read_text(errors="replace") for each in self.members)
                    raise SystemExit(f"bench chainfire: {url} did not start: {outputs[-2000:]}\n{asked.stderr}")
                time.sleep(0.05)

    def memory_bytes(self) -> int:
        """What the first member has in memory: pages shared with others count in part."""
        lines = Path(f"/proc/{self.members[0].pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024

    def disk_bytes(self) -> int:
        """What the first member's files take on the disk, once that changes no more for a second."""
        deadline = time.monotonic() + SETTLE_S
        before, now = -1, _disk_bytes(self.members[0].folder)
        while before != now and time.monotonic() < deadline:
            time.sleep(1)
            before, now = now, _disk_bytes(self.members[0].folder)
        return now

    def _ask(self, *words: str, urls: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        command = [
            self.etcdctl,
            "--endpoints",
            ",".join(urls or self.urls),
            "--dial-timeout=2s",
            "--command-timeout=5s",
        ]
        trust = ["--cacert", f"{self.tls}/server.crt"] if self.tls else []
        return subprocess.run([*command, *trust, *words], capture_output=True, text=True, check=False)


@contextlib.contextmanager
def running(program: str, etcdctl: str, folder: Path, count: int, tls: Path | None) -> Iterator[Cluster]:
    """Start members of `program`, an etcd or "chainfire"; they are ended at the end."""
    members = tuple(Member(f"m{number}", folder / f"m{number}", free_port(), free_port()) for number in range(count))
    for member in members:
        member.folder.mkdir(parents=True)
        made = _chainfire if program == "chainfire" else _etcd
        member.command = made(program, member, members, tls)
    try:
        for member in members:
            member.start()
        cluster = Cluster(members, etcdctl, tls)
        cluster.wait_ready()
        yield cluster
    finally:
        for member in members:
            member.stop()


def _chainfire(_: str, member: Member, members: Sequence[Member], tls: Path | None) -> list[str]:
    """Write the configuration; how the member is started."""
    lines = [
        'state_dir = "state"',
        f'name = "{member.name}"',
        f'listen_urls = ["{"https" if tls else "http"}://127.0.0.1:{member.port}"]',
        *(["[client_tls]", f'certificate = "{tls}/server.crt"', f'key = "{tls}/server.key"'] if tls else ()),
        "[log]",
        'level = "error"',
        "[storage]",
        "history_revisions = 0",
        "[cluster]",
        f"members = {json.dumps([f'{each.name}=http://127.0.0.1:{each.peer_port}' for each in members])}",
    ]
    config = member.folder / "chainfire.toml"
    config.write_text("\n".join(lines) + "\n")
    return [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]


def _etcd(program: str, member: Member, members: Sequence[Member], tls: Path | None) -> list[str]:
    """How the member is started."""
    client, peer = (
        f"{'https' if tls else 'http'}://127.0.0.1:{member.port}",
        f"http://127.0.0.1:{member.peer_port}",
    )
    return [
        *(program, "--name", member.name, "--data-dir", str(member.folder / "data"), "--log-level", "error"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", ",".join(f"{each.name}=http://127.0.0.1:{each.peer_port}" for each in members)),
        *(("--cert-file", f"{tls}/server.crt", "--key-file", f"{tls}/server.key") if tls else ()),
    ]


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")),
        ],
        check=True,
        capture_output=True,
    )


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _disk_bytes(folder: Path) -> int:
    """Blocks taken; files come and go meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total
