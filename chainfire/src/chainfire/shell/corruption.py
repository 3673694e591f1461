"""Comparing the members' keys now and then, by the leader.

Source: etcd 3.5's `--experimental-corrupt-check-time` as documented: what it compares, and the alarm it raises.
"""

from __future__ import annotations

import asyncio
import logging

from chainfire.core import calls
from chainfire.core.calls import CallKind
from chainfire.core.commands import Alarm, AlarmAction, AlarmSet
from chainfire.core.hashes import differing
from chainfire.shell.hashing import hash_of
from chainfire.shell.node import Node
from chainfire.shell.peers import Peers
from ultracloud.base.faults import Fault
from ultracloud.raft.words import NodeId

ASK_S = 60.0
"""For one member: a store of some gigabytes takes seconds."""
_log = logging.getLogger("chainfire.corruption")


class CorruptionCheck:
    """Raises the CORRUPT alarm for members whose keys differ, while this one leads.

    Args:
        node: This member.
        peers: The way to the others.
        every_s: How often.
    """

    def __init__(self, node: Node, peers: Peers, every_s: float) -> None:
        self._node = node
        self._peers = peers
        self._every_s = every_s

    async def run(self) -> None:
        """Compare now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            if self._node.is_leader:
                await self.compare()

    async def compare(self) -> list[int]:
        """Compare all members that answer; give those that differ, for whom the alarm is raised."""
        mine = await hash_of(self._node, 0)
        found = {self._node.member_id: mine}
        for member in self._node.machine.members.all():
            if member.member_id == self._node.member_id:
                continue
            try:
                told = await self._peers.call(
                    NodeId(member.member_id), CallKind.HASH, calls.render_number(mine.revision), ASK_S
                )
                found[member.member_id] = calls.parse_hash(told)
            except (Fault, calls.MalformedCallError) as error:
                _log.info("member %x is not compared: %s", member.member_id, error)
        odd = differing(found)
        for member_id in odd:
            _log.critical("the keys of member %x differ from the others' at revision %d", member_id, mine.revision)
            await self._node.propose(AlarmSet(AlarmAction.ACTIVATE, member_id, Alarm.CORRUPT), lambda _: None)
        return odd
