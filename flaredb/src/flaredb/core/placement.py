"""What placement looks at and what it may do: stores and regions as their heartbeats have them, and steps.

Every step carries the epoch that it was planned by and the ids that it gives, so a region that has changed since
refuses it, and one that has it already does nothing twice. `placement_plan` decides.

Source: "TiKV" (deep dive, "Scheduling"): the rules, of what PD does; none of its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from ultracloud.raft.words import NodeId

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """A store as of its last heartbeat.

    Attributes:
        labels: Where it stands, such as ``("zone", "a")``: what may fail together.
        seen_ms: Time of the heartbeat.
        is_leaving: It is to be emptied.
    """

    store: StoreId
    capacity_bytes: int
    used_bytes: int
    seen_ms: int
    labels: tuple[tuple[str, str], ...] = ()
    is_leaving: bool = False

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
        leads_gap: Leaders move when two stores lead numbers of regions that differ by more than this.
        fill_max: A store fuller than this gets nothing new.
        steps_max: Of one round.
        joins_max: Replicas that one store gets in one round: each is sent a whole state.
    """

    replicas: int = 3
    domains: tuple[str, ...] = ("zone", "rack", "host")
    split_bytes: int = 96 * MIB
    split_load: int = 5000
    merge_bytes: int = 24 * MIB
    down_ms: int = 20_000
    dead_ms: int = 600_000
    fill_gap: float = 0.05
    leads_gap: int = 2
    fill_max: float = 0.85
    steps_max: int = 8
    joins_max: int = 2


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that is known.

    Attributes:
        regions: In the order of their keys.
        next_id: The first id that neither a region nor a peer has had; the caller reserves as many as the plan takes.
    """

    stores: tuple[StoreSeen, ...]
    regions: tuple[RegionSeen, ...]
    now_ms: int
    next_id: int


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
    """Add a replica, remove one, or both at once by joint consensus."""

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
