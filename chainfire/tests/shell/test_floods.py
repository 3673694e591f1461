"""Clients that flood, stall or vanish, against a real process: others are served, and its memory stays bounded."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from shell.clients import Client, client
from shell.http_speaker import HttpSpeaker
from shell.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    RawHttp2,
    call,
    frame,
    head,
)
from shell.servers import chainfire, wait_until

from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.etcd.election_pb2 import LeaderRequest
from ultracloud.api.etcd.lock_pb2 import LockRequest
from ultracloud.testkit.processes import Process

MIB = 1 << 20
GROWTH_MAX = 64 * MIB
"""What one client may cost whatever it does: the 64 MiB of its connection, and what Python does not give back."""
PUT_S_MAX = 2.0
"""A write beside a flood, on a machine that has other things to do."""
EXPIRED_PER_S_MAX = 5000
"""500 a tick."""
PUT, WATCH = "/etcdserverpb.KV/Put", "/etcdserverpb.Watch/Watch"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A member for all floods, which leave nothing behind."""
    with chainfire(tmp_path_factory.mktemp("flooded")) as process:
        yield process


@pytest.fixture(scope="module")
def caller(server: Process) -> Iterator[Client]:
    """Somebody else's client."""
    with client(server.addresses[0]) as made:
        yield made


@contextlib.contextmanager
def others_are_served(server: Process, caller: Client, growth_max: int = GROWTH_MAX) -> Iterator[None]:
    """A block during and after which the member answers others, and does not grow beyond a bound."""
    caller("KV.Put", rpc_pb2.PutRequest(key=b"before"))
    before = server.rss_bytes()
    yield
    began = time.monotonic()
    caller("KV.Put", rpc_pb2.PutRequest(key=b"after"))
    assert time.monotonic() - began < PUT_S_MAX
    grown = server.rss_bytes() - before
    print(f"{grown / MIB:.1f} MiB, {time.monotonic() - began:.3f} s")  # noqa: T201 - shown with -s: the figures
    assert grown < growth_max, f"{grown / MIB:.0f} MiB"


FLOODS = {
    "ping": frame(PING, payload=bytes(8)),
    "settings": frame(SETTINGS),
    "empty data": frame(DATA, stream=1),
    "continuation": frame(CONTINUATION, stream=1, payload=b"x"),
}


@pytest.mark.parametrize("kind", sorted(FLOODS))
def test_a_flood_of_frames_is_ended_and_others_are_served(server: Process, caller: Client, kind: str) -> None:
    with others_are_served(server, caller), RawHttp2(server.addresses[0]) as raw:
        opened = head(PUT)
        raw.sendall(frame(HEADERS, 0 if kind == "continuation" else END_HEADERS, 1, opened))
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                raw.sendall(FLOODS[kind] * 1000)
        assert raw.goaway() in (ENHANCE_YOUR_CALM, None)


def test_a_flood_of_calls_that_are_reset_at_once_is_ended(server: Process, caller: Client) -> None:
    with others_are_served(server, caller), RawHttp2(server.addresses[0]) as raw:
        code = (8).to_bytes(4, "big")
        with contextlib.suppress(ConnectionError):
            for stream in range(1, 200_001, 2):
                raw.sendall(frame(HEADERS, END_HEADERS, stream, head(WATCH)) + frame(RST_STREAM, 0, stream, code))
        assert raw.goaway() in (ENHANCE_YOUR_CALM, None)


def test_a_thousand_watches_that_nobody_reads_cost_a_bounded_backlog(server: Process, caller: Client) -> None:
    wanted = [rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=b"watched"))] * 1000
    with RawHttp2(server.addresses[0]) as raw:
        raw.sendall(call(1, WATCH, *wanted, end=False))
        wait_until(lambda: watchers(server) == 1000, server)
        with others_are_served(server, caller):
            for _ in range(100):
                caller("KV.Put", rpc_pb2.PutRequest(key=b"watched", value=bytes(10_000)))
    wait_until(lambda: watchers(server) == 0, server)


def watchers(server: Process) -> int:
    """How many watches the member counts."""
    speaker = HttpSpeaker(server.addresses[0])
    text = speaker.ask("GET", "/metrics").read().decode()
    speaker.close()
    (line,) = (line for line in text.splitlines() if line.startswith("etcd_debugging_mvcc_watcher_total "))
    return int(float(line.split()[1]))


def test_large_answers_that_nobody_reads_cost_a_bounded_buffer(server: Process, caller: Client) -> None:
    for number in range(8):
        caller("KV.Put", rpc_pb2.PutRequest(key=b"large/%d" % number, value=bytes(MIB)))
    wanted = rpc_pb2.RangeRequest(key=b"large/", range_end=b"large0")
    with RawHttp2(server.addresses[0]) as raw, others_are_served(server, caller, GROWTH_MAX + 64 * MIB):
        for stream in range(1, 200, 2):
            raw.sendall(call(stream, "/etcdserverpb.KV/Range", wanted))
        time.sleep(0.5)
    caller("KV.DeleteRange", rpc_pb2.DeleteRangeRequest(key=b"large/", range_end=b"large0"))


def test_a_snapshot_that_nobody_reads_holds_nobody_up(server: Process, caller: Client) -> None:
    with RawHttp2(server.addresses[0]) as raw, others_are_served(server, caller):
        for stream in range(1, 40, 2):
            raw.sendall(call(stream, "/etcdserverpb.Maintenance/Snapshot", rpc_pb2.SnapshotRequest()))
        time.sleep(0.2)


def test_thousands_of_idle_and_half_open_connections_are_cheap(server: Process, caller: Client) -> None:
    host, _, port = server.addresses[0].rpartition(":")
    with ExitStack() as stack, others_are_served(server, caller):
        for _ in range(1000):
            stack.enter_context(RawHttp2(server.addresses[0]))
            stack.enter_context(socket.create_connection((host, int(port)))).sendall(b"PRI * HT")
            stack.enter_context(socket.create_connection((host, int(port)))).sendall(b"POST /v3/kv/put HTTP/1.1\r\n")


def test_slow_senders_wait_for_themselves(server: Process, caller: Client) -> None:
    with ExitStack() as stack, others_are_served(server, caller):
        for _ in range(200):
            raw = stack.enter_context(RawHttp2(server.addresses[0]))
            # A message of a megabyte is announced, and one byte of it comes.
            begun = b"\0" + MIB.to_bytes(4, "big") + b"\x0a"
            raw.sendall(frame(HEADERS, END_HEADERS, 1, head(PUT)) + frame(DATA, 0, 1, begun))


def test_abandoned_streams_and_waiters_leave_nothing(server: Process, caller: Client) -> None:
    wanted = rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=b"abandoned"))
    lease = caller("Lease.LeaseGrant", rpc_pb2.LeaseGrantRequest(TTL=600)).ID
    caller("Lock.Lock", LockRequest(name=b"lock", lease=lease))
    with ExitStack() as stack, others_are_served(server, caller):
        for _ in range(100):
            raw = stack.enter_context(RawHttp2(server.addresses[0]))
            raw.sendall(call(1, WATCH, wanted, end=False))
            raw.sendall(call(3, "/etcdserverpb.Lease/LeaseKeepAlive", rpc_pb2.LeaseKeepAliveRequest(ID=1), end=False))
            raw.sendall(call(5, "/v3lockpb.Lock/Lock", LockRequest(name=b"lock")))
            raw.sendall(call(7, "/v3electionpb.Election/Observe", LeaderRequest(name=b"lock")))
        wait_until(lambda: waiters(caller) == 101, server)
    wait_until(lambda: (waiters(caller), watchers(server)) == (1, 0), server)


def waiters(caller: Client) -> int:
    """How many keys wait for the lock, with the one that has it."""
    answer = caller("KV.Range", rpc_pb2.RangeRequest(key=b"lock/", range_end=b"lock0", count_only=True))
    return int(answer.count)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_storm_of_leases_dies_at_a_bounded_rate_while_others_are_served(server: Process, caller: Client) -> None:
    with others_are_served(server, caller, 128 * MIB):
        began = time.monotonic()
        with RawHttp2(server.addresses[0]) as raw:
            grant(raw, 100_000, ttl_s=20)
        granted_s = time.monotonic() - began
        slowest = 0.0
        while caller("Lease.LeaseLeases", rpc_pb2.LeaseLeasesRequest()).leases:
            for _ in range(50):
                asked = time.monotonic()
                caller("KV.Put", rpc_pb2.PutRequest(key=b"during"))
                slowest = max(slowest, time.monotonic() - asked)
        died_s = time.monotonic() - began
        print(f"granted in {granted_s:.1f} s, gone after {died_s:.1f} s, slowest put {slowest:.3f} s")  # noqa: T201
        assert slowest < PUT_S_MAX
        assert died_s > 100_000 / EXPIRED_PER_S_MAX


def grant(raw: RawHttp2, count: int, ttl_s: int) -> None:
    """Grant leases, five hundred calls at a time."""
    wanted, frames = rpc_pb2.LeaseGrantRequest(TTL=ttl_s), raw.frames()
    for first in range(1, 2 * count, 1000):
        streams = range(first, first + 1000, 2)
        raw.sendall(b"".join([call(stream, "/etcdserverpb.Lease/LeaseGrant", wanted) for stream in streams]))
        ended = 0
        while ended < len(streams):
            kind, flags, stream, _ = next(frames)
            ended += stream > 0 and kind == HEADERS and flags & END_STREAM
