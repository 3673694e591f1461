"""A member with an empty log, among others: has it never taken part, or has it lost what it promised?

One that has lost its log may not vote again under its old id: it would help to elect a leader that lacks what it once
said it had, and answered writes would be gone. Its own folder cannot tell, but the others can: whoever has taken part
has published where clients find it. So they are asked when a folder is empty, and again before anything of Raft is
taken from them, because at the first question they may have been down.

Source: etcd 3.5 as observed, which asks once at its start (`member ... has already been bootstrapped`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chainfire.core import calls
from chainfire.core.calls import CallKind, Roster
from chainfire.core.membership import Member
from chainfire.shell.node import Node
from chainfire.shell.peers import PeerTls, ask
from chainfire.shell.recovery import FIRST_INDEX, Founding
from ultracloud.base.faults import Fault
from ultracloud.raft.messages import Message
from ultracloud.raft.words import NodeId
from ultracloud.servicekit.errors import StartError

FIRST_ASK_S = 2.0
"""For all members together: where a cluster begins they are not there yet, and nobody should wait long for that."""
ASK_S = 5.0
HELD_MESSAGES_MAX = 64
"""Messages of one member that wait until it has answered; Raft repeats what is dropped."""

Ask = Callable[[NodeId, int, bytes, float], Awaitable[bytes]]


class Newcomer:
    """Lets messages in to a member whose log is empty.

    Args:
        node: The member.
        call: Asks another one.
        tasks: Where questions run; one that finds out the worst ends them all.
    """

    def __init__(self, node: Node, call: Ask, tasks: asyncio.TaskGroup) -> None:
        self._node = node
        self._call = call
        self._tasks = tasks
        self._trusted: set[NodeId] = set()
        self._held: dict[NodeId, list[Message]] = {}

    def admitted(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages that may be taken now; others are held until their senders have answered."""
        if has_begun(self._node):
            return messages
        taken: list[Message] = []
        for message in messages:
            sender = message.sender
            if sender in self._trusted:
                taken.append(message)
                continue
            held = self._held.get(sender)
            if held is None:
                held = self._held[sender] = []
                self._tasks.create_task(self._ask(sender), name=f"ask {sender:x} who we are")
            if len(held) < HELD_MESSAGES_MAX:
                held.append(message)
        return taken

    async def _ask(self, sender: NodeId) -> None:
        """Ask one member, and take what is held of it.

        Raises:
            StartError: It knows that we have taken part before.
        """
        node = self._node
        try:
            roster = calls.parse_roster(await self._call(sender, CallKind.MEMBERS, b"", ASK_S))
        except (Fault, calls.MalformedCallError):
            # Its next message asks again.
            del self._held[sender]
            return
        if not has_begun(node):
            refuse_known(roster, node.cluster_id, node.member_id)
        self._trusted.add(sender)
        node.receive(self._held.pop(sender))


def has_begun(node: Node) -> bool:
    """Whether the member has anything of the log, which from then on is on its disk. Only then it publishes itself."""
    return node.machine.applied_index > FIRST_INDEX


async def refuse_if_known(founding: Founding, tls: PeerTls | None) -> None:
    """Ask all other members whether this one, whose folder is empty, has taken part before.

    Raises:
        StartError: One of them says so. Those that cannot be reached say nothing.
    """
    urls = [url for each in founding.members if each.member_id != founding.member_id for url in each.peer_urls]
    rosters = await asyncio.gather(*(_roster_at(url, tls) for url in urls))
    for roster in rosters:
        if roster is not None:
            refuse_known(roster, founding.cluster_id, founding.member_id)


def refuse_known(roster: Roster, cluster_id: int, member_id: int) -> None:
    """Refuse to begin as a member that has begun before, by what another one says.

    Raises:
        StartError: It has.
    """
    if roster.cluster_id != cluster_id:
        # The handshake of members says so, every time they meet.
        return
    found = next((each for each in roster.members if each.member_id == member_id), None)
    if found is None:
        raise StartError(
            f"chainfire: member {member_id:x} is not in the cluster, which runs without it: it was removed; add it "
            "again as a new one (chainfire member add), and start it with the configuration that this prints"
        )
    if found.client_urls:
        raise StartError(
            f"chainfire: member {member_id:x} has already been bootstrapped: the cluster knows it as {_shown(found)}, "
            "but its state folder is empty. What it had promised is lost, so it may not vote again under its old id; "
            f"run 'chainfire member replace {found.name}' against another member, empty the folder, and start it with "
            "the configuration that this prints"
        )


async def _roster_at(url: str, tls: PeerTls | None) -> Roster | None:
    try:
        return calls.parse_roster(await ask(url, CallKind.MEMBERS, b"", FIRST_ASK_S, tls))
    except (Fault, calls.MalformedCallError):
        return None


def _shown(member: Member) -> str:
    return f"'{member.name}' at {' '.join(member.client_urls)}"
