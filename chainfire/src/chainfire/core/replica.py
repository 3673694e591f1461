"""One member without its disk, its network and its clock: what the log, the state and the leases do together.

Whoever drives it tells it what happened (`propose`, `read`, `receive`, `tick`, `persisted` ...), then calls `begin`,
stores and sends what that gives, and calls `finish`, which applies what is committed and says who is answered. The
server and the simulation drive the same class, so what the simulation finds out holds for the server.

An entry's body begins with its proposer and a number that the proposer never uses twice. So whoever proposed a command,
leader or follower, answers it when it applies it, whatever leaders came and went in between; and what a leader lost is
proposed again, once it is certain that it is lost.

Source: the Raft dissertation, chapter 6 (clients); etcd 3.5 for what a lease outlives and which answers a timeout has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Generic

from chainfire.core import entry
from chainfire.core.commands import Command, LeaseCheckpoint, LeaseRevoke, MemberCommand, MemberRemove, plain
from chainfire.core.expiry import Expiry
from chainfire.core.keyvalue import NO_LEASE, LeaseId
from chainfire.core.machine import Machine
from chainfire.core.results import LeaseGranted, Result
from chainfire.core.work import (
    BATCH_BYTES_MAX,
    BATCH_COMMANDS_MAX,
    COMPACT_STEP,
    ELAPSED_MS_MAX,
    HEAD,
    HEAD_BYTES,
    IN_DOUBT,
    KEPT_BYTES,
    KEPT_ENTRIES,
    PENDING_COMMANDS_MAX,
    READ_RETRY_MS,
    READ_ROUNDS_MAX,
    READS_MAX,
    REQUEST_BYTES_MAX,
    TIMEOUT_MS,
    WAITING_BYTES_MAX,
    WAITING_COMMANDS_MAX,
    Outcome,
    Pending,
    Round,
    Store,
    TokenT,
    Work,
)
from chainfire.errors import (
    LeaderFailedTimeoutError,
    RequestTimeoutError,
    RequestTooLargeError,
    TooManyRequestsError,
    UnhealthyClusterError,
)
from ultracloud.base.faults import Fault
from ultracloud.raft import config as raft_config
from ultracloud.raft import events
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.raft import Raft
from ultracloud.raft.turns import Role
from ultracloud.raft.words import NOBODY, Config, Entry, EntryKind, HardState, NodeId, SnapshotMark


class Replica(Generic[TokenT]):
    """One member.

    Args:
        me: Its id.
        machine: Its state, as far as the snapshot goes that `raft` was restored with.
        raft: Its part in the log.
        first_number: Where its own numbers begin: more than 2^32 away from those of its earlier lives.

    Attributes:
        machine: The state.
        raft: The log; to be looked at only.
        expiry: Deadlines of leases, while it leads.
        state: The newest hard state.
        applied_term: Term of the last entry applied.
        clock_ms: Its own time: it goes with the ticks and stands still while the process does.
        leader_changes: How often somebody else, or somebody again, led.
        is_removed: It is no member any more.
    """

    def __init__(self, me: NodeId, machine: Machine, raft: Raft, applied_term: int, first_number: int) -> None:
        self.me = me
        self.machine = machine
        self.raft = raft
        self.expiry = Expiry()
        self.state = HardState(raft.term, raft.vote, raft.commit)
        self.applied_term = applied_term
        self.clock_ms = 0
        self.leader_changes = 0
        self.is_removed = False
        self.request_bytes_max = REQUEST_BYTES_MAX
        self.timeout_ms = TIMEOUT_MS
        self.reads_max = READS_MAX
        self.kept_entries = KEPT_ENTRIES
        self.compact_step = COMPACT_STEP
        self._leader = raft.leader
        self._leads_term = 0
        self._next_number = first_number
        self._events: list[events.Event] = []
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._pending: dict[int, Pending[TokenT]] = {}
        self._change: int | None = None
        # Storing: one record under way, what comes after it, and what may be said once it is durable.
        self._under_way = 0
        self._to_number = 0
        self._to_store: list[Entry] = []
        self._to_mark: SnapshotMark | None = None
        self._promised: deque[tuple[int, tuple[Message, ...]]] = deque()
        self._outbox: list[Message] = []
        # Applying.
        self._committed: deque[Entry] = deque()
        self._config = raft.config
        self._incoming: dict[int, Machine] = {}
        self._compacted = machine.applied_index
        self._kept: deque[tuple[int, int]] = deque()
        self._kept_bytes = 0
        # Reading.
        self._reading = 0
        self._asking: list[tuple[TokenT, int]] = []
        self._rounds: dict[int, Round[TokenT]] = {}
        self._readable: list[tuple[int, list[tuple[TokenT, int]]]] = []
        self._next_round = 1
        self._outcome: Outcome[TokenT] = Outcome()
        self._revoking: set[LeaseId] = set()
        # Leases that got their time since the last tick: what passed before is in the next one, and not theirs.
        self._fresh: set[LeaseId] = set()
        # Leases with a checkpoint of this leader on its way through the log.
        self._checkpointing: set[LeaseId] = set()
        self._has_begun_to_lead = False

    @property
    def is_leader(self) -> bool:
        """Whether it leads, as far as it knows."""
        return self.raft.role is Role.LEADER

    @property
    def has_leader(self) -> bool:
        """Whether it knows who leads."""
        return self.raft.leader != NOBODY

    @property
    def is_alone(self) -> bool:
        """Whether it decides alone: then what it has applied is all there is, and it may read without asking."""
        config = self.raft.config
        return (
            self.applied_term == self.raft.term and self.is_leader and len(config.voters) == 1 and not config.outgoing
        )

    @property
    def pending(self) -> int:
        """Commands without an answer."""
        return len(self._pending)

    @property
    def is_storing(self) -> bool:
        """Whether a `Store` is under way."""
        return self._under_way != 0

    @property
    def waiting(self) -> int:
        """Commands that wait for the log."""
        return len(self._waiting)

    @property
    def mark(self) -> SnapshotMark:
        """What a snapshot of the present state stands for."""
        return SnapshotMark(self.machine.applied_index, self.applied_term, self.config)

    @property
    def config(self) -> Config:
        """Who takes part, as of the last entry applied."""
        return self._config

    def propose(self, command: Command, token: TokenT | None) -> None:
        """Have a command logged; `token` is answered with its result once it is applied here.

        Raises:
            RequestTooLargeError: It is over `request_bytes_max`.
            TooManyRequestsError: Too much waits already.
        """
        number = self._next_number
        body = HEAD.pack(self.me, number) + entry.encode(command)
        size = len(body)
        if size - HEAD_BYTES > self.request_bytes_max:
            raise RequestTooLargeError
        if (
            self._waiting_bytes + size > WAITING_BYTES_MAX
            or len(self._waiting) >= WAITING_COMMANDS_MAX
            or len(self._pending) >= PENDING_COMMANDS_MAX
        ):
            raise TooManyRequestsError
        self._next_number = number + 1
        self._pending[number] = Pending(token, command, body, self.clock_ms + self.timeout_ms, self.raft.leader)
        self._waiting.append((number, body))
        self._waiting_bytes += size

    def propose_change(self, changes: Sequence[events.NodeChange], command: MemberCommand, token: TokenT) -> None:
        """Have a change of members logged, which only the leader can, one at a time.

        Raises:
            UnhealthyClusterError: It does not lead, or another change is not done.
        """
        if not self.is_leader or self._change is not None:
            raise UnhealthyClusterError
        number = self._next_number
        self._next_number = number + 1
        context = HEAD.pack(self.me, number) + entry.encode(command)
        self._pending[number] = Pending(token, command, b"", self.clock_ms + self.timeout_ms, self.me, self.raft.term)
        self._change = number
        self._events.append(events.ProposeConfig(tuple(changes), context))

    def read(self, token: TokenT) -> None:
        """Answer `token` when the state here has everything that was answered anywhere before now.

        Raises:
            TooManyRequestsError: Too many wait already.
        """
        if self._reading >= self.reads_max:
            raise TooManyRequestsError
        self._reading += 1
        self._asking.append((token, self.clock_ms + self.timeout_ms))

    def receive(self, messages: Iterable[Message]) -> None:
        """Take messages of other members."""
        self._events.extend(messages)

    def receive_snapshot(self, install: Install, machine: Machine) -> None:
        """Take a leader's state, all of which has arrived and is durable; it counts if the log still needs it."""
        self._incoming[install.mark.index] = machine
        self._events.append(install)

    def persisted(self, number: int) -> None:
        """What `Store` number `number` asked for is durable."""
        assert number == self._under_way, (number, self._under_way)
        self._under_way = 0
        self._events.append(events.Persisted(number))
        while self._promised and self._promised[0][0] <= number:
            self._outbox += self._promised.popleft()[1]

    def tell(
        self, event: events.TransferLeader | events.Campaign | events.Unreachable | events.Gone | events.SnapshotSent
    ) -> None:
        """Tell the log something else."""
        self._events.append(event)

    def tick(self, elapsed_ms: int) -> None:
        """Let a tick pass, in which `elapsed_ms` passed on the clock."""
        self.clock_ms += min(elapsed_ms, ELAPSED_MS_MAX)
        self._events.append(events.Tick())
        if self.is_leader:
            self._count_from_now()
            self._expire_leases()
        self._give_up()
        for number, reading in list(self._rounds.items()):
            if self.clock_ms - reading.asked_ms >= READ_RETRY_MS:
                del self._rounds[number]
                self._asking = reading.tokens + self._asking

    def renew(self, lease: LeaseId) -> int:
        """As the leader, give a lease its whole time again; its seconds, or 0 if it is gone.

        The caller has made sure, by a `read`, that it still leads: nobody else has let the lease die. And that
        `before_renewal` asks for nothing.
        """
        found = self.machine.leases.find(lease)
        if lease == NO_LEASE or found is None or not self.expiry.renew(lease, self.clock_ms):
            return 0
        self._fresh.add(lease)
        return found.ttl_s

    def before_renewal(self, lease: LeaseId) -> LeaseCheckpoint | None:
        """What must be logged and applied before a lease is renewed, None if nothing.

        Otherwise the next leader would count from a checkpoint and let a lease die early that was told to live.
        """
        found = self.machine.leases.find(lease)
        if found is None or not (found.remaining_s or lease in self._checkpointing):
            return None
        return LeaseCheckpoint(((lease, 0),))

    def begin(self) -> Work:
        """Say what must be stored and sent now."""
        if self._events:
            taken, self._events = self._events, []
            self._take(self.raft.step(*taken))
        # Afterwards, since what may be proposed depends on who leads by now.
        asked = [*self._proposals(), *self._round()]
        if asked:
            self._take(self.raft.step(*asked))
        if not self._under_way and not self._to_number:
            while self._promised:
                self._outbox += self._promised.popleft()[1]
        messages, self._outbox = tuple(self._outbox), []
        return Work(messages, self._next_store())

    def finish(self) -> Outcome[TokenT]:
        """Apply what is committed, at most BATCH_COMMANDS_MAX entries, and say who is answered."""
        outcome, self._outcome = self._outcome, Outcome()
        committed = self._committed
        if committed:
            self._apply(outcome)
            self._compact()
        outcome.has_more = bool(committed)
        applied = self.machine.applied_index
        while self._readable and self._readable[0][0] <= applied:
            outcome.reads += [(token, None) for token, _ in self._readable.pop(0)[1]]
        self._reading -= len(outcome.reads)
        return outcome

    def _proposals(self) -> list[events.Event]:
        """Hand commands to the log: a leader's while nothing is being stored, so that they gather meanwhile."""
        waiting = self._waiting
        if not waiting or not self.raft.accepts_proposals or (self.is_leader and self._under_way):
            return []
        bodies: list[bytes] = []
        size = 0
        while waiting and size < BATCH_BYTES_MAX and len(bodies) < BATCH_COMMANDS_MAX:
            number, body = waiting.popleft()
            self._waiting_bytes -= len(body)
            asked = self._pending.get(number)
            if asked is None:
                # It was given up while it waited.
                continue
            if asked.token is None and not self.is_leader:
                # What a leader did by itself is no longer its to do: another one may have renewed the lease.
                self._drop(number)
                continue
            asked.term = self.raft.term
            size += len(body)
            bodies.append(body)
        return [events.Propose(tuple(bodies))] if bodies else []

    def _round(self) -> list[events.Event]:
        """Ask the cluster once for all reads that wait."""
        if not self._asking or len(self._rounds) >= READ_ROUNDS_MAX or not self.has_leader:
            return []
        context, self._next_round = self._next_round, self._next_round + 1
        self._rounds[context] = Round(self._asking, self.clock_ms)
        self._asking = []
        return [events.Read(context)]

    def _take(self, ready: events.Ready) -> None:
        """Note what the log wants."""
        if ready.hard_state is not None:
            self.state = ready.hard_state
        if ready.snapshot is not None:
            self._install(ready.snapshot)
        self._incoming.clear()
        if ready.entries:
            self._add_entries(ready.entries)
        if ready.must_sync:
            self._to_number = ready.number
        if ready.promises:
            self._promised.append((ready.number, ready.promises))
        self._outbox += ready.messages
        self._committed += ready.committed
        self._take_reads(ready)
        if ready.is_change_refused:
            self._refuse_change()
        self._note_leader()

    def _take_reads(self, ready: events.Ready) -> None:
        """Note which rounds of reads are answered, and ask again those that were lost."""
        for each in ready.reads:
            found = self._rounds.pop(each.context, None)
            if found is not None:
                self._readable.append((each.index, found.tokens))
        for context in ready.lost_reads:
            lost = self._rounds.pop(context, None)
            if lost is not None:
                self._asking = lost.tokens + self._asking

    def _add_entries(self, entries: tuple[Entry, ...]) -> None:
        """Add entries to what is to be stored; they replace what is there from the first one's index on."""
        kept = self._to_store
        if kept and entries[0].index <= kept[-1].index:
            del kept[max(0, entries[0].index - kept[0].index) :]
        kept.extend(entries)

    def _install(self, mark: SnapshotMark) -> None:
        """Become what a leader's snapshot holds."""
        incoming = self._incoming[mark.index]
        assert incoming.applied_index == mark.index, (incoming.applied_index, mark)
        self.machine.take_over(incoming)
        self.applied_term = mark.term
        self._compacted = mark.index
        self._kept.clear()
        self._kept_bytes = 0
        self._config = mark.config
        for asked in self._pending.values():
            if 0 < asked.term <= mark.term:
                # The snapshot may hold it: it is answered if it is applied here, and never proposed again.
                asked.term = IN_DOUBT
        self._committed.clear()
        self._to_store.clear()
        self._to_mark = mark
        self._outcome.is_installed = True

    def _next_store(self) -> Store | None:
        if self._under_way or not self._to_number:
            return None
        store = Store(self._to_number, self.state, tuple(self._to_store), self._to_mark)
        self._under_way, self._to_number = self._to_number, 0
        self._to_store, self._to_mark = [], None
        return store

    def _apply(self, outcome: Outcome[TokenT]) -> None:
        me, pending, apply = self.me, self._pending, self.machine.apply
        # The log's configuration is that of the last entry it gave. If it has changed all of them are applied, so that
        # a snapshot never says who took part later.
        is_changed = self.raft.config is not self._config
        self._config = self.raft.config
        batch = list(islice(self._committed, None if is_changed else BATCH_COMMANDS_MAX))
        for each in batch:
            self._committed.popleft()
            index, body = each.index, each.body
            if each.kind is EntryKind.CONFIG:
                body = raft_config.parse(body)[1]
            if not body:
                self.machine.skip(index)
                continue
            proposer, number = HEAD.unpack_from(body)
            asked = pending.pop(number, None) if proposer == me else None
            command = entry.decode(body[HEAD_BYTES:]) if asked is None else asked.command
            result: Result | Fault
            try:
                result = apply(index, command)
            except Fault as refusal:
                # A refusal is the command's result on every member.
                result = refusal
            self._note(command, result, number)
            if asked is None:
                continue
            if asked.token is None:
                self._undo_quietly(asked.command)
            else:
                outcome.answers.append((asked.token, result))
        outcome.applied += len(batch)
        size = sum([len(each.body) for each in batch])
        self._kept.append((batch[-1].index, size))
        self._kept_bytes += size
        if batch[-1].term > self.applied_term:
            self.applied_term = batch[-1].term
            self._propose_again()

    def _propose_again(self) -> None:
        """Propose anew what earlier leaders lost.

        A command is logged in the term it was handed over in or never, and an entry of a later term is applied: what
        was logged before is applied too. So nothing can happen twice.
        """
        again: list[tuple[int, bytes]] = []
        for number, asked in list(self._pending.items()):
            if not 0 < asked.term < self.applied_term:
                continue
            if number == self._change:
                self._refuse_change()
            elif asked.token is None:
                self._drop(number)
            else:
                asked.term = 0
                again.append((number, asked.body))
                self._waiting_bytes += len(asked.body)
        self._waiting.extendleft(reversed(again))

    def _drop(self, number: int) -> None:
        """Forget what a leader did by itself."""
        asked = self._pending.pop(number)
        self._undo_quietly(asked.command)

    def _note(self, command: Command, result: Result | Fault, number: int) -> None:
        """Keep what goes with the state: deadlines, and changes of members."""
        if isinstance(result, LeaseGranted):
            if self.is_leader:
                self.expiry.add(result.lease, result.ttl_s, self.clock_ms)
                self._fresh.add(result.lease)
        elif isinstance(asked := plain(command), LeaseRevoke):
            if self.machine.leases.find(asked.lease) is None:
                self.expiry.remove(asked.lease)
            self._revoking.discard(asked.lease)
        elif isinstance(asked, MemberRemove):
            self.is_removed = self.is_removed or asked.member == self.me
        if number == self._change:
            self._change = None

    def _compact(self) -> None:
        """Forget entries that no member needs from memory any more."""
        applied, config = self.machine.applied_index, self.config
        if len(config.voters) == 1 and not config.outgoing and not config.learners:
            kept = applied
        else:
            kept = applied - self.kept_entries
            if self._kept_bytes > KEPT_BYTES:
                kept = max(kept, self._kept[0][0])
        if kept - self._compacted >= self.compact_step or self._kept_bytes > KEPT_BYTES:
            self._compacted = kept
            while self._kept and self._kept[0][0] <= kept:
                self._kept_bytes -= self._kept.popleft()[1]
            self._events.append(events.Compact(kept))

    def _note_leader(self) -> None:
        """Take over or give up what only a leader does."""
        leader = self.raft.leader
        if leader not in (NOBODY, self._leader):
            self.leader_changes += 1
        self._leader = leader
        if self.is_leader and self._leads_term != self.raft.term:
            self._leads_term = self.raft.term
            self._revoking.clear()
            self._fresh.clear()
            self._checkpointing.clear()
            self._has_begun_to_lead = True
            self.expiry.lead(self.machine.leases.all(), self.clock_ms)
        elif not self.is_leader and self._leads_term:
            self._leads_term = 0
            self.expiry.rest()

    def _count_from_now(self) -> None:
        """Count the time of leases that got theirs since the last tick from this one, or a long tick shortens it."""
        if self._has_begun_to_lead:
            self._has_begun_to_lead = False
            self.expiry.lead(self.machine.leases.all(), self.clock_ms)
        for lease in self._fresh:
            self.expiry.renew(lease, self.clock_ms)
        self._fresh.clear()

    def _expire_leases(self) -> None:
        """Revoke leases whose time is up. Only a leader's own log takes it: it is not forwarded."""
        for lease in self.expiry.expired(self.clock_ms):
            if lease not in self._revoking:
                self._revoking.add(lease)
                self._propose_quietly(LeaseRevoke(lease))
        for remaining in self.expiry.checkpoints(self.clock_ms):
            self._propose_quietly(LeaseCheckpoint(remaining))

    def _propose_quietly(self, command: Command) -> None:
        """Propose what nobody waits for; if there is no room, a later tick tries again."""
        if isinstance(command, LeaseCheckpoint):
            self._checkpointing.update(lease for lease, _ in command.remaining)
        try:
            self.propose(command, None)
        except TooManyRequestsError:
            self._undo_quietly(command)

    def _undo_quietly(self, command: Command) -> None:
        """What a leader does by itself is no longer under way."""
        if isinstance(command, LeaseRevoke):
            self._revoking.discard(command.lease)
        elif isinstance(command, LeaseCheckpoint):
            self._checkpointing.difference_update(lease for lease, _ in command.remaining)

    def _refuse_change(self) -> None:
        asked = self._pending.pop(self._change, None) if self._change is not None else None
        self._change = None
        if asked is not None and asked.token is not None:
            self._outcome.answers.append((asked.token, UnhealthyClusterError()))

    def _give_up(self) -> None:
        """Answer what has waited too long; it may still happen."""
        pending, now = self._pending, self.clock_ms
        while pending:
            number = next(iter(pending))
            asked = pending[number]
            if asked.deadline_ms > now:
                break
            del pending[number]
            if number == self._change:
                self._change = None
            if isinstance(asked.command, LeaseRevoke):
                self._revoking.discard(asked.command.lease)
            if asked.token is not None:
                self._outcome.answers.append((asked.token, self._late(asked.led_by)))
        if self._asking and self._asking[0][1] <= now:
            late = [token for token, deadline_ms in self._asking if deadline_ms <= now]
            self._asking = [each for each in self._asking if each[1] > now]
            self._outcome.reads += [(token, RequestTimeoutError()) for token in late]

    def _late(self, led_by: NodeId) -> Fault:
        return RequestTimeoutError() if self.raft.leader == led_by else LeaderFailedTimeoutError()
