"""Snapshots as bytes in memory."""

from __future__ import annotations

from zlib import crc32

from chainfire.core.machine import Machine
from chainfire.core.snapshot import (
    FRAME_HEAD_BYTES,
    SNAPSHOT_MAGIC,
    Restore,
    frames_of,
    head_of,
    parse_body,
    parse_frame_head,
)
from ultracloud.raft.words import Config


def read(content: bytes) -> Restore:
    """Build the machine of a whole snapshot; raises `MalformedSnapshotError`."""
    restore = Restore()
    at = len(SNAPSHOT_MAGIC)
    while at < len(content):
        head = parse_frame_head(content[at : at + FRAME_HEAD_BYTES])
        at += FRAME_HEAD_BYTES
        restore.add(parse_body(head, content[at : at + head.length]))
        at += head.length
    assert restore.is_whole, "a snapshot without its end"
    return restore


def checksum(machine: Machine, config: Config) -> int:
    """Of the whole state: two members that applied the same entries have the same."""
    # The first piece holds all but the records; those are framed as they came, which differs between members.
    sum_ = crc32(next(frames_of(machine, head_of(machine, 0, 0, 0), config)))
    for chunk in machine.store.records(machine.revision, machine.store.compact_revision):
        for record in chunk:
            sum_ = crc32(record, sum_)
    return sum_
