"""What a region says to those who came by an old map, asked the wrong replica, or will never know."""

from __future__ import annotations

from flaredb.core.region import Region, RegionId, StoreId
from ultracloud.base.faults import AbortedError, FailedPreconditionError, UnavailableError

LOCKED = "LOCKED"
"""Reason of what met a lock, and was not to wait for it any longer."""


class RegionMovedError(AbortedError):
    """The map that led here is old; nothing was done.

    Attributes:
        regions: What is here now in place of what was asked for.
    """

    def __init__(self, region: RegionId, regions: tuple[Region, ...]) -> None:
        now = ", ".join(map(_show, regions)) or "this store has no replica of it"
        super().__init__(
            f"region {region} is not as the request's map has it; now: {now}",
            hint="Read the region map again and send the request where its keys are now.",
            reason="REGION_MOVED",
            metadata={"region": str(region)},
        )
        self.regions = regions


class NotLeaderError(UnavailableError):
    """This replica does not lead; nothing was done.

    Attributes:
        leader: The store that leads, as far as this replica knows.
    """

    def __init__(self, region: RegionId, leader: StoreId | None) -> None:
        where = "nobody is known to" if leader is None else f"store {leader} does"
        super().__init__(
            f"this store does not lead region {region}: {where}; send it there",
            reason="NOT_LEADER",
            metadata={"region": str(region), "leader": str(leader or "")},
        )
        self.leader = leader


class OutcomeUnknownError(AbortedError):
    """It may have happened, or not, or may still."""

    def __init__(self, region: RegionId) -> None:
        super().__init__(
            f"region {region} lost its leader, or its quorum, during this write: it may or may not have been kept; "
            "read again before repeating it",
            reason="OUTCOME_UNKNOWN",
            metadata={"region": str(region)},
        )


def not_now(region: RegionId) -> UnavailableError:
    """It waited in vain, and was not done."""
    return UnavailableError(
        f"region {region} has no quorum that answers in time; nothing was done, send it again", reason="NO_QUORUM"
    )


def locked(region: RegionId) -> UnavailableError:
    """It waited in vain for a transaction over several regions to end, and was not done."""
    return UnavailableError(
        f"keys of region {region} are locked by a transaction that does not end; nothing was done, send it again",
        reason=LOCKED,
    )


def merging_now(region: RegionId) -> UnavailableError:
    """Its left neighbour is taking it over."""
    return UnavailableError(
        f"region {region} is becoming one with its neighbour; nothing was done, send it again", reason="MERGING"
    )


def change_refused(region: RegionId) -> UnavailableError:
    """Another change is not done yet, or the leader is handing over."""
    return UnavailableError(
        f"region {region} cannot take this change now: another one is not done; send it again", reason="CHANGE_REFUSED"
    )


def clock_behind(region: RegionId, ahead_ms: int, ahead_ms_max: int) -> FailedPreconditionError:
    """It was asked to give versions that are too far ahead of its clock: one of two clocks is wrong."""
    return FailedPreconditionError(
        f"region {region} is to go {ahead_ms} ms ahead of its leader's clock; accepted: up to {ahead_ms_max} ms; "
        "nothing was done",
        hint="The clock of the store that leads it, or of the one that gave the version, is wrong: synchronise both "
        "with NTP, then send it again.",
        reason="CLOCK_SKEW",
        metadata={"region": str(region)},
    )


def _show(region: Region) -> str:
    epoch = region.epoch
    span = f"[{region.start.hex()}, {region.end.hex() or 'end'})"
    return f"region {region.region} {span} at epoch {epoch.version}.{epoch.conf_version}"
