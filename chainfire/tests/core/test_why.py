"""What `chainfire why` makes of what it sees."""

from dataclasses import replace

import pytest

from chainfire.core.commands import Alarm
from chainfire.core.why import Finding, Gauges, Seen, Sighting, Trial, Weight, judge, quantile

VOTERS = {1: "a", 2: "b", 3: "c"}
WELL = tuple(
    Sighting(f"{name}:2379", member=member, leader=1, index=50_000, stored_bytes=10, live_bytes=5)
    for member, name in VOTERS.items()
)
FAST = Trial("", (0.002, 0.003, 0.002))
SEEN = Seen(WELL, FAST, VOTERS)


def without(seen: Seen, *names: str) -> Seen:
    """The same with members that do not answer."""
    return replace(
        seen,
        members=tuple(
            Sighting(each.address, failure="refused") if each.address[0] in names else each for each in seen.members
        ),
    )


def changed(number: int, **fields: object) -> Seen:
    """All well but for one member."""
    members = list(WELL)
    members[number] = replace(members[number], **fields)  # type: ignore[arg-type]
    return replace(SEEN, members=tuple(members))


def causes(findings: list[Finding]) -> list[tuple[str, str]]:
    """What weighs how."""
    return [(finding.weight.value, finding.cause) for finding in findings]


def test_nothing_is_found_where_all_is_well() -> None:
    assert judge(SEEN) == []


LEADERLESS = replace(SEEN, members=tuple(replace(each, leader=0) for each in WELL), trial=Trial("timed out"))
GAUGED = Gauges(quota_bytes=100, pending=1, fsync=((0.001, 99), (0.004, 100), (float("inf"), 100)))
CASES: list[tuple[Seen, list[tuple[str, str]]]] = [
    (without(SEEN, "a", "b", "c"), [("refused", "NO_ANSWER")]),
    (
        without(LEADERLESS, "b", "c"),
        [("refused", "NO_QUORUM"), ("risk", "MEMBER_SILENT"), ("risk", "MEMBER_SILENT")],
    ),
    (LEADERLESS, [("refused", "NO_LEADER")]),
    (without(SEEN, "c"), [("risk", "ONE_MORE"), ("risk", "MEMBER_SILENT")]),
    (changed(2, leader=0), [("refused", "CUT_OFF")]),
    (changed(1, index=100), [("risk", "LAGGING")]),
    (changed(1, index=49_500), []),
    (changed(1, errors=("disk is tired",)), [("risk", "MEMBER_TROUBLED")]),
    (changed(1, is_learner=True), [("risk", "LEARNER")]),
    (changed(0, gauges=GAUGED), []),
    (changed(0, gauges=GAUGED, stored_bytes=95), [("risk", "QUOTA")]),
    (changed(0, gauges=Gauges(fsync=((0.01, 90), (0.128, 100)))), [("slow", "DISK_SLOW")]),
    (changed(0, gauges=Gauges(round_trip=((0.01, 90), (0.2, 100)))), [("slow", "NETWORK_SLOW")]),
    (changed(0, gauges=Gauges(pending=4000)), [("slow", "QUEUE")]),
    (replace(SEEN, alarms=((2, Alarm.NOSPACE),), trial=Trial("exceeded")), [("refused", "ALARM_NOSPACE")]),
    (
        replace(changed(1, gauges=GAUGED, stored_bytes=99), alarms=((2, Alarm.NOSPACE),)),
        [("refused", "ALARM_QUOTA"), ("risk", "QUOTA")],
    ),
    (replace(SEEN, alarms=((3, Alarm.CORRUPT),)), [("refused", "ALARM_CORRUPT")]),
    (replace(SEEN, trial=Trial("etcdserver: too many requests")), [("refused", "WRITE_REFUSED")]),
    (replace(SEEN, trial=Trial("", (0.5, 0.6, 0.002))), [("slow", "WRITE_SLOW")]),
    (Seen((replace(WELL[0], leader=1),), FAST, {}), []),
]


@pytest.mark.parametrize(("seen", "expected"), CASES)
def test_each_cause_is_named(seen: Seen, expected: list[tuple[str, str]]) -> None:
    findings = judge(seen)
    assert causes(findings) == expected
    assert all(finding.says.endswith(".") and finding.remedy.endswith(".") for finding in findings)


def test_a_lost_quorum_is_told_in_numbers_and_names() -> None:
    (first, *_) = judge(without(LEADERLESS, "b", "c"))
    assert first.says == "There is no leader: 1 of 3 voters answer and 2 are needed; not seen: b, c."
    assert "cluster.force_new" in first.remedy


def test_what_refuses_comes_before_what_slows() -> None:
    seen = replace(changed(0, gauges=Gauges(pending=4000), is_learner=True), alarms=((3, Alarm.CORRUPT),))
    assert [finding.weight for finding in judge(seen)] == [Weight.REFUSED, Weight.SLOW, Weight.RISK]


def test_the_quantile_is_the_bound_that_holds_its_share() -> None:
    assert quantile([], 0.99) == 0
    assert quantile([(1, 0), (2, 0)], 0.99) == 0
    assert quantile([(1, 0), (2, 99)], 0.99) == 0
    assert quantile([(4, 100), (1, 50), (2, 99)], 0.99) == 2
    assert quantile([(1, 50), (2, 98), (float("inf"), 100)], 0.99) == float("inf")
