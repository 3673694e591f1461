"""States that go to members: how often."""

import asyncio
from pathlib import Path
from typing import cast

from chainfire.shell.installing import FAILED_PAUSE_S, Installing
from chainfire.shell.node import Node
from chainfire.shell.peers import Peers
from ultracloud.raft.events import SnapshotSent
from ultracloud.raft.words import NodeId, SnapshotMark

OTHER, MARK = NodeId(2), SnapshotMark(9, 3)


class Listener:
    """Notes when it was told what."""

    def __init__(self) -> None:
        self.told: list[tuple[float, SnapshotSent]] = []

    def tell(self, event: SnapshotSent) -> None:
        self.told.append((asyncio.get_running_loop().time(), event))


def test_a_state_that_did_not_arrive_is_not_sent_again_at_once(tmp_path: Path) -> None:
    listener = Listener()

    async def scene() -> float:
        began_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            installing = Installing(cast("Node", listener), cast("Peers", None), tmp_path, tasks)
            installing.sent(OTHER, MARK, ok=True)
            installing.sent(OTHER, MARK, ok=False)
            assert len(listener.told) == 1
            await asyncio.sleep(FAILED_PAUSE_S + 0.1)
        return began_s

    began_s = asyncio.run(scene())
    assert [event.ok for _, event in listener.told] == [True, False]
    assert listener.told[1][0] - began_s >= FAILED_PAUSE_S
