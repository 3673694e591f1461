from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from shell.peer_members import Member, heartbeat, install, knock, member, pair, reader_of, scene, until

from chainfire.core.peerevents import SnapshotBroken
from chainfire.core.peerwire import CHUNK_BYTES_MAX, Chunk, Purpose, SnapshotSum, StreamEnd, StreamTaken
from chainfire.shell.peer_snapshots import WAITING_BYTES_MAX
from ultracloud.base.faults import DataLossError
from ultracloud.raft.words import NodeId

ONE, TWO = NodeId(1), NodeId(2)
MIB = 1 << 20


@scene
async def test_a_snapshot_arrives_whole_while_messages_go_on() -> None:
    async with pair() as (one, two):
        one.peers.send_snapshot(TWO, install(50), reader_of([bytes([number]) * MIB for number in range(50)]))
        for number in range(100):
            one.peers.send([heartbeat(number)])
            await asyncio.sleep(0)
        await until(lambda: two.node.messages)
        assert not one.node.sent
        await until(lambda: one.node.sent)
        assert one.node.sent == [(TWO, 50, True)]
        assert two.node.snapshots == [(50, 50 * MIB)]
        assert one.peers.traffic[TWO].snapshots_sent == two.peers.traffic[ONE].snapshots_received == 1


@scene
async def test_a_receiver_that_is_slow_holds_little_and_is_waited_for() -> None:
    async with pair() as (one, two):
        read = 0

        async def source() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(64):
                read += 1
                yield bytes(MIB)

        one.peers.send_snapshot(TWO, install(51), source)
        await until(lambda: two.node.chunks == 1)
        await asyncio.sleep(0.3)  # as long as all of it takes when nobody waits
        arriving = two.peers._incoming._arriving
        assert arriving is not None
        assert arriving._waiting_bytes <= WAITING_BYTES_MAX + CHUNK_BYTES_MAX
        assert read < 32
        for each in (one, two):
            each.pass_time(4)
        await asyncio.sleep(0.01)
        for each in (one, two):
            each.pass_time(4)
        two.node.gate.set()
        await until(lambda: one.node.sent)
        assert one.node.sent == [(TWO, 51, True)]
        assert two.node.snapshots == [(51, 64 * MIB)]


@scene
async def test_a_receiver_that_cannot_store_it_says_why() -> None:
    async with pair() as (one, two):
        one.peers.send_snapshot(TWO, install(404), reader_of([b"bytes"]))
        await until(lambda: one.node.sent)
        assert one.node.sent == [(TWO, 404, False)]
        assert one.peers.traffic[TWO].snapshots_failed == two.peers.traffic[ONE].snapshots_failed == 1


@scene
async def test_a_source_that_fails_is_no_snapshot() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"some"
        raise DataLossError("the snapshot file is damaged")

    async with pair() as (one, two):
        one.peers.send_snapshot(TWO, install(6), source)
        await until(lambda: one.node.sent and two.node.broken)
        assert one.node.sent == [(TWO, 6, False)]
        assert "broke off: the snapshot file is damaged" in two.node.broken[0]
        assert not two.node.snapshots


@scene
async def test_bytes_that_are_not_what_was_sent_are_refused() -> None:
    async with member(2) as two:
        stranger = await knock(two, Purpose.SNAPSHOT, sender=1)
        await stranger.wait_event()
        link = stranger.link
        assert link is not None
        for word in (install(8), Chunk(b"one"), StreamEnd(3, hashlib.sha256(b"two").digest())):
            link.say(word)
        stranger.flush()
        await until(lambda: two.node.broken and len(stranger.events) >= 2)
        assert "their checksums differ" in two.node.broken[0]
        assert isinstance(stranger.events[1], SnapshotBroken)
        assert not two.node.snapshots


@scene
async def test_a_stream_that_ends_in_the_middle_is_no_snapshot() -> None:
    async with member(2) as two:
        stranger = await knock(two, Purpose.SNAPSHOT, sender=1)
        await stranger.wait_event()
        assert stranger.link is not None
        stranger.link.say(install(8))
        stranger.link.say(Chunk(b"half"))
        stranger.flush()
        await until(lambda: two.node.chunks)
        stranger.transport.abort()
        await until(lambda: two.node.broken)
        assert "the snapshot of member 1 broke off" in two.node.broken[0]


async def half_sent(two: Member, sender: int, term: int, index: int) -> SnapshotSum:
    """Let a sender begin a snapshot and leave it there."""
    stranger = await knock(two, Purpose.SNAPSHOT, sender=sender)
    await stranger.wait_event()
    assert stranger.link is not None
    total = SnapshotSum()
    total.add(b"half")
    stranger.link.say(install(index, sender=sender, term=term))
    stranger.link.say(Chunk(b"half"))
    stranger.flush()
    return total


@scene
async def test_the_snapshot_of_a_newer_leader_takes_the_place_of_an_older_ones() -> None:
    async with member(2) as two:
        await half_sent(two, sender=1, term=1, index=8)
        await until(lambda: two.node.chunks == 1)
        stranger = await knock(two, Purpose.SNAPSHOT, sender=3)
        await stranger.wait_event()
        assert stranger.link is not None
        for word in (install(10, sender=3, term=2), SnapshotSum().end()):
            stranger.link.say(word)
        stranger.flush()
        await until(lambda: two.node.snapshots)
        assert two.node.snapshots == [(10, 0)]
        assert "another snapshot took its place" in two.node.broken[0]
        await until(lambda: isinstance(stranger.events[-1], StreamTaken))


@scene
async def test_the_snapshot_of_an_older_leader_is_refused_while_a_newer_one_comes() -> None:
    async with member(1) as one, member(2) as two:
        one.knows(two)
        await half_sent(two, sender=3, term=5, index=8)
        await until(lambda: two.node.chunks == 1)
        one.peers.send_snapshot(TWO, install(6, term=4), reader_of([b"old"]))
        await until(lambda: one.node.sent)
        assert one.node.sent == [(TWO, 6, False)]
        assert not two.node.broken


@scene
async def test_a_snapshot_for_nobody_fails_and_one_that_is_sent_again_ends_the_first() -> None:
    async with pair() as (one, two):
        one.peers.send_snapshot(NodeId(3), install(1, to=3), reader_of([]))
        await until(lambda: one.node.sent == [(NodeId(3), 1, False)])
        one.peers.send_snapshot(TWO, install(7), reader_of([bytes(MIB)] * 30))
        await until(lambda: two.node.chunks)
        one.peers.send_snapshot(TWO, install(8), reader_of([b"all"]))
        two.node.gate.set()
        await until(lambda: len(one.node.sent) == 3)
        assert one.node.sent[1:] == [(TWO, 7, False), (TWO, 8, True)]
        assert two.node.snapshots == [(8, 3)]


@scene
async def test_a_source_is_closed_whatever_becomes_of_its_snapshot() -> None:
    closed: list[int] = []

    async def source() -> AsyncIterator[bytes]:
        try:
            for _ in range(100):
                yield bytes(MIB)
            raise OSError(5, "Input/output error")
        finally:
            closed.append(1)

    async with pair() as (one, _):
        one.peers.send_snapshot(TWO, install(8), source)
        await until(lambda: one.node.sent == [(TWO, 8, False)] and closed == [1])
        one.peers.send_snapshot(TWO, install(404), source)
        await until(lambda: len(one.node.sent) == len(closed) == 2)


@scene
async def test_every_snapshot_is_reported_once_even_if_it_never_began() -> None:
    async with pair() as (one, two):
        for index in (2, 4, 6):
            one.peers.send_snapshot(TWO, install(index), reader_of([b"all"]))
        await until(lambda: len(one.node.sent) == 3)
        assert sorted(one.node.sent) == [(TWO, 2, False), (TWO, 4, False), (TWO, 6, True)]
        assert two.node.snapshots == [(6, 3)]
