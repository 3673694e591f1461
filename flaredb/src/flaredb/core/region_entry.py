"""What a region's log holds: batches of transactions, splits, and where new members are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flaredb.core.commands import Txn
from flaredb.core.region import Epoch, Peer, RegionId


@dataclass(frozen=True, slots=True)
class Batch:
    """Transactions to run one after the other, at the leader's time.

    Attributes:
        version: The region's epoch version that they were routed by: after a split none of them is run, because what
            they name may be elsewhere.
        now_ms: The leader's wall time, so that every replica evaluates alike.
        groups: Each is what one caller proposed; one without transactions only wants to be answered after this entry.
        floor: Every version that the batch gives, and the mark after it, are at or above this one.
    """

    version: int
    now_ms: int
    groups: tuple[tuple[Txn, ...], ...]
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Cut the region at `at`; the right half becomes region `right` with `peers`, on the same stores.

    Attributes:
        epoch: Both parts must still hold, or nothing happens.
    """

    epoch: Epoch
    at: bytes
    right: RegionId
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Carried by a change of members: where those are that join."""

    peers: tuple[Peer, ...]


Command: TypeAlias = Batch | Split
