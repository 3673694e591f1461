"""Changes of the policy: on the wire, taken in by copies, and on disk."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import PolicyStream, policy_service, serving
from waiting import until

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.faults import UnavailableError
from ultracloud.base.policy import Binding, Delta, Organisation, Policy, Revocation, User, decide
from ultracloud.base.principals import user_principal
from ultracloud.servicekit import channels, policy_file, policy_wire
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import FILE_NAME, LARGE_BINDINGS, PolicyCopy, Snapshot, open_copy
from ultracloud.servicekit.policy_file import frame, read_policy
from ultracloud.servicekit.policy_wire import merge_deltas, parse_delta, render_delta, render_parts, render_snapshot

KEYS = {"k1": bytes(32)}


def binding(number: int) -> Binding:
    return Binding(f"binding-{number}", "viewer", ("user:usr-1",), "", name=f"b{number}", condition="true")


def policy_of(count: int, version: int = 1) -> Policy:
    return Policy(version, bindings=[binding(number) for number in range(count)], users=[User("usr-1", "ada", "org-1")])


def delta(base: int, *put: Binding, removed: tuple[str, ...] = ()) -> pb.PolicySnapshot:
    return render_delta(base, Delta(base + 1, put, removed), KEYS)


def test_a_policy_too_large_for_a_message_comes_in_parts_and_takes_effect_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policy_wire, "PART_ENTITIES_MAX", 3)
    copy = PolicyCopy()
    parts = list(render_parts(Snapshot(policy_of(10), KEYS)))
    assert [part.more for part in parts] == [True, True, True, False]
    taken = [copy.take(part, 0) for part in parts]
    assert taken == [False, False, False, True]
    assert copy.snapshot == Snapshot(policy_of(10), KEYS)


def test_half_a_policy_is_forgotten_when_another_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_wire, "PART_ENTITIES_MAX", 3)
    copy = PolicyCopy()
    copy.take(next(render_parts(Snapshot(policy_of(10), KEYS))), 0)
    for part in render_parts(Snapshot(policy_of(2, version=5), KEYS)):
        copy.take(part, 0)
    assert copy.snapshot == Snapshot(policy_of(2, version=5), KEYS)


def test_a_large_policy_is_kept_from_the_collector_and_goes_without_it_when_another_comes() -> None:
    gc.disable()
    try:
        copy, ada = PolicyCopy(), user_principal("usr-1", "org-1")
        for part in render_parts(Snapshot(policy_of(LARGE_BINDINGS), KEYS)):
            copy.take(part, 0)
        assert gc.get_freeze_count() > LARGE_BINDINGS
        # Its sentence refers to the policy, which refers to it: a ring that only the collector would open.
        assert decide(copy.snapshot.policy, ada, "iam.policy.watch", "").reason
        held = next(iter(copy.snapshot.policy.grants.values())).binding
        for part in render_parts(Snapshot(policy_of(1, version=9), KEYS)):
            copy.take(part, 0)
        of_held_and_of_the_call = 2
        assert sys.getrefcount(held) == of_held_and_of_the_call
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_change_is_put_on_top_and_keys_that_stay_are_the_same_object() -> None:
    copy = PolicyCopy(Snapshot(policy_of(3), KEYS))
    assert copy.take(delta(1, binding(3), removed=("binding-0",)), 0)
    assert sorted(copy.snapshot.policy.binding_of_id) == ["binding-1", "binding-2", "binding-3"]
    assert copy.snapshot.policy.version == 2
    assert copy.snapshot.keys is KEYS


def test_a_change_of_what_is_not_here_is_refused_and_changes_nothing() -> None:
    copy = PolicyCopy(Snapshot(policy_of(3), KEYS))
    with pytest.raises(UnavailableError):
        copy.take(delta(2, binding(3)), 0)
    with pytest.raises(UnavailableError):
        PolicyCopy().take(delta(1, binding(3)), 0)
    assert copy.snapshot == Snapshot(policy_of(3), KEYS)


def test_a_change_that_is_partly_known_may_come_again() -> None:
    copy = PolicyCopy(Snapshot(policy_of(0), KEYS))
    first, second = delta(1, binding(1)), delta(2, removed=("binding-1",))
    for message in (first, second, merge_deltas([first, second])):
        copy.take(message, 0)
    assert (copy.snapshot.policy.version, copy.snapshot.policy.bindings) == (3, ())


def test_revocations_are_dropped_once_nothing_they_revoke_is_valid() -> None:
    revocation = Revocation("session-1", "user:usr-1", 0, 5000)
    copy = PolicyCopy(Snapshot(policy_of(0), KEYS))
    copy.take(render_delta(1, Delta(2, revocations=(revocation,)), KEYS), 4999)
    assert copy.snapshot.policy.revocations == (revocation,)
    copy.take(delta(2), 5000)
    assert copy.snapshot.policy.revocations == ()


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=12)


@given(STEPS)
def test_many_changes_in_one_message_do_what_they_do_one_by_one(steps: list[tuple[bool, int]]) -> None:
    messages, gone = [], set()
    for version, (is_put, number) in enumerate(steps, start=1):
        if is_put and number not in gone:  # ids never come back
            messages.append(delta(version, binding(number)))
        else:
            gone.add(number)
            messages.append(delta(version, removed=(f"binding-{number}",)))
    one_by_one, at_once = policy_of(3), policy_of(3)
    for message in messages:
        one_by_one = one_by_one.advanced(parse_delta(message))
    assert at_once.advanced(parse_delta(merge_deltas(messages))) == one_by_one


def test_what_comes_back_under_its_old_id_is_there_after_a_merge() -> None:
    admins = Binding("builtin:admins", "owner", ("spiffe://ultracloud.local/operator/ada",), "")
    merged = merge_deltas([delta(1, removed=(admins.id,)), delta(2, admins)])
    assert policy_of(0).advanced(parse_delta(merged)).bindings == (admins,)


# ---- on disk --------------------------------------------------------------------------------------------------------


def write(path: Path, *messages: pb.PolicySnapshot) -> None:
    path.write_bytes(b"".join(map(frame, messages)))


def test_the_file_is_a_policy_and_its_changes(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    write(file, *render_parts(Snapshot(policy_of(2), KEYS)), delta(1, binding(7)), delta(2, removed=("binding-0",)))
    assert sorted(read_policy(file).policy.binding_of_id) == ["binding-1", "binding-7"]
    assert open_copy(tmp_path).snapshot.policy.version == 3


def test_a_torn_end_costs_what_it_tore(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    write(file, render_snapshot(Snapshot(policy_of(2), KEYS)), delta(1, binding(7)))
    content = file.read_bytes()
    first = len(frame(render_snapshot(Snapshot(policy_of(2), KEYS))))
    for length in range(len(content)):
        file.write_bytes(content[:length])
        assert read_policy(file).policy.version == (1 if length >= first else 0)


def test_after_a_torn_end_the_file_is_written_anew_with_the_next_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_file, "PAUSE_S", 0.01)
    file = tmp_path / FILE_NAME
    write(file, render_snapshot(Snapshot(policy_of(2), KEYS)), delta(1, binding(7)))
    file.write_bytes(file.read_bytes()[:-1])
    stream = PolicyStream(delta(1, binding(8)))

    async def is_kept() -> bool:
        return read_policy(file).policy.version == 2

    async def scenario() -> None:
        async with serving(policy_service(stream)) as target, asyncio.timeout(20):
            channel = channels.connect(target)
            run = asyncio.create_task(open_copy(tmp_path).run(channel, SystemClock()))
            await until(is_kept)
        run.cancel()
        await channel.close()

    asyncio.run(scenario())
    assert sorted(read_policy(file).policy.binding_of_id) == ["binding-0", "binding-1", "binding-8"]


def test_a_flipped_bit_ends_what_is_believed(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    write(file, render_snapshot(Snapshot(policy_of(1), KEYS)), delta(1, binding(7)), delta(2, binding(8)))
    content = file.read_bytes()
    at = len(frame(render_snapshot(Snapshot(policy_of(1), KEYS)))) + 20
    file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert read_policy(file).policy.version == 1


def test_changes_are_appended_and_the_file_is_written_anew_when_they_outweigh_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_file, "PAUSE_S", 0.01)
    monkeypatch.setattr(policy_file, "CHANGES_BYTES_MIN", 2000)

    async def scenario() -> list[int]:
        stream = PolicyStream(render_snapshot(Snapshot(policy_of(2), KEYS)))
        copy, sizes = open_copy(tmp_path), [0]

        async def is_kept(version: int) -> bool:
            return (tmp_path / FILE_NAME).exists() and read_policy(tmp_path / FILE_NAME).policy.version == version

        async with serving(policy_service(stream)) as target, asyncio.timeout(20):
            channel = channels.connect(target)
            run = asyncio.create_task(copy.run(channel, SystemClock()))
            await until(lambda: is_kept(1))
            for version in range(1, 40):
                stream.publish(delta(version, binding(version % 3)))
                await until(lambda version=version: is_kept(version + 1))
                sizes.append((tmp_path / FILE_NAME).stat().st_size)
        run.cancel()
        await channel.close()
        return sizes

    sizes = asyncio.run(scenario())
    assert any(later < sooner for sooner, later in itertools.pairwise(sizes))
    assert max(sizes) < 4000


def test_an_organisation_is_found_by_name_in_a_copy_that_came_in_parts() -> None:
    policy = Policy(1, [Organisation("org-1", "acme")])
    copy = PolicyCopy()
    for part in render_parts(Snapshot(policy, KEYS)):
        copy.take(part, 0)
    assert copy.snapshot.policy.organisation_of_name["acme"].id == "org-1"
