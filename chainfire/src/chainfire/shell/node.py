"""One member: turns of the loop in which what came is taken, stored, sent, applied and answered.

Everything here runs on the loop; only the disk is waited for in a thread. A turn takes everything that came since the
last one, so the busier the member, the larger the batches and the fewer the syncs and messages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from chainfire.core import render
from chainfire.core.checks import TXN_OPERATIONS_MAX
from chainfire.core.commands import Alarm, AlarmAction, AlarmSet, Command, Compact, MemberCommand
from chainfire.core.compaction import AutoCompaction, Policy
from chainfire.core.machine import Machine, adds
from chainfire.core.membership import Membership
from chainfire.core.replica import Replica
from chainfire.core.results import Result
from chainfire.core.watch import WatchHub, WatchStream
from chainfire.core.work import Outcome
from chainfire.errors import NoSpaceError, StoppedError
from chainfire.shell.housekeeping import Housekeeping
from chainfire.shell.logthread import LogThread
from chainfire.shell.recovery import FIRST_INDEX, Recovered
from chainfire.shell.segments import LogBrokenError
from chainfire.shell.storing import Storing
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.words import NodeId

LOOK_S = 0.5
"""How often it is looked for what seldom has anything to do."""
STOP_S = 1.0
"""How long what was taken may still take when the member stops."""
GATHER_S = 0.0001
"""How long an idle disk waits for callers that were answered together to come back together. A sync takes longer, and
one sync for ten callers is quicker for all of them than one for the first and another for the rest."""
ANSWER_MS = 5000
"""etcd's: how long a request may take besides two elections."""
LEADERLESS_ELECTIONS = 3
"""etcd's: streams of clients that asked for a leader end after this many election timeouts without one."""
NUMBERS = 1 << 32
"""Commands of one life of a member: its first number is a random multiple of this."""
_log = logging.getLogger("chainfire.node")

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large things may get, and how often things happen.

    Attributes:
        quota_bytes: Stored bytes from which on the NOSPACE alarm is raised; 0 is no bound.
        snapshot_log_bytes: Log written since the last snapshot that asks for the next one, or that snapshot's own size
            if it is more: then no more than half of what is written is snapshots.
        compaction: What is kept for watches and past reads.
        progress_s: Seconds between progress answers to watches that asked for them.
        tick_ms: Milliseconds of a tick: leaders are heard once in it.
        election_ticks: Ticks without a leader after which one is elected.
        request_bytes_max: Of one request.
        txn_operations_max: Operations of one txn.
    """

    quota_bytes: int
    snapshot_log_bytes: int
    compaction: Policy
    progress_s: float
    tick_ms: int
    election_ticks: int
    request_bytes_max: int
    txn_operations_max: int = TXN_OPERATIONS_MAX


class Sender(Protocol):
    """The way to other members; `chainfire.shell.peers.Peers` is one."""

    def send(self, messages: Iterable[Message], /) -> None:
        """Send, or lose; never wait."""
        ...

    def update(self, members: Mapping[NodeId, Sequence[str]], removed: Collection[NodeId], /) -> None:
        """Know who the members are, where, and who is none any more."""
        ...


class Nobody:
    """The way to other members, of whom there are none."""

    def send(self, messages: Iterable[Message], /) -> None:
        """Lose them."""

    def update(self, members: Mapping[NodeId, Sequence[str]], removed: Collection[NodeId], /) -> None:
        """Nobody is to be known."""


class _Asked(NamedTuple):
    """Who waits for a command, and how its result is answered."""

    answer: asyncio.Future[Any]
    render: Callable[[Result], Any]


class _Reader(NamedTuple):
    """Who waits for a read, and how it is answered once it may look."""

    answer: asyncio.Future[Any]
    render: Callable[[], Any]


Token = _Asked | _Reader


class Node:
    """One member.

    Attributes:
        cluster_id: Of all members together.
        member_id: Of this one.
        headers: Renders response headers.
        peers: The way to the other members.
        send_snapshot: Called with each `Install` that is to be sent, with the state.
        has_leader: This member knows who leads. Every call asks for this and the next two, so they are kept by turn.
        is_alone: See `Replica.is_alone`.
        is_learner: This member receives the log without a vote.
        is_leaderless: Nobody has led for LEADERLESS_ELECTIONS elections.
        has_past: There was anything of the log on the disk when it started.
    """

    def __init__(
        self,
        folder: Path,
        state: Recovered,
        bounds: Bounds,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.machine = state.machine
        self.cluster_id = state.cluster_id
        self.member_id = state.member_id
        self.has_past = bool(state.restored.entries) or state.mark.index > FIRST_INDEX
        self.bounds = bounds
        raft = Raft(
            NodeId(state.member_id),
            Options(election_ticks=bounds.election_ticks),
            state.restored,
            lambda ceiling: int.from_bytes(entropy(8), "big") % ceiling,
        )
        first_number = int.from_bytes(entropy(4), "big") * NUMBERS
        self.replica: Replica[Token] = Replica(
            NodeId(state.member_id), state.machine, raft, state.mark.term, first_number
        )
        self.replica.request_bytes_max = bounds.request_bytes_max
        self.replica.timeout_ms = ANSWER_MS + 2 * bounds.election_ticks * bounds.tick_ms
        self.headers = render.HeaderRenderer(state.cluster_id, state.member_id, raft.term)
        self.hub = WatchHub(self.machine.store)
        self.peers: Sender = Nobody()
        self.send_snapshot: Callable[[Install], None] = _nobody_joins
        self._log = state.log
        self._now_ms = now_ms
        self._thread = LogThread()
        self.storing = Storing(state.log, self._thread, self._stored, state.restored.hard_state)
        self.housekeeping = Housekeeping(folder, state, self.replica, self._thread, bounds.snapshot_log_bytes)
        self._compaction = AutoCompaction(bounds.compaction)
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._last_batch = 0
        self._gathered = 0
        self._gather_until_s = 0.0
        self._is_stopping = False
        self._tells: dict[WatchStream, Callable[[], None]] = {}
        self._raising: set[Alarm] = set()
        self._is_room_missed = False
        self._progress_ms = self._led_ms = now_ms()
        self.is_leaderless = False
        self._note_standing()
        self._members_shown: tuple[Membership, int] | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def revision(self) -> int:
        """The store's newest revision."""
        return self.machine.store.revision

    @property
    def term(self) -> int:
        """The term of the log."""
        return self.replica.raft.term

    @property
    def leader(self) -> NodeId:
        """Who leads, as far as this member knows; 0 is nobody."""
        return self.replica.raft.leader

    @property
    def is_leader(self) -> bool:
        """Whether it is this one."""
        return self.replica.is_leader

    @property
    def transfer_s(self) -> float:
        """How long a change of leaders may take: an election."""
        return self.bounds.election_ticks * self.bounds.tick_ms / 1000

    @property
    def streams(self) -> Collection[WatchStream]:
        """The streams of watches that are open."""
        return self._tells.keys()

    @property
    def log_bytes(self) -> int:
        """Bytes logged since the start."""
        return self._log.bytes_appended

    def propose(self, command: Command, answer: Callable[[Result], AnswerT]) -> asyncio.Future[AnswerT]:
        """Have a command logged and applied, and answer with what `answer` makes of its result.

        Raises:
            NoSpaceError: It adds to a store that is over its quota.
            StoppedError: The server is stopping.
            EtcdError: As `Replica.propose`.
        """
        if self.machine.alarms:
            # Here and not only when it is applied: what is left of a full disk is for what frees space.
            self.machine.refuse_under_alarm(command)
        quota = self.bounds.quota_bytes
        if quota and self.machine.store.stored_bytes > quota and adds(command):
            self.raise_alarm(Alarm.NOSPACE)
            raise NoSpaceError
        if self._is_stopping:
            raise StoppedError
        future: asyncio.Future[AnswerT] = self._loop.create_future()
        self.replica.propose(command, _Asked(future, answer))
        self._wake()
        return future

    def propose_change(self, changes: tuple[events.NodeChange, ...], command: MemberCommand) -> asyncio.Future[Result]:
        """As the leader, have a change of members logged and applied; raises as `Replica.propose_change`."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self.replica.propose_change(changes, command, _Asked(future, _itself))
        self._wake()
        return future

    def read(self, answer: Callable[[], AnswerT]) -> asyncio.Future[AnswerT]:
        """Answer with what `answer` reads once that is linearizable.

        The future raises RequestTimeoutError if the members do not answer, or what `answer` raises of Faults.
        """
        future: asyncio.Future[AnswerT] = self._loop.create_future()
        self.replica.read(_Reader(future, answer))
        self._wake()
        return future

    def confirm(self) -> asyncio.Future[None] | None:
        """Make sure that what is read here next is linearizable; None if it already is. Raises as `read`."""
        return None if self.is_alone else self.read(_nothing)

    def tell(
        self, event: events.TransferLeader | events.Campaign | events.Unreachable | events.Gone | events.SnapshotSent
    ) -> None:
        """Tell the log something."""
        self.replica.tell(event)
        self._wake()

    def receive(self, messages: Iterable[Message]) -> None:
        """Take messages of other members."""
        self.replica.receive(messages)
        self._wake()

    def install(self, install: Install, machine: Machine) -> None:
        """Take a leader's state, all of which has arrived and is durable. Nobody may be walking the history now."""
        self.replica.receive_snapshot(install, machine)
        self._turn()

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `condition`, of leader, term, members or what is applied, holds; False if it does not in time."""
        end_s = self._loop.time() + timeout_s
        while not condition():
            turned: asyncio.Future[None] = self._loop.create_future()
            self._waiters.add(turned)
            try:
                async with asyncio.timeout_at(end_s):
                    await turned
            except TimeoutError:
                return condition()
            finally:
                self._waiters.discard(turned)
        return True

    def raise_alarm(self, alarm: Alarm) -> None:
        """Raise an alarm of this member, unless it is raised or about to be."""
        if (self.member_id, alarm) not in self.machine.alarms and alarm not in self._raising:
            _log.warning("alarm %s is raised; free space, then disarm it", alarm.name)
            self._raising.add(alarm)
            command = AlarmSet(AlarmAction.ACTIVATE, self.member_id, alarm)
            self._propose_quietly(command, partial(self._raising.discard, alarm))

    def troubles(self) -> list[str]:
        """Why writes are refused or wait now, one sentence each."""
        found = [f"memberID:{member} alarm:{alarm.name} " for member, alarm in sorted(self.machine.alarms)]
        if not self.has_leader:
            found.append("etcdserver: no leader")
        if self.storing.is_full:
            found.append("the disk is full; free some space")
        return found

    def open_stream(self, tell: Callable[[], None]) -> WatchStream:
        """A new stream of watches; `tell`, which raises nothing, is called when it has something to take."""
        stream = WatchStream(self.hub)
        self._tells[stream] = tell
        return stream

    def close_stream(self, stream: WatchStream) -> None:
        """End a stream and its watches."""
        stream.close()
        del self._tells[stream]

    async def run_ticks(self) -> None:
        """Let time pass for the log and the leases, until cancelled."""
        interval_s, last_ms = self.bounds.tick_ms / 1000, self._now_ms()
        due_s = self._loop.time()
        while True:
            due_s = max(due_s + interval_s, self._loop.time())
            await asyncio.sleep(due_s - self._loop.time())
            now_ms = self._now_ms()
            self.replica.tick(now_ms - last_ms)
            last_ms = now_ms
            self._turn()

    async def run_housekeeping(self) -> None:
        """Do what is due now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._report_progress(self._now_ms())
            self._note_leaderless(self._now_ms())
            self._compact_history(self._now_ms())
            if not self._log.has_room:
                self._thread.submit(self._make_spare)

    async def stop(self) -> None:
        """Take no more commands, answer those that were taken, and close the log."""
        self._is_stopping = True
        await self.wait_until(lambda: not self.replica.pending, STOP_S)
        target = self._successor()
        if target is not None:
            self.tell(events.TransferLeader(target))
            await self.wait_until(lambda: not self.is_leader, self.transfer_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                # A full disk is never done, and nothing of what it did not take was promised.
                await self.storing.wait_idle()
        self.storing.seal()
        self._thread.stop()
        self._log.close()

    def _successor(self) -> NodeId | None:
        """Who leads when this member stops; None if it does not lead, or nobody answers."""
        raft = self.replica.raft
        if not self.is_leader:
            return None
        there = [
            (each.match, node)
            for node, each in raft.progress().items()
            if node != self.member_id and each.is_active and node in raft.config.voters
        ]
        return max(there)[1] if there else None

    def _wake(self) -> None:
        """Have a turn at the end of this turn of the loop: all that it reads goes into one batch."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._gathered = 0
            self._gather_until_s = time.monotonic() + GATHER_S
            self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        """Have the turn, unless the batch is smaller than the last one and every turn of the loop still adds to it."""
        replica = self.replica
        count = replica.waiting
        if (
            self._gathered < count < self._last_batch
            and not replica.is_storing
            and time.monotonic() < self._gather_until_s
        ):
            self._gathered = count
            self._loop.call_soon(self._gather)
            return
        self._turn()

    def _stored(self, number: int) -> None:
        self.replica.persisted(number)
        self._turn()

    def _turn(self) -> None:
        """Take what came, store and send, apply and answer."""
        self._is_scheduled = False
        try:
            work = self.replica.begin()
            if work.store is not None:
                self._last_batch = len(work.store.entries)
                self.storing.store(work.store)
            if work.messages:
                self._send(work.messages)
            outcome = self.replica.finish()
            self._answer(outcome)
        except BaseException as error:
            # A callback's error would only be logged, and a state that is half changed would go on serving.
            self.storing.crash(error)
            raise
        if outcome.has_more:
            self._wake()

    def _send(self, messages: Iterable[Message]) -> None:
        """Hand messages to the way to the others; a state is streamed beside them."""
        plain: list[Message] = []
        for each in messages:
            if isinstance(each, Install):
                self.send_snapshot(each)
            else:
                plain.append(each)
        self.peers.send(plain)

    def _answer(self, outcome: Outcome[Token]) -> None:
        for token, result in outcome.answers:
            assert isinstance(token, _Asked), token
            future, answer = token
            if future.done():
                continue
            if isinstance(result, Fault):
                future.set_exception(result)
            else:
                future.set_result(answer(result))
        for reader, refusal in outcome.reads:
            assert isinstance(reader, _Reader), reader
            _answer_read(reader, refusal)
        if outcome.is_installed:
            self.hub.restart(self._tells)
            for tell in self._tells.values():
                tell()
        if outcome.applied or outcome.is_installed:
            self._publish()
        self._note_changes()

    def _publish(self) -> None:
        """Give what a batch changed to the watches."""
        for stream in self.hub.publish(self.machine.store.take_changes()):
            self._tells[stream]()
        if self._log.has_room:
            self._is_room_missed = False
        elif not self._is_room_missed:
            # There is one segment left. It is for what frees space.
            self._is_room_missed = True
            self.raise_alarm(Alarm.NOSPACE)

    def _note_standing(self) -> None:
        """Keep what calls ask of this member's place among the others: nothing but a turn changes it."""
        self.has_leader, self.is_alone = self.replica.has_leader, self.replica.is_alone
        member = self.machine.members.find(self.member_id)
        self.is_learner = member is not None and member.is_learner

    def _note_changes(self) -> None:
        """Tell whoever waits that leader, term, members or what is applied have changed."""
        replica = self.replica
        self._note_standing()
        self.headers.begin_term(replica.raft.term)
        members = self.machine.members
        shown = (members, members.version)
        if shown != self._members_shown:
            self._members_shown = shown
            others = (each for each in members.all() if each.member_id != self.member_id)
            self.peers.update(
                {NodeId(each.member_id): each.peer_urls for each in others}, [NodeId(each) for each in members.removed]
            )
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _note_leaderless(self, now_ms: int) -> None:
        """Once nobody has led for some elections, tell the streams: those who asked for a leader are told."""
        if self.has_leader:
            self._led_ms = now_ms
        self.is_leaderless = now_ms - self._led_ms > LEADERLESS_ELECTIONS * self.transfer_s * 1000
        if self.is_leaderless:
            for tell in self._tells.values():
                tell()

    def _report_progress(self, now: int) -> None:
        if now - self._progress_ms >= self.bounds.progress_s * 1000:
            self._progress_ms = now
            for stream, tell in self._tells.items():
                if stream.tick_progress():
                    tell()

    def _compact_history(self, now_ms: int) -> None:
        store = self.machine.store
        if self.is_leader:
            target = self._compaction.due(store.revision, store.compact_revision, now_ms)
            if target:
                self._propose_quietly(Compact(target))

    def _make_spare(self) -> None:
        """In the log's thread: make the next segment ahead, if there is room by now; the alarm goes on if there is not.

        Only who has just tried may raise it: one who frees space and disarms it at once would see it come back.
        """
        try:
            if not self._log.make_spare():
                self._loop.call_soon_threadsafe(self.raise_alarm, Alarm.NOSPACE)
        except LogBrokenError as error:
            _log.error("no segment can be made ahead: %s", error)

    def _propose_quietly(self, command: Command, ended: Callable[[], None] | None = None) -> None:
        """Propose what nobody waits for; if it is refused, a later look tries again."""
        try:
            self.replica.propose(command, _Asked(future := self._loop.create_future(), _itself))
        except Fault as refusal:
            _log.info("%s was not logged: %s", type(command).__name__, refusal)
            if ended is not None:
                ended()
            return
        future.add_done_callback(lambda done: _end_quietly(done, ended))
        self._wake()


def _answer_read(reader: _Reader, refusal: Fault | None) -> None:
    future, answer = reader
    if future.done():
        return
    if refusal is not None:
        future.set_exception(refusal)
        return
    try:
        future.set_result(answer())
    except Fault as fault:
        future.set_exception(fault)


def _nothing() -> None:
    return None


def _itself(result: Result) -> Result:
    return result


def _nobody_joins(install: Install) -> None:
    raise AssertionError(install)


def _end_quietly(done: asyncio.Future[Result], ended: Callable[[], None] | None) -> None:
    if not done.cancelled() and done.exception() is not None:
        _log.info("a command of our own was refused: %s", done.exception())
    if ended is not None:
        ended()
