"""What callers are told of an eventual namespace that they would not be told of another, and operators of clocks."""

from __future__ import annotations

from flaredb.core.region import StoreId
from ultracloud.base.faults import FailedPreconditionError, OutOfRangeError, UnavailableError

REASON = "EVENTUAL_NAMESPACE"
"""Why a request was refused: another namespace would have taken it."""
REASON_NOT_LISTED = "NOT_EVENTUAL"
"""Why a request was refused that is for eventual namespaces only."""


class ClockSkewError(FailedPreconditionError):
    """A clock is further ahead than stores follow each other.

    Attributes:
        ahead_ms: By how much.
    """

    def __init__(self, public: str, hint: str, ahead_ms: int) -> None:
        super().__init__(public, hint=hint, reason="CLOCK_SKEW", metadata={"ahead_ms": str(ahead_ms)})
        self.ahead_ms = ahead_ms


def peer_ahead(ahead_ms: int, most_ms: int) -> ClockSkewError:
    """What a peer sent was stamped by a clock that is too far ahead."""
    return ClockSkewError(
        f"clock skew over the bound: a peer's clock is {ahead_ms} ms ahead of ours; accepted: 0 to {most_ms} ms",
        "Nothing of it was taken. Set both machines' clocks by NTP; what was missed is repaired by itself.",
        ahead_ms,
    )


def self_ahead(ahead_ms: int, most_ms: int) -> ClockSkewError:
    """Most peers say that this store's own clock is too far ahead; its writes would win over all others."""
    return ClockSkewError(
        f"clock skew over the bound: most other stores say that this store's clock is {ahead_ms} ms ahead of theirs; "
        f"accepted: up to {most_ms} ms",
        "Nothing was written. Set this machine's clock by NTP, or write to another store.",
        ahead_ms,
    )


def stamped_ahead(ahead_ms: int, most_ms: int) -> ClockSkewError:
    """A write that is to be restored was stamped by a clock that is too far ahead, or ours is behind."""
    return ClockSkewError(
        f"clock skew over the bound: a write to be restored is stamped {ahead_ms} ms ahead of this store's clock; "
        f"accepted: up to {most_ms} ms",
        "Nothing of it was taken. Set this machine's clock by NTP; or restore with --replace, which stamps anew.",
        ahead_ms,
    )


def not_listed(namespace: str) -> FailedPreconditionError:
    """What only eventual namespaces have was asked of another."""
    return FailedPreconditionError(
        f"namespace '{namespace}' is not eventual on this server",
        hint=f'List it in its configuration to make it so, on all stores: [eventual] namespaces = ["{namespace}"]',
        reason=REASON_NOT_LISTED,
        metadata={"namespace": namespace},
    )


def not_eventual(namespace: str, what: str, instead: str) -> FailedPreconditionError:
    """An eventual namespace does not have what was asked for."""
    return FailedPreconditionError(
        f"namespace '{namespace}' is eventual, which has no {what}",
        hint=instead,
        reason=REASON,
        metadata={"namespace": namespace},
    )


def not_ours(version: int, newest: int) -> OutOfRangeError:
    """A version of another store, or from before this store's disk was lost."""
    return OutOfRangeError(
        f"version {version} is not of this store, whose newest is {newest}: in an eventual namespace each store has "
        "versions of its own",
        hint="Read again here, and watch from that read_version.",
        reason="VERSION_UNKNOWN",
        metadata={"version": str(version), "applied": str(newest)},
    )


def joining() -> UnavailableError:
    """This store is new and has not got its copy."""
    return UnavailableError(
        "this store has joined and does not have its copy of eventual namespaces yet; send this again in some seconds, "
        "or to another store",
        reason="JOINING",
    )


def too_many_writes(waiting: int, store: StoreId) -> UnavailableError:
    """More writes wait for the disk than may."""
    return UnavailableError(
        f"{waiting} eventual writes already wait for the disk; send this write again later",
        detail=f"store {store}",
        reason="OVERLOADED",
    )
