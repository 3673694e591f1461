"""Snapshots as bytes: written in one go, and read back."""

from __future__ import annotations

from chainfire.core.machine import Machine
from chainfire.core.snapshot import (
    FRAME_HEAD_BYTES,
    SNAPSHOT_MAGIC,
    MalformedSnapshotError,
    Restore,
    frames_of,
    head_of,
    parse_body,
    parse_frame_head,
)
from ultracloud.raft.words import Config, NodeId

CONFIG = Config(frozenset({NodeId(3)}), learners=frozenset({NodeId(4)}))
"""Who takes part in all of them."""


def written(machine: Machine) -> bytes:
    """A machine's snapshot."""
    return b"".join(frames_of(machine, head_of(machine, 1, 2, 3), CONFIG))


def read(content: bytes) -> Restore:
    """What a snapshot restores.

    Raises:
        MalformedSnapshotError: It is damaged.
    """
    if not content.startswith(SNAPSHOT_MAGIC):
        raise MalformedSnapshotError("magic")
    restore, at = Restore(), len(SNAPSHOT_MAGIC)
    while not restore.is_whole:
        head = parse_frame_head(content[at : at + FRAME_HEAD_BYTES])
        at += FRAME_HEAD_BYTES
        restore.add(parse_body(head, content[at : at + head.length]))
        at += head.length
    return restore
