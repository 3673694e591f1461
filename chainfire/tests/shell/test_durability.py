"""What was acknowledged is there after the worst: SIGKILL, torn writes, a full disk. What is damaged is not served."""

import contextlib
import os
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from shell.clients import METHODS, Client, client, refusal
from shell.servers import chainfire, wait_until

from chainfire.core import wal
from chainfire.shell.node import LOOK_S
from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit.processes import ProcessFailedError, started

SMALL = "[storage]\nsegment_mib = 4\nsnapshot_mib = 1\nhistory_revisions = 500\n"
"""Segments, snapshots and compaction all happen within a few thousand writes."""
WRITERS = 32


class Writers:
    """Many puts in flight, each key's value counting up; knows what was acknowledged."""

    def __init__(self, caller: Client, start: int, size: int = 4000) -> None:
        self._filling = bytes(size)
        put = METHODS["KV.Put"]
        self._put = caller.channel.unary_unary(
            put.path, rpc_pb2.PutRequest.SerializeToString, put.response_type.FromString
        )
        self._next = start
        self._flying: deque[tuple[bytes, int, grpc.Future]] = deque()
        self.acknowledged: dict[bytes, int] = {}

    def write(self, count: int) -> None:
        """Start `count` puts, waiting for old ones so that WRITERS are in flight."""
        for _ in range(count):
            key, value = b"key%d" % (self._next % 200), self._next
            call = self._put.future(rpc_pb2.PutRequest(key=key, value=b"%d " % value + self._filling), timeout=10)
            self._flying.append((key, value, call))
            self._next += 1
            if len(self._flying) >= WRITERS:
                self._settle()

    def settle(self) -> None:
        """Take the answers of all that is in flight."""
        while self._flying:
            self._settle()

    def _settle(self) -> None:
        key, value, call = self._flying.popleft()
        with contextlib.suppress(grpc.RpcError):
            call.result()
            self.acknowledged[key] = max(value, self.acknowledged.get(key, -1))


def stored(caller: Client) -> dict[bytes, int]:
    """The values of all keys."""
    answer = caller("KV.Range", rpc_pb2.RangeRequest(key=b"key", range_end=b"kez"))
    return {kv.key: int(kv.value.split()[0]) for kv in answer.kvs}


def lost(acknowledged: dict[bytes, int], found: dict[bytes, int]) -> dict[bytes, int]:
    """Acknowledged values that are gone. A later value may stand there: its answer did not arrive."""
    return {key: value for key, value in acknowledged.items() if found.get(key, -1) < value}


def test_no_acknowledged_write_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    acknowledged: dict[bytes, int] = {}
    start = 0
    for number in range(5):
        with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
            assert lost(acknowledged, stored(caller)) == {}
            writers = Writers(caller, start)
            writers.write(700 + 100 * number)
            server.kill()
            writers.settle()
            acknowledged |= writers.acknowledged
            start += 10_000
    with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
        assert lost(acknowledged, stored(caller)) == {}
        assert len(acknowledged) == 200
        wait_until(lambda: len(list((tmp_path / "state" / "snapshots").glob("*.snap"))) == 1)


def test_a_start_replays_only_what_no_snapshot_has(tmp_path: Path) -> None:
    with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
        writers = Writers(caller, 0)
        writers.write(5000)
        writers.settle()
        # It compacts by itself, every second: another start must not find something to compact.
        wait_until(lambda: hashed(caller).compact_revision >= hashed(caller).header.revision - 500)
        before = stored(caller), hashed(caller)
        assert server.terminate() == 0
    assert not (tmp_path / "state" / "log" / f"{1:016x}.wal").exists()
    with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
        after = stored(caller), hashed(caller)
        assert after[0] == before[0]
        assert (after[1].hash, after[1].compact_revision) == (before[1].hash, before[1].compact_revision)


def hashed(caller: Client) -> rpc_pb2.HashKVResponse:
    """The hash over all that is kept, and as of which compaction."""
    found = caller("Maintenance.HashKV", rpc_pb2.HashKVRequest())
    assert isinstance(found, rpc_pb2.HashKVResponse)
    return found


def written(folder: Path, count: int) -> Path:
    """A state with `count` keys, left by a process that was killed; gives its only segment."""
    with chainfire(folder, SMALL) as server, client(server.addresses[0]) as caller:
        for number in range(count):
            caller("KV.Put", rpc_pb2.PutRequest(key=b"key%d" % number, value=b"%d" % number))
        server.kill()
    (segment,) = (folder / "state" / "log").glob("*.wal")
    return segment


def end_of_records(segment: Path) -> int:
    """Where the next record will be written."""
    content = segment.read_bytes()
    header = wal.parse_segment_header(content)
    assert isinstance(header, wal.SegmentHeader)
    found = wal.Segment(content, header, is_last=True)
    assert sum(1 for _ in found.records()) > 1
    return found.end.offset


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def test_a_torn_tail_is_cut_and_writing_goes_on(tmp_path: Path) -> None:
    segment = written(tmp_path, 5)
    overwrite(segment, end_of_records(segment), wal.RECORD_MAGIC + os.urandom(700))
    for _ in range(2):
        with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
            assert len(stored(caller)) == 5
            caller("KV.Put", rpc_pb2.PutRequest(key=b"key0", value=b"9"))
            server.kill()


def test_corruption_in_the_middle_stops_the_node_with_file_and_offset(tmp_path: Path) -> None:
    segment = written(tmp_path, 5)
    content = segment.read_bytes()
    overwrite(segment, content.index(b"key1"), b"KEY1")
    with pytest.raises(ProcessFailedError) as failed, chainfire(tmp_path, SMALL):
        pass
    said = str(failed.value)
    assert "ended with 1" in said
    assert f"{segment} is corrupt at offset {record_before(content, content.index(b'key1'))}" in said
    assert "backup" in said
    assert segment.read_bytes().index(b"KEY1") == content.index(b"key1")


def test_damage_to_the_last_batch_of_an_orderly_stop_is_no_torn_tail(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        caller("KV.Put", rpc_pb2.PutRequest(key=b"key1", value=b"1"))
        server.terminate()
    (segment,) = (tmp_path / "state" / "log").glob("*.wal")
    overwrite(segment, segment.read_bytes().index(b"key1"), b"KEY1")
    with pytest.raises(ProcessFailedError, match="is corrupt at offset"), chainfire(tmp_path):
        pass


def record_before(content: bytes, offset: int) -> int:
    """Offset of the record that holds `offset`."""
    return content.rindex(wal.RECORD_MAGIC, 0, offset)


def test_a_missing_segment_stops_the_node(tmp_path: Path) -> None:
    with chainfire(tmp_path, "[storage]\nsegment_mib = 4\n") as server, client(server.addresses[0]) as caller:
        writers = Writers(caller, 0)
        writers.write(2500)
        writers.settle()
        server.kill()
    first, second, *_ = sorted((tmp_path / "state" / "log").glob("*.wal"))
    second.unlink()
    with pytest.raises(ProcessFailedError, match="a segment of the log is missing"), chainfire(tmp_path):
        pass
    first.unlink()
    with pytest.raises(ProcessFailedError, match="a segment or a snapshot is missing"), chainfire(tmp_path):
        pass


def test_a_damaged_snapshot_stops_the_node(tmp_path: Path) -> None:
    with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
        writers = Writers(caller, 0)
        writers.write(1000)
        writers.settle()
        wait_until(lambda: list((tmp_path / "state" / "snapshots").glob("*.snap")) != [])
        server.terminate()
    (snapshot,) = (tmp_path / "state" / "snapshots").glob("*.snap")
    overwrite(snapshot, snapshot.stat().st_size // 2, b"\xff" * 8)
    with pytest.raises(ProcessFailedError, match=f"{snapshot} is corrupt"), chainfire(tmp_path, SMALL):
        pass


@contextlib.contextmanager
def small_disk(mount_point: Path, size: str) -> Iterator[list[str]]:
    """A file system of `size` at `mount_point`, in a mount namespace of its own; gives what runs a command there."""
    mount_point.mkdir(parents=True)
    script = 'mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec sleep infinity'
    command = ["unshare", "--mount", "sh", "-c", script, str(mount_point), size]
    with started(command, mount_point.parent / "mount.log") as holder:
        try:
            holder.wait_line("mounted")
        except ProcessFailedError as error:
            pytest.skip(f"no mount namespace here: {error}")
        yield ["nsenter", f"--target={holder.pid}", "--mount", "--"]


def run(prefix: list[str], *command: str) -> None:
    subprocess.run([*prefix, *command], check=True, capture_output=True)


def refused_put(caller: Client) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        caller("KV.Put", rpc_pb2.PutRequest(key=b"new", value=b"x"))
    return refusal(refused.value)


def test_a_full_disk_stops_writes_loses_nothing_and_has_a_way_out(tmp_path: Path) -> None:
    settings = "[storage]\nsegment_mib = 4\nsnapshot_mib = 1000\n"
    filler = str(tmp_path / "state" / "filler")
    with small_disk(tmp_path / "state", "24m") as prefix:
        run(prefix, "fallocate", "-l", "14m", filler)
        with chainfire(tmp_path, settings, prefix=prefix) as server, client(server.addresses[0]) as caller:
            writers = Writers(caller, 0)
            writers.write(1600)
            writers.settle()
            acknowledged = writers.acknowledged
            assert refused_put(caller) == "RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded"
            assert "NOSPACE" in str(caller("Maintenance.Status", rpc_pb2.StatusRequest()).errors)
            assert caller("KV.DeleteRange", rpc_pb2.DeleteRangeRequest(key=b"key0")).deleted == 1
            del acknowledged[b"key0"]
            server.kill()
        with chainfire(tmp_path, settings, prefix=prefix) as server, client(server.addresses[0]) as caller:
            assert lost(acknowledged, stored(caller)) == {}
            assert refused_put(caller).startswith("RESOURCE_EXHAUSTED")
            run(prefix, "rm", filler)
            alarm = rpc_pb2.AlarmRequest(action="DEACTIVATE", alarm="NOSPACE", memberID=raised_by(caller))
            caller("Maintenance.Alarm", alarm)
            ends_at = time.monotonic() + 2 * LOOK_S
            while time.monotonic() < ends_at:
                caller("KV.Put", rpc_pb2.PutRequest(key=b"new", value=b"x"))


def raised_by(caller: Client) -> int:
    """The member that has an alarm."""
    (alarm,) = caller("Maintenance.Alarm", rpc_pb2.AlarmRequest(action="GET")).alarms
    return int(alarm.memberID)


def test_the_quota_raises_the_alarm_and_compaction_is_the_way_out(tmp_path: Path) -> None:
    settings = "[storage]\nquota_mib = 2\nhistory_revisions = 0\n"
    with chainfire(tmp_path, settings) as server, client(server.addresses[0]) as caller:
        for _ in range(20):
            revision = caller("KV.Put", rpc_pb2.PutRequest(key=b"k", value=bytes(110_000))).header.revision
        assert refused_put(caller) == "RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded"
        caller("KV.Compact", rpc_pb2.CompactionRequest(revision=revision, physical=True))
        alarm = rpc_pb2.AlarmRequest(action="DEACTIVATE", alarm="NOSPACE", memberID=raised_by(caller))
        caller("Maintenance.Alarm", alarm)
        caller("KV.Put", rpc_pb2.PutRequest(key=b"k", value=bytes(100_000)))


def test_two_processes_do_not_share_a_state(tmp_path: Path) -> None:
    with chainfire(tmp_path), pytest.raises(ProcessFailedError, match="in use"), chainfire(tmp_path):
        pass


def test_the_folder_of_an_etcd_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "state" / "member" / "snap" / "db"
    database.parent.mkdir(parents=True)
    database.touch()
    with pytest.raises(ProcessFailedError, match="is the data folder of an etcd"), chainfire(tmp_path):
        pass
    assert not (tmp_path / "state" / "log").exists()


def test_a_stop_answers_what_it_has_taken(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        writers = Writers(caller, 0)
        writers.write(500)
        assert server.terminate() == 0
        writers.settle()
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        assert lost(writers.acknowledged, stored(caller)) == {}


def test_a_snapshot_without_its_log_is_not_served(tmp_path: Path) -> None:
    with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
        writers = Writers(caller, 0)
        writers.write(400)
        writers.settle()
        wait_until(lambda: list((tmp_path / "state" / "snapshots").glob("*.snap")) != [])
        server.terminate()
    for segment in (tmp_path / "state" / "log").iterdir():
        segment.unlink()
    with pytest.raises(ProcessFailedError, match="is there but the log is not"), chainfire(tmp_path, SMALL):
        pass


def test_a_snapshot_that_is_read_slowly_holds_nobody_up(tmp_path: Path) -> None:
    with chainfire(tmp_path, SMALL) as server, client(server.addresses[0]) as caller:
        writers = Writers(caller, 0, size=100_000)
        writers.write(300)
        writers.settle()
        slow = caller.stream("Maintenance.Snapshot", rpc_pb2.SnapshotRequest())
        first = next(slow)
        with pytest.raises(grpc.RpcError) as refused:
            next(caller.stream("Maintenance.Snapshot", rpc_pb2.SnapshotRequest()))
        assert refusal(refused.value).startswith("RESOURCE_EXHAUSTED: chainfire: another snapshot")
        caller("KV.Compact", rpc_pb2.CompactionRequest(revision=first.header.revision, physical=True))
        size = len(first.blob) + sum(len(answer.blob) for answer in slow)
        assert size % 512 == 32
        assert size > 200 * 100_000
