"""What keeps memory and log short: freeing what was compacted, snapshots, and dropping the log they make needless.

All of it walks the history in small steps between requests, and only one walk may go on at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from chainfire.core import etcdfile_writer
from chainfire.core.replica import Replica
from chainfire.core.snapshot import SnapshotHead, frames_of, head_of
from chainfire.shell import snapshots
from chainfire.shell.export import write_pieces
from chainfire.shell.logthread import LogThread
from chainfire.shell.recovery import LOG_FOLDER, SNAPSHOT_FOLDER, Recovered
from ultracloud.base.faults import ResourceExhaustedError
from ultracloud.raft.words import SnapshotMark

LOOK_S = 0.5
"""How often there is something to do is looked for."""
SWEEP_STEPS = 4
"""Chunks that compaction frees before requests get their turn: about half a millisecond."""
_log = logging.getLogger("chainfire.housekeeping")


@dataclass(frozen=True, slots=True)
class Export:
    """A snapshot to be read: `size` bytes of `file`, as of `revision`; `mark` is what it stands for in the log."""

    file: BinaryIO
    size: int
    revision: int
    mark: SnapshotMark


class Housekeeping:
    """The housekeeping of one member.

    Args:
        folder: The state folder.
        state: What was recovered from it, and goes on changing.
        replica: The member.
        thread: The log's.
        snapshot_log_bytes: Log since the last snapshot that asks for the next one, or that snapshot's size if it is
            more: then no more than half of what is written is snapshots.

    Attributes:
        walking: Held by whoever walks the history.
    """

    def __init__(
        self, folder: Path, state: Recovered, replica: Replica[Any], thread: LogThread, snapshot_log_bytes: int
    ) -> None:
        self.walking = asyncio.Lock()
        self._folder = folder / SNAPSHOT_FOLDER
        self._cluster_id, self._member_id = state.cluster_id, state.member_id
        self._replica = replica
        self._machine = state.machine
        self._store = state.machine.store
        self._log = state.log
        self._thread = thread
        self._snapshot_log_bytes = snapshot_log_bytes
        self._snapshot_bytes = state.snapshot_bytes
        # What was replayed counts, or a node that restarts often would never get to its next snapshot.
        self._logged_at_snapshot = -state.kept_bytes
        self._swept_revision = self._store.compact_revision
        # Members do not wait for whoever reads a backup: one who stops reading would keep them from ever catching up.
        self._exporting, self._sending = asyncio.Lock(), asyncio.Lock()

    async def run(self) -> None:
        """Keep things short, until cancelled."""
        while True:
            await self.sweep()
            await self._snapshot_if_due()
            await asyncio.sleep(LOOK_S)

    async def sweep(self) -> None:
        """Free everything that is compacted."""
        async with self.walking:
            while self._swept_revision < self._store.compact_revision:
                target = self._store.compact_revision
                for step, _ in enumerate(self._store.sweep()):
                    if step % SWEEP_STEPS == 0:
                        await asyncio.sleep(0)
                self._swept_revision = target

    async def snapshot(self) -> None:
        """Write the state, and drop the log that it makes needless. A full disk puts it off."""
        async with self.walking:
            logged = self._log.bytes_appended
            head = self.head()
            try:
                self._snapshot_bytes = await snapshots.write(
                    self._folder, head.index, frames_of(self._machine, head, self._replica.config)
                )
            except OSError as error:
                _log.error("no snapshot could be written: %s; the log is kept", error.strerror)
                return
            self._logged_at_snapshot = logged
            self._thread.submit(lambda: self._drop_log(head.index + 1))

    @contextlib.asynccontextmanager
    async def exported(self, *, waits: bool = False, for_etcd: bool = False) -> AsyncIterator[Export]:
        """A snapshot in a file of its own, so that whoever reads it slowly holds nobody up.

        One at a time for whoever asks, and one for members.

        Args:
            waits: For a member, which waits for the one that is being sent.
            for_etcd: As etcd's database instead of in our own format.

        Raises:
            ResourceExhaustedError: Another one is being read, or the disk is full.
        """
        lock = self._sending if waits else self._exporting
        if lock.locked() and not waits:
            raise ResourceExhaustedError("chainfire: another snapshot is being read; try again when it is done")
        async with lock, self._written(self._write_for_etcd if for_etcd else self._write_ours) as export:
            yield export

    @contextlib.asynccontextmanager
    async def _written(self, write: Callable[[Path, SnapshotHead], Awaitable[int]]) -> AsyncIterator[Export]:
        path = self._folder / snapshots.EXPORT_NAME
        try:
            async with self.walking:
                head, mark = self.head(), self._replica.mark
                size = await write(path, head)
                file = snapshots.open_and_unlink(path)
            with file:
                yield Export(file, size, head.revision, mark)
        except OSError as error:
            raise ResourceExhaustedError(f"chainfire: no snapshot could be written: {error.strerror}") from error

    async def _write_ours(self, path: Path, head: SnapshotHead) -> int:
        return await snapshots.write_to(path, frames_of(self._machine, head, self._replica.config))

    async def _write_for_etcd(self, path: Path, head: SnapshotHead) -> int:
        return await write_pieces(path, etcdfile_writer.pieces_of(self._machine, head, self._replica.config))

    def head(self) -> SnapshotHead:
        """The head of a snapshot of now."""
        return head_of(self._machine, self._replica.applied_term, self._cluster_id, self._member_id)

    async def _snapshot_if_due(self) -> None:
        due = self._logged_at_snapshot + max(self._snapshot_log_bytes, self._snapshot_bytes)
        if self._log.bytes_appended >= due:
            await self.snapshot()

    def _drop_log(self, index: int) -> None:
        try:
            self._log.drop_before(index)
        except OSError as error:
            _log.error("old segments in %s cannot be removed: %s", LOG_FOLDER, error.strerror)
