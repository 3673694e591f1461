"""States that go from a leader to members whose logs are too far behind, and arrive there."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path

from chainfire.core.machine import Machine
from chainfire.core.snapshot import MalformedSnapshotError, Restore
from chainfire.shell import snapshots
from chainfire.shell.housekeeping import Export
from chainfire.shell.node import Node
from chainfire.shell.peers import Peers
from chainfire.shell.segments import FILE_MODE
from ultracloud.base.faults import DataLossError, Fault, ResourceExhaustedError
from ultracloud.raft import events
from ultracloud.raft.messages import Install
from ultracloud.raft.words import NodeId, SnapshotMark

CHUNK_BYTES = 256 << 10
"""Read and sent at once: a fraction of a millisecond."""
FAILED_PAUSE_S = 1.0
"""After a state that did not arrive: the next attempt writes all of it again, and a full disk stays full a while."""
_log = logging.getLogger("chainfire.snapshots")


class Installing:
    """Sends and takes states for one member.

    Args:
        node: The member.
        peers: The way to the others.
        folder: Where snapshots are.
        tasks: Runs what takes long.
    """

    def __init__(self, node: Node, peers: Peers, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self._node = node
        self._peers = peers
        self._folder = folder
        self._tasks = tasks
        self._sending: dict[NodeId, asyncio.Future[None]] = {}
        self._receiving = asyncio.Lock()

    def send(self, install: Install) -> None:
        """Send the present state to a member, in the background."""
        if install.to not in self._sending:
            ended = self._sending[install.to] = asyncio.get_running_loop().create_future()
            self._tasks.create_task(self._send(install, ended), name=f"state for {install.to:x}")

    def sent(self, to: NodeId, mark: SnapshotMark, ok: bool) -> None:  # noqa: FBT001 - what a stream's end says
        """A stream has ended."""
        ended = self._sending.pop(to, None)
        if ended is not None and not ended.done():
            ended.set_result(None)
        told = events.SnapshotSent(to, ok, mark)
        if ok:
            self._node.tell(told)
        else:
            asyncio.get_running_loop().call_later(FAILED_PAUSE_S, self._node.tell, told)

    async def receive(self, install: Install, chunks: AsyncIterator[bytes]) -> None:
        """Take a state: write it down, read it, and hand it to the log, which decides whether it is still needed.

        Raises:
            Fault: It did not arrive whole, or cannot be kept.
        """
        async with self._receiving:
            path = self._folder / snapshots.INCOMING_NAME
            try:
                await _write(path, chunks)
                machine, mark = await _read(path)
                if (mark.index, mark.term) != (install.mark.index, install.mark.term):
                    raise DataLossError(f"the snapshot is as of {mark.index}, not of {install.mark.index} as announced")
                # The state as of any committed index is true, so it may stay even if the log no longer needs it.
                final = snapshots.path_of(self._folder, mark.index)
                await asyncio.to_thread(snapshots.publish, self._folder, snapshots.INCOMING_NAME, final)
            except OSError as error:
                raise ResourceExhaustedError("the snapshot cannot be written", detail=str(error)) from error
            async with self._node.housekeeping.walking:
                self._node.install(replace(install, mark=mark), machine)

    async def _send(self, install: Install, ended: asyncio.Future[None]) -> None:
        """Write the state down first: a slow receiver then holds nobody up."""
        try:
            async with self._node.housekeeping.exported(waits=True) as export:
                self._peers.send_snapshot(install.to, replace(install, mark=export.mark), lambda: _chunks(export))
                await ended
        except Fault as error:
            _log.error("no state for member %x: %s", install.to, error.detail or error.public)
            self.sent(install.to, install.mark, ok=False)


async def _chunks(export: Export) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(export.file.read, CHUNK_BYTES):
        yield chunk


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        async for chunk in chunks:
            await asyncio.to_thread(snapshots.write_all, descriptor, chunk)
        await asyncio.to_thread(os.fsync, descriptor)
    finally:
        os.close(descriptor)


async def _read(path: Path) -> tuple[Machine, SnapshotMark]:
    restore = Restore()
    try:
        with path.open("rb") as file:
            for _ in snapshots.loading(file, restore):
                await asyncio.sleep(0)
    except MalformedSnapshotError as error:
        raise DataLossError(f"the snapshot that arrived is damaged: {error}") from error
    head = restore.head
    assert head is not None, path
    return restore.machine, SnapshotMark(head.index, head.term, restore.config)
