"""Leases over the wire, in real time."""

import time
from pathlib import Path
from queue import SimpleQueue

from shell.clients import client
from shell.servers import chainfire, wait_until

from ultracloud.api.etcd import rpc_pb2

Grant, KeepAlive = rpc_pb2.LeaseGrantRequest, rpc_pb2.LeaseKeepAliveRequest


def test_a_key_dies_with_its_lease_and_lives_while_it_is_kept_alive(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        kept = caller("Lease.LeaseGrant", Grant(TTL=2)).ID
        lost = caller("Lease.LeaseGrant", Grant(TTL=2)).ID
        granted_at = time.monotonic()
        caller("KV.Put", rpc_pb2.PutRequest(key=b"kept", lease=kept))
        caller("KV.Put", rpc_pb2.PutRequest(key=b"lost", lease=lost))
        beats: SimpleQueue[rpc_pb2.LeaseKeepAliveRequest | None] = SimpleQueue()
        answers = caller.stream("Lease.LeaseKeepAlive", iter(beats.get, None), timeout_s=30)

        def is_lost() -> bool:
            beats.put(KeepAlive(ID=kept))
            assert next(answers).TTL == 2
            return caller("KV.Range", rpc_pb2.RangeRequest(key=b"lost")).count == 0

        wait_until(is_lost)
        assert 2.0 <= time.monotonic() - granted_at < 4.0
        assert caller("KV.Range", rpc_pb2.RangeRequest(key=b"kept")).count == 1
        beats.put(KeepAlive(ID=lost))
        assert next(answers).TTL == 0
        asked = caller("Lease.LeaseTimeToLive", rpc_pb2.LeaseTimeToLiveRequest(ID=lost))
        assert asked.TTL == -1


def test_a_lease_survives_a_restart_with_its_whole_time(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        lease = caller("Lease.LeaseGrant", Grant(TTL=100)).ID
        caller("KV.Put", rpc_pb2.PutRequest(key=b"k", lease=lease))
        server.kill()
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        asked = caller("Lease.LeaseTimeToLive", rpc_pb2.LeaseTimeToLiveRequest(ID=lease, keys=True))
        assert (asked.grantedTTL, list(asked.keys)) == (100, [b"k"])
        assert asked.TTL in (99, 100), "the whole time, or a moment less"
        caller("Lease.LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=lease))
        assert caller("KV.Range", rpc_pb2.RangeRequest(key=b"k")).count == 0
