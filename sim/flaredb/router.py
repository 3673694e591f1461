"""What a store's process does for transactions over several regions, and for what nobody asks for: settling, history.

It runs the machines of `flaredb.core.region_txn` and carries their steps to leaders elsewhere. A step that does not
arrive was not done; of one whose answer is lost nobody knows. It dies with its store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from flaredb.core.commands import Outcome, Txn
from flaredb.core.engine import Engine
from flaredb.core.region import Region, RegionId, StoreId
from flaredb.core.region_entry import TXN_RANDOM_BYTES, Merging, TxnId, txn_id
from flaredb.core.region_errors import NotLeaderError, OutcomeUnknownError, RegionMovedError
from flaredb.core.region_history import HistoryKeeper
from flaredb.core.region_merge import Merger, MergeSend
from flaredb.core.region_node import RegionNode
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_txn import Coordinator, Finisher, Send, Settler, finisher_of, overdue
from flaredb.core.region_work import Answer
from sim.flaredb.place import Outside, Token
from ultracloud.base.faults import Fault, UnavailableError

TXN_MS = 2000
"""What a transaction may take until it is decided: clients wait a little longer."""
ANSWER_MS_MAX = 1500
"""After this an answer does not come any more."""
DELAY_MS_MAX = 4
LOST = 0.03
"""Part of the answers that do not arrive although the network works."""
LOOK_TICKS = 4
"""Ticks between two looks at what nobody looks after."""

Machine: TypeAlias = Coordinator | Finisher | Settler
Reply: TypeAlias = Callable[[Outcome | Fault], None]


@dataclass(slots=True)
class Router:
    """Of one life of a store.

    Attributes:
        store: Which.
        node: Its replicas.
        take: Has something done by the process of this store.
        is_alive: Whether this life goes on.
        skew_ms: How wrong its clock is.
    """

    outside: Outside
    store: StoreId
    node: RegionNode[Token]
    engine: Engine
    take: Callable[[Callable[[RegionNode[Token]], None]], None]
    is_alive: Callable[[], bool]
    keeper: HistoryKeeper
    skew_ms: int
    map: dict[RegionId, Region] = field(default_factory=dict)
    leaders: dict[RegionId, StoreId] = field(default_factory=dict)
    _settling: set[tuple[RegionId, TxnId]] = field(default_factory=set)
    _merging: set[RegionId] = field(default_factory=set)
    _ticks: int = 0

    def run(self, txn: Txn, reply: Reply) -> None:
        """Run a transaction over whatever regions it needs."""
        began_ms = self.outside.clock.now_ms() + self.skew_ms
        name = txn_id(began_ms, self.outside.random.randbytes(TXN_RANDOM_BYTES))
        coordinator = Coordinator(name, txn, self.look_up, self.now_ms() + TXN_MS)
        self.outside.note(f"s{self.store} runs {name.hex()[12:20]}: {txn}")
        self._start(coordinator, coordinator.begin(), reply, _nothing)

    def tick(self, now_ms: int) -> None:
        """Look after what nobody looks after."""
        self._ticks += 1
        if self._ticks % LOOK_TICKS:
            return
        for replica in list(self.node.replicas.values()):
            if replica.region.is_known:
                self._keep(replica, now_ms)
                if replica.is_leader:
                    self._settle(replica, now_ms)
                    if replica.merging.right:
                        merger = Merger.resume(replica.id, replica.merging)
                        self._merge(merger, replica.region, replica.merging)

    def merge(self, left: Region, right: Region) -> None:
        """Make two neighbours one, if that can be."""
        self._merge(Merger(left.region, right.region, right.epoch), left)

    def _merge(self, merger: Merger, left: Region, merging: Merging | None = None) -> None:
        """Drive a merge, one of a region at a time."""
        if left.region in self._merging:
            return
        self._merging.add(left.region)
        self.outside.note(f"s{self.store} merges region {left.region} with {merging or 'another'}")
        stores = [peer.store for peer in left.peers]

        def go_on(send: MergeSend | None) -> None:
            if send is None:
                self._merging.discard(left.region)
                self.outside.note(f"s{self.store} merged region {left.region}: {merger.outcome}")
                return
            answers: list[Answer] = []

            def answered(answer: Answer) -> None:
                if not answers and self.is_alive():
                    answers.append(answer)
                    self.outside.note(f"{send.step}: {answer}")
                    go_on(merger.answered(send, answer))

            def ask(node: RegionNode[Token], told: Callable[[Answer], None]) -> None:
                _guarded(lambda token: node.merge(send.region, send.step, token), told)

            to = self._leader_among(send.region, stores)
            self.outside.clock.call_later(send.delay_ms, lambda: self.bring(to, send.region, ask, answered))

        go_on(merger.begin(left, merging))

    def look_up(self, key: bytes) -> Region:
        """The region of an encoded key, as far as this store knows."""
        own = self.node.covering(key)
        found = [region for region in (own, *self.map.values()) if region is not None and region.covers(key)]
        if not found:
            found = [self.outside.look_up(key)]
            self._learn(found[0])
        return max(found, key=lambda region: region.epoch.version)

    def _keep(self, replica: RegionReplica[Token], now_ms: int) -> None:
        due = self.keeper.due(self.engine, replica.region, replica.applied, now_ms)
        if due is not None and replica.is_leader:
            try:
                self.node.keep(replica.id, due, lambda answer: self.outside.note(f"{due}: {answer}"))
            except Fault as fault:
                self.outside.note(f"{due}: {fault}")

    def _settle(self, replica: RegionReplica[Token], now_ms: int) -> None:
        """Finish what is left alone, each once at a time."""
        intents, decisions = overdue(replica.locks, now_ms)
        machines: list[tuple[TxnId, Settler | Finisher]] = [(each.txn, Settler(each, self.look_up)) for each in intents]
        machines += [(each.txn, finisher_of(each, self.look_up)) for each in decisions]
        for name, machine in machines:
            key = replica.id, name
            if key not in self._settling:
                self._settling.add(key)
                self.outside.note(f"s{self.store} settles {name.hex()[12:20]} of region {replica.id}")
                self._start(machine, machine.begin(), _untold, lambda key=key: self._settling.discard(key))

    def _start(self, machine: Machine, sends: list[Send], reply: Reply, done: Callable[[], None]) -> None:
        _Run(self, machine, reply, done).go_on(sends)

    def carry(self, send: Send, answered: Callable[[Answer], None]) -> None:
        """Bring a step to a leader."""

        def ask(node: RegionNode[Token], told: Callable[[Answer], None]) -> None:
            region, step = send.region, send.step
            _guarded(lambda token: node.step(region.region, region.epoch, step, token), told)

        self.bring(self._leader_of(send.region), send.region.region, ask, answered)

    def bring(
        self,
        to: StoreId,
        region: RegionId,
        ask: Callable[[RegionNode[Token], Callable[[Answer], None]], None],
        answered: Callable[[Answer], None],
    ) -> None:
        """Ask another store, and bring its answer back, if both get through; an answer may come twice."""
        outside, me = self.outside, self.store
        if not self.is_alive():
            return
        if to == me:
            self.take(lambda node: ask(node, answered))
            return
        if outside.find(me, to) is None:
            answered(UnavailableError("nobody listens"))
            return

        def back(answer: Answer) -> None:
            if outside.find(to, me) is not None and outside.random.random() >= LOST:
                outside.clock.call_later(outside.random.randint(0, DELAY_MS_MAX), lambda: answered(answer))

        def arrive() -> None:
            target = outside.find(me, to)
            if target is not None:
                target.take(lambda node: ask(node, back))

        outside.clock.call_later(outside.random.randint(0, DELAY_MS_MAX), arrive)
        outside.clock.call_later(ANSWER_MS_MAX, lambda: answered(OutcomeUnknownError(region)))

    def _leader_among(self, region: RegionId, stores: Sequence[StoreId]) -> StoreId:
        """Who leads a region that stands on these stores."""
        replica = self.node.replicas.get(region)
        leader = replica.leader_store if replica is not None else None
        return leader or self.outside.random.choice(stores)

    def _leader_of(self, region: Region) -> StoreId:
        """Who leads a region, as far as is known; somebody who may know otherwise."""
        replica = self.node.replicas.get(region.region)
        if replica is not None and replica.leader_store is not None:
            return replica.leader_store
        return self.leaders.get(region.region) or self.outside.random.choice(region.peers).store

    def note(self, region: Region, answer: Answer) -> None:
        """What an answer says of the map."""
        match answer:
            case RegionMovedError():
                self.map.pop(region.region, None)
                for each in answer.regions:
                    self._learn(each)
            case NotLeaderError():
                self.leaders.pop(region.region, None)
                if answer.leader is not None:
                    self.leaders[region.region] = answer.leader
            case Fault():
                self.leaders.pop(region.region, None)
                self.map.pop(region.region, None)
            case _:
                pass

    def _learn(self, region: Region) -> None:
        known = self.map.get(region.region)
        if known is None or known.epoch.version <= region.epoch.version:
            self.map[region.region] = region

    def now_ms(self) -> int:
        """What coordinators go by."""
        return self.outside.clock.now_ms()


@dataclass(slots=True)
class _Run:
    """One machine at work.

    Attributes:
        reply: None once the caller is answered.
    """

    router: Router
    machine: Machine
    reply: Reply | None
    done: Callable[[], None]

    def go_on(self, sends: list[Send]) -> None:
        """Do what the machine says; answer its caller as soon as it knows what."""
        machine, reply = self.machine, self.reply
        if isinstance(machine, Coordinator) and machine.outcome is not None and reply is not None:
            self.reply = None
            reply(machine.outcome)
        if machine.is_done:
            self.done()
        for send in sends:
            self._later(send)

    def _later(self, send: Send) -> None:
        outside, answers = self.router.outside, list[Answer]()

        def answered(answer: Answer) -> None:
            if not answers and self.router.is_alive():
                answers.append(answer)
                self._take(send, answer)

        wait_ms = send.delay_ms + outside.random.randint(0, DELAY_MS_MAX)
        outside.clock.call_later(wait_ms, lambda: self.router.carry(send, answered))

    def _take(self, send: Send, answer: Answer) -> None:
        machine = self.machine
        self.router.note(send.region, answer)
        if isinstance(machine, Coordinator):
            self.go_on(machine.answered(send, answer, self.router.now_ms()))
        else:
            self.go_on(machine.answered(send, answer))


def _guarded(ask: Callable[[Token], None], answered: Callable[[Answer], None]) -> None:
    """Ask a core, which answers now or later."""

    def told(answer: Answer | int) -> None:
        assert not isinstance(answer, int), answer
        answered(answer)

    try:
        ask(told)
    except Fault as fault:
        answered(fault)


def _untold(_outcome: Outcome | Fault) -> None:
    """Nobody waits."""


def _nothing() -> None:
    """Nobody waits."""
