from __future__ import annotations

from dataclasses import replace

import pytest

from flaredb.core.why import Gauges, Trial, Weight, between, judge, quantile

WELL = {
    "disk_free_bytes": 1e9,
    "disk_reserve_bytes": 64e6,
    "applied_version": 500_000.0,
    "floor_version": 200_000.0,
    "swept_version": 200_000.0,
}
SYNCS = ((0.001, 500.0), (0.005, 990.0), (0.01, 1000.0), (float("inf"), 1000.0))
GAUGES = Gauges(WELL, SYNCS)
TRIAL = Trial("", (0.001,) * 5)


def causes(trial: Trial = TRIAL, before: Gauges = GAUGES, **numbers: float) -> list[str]:
    return [finding.cause for finding in judge(trial, before, replace(before, numbers={**WELL, **numbers}))]


def test_a_server_that_is_well_has_nothing_to_say():
    assert causes() == []


@pytest.mark.parametrize(
    ("numbers", "cause"),
    [
        ({"disk_free_bytes": 63e6}, "DISK_FULL"),
        ({"disk_free_bytes": 127e6}, "DISK_LOW"),
        ({"refusing_writes": 1.0}, "DISK_FAILED"),
        ({"write_stalls": 1.0}, "ENGINE_STALLED"),
        ({"compaction_pending_bytes": 2e9}, "COMPACTION_BEHIND"),
        ({"database_connected": 0.0}, "DATABASE_AWAY"),
        ({"waiting_writes": 1001.0}, "QUEUE"),
        ({"swept_version": 99_999.0}, "SWEEP_BEHIND"),
        ({"expiry_behind_seconds": 11.0}, "EXPIRY_BEHIND"),
        ({"watch_behind_versions": 10_001.0}, "WATCH_SLOW"),
        ({"eventual_is_whole": 0.0}, "JOINING"),
        ({"eventual_self_ahead_seconds": 2.0}, "CLOCK_AHEAD"),
        ({"eventual_peer_ahead_seconds": 2.0}, "CLOCK_SKEW"),
    ],
)
def test_each_cause_is_found_alone(numbers: dict[str, float], cause: str):
    assert causes(**numbers) == [cause]


def test_what_refuses_writes_is_said_first_and_explains_the_trial():
    refused = Trial("the store's disk has 1 MiB free", (0.2,))
    assert causes(refused, watch_behind_versions=20_000.0, disk_free_bytes=1e6) == [
        "DISK_FULL",
        "WRITE_SLOW",
        "WATCH_SLOW",
    ]
    assert causes(refused) == ["WRITE_REFUSED", "WRITE_SLOW"]


def test_a_server_whose_page_cannot_be_read_is_judged_by_the_trial():
    assert judge(TRIAL, Gauges(), Gauges()) == []
    found = judge(Trial("it does not answer"), Gauges(), Gauges())
    assert [(each.weight, each.cause) for each in found] == [(Weight.REFUSED, "WRITE_REFUSED")]
    assert found[0].says == "A transaction was refused: it does not answer"


def test_a_disk_is_slow_if_one_sync_in_a_hundred_is():
    slow = ((0.01, 989.0), (0.05, 1000.0), (float("inf"), 1000.0))
    found = judge(TRIAL, Gauges(WELL), Gauges(WELL, slow))
    assert [each.cause for each in found] == ["DISK_SLOW"]
    assert found[0].says.startswith("The disk takes 50 ms for one sync in a hundred")


def test_a_database_is_slow_if_one_commit_in_a_hundred_is():
    commits = ((0.05, 98.0), (0.1, 100.0), (float("inf"), 100.0))
    assert [each.cause for each in judge(TRIAL, Gauges(), Gauges({}, (), commits))] == ["DATABASE_SLOW"]


def test_syncs_between_two_looks_count_where_they_are_enough():
    after = Gauges(WELL, tuple((bound, count + (0 if bound < 0.01 else 200)) for bound, count in SYNCS))
    assert quantile(between(SYNCS, after.syncs), 0.5) == 0.01
    assert between(SYNCS, SYNCS) == SYNCS


def test_few_syncs_say_nothing():
    assert quantile(((0.001, 0.0), (1.0, 99.0)), 0.99) == 0.0
    assert quantile((), 0.99) == 0.0
