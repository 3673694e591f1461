from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest
from shell.peer_certificates import PlainAuthority, allowing, another, replace, spiffe
from shell.peer_members import Member, heartbeat, install, knock, member, pair, reader_of, scene, until

from chainfire.shell.peer_incoming import GREETING_MAX
from chainfire.shell.peers import PeerTls, ask
from ultracloud.base.faults import UnavailableError
from ultracloud.raft.words import NodeId

ONE, TWO = NodeId(1), NodeId(2)


async def refused(one: Member, two: Member, says: str, other_says: str, log: pytest.LogCaptureFixture) -> None:
    """Member 1 cannot connect to member 2, and both logs say why."""
    log.set_level(logging.INFO, "chainfire.peers")
    one.knows(two)
    await until(lambda: any(other_says in line for line in log.messages if line.startswith("refused a connection")))
    await until(lambda: any(says in line for line in log.messages if line.startswith("cannot connect to member 2")))
    assert not one.peers.is_connected(TWO)


@scene
async def test_members_with_certificates_of_the_cluster_meet(tmp_path: Path) -> None:
    async with pair(spiffe(tmp_path)) as (one, two):
        one.peers.send([heartbeat(number) for number in range(10)])
        assert await one.peers.call(TWO, 1, b"abc", 5) == b"cba"
        one.peers.send_snapshot(TWO, install(50), reader_of([bytes(1 << 20)] * 5))
        await until(lambda: one.node.sent)
        assert two.node.snapshots == [(50, 5 << 20)]
        assert len(two.node.messages) == 10


@scene
async def test_the_certificate_of_another_service_is_no_members(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = spiffe(tmp_path)
    other = another(tmp_path, "flaredb")
    says = "its certificate is of spiffe://ultracloud.local/service/flaredb"
    async with member(1, tls=other) as one, member(2, tls=ours) as two:
        await refused(one, two, says, says, caplog)
    caplog.clear()
    async with member(1, tls=ours) as one, member(2, tls=other) as two:
        await refused(one, two, says, says, caplog)


@scene
async def test_a_member_of_another_authority_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = spiffe(tmp_path / "ours"), spiffe(tmp_path / "theirs")
    async with member(1, tls=theirs) as one, member(2, tls=ours) as two:
        await refused(one, two, "its certificate is not to be trusted", "does not trust our certificate", caplog)
    caplog.clear()
    gullible = PeerTls(theirs.certificate, theirs.key, ours.ca)
    async with member(1, tls=gullible) as one, member(2, tls=ours) as two:
        await refused(one, two, "not trust our certificate", "its certificate is not to be trusted", caplog)


@scene
async def test_clear_text_and_tls_do_not_meet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tls = spiffe(tmp_path)
    async with member(1, tls=tls) as one, member(2) as two:
        one.peers.update({TWO: two.urls})
        await until(lambda: "is without TLS, and certificates" in one.peers.problem(TWO)[0])
        two.scheme = "https"
        await refused(one, two, "it does not speak TLS", "the other side speaks TLS, this one does not", caplog)
    caplog.clear()
    async with member(1) as one, member(2, tls=tls) as two:
        one.peers.update({TWO: two.urls})
        await until(lambda: "needs TLS, and no certificate for peers is configured" in one.peers.problem(TWO)[0])
        two.scheme = "http"
        await refused(one, two, "closed the connection", "it does not speak TLS", caplog)


@scene
async def test_certificates_with_names_alone_are_taken_by_their_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = PlainAuthority(tmp_path)
    files, elsewhere = authority.issue("member"), authority.issue("elsewhere", ["store-9"], ["10.9.9.9"])
    async with pair(files) as (one, _):
        assert await one.peers.call(TWO, 1, b"abc", 5) == b"cba"
    async with member(1, tls=files) as one, member(2, tls=elsewhere) as two:
        says = "its certificate is for store-9, 10.9.9.9, not for 127.0.0.1"
        await refused(one, two, says, says, caplog)
        two.knows(one)
        await until(lambda: two.peers.is_connected(ONE))


@scene
async def test_only_allowed_names_are_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = PlainAuthority(tmp_path)
    member_files, other = authority.issue("member"), authority.issue("other", ["other"], ["127.0.0.1"])
    async with pair(allowing(member_files, "member", "localhost")) as (one, _):
        assert one.peers.is_connected(TWO)
    for choosy in (allowing(member_files, "member"), allowing(member_files, hostname="localhost")):
        caplog.clear()
        async with member(1, tls=other) as one, member(2, tls=choosy) as two:
            await refused(one, two, "its certificate", "its certificate", caplog)


@scene
async def test_new_files_are_used_from_the_next_connection_on(tmp_path: Path) -> None:
    old, new = spiffe(tmp_path / "old"), spiffe(tmp_path / "new")
    mine, yours = spiffe(tmp_path / "mine"), spiffe(tmp_path / "yours")
    replace(mine, old)
    replace(yours, old)
    async with pair(mine, yours) as (one, two):
        for files, each in ((mine, one), (yours, two)):
            replace(files, new)
            each.peers.reload_tls()
        one.peers.send([heartbeat(1)])
        await until(lambda: two.node.messages)
        connection = one.peers._outgoing[TWO].connection
        assert connection is not None
        connection.abort("the test cuts it")
        await until(lambda: one.peers.is_connected(TWO))
        with pytest.raises(UnavailableError):
            await ask(two.urls[0], 1, b"", 5, old)
        assert await ask(two.urls[0], 1, b"abc", 5, new) == b"cba"


@scene
async def test_a_reload_of_bad_files_changes_nothing(tmp_path: Path) -> None:
    files = spiffe(tmp_path / "mine")
    async with pair(files) as (one, two):
        good = files.certificate.read_bytes()
        files.certificate.write_bytes(b"no certificate")
        with pytest.raises(ssl.SSLError):
            two.peers.reload_tls()
        files.certificate.write_bytes(good)
        assert await ask(two.urls[0], 1, b"abc", 5, files) == b"cba"
        assert one.peers.is_connected(TWO)


@scene
async def test_strangers_that_never_finish_a_handshake_keep_no_member_out(tmp_path: Path) -> None:
    tls = spiffe(tmp_path)
    async with member(1, tls=tls) as one, member(2, tls=tls) as two:
        strangers = [await knock(one) for _ in range(GREETING_MAX + 10)]
        strangers[-1].transport.write(b"\x16\x03\x01\x02\x00\x01\x00")
        two.knows(one)
        await until(lambda: two.peers.is_connected(ONE))
        await until(lambda: sum(each.gone.done() for each in strangers) >= 10)
        assert len(one.peers._incoming._greeting) <= GREETING_MAX
