"""What starts a member: chainfire, or a real etcd to hold the harness itself against.

etcd's command line starts either; chainfire is also started with a file of its own, which can ask for short logs.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CLIENT_PORT, PEER_PORT = 2379, 2380
SNAPSHOT_ENTRIES = 500
"""Small, so that a member that was away is caught up by a snapshot and not only by the log."""
MEETING_ADDRESS = "10.99.0.254"
"""The clients' host, where flaredb's stores find chainfire."""
CERTIFICATES = "certificates"
"""Folder beside the members' folders."""
TLS = """[tls]
certificate = '{files}/service-{service}.crt'
key = '{files}/service-{service}.key'
ca = '{files}/ca.crt'
"""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member lives: its name, its address, its folder."""

    name: str
    address: str
    folder: Path
    scheme: str = "http"

    @property
    def peer_url(self) -> str:
        """Where other members find it."""
        return f"{self.scheme}://{self.address}:{PEER_PORT}"

    @property
    def client_url(self) -> str:
        """Where clients find it."""
        return f"{self.scheme}://{self.address}:{CLIENT_PORT}"


class Server(Protocol):
    """A program that can be a member.

    Attributes:
        bends: Whether `shim.c` reaches it: its disk can be made slow and its clock wrong.
        has_tls: Whether clients and members prove who they are.
        service: What its certificates say that it is.
        port: Where clients find it.
    """

    name: str
    bends: bool
    has_tls: bool
    service: str
    port: int

    def start(self, place: Place, cluster: Sequence[Place], *, joins: bool) -> list[str]:
        """The whole command of a member.

        Args:
            place: Where it lives; what is there already it carries on.
            cluster: All members, itself too, at its first start.
            joins: They run already.
        """
        ...


@dataclass(frozen=True, slots=True)
class ByFlags(Server):
    """A server that is told what etcd is told."""

    name: str
    command: tuple[str, ...]
    bends: bool
    extra: tuple[str, ...] = ()
    has_tls: bool = False
    service: str = "chainfire"
    port: int = CLIENT_PORT

    def start(self, place: Place, cluster: Sequence[Place], *, joins: bool) -> list[str]:
        """See `Server`."""
        return [
            *self.command,
            *("--name", place.name, "--data-dir", str(place.folder)),
            *("--listen-client-urls", place.client_url, "--advertise-client-urls", place.client_url),
            *("--listen-peer-urls", place.peer_url, "--initial-advertise-peer-urls", place.peer_url),
            *("--initial-cluster", ",".join(f"{each.name}={each.peer_url}" for each in cluster)),
            *("--initial-cluster-state", "existing" if joins else "new"),
            *("--initial-cluster-token", "robustness"),
            *("--snapshot-count", str(SNAPSHOT_ENTRIES)),
            *self.extra,
        ]


@dataclass(frozen=True, slots=True)
class ByFile(Server):
    """chainfire with a configuration of its own, whose log is short and whose snapshots are frequent."""

    name: str = "chainfire"
    bends: bool = True
    has_tls: bool = False
    service: str = "chainfire"
    port: int = CLIENT_PORT

    def start(self, place: Place, cluster: Sequence[Place], *, joins: bool) -> list[str]:
        """See `Server`."""
        config = place.folder.with_name("chainfire.toml")
        if not place.folder.exists():
            config.write_text(self._config(place, cluster, joins=joins))
        return [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]

    def _config(self, place: Place, cluster: Sequence[Place], *, joins: bool) -> str:
        others = json.dumps([each.peer_url for each in cluster if each != place])
        members = json.dumps([f"{each.name}={each.peer_url}" for each in cluster])
        begins = f"join = {others}\nadvertise = ['{place.peer_url}']" if joins else f"members = {members}"
        if self.has_tls:
            files = place.folder.parent.parent / CERTIFICATES
            serves = f"[listen]\naddress = '{place.address}:{CLIENT_PORT}'\n" + TLS.format(
                files=files, service=self.service
            )
        else:
            serves = ""
        urls = f"client_urls = ['{place.client_url}']\n"
        urls += "" if self.has_tls else f"listen_urls = ['{place.client_url}']\n"
        return (
            f"name = '{place.name}'\nstate_dir = '{place.folder}'\n{urls}{serves}"
            f"[storage]\nsnapshot_mib = 1\nsegment_mib = 4\n"
            f"[cluster]\n{begins}\n"
        )


@dataclass(frozen=True, slots=True)
class Stores(Server):
    """flaredb's stores, each with a configuration of its own; chainfire is on the clients' host."""

    name: str = "flaredb"
    bends: bool = True
    has_tls: bool = True
    service: str = "flaredb"
    port: int = 7002
    replicas: int = 3

    def start(self, place: Place, cluster: Sequence[Place], *, joins: bool) -> list[str]:  # noqa: ARG002 - see `Server`
        """See `Server`; one that was wiped joins as another store."""
        config = place.folder.with_name("flaredb.toml")
        files = place.folder.parent.parent / CERTIFICATES
        config.write_text(
            f"state_dir = '{place.folder}'\n"
            f"[listen]\naddress = '{place.address}:{self.port}'\n"
            f"{TLS.format(files=files, service=self.service)}"
            f"[peers]\nchainfire = '{MEETING_ADDRESS}:{CLIENT_PORT}'\n"
            f"[cluster]\nname = 'robust'\nlabels = {{ host = '{place.name}' }}\nreplicas = {self.replicas}\n"
            f"split_mib = 1\nfull_percent = 99\nlost_minutes = 0.1\n"
        )
        return [sys.executable, "-m", "flaredb", "serve", "--config", str(config)]


def _etcd(*candidates: Path) -> Callable[[], Server | None]:
    def find() -> Server | None:
        found = next((str(path) for path in candidates if path.exists()), None)
        if found is None:
            return None
        return ByFlags("etcd", (found,), bends=False, extra=("--log-level", "warn", "--logger", "zap"))

    return find


def _chainfire() -> Server | None:
    return ByFile() if importlib.util.find_spec("chainfire") else None


def _chainfire_tls() -> Server | None:
    return ByFile("chainfire-tls", has_tls=True) if importlib.util.find_spec("chainfire") else None


def _chainfire_etcd() -> Server | None:
    command = (sys.executable, "-m", "chainfire.__etcd__")
    return ByFlags("chainfire-etcd", command, bends=True) if importlib.util.find_spec("chainfire") else None


def _flaredb(name: str, replicas: int) -> Callable[[], Server | None]:
    def find() -> Server | None:
        return Stores(name, replicas=replicas) if importlib.util.find_spec("flaredb") else None

    return find


SERVERS: Mapping[str, Callable[[], Server | None]] = {
    "chainfire": _chainfire,
    "chainfire-tls": _chainfire_tls,
    "chainfire-etcd": _chainfire_etcd,
    "flaredb": _flaredb("flaredb", 3),
    "flaredb-five": _flaredb("flaredb-five", 5),
    "etcd": _etcd(ROOT / ".cache/trixie/usr/bin/etcd"),
    "etcd-debian": _etcd(ROOT / ".cache/debian/usr/bin/etcd"),
}
"""How each is found; None where it is not installed."""


def find(name: str) -> Server | None:
    """A server by its name."""
    return SERVERS[name]()
