"""Clusters of real processes on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
from shell.clients import Client
from shell.servers import free_port, wait_until, write_config

from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit.processes import Process, started

SMALL = "[storage]\nsegment_mib = 4\nsnapshot_mib = 1\n"
"""So that a test's few writes are many enough for snapshots."""


class Cluster:
    """Members that were started together, and later ones.

    Attributes:
        members: Processes by name.
        urls: Peer URLs by name.
    """

    def __init__(self, folder: Path, names: Sequence[str], settings: str) -> None:
        self.folder, self.names, self.settings = folder, tuple(names), settings
        self.urls = {name: f"http://127.0.0.1:{free_port()}" for name in names}
        self.members: dict[str, Process] = {}
        self.stack = ExitStack()
        self._clients: dict[str, Client] = {}

    def start(self, *names: str, cluster: str = "") -> None:
        """Start members and wait until they are ready."""
        self.launch(*names, cluster=cluster)
        for name in names:
            self.members[name].wait_ready()

    def launch(self, *names: str, cluster: str = "") -> None:
        """Start members, and do not wait for them."""
        begin = ", ".join(f'"{name}={self.urls[name]}"' for name in self.names)
        for name in names:
            section = cluster or f"members = [{begin}]"
            text = f'name = "{name}"\n{self.settings}\n[cluster]\n{section}\n'
            config = write_config(self.folder / name, text)
            command = [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]
            self.members[name] = self.stack.enter_context(started(command, config.with_suffix(".log")))
            self._clients.pop(name, None)

    def join(self, name: str, *, learner: bool = False, via: str) -> int:
        """Add a member and start it; gives its id."""
        self.urls[name] = f"http://127.0.0.1:{free_port()}"
        request = rpc_pb2.MemberAddRequest(peerURLs=[self.urls[name]], isLearner=learner)
        added = self.client(via)("Cluster.MemberAdd", request).member.ID
        self.start(name, cluster=f'join = ["{self.urls[via]}"]\nadvertise = ["{self.urls[name]}"]')
        return int(added)

    def client(self, name: str) -> Client:
        """A client of one member alone."""
        if name not in self._clients:
            channel = self.stack.enter_context(grpc.insecure_channel(self.members[name].addresses[0]))
            self._clients[name] = Client(channel)
        return self._clients[name]

    def status(self, name: str) -> rpc_pb2.StatusResponse:
        """How a member is."""
        return self.client(name)("Maintenance.Status", rpc_pb2.StatusRequest())

    @property
    def leader(self) -> str:
        """Who leads."""
        running = [name for name, process in self.members.items() if process.is_running]
        found: list[str] = []

        def is_known() -> bool:
            statuses = {name: self.status(name) for name in running}
            found[:] = [name for name, each in statuses.items() if each.leader == each.header.member_id]
            return len(found) == 1

        wait_until(is_known)
        return found[0]

    def put(self, name: str, key: bytes, value: bytes = b"v") -> int:
        """Write through one member; gives the revision."""
        answer = self.client(name)("KV.Put", rpc_pb2.PutRequest(key=key, value=value))
        return int(answer.header.revision)

    def get(self, name: str, key: bytes, *, serializable: bool = False) -> bytes | None:
        """Read through one member."""
        answer = self.client(name)("KV.Range", rpc_pb2.RangeRequest(key=key, serializable=serializable))
        return bytes(answer.kvs[0].value) if answer.kvs else None


@contextmanager
def cluster(folder: Path, names: Sequence[str] = ("n1", "n2", "n3"), settings: str = "") -> Iterator[Cluster]:
    """A cluster whose members are ready."""
    made = Cluster(folder, names, settings)
    with made.stack:
        made.start(*names)
        yield made
