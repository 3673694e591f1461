from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.ca_rotation import (
    Authority,
    Certificate,
    Drop,
    Phase,
    Root,
    Sign,
    Wait,
    aborted,
    begun,
    forced,
    known_version,
    plan,
    stepped,
)
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError

OLD, NEW = Root("old", 10_000_000), Root("new", 20_000_000)
STEADY = Authority((OLD,), "old", 1, 0)
SETTLE = 100


def certificate(serial: str, root: str = "old", *, ends: int = 5000, trusts: int = 1, said: int = 0) -> Certificate:
    return Certificate(serial, f"spiffe://ultracloud.local/node/{serial}", root, ends, trusts, said)


def test_a_steady_authority_has_nothing_to_do() -> None:
    assert plan(STEADY, [certificate("a")], 1000, SETTLE) == Wait()


def test_the_new_root_signs_only_when_every_live_holder_trusts_it() -> None:
    begin = begun(STEADY, NEW, 1000)
    late, heard = certificate("late"), certificate("heard", trusts=2, said=1200)
    assert begin.signing == "old"
    assert plan(begin, [late, heard], 2000, SETTLE) == Wait((late,), 5000)
    assert plan(begin, [replace(late, trust_version=2, acknowledged_at_ms=2000), heard], 2000, SETTLE) == Wait(
        until_ms=2100
    )
    assert plan(begin, [replace(late, trust_version=2, acknowledged_at_ms=2000), heard], 2100, SETTLE) == Sign()


def test_a_holder_that_stays_away_is_waited_for_until_its_certificate_ends() -> None:
    begin = begun(STEADY, NEW, 1000)
    assert plan(begin, [certificate("gone", ends=5000)], 4999, SETTLE) == Wait((certificate("gone", ends=5000),), 5000)
    assert plan(begin, [certificate("gone", ends=5000)], 5000, SETTLE) == Sign()


def test_the_old_root_goes_only_when_no_live_certificate_needs_it() -> None:
    signing = stepped(begun(STEADY, NEW, 1000), Sign(), 2000)
    old, new = certificate("a", trusts=2), certificate("b", "new", trusts=2)
    assert signing.phase is Phase.RENEWING
    assert plan(signing, [old, new], 3000, SETTLE) == Wait((old,), 5000)
    assert plan(signing, [new], 3000, SETTLE) == Drop()
    assert stepped(signing, Drop(), 3000) == Authority((NEW,), "new", 3, 3000)


def test_certificates_that_nobody_told_of_hold_a_rotation_up_until_an_operator_insists() -> None:
    imported = Authority((replace(OLD, unaccounted_until_ms=9000),), "old", 1, 0)
    begin = begun(imported, NEW, 1000)
    assert plan(begin, [], 8999, SETTLE) == Wait((), 9000, 9000)
    assert plan(begin, [], 9000, SETTLE) == Sign()
    assert forced(begin) == Sign()


def test_only_one_rotation_at_a_time_and_none_is_given_up_once_it_signs() -> None:
    begin = begun(STEADY, NEW, 1000)
    with pytest.raises(FailedPreconditionError, match="being replaced already"):
        begun(begin, Root("third", 1), 1000)
    assert aborted(begin, 1500) == Authority((OLD,), "old", 3, 1500)
    with pytest.raises(FailedPreconditionError, match="does not sign yet"):
        aborted(stepped(begin, Sign(), 2000), 2500)
    with pytest.raises(FailedPreconditionError, match="begin first"):
        forced(STEADY)


def test_a_holder_cannot_trust_what_does_not_exist_yet() -> None:
    assert known_version(STEADY, 1) == 1
    for version in (0, 2, -1):
        with pytest.raises(InvalidArgumentError):
            known_version(STEADY, version)


@given(
    certificates=st.lists(
        st.builds(
            Certificate,
            st.uuids().map(str),
            st.just("spiffe://ultracloud.local/node/n"),
            st.sampled_from(["old", "new"]),
            st.integers(0, 4000),
            st.integers(0, 2),
            st.integers(0, 3000),
        ),
        max_size=8,
    ),
    now_ms=st.integers(1000, 4000),
    is_signing=st.booleans(),
)
def test_no_step_ever_cuts_off_a_live_certificate(
    certificates: list[Certificate], now_ms: int, is_signing: object
) -> None:
    state = begun(STEADY, NEW, 1000)
    if is_signing:
        state = stepped(state, Sign(), 1000)
    live = [one for one in certificates if one.not_after_ms > now_ms]
    match plan(state, certificates, now_ms, SETTLE):
        case Sign():
            assert all(one.trust_version == 2 for one in live)
        case Drop():
            assert all(one.root == "new" for one in live)
        case Wait(missing, _, _):
            assert set(missing) <= set(live)
