"""`chainfire snapshot save | status | restore`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO, assert_never

from chainfire.core.auth import AuthState
from chainfire.core.keyvalue import is_tombstone, key_of
from chainfire.core.snapshot import (
    Frame,
    SnapshotEnd,
    SnapshotHead,
    SnapshotLeases,
    SnapshotMembers,
    SnapshotRecords,
)
from chainfire.shell.commands import restoring
from chainfire.shell.commands.connections import (
    Endpoint,
    access_of,
    add_connection_arguments,
    endpoints,
    first_answer,
    run,
)
from chainfire.shell.commands.statefile import CHECKSUM_BYTES, StateFile, opened
from ultracloud.api.etcd import rpc_pb2
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.files import sync_folder
from ultracloud.servicekit.printing import add_output_argument, print_one, remark

SILENCE_S = 600.0
"""A member writes its snapshot to its own disk before it sends the first byte; that takes seconds a million keys."""
TELL_S = 0.5
"""Between two lines of progress."""
FILE_MODE = 0o600
_MIB = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `snapshot`."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    save = commands.add_parser("save", help="save the state of a running member, in etcd's format, with its checksum")
    save.add_argument("file", type=Path, metavar="FILE", help="replaced at once when the whole is on disk")
    add_connection_arguments(save)
    add_output_argument(save)
    save.set_defaults(run=_save)
    status = commands.add_parser("status", help="check a snapshot, and say what is in it")
    status.add_argument("file", type=Path, metavar="FILE", help="of etcd's or ours; or a stopped etcd's data folder")
    add_output_argument(status)
    restoring.add_hash_argument(status)
    status.set_defaults(run=_status)
    restore = commands.add_parser("restore", help="make the state folder of a member of a new cluster from a snapshot")
    restoring.configure(restore)


def _save(arguments: argparse.Namespace) -> int:
    access = access_of(arguments)

    async def save() -> int:
        async with endpoints(access) as members:
            asked, _ = await first_answer(members, lambda each: each.maintenance.status(rpc_pb2.StatusRequest()))
            await _save_from(asked, arguments.file)
        return 0

    run(save)
    with opened(arguments.file, skip_hash_check=False) as file:
        file.check()
        print_one({"file": str(arguments.file), **_told(file)}, arguments.output)
    return 0


async def _save_from(member: Endpoint, path: Path) -> None:
    """Write a member's snapshot beside `path`, then put it there."""
    beside = path.with_name(f"{path.name}.part")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            await _receive(member, file)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


async def _receive(member: Endpoint, file: BinaryIO) -> None:
    """Take the stream, and see that it is whole.

    Raises:
        StartError: It ended early, or does not match its checksum.
    """
    checksum, tail, size = hashlib.sha256(), b"", 0
    progress = _Progress(member.address)
    answers = member.maintenance.snapshot(rpc_pb2.SnapshotRequest())
    async with contextlib.aclosing(answers) as pieces:  # type: ignore[type-var] # a generator
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise StartError(f"{member.address} sent nothing for {SILENCE_S:g} s") from None
            if piece is None:
                break
            file.write(piece.blob)
            size += len(piece.blob)
            held = tail + piece.blob
            checksum.update(held[:-CHECKSUM_BYTES])
            tail = held[-CHECKSUM_BYTES:]
            progress.tell(size, piece.remaining_bytes)
    progress.end(size)
    if checksum.digest() != tail:
        raise StartError(f"what {member.address} sent does not match its checksum; nothing was saved, try again")


class _Progress:
    """Says on stderr how far it is: on a terminal all the time, elsewhere at the end."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._is_live = sys.stderr.isatty()
        self._told_at = self._began_at = time.monotonic()

    def tell(self, size: int, left: int) -> None:
        """So much came, so much is left as far as the member knows."""
        now = time.monotonic()
        if self._is_live and now >= self._told_at + TELL_S:
            self._told_at = now
            sys.stderr.write(f"\r{size / _MIB:.1f} of {(size + left) / _MIB:.1f} MiB")
            sys.stderr.flush()

    def end(self, size: int) -> None:
        """That was all."""
        if self._is_live:
            sys.stderr.write("\r")
        remark(f"{size / _MIB:.1f} MiB from {self._address} in {time.monotonic() - self._began_at:.1f} s")


def _status(arguments: argparse.Namespace) -> int:
    with opened(arguments.file, skip_hash_check=arguments.skip_hash_check) as file:
        file.check()
        print_one(_told(file), arguments.output)
    return 0


def _told(file: StateFile) -> dict[str, str | int | list[str]]:
    """What is in a state file, read to its end."""
    content = _Content()
    for frame in file.frames():
        content.add(frame)
    head = content.head
    assert head is not None, file.path
    return {
        "kind": file.kind,
        "revision": head.revision,
        "compact_revision": head.compact_revision,
        "keys": len(content.keys),
        "records": content.record_count,
        "leases": content.lease_count,
        "users": content.users,
        "auth": "enabled" if content.is_auth_enabled else "disabled",
        "members": list(content.members),
        "alarms": [f"{alarm.name} of {member:x}" for member, alarm in head.alarms],
        "raft_index": head.index,
        "raft_term": head.term,
        "size_bytes": file.size,
        "checksum": "matches" if file.is_verified else "none",
        "missing_changes": file.missing,
        "sha256": file.digest,
    }


class _Content:
    """Counts what passes by."""

    def __init__(self) -> None:
        self.head: SnapshotHead | None = None
        self.members: tuple[str, ...] = ()
        self.users: list[str] = []
        self.is_auth_enabled = False
        self.lease_count = self.record_count = 0
        self.keys: set[bytes] = set()

    def add(self, frame: Frame) -> None:
        """Count one frame."""
        match frame:
            case SnapshotHead():
                self.head = frame
            case SnapshotMembers():
                self.members = tuple(member.name or f"{member.member_id:x}" for member in frame.members)
            case AuthState():
                self.users = [user.name for user in frame.users]
                self.is_auth_enabled = frame.is_enabled
            case SnapshotLeases():
                self.lease_count += len(frame.leases)
            case SnapshotRecords():
                self.record_count += len(frame.records)
                for record in frame.records:
                    (self.keys.discard if is_tombstone(record) else self.keys.add)(key_of(record))
            case SnapshotEnd():
                pass
            case _:
                assert_never(frame)
