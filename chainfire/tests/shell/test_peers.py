from __future__ import annotations

import asyncio
import logging
import random
import time

import pytest
from shell.peer_members import (
    CLUSTER,
    Stranger,
    append,
    door,
    finishes,
    forward,
    heartbeat,
    install,
    knock,
    member,
    pair,
    reader_of,
    scene,
    until,
)

from chainfire.core.peerframes import FRAME_BYTES_MAX
from chainfire.core.peerlink import Link, LocalMember
from chainfire.core.peerwire import Call, Purpose, Refusal
from chainfire.shell.peer_incoming import GREETING_MAX
from chainfire.shell.peer_outgoing import UNSENT_BYTES_MAX
from chainfire.shell.peer_protocol import CALLS_OPEN_MAX
from chainfire.shell.peers import ask
from ultracloud.base.faults import (
    DeadlineExceededError,
    InternalError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from ultracloud.raft.messages import Forward
from ultracloud.raft.words import NOBODY, NodeId

TWO = NodeId(2)


@scene
async def test_messages_arrive_in_order_and_those_of_one_send_together() -> None:
    async with pair() as (one, two):
        one.peers.send([heartbeat(number) for number in range(100)])
        await until(lambda: len(two.node.messages) == 100)
        assert len(two.node.reads) == 1
        for number in range(100, 1000):
            one.peers.send([heartbeat(number)])
        await until(lambda: len(two.node.messages) == 1000)
        assert two.node.messages == [heartbeat(number) for number in range(1000)]
        assert one.peers.traffic[TWO].sent_messages == two.peers.traffic[one.id].received_messages == 1000


@scene
async def test_a_member_that_restarts_is_found_again_and_its_loss_is_told_at_once() -> None:
    async with member(1) as one:
        async with member(2) as two:
            one.knows(two)
            two.knows(one)
            await until(lambda: one.peers.is_connected(TWO))
            one.node.lost.clear()
            port = two.port
        began_s = time.monotonic()
        await until(lambda: one.node.lost == [TWO])
        assert time.monotonic() - began_s < 0.5
        one.peers.send([forward("while it is down")])
        async with member(2, port=port) as two:
            await until(lambda: one.peers.is_connected(TWO))
            one.peers.send([forward("after")])
            await until(lambda: two.node.messages)
            assert two.node.messages == [forward("after")]


@scene
async def test_what_was_on_its_way_when_a_connection_broke_is_never_sent_again() -> None:
    async with pair() as (one, two):
        for number in range(5):
            one.peers.send([forward(f"{number}.{turn}") for turn in range(20)])
            connection = one.peers._outgoing[TWO].connection
            assert connection is not None
            await asyncio.sleep(0)
            connection.abort("the test cuts it")
            await until(lambda: one.peers.is_connected(TWO))
        one.peers.send([forward("last")])
        await until(lambda: forward("last") in two.node.messages)
        assert len(two.node.messages) == len(set(two.node.messages))


@scene
async def test_nobody_waits_for_a_member_that_is_not_there() -> None:
    async with member(1) as one:
        one.peers.update({TWO: ["http://127.0.0.1:1"]})
        one.peers.send([heartbeat(1)])
        with pytest.raises(UnavailableError, match=r"member 2 cannot be reached: .*refused"):
            await one.peers.call(TWO, 1, b"", 5)
        with pytest.raises(UnavailableError, match="not among the members"):
            await one.peers.call(NodeId(3), 1, b"", 5)
        assert TWO in one.node.lost
        assert one.peers.traffic[TWO].dropped_messages == 1


@pytest.mark.parametrize(
    ("cluster", "wants", "why", "says"),
    [
        (8, 2, Refusal.CLUSTER, "member 1 is of cluster 8, this is cluster 7"),
        (7, 3, Refusal.RECEIVER, "member 1 wants member 3, this is member 2"),
    ],
)
@scene
async def test_who_is_wrong_here_is_refused_and_both_logs_say_why(
    cluster: int, wants: int, why: Refusal, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chainfire.peers")
    async with member(1, cluster=cluster) as one, member(2) as two:
        one.peers.update({NodeId(wants): two.urls})
        await until(lambda: one.peers.problem(NodeId(wants))[1] is why)
        await until(lambda: len([line for line in caplog.messages if says in line]) >= 2)
        assert any(line.startswith("refused a connection from 127.0.0.1") for line in caplog.messages)
        assert any(line.startswith(f"cannot connect to member {wants}") for line in caplog.messages)
        await until(lambda: one.peers.traffic[NodeId(wants)].failures >= 3)
        assert len([line for line in caplog.messages if says in line]) == 2


@scene
async def test_a_member_that_is_removed_is_cut_off_and_told() -> None:
    async with pair() as (one, two):
        two.knows()
        await until(lambda: one.peers.problem(TWO)[1] is Refusal.REMOVED)
        assert "member 1 was removed" in one.peers.problem(TWO)[0]
        one.peers.send([heartbeat(1)])
        two.knows(one)
        await until(lambda: one.peers.is_connected(TWO))
        assert not two.node.messages


@scene
async def test_a_member_that_moves_is_followed() -> None:
    async with pair() as (one, two), member(2) as moved:
        one.peers.update({TWO: ["http://127.0.0.1:1", *moved.urls]})
        await until(lambda: one.peers.is_connected(TWO))
        one.peers.send([heartbeat(1)])
        await until(lambda: moved.node.messages)
        assert not two.node.messages


@scene
async def test_calls_are_answered_with_what_the_node_says() -> None:
    async with pair() as (one, two):
        answers = await asyncio.gather(*(one.peers.call(TWO, 1, b"%d!" % number, 5) for number in range(500)))
        assert answers == [b"!" + str(number).encode()[::-1] for number in range(500)]
        with pytest.raises(NotFoundError, match="lease 4 does not exist") as raised:
            await one.peers.call(TWO, 4, b"", 5)
        assert raised.value.reason == "LEASE_GONE"
        assert set(two.node.calls) == {(one.id, 1), (one.id, 4)}


@scene
async def test_a_defect_behind_a_call_is_not_told_to_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    async with pair() as (one, _):
        with pytest.raises(InternalError, match="the member has met a defect; its log says more"):
            await one.peers.call(TWO, 5, b"", 5)
        assert "ValueError: a defect" in caplog.text


@scene
async def test_a_call_ends_at_its_deadline_and_when_its_connection_does() -> None:
    async with pair() as (one, two):
        with pytest.raises(DeadlineExceededError, match=r"within 0\.05 s|within 50 ms"):
            await one.peers.call(TWO, 9, b"", 0.05)
        waiting = asyncio.ensure_future(one.peers.call(TWO, 9, b"", 10))
        await until(lambda: len(two.node.calls) == 2)
        await two.peers.close()
        with pytest.raises(UnavailableError, match="member 2 cannot be reached: member 2 is stopping"):
            await waiting


@scene
async def test_who_is_no_member_yet_may_ask_and_nothing_else() -> None:
    async with member(1) as one:
        assert await ask(one.urls[0], 3, b"who?", 5) == b"?ohw"
        assert one.node.calls == [(NOBODY, 3)]
        stranger = await knock(one, Purpose.MESSAGES, sender=0)
        await finishes(stranger.gone)
        assert "member 0 cannot be the sender" in str(stranger.events)


@scene
async def test_asking_the_wrong_door_says_so() -> None:
    with pytest.raises(UnavailableError, match="'nowhere' is no peer URL"):
        await ask("nowhere", 1, b"", 5)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await ask("http://127.0.0.1:1", 1, b"", 5)
    async with door(Stranger) as (url, came):
        asking = asyncio.ensure_future(ask(url, 1, b"", 5))
        await until(lambda: came and came[0].heard)
        came[0].transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(UnavailableError, match=r"first bytes b'HTTP/1\.1' are not of the protocol"):
            await asking
        with pytest.raises(DeadlineExceededError, match=r"did not answer within 0\.05 s"):
            await ask(url, 1, b"", 0.05)


@pytest.mark.parametrize("host", ["::1", "localhost"])
@scene
async def test_members_meet_on_ipv6_and_by_name(host: str) -> None:
    async with member(1) as one, member(2, host=host) as two:
        one.peers.update({TWO: two.urls if host == "::1" else [f"http://localhost:{two.port}"]})
        await until(lambda: one.peers.is_connected(TWO))


@scene
async def test_a_connection_that_died_without_a_word_is_noticed_by_both_ends() -> None:
    listener = Link.listen(LocalMember(CLUSTER, TWO), lambda _hello: None, time.monotonic())
    async with member(1) as one, door(lambda: Stranger(listener)) as (url, came):
        one.peers.update({TWO: [url]})
        await until(lambda: one.peers.is_connected(TWO))
        silent = await knock(one, Purpose.MESSAGES)
        await silent.wait_event()
        came[0].link = silent.link = None
        one.pass_time(6)
        assert not one.peers.is_connected(TWO)
        await finishes(asyncio.gather(silent.gone, came[0].gone))
        await until(lambda: "nothing was heard for 5 s" in one.peers.problem(TWO)[0] or one.node.lost == [TWO])


@scene
async def test_pings_keep_a_connection_and_measure_it() -> None:
    async with pair() as (one, two):
        for _ in range(10):
            one.pass_time(1)
            two.pass_time(1)
            await asyncio.sleep(0.01)
        rtt_ms = one.peers.rtt_ms(TWO)
        assert one.peers.is_connected(TWO)
        assert rtt_ms is not None
        assert 0 < rtt_ms < 2000


@scene
async def test_a_peer_that_does_not_read_costs_a_bounded_buffer() -> None:
    listener = Link.listen(LocalMember(CLUSTER, TWO), lambda _hello: None, time.monotonic())
    async with member(1) as one, door(lambda: Stranger(listener)) as (url, came):
        one.peers.update({TWO: [url]})
        await until(lambda: one.peers.is_connected(TWO))
        came[0].transport.pause_reading()
        connection = one.peers._outgoing[TWO].connection
        assert connection is not None
        for _ in range(100):
            one.peers.send([append(1 << 20)])
            await asyncio.sleep(0)
            assert connection.unsent_bytes <= UNSENT_BYTES_MAX
        assert one.peers.traffic[TWO].dropped_messages > 20
        assert one.node.lost == [TWO] * len(one.node.lost) != []


@scene
async def test_a_flood_of_strangers_keeps_no_member_out() -> None:
    async with member(1) as one, member(2) as two:
        strangers = [await knock(one) for _ in range(GREETING_MAX * 2)]
        two.knows(one)
        await until(lambda: two.peers.is_connected(one.id))
        await until(lambda: sum(each.gone.done() for each in strangers) >= GREETING_MAX)
        one.pass_time(4)
        await finishes(asyncio.gather(*(each.gone for each in strangers)))
        assert two.peers.is_connected(one.id)


@scene
async def test_a_newer_connection_of_a_member_takes_the_place_of_the_older() -> None:
    async with member(1) as one:
        older = await knock(one, Purpose.MESSAGES)
        await older.wait_event()
        newer = await knock(one, Purpose.MESSAGES)
        await newer.wait_event()
        await finishes(older.gone)
        assert "a newer connection took its place" in str(older.events)
        assert not newer.gone.done()


@scene
async def test_a_node_that_fails_on_a_message_fails_loudly() -> None:
    async with pair() as (one, two):
        two.node.receive = lambda _messages: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        one.peers.send([heartbeat(1)])
        with pytest.raises(ZeroDivisionError):
            await finishes(two.peers.wait_crash())


@scene
async def test_a_message_that_is_too_long_is_dropped_and_told() -> None:
    async with pair() as (one, two):
        one.peers.send([heartbeat(1), append(FRAME_BYTES_MAX), heartbeat(2)])
        await until(lambda: len(two.node.messages) == 2)
        assert one.node.lost == [TWO]
        assert one.peers.traffic[TWO].dropped_messages == 1


@scene
async def test_strangers_that_knock_in_many_ways_get_a_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async with member(1) as one:
        for number in range(20):
            stranger = await knock(one)
            stranger.transport.write(b"knock %d" % number)
            await finishes(stranger.gone)
        await until(lambda: one.peers._incoming._unsaid == 19)
        one.clock.added_s += 1
        stranger = await knock(one)
        stranger.transport.write(b"last")
        await until(lambda: "(and 19 others before)" in caplog.text)
        assert len([line for line in caplog.messages if line.startswith("refused")]) == 2


@scene
async def test_nothing_is_left_of_a_member_that_closed() -> None:
    async with pair() as (one, two):
        calling = asyncio.ensure_future(one.peers.call(TWO, 9, b"", 10))
        one.peers.send_snapshot(TWO, install(7), reader_of([bytes(1 << 20)] * 20))
        await until(lambda: two.node.calls and two.node.chunks)
        await knock(two)
    with pytest.raises(UnavailableError):
        await calling
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    async with member(2, port=two.port):
        assert one.node.sent == [(TWO, 7, False)]


@scene
async def test_who_calls_and_does_not_read_is_not_read_either() -> None:
    async with member(1) as one:
        stranger = await knock(one, Purpose.MESSAGES)
        await stranger.wait_event()
        stranger.transport.pause_reading()
        assert stranger.link is not None
        for number in range(400):
            stranger.link.say(Call(number, 1, 60_000, bytes(100_000)))
            stranger.flush()
            await asyncio.sleep(0)
        (incoming,) = one.peers._incoming._open
        await until(lambda: incoming.link.is_deaf)
        assert incoming.unsent_bytes < 8 << 20
        answered = len(one.node.calls)
        assert answered < 400
        one.pass_time(20)
        assert not stranger.gone.done()
        one.pass_time(20)
        stranger.transport.resume_reading()
        await finishes(stranger.gone)


@scene
async def test_calls_over_the_limit_are_refused_one_by_one() -> None:
    async with pair() as (one, two):
        calls = [asyncio.ensure_future(one.peers.call(TWO, 9, b"", 10)) for _ in range(CALLS_OPEN_MAX + 5)]
        await until(lambda: len(two.node.calls) == CALLS_OPEN_MAX)
        two.node.gate.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(each, ResourceExhaustedError) for each in outcomes) == 5
        assert outcomes.count(b"") == CALLS_OPEN_MAX


@pytest.mark.parametrize("seed", range(3))
@scene
async def test_whatever_breaks_messages_come_in_order_and_at_most_once(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed that a failure names
    async with member(1) as one, member(2) as two:
        one.knows(two)
        two.knows(one)
        for number in range(300):
            one.peers.send([forward(f"{number}.{turn}") for turn in range(chance.randrange(5))])
            if chance.random() < 0.03:
                ends = [*one.peers._site.connections, *two.peers._site.connections]
                if ends:
                    chance.choice(ends).abort("the test cuts it")
            await asyncio.sleep(0.001)
            for each in (one, two):
                for outgoing in each.peers._outgoing.values():
                    outgoing.hurry()
        texts = [tuple(map(int, each.bodies[0].split(b"."))) for each in two.node.messages if isinstance(each, Forward)]
        assert texts == sorted(set(texts)), f"seed {seed}"
        assert len(texts) > 50, f"seed {seed}"
