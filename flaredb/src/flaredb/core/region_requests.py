"""What a replica of a region is asked for: it is checked, and waits for the next turn of `RegionReplica`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic

from flaredb.core.commands import Txn
from flaredb.core.engine import Engine
from flaredb.core.region import NOTHING, PEERS_MAX, Applied, Epoch, Peer, Region, RegionId, StoreId
from flaredb.core.region_codec import render
from flaredb.core.region_entry import (
    NOT_MERGING,
    Await,
    Decide,
    Join,
    MergeStep,
    Merging,
    Prepare,
    Seal,
    Settle,
    Split,
    Step,
    Upkeep,
)
from flaredb.core.region_errors import NotLeaderError, change_refused, merging_now
from flaredb.core.region_locks import EVERYTHING, Locks, Sought, named_by
from flaredb.core.region_parking import Parked
from flaredb.core.region_reads import Reads
from flaredb.core.region_rows import Stored
from flaredb.core.region_state import RegionState
from flaredb.core.region_work import (
    REQUEST_TICKS_MAX,
    SEAL_TICKS_MAX,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    Logged,
    Proposal,
    StepAsked,
    TokenT,
)
from flaredb.errors import overloaded
from ultracloud.raft import events
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.state import Draw
from ultracloud.raft.turns import Role


class RegionRequests(Generic[TokenT]):
    """Those who ask one replica for something, until it has a turn.

    Attributes:
        me: Which peer this is.
        applied: How far the state goes that the rows hold: as of the last `finish`. While a batch that changes the
            region is not written, nothing: its range is not what the rows are of.
        raft: The log; to be looked at only.
    """

    def __init__(self, stored: Stored, engine: Engine, options: Options, draw: Draw, *, is_durable: bool) -> None:
        self.me = stored.peer
        self.raft = Raft(stored.peer, options, stored.restored(), draw)
        self.applied = stored.applied if is_durable else NOTHING
        self._state = RegionState(stored, engine)
        self._tick = 0
        self._waiting: deque[Proposal[TokenT]] = deque()
        self._waiting_bytes = 0
        self._changes: deque[tuple[events.Event, Epoch, TokenT]] = deque()
        self._sealing: list[tuple[TokenT, int]] = []
        self._steps: deque[StepAsked[TokenT]] = deque()
        self._logged: dict[int, Logged[TokenT]] = {}
        self._parked: Parked[TokenT] = Parked()
        self._reads: Reads[TokenT] = Reads()

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
    def merging(self) -> Merging:
        """How far it is in becoming one with a neighbour."""
        return self._state.merging

    @property
    def locks(self) -> Locks:
        """What transactions over several regions hold here; to be looked at only."""
        return self._state.locks

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
        self._check_open()
        size = sum(txn.size_bytes for txn in txns)
        self._check_room(size)
        self._waiting.append(Proposal(epoch.version, tuple(txns), token, size, self._tick + REQUEST_TICKS_MAX, floor))
        self._waiting_bytes += size

    def step(self, epoch: Epoch, step: Step, token: TokenT) -> None:
        """Have a step of a transaction over several regions done; see `region_txn` for who asks for which, and when.

        Args:
            epoch: Of the region as the caller knows it.
            step: What is to be done.
            token: Answered with what `region_work.Answer` has for it.

        Raises:
            RegionMovedError: The epoch's version is another one, or what the step names is not here.
            NotLeaderError: Another store leads.
            UnavailableError: Too much waits already.
        """
        is_here = not isinstance(step, Prepare | Decide) or self._state.covers(step.part)
        if isinstance(step, Decide | Settle):
            is_here &= self.region.covers(step.primary)
        if epoch.version != self.region.epoch.version or not is_here:
            raise self._state.moved()
        self._check_open()
        self._check_room(0)
        named = named_by(step.part) if isinstance(step, Prepare | Decide) else None
        self._steps.append(StepAsked(step, epoch.version, token, self._tick + REQUEST_TICKS_MAX, named))

    def keep(self, upkeep: Upkeep, token: TokenT) -> None:
        """Have done what a `region_history.HistoryKeeper` says is due.

        Raises:
            NotLeaderError: Another store leads.
        """
        self._check_whole(self.region.epoch)
        self._changes.append((events.Propose((render(upkeep),)), self.region.epoch, token))

    def read(self, epoch: Epoch, token: TokenT, sought: Sought = EVERYTHING) -> None:
        """Tell `token` when the rows here have everything of `sought` that was answered anywhere before now.

        It is told a version: at that one the rows have it, now and for good. What is not sought may still change there.
        Any replica may be asked; one that does not lead asks the leader how far to go.

        Raises:
            RegionMovedError: The epoch's version is another one.
            UnavailableError: Too many wait already.
        """
        if epoch.version != self.region.epoch.version:
            raise self._state.moved()
        if self.merging.sealed:
            raise merging_now(self.id)
        if self._reads.is_full:
            raise overloaded(self._reads.count, 0)
        self._reads.add(token, epoch.version, self._tick, sought)

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
        if self.merging != NOT_MERGING:
            # Both must stay on the same stores.
            raise merging_now(self.id)
        stores = [each.store for each in (*self.region.peers, *joining)]
        is_late = any(each.peer <= self.region.newest for each in joining)
        if is_late or len(set(stores)) < len(stores) or len(stores) > PEERS_MAX:
            raise change_refused(self.id)
        self._changes.append((events.ProposeConfig(tuple(changes), render(Join(tuple(joining)))), epoch, token))

    def merge(self, step: MergeStep, token: TokenT) -> None:
        """Have a step of a merge done; see `region_merge` for who asks for which, and when.

        Raises:
            RegionMovedError: The epoch that it was planned for is another one.
            NotLeaderError: Another store leads.
        """
        if isinstance(step, Seal) and self.merging.sealed == step.token and self.merging.left == step.left:
            self._check_leads()
            self._sealing.append((token, self._tick + SEAL_TICKS_MAX))
            return
        if isinstance(step, Seal) and not all(each.is_active for each in self.raft.progress().values()):
            # It would wait for a store that is away, and nobody could write meanwhile.
            raise change_refused(self.id)
        epoch = step.epoch if isinstance(step, Await | Seal) else self.region.epoch
        self._check_whole(epoch)
        self._changes.append((events.Propose((render(step),)), epoch, token))

    def _check_room(self, size: int) -> None:
        """Whether more may wait."""
        waiting = len(self._waiting) + len(self._steps) + self._parked.count
        size += self._waiting_bytes + self._parked.size_bytes
        if waiting >= WAITING_MAX or len(self._logged) >= WAITING_MAX or size > WAITING_BYTES_MAX:
            raise overloaded(waiting, size)

    def _check_leads(self) -> None:
        if not self.is_leader:
            raise NotLeaderError(self.id, self.leader_store)

    def _check_open(self) -> None:
        """Whether it leads and takes something."""
        self._check_leads()
        if self.merging.sealed:
            raise merging_now(self.id)

    def _check_whole(self, epoch: Epoch) -> None:
        """Whether a change that was planned at `epoch` may be logged here."""
        if epoch != self.region.epoch:
            raise self._state.moved()
        self._check_leads()
        if len(self._changes) >= WAITING_MAX:
            raise overloaded(len(self._changes), 0)
