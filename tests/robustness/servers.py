"""What starts a member: chainfire, or a real etcd to hold the harness itself against.

Both take etcd's command line, so one description starts either.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLIENT_PORT, PEER_PORT = 2379, 2380
SNAPSHOT_ENTRIES = 500
"""Small, so that a member that was away is caught up by a snapshot and not only by the log."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member lives: its name, its address, its folder."""

    name: str
    address: str
    folder: Path

    @property
    def peer_url(self) -> str:
        """Where other members find it."""
        return f"http://{self.address}:{PEER_PORT}"

    @property
    def client_url(self) -> str:
        """Where clients find it."""
        return f"http://{self.address}:{CLIENT_PORT}"


@dataclass(frozen=True, slots=True)
class Server:
    """A program that can be a member.

    Attributes:
        command: What it is started with, before its options.
        bends: Whether `shim.c` reaches it: its disk can be made slow and its clock wrong.
        extra: Options besides etcd's common ones.
    """

    name: str
    command: tuple[str, ...]
    bends: bool
    extra: tuple[str, ...] = ()

    def start(self, place: Place, cluster: Sequence[Place], *, joins: bool) -> list[str]:
        """The whole command of a member.

        Args:
            place: Where it lives.
            cluster: All members, itself too, at its first start.
            joins: They run already.
        """
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


def _etcd(*candidates: Path) -> Callable[[], Server | None]:
    def find() -> Server | None:
        found = next((str(path) for path in candidates if path.exists()), None)
        if found is None:
            return None
        return Server("etcd", (found,), bends=False, extra=("--log-level", "warn", "--logger", "zap"))

    return find


def _chainfire() -> Server | None:
    if importlib.util.find_spec("chainfire") is None:
        return None
    return Server("chainfire", (sys.executable, "-m", "chainfire.__etcd__"), bends=True)


SERVERS: Mapping[str, Callable[[], Server | None]] = {
    "chainfire": _chainfire,
    "etcd": _etcd(ROOT / ".cache/trixie/usr/bin/etcd"),
    "etcd-debian": _etcd(ROOT / ".cache/debian/usr/bin/etcd"),
}
"""How each is found; None where it is not installed."""


def find(name: str) -> Server | None:
    """A server by its name."""
    return SERVERS[name]()
