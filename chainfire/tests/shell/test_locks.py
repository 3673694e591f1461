"""Locks and elections by gRPC, also as etcd 3.5 serves them, and where chainfire does better on purpose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conversation import check_conversation
from shell.clients import client
from shell.queue_speaker import QueueSpeaker
from shell.servers import ETCD_35, chainfire, etcd, needs_etcd_35

from ultracloud.testkit.processes import Process

SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Process]]] = {
    "chainfire": chainfire,
    "etcd 3.5": lambda folder: etcd(folder, program=ETCD_35),
}
both = pytest.mark.parametrize("kind", ["chainfire", pytest.param("etcd 3.5", marks=needs_etcd_35)])


@contextlib.contextmanager
def spoken_to(kind: str, folder: Path) -> Iterator[QueueSpeaker]:
    """A speaker to a server."""
    with SERVERS[kind](folder) as server, client(server.addresses[0]) as caller:
        yield QueueSpeaker(caller)


@both
@pytest.mark.parametrize("name", ["locks", "elections"])
def test_locks_and_elections_go_as_the_golden_conversation_says(kind: str, name: str, tmp_path: Path) -> None:
    with spoken_to(kind, tmp_path) as speaker:
        check_conversation(name, speaker.say)


def test_what_etcd_tells_late_or_wrong_is_told_at_once(tmp_path: Path) -> None:
    with spoken_to("chainfire", tmp_path) as speaker:
        check_conversation("queues_stricter", speaker.say)
