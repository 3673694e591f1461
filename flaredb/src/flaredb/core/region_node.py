"""All replicas of one store: one batch of rows, and one sync, for what all of them have to say.

Whoever drives it tells it what happened, calls `begin`, writes `rows` in one batch, sends `letters`, and calls
`finish`. One sync at a time is under way: `to_sync` says what it makes durable, `synced` that it has. Only replicas to
which something happened are looked at, so a store may hold many that rest.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, assert_never

from flaredb.core.commands import Commit, Txn
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.records import START, number
from flaredb.core.region import (
    Applied,
    Epoch,
    Peer,
    Region,
    RegionId,
    StoreId,
    unknown_region,
)
from flaredb.core.region_entry import MergeStep, Split, Step, Unseal, Upkeep
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_locks import EVERYTHING, Sought
from flaredb.core.region_merge import is_past
from flaredb.core.region_replica import RegionReplica
from flaredb.core.region_rows import (
    Stored,
    applied_row,
    is_of,
    load,
    merged_row,
    meta_keys,
    region_row,
    scan,
    state_rows,
    tombstone_row,
)
from flaredb.core.region_snapshot import Chunk, chunks
from flaredb.core.region_state import Born
from flaredb.core.region_work import Answer, Done, Incoming, TokenT
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.messages import Append, Heartbeat, Install, Message, VoteRequest
from ultracloud.raft.options import Options
from ultracloud.raft.state import Draw
from ultracloud.raft.words import NOBODY, Config, HardState, NodeId, SnapshotMark

LINGER_TICKS = 30
"""How long a removed peer goes on, three election timeouts: others learn from its votes that it is removed."""
INQUIRY_TICKS = 50
"""How long a replica is without a leader before it asks whether it is still wanted, and between two such questions: a
few elections, so that they are seldom the reason."""

EAGER_TICKS = 5
"""How often the right half of a split is asked again to stand for election: other stores take some ticks to cut it too,
and would wait for a leader's silence of a second or two."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message between stores.

    Attributes:
        region: As the sender has it: by its range a store knows whether the receiver may begin to be there.
    """

    sender: StoreId
    to: StoreId
    region: Region
    message: Message


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A peer that knows of no leader asks whether it is still one."""

    sender: StoreId
    to: StoreId
    region: RegionId
    peer: NodeId


@dataclass(frozen=True, slots=True)
class Farewell:
    """Answer to an `Inquiry` of a peer that `region` has removed: it may go."""

    sender: StoreId
    to: StoreId
    region: Region
    peer: NodeId


Mail: TypeAlias = Letter | Inquiry | Farewell
"""What stores send each other. All of it may be lost, doubled and overtaken."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one sync makes durable: the work `number` of a replica.

    Attributes:
        life: Which replica of the region: one that was replaced while the sync was under way has numbers of its own.
    """

    region: RegionId
    life: int
    number: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """A state to send: that of `region`, to the peer that `install` names, which is on store `to`."""

    to: StoreId
    region: RegionId
    install: Install


@dataclass(slots=True)
class NodeWork:
    """What must be done now: write `rows` in one batch, send `letters`, send the states of `shipments`."""

    rows: list[Row] = field(default_factory=list)
    letters: list[Mail] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=list)


@dataclass(slots=True)
class NodeResult(Generic[TokenT]):
    """Who is answered, and with what; see `region_work.Result`.

    Attributes:
        installed: Regions whose state was replaced by a leader's: what they committed meanwhile is in the rows only.
        has_more: There is more to do: begin again soon.
    """

    answers: list[tuple[TokenT, Answer]] = field(default_factory=list)
    reads: list[tuple[TokenT, Fault | int]] = field(default_factory=list)
    commits: list[tuple[RegionId, Commit]] = field(default_factory=list)
    installed: list[RegionId] = field(default_factory=list)
    has_more: bool = False


class RegionNode(Generic[TokenT]):
    """The replicas of one store, as its engine has them.

    Args:
        store: Which store this is.
        engine: Where the rows are; it only reads.
        options: Of all Raft groups.
        draw: draw(n) gives a random number from 0 to n - 1.

    Attributes:
        replicas: By region.
    """

    def __init__(self, store: StoreId, engine: Engine, options: Options, draw: Draw) -> None:
        self.store = store
        self.replicas: dict[RegionId, RegionReplica[TokenT]] = {}
        self._engine = engine
        self._options = options
        self._draw = draw
        self._touched: dict[RegionId, None] = {}
        self._begun: tuple[RegionId, ...] = ()
        self._rows: list[Row] = []
        self._to_sync: dict[RegionId, Ticket] = {}
        self._lives: Counter[RegionId] = Counter()
        self._sorted: tuple[Region, ...] | None = None
        self._senders: dict[tuple[RegionId, NodeId], StoreId] = {}
        self._removed_ticks: dict[RegionId, int] = {}
        self._eager: dict[RegionId, int] = {}
        self._mail: list[Mail] = []
        self._dropped: list[RegionReplica[TokenT]] = []
        self._left: list[RegionReplica[TokenT]] = []
        self._arriving: list[Region] = []
        self._answers: list[tuple[TokenT, Answer]] = []
        stored, self._gone, self._merged = load(engine)
        for each in stored:
            self._add(each)

    @property
    def regions(self) -> tuple[Region, ...]:
        """What it holds, by start."""
        if self._sorted is None:
            known = (replica.region for replica in self.replicas.values() if replica.region.is_known)
            self._sorted = tuple(sorted(known, key=lambda region: region.start))
        return self._sorted

    def covering(self, key: bytes) -> Region | None:
        """The region here that an encoded key belongs to."""
        regions = self.regions
        place = bisect_right(regions, key, key=lambda region: region.start)
        found = regions[place - 1] if place else None
        return found if found is not None and found.covers(key) else None

    def replica(self, region: RegionId) -> RegionReplica[TokenT]:
        """The replica of a region, to which something is about to happen.

        Raises:
            RegionMovedError: There is none here.
        """
        found = self.replicas.get(region)
        if found is None:
            raise RegionMovedError(region, ())
        self._touched[region] = None
        return found

    def propose(self, region: RegionId, epoch: Epoch, txns: Sequence[Txn], token: TokenT, floor: int = 0) -> None:
        """Have transactions run in one region; arguments and errors are those of `RegionReplica.propose`."""
        self.replica(region).propose(epoch, txns, token, floor)

    def step(self, region: RegionId, epoch: Epoch, step: Step, token: TokenT) -> None:
        """Have a step of a transaction over several regions done; see `RegionReplica.step`."""
        self.replica(region).step(epoch, step, token)

    def keep(self, region: RegionId, upkeep: Upkeep, token: TokenT) -> None:
        """Have done what is due with a region's history; see `RegionReplica.keep`."""
        self.replica(region).keep(upkeep, token)

    def read(self, region: RegionId, epoch: Epoch, token: TokenT, sought: Sought = EVERYTHING) -> None:
        """Ask when a read may look; arguments and errors are those of `RegionReplica.read`."""
        self.replica(region).read(epoch, token, sought)

    def split(self, region: RegionId, split: Split, token: TokenT) -> None:
        """Have a region cut in two; see `RegionReplica.split`."""
        self.replica(region).split(split, token)

    def merge(self, region: RegionId, step: MergeStep, token: TokenT) -> None:
        """Have a step of a merge done; see `RegionReplica.merge`."""
        if region in self._merged and isinstance(step, Unseal):
            self._answers.append((token, Done()))
            return
        self.replica(region).merge(step, token)

    def change(
        self,
        region: RegionId,
        epoch: Epoch,
        changes: Sequence[events.NodeChange],
        joining: Sequence[Peer],
        token: TokenT,
    ) -> None:
        """Have members changed; see `RegionReplica.change`."""
        self.replica(region).change(epoch, changes, joining, token)

    def ship(self, region: RegionId) -> tuple[SnapshotMark, Iterator[Chunk]]:
        """The state of a region as of now, to be sent for a `Shipment`; afterwards `tell` it a `SnapshotSent`.

        Raises:
            RegionMovedError: There is no replica of it here.
        """
        replica = self.replica(region)
        return replica.mark, chunks(self._engine, replica.region, replica.staged)

    def receive_state(self, install: Install, incoming: Incoming) -> bool:
        """Take a state that has arrived; False if it has no place here, now or any more."""
        region = incoming.region
        replica = self.replicas.get(region.region)
        if replica is None or replica.me != install.to:
            return False
        if not self._has_room_beside(region, replica) or any(map(region.overlaps, self._arriving)):
            # Of before a split that was applied here, or its right half before the left was cut here.
            return False
        self._arriving.append(region)
        applied = incoming.applied
        mark = SnapshotMark(applied.index, applied.term, region.config)
        replica.receive_state(dataclasses.replace(install, mark=mark), incoming)
        self._touched[region.region] = None
        return True

    def receive(self, mail: Mail) -> None:
        """Take what another store sent."""
        match mail:
            case Letter():
                self._take(mail)
            case Inquiry():
                asked = self.replicas.get(mail.region)
                if asked is not None and asked.region.is_known and asked.region.has_removed(mail.peer):
                    self._mail.append(Farewell(self.store, mail.sender, asked.region, mail.peer))
                elif asked is None and mail.region in self._merged:
                    self._mail.append(Farewell(self.store, mail.sender, _nobody(mail.region, mail.peer), mail.peer))
            case Farewell():
                replica = self.replicas.get(mail.region.region)
                is_meant = replica is not None and replica.me == mail.peer and mail.region.has_removed(mail.peer)
                if replica is not None and is_meant and not self._is_needed(replica):
                    self._drop(replica)
            case _:
                assert_never(mail)

    def tick(self) -> None:
        """Let a tick pass for all."""
        for replica in self.replicas.values():
            replica.tick()
            self._touched[replica.id] = None
        for replica in [each for each in self.replicas.values() if each.is_removed and not each.is_leader]:
            ticks = self._removed_ticks[replica.id] = self._removed_ticks.get(replica.id, 0) + 1
            if ticks >= LINGER_TICKS:
                self._drop(replica)
        self._stand()
        for replica in self.replicas.values():
            if replica.lonely_ticks % INQUIRY_TICKS == INQUIRY_TICKS - 1:
                self._inquire(replica)

    def begin(self, now_ms: int) -> NodeWork:
        """Say what must be written and sent now. If the batch cannot be written, it is tried again, and nothing else.

        Args:
            now_ms: Wall time.
        """
        # What is dropped from here on goes with the next batch: this one may wait for room on the disk.
        self._left, self._dropped = self._dropped, []
        gone = [row for replica in self._left for row in self._rows_gone(replica)]
        work = NodeWork([*gone, *self._rows], self._mail)
        self._rows, self._mail = [], []
        self._begun, self._touched = tuple(self._touched), {}
        for region in self._begun:
            replica = self.replicas.get(region)
            if replica is not None:
                self._begin(replica, now_ms, work)
        self._arriving.clear()
        return work

    def finish(self) -> NodeResult[TokenT]:
        """Say who is answered, and let the right halves of splits begin. The rows of `begin` are written."""
        result: NodeResult[TokenT] = NodeResult(self._answers)
        self._answers = []
        for left in self._left:
            abandoned = left.abandon()
            result.answers += abandoned.answers
            result.reads += abandoned.reads
        self._left = []
        for region in self._begun:
            replica = self.replicas.get(region)
            if replica is None:
                continue
            came = replica.finish()
            result.answers += came.answers
            result.reads += came.reads
            result.commits += [(region, commit) for commit in came.commits]
            if came.is_installed:
                result.installed.append(region)
            if replica.has_more:
                self._touched[region] = None
        result.has_more = bool(self._touched)
        return result

    def to_sync(self) -> tuple[Ticket, ...]:
        """What a sync that begins now makes durable; nothing if none is needed."""
        tickets, self._to_sync = tuple(self._to_sync.values()), {}
        return tickets

    def synced(self, tickets: Iterable[Ticket]) -> None:
        """A sync is done."""
        for ticket in tickets:
            replica = self.replicas.get(ticket.region)
            if replica is not None and self._lives[ticket.region] == ticket.life:
                replica.persisted(ticket.number)
                self._touched[ticket.region] = None

    def _add(self, stored: Stored, *, is_durable: bool = True) -> RegionReplica[TokenT]:
        replica: RegionReplica[TokenT] = RegionReplica(
            stored, self._engine, self._options, self._draw, is_durable=is_durable
        )
        region = stored.region.region
        self.replicas[region] = replica
        self._lives[region] += 1
        self._to_sync.pop(region, None)
        self._touched[region] = None
        self._sorted = None
        return replica

    def _receiver(self, letter: Letter) -> RegionReplica[TokenT] | None:
        """The replica that a letter is for, made if it is to begin; None if it never was or is no more."""
        region, peer = letter.region.region, letter.message.to
        replica = self.replicas.get(region)
        if replica is not None and replica.me < peer:
            # Its store is a member again, under a new id: so the old one was removed.
            self._drop(replica)
            replica = None
        if replica is not None:
            return replica if replica.me == peer else None
        if peer <= self._gone.get(region, 0) or not isinstance(
            letter.message, Append | Heartbeat | VoteRequest | Install
        ):
            return None
        if not self._has_room_beside(letter.region, None):
            # Its keys are still here in the region that it is cut from; the split will make it, with the rows.
            return None
        place = unknown_region(letter.region, Peer(peer, self.store))
        applied = Applied(0, 0, START)
        self._rows += [region_row(place, peer), applied_row(region, applied)]
        return self._add(Stored(place, peer, applied, HardState(), ()), is_durable=False)

    def _take(self, letter: Letter) -> None:
        message = letter.message
        replica = self._receiver(letter)
        if replica is not None:
            self._senders[replica.id, message.sender] = letter.sender
            replica.receive((message,))
            self._touched[replica.id] = None

    def _stand(self) -> None:
        """Have the right halves of splits stand for election again that have no leader yet."""
        for region, left in list(self._eager.items()):
            replica = self.replicas.get(region)
            if replica is None or not left or replica.raft.leader != NOBODY:
                del self._eager[region]
            else:
                replica.tell(events.Campaign())
                self._eager[region] = left - 1

    def _inquire(self, replica: RegionReplica[TokenT]) -> None:
        """Ask all stores that may know whether a replica without a leader is still wanted.

        It may have been removed while it was away, or before its state came: those who would tell it leave it alone.
        """
        stores = {peer.store for peer in replica.region.peers}
        stores |= {store for (region, _), store in self._senders.items() if region == replica.id}
        self._mail += [Inquiry(self.store, store, replica.id, replica.me) for store in sorted(stores - {self.store})]

    def _drop(self, replica: RegionReplica[TokenT]) -> None:
        """Forget a removed replica and its rows for good, in the next batch."""
        self._dropped.append(replica)
        self._forget(replica)
        self._touched[replica.id] = None

    def _rows_gone(self, replica: RegionReplica[TokenT]) -> Iterator[Row]:
        for column, key, _ in state_rows(self._engine, replica.region):
            yield column, key, None
        for key in meta_keys(self._engine, replica.id):
            yield Column.META, key, None
        yield tombstone_row(replica.id, replica.me)

    def _begin(self, replica: RegionReplica[TokenT], now_ms: int, work: NodeWork) -> None:
        before = replica.region
        found = replica.begin(now_ms)
        if replica.region is not before:
            self._sorted = None
            self._absorb_within(replica, work)
        if replica.waits_for is not None:
            other, index = replica.waits_for
            self.replica(other).catch_up(index)
        work.rows += found.rows
        if found.number:
            self._to_sync[replica.id] = Ticket(replica.id, self._lives[replica.id], found.number)
        for message in found.messages:
            store = self._store_of(replica, message.to)
            if store is not None:
                work.letters.append(Letter(self.store, store, replica.region, message))
        for install in found.installs:
            store = self._store_of(replica, install.to)
            if store is None:
                replica.tell(events.SnapshotSent(install.to, ok=False, mark=install.mark))
            else:
                work.shipments.append(Shipment(store, replica.id, install))
        born = replica.take_born()
        if born is not None:
            self._bear(born, work, leads=replica.is_leader)

    def _has_room_beside(self, region: Region, own: RegionReplica[TokenT] | None) -> bool:
        """Whether a region may be here: its keys belong to nothing else, but for what is past and needed by nobody."""
        within = [each for each in self.replicas.values() if each is not own and each.region.overlaps(region)]
        going = {each.id for each in within} | {region.region}
        return all(is_past(each.region, region) and not self._is_needed(each, going) for each in within)

    def _is_needed(self, replica: RegionReplica[TokenT], going: Collection[RegionId] = ()) -> bool:
        """Whether the left neighbour's replica here still has to take it over, by what its log says.

        It has not come so far; where it goes itself, or gets a later state, it does not need that any more.
        """
        seal = replica.seal()
        left = self.replicas.get(seal[0]) if seal is not None else None
        if seal is None or left is None or left.id in going or not left.region.is_known:
            return False
        return left.staged.index < seal[1] or (left.merging.right == replica.id and left.merging.token == seal[1])

    def _absorb_within(self, replica: RegionReplica[TokenT], work: NodeWork) -> None:
        """Drop those whose first key is in a region that has just got it; what stands in that one is its own now.

        What stands beyond it is nobody's here: it was cut off since, and comes with a state of its own if it comes.
        """
        region = replica.region
        for other in [each for each in self.replicas.values() if each is not replica and each.region.overlaps(region)]:
            assert is_past(other.region, region), (other.region, region)
            work.rows = [row for row in work.rows if not is_of(other.region, row)]
            if region.end and (not other.region.end or other.region.end > region.end):
                beyond = dataclasses.replace(other.region, start=region.end)
                work.rows += ((column, key, None) for column, key, _ in state_rows(self._engine, beyond))
            work.rows += ((Column.META, key, None) for key in meta_keys(self._engine, other.id))
            changes = scan(self._engine, Column.CHANGES, number(other.id), number(other.id + 1))
            work.rows += ((Column.CHANGES, key, None) for key, _ in changes)
            work.rows += (tombstone_row(other.id, other.me), merged_row(other.id))
            self._merged.add(other.id)
            self._left.append(other)
            self._forget(other)

    def _forget(self, replica: RegionReplica[TokenT]) -> None:
        region = replica.id
        self._gone[region] = replica.me
        del self.replicas[region]
        self._sorted = None
        self._removed_ticks.pop(region, None)
        self._to_sync.pop(region, None)

    def _store_of(self, replica: RegionReplica[TokenT], peer: NodeId) -> StoreId | None:
        """Where a peer is; of one that the region does not name here, or not any more, where it wrote from."""
        return replica.region.store_of(peer) or self._senders.get((replica.id, peer))

    def _bear(self, born: Born, work: NodeWork, *, leads: bool) -> None:
        """Let the right half of a split begin, in the batch that cuts the left one; its leader asks to lead it.

        If this store was removed from it since, or has come back to it under a newer id, only its rows are here: they
        go, and what is wanted of them comes with its state.
        """
        region = born.region
        peer, early = region.peer_on(self.store), self.replicas.get(region.region)
        if peer <= self._gone.get(region.region, 0) or (early is not None and early.me > peer):
            work.rows += [(column, key, None) for column, key, _ in state_rows(self._engine, region)]
            return
        # It may have voted before: what it promised then holds.
        state = HardState() if early is None else HardState(early.raft.term, early.raft.vote, 0)
        assert early is None or not early.region.is_known, "the right half overlaps the left before it is cut"
        work.rows += [region_row(region, peer), applied_row(region.region, born.applied), *born.rows]
        right = self._add(Stored(region, peer, born.applied, state, (), born.locks, born.held), is_durable=False)
        if leads:
            # Nobody else has a reason to, and nobody could write there until one's patience ends.
            right.tell(events.Campaign())
            self._eager[region.region] = EAGER_TICKS


def _nobody(region: RegionId, peer: NodeId) -> Region:
    """A region that is no more, as whoever asks about `peer` is told of it."""
    return Region(region, b"", b"", Epoch(1, 1), (), Config(), peer)
