"""Who runs the cluster: adds learners, promotes them, removes members, compacts the history, ends the NOSPACE alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chainfire.core.commands import (
    AlarmAction,
    AlarmSet,
    Compact,
    MemberAdd,
    MemberCommand,
    MemberPromote,
    MemberRemove,
)
from chainfire.core.membership import Member as Listed
from chainfire.core.replica import Replica
from sim.chainfire.clients import Place
from sim.chainfire.member import Member, Token
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.words import NodeId

LOOK_MS = (300, 1500)
"""How often the operator does something, least and most."""
MEMBERS_MAX = 7
IN_SYNC = 0.9
"""Part of the leader's log that a learner must have to be promoted: etcd's."""


class OperatedPlace(Place, Protocol):
    """What is operated.

    Attributes:
        compacted: The highest revision up to which the history was to be forgotten.
        members: Everybody who was ever started.
    """

    compacted: int
    members: dict[NodeId, Member]

    def all_members(self) -> list[Member]:
        """Every member that was not retired."""
        ...

    def add_member(self, node: NodeId, listed: tuple[Listed, ...]) -> None:
        """Start a member with an empty disk, which joins."""
        ...


@dataclass(slots=True)
class Operator:
    """Does one thing after the other until the run closes."""

    place: OperatedPlace
    next_node: int

    def begin(self) -> None:
        """Do something after a while."""
        self.place.clock.call_later(self.place.random.randint(*LOOK_MS), self._act)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        leader = next((member for member in self.place.all_members() if member.leads and not member.is_stalled), None)
        if leader is not None and leader.replica is not None:
            if self.place.random.random() < 0.4:  # noqa: PLR2004 - less often than not
                self._compact(leader)
            elif self.place.settings.changes_members:
                self._change(leader, leader.replica)
            self._end_alarm(leader, leader.replica)
        self.begin()

    def _compact(self, leader: Member) -> None:
        keep = self.place.random.choice((0, 5, 40))

        def ask(replica: Replica[Token]) -> None:
            if replica.machine.revision - keep > replica.machine.store.compact_revision:
                self.place.compacted = max(self.place.compacted, replica.machine.revision - keep)
                replica.propose(Compact(replica.machine.revision - keep), lambda _: leader.sweep())

        leader.take(ask)

    def _end_alarm(self, leader: Member, replica: Replica[Token]) -> None:
        """Make room, then end the alarm, as a person would."""
        if replica.machine.alarms:
            self._compact(leader)
            for node, alarm in sorted(replica.machine.alarms):
                command = AlarmSet(AlarmAction.DEACTIVATE, node, alarm)
                leader.take(lambda found, command=command: found.propose(command, lambda _: None))  # type: ignore[misc]

    def _change(self, leader: Member, replica: Replica[Token]) -> None:
        """The next step of a member's life."""
        listed = replica.machine.members.all()
        missing = [each for each in listed if NodeId(each.member_id) not in self.place.members]
        learners = [each for each in listed if each.is_learner]
        if missing:
            self.place.add_member(NodeId(missing[0].member_id), listed)
        elif learners and self.place.random.random() < 0.8:  # noqa: PLR2004 - mostly
            self._promote(leader, replica, NodeId(learners[0].member_id))
        elif len(listed) < MEMBERS_MAX and not learners and self.place.random.random() < 0.6:  # noqa: PLR2004 - a little more often
            self._add(leader)
        else:
            self._remove(leader, replica, NodeId(self.place.random.choice(listed).member_id))

    def _add(self, leader: Member) -> None:
        node = NodeId(self.next_node)
        self.next_node += 1
        added = Listed(node, f"m{node}", (f"http://m{node}",), is_learner=True)
        self._propose(leader, events.NodeChange(events.ChangeKind.ADD_LEARNER, node), MemberAdd(added))

    def _promote(self, leader: Member, replica: Replica[Token], node: NodeId) -> None:
        progress = replica.raft.progress().get(node)
        if progress is not None and progress.match >= replica.raft.last_index * IN_SYNC:
            self._propose(leader, events.NodeChange(events.ChangeKind.ADD_VOTER, node), MemberPromote(node))

    def _remove(self, leader: Member, replica: Replica[Token], node: NodeId) -> None:
        voters = replica.raft.config.voters - {node}
        alive = [member for member in self.place.all_members() if member.node in voters and member.replica is not None]
        if len(alive) > len(voters) // 2:
            self._propose(leader, events.NodeChange(events.ChangeKind.REMOVE, node), MemberRemove(node))

    def _propose(self, leader: Member, change: events.NodeChange, command: MemberCommand) -> None:
        def ask(replica: Replica[Token]) -> None:
            try:
                replica.propose_change((change,), command, lambda result: self.place.note(f"{command}: {result}"))
            except Fault as refusal:
                self.place.note(f"{command} is refused: {refusal}")

        leader.take(ask)
