"""The arithmetic of quotas: whatever happens in whatever order, a limit is never passed and the sum is right."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ultracloud.base.faults import ResourceExhaustedError
from ultracloud.servicekit.resources import quota
from ultracloud.servicekit.resources.quota import PARTS, Part

EMPTY = {number: Part() for number in range(PARTS)}
STEPS = st.lists(
    st.tuples(
        st.integers(0, PARTS - 1),
        st.dictionaries(st.sampled_from(["vms", "vcpus"]), st.integers(-5, 9), min_size=1),
        st.sampled_from([None, 0, 1, 10, 40, 41]),
    ),
    max_size=25,
)


def counted(parts: dict[int, Part], own: int, added: dict[str, int], limit: int | None) -> dict[int, Part]:
    """The parts after a change, as the ledger makes them."""
    limits = dict.fromkeys(added, limit)
    part = quota.counted(parts[own], added, limits)
    return {**parts, own: part} if part is not None else {**parts, **quota.planned(parts, own, added, limits).parts}


@given(STEPS)
@example([(1, {"vms": 4}, 10), (0, {"vms": 4}, None), (1, {"vms": 3}, 10)])
def test_the_sum_is_right_and_no_change_gets_over_its_limit(
    steps: list[tuple[int, dict[str, int], int | None]],
) -> None:
    parts, expected = dict(EMPTY), {"vms": 0, "vcpus": 0}
    for own, added, limit in steps:
        try:
            parts = counted(parts, own, added, limit)
        except ResourceExhaustedError as error:
            what = error.metadata["what"]
            assert limit is not None
            assert expected[what] + added[what] > limit
            continue
        for what, amount in added.items():
            expected[what] += amount
            assert amount <= 0 or limit is None or expected[what] <= limit
        assert {**dict.fromkeys(expected, 0), **quota.total(parts.values())} == expected


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, PARTS - 1), st.integers(-4, 6)), max_size=40))
def test_what_fits_is_let_wherever_it_is_counted(limit: int, steps: list[tuple[int, int]]) -> None:
    parts, used = dict(EMPTY), 0
    for own, amount in steps:
        fits = amount <= 0 or used + amount <= limit
        try:
            parts, used = counted(parts, own, {"vms": amount}, limit), used + amount
        except ResourceExhaustedError:
            assert not fits
        else:
            assert fits
        room = sum(max(part.of("vms").used, part.of("vms").share) for part in parts.values())
        assert room <= limit, "no order of changes may get over it"


@given(st.integers(1, 120))
def test_room_taken_from_others_needs_no_look_at_all_of_them(limit: int) -> None:
    parts = counted(dict(EMPTY), 0, {"vms": 1}, limit)
    while sum(part.of("vms").room for part in parts.values()):
        plan = quota.planned(parts, 7, {"vms": 1}, {"vms": limit})
        assert not plan.needs_all
        parts |= plan.parts
    assert quota.total(parts.values()) == {"vms": limit}


def test_a_refusal_names_limit_used_and_asked() -> None:
    with pytest.raises(ResourceExhaustedError, match="limit is 4, 3 are used, and this asks for 2 more") as refused:
        quota.refuse_excess({"vcpus": 3}, {"vcpus": 2}, {"vcpus": 4})
    assert refused.value.reason == "QUOTA_EXCEEDED"
    assert refused.value.metadata == {"what": "vcpus", "limit": "4", "used": "3", "asked": "2"}


def test_what_is_above_a_lowered_limit_may_only_fall() -> None:
    parts = counted(dict(EMPTY), 3, {"vms": 10}, 20)
    with pytest.raises(ResourceExhaustedError):
        counted(parts, 3, {"vms": 1}, 5)
    parts = counted(parts, 9, {"vms": -4}, 5)
    with pytest.raises(ResourceExhaustedError):
        counted(parts, 9, {"vms": 1}, 5)
    parts = counted(parts, 1, {"vms": -2}, 5)
    assert quota.total(counted(parts, 1, {"vms": 1}, 5).values()) == {"vms": 5}
