"""Transactions over several regions: their steps are sent, and parts that nobody looks after are settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from flaredb.core.commands import Outcome, Txn
from flaredb.core.region import Epoch, Region, RegionId
from flaredb.core.region_entry import TxnId
from flaredb.core.region_txn import TXN_MS_MAX, Coordinator, Send, Settler, finisher_of, overdue
from flaredb.core.region_work import Answer
from flaredb.shell.cluster_lines import Start
from flaredb.shell.cluster_node import ClusterNode
from flaredb.shell.cluster_router import Router
from ultracloud.base.faults import Fault
from ultracloud.raft.words import Config, NodeId
from ultracloud.servicekit.clock import Clock

TXN_ID_BYTES = 16
LOOK_S = 0.5
"""Between two looks for parts that are locked for long."""
NOWHERE = Region(RegionId(0), b"", b"", Epoch(0, 0), (), Config(), NodeId(0))
"""Stands for a region of which nothing is known yet: nobody has it, so whoever is sent there asks again."""

_log = logging.getLogger("flaredb.cluster")


class Transactions:
    """Runs transactions over several regions, and ends what others have left.

    Args:
        start: Runs a task for as long as the store does.
    """

    def __init__(self, node: ClusterNode, router: Router, clock: Clock, start: Start) -> None:
        self._node = node
        self._router = router
        self._clock = clock
        self._start = start
        self._settling: set[bytes] = set()

    async def run(self, txn: Txn) -> Outcome:
        """Run a transaction.

        Raises:
            OutcomeUnknownError: It may have happened, or not, or may still.
            Fault: Nothing was done.
        """
        ends_at_ms = self._clock.monotonic_ms() + TXN_MS_MAX
        txn_id = TxnId(self._clock.entropy(TXN_ID_BYTES))
        coordinator = Coordinator(txn_id, txn, self._look_up, ends_at_ms)
        told: asyncio.Future[Outcome | Fault] = asyncio.get_running_loop().create_future()

        def answered(send: Send, answer: Answer) -> list[Send]:
            sends = coordinator.answered(send, answer, self._clock.monotonic_ms())
            if coordinator.outcome is not None and not told.done():
                told.set_result(coordinator.outcome)
            return sends

        # It unlocks what it has locked, also when the caller has gone.
        self._start(self._drive(coordinator.begin(), answered), "transaction over regions")
        outcome = await told
        if isinstance(outcome, Fault):
            raise outcome
        return outcome

    async def look_after(self) -> None:
        """Settle parts that are locked for long in the regions that this store leads, until cancelled."""
        while True:
            now_ms = self._clock.now_ms()
            for replica in [each for each in self._node.node.replicas.values() if each.is_leader]:
                intents, decisions = overdue(replica.locks, now_ms)
                for intent in intents:
                    settler = Settler(intent, self._look_up)
                    self._settle(b"part" + intent.txn, settler.begin, settler.answered)
                for decision in decisions:
                    finisher = finisher_of(decision, self._look_up)
                    self._settle(b"decision" + decision.txn, finisher.begin, finisher.answered)
            await self._clock.sleep(LOOK_S)

    def _settle(
        self, name: bytes, begin: Callable[[], list[Send]], answered: Callable[[Send, Answer], list[Send]]
    ) -> None:
        """End one, unless that is under way."""
        if name in self._settling:
            return
        self._settling.add(name)
        task = self._start(self._drive(begin(), answered), "settle a transaction")
        task.add_done_callback(lambda _: self._settling.discard(name))

    async def _drive(self, begin: Sequence[Send], answered: Callable[[Send, Answer], list[Send]]) -> None:
        """Send what is to be sent until nothing is."""
        running = {asyncio.create_task(self._send(send)) for send in begin}
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    running |= {asyncio.create_task(self._send(send)) for send in answered(*task.result())}
        finally:
            for task in running:
                task.cancel()

    async def _send(self, send: Send) -> tuple[Send, Answer]:
        """Send one step; a fault is its answer."""
        if send.delay_ms:
            await self._clock.sleep(send.delay_ms / 1000)
        try:
            return send, await self._router.step(send.region, send.step)
        except Fault as fault:
            return send, fault

    def _look_up(self, encoded: bytes) -> Region:
        return self._router.region(encoded) or NOWHERE
