"""Why writes are refused or slow: a judgement of what was seen of the members, as sentences that end in what to do.

Source: the limits are those of etcd's own guidance (etcd documentation, "Hardware recommendations" and "FAQ").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite

from chainfire.core.commands import Alarm

FSYNC_P99_S_MAX = 0.010
"""etcd's: a disk that takes longer to sync one write in a hundred makes elections likely."""
ROUND_TRIP_S_MAX = 0.050
"""Half of etcd's heartbeat interval: above it heartbeats begin to be late."""
WRITE_S_MAX = 0.100
"""etcd logs what takes longer as slow."""
LAG_ENTRIES_MAX = 1000
"""etcd lets a learner vote from about this lag on; a healthy member is a few entries behind."""
QUOTA_SHARE_MAX = 0.9
PENDING_MAX = 1000
"""Proposals that wait: etcd refuses from 5000 on."""
P99 = 0.99
SAMPLES_MIN = 100
"""Of fewer, one in a hundred is the slowest of all: a member that has just started would always be slow."""


class Weight(Enum):
    """What a finding means for writes."""

    REFUSED = "refused"
    SLOW = "slow"
    RISK = "risk"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause.

    Attributes:
        cause: A word that does not change, for programs.
        says: One sentence.
        remedy: What to do about it.
    """

    weight: Weight
    cause: str
    says: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Gauges:
    """What a member measures of itself; None where it does not say.

    Attributes:
        fsync: Counts of synced writes by upper bound in seconds, each with all below it.
        round_trip: The same of round trips to other members.
    """

    quota_bytes: int | None = None
    pending: int | None = None
    fsync: tuple[tuple[float, float], ...] = ()
    round_trip: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One member as it answered.

    Attributes:
        failure: Why it did not; empty if it did.
        errors: What it says is wrong with it.
    """

    address: str
    failure: str = ""
    member: int = 0
    leader: int = 0
    index: int = 0
    stored_bytes: int = 0
    live_bytes: int = 0
    is_learner: bool = False
    errors: tuple[str, ...] = ()
    gauges: Gauges = Gauges()


@dataclass(frozen=True, slots=True)
class Trial:
    """Writes that were tried: a lease, granted and revoked, which leaves nothing behind.

    Attributes:
        failure: What refused them; empty if nothing did.
        seconds: What each took.
    """

    failure: str = ""
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen.

    Attributes:
        voters: Names of the members that vote, by id; empty if nobody told.
        alarms: Raised ones, as pairs of member and alarm.
    """

    members: tuple[Sighting, ...]
    trial: Trial
    voters: Mapping[int, str]
    alarms: tuple[tuple[int, Alarm], ...] = ()


def judge(seen: Seen) -> list[Finding]:
    """Give what is wrong, what refuses writes first."""
    answering = [each for each in seen.members if not each.failure]
    if not answering:
        return [_nobody(seen.members)]
    found = [
        *_quorum(seen, answering),
        *_alarms(seen, answering),
        *(finding for each in answering for finding in _one(each)),
        *_lag(answering),
    ]
    found += _trial(seen.trial, found)
    order = list(Weight)
    return sorted(found, key=lambda finding: order.index(finding.weight))


def quantile(counts: Sequence[tuple[float, float]], share: float) -> float:
    """The bound below which `share` of what was counted lies; 0 if less than SAMPLES_MIN were counted."""
    ordered = sorted(counts)
    whole = ordered[-1][1] if ordered else 0
    if whole < SAMPLES_MIN:
        return 0.0
    return next(bound for bound, below in ordered if below >= whole * share)


def _nobody(members: Sequence[Sighting]) -> Finding:
    tried = "; ".join(f"{each.address}: {each.failure}" for each in members)
    return Finding(
        Weight.REFUSED,
        "NO_ANSWER",
        f"No member answers. {tried}.",
        "See that the processes run and listen there (ss -ltnp), that nothing between filters, and that both sides use "
        "TLS or neither.",
    )


def _quorum(seen: Seen, answering: Sequence[Sighting]) -> Iterator[Finding]:
    voters = dict(seen.voters)
    alive = {each.member for each in answering if not each.is_learner}
    missing = [name for member, name in sorted(voters.items()) if member not in alive]
    needed = len(voters) // 2 + 1
    silent = [each for each in seen.members if each.failure]
    if all(not each.leader for each in answering):
        if len(alive) < needed:
            yield Finding(
                Weight.REFUSED,
                "NO_QUORUM",
                f"There is no leader: {len(alive)} of {len(voters)} voters answer and {needed} are needed; "
                f"not seen: {', '.join(missing)}.",
                "Start the missing members. If their disks are lost for good, start one that is left with "
                "cluster.force_new = true for one start: it goes on alone with what it knows.",
            )
        else:
            yield Finding(
                Weight.REFUSED,
                "NO_LEADER",
                "The members that answer have no leader, though enough of them are there.",
                "See that they reach each other's peer URLs (chainfire member list) in both directions, and look for "
                "refused handshakes in their logs. An election takes a second or two: ask again.",
            )
    elif voters and silent and len(alive) == needed and len(voters) > 1:
        yield Finding(
            Weight.RISK,
            "ONE_MORE",
            f"Only {len(alive)} of {len(voters)} voters were seen: if one more is lost, writes stop; "
            f"not seen: {', '.join(missing)}.",
            "Start the missing member, or replace it: chainfire member replace.",
        )
    for each in answering:
        if not each.leader and any(other.leader for other in answering):
            yield Finding(
                Weight.REFUSED,
                "CUT_OFF",
                f"{each.address} has no leader while others have: it is cut off, and refuses what is asked there.",
                "See that it reaches the others' peer URLs and they its own; let clients name all members.",
            )
    for each in silent:
        yield Finding(
            Weight.RISK,
            "MEMBER_SILENT",
            f"{each.address} does not answer: {each.failure}.",
            "See whether its process runs and what its log says last; clients that name it alone are refused.",
        )


def _alarms(seen: Seen, answering: Sequence[Sighting]) -> Iterator[Finding]:
    for member, alarm in seen.alarms:
        name = seen.voters.get(member, f"{member:x}")
        mine = next((each for each in answering if each.member == member), None)
        quota = mine.gauges.quota_bytes if mine else None
        if alarm is Alarm.CORRUPT:
            yield Finding(
                Weight.REFUSED,
                "ALARM_CORRUPT",
                f"Member {name} found that its state differs from the others'.",
                f"Replace it (chainfire member replace {member:x}), then chainfire alarm disarm.",
            )
        elif mine and quota and mine.stored_bytes >= quota * QUOTA_SHARE_MAX:
            yield Finding(
                Weight.REFUSED,
                "ALARM_QUOTA",
                f"Member {name} is full: {mine.stored_bytes} bytes are stored, {mine.live_bytes} of them the present, "
                f"and its quota is {quota}.",
                "Forget the past (chainfire compact REVISION), delete what is not needed or raise storage.quota_mib, "
                "then chainfire alarm disarm.",
            )
        else:
            yield Finding(
                Weight.REFUSED,
                "ALARM_NOSPACE",
                f"Member {name} had no room left on its disk, or was over its quota; the alarm is still raised.",
                "Free space on its disk (df names it) or compact, then chainfire alarm disarm.",
            )


def _one(each: Sighting) -> Iterator[Finding]:
    """What one member says of itself."""
    gauges = each.gauges
    for error in each.errors:
        yield Finding(
            Weight.RISK, "MEMBER_TROUBLED", f"{each.address} says of itself: {error}.", "Its log has the details."
        )
    fsync_s = quantile(gauges.fsync, P99)
    if fsync_s > FSYNC_P99_S_MAX:
        yield Finding(
            Weight.SLOW,
            "DISK_SLOW",
            f"The disk of {each.address} takes {_ms(fsync_s)} for one sync in a hundred; "
            f"{_ms(FSYNC_P99_S_MAX)} is what elections and writers bear well.",
            "Give the log a disk of its own (state_dir), without other writers; look at iostat and dmesg.",
        )
    round_trip_s = quantile(gauges.round_trip, P99)
    if round_trip_s > ROUND_TRIP_S_MAX:
        yield Finding(
            Weight.SLOW,
            "NETWORK_SLOW",
            f"From {each.address} a message to another member and back takes {_ms(round_trip_s)}, once in a hundred.",
            "Every write waits for it once: bring the members closer together, or look for loss (ip -s link).",
        )
    if gauges.pending is not None and gauges.pending > PENDING_MAX:
        yield Finding(
            Weight.SLOW,
            "QUEUE",
            f"{gauges.pending} writes wait at {each.address}.",
            "Writers ask for more than disk and members give: write in fewer, larger transactions, or fewer at once.",
        )
    if gauges.quota_bytes and each.stored_bytes > gauges.quota_bytes * QUOTA_SHARE_MAX:
        yield Finding(
            Weight.RISK,
            "QUOTA",
            f"{each.address} stores {each.stored_bytes} bytes of the {gauges.quota_bytes} that its quota allows.",
            "Compact before it is full (chainfire compact REVISION), or raise storage.quota_mib.",
        )
    if each.is_learner:
        yield Finding(
            Weight.RISK,
            "LEARNER",
            f"{each.address} is a learner: it refuses what clients ask, except stale reads.",
            "Let clients name the voters, or promote it (chainfire member promote).",
        )


def _lag(answering: Sequence[Sighting]) -> Iterator[Finding]:
    newest = max(each.index for each in answering)
    for each in answering:
        if newest - each.index > LAG_ENTRIES_MAX:
            yield Finding(
                Weight.RISK,
                "LAGGING",
                f"{each.address} is {newest - each.index} log entries behind: it answers late, and cannot stand in for "
                "another member.",
                "If it does not catch up within minutes, look at its disk, its network and its load.",
            )


def _trial(trial: Trial, found: Sequence[Finding]) -> Iterator[Finding]:
    """What the writes that were tried add to what is known already."""
    is_explained = any(finding.weight is Weight.REFUSED for finding in found)
    if trial.failure and not is_explained:
        yield Finding(
            Weight.REFUSED,
            "WRITE_REFUSED",
            f"A write was refused: {trial.failure}.",
            "If it says 'timed out' or 'leader changed', an election is going on: ask again in a second.",
        )
    if trial.seconds:
        middle = sorted(trial.seconds)[len(trial.seconds) // 2]
        if middle > WRITE_S_MAX:
            yield Finding(
                Weight.SLOW,
                "WRITE_SLOW",
                f"A write takes {_ms(middle)}.",
                "Without another cause named here, the machine itself is busy: look at its load.",
            )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if isfinite(seconds) else "longer than is counted"
