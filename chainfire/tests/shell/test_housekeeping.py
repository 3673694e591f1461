"""Snapshots for readers and for members, beside each other."""

import asyncio
from pathlib import Path

import pytest

from chainfire.core.machine import Machine
from chainfire.core.replica import Replica
from chainfire.shell.housekeeping import Housekeeping
from chainfire.shell.logthread import LogThread
from chainfire.shell.recovery import SNAPSHOT_FOLDER, Recovered
from chainfire.testing import MemoryLog
from ultracloud.base.faults import ResourceExhaustedError
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.words import Config, NodeId, Restored, SnapshotMark

ME = NodeId(7)
MARK = SnapshotMark(1, 1, Config(frozenset({ME})))


def housekeeping(folder: Path, thread: LogThread) -> Housekeeping:
    (folder / SNAPSHOT_FOLDER).mkdir()
    machine, restored = Machine(), Restored(MARK, applied=1)
    machine.applied_index = 1
    replica: Replica[str] = Replica(ME, machine, Raft(ME, Options(), restored, lambda _: 0), 1, 1 << 32)
    state = Recovered(machine, MemoryLog(), 1, 7, restored, MARK, 0, 0)
    return Housekeeping(folder, state, replica, thread, 1 << 30)


def test_a_reader_that_stops_reading_holds_no_member_up(tmp_path: Path) -> None:
    thread = LogThread()

    async def scene() -> None:
        kept = housekeeping(tmp_path, thread)
        async with kept.exported(for_etcd=True), asyncio.timeout(5), kept.exported(waits=True) as export:
            assert len(export.file.read()) == export.size
            with pytest.raises(ResourceExhaustedError):
                await kept.exported().__aenter__()

    asyncio.run(scene())
    thread.stop()
    assert list((tmp_path / SNAPSHOT_FOLDER).iterdir()) == []
