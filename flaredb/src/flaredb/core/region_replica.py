"""One replica of a region without its disk, its network and its clock: Raft's log, and the rows it makes.

Whoever drives it tells it what happened (`propose`, `read`, `receive`, `tick`, `persisted` ...), calls `begin`, writes
the rows and sends the messages that this gives, then calls `finish`, which says who is answered. The rows of the state
and the index that they are as of go in one batch, after the log that they come from: a start goes on where the last
batch that survived ends. Server and simulation drive this same class.

Only a leader takes proposals. It knows each by the index and term of its entry, which no other entry can have: if an
entry of a later term is applied, what it logged before and did not see applied is lost for good.

Source: the Raft dissertation, chapter 6; "TiKV" (deep dive, "Multi-Raft") for epochs and splits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from flaredb.core.commands import EncodedKey
from flaredb.core.engine import Engine, Row
from flaredb.core.region import LOGICAL_BITS, NOTHING, RegionId
from flaredb.core.region_codec import parse, render
from flaredb.core.region_entry import NOT_MERGING, Batch, Decide, Prepare, Seal, Steps
from flaredb.core.region_errors import (
    NotLeaderError,
    OutcomeUnknownError,
    change_refused,
    clock_behind,
    locked,
    merging_now,
    not_now,
)
from flaredb.core.region_log import LogRows
from flaredb.core.region_parking import Close, Look
from flaredb.core.region_requests import RegionRequests
from flaredb.core.region_rows import Stored, hard_state_row, stored_entry
from flaredb.core.region_state import Born
from flaredb.core.region_work import (
    BATCH_BYTES_MAX,
    BATCH_GROUPS_MAX,
    CLOCK_AHEAD_MAX_MS,
    COMPACT_STEP,
    KEPT_ENTRIES,
    REQUEST_TICKS_MAX,
    SEAL_TICKS_MAX,
    STEPS_MAX,
    Answer,
    Blocked,
    Incoming,
    Logged,
    Proposal,
    Result,
    Sealed,
    StepAsked,
    TokenT,
    Work,
)
from flaredb.errors import overloaded
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.membership import members
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.options import Options
from ultracloud.raft.state import Draw
from ultracloud.raft.words import NOBODY, Entry, EntryKind, SnapshotMark


class RegionReplica(RegionRequests[TokenT]):
    """One replica.

    Args:
        stored: What its store has of it.
        engine: Where the rows are that it gave to be written; it only reads.
        options: Of Raft.
        draw: draw(n) gives a random number from 0 to n - 1.
        is_durable: Whether `stored` is; otherwise it is written in the batch of this turn, and nothing is promised
            before that is synced.

    Attributes:
        lonely_ticks: How long it has known of no leader.
        waits_for: Whose replica here must have come how far before the next entry can be applied.
    """

    def __init__(
        self, stored: Stored, engine: Engine, options: Options, draw: Draw, *, is_durable: bool = True
    ) -> None:
        super().__init__(stored, engine, options, draw, is_durable=is_durable)
        self.kept_entries = KEPT_ENTRIES
        self.compact_step = COMPACT_STEP
        self._engine = engine
        self._events: list[events.Event] = []
        self.lonely_ticks = 0
        # Storing: rows of this turn, which entries stand on the disk, and what may be said once they are durable.
        self._rows: list[Row] = []
        self._stored_log = LogRows(stored)
        self._unsynced = self._asked_to_sync = 0
        self._promised: deque[tuple[int, tuple[Message, ...]]] = deque()
        self._outbox: list[Message] = []
        # Applying.
        self._committed: deque[Entry] = deque()
        self._incoming: dict[int, Incoming] = {}
        self.waits_for: tuple[RegionId, int] | None = None
        # Who waits.
        self._change_index = 0
        self._has_unparked = False
        self._result: Result[TokenT] = Result()
        self._born: Born | None = None
        ready = self.raft.step()
        self._take(ready)
        if not is_durable:
            self._unsynced = ready.number

    @property
    def has_more(self) -> bool:
        """Whether there is more to apply: begin again soon."""
        return bool(self._committed) or self._has_unparked

    @property
    def mark(self) -> SnapshotMark:
        """What its present state stands for."""
        return SnapshotMark(self.staged.index, self.staged.term, self.region.config)

    def seal(self) -> tuple[RegionId, int] | None:
        """For which left neighbour it is sealed, or will be by what its log says, and the token of that one."""
        if self.merging.sealed:
            return self.merging.left, self.merging.sealed
        found = None
        for entry in self._stored_log.after(self._engine, self.id, self.staged.index):
            command = parse(entry.body) if entry.body and entry.kind is EntryKind.NORMAL else None
            if isinstance(command, Seal):
                found = command.left, command.token
        return found

    def catch_up(self, index: int) -> None:
        """Everything up to `index` is committed, as another region's log says, and stands in the log here."""
        known = self._committed[-1].index if self._committed else self.staged.index
        entries = (stored_entry(self._engine, self.id, each) for each in range(known + 1, index + 1))
        self._committed += entries

    def receive(self, messages: Iterable[Message]) -> None:
        """Take messages of other peers."""
        self._events.extend(messages)

    def receive_state(self, install: Install, incoming: Incoming) -> None:
        """Take a leader's state, all of which has arrived; it counts if the log still needs it."""
        self._incoming[install.mark.index] = incoming
        self._events.append(install)

    def tell(self, event: events.TransferLeader | events.Campaign | events.Unreachable | events.SnapshotSent) -> None:
        """Tell the log something else."""
        self._events.append(event)

    def persisted(self, number: int) -> None:
        """The rows of `Work` number `number`, and all before, are durable."""
        self._events.append(events.Persisted(number))
        if number == self._unsynced:
            self._unsynced = 0
        while self._promised and self._promised[0][0] <= number:
            self._outbox += self._promised.popleft()[1]

    def tick(self) -> None:
        """Let a tick pass."""
        self._tick += 1
        self.lonely_ticks = 0 if self.raft.leader != NOBODY else self.lonely_ticks + 1
        self._events.append(events.Tick())
        self._give_up()

    def begin(self, now_ms: int) -> Work:
        """Say what must be written and sent now.

        Args:
            now_ms: Wall time; what a leader logs now is evaluated at it, everywhere.
        """
        self._has_unparked = False
        before = self.region
        if self._events:
            taken, self._events = self._events, []
            self._take(self.raft.step(*taken))
        self._incoming.clear()
        # Before something is logged: who waited for a lock that is gone now goes with what comes.
        self._apply()
        if self.is_leader:
            self._log_something(now_ms)
        else:
            self._refuse_waiting()
        self._ask_round()
        self._answer_sealed()
        if self.region is not before:
            self.applied = NOTHING
        self._compact()
        messages, self._outbox = self._outbox, []
        rows_now, self._rows = self._rows, []
        installs = tuple(each for each in messages if isinstance(each, Install))
        others = tuple(each for each in messages if not isinstance(each, Install))
        number = self._unsynced if self._unsynced > self._asked_to_sync else 0
        self._asked_to_sync = max(self._asked_to_sync, number)
        return Work(tuple(rows_now), others, installs, number)

    def take_born(self) -> Born | None:
        """The right half of a split that the last `begin` applied: it begins in the same batch."""
        born, self._born = self._born, None
        return born

    def abandon(self) -> Result[TokenT]:
        """It is about to be dropped: answer everybody; what is logged may have happened elsewhere."""
        self._refuse_waiting()
        for logged in self._logged.values():
            self._answer(logged.tokens, OutcomeUnknownError(self.id))
        self._logged.clear()
        self._answer(tuple(each.token for each in self._parked.closes), not_now(self.id))
        self._answer(tuple(token for token, _ in self._sealing), OutcomeUnknownError(self.id))
        waiting = (*self._reads.drop(), *(each.asked.token for each in self._parked.reads))
        self._result.reads += [(token, not_now(self.id)) for token in waiting]
        return self._result

    def finish(self) -> Result[TokenT]:
        """Say who is answered. The rows of `begin` are written."""
        result, self._result = self._result, Result()
        self.applied = self.staged
        mark, given = self.staged.mark.version, self._state.given
        for asked in self._reads.take(self.staged.index):
            # Something that is acknowledged may be in a part that is not resolved here: see it, or wait.
            self._parked.reads.append(Look(asked, {each.txn for each in self.locks.changing(asked.sought)}))
        result.reads += [self._readable(look) for look in self._parked.take_reads(self.locks, given)]
        result.answers += [(token, ()) for token in self._parked.take_closes(mark)]
        return result

    def _readable(self, look: Look[TokenT]) -> tuple[TokenT, Fault | int]:
        asked = look.asked
        if self.merging.sealed:
            # Its left neighbour may have it by now, and something newer.
            return asked.token, merging_now(self.id)
        is_here = asked.version == self.region.epoch.version
        return asked.token, look.version if is_here else self._state.moved()

    def _log_something(self, now_ms: int) -> None:
        """Log changes one by one, and proposals as one entry; these gather while the disk has something to do."""
        while self._changes:
            event, epoch, token = self._changes.popleft()
            # The log may live by a change of members that is not applied here yet: this one was planned without it.
            # So one at a time, and none by a leader that has not applied what earlier ones have logged.
            is_ready = self.staged.term == self.raft.term and self.staged.index >= self._change_index
            is_late = epoch != self.region.epoch or any(each.kind is EntryKind.CONFIG for each in self._committed)
            is_late |= isinstance(event, events.ProposeConfig) and self.merging != NOT_MERGING
            if is_ready and not is_late and self._log(event, (token,)):
                self._change_index = self.raft.last_index
            else:
                self._result.answers.append((token, change_refused(self.id)))
        if not self._unsynced and self.raft.accepts_proposals:
            if self._steps:
                self._log_steps(now_ms)
            if self._waiting:
                self._log_batch(now_ms)

    def _log_steps(self, now_ms: int) -> None:
        """Log steps of transactions over several regions, but for those that must wait for another one."""
        version = self.region.epoch.version
        taken: list[StepAsked[TokenT]] = []
        later: list[StepAsked[TokenT]] = []
        named: set[EncodedKey] = set()
        size = 0
        while self._steps and len(taken) < STEPS_MAX and size < BATCH_BYTES_MAX:
            asked = self._steps.popleft()
            step = asked.step
            floor = step.floor if isinstance(step, Prepare | Decide) else 0
            ahead_ms = (floor >> LOGICAL_BITS) - now_ms
            if asked.version != version:
                self._answer((asked.token,), self._state.moved())
            elif ahead_ms > CLOCK_AHEAD_MAX_MS:
                self._answer((asked.token,), clock_behind(self.id, ahead_ms, CLOCK_AHEAD_MAX_MS))
            elif asked.named is not None and self.locks.meets(asked.named):
                self._park_step(asked)
            elif asked.named is not None and not named.isdisjoint(asked.named.keys):
                # What this entry does first must be written before this one can look at it.
                later.append(asked)
            else:
                taken.append(asked)
                if asked.named is not None:
                    named |= asked.named.keys
                    size += step.part.size_bytes if isinstance(step, Prepare | Decide) else 0
        self._steps.extendleft(reversed(later))
        if taken:
            steps = Steps(version, now_ms, tuple(asked.step for asked in taken))
            tokens = tuple(asked.token for asked in taken)
            if not self._log(events.Propose((render(steps),)), tokens, steps, tuple(taken)):
                self._answer(tokens, overloaded(len(tokens), 0))

    def _park_step(self, asked: StepAsked[TokenT]) -> None:
        """Let one that has met a lock wait for it, or refuse it."""
        if isinstance(asked.step, Prepare) and not asked.step.waits:
            self._answer((asked.token,), locked(self.id))
        else:
            self._parked.steps.append(asked)

    def _log_batch(self, now_ms: int) -> None:
        """Log what waits, but for what was routed before a split that came meanwhile."""
        version = self.region.epoch.version
        proposals = []
        for each in self._next_proposals():
            ahead_ms = (each.floor >> LOGICAL_BITS) - now_ms
            if each.version != version:
                self._answer((each.token,), self._state.moved())
            elif ahead_ms > CLOCK_AHEAD_MAX_MS:
                self._answer((each.token,), clock_behind(self.id, ahead_ms, CLOCK_AHEAD_MAX_MS))
            elif any(map(self.locks.blocks, each.txns)):
                self._parked.proposals.append(each)
            else:
                proposals.append(each)
        if proposals:
            floor = max(each.floor for each in proposals)
            batch = Batch(version, now_ms, tuple(each.txns for each in proposals), floor)
            tokens = tuple(each.token for each in proposals)
            if not self._log(events.Propose((render(batch),)), tokens, batch):
                self._answer(tokens, overloaded(len(tokens), self._waiting_bytes))

    def _next_proposals(self) -> list[Proposal[TokenT]]:
        """What waits, up to what one entry may hold."""
        taken: list[Proposal[TokenT]] = []
        size = 0
        while self._waiting and size < BATCH_BYTES_MAX and len(taken) < BATCH_GROUPS_MAX:
            proposal = self._waiting.popleft()
            size += proposal.size_bytes
            taken.append(proposal)
        self._waiting_bytes -= size
        return taken

    def _log(
        self,
        event: events.Event,
        tokens: tuple[TokenT, ...],
        known: Batch | Steps | None = None,
        steps: tuple[StepAsked[TokenT], ...] = (),
    ) -> bool:
        """Hand one entry to the log and remember who waits for it; False if the log does not take it."""
        index, term = self.raft.last_index + 1, self.raft.term
        self._take(self.raft.step(event))
        if self.raft.last_index < index:
            return False
        self._logged[index] = Logged(term, known, tokens, self._tick + REQUEST_TICKS_MAX, steps)
        return True

    def _ask_round(self) -> None:
        """Ask the group once for all reads that wait."""
        if not self.is_leader and self.leader_store is None:
            return
        number = self._reads.next_round(self._tick)
        if number:
            self._take(self.raft.step(events.Read(number)))

    def _take(self, ready: events.Ready) -> None:
        """Note what the log wants."""
        if ready.snapshot is not None:
            self._install(ready.snapshot)
        if ready.entries:
            self._rows += self._stored_log.store(self.id, ready.entries)
        if ready.hard_state is not None:
            self._rows.append(hard_state_row(self.id, ready.hard_state))
        if ready.must_sync:
            self._unsynced = ready.number
        if ready.promises and self._unsynced:
            self._promised.append((self._unsynced, ready.promises))
        else:
            self._outbox += ready.promises
        self._outbox += ready.messages
        self._committed += ready.committed
        self._reads.note(ready)

    def _install(self, mark: SnapshotMark) -> None:
        """Become what a leader's state holds."""
        incoming = self._incoming[mark.index]
        assert (incoming.applied.index, incoming.applied.term) == (mark.index, mark.term), (incoming.applied, mark)
        self._rows += self._stored_log.begin_after(self.id, mark.index)
        self._rows += self._state.take_over(incoming)
        self._committed.clear()
        for logged in self._logged.values():
            # The state may hold it or not: nothing that is applied here will tell.
            self._result.answers += [(token, OutcomeUnknownError(self.id)) for token in logged.tokens]
        self._logged.clear()
        self._result.is_installed = True

    def _apply(self) -> None:
        """Apply up to and with the next entry that says something: what it changes is written before the one after."""
        while self._committed:
            entry = self._committed[0]
            if entry.index <= self.staged.index:
                self._committed.popleft()  # another region's log has told of it before
                continue
            self.waits_for = self._state.waits_for(entry)
            if self.waits_for is not None:
                break
            self._committed.popleft()
            self._lose_older(entry.term)
            logged = self._logged.pop(entry.index, None)
            if logged is not None and logged.term != entry.term:
                logged = None
            effect = self._state.apply(entry, logged.known if logged is not None else None)
            self._rows += effect.rows
            self._born = effect.born
            self._result.commits += effect.commits
            if logged is not None:
                self._answer_logged(logged, effect.answers)
            if effect.has_unlocked:
                self._unpark()
            self._has_unparked |= bool(self._steps)
            if entry.body or entry.kind is EntryKind.CONFIG:
                break

    def _answer_logged(self, logged: Logged[TokenT], answers: Sequence[Answer | Blocked]) -> None:
        """Tell those who wait for an entry, but for those who must wait for a lock."""
        for place, (token, answer) in enumerate(zip(logged.tokens, answers, strict=True)):
            batch = logged.known if isinstance(logged.known, Batch) else None
            if isinstance(answer, Blocked):
                if logged.steps:
                    self._park_step(logged.steps[place])
                elif batch is not None:
                    txns = batch.groups[place]
                    size = sum(txn.size_bytes for txn in txns)
                    again = Proposal(batch.version, txns, token, size, logged.deadline, batch.floor)
                    self._parked.proposals.append(again)
            elif isinstance(answer, Sealed):
                self._sealing.append((token, self._tick + SEAL_TICKS_MAX))
            elif batch is not None and not answer and self.staged.mark.version < self._state.given:
                self._parked.closes.append(Close(self._state.given, token, logged.deadline))
            else:
                self._result.answers.append((token, answer))

    def _answer_sealed(self) -> None:
        """Tell those who wait for the seal once it is on the disks of all."""
        if self._sealing and self.merging.sealed and self.is_leader:
            index, progress = self.merging.sealed_at, self.raft.progress()
            others = members(self.region.config) - {self.me}
            if all(peer in progress and progress[peer].match >= index for peer in others):
                self._answer(tuple(token for token, _ in self._sealing), Sealed(self.region, index))
                self._sealing.clear()

    def _unpark(self) -> None:
        """A lock is gone: those who met one try again, before those who came later."""
        parked = self._parked
        self._steps.extendleft(reversed(parked.steps))
        self._waiting.extendleft(reversed(parked.proposals))
        self._waiting_bytes += parked.size_bytes
        self._has_unparked |= bool(parked.count)
        parked.take_proposers()

    def _answer(self, tokens: tuple[TokenT, ...], answer: Answer) -> None:
        self._result.answers += [(token, answer) for token in tokens]

    def _lose_older(self, term: int) -> None:
        """What was logged in an earlier term and is not applied by now never will be."""
        if term > self.staged.term:
            for index in [index for index, logged in self._logged.items() if logged.term < term]:
                self._answer(self._logged.pop(index).tokens, NotLeaderError(self.id, self.leader_store))

    def _compact(self) -> None:
        """Drop entries that no peer needs any more."""
        is_alone = len(members(self.region.config)) == 1
        last = self.staged.index if is_alone else self.staged.index - self.kept_entries
        if last - self._stored_log.first >= self.compact_step:
            self._rows += self._stored_log.drop(self.id, last)
            self._events.append(events.Compact(last))

    def _refuse_waiting(self) -> None:
        """Nothing that waits was logged: another one leads, or nobody does."""
        if self._waiting or self._changes or self._steps or self._parked.count or self._sealing:
            tokens = [each.token for each in self._waiting] + [each.token for each in self._steps]
            tokens += [token for *_, token in self._changes] + self._parked.take_proposers()
            self._answer(tuple(token for token, _ in self._sealing), OutcomeUnknownError(self.id))
            self._sealing.clear()
            self._answer(tuple(tokens), NotLeaderError(self.id, self.leader_store))
            self._waiting.clear()
            self._steps.clear()
            self._changes.clear()
            self._waiting_bytes = 0

    def _give_up(self) -> None:
        """Answer what has waited too long; what is logged may still happen."""
        now = self._tick
        while self._waiting and self._waiting[0].deadline <= now:
            proposal = self._waiting.popleft()
            self._waiting_bytes -= proposal.size_bytes
            self._answer((proposal.token,), not_now(self.id))
        while self._steps and self._steps[0].deadline <= now:
            self._answer((self._steps.popleft().token,), not_now(self.id))
        late_seals = tuple(token for token, deadline in self._sealing if deadline <= now)
        self._answer(late_seals, OutcomeUnknownError(self.id))
        self._sealing = [each for each in self._sealing if each[1] > now]
        late, reads = self._parked.expire(now)
        self._answer(tuple(late), locked(self.id))
        self._result.reads += [(token, locked(self.id)) for token in reads]
        for index in [index for index, logged in self._logged.items() if logged.deadline <= now]:
            self._answer(self._logged.pop(index).tokens, OutcomeUnknownError(self.id))
        self._result.reads += [(token, not_now(self.id)) for token in self._reads.expire(now)]
