"""What a region's log holds: transactions, steps of those over several regions, splits, history, new members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType, TypeAlias

from flaredb.core.commands import Txn
from flaredb.core.region import Epoch, Peer, Region, RegionId

TxnId = NewType("TxnId", bytes)
"""Of one attempt at a transaction over several regions: when it began, and bytes that no other one has. It is in the
keys of its rows."""
TXN_BEGAN_BYTES, TXN_RANDOM_BYTES = 6, 9
_NO_REGION, _NO_EPOCH = RegionId(0), Epoch(0, 0)
Span: TypeAlias = tuple[bytes, bytes]
"""The first and the last encoded key of something."""


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


@dataclass(frozen=True, slots=True)
class Prepare:
    """Compare, and lock what a transaction names here until it is resolved; see `region_txn`.

    Attributes:
        primary: An encoded key; the region that holds it decides.
        part: What belongs to this region.
        floor: As in `Batch`, of the version that the transaction may get.
        waits: Where it meets a lock, it waits for that; otherwise it is refused.
    """

    txn: TxnId
    primary: bytes
    part: Txn
    floor: int = 0
    waits: bool = True


@dataclass(frozen=True, slots=True)
class Decide:
    """Commit a transaction whose other parts are prepared: the primary region compares and does its own, and says so.

    Attributes:
        part: What belongs to the primary region.
        floor: The highest version that a part was prepared at.
        spans: Where the other parts are, so that whoever finds the decision finds them.
    """

    txn: TxnId
    primary: bytes
    part: Txn
    floor: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask the primary region what became of a transaction."""

    txn: TxnId
    primary: bytes


@dataclass(frozen=True, slots=True)
class Resolve:
    """Do what a part of a transaction was to do, and unlock.

    Attributes:
        at: The version that was decided; 0 drops it.
    """

    txn: TxnId
    at: int


@dataclass(frozen=True, slots=True)
class Forget:
    """All parts of some committed transactions are resolved: nobody needs their decisions any more."""

    txns: tuple[TxnId, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of transactions over several regions, one after the other, at the leader's time; otherwise as `Batch`."""

    version: int
    now_ms: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class RaiseFloor:
    """Give up history: nobody reads below this version any more."""

    floor: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Delete what nobody who reads at the floor can see, of keys changed up to `through`."""

    through: int


@dataclass(frozen=True, slots=True)
class Await:
    """Get ready to take over the right neighbour: no splits and no changes of members until that is over.

    Attributes:
        epoch: Of this region.
        right: The neighbour, as of `right_epoch`.
    """

    epoch: Epoch
    right: RegionId
    right_epoch: Epoch


@dataclass(frozen=True, slots=True)
class Seal:
    """Stop for good, for the left neighbour to take over.

    Attributes:
        epoch: Of this region.
        left: The neighbour.
        token: Of its `Await`.
    """

    epoch: Epoch
    left: RegionId
    token: int


@dataclass(frozen=True, slots=True)
class Absorb:
    """Take over the right neighbour, which is sealed on all its stores.

    Attributes:
        token: Of the `Await`.
        right: The neighbour as it is sealed.
        index: Of its `Seal`.
    """

    token: int
    right: Region
    index: int


@dataclass(frozen=True, slots=True)
class Release:
    """Never take over what was awaited by `token`."""

    token: int


@dataclass(frozen=True, slots=True)
class Unseal:
    """Go on: the left neighbour has released; a `Seal` of `token` that comes late finds another epoch."""

    left: RegionId
    token: int


@dataclass(frozen=True, slots=True)
class Clear:
    """The right neighbour goes on after a `Release`: another one may be awaited."""

    token: int


@dataclass(frozen=True, slots=True)
class Merging:
    """How far a region is in becoming one with a neighbour.

    Attributes:
        right: The neighbour that it awaits, 0 without one; as of `right_epoch`.
        token: Index of the `Await`.
        is_released: It will not take it over.
        left: The neighbour that it is sealed for.
        sealed: Token of that one's `Await`, 0 if it is not sealed.
        sealed_at: Index of the `Seal`.
    """

    right: RegionId = _NO_REGION
    right_epoch: Epoch = _NO_EPOCH
    token: int = 0
    is_released: bool = False
    left: RegionId = _NO_REGION
    sealed: int = 0
    sealed_at: int = 0


NOT_MERGING = Merging()
MergeStep: TypeAlias = Await | Seal | Absorb | Release | Unseal | Clear
"""What is done to make two regions one; see `region_merge`."""
Step: TypeAlias = Prepare | Decide | Settle | Resolve | Forget
"""What is done with a transaction over several regions."""
Upkeep: TypeAlias = RaiseFloor | Sweep
"""What is done with history."""
Command: TypeAlias = Batch | Steps | Split | Upkeep | MergeStep


def txn_id(began_ms: int, random: bytes, attempt: int = 0) -> TxnId:
    """The name of an attempt.

    Args:
        began_ms: Wall time of the store that coordinates it.
        random: TXN_RANDOM_BYTES that no other transaction of this millisecond has.
        attempt: 0 to 255.
    """
    return TxnId(began_ms.to_bytes(TXN_BEGAN_BYTES, "big") + random + bytes((attempt,)))


def began_ms_of(txn: TxnId) -> int:
    """When an attempt began."""
    return int.from_bytes(txn[:TXN_BEGAN_BYTES], "big")
