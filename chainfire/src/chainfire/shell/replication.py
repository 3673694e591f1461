"""A member among others: the way to them, what they ask, states that go and come, and becoming one of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from chainfire.config import Cluster, Config
from chainfire.core.commands import MemberPublish
from chainfire.core.membership import Member
from chainfire.core.peernames import Allowed
from chainfire.core.peerwire import Refusal
from chainfire.core.urls import Url, url_of
from chainfire.core.work import LINGER_ELECTIONS
from chainfire.shell.claims import refuse_old
from chainfire.shell.installing import Installing
from chainfire.shell.newcomer import Newcomer, has_begun
from chainfire.shell.node import Node
from chainfire.shell.peers import LocalMember, Peers, PeerTls
from chainfire.shell.questions import Questions
from chainfire.shell.recovery import SNAPSHOT_FOLDER
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.words import NodeId, SnapshotMark
from ultracloud.servicekit import pki
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.readiness import Gate

PUBLISH_PAUSE_S = 0.05
"""Between attempts of a member to say what it is called."""
CERTIFICATE_CHECK_S = 5.0
"""How often the files of certificates are looked at."""
LOOK_S = 0.2
"""How often it is looked whether there is a leader."""
_log = logging.getLogger("chainfire.replication")


class Replication:
    """The other members, for one.

    Args:
        node: The member.
        tls: Certificates for the others; None speaks clear text.
        folder: The state folder.
        tasks: Runs what takes long.
        strict: Refuse changes of members that endanger the quorum.

    Attributes:
        peers: The way to the others.
        questions: What only the leader can answer.
    """

    def __init__(
        self, node: Node, tls: PeerTls | None, folder: Path, tasks: asyncio.TaskGroup, *, strict: bool
    ) -> None:
        self._node = node
        self._tasks = tasks
        self.peers = Peers(LocalMember(node.cluster_id, NodeId(node.member_id)), tls, self)
        self.questions = Questions(node, self.peers, strict=strict)
        self._installing = Installing(node, self.peers, folder / SNAPSHOT_FOLDER, tasks)
        self._newcomer = None if node.has_past else Newcomer(node, self.peers.call, tasks)
        node.peers = self.peers
        node.send_snapshot = self._installing.send

    def receive(self, messages: Sequence[Message], /) -> None:
        """Take Raft's messages of one read from one peer."""
        try:
            refuse_old(self._node, messages)
        except StartError as error:
            self._end(error)
        else:
            self._node.receive(messages if self._newcomer is None else self._newcomer.admitted(messages))

    async def answer(self, sender: NodeId, kind: int, body: bytes, /) -> bytes:
        """Serve a peer's call."""
        return await self.questions.answer(sender, kind, body)

    async def receive_snapshot(self, install: Install, chunks: AsyncIterator[bytes], /) -> None:
        """Take a leader's state."""
        await self._installing.receive(install, chunks)

    def unreachable(self, peer: NodeId, /) -> None:
        """A connection was lost or could not be made."""
        self._node.tell(events.Unreachable(peer))

    def gone(self, peer: NodeId, /) -> None:
        """Nobody listens where a member does."""
        self._node.tell(events.Gone(peer))

    def snapshot_sent(self, to: NodeId, mark: SnapshotMark, ok: bool, /) -> None:  # noqa: FBT001 - as peers call it
        """A state has reached a member, or has not."""
        self._installing.sent(to, mark, ok)

    def _end(self, error: StartError) -> None:
        """End the member from outside the tasks that would."""

        async def end() -> None:
            raise error

        self._tasks.create_task(end(), name="an old state folder")


def listen_urls(config: Config) -> tuple[Url, ...]:
    """Where this member listens for the others; nowhere if it is alone for good."""
    cluster = config.cluster
    urls = cluster.listen or cluster.urls_by_name().get(config.name, ()) or cluster.advertise
    return tuple(map(url_of, urls))


def peer_tls_of(cluster: Cluster, identity: TlsIdentity | None, urls: Sequence[Url]) -> PeerTls | None:
    """Certificates for the other members; None for clear text.

    Raises:
        StartError: A peer URL speaks TLS and there is no certificate.
    """
    files = cluster.tls
    if not any(url.is_tls for url in urls):
        return None
    if files.certificate is not None and files.key is not None and files.ca is not None:
        return PeerTls(files.certificate, files.key, files.ca, Allowed(files.allowed_name, files.allowed_host))
    if identity is None:
        raise StartError("chainfire: peer URLs speak TLS and there is no certificate; set [tls] or cluster.tls")
    return PeerTls(identity.certificate, identity.key, identity.ca)


async def listen(peers: Peers, urls: Sequence[Url]) -> None:
    """Listen for the other members.

    Raises:
        StartError: An address cannot be had.
    """
    for url in urls:
        try:
            await peers.listen(url.host, url.port)
        except OSError as error:
            # asyncio puts the address into `strerror` once more.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise StartError(
                f"chainfire: cannot listen for members on {url.text}: {reason}; change cluster.listen or the peer URL, "
                "or end who has it (ss -ltnp names it)"
            ) from error


async def renew(peers: Peers, tls: PeerTls) -> None:
    """Read the certificates again whenever their files change, until cancelled."""
    identity = TlsIdentity(tls.certificate, tls.key, tls.ca)
    stamp = pki.file_stamp(identity)
    while True:
        await asyncio.sleep(CERTIFICATE_CHECK_S)
        now = pki.file_stamp(identity)
        if now != stamp:
            stamp = now
            try:
                peers.reload_tls()
            except (OSError, ValueError) as error:
                _log.warning("new certificate for members refused, the old one stays: %s", error)
            else:
                _log.info("certificate for members renewed")


async def publish(node: Node, name: str, client_urls: Callable[[], tuple[str, ...]]) -> None:
    """Have all members know what this one is called and where clients find it. It takes a quorum."""
    while not _is_published(node.machine.members.find(node.member_id), name, client_urls()):
        if node.has_leader and has_begun(node):
            try:
                await node.propose(MemberPublish(node.member_id, name, client_urls()), lambda _: None)
            except Fault as error:
                _log.info("not yet among the members: %s", error)
        await asyncio.sleep(PUBLISH_PAUSE_S)


async def follow_leader(node: Node, peers: Peers, gate: Gate, joined: asyncio.Future[None]) -> None:
    """Keep a gate open while the member is part of the cluster and somebody leads it.

    Raises:
        StartError: The member was removed.
    """
    while not (node.replica.is_removed or _is_disowned(node, peers)):
        if node.has_leader and joined.done():
            gate.open()
        else:
            gate.close()
        await asyncio.sleep(LOOK_S if joined.done() else PUBLISH_PAUSE_S)
    if node.replica.is_removed:
        gate.close()
        await node.wait_until(lambda: not node.is_leader, LINGER_ELECTIONS * node.transfer_s)
        await asyncio.sleep(LINGER_ELECTIONS * node.transfer_s)
    raise StartError(
        "chainfire: this member was removed from the cluster for good; empty its state folder and let it join again as "
        "a new one (chainfire member add)"
    )


def _is_disowned(node: Node, peers: Peers) -> bool:
    """Whether others say that this member was removed, of which it has not heard itself."""
    if node.has_leader:
        return False
    others = (NodeId(each.member_id) for each in node.machine.members.all() if each.member_id != node.member_id)
    return any(peers.problem(other)[1] is Refusal.REMOVED for other in others)


def _is_published(member: Member | None, name: str, client_urls: tuple[str, ...]) -> bool:
    return member is not None and (member.name, member.client_urls) == (name, client_urls)
