"""What placement looks at and what it may do: stores and regions as their heartbeats have them, and steps.

Every step carries the epoch that it was planned by and the ids that it gives, so a region that has changed since
refuses it, and one that has it already does nothing twice. `placement_plan` decides.

Source: "TiKV" (deep dive, "Scheduling"): the rules, of what PD does; none of its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, assert_never

from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.words import NodeId

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """A store as of its last heartbeat.

    Attributes:
        labels: Where it stands, such as ``("zone", "a")``: what may fail together.
        seen_ms: Time of the heartbeat.
        is_leaving: It is to be emptied.
        is_heard: Its heart was heard beating, and not only found to have beaten. What was silent when a planner began
            to listen gets nothing before that, or what a store that is gone would have gets is waited for.
    """

    store: StoreId
    capacity_bytes: int
    used_bytes: int
    seen_ms: int
    labels: tuple[tuple[str, str], ...] = ()
    is_leaving: bool = False
    is_heard: bool = True

    @property
    def fill(self) -> float:
        """Part of it that is used."""
        return self.used_bytes / self.capacity_bytes if self.capacity_bytes else 1.0

    def label(self, name: str) -> str:
        """What it says of itself; a store that says nothing stands alone."""
        return dict(self.labels).get(name, f"store {self.store}")


@dataclass(frozen=True, slots=True)
class RegionSeen:
    """A region as its leader's last heartbeat has it.

    Attributes:
        load: Requests a second.
        leader: Where its leader is, None if nobody has said so lately.
        middle: An encoded key with about half of the bytes, or of the load, before it; empty if not known.
        behind: Peers that have not caught up.
    """

    region: Region
    size_bytes: int
    load: int
    leader: StoreId | None
    middle: bytes = b""
    behind: frozenset[NodeId] = frozenset()


class StoreState(Enum):
    """What a store's silence makes of it."""

    UP = "up"
    DOWN = "down"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How regions are to stand.

    What undoes a step begins well after what asks for it (hysteresis): two regions are merged when together they have a
    quarter of what splits one, and replicas move only between stores whose fill differs by more than a move changes.

    Attributes:
        replicas: Of each region.
        domains: Labels that tell what may fail together, the widest first.
        split_bytes: A region of this size is cut. More takes long to send; less makes more groups to keep alive.
        split_load: A region with so many requests a second is cut.
        merge_bytes: Neighbours that have no more together, and hardly any load, become one.
        down_ms: A store that was silent so long gets nothing new, and leads nothing.
        dead_ms: A store that was silent so long has lost its replicas: they are made anew elsewhere. A restart of its
            machine takes less.
        fill_gap: Replicas move when the fill of two stores differs by more than this.
        holds_gap: Replicas move when two stores hold numbers of them that differ by more than this.
        leads_gap: Leaders move when two stores lead numbers of regions that differ by more than this.
        load_gap: Leaders move when what two stores lead has requests a second that differ by more than this.
        fill_max: A store fuller than this gets nothing new.
        steps_max: At once.
        joins_max: Replicas that one store gets at once: each is sent a whole state.
        may_merge: Whether small neighbours become one.
    """

    replicas: int = 3
    domains: tuple[str, ...] = ("zone", "rack", "host")
    split_bytes: int = 96 * MIB
    split_load: int = 5000
    merge_bytes: int = 24 * MIB
    down_ms: int = 20_000
    dead_ms: int = 600_000
    fill_gap: float = 0.05
    holds_gap: int = 2
    leads_gap: int = 2
    load_gap: int = 1000
    fill_max: float = 0.85
    steps_max: int = 8
    joins_max: int = 2
    may_merge: bool = False

    def state(self, silent_ms: int) -> StoreState:
        """What a store is that was not heard of for so long."""
        if silent_ms >= self.dead_ms:
            return StoreState.LOST
        return StoreState.DOWN if silent_ms >= self.down_ms else StoreState.UP


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that is known.

    Attributes:
        regions: In the order of their keys.
        next_id: The first id that neither a region nor a peer has had; the caller reserves as many as the plan takes.
        under_way: Steps of earlier rounds that do not show yet.
    """

    stores: tuple[StoreSeen, ...]
    regions: tuple[RegionSeen, ...]
    now_ms: int
    next_id: int
    under_way: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitRegion:
    """Cut a region at a key."""

    region: RegionId
    epoch: Epoch
    at: bytes
    right: RegionId
    peers: tuple[Peer, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ChangeReplicas:
    """Add a replica, remove one, or one for the other. See `next_change` for how.

    Attributes:
        joining: A peer that never was, or a learner of the region, whose change nobody finished.
    """

    region: RegionId
    epoch: Epoch
    joining: Peer | None
    leaving: Peer | None
    why: str


@dataclass(frozen=True, slots=True)
class TransferLead:
    """Let another replica lead."""

    region: RegionId
    epoch: Epoch
    to: Peer
    why: str


@dataclass(frozen=True, slots=True)
class MergeRegions:
    """Make two neighbours one: `left` takes over the keys of `right`, which stands on the same stores."""

    left: RegionId
    left_epoch: Epoch
    right: RegionId
    right_epoch: Epoch
    why: str


Step: TypeAlias = SplitRegion | ChangeReplicas | TransferLead | MergeRegions


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What of a step is to be proposed to the region's log now.

    Attributes:
        joining: Where the peers are that `changes` bring in.
        awaited: A learner that must have caught up before, None if none is.
    """

    changes: tuple[NodeChange, ...]
    joining: tuple[Peer, ...] = ()
    awaited: NodeId | None = None


@dataclass(slots=True)
class Plan:
    """What is to be done now, most urgent first, and what cannot be done.

    Attributes:
        troubles: A sentence for each region that placement cannot help.
        next_id: The first id that the plan has not given.
    """

    steps: list[Step] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    next_id: int = 0


def next_change(step: ChangeReplicas, region: Region) -> MemberChange | None:
    """How a region as it is now is brought on towards a step; None when it is there.

    A new replica is a learner until it has caught up: as a voter it would be asked for its part of a quorum before it
    has anything. Then it takes the place of the one that leaves in one change, by joint consensus, which the region
    leaves by itself.
    """
    joining, leaving = step.joining, step.leaving
    here = region.config.voters | region.config.learners
    goes = (NodeChange(ChangeKind.REMOVE, leaving.peer),) if leaving is not None and leaving.peer in here else ()
    if joining is None or joining.peer in region.config.voters:
        return MemberChange(goes) if goes else None
    if joining.peer not in here:
        return MemberChange((NodeChange(ChangeKind.ADD_LEARNER, joining.peer),), (joining,))
    return MemberChange((NodeChange(ChangeKind.ADD_VOTER, joining.peer), *goes), awaited=joining.peer)


def shows(step: Step, seen: RegionSeen) -> bool:
    """Whether a region, as it is reported, has what a step did to it, or is past it."""
    region = seen.region
    match step:
        case SplitRegion():
            return region.epoch.version > step.epoch.version
        case ChangeReplicas():
            return region.epoch != step.epoch and not region.config.outgoing and next_change(step, region) is None
        case TransferLead():
            return region.epoch != step.epoch or seen.leader == step.to.store
        case MergeRegions():
            return region.epoch.version > step.left_epoch.version
        case _:
            assert_never(step)
