"""Members as real processes: they agree, outlive each other, and come and go."""

import time
from pathlib import Path

import grpc
import pytest
from shell.clients import refusal
from shell.command_line import run
from shell.members import SMALL, Cluster, cluster
from shell.servers import wait_until

from chainfire.core.keyvalue import Record
from chainfire.core.snapshot import (
    FRAME_HEAD_BYTES,
    SNAPSHOT_MAGIC,
    SnapshotRecords,
    parse_body,
    parse_frame_head,
    render,
)
from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit.processes import ProcessFailedError

FAILOVER_S = 3.0
"""The aim is 1.5 s; a machine that runs other tests at the same time gets twice that."""


def hashes(members: Cluster, *names: str) -> set[int]:
    """Checksums of all keys on some members."""
    return {members.client(name)("Maintenance.HashKV", rpc_pb2.HashKVRequest()).hash for name in names}


def test_what_one_member_writes_all_read_at_once(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        for number in range(30):
            writer, reader = (f"n{(number + shift) % 3 + 1}" for shift in (0, 1))
            members.put(writer, b"k", b"%d" % number)
            assert members.get(reader, b"k") == b"%d" % number
        listed = members.client("n2")("Cluster.MemberList", rpc_pb2.MemberListRequest()).members
        assert sorted(each.name for each in listed) == ["n1", "n2", "n3"]
        assert all(each.clientURLs for each in listed)


def test_after_the_leader_is_killed_another_leads_and_nothing_is_lost(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        for number in range(20):
            members.put("n1", b"k%d" % number)
        dead = members.leader
        left = [name for name in members.names if name != dead]
        members.members[dead].kill()
        killed_at = time.monotonic()
        members.put(left[0], b"after")
        assert time.monotonic() - killed_at < FAILOVER_S
        assert all(members.get(left[1], b"k%d" % number) for number in range(20))
        members.start(dead)
        assert members.get(dead, b"after") == b"v"
        assert len(hashes(members, *members.names)) == 1


def test_without_a_quorum_nothing_is_written_and_reads_say_so(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        members.put("n1", b"k", b"1")
        for name in ("n2", "n3"):
            members.members[name].kill()
        wait_until(lambda: members.status("n1").leader == 0)
        assert members.get("n1", b"k", serializable=True) == b"1"
        asked = members.client("n1").channel.unary_unary(
            "/etcdserverpb.KV/Put", rpc_pb2.PutRequest.SerializeToString, rpc_pb2.PutResponse.FromString
        )
        with pytest.raises(grpc.RpcError) as refused:
            asked(rpc_pb2.PutRequest(key=b"k"), metadata=[("hasleader", "true")], timeout=5)
        assert refusal(refused.value) == "UNAVAILABLE: etcdserver: no leader"
        members.start("n2")
        members.put("n1", b"k", b"2")


def test_a_leader_that_is_stopped_hands_over_first(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        first = members.leader
        other = next(name for name in members.names if name != first)
        term = members.status(other).raftTerm
        assert members.members[first].terminate() == 0
        members.put(other, b"k")
        assert members.status(other).raftTerm == term + 1


def test_leadership_moves_on_request(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        first = members.leader
        target = next(name for name in members.names if name != first)
        target_id = members.status(target).header.member_id
        request = rpc_pb2.MoveLeaderRequest(targetID=target_id)
        with pytest.raises(grpc.RpcError) as refused:
            members.client(target)("Maintenance.MoveLeader", request)
        assert refusal(refused.value) == "FAILED_PRECONDITION: etcdserver: not leader"
        members.client(first)("Maintenance.MoveLeader", request)
        assert members.leader == target


def test_an_operator_names_who_shall_lead(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        first = members.leader
        wanted, other = (name for name in members.names if name != first)
        address = {name: process.addresses[0] for name, process in members.members.items()}
        wrong = run("member", "lead", wanted, "--endpoint", address[other])
        assert (wrong.code, "none of the endpoints is the leader; name all members" in wrong.err) == (1, True)
        assert run("member", "lead", wanted, "--endpoint", ",".join(address.values())).code == 0
        assert members.leader == wanted


def test_a_lease_lives_on_under_the_next_leader(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        follower = next(name for name in members.names if name != members.leader)
        lease = members.client(follower)("Lease.LeaseGrant", rpc_pb2.LeaseGrantRequest(TTL=3)).ID
        members.client(follower)("KV.Put", rpc_pb2.PutRequest(key=b"leased", lease=lease))
        renewed = members.client(follower).stream(
            "Lease.LeaseKeepAlive", iter([rpc_pb2.LeaseKeepAliveRequest(ID=lease)])
        )
        assert next(renewed).TTL == 3
        members.members[members.leader].kill()
        assert members.get(follower, b"leased") == b""
        left = members.client(follower)("Lease.LeaseTimeToLive", rpc_pb2.LeaseTimeToLiveRequest(ID=lease, keys=True))
        assert (left.grantedTTL, list(left.keys)) == (3, [b"leased"])
        wait_until(lambda: members.get(follower, b"leased") is None, timeout_s=8)


def test_a_learner_gets_the_state_answers_little_and_is_promoted(tmp_path: Path) -> None:
    with cluster(tmp_path, ["n1"], SMALL) as members:
        for number in range(40):
            members.put("n1", b"k%d" % number, bytes(100_000))
        learner = members.join("n2", learner=True, via="n1")
        assert members.status("n2").isLearner
        assert members.get("n2", b"k7", serializable=True) == bytes(100_000)
        with pytest.raises(grpc.RpcError) as refused:
            members.get("n2", b"k7")
        assert refusal(refused.value) == "UNAVAILABLE: etcdserver: rpc not supported for learner"
        members.client("n1")("Cluster.MemberPromote", rpc_pb2.MemberPromoteRequest(ID=learner))
        wait_until(lambda: not members.status("n2").isLearner)
        members.put("n2", b"k7", b"new")
        assert len(hashes(members, "n1", "n2")) == 1


def test_a_member_that_was_away_too_long_is_sent_the_state_and_watches_miss_nothing(tmp_path: Path) -> None:
    with cluster(tmp_path, settings=SMALL) as members:
        members.put("n1", b"k", b"first")
        members.members["n3"].kill()
        for _ in range(120):
            ops = [
                rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=b"%d" % key, value=b"x" * 300))
                for key in range(100)
            ]
            members.client("n1")("KV.Txn", rpc_pb2.TxnRequest(success=ops))
        members.put("n1", b"k", b"last")
        members.start("n3")
        assert members.get("n3", b"k") == b"last"
        assert len(hashes(members, *members.names)) == 1
        create = rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=b"k", start_revision=1))
        answers = members.client("n3").stream("Watch.Watch", iter([create]))
        seen = [event.kv.value for _ in range(2) for event in next(answers).events]
        assert seen == [b"first", b"last"]


def test_a_removed_member_ends_and_says_why(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        gone = next(name for name in members.names if name != members.leader)
        gone_id = members.status(gone).header.member_id
        other = members.leader
        members.client(other)("Cluster.MemberRemove", rpc_pb2.MemberRemoveRequest(ID=gone_id))
        assert members.members[gone].wait(10) == 1
        assert "removed from the cluster for good" in members.members[gone].tail()
        with pytest.raises(ProcessFailedError, match="removed from the cluster"):
            members.start(gone)
        assert len(members.client(other)("Cluster.MemberList", rpc_pb2.MemberListRequest()).members) == 2


def test_members_that_lead_can_be_removed_until_one_is_left(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        left = list(members.names)
        while len(left) > 1:
            gone = members.leader
            member_id = members.status(gone).header.member_id
            members.client(gone)("Cluster.MemberRemove", rpc_pb2.MemberRemoveRequest(ID=member_id))
            left.remove(gone)
            members.put(left[0], b"k", gone.encode())
            assert members.get(left[-1], b"k") == gone.encode()
            assert members.members[gone].wait(10) == 1
        assert members.leader == left[0]


def test_one_member_goes_on_alone_when_it_is_told_that_the_others_are_lost(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        members.put("n1", b"k", b"kept")
        assert members.get("n1", b"k") == b"kept"
        for process in members.members.values():
            process.kill()
        members.start("n1", cluster=f'force_new = true\nlisten = ["{members.urls["n1"]}"]')
        assert members.get("n1", b"k") == b"kept"
        members.put("n1", b"k", b"on")
        listed = members.client("n1")("Cluster.MemberList", rpc_pb2.MemberListRequest()).members
        assert [each.name for each in listed] == ["n1"]
        assert "FORCE NEW CLUSTER" in members.members["n1"].log.read_text()
        with pytest.raises(ProcessFailedError, match="removed from the cluster"):
            members.start("n2")
        members.join("n4", via="n1")
        assert members.get("n4", b"k") == b"on"


def change_a_value(path: Path) -> None:
    """Change one stored value of a snapshot, checksum and all: what bad memory does before the checksum is made."""
    content, frames = path.read_bytes(), [SNAPSHOT_MAGIC]
    at = len(SNAPSHOT_MAGIC)
    while at < len(content):
        head = parse_frame_head(content[at : at + FRAME_HEAD_BYTES])
        at += FRAME_HEAD_BYTES
        frame = parse_body(head, content[at : at + head.length])
        at += head.length
        if isinstance(frame, SnapshotRecords):
            damaged = bytes(frame.records[0])
            frame = SnapshotRecords((Record(damaged[:-1] + b"!"), *frame.records[1:]))
        frames.append(render(frame))
    path.write_bytes(b"".join(frames))


def test_a_member_whose_keys_differ_raises_the_alarm(tmp_path: Path) -> None:
    with cluster(tmp_path, settings=SMALL) as members:
        for number in range(30):
            members.put("n1", b"k%d" % number, bytes(100_000))
        snapshots = tmp_path / "n3" / "state" / "snapshots"
        wait_until(lambda: max(snapshots.glob("*.snap")).stat().st_size > 100_000)
        for name in members.names:
            members.members[name].terminate()
        change_a_value(max(snapshots.glob("*.snap")))
        begin = ", ".join(f'"{name}={url}"' for name, url in members.urls.items())
        members.start(*members.names, cluster=f"members = [{begin}]\ncompare_s = 0.3")
        request = rpc_pb2.AlarmRequest()
        wait_until(lambda: len(members.client("n1")("Maintenance.Alarm", request).alarms) > 0)
        (alarm,) = members.client("n1")("Maintenance.Alarm", request).alarms
        assert (alarm.memberID, alarm.alarm) == (members.status("n3").header.member_id, rpc_pb2.CORRUPT)
        with pytest.raises(grpc.RpcError) as refused:
            members.put("n2", b"k")
        assert refusal(refused.value) == "DATA_LOSS: etcdserver: corrupt cluster"


def test_a_member_of_another_cluster_is_not_talked_to(tmp_path: Path) -> None:
    with cluster(tmp_path / "a", ["n1"]) as ours, cluster(tmp_path / "b", ["x1"]) as theirs:
        ours.urls["n2"] = theirs.urls["x1"]
        request = rpc_pb2.MemberAddRequest(peerURLs=[theirs.urls["x1"]], isLearner=True)
        ours.client("n1")("Cluster.MemberAdd", request)
        wait_until(lambda: "cluster" in ours.members["n1"].log.read_text().rpartition("cannot connect")[2])
        theirs.put("x1", b"k")
        ours.put("n1", b"k")
