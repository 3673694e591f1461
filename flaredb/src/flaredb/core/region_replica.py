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
from dataclasses import replace
from typing import Generic

from flaredb.core.commands import Txn
from flaredb.core.engine import Engine, Row
from flaredb.core.region import LOGICAL_BITS, PEERS_MAX, Applied, Epoch, Peer, Region, RegionId, StoreId
from flaredb.core.region_codec import render
from flaredb.core.region_entry import Batch, Decide, Join, Prepare, Settle, Split, Step, Upkeep
from flaredb.core.region_errors import (
    NotLeaderError,
    OutcomeUnknownError,
    change_refused,
    clock_behind,
    locked,
    not_now,
)
from flaredb.core.region_locks import Locks
from flaredb.core.region_log import LogRows
from flaredb.core.region_parking import Close, Parked
from flaredb.core.region_reads import Asked, Reads
from flaredb.core.region_rows import Stored, hard_state_row
from flaredb.core.region_state import Born, RegionState
from flaredb.core.region_work import (
    BATCH_BYTES_MAX,
    BATCH_GROUPS_MAX,
    CLOCK_AHEAD_MAX_MS,
    COMPACT_STEP,
    KEPT_ENTRIES,
    REQUEST_TICKS_MAX,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    Answer,
    Blocked,
    Incoming,
    Logged,
    Proposal,
    Result,
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
from ultracloud.raft.raft import Raft
from ultracloud.raft.state import Draw
from ultracloud.raft.turns import Role
from ultracloud.raft.words import NOBODY, Entry, EntryKind, SnapshotMark


class RegionReplica(Generic[TokenT]):
    """One replica.

    Args:
        stored: What its store has of it.
        engine: Where the rows are that it gave to be written; it only reads.
        options: Of Raft.
        draw: draw(n) gives a random number from 0 to n - 1.
        is_durable: Whether `stored` is; otherwise it is written in the batch of this turn, and nothing is promised
            before that is synced.

    Attributes:
        me: Which peer this is.
        applied: How far the state goes that the rows hold: as of the last `finish`.
        raft: The log; to be looked at only.
        lonely_ticks: How long it has known of no leader.
    """

    def __init__(
        self, stored: Stored, engine: Engine, options: Options, draw: Draw, *, is_durable: bool = True
    ) -> None:
        self.me = stored.peer
        self.raft = Raft(stored.peer, options, stored.restored(), draw)
        self.kept_entries = KEPT_ENTRIES
        self.compact_step = COMPACT_STEP
        self._state = RegionState(stored, engine)
        self.applied = stored.applied
        self._events: list[events.Event] = []
        self._tick = 0
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
        # Who waits.
        self._waiting: deque[Proposal[TokenT]] = deque()
        self._waiting_bytes = 0
        self._changes: deque[tuple[events.Event, Epoch, TokenT]] = deque()
        self._steps: deque[StepAsked[TokenT]] = deque()
        self._logged: dict[int, Logged[TokenT]] = {}
        self._parked: Parked[TokenT] = Parked()
        self._has_unparked = False
        self._reads: Reads[TokenT] = Reads()
        self._result: Result[TokenT] = Result()
        self._born: Born | None = None
        ready = self.raft.step()
        self._take(ready)
        if not is_durable:
            self._unsynced = ready.number

    @property
    def region(self) -> Region:
        """The region as of `applied`."""
        return self._state.region

    @property
    def staged(self) -> Applied:
        """How far the state goes once the rows of the last `begin` are written."""
        return self._state.applied

    @property
    def is_removed(self) -> bool:
        """Whether it is no member any more."""
        return self._state.is_removed

    @property
    def id(self) -> RegionId:
        """The region's id."""
        return self.region.region

    @property
    def is_leader(self) -> bool:
        """Whether it leads, as far as it knows."""
        return self.raft.role is Role.LEADER

    @property
    def leader_store(self) -> StoreId | None:
        """The store that leads, as far as it knows."""
        return self.region.store_of(self.raft.leader)

    @property
    def has_more(self) -> bool:
        """Whether there is more to apply: begin again soon."""
        return bool(self._committed) or self._has_unparked

    @property
    def locks(self) -> Locks:
        """What transactions over several regions hold here; to be looked at only."""
        return self._state.locks

    @property
    def mark(self) -> SnapshotMark:
        """What its present state stands for."""
        return SnapshotMark(self.staged.index, self.staged.term, self.region.config)

    @property
    def waiting_count(self) -> int:
        """Proposals and steps that are not logged yet."""
        return len(self._waiting) + len(self._steps) + self._parked.count

    def covers_version(self, version: int) -> bool:
        """Whether everything at or below `version` is in the rows here, and nothing will ever be added to it."""
        return self.applied.mark.version >= version

    def propose(self, epoch: Epoch, txns: Sequence[Txn], token: TokenT, floor: int = 0) -> None:
        """Have transactions run; `token` is answered with their outcomes once a quorum has them on disk.

        Without transactions it closes: what is answered before now, and `floor`, are covered by the mark afterwards,
        here and later on every replica. If `floor` is too far ahead of the leader's clock, the answer says so.

        Args:
            epoch: Of the region as the caller knows it.
            txns: Within `limits.check_txn`; may be empty.
            token: Whom to answer.
            floor: The versions that are given, and the mark afterwards, are at or above this one.

        Raises:
            RegionMovedError: The epoch's version is another one, or a key is not here.
            NotLeaderError: Another store leads.
            UnavailableError: Too much waits already.
        """
        if epoch.version != self.region.epoch.version or not all(map(self._state.covers, txns)):
            raise self._state.moved()
        self._check_leads()
        size = sum(txn.size_bytes for txn in txns)
        self._check_room(size)
        self._waiting.append(Proposal(epoch.version, tuple(txns), token, size, self._tick + REQUEST_TICKS_MAX, floor))
        self._waiting_bytes += size

    def step(self, epoch: Epoch, step: Step, token: TokenT) -> None:
        """Have a step of a transaction over several regions done; see `region_txn` for who asks for which, and when.

        Args:
            epoch: Of the region as the caller knows it.
            step: Its version and time are set here.
            token: Answered with what `region_work.Answer` has for it.

        Raises:
            RegionMovedError: The epoch's version is another one, or what the step names is not here.
            NotLeaderError: Another store leads.
            UnavailableError: Too much waits already.
        """
        is_here = not isinstance(step, Prepare) or self._state.covers(step.part)
        if isinstance(step, Decide | Settle):
            is_here = self.region.covers(step.primary)
        if epoch.version != self.region.epoch.version or not is_here:
            raise self._state.moved()
        self._check_leads()
        self._check_room(0)
        self._steps.append(StepAsked(step, epoch.version, token, self._tick + REQUEST_TICKS_MAX))

    def keep(self, upkeep: Upkeep, token: TokenT) -> None:
        """Have done what a `region_history.HistoryKeeper` says is due.

        Raises:
            NotLeaderError: Another store leads.
        """
        self._check_whole(self.region.epoch)
        self._changes.append((events.Propose((render(upkeep),)), self.region.epoch, token))

    def read(self, epoch: Epoch, token: TokenT) -> None:
        """Tell `token` when the rows here have everything that was answered anywhere before now.

        Any replica may be asked; one that does not lead asks the leader how far to go.

        Raises:
            RegionMovedError: The epoch's version is another one.
            UnavailableError: Too many wait already.
        """
        if epoch.version != self.region.epoch.version:
            raise self._state.moved()
        if self._reads.is_full:
            raise overloaded(self._reads.count, 0)
        self._reads.add(token, epoch.version, self._tick)

    def split(self, split: Split, token: TokenT) -> None:
        """Have the region cut in two; `token` is answered with the right half.

        Raises:
            RegionMovedError: The epoch is another one, or the region cannot be cut so.
            NotLeaderError: Another store leads.
        """
        self._check_whole(split.epoch)
        if not self.region.may_split(split.at, split.peers):
            raise self._state.moved()
        self._changes.append((events.Propose((render(split),)), split.epoch, token))

    def change(
        self, epoch: Epoch, changes: Sequence[events.NodeChange], joining: Sequence[Peer], token: TokenT
    ) -> None:
        """Have members changed, several at once by joint consensus; `token` is answered with the region after it.

        Args:
            epoch: Of the region as the caller knows it, both parts.
            changes: Of peers.
            joining: Where the new peers are. Their ids are higher than any that this region has had.
            token: Whom to answer.

        Raises:
            RegionMovedError: The epoch is another one.
            NotLeaderError: Another store leads.
        """
        self._check_whole(epoch)
        stores = [each.store for each in (*self.region.peers, *joining)]
        is_late = any(each.peer <= self.region.newest for each in joining)
        if is_late or len(set(stores)) < len(stores) or len(stores) > PEERS_MAX:
            raise change_refused(self.id)
        self._changes.append((events.ProposeConfig(tuple(changes), render(Join(tuple(joining)))), epoch, token))

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
        if self._events:
            taken, self._events = self._events, []
            self._take(self.raft.step(*taken))
        self._incoming.clear()
        if self.is_leader:
            self._log_something(now_ms)
        else:
            self._refuse_waiting()
        self._ask_round()
        self._apply()
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
        waiting = (*self._reads.drop(), *(asked.token for _, asked in self._parked.reads))
        self._result.reads += [(token, not_now(self.id)) for token in waiting]
        return self._result

    def finish(self) -> Result[TokenT]:
        """Say who is answered. The rows of `begin` are written."""
        result, self._result = self._result, Result()
        self.applied = self.staged
        mark = self.staged.mark.version
        for asked in self._reads.take(self.staged.index):
            # Something that is acknowledged may be in a part that is not resolved here: see it, or wait.
            if mark < self._state.given:
                self._parked.reads.append((self._state.given, asked))
            else:
                result.reads.append(self._readable(asked))
        result.reads += map(self._readable, self._parked.take_reads(mark))
        result.answers += [(token, ()) for token in self._parked.take_closes(mark)]
        return result

    def _readable(self, asked: Asked[TokenT]) -> tuple[TokenT, Fault | None]:
        is_here = asked.version == self.region.epoch.version
        return asked.token, None if is_here else self._state.moved()

    def _check_room(self, size: int) -> None:
        """Whether more may wait."""
        waiting = len(self._waiting) + len(self._steps) + self._parked.count
        size += self._waiting_bytes + self._parked.size_bytes
        if waiting >= WAITING_MAX or len(self._logged) >= WAITING_MAX or size > WAITING_BYTES_MAX:
            raise overloaded(waiting, size)

    def _check_leads(self) -> None:
        if not self.is_leader:
            raise NotLeaderError(self.id, self.leader_store)

    def _check_whole(self, epoch: Epoch) -> None:
        """Whether a change that was planned at `epoch` may be logged here."""
        if epoch != self.region.epoch:
            raise self._state.moved()
        self._check_leads()
        if len(self._changes) >= WAITING_MAX:
            raise overloaded(len(self._changes), 0)

    def _log_something(self, now_ms: int) -> None:
        """Log changes one by one, and proposals as one entry; these gather while the disk has something to do."""
        while self._changes:
            event, epoch, token = self._changes.popleft()
            # The log may live by a change of members that is not applied here yet: this one was planned without it.
            is_late = epoch != self.region.epoch or any(each.kind is EntryKind.CONFIG for each in self._committed)
            if is_late or not self._log(event, (token,)):
                self._result.answers.append((token, change_refused(self.id)))
        while self._steps and self.raft.accepts_proposals:
            self._log_step(self._steps.popleft(), now_ms)
        if self._waiting and not self._unsynced and self.raft.accepts_proposals:
            self._log_batch(now_ms)

    def _log_step(self, asked: StepAsked[TokenT], now_ms: int) -> None:
        """Log a step of a transaction over several regions, unless it must wait for another one."""
        step, tokens = asked.step, (asked.token,)
        floor = step.floor if isinstance(step, Prepare | Decide) else 0
        ahead_ms = (floor >> LOGICAL_BITS) - now_ms
        if asked.version != self.region.epoch.version:
            self._answer(tokens, self._state.moved())
        elif ahead_ms > CLOCK_AHEAD_MAX_MS:
            self._answer(tokens, clock_behind(self.id, ahead_ms, CLOCK_AHEAD_MAX_MS))
        elif isinstance(step, Prepare) and self.locks.blocks(step.part):
            self._parked.steps.append(asked)
        else:
            body = render(replace(step, version=asked.version, now_ms=now_ms))
            if not self._log(events.Propose((body,)), tokens, step=asked):
                self._answer(tokens, overloaded(1, 0))

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
        batch: Batch | None = None,
        step: StepAsked[TokenT] | None = None,
    ) -> bool:
        """Hand one entry to the log and remember who waits for it; False if the log does not take it."""
        index, term = self.raft.last_index + 1, self.raft.term
        self._take(self.raft.step(event))
        if self.raft.last_index < index:
            return False
        self._logged[index] = Logged(term, batch, tokens, self._tick + REQUEST_TICKS_MAX, step)
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
            entry = self._committed.popleft()
            self._lose_older(entry.term)
            logged = self._logged.pop(entry.index, None)
            if logged is not None and logged.term != entry.term:
                logged = None
            effect = self._state.apply(entry, logged.batch if logged is not None else None)
            self._rows += effect.rows
            self._born = effect.born
            self._result.commits += effect.commits
            if logged is not None:
                self._answer_logged(logged, effect.answers)
            if effect.has_unlocked:
                self._unpark()
            if entry.body or entry.kind is EntryKind.CONFIG:
                break

    def _answer_logged(self, logged: Logged[TokenT], answers: Sequence[Answer | Blocked]) -> None:
        """Tell those who wait for an entry, but for those who must wait for a lock."""
        for place, (token, answer) in enumerate(zip(logged.tokens, answers, strict=True)):
            batch = logged.batch
            if isinstance(answer, Blocked):
                if logged.step is not None:
                    self._parked.steps.append(logged.step)
                elif batch is not None:
                    txns = batch.groups[place]
                    size = sum(txn.size_bytes for txn in txns)
                    again = Proposal(batch.version, txns, token, size, logged.deadline, batch.floor)
                    self._parked.proposals.append(again)
            elif batch is not None and not answer and self.staged.mark.version < self._state.given:
                self._parked.closes.append(Close(self._state.given, token, logged.deadline))
            else:
                self._result.answers.append((token, answer))

    def _unpark(self) -> None:
        """A lock is gone: those who met one try again, before those who came later."""
        parked = self._parked
        self._steps.extendleft(reversed(parked.steps))
        self._waiting.extendleft(reversed(parked.proposals))
        self._waiting_bytes += parked.size_bytes
        self._has_unparked = bool(parked.count)
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
        if self._waiting or self._changes or self._steps or self._parked.count:
            tokens = [each.token for each in self._waiting] + [each.token for each in self._steps]
            tokens += [token for *_, token in self._changes] + self._parked.take_proposers()
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
        late, reads = self._parked.expire(now)
        self._answer(tuple(late), locked(self.id))
        self._result.reads += [(token, locked(self.id)) for token in reads]
        for index in [index for index, logged in self._logged.items() if logged.deadline <= now]:
            self._answer(self._logged.pop(index).tokens, OutcomeUnknownError(self.id))
        self._result.reads += [(token, not_now(self.id)) for token in self._reads.expire(now)]
