"""What only the leader can answer, asked by any member: leases, and changes of who the members are."""

from __future__ import annotations

import asyncio
from typing import Protocol, assert_never

from chainfire.core import calls, entry
from chainfire.core.calls import CallKind, Roster
from chainfire.core.commands import (
    MemberAdd,
    MemberCommand,
    MemberPromote,
    MemberPublish,
    MemberRemove,
    MemberUpdate,
)
from chainfire.core.hashes import Hashed
from chainfire.core.keyvalue import LeaseId
from chainfire.errors import NoLeaderError, RequestTimeoutError
from chainfire.shell.hashing import hash_of
from chainfire.shell.node import Node
from ultracloud.base.faults import Fault, InvalidArgumentError, UnavailableError
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.words import NOBODY, NodeId

RETRY_S = 0.05
"""Between attempts while nobody leads."""
REMOVED_S = 1.0
"""Within this a member that was removed hears of it, if it ever does."""
APPLIED_S = 1.0
"""How long an answer waits until this member shows a change that is made."""
SYNC_ENTRIES_MAX = 1000
"""A learner this many entries behind is in sync: it has them within the next moments."""
SYNC_PART = 0.9
"""Or one that has this part of the log: etcd's measure."""


class Caller(Protocol):
    """The way to ask another member; `chainfire.shell.peers.Peers` is one."""

    async def call(self, to: NodeId, kind: int, body: bytes, timeout_s: float) -> bytes:
        """Ask, and wait for the answer; raises a Fault."""
        ...


class Questions:
    """Asks the leader, and answers as the leader.

    Args:
        node: This member.
        caller: The way to the others; None if there are none.
        strict: Refuse changes of members that endanger the quorum.
    """

    def __init__(self, node: Node, caller: Caller | None, *, strict: bool = True) -> None:
        self._node = node
        self._caller = caller
        self._strict = strict

    async def renew(self, lease: LeaseId) -> int:
        """Give a lease its whole time again; its seconds, or 0 if it is gone. Raises as `confirm`."""
        return calls.parse_number(await self._ask(CallKind.RENEW, calls.render_lease(lease)))

    async def time_left(self, lease: LeaseId) -> tuple[int, int]:
        """Milliseconds a lease has left, NO_SUCH_LEASE if there is none, and the seconds it was granted."""
        return calls.parse_pair(await self._ask(CallKind.TIME_LEFT, calls.render_lease(lease)))

    async def change(self, command: MemberCommand) -> None:
        """Change who the members are, and wait until that is so here.

        Raises:
            EtcdError: It is refused.
            UnavailableError: Nobody leads, or no answer came.
        """
        if isinstance(command, MemberUpdate | MemberPublish):
            await self._node.propose(command, lambda _: None)
            return
        try:
            index = calls.parse_number(await self._ask(CallKind.CHANGE_MEMBERS, entry.encode(command)))
        except UnavailableError:
            # Nobody answers a member that has just had itself removed.
            is_mine = isinstance(command, MemberRemove) and command.member == self._node.member_id
            if not (is_mine and await self._node.wait_until(lambda: self._node.replica.is_removed, REMOVED_S)):
                raise
            return
        # Not by a read: the new members may need one that has not started yet.
        await self._node.wait_until(lambda: self._node.machine.applied_index >= index, APPLIED_S)

    async def answer(self, _sender: NodeId, kind: int, body: bytes) -> bytes:
        """Answer a question of another member, or of one that is to be.

        Raises:
            Fault: What it is told instead.
        """
        try:
            known = CallKind(kind)
        except ValueError:
            raise InvalidArgumentError(f"question {kind} is not known here; is the other member newer?") from None
        if known is CallKind.MEMBERS:
            return calls.render_roster(Roster(self._node.cluster_id, self._node.machine.members.all()))
        try:
            if known is CallKind.HASH:
                return calls.render_hash(await self._hash_at(calls.parse_number(body)))
            if not self._node.is_leader:
                raise NoLeaderError
            return await self._lead(known, body)
        except calls.MalformedCallError as error:
            raise InvalidArgumentError(str(error)) from error

    async def _ask(self, kind: CallKind, body: bytes) -> bytes:
        """Ask whoever leads, again while the leader changes."""
        node = self._node
        end_s = asyncio.get_running_loop().time() + node.replica.timeout_ms / 1000
        while True:
            left_s = end_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                raise RequestTimeoutError
            try:
                if node.is_leader:
                    return await self._lead(kind, body)
                if self._caller is not None and node.leader != NOBODY:
                    return await self._caller.call(node.leader, kind, body, left_s)
            except UnavailableError as error:
                # Only what may be asked twice is asked again, or what the other side says it has not begun.
                if kind is CallKind.CHANGE_MEMBERS and not isinstance(error, NoLeaderError):
                    raise
            await asyncio.sleep(RETRY_S)

    async def _lead(self, kind: CallKind, body: bytes) -> bytes:
        """Answer as the leader."""
        match kind:
            case CallKind.RENEW:
                return calls.render_number(await self._renew(calls.parse_lease(body)))
            case CallKind.TIME_LEFT:
                # Or a new leader that has yet to apply what others have answered would know of no such lease.
                await self._be_sure()
                return self._time_left(calls.parse_lease(body))
            case CallKind.CHANGE_MEMBERS:
                await self._change(_member_command(body))
                return calls.render_number(self._node.machine.applied_index)
            case CallKind.MEMBERS | CallKind.HASH:
                raise AssertionError(kind)
            case _:
                assert_never(kind)

    async def _hash_at(self, revision: int) -> Hashed:
        """Checksum at a revision that the leader has, as soon as this member has it too."""
        await self._node.wait_until(lambda: self._node.revision >= revision, APPLIED_S)
        return await hash_of(self._node, revision)

    async def _renew(self, lease: LeaseId) -> int:
        """As the leader, give a lease its whole time again, as every leader after this one will know."""
        await self._be_sure()
        replica = self._node.replica
        while (clearing := replica.before_renewal(lease)) is not None:
            await self._node.propose(clearing, lambda _: None)
            if not self._node.is_leader:
                raise NoLeaderError
        return replica.renew(lease)

    async def _be_sure(self) -> None:
        """Make sure that this member still leads: another leader may have let a lease die."""
        confirmed = self._node.confirm()
        if confirmed is not None:
            await confirmed
        if not self._node.is_leader:
            raise NoLeaderError

    def _time_left(self, lease: LeaseId) -> bytes:
        node = self._node
        found = node.machine.leases.find(lease)
        left_ms = node.replica.expiry.remaining_ms(lease, node.replica.clock_ms)
        if found is None or left_ms is None:
            return calls.render_pair(calls.NO_SUCH_LEASE, 0)
        return calls.render_pair(left_ms, found.ttl_s)

    async def _change(self, command: MemberCommand) -> None:
        node = self._node
        await self._be_sure()
        members = node.machine.members
        match command:
            case MemberAdd(member):
                members.check_add(member, len(self._answering()), strict=self._strict)
                kind = ChangeKind.ADD_LEARNER if member.is_learner else ChangeKind.ADD_VOTER
                change = NodeChange(kind, NodeId(member.member_id))
            case MemberRemove(member_id):
                members.check_remove(member_id, self._answering(), strict=self._strict)
                change = NodeChange(ChangeKind.REMOVE, NodeId(member_id))
            case MemberPromote(member_id):
                members.check_promote(member_id, is_in_sync=self._is_in_sync(NodeId(member_id)))
                change = NodeChange(ChangeKind.ADD_VOTER, NodeId(member_id))
            case MemberUpdate() | MemberPublish():
                raise InvalidArgumentError("this change of members needs no leader")
            case _:
                assert_never(command)
        result = await node.propose_change((change,), command)
        if isinstance(result, Fault):
            raise result

    def _answering(self) -> list[int]:
        """Voters that have answered lately, this one included."""
        raft = self._node.replica.raft
        progress = raft.progress()
        return [
            node
            for node in raft.config.voters
            if node == self._node.member_id or (node in progress and progress[node].is_active)
        ]

    def _is_in_sync(self, member: NodeId) -> bool:
        raft = self._node.replica.raft
        progress = raft.progress().get(member)
        if progress is None or progress.match == 0 or not progress.is_active:
            # One that was never started would take the quorum of a short log with it.
            return False
        return progress.match >= raft.commit * SYNC_PART or raft.commit - progress.match <= SYNC_ENTRIES_MAX


def _member_command(body: bytes) -> MemberCommand:
    try:
        command = entry.decode(body)
    except entry.MalformedEntryError as error:
        raise calls.MalformedCallError(str(error)) from error
    if not isinstance(command, MemberAdd | MemberRemove | MemberPromote | MemberUpdate | MemberPublish):
        raise calls.MalformedCallError(f"a {type(command).__name__} is no change of members")
    return command
