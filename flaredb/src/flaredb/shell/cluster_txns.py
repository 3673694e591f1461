"""Transactions over several regions: their steps are sent, and parts that nobody looks after are settled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from flaredb.core.commands import Outcome, Txn
from flaredb.core.region import Epoch, Region, RegionId
from flaredb.core.region_entry import TXN_RANDOM_BYTES, Forget, TxnId, txn_id
from flaredb.core.region_txn import TXN_MS_MAX, Coordinator, Finisher, Send, Settler, finisher_of, overdue
from flaredb.core.region_work import Answer, Done
from flaredb.shell.cluster_lines import Start
from flaredb.shell.cluster_node import ClusterNode, Route
from flaredb.shell.cluster_router import Router
from ultracloud.base.faults import Fault
from ultracloud.raft.words import Config, NodeId
from ultracloud.servicekit.clock import Clock

LOOK_S = 0.5
"""Between two looks for parts that are locked for long."""
COUNT_BYTES = 3
"""Of a transaction's name: they count; the others are drawn once a process, since to draw them costs more than all else
of a name. In one millisecond no process begins so many."""
FORGET_S = 0.05
"""Decisions that are needed no more are gathered for so long: each would be a step of its own."""
NOWHERE = Region(RegionId(0), b"", b"", Epoch(0, 0), (), Config(), NodeId(0))
"""Stands for a region of which nothing is known yet: nobody has it, so whoever is sent there asks again."""

Answered: TypeAlias = Callable[[Send, Answer], list[Send]]
"""A machine that is told what became of what it wanted to be sent, and says what to send now."""


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
        self._salt, self._count = clock.entropy(TXN_RANDOM_BYTES - COUNT_BYTES), 0
        self._settling: set[bytes] = set()
        self._forgotten: dict[tuple[RegionId, Epoch], list[TxnId]] = {}

    async def run(self, txn: Txn) -> Outcome:
        """Run a transaction.

        Raises:
            OutcomeUnknownError: It may have happened, or not, or may still.
            Fault: Nothing was done.
        """
        told: asyncio.Future[Outcome | Fault] = asyncio.get_running_loop().create_future()

        def settle(found: Outcome | Fault) -> None:
            if not told.done():
                told.set_result(found)

        # It unlocks what it has locked, also when the caller has gone.
        self.begin(txn, settle)
        outcome = await told
        if isinstance(outcome, Fault):
            raise outcome
        return outcome

    def begin(self, txn: Txn, told: Callable[[Outcome | Fault], None]) -> None:
        """The same for a caller that is told; once, and perhaps before this returns."""
        ends_at_ms = self._clock.monotonic_ms() + TXN_MS_MAX
        self._count = (self._count + 1) % (1 << 8 * COUNT_BYTES)
        name = txn_id(self._node.now_ms(), self._salt + self._count.to_bytes(COUNT_BYTES, "big"))
        coordinator = Coordinator(name, txn, self._look_up, ends_at_ms)
        is_told = False

        def answered(send: Send, answer: Answer) -> list[Send]:
            nonlocal is_told
            sends = coordinator.answered(send, answer, self._clock.monotonic_ms())
            if coordinator.outcome is not None and not is_told:
                is_told = True
                told(coordinator.outcome)
            return sends

        self._go_on(coordinator.begin(), answered)

    async def look_after(self) -> None:
        """Settle parts that are locked for long in the regions that this store leads, until cancelled."""
        while True:
            now_ms = self._node.now_ms()
            for replica in [each for each in self._node.node.replicas.values() if each.is_leader]:
                intents, decisions = overdue(replica.locks, now_ms)
                for intent in intents:
                    self._settle(b"part" + intent.txn, Settler(intent, self._look_up))
                for decision in decisions:
                    self._settle(b"decision" + decision.txn, finisher_of(decision, self._look_up))
            await self._clock.sleep(LOOK_S)

    def _settle(self, name: bytes, machine: Settler | Finisher) -> None:
        """End one, unless that is under way."""
        if name in self._settling:
            return
        self._settling.add(name)

        def answered(send: Send, answer: Answer) -> list[Send]:
            sends = machine.answered(send, answer)
            if machine.is_done:
                self._settling.discard(name)
            return sends

        self._go_on(machine.begin(), answered)

    def _go_on(self, sends: Sequence[Send], answered: Answered) -> None:
        """Send what is to be sent; what is sent here needs no task of its own, which costs more than the step."""
        for send in sends:
            if isinstance(send.step, Forget):
                self._forget_later(send.region, send.step)
                self._go_on(answered(send, Done()), answered)
            elif send.delay_ms or not self._router.leads(send.region):
                self._start(self._carry(send, answered), "step of a transaction")
            else:
                self._ask(send, answered)

    def _forget_later(self, region: Region, step: Forget) -> None:
        """Have decisions forgotten, those of one region together; what is missed is found when it is overdue."""
        key = region.region, region.epoch
        if key in self._forgotten:
            self._forgotten[key].extend(step.txns)
            return
        self._forgotten[key] = list(step.txns)

        async def forget() -> None:
            await self._clock.sleep(FORGET_S)
            with contextlib.suppress(Fault):
                await self._router.step(region, Forget(tuple(self._forgotten.pop(key))))

        self._start(forget(), "forget decisions")

    def _ask(self, send: Send, answered: Answered) -> None:
        """Have one step done here."""

        def told(answer: Answer | int) -> None:
            assert not isinstance(answer, int)
            if isinstance(answer, Fault):
                self._router.note(send.region, answer)
            self._go_on(answered(send, answer), answered)

        try:
            self._node.ask_step(Route(send.region.region, send.region.epoch), send.step, told)
        except Fault as fault:
            told(fault)

    async def _carry(self, send: Send, answered: Answered) -> None:
        """Send one step, wherever it is to be done; a fault is its answer."""
        if send.delay_ms:
            await self._clock.sleep(send.delay_ms / 1000)
        answer: Answer
        try:
            answer = await self._router.step(send.region, send.step)
        except Fault as fault:
            answer = fault
        self._go_on(answered(send, answer), answered)

    def _look_up(self, encoded: bytes) -> Region:
        return self._router.region(encoded) or NOWHERE
