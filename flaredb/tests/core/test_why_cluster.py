from __future__ import annotations

from flaredb.core.why import Weight
from flaredb.core.why_cluster import Standing, judge_cluster

WHOLE = [Standing(region, (1, 2, 3)) for region in range(1, 9)]


def test_a_cluster_that_is_well_has_nothing_to_say() -> None:
    assert judge_cluster(WHOLE, {}, []) == []


def test_a_lost_quorum_refuses_writes_and_names_who_must_come_back() -> None:
    lost, first, second = judge_cluster([*WHOLE, Standing(9, (2, 3, 4))], {1: 40, 2: 30}, ["region 1 ..."])
    assert (lost.weight, lost.cause) == (Weight.REFUSED, "NO_QUORUM")
    assert lost.says == "8 of 9 regions (1, 2, 3, 4, 5, ...) have lost their quorum: stores 1, 2 are silent"
    assert [each.says for each in (first, second)] == [
        "store 1 has been silent for 40 s",
        "store 2 has been silent for 30 s",
    ]


def test_half_of_two_is_no_quorum() -> None:
    (finding, _) = judge_cluster([Standing(1, (1, 2))], {2: 30}, [])
    assert finding.says == "1 of 1 regions (1) have lost their quorum: stores 2 are silent"


def test_a_store_that_is_down_is_a_risk_and_one_that_holds_nothing_is_struck_off() -> None:
    held, empty = judge_cluster(WHOLE, {3: 30, 7: 9000}, [])
    assert (held.weight, held.cause) == (Weight.RISK, "STORE_DOWN")
    assert "start it again" in held.remedy
    assert "--forget 7" in empty.remedy


def test_what_placement_cannot_help_is_told_where_no_store_is_down() -> None:
    (finding,) = judge_cluster(WHOLE, {}, ["region 1: store 2 is leaving, and no store can take one"])
    assert (finding.weight, finding.cause) == (Weight.RISK, "PLACEMENT")
