from __future__ import annotations

import pytest

from flaredb.core.commands import Outcome
from flaredb.core.region import LOGICAL_BITS, Region, RegionId
from flaredb.core.region_answers import parse_merge_answer, parse_merge_step, render_merge_answer
from flaredb.core.region_codec import MalformedError, render
from flaredb.core.region_entry import NOT_MERGING, Absorb, Await, Release, Seal, Unseal
from flaredb.core.region_errors import OutcomeUnknownError, RegionMovedError
from flaredb.core.region_history import stored_commits
from flaredb.core.region_merge import Merger, MergeSend
from flaredb.core.region_rows import checksum, load
from flaredb.core.region_work import Answer, Awaits, Done, Sealed
from flaredb.testing_regions import NOW_MS, ONE, STORES, Group, put
from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.raft import events


def two_regions() -> tuple[Group, Region]:
    """Two neighbours with something in each, both led by the first store."""
    group = Group()
    group.put("a", "1")
    group.put("z", "1")
    right = group.split("m")
    group.nodes[STORES[0]].replica(right.region).tell(events.Campaign())
    group.run()
    group.put("b", "2", group.region(ONE))
    group.put("y", "2", right)
    return group, right


def step(group: Group, send: MergeSend, rounds: int = 30) -> Answer:
    token = repr(send)
    try:
        group.nodes[STORES[0]].merge(send.region, send.step, token)
    except Fault as fault:
        return fault
    group.run(rounds)
    answer = group.answers[token]
    assert isinstance(answer, Awaits | Sealed | Region | Done | Fault), answer
    return answer


def merge(group: Group, right: Region, until: type | None = None) -> tuple[Merger, MergeSend | None]:
    """Merge the first region with `right`, to the end or until a step of this kind is to be sent."""
    merger = Merger(ONE, right.region, right.epoch)
    send: MergeSend | None = merger.begin(group.region(ONE))
    while send is not None and (until is None or not isinstance(send.step, until)):
        send = merger.answered(send, step(group, send))
    return merger, send


def written(group: Group, store: int, region: Region) -> list[bytes]:
    commits = stored_commits(group.engines[STORES[store]], region, 0, 1 << 62)
    return [change.key for commit in commits for change in commit.changes]


def test_two_neighbours_become_one_with_the_keys_and_the_history_of_both() -> None:
    group, right = two_regions()
    merger, _ = merge(group, right)
    whole = merger.outcome
    assert isinstance(whole, Region)
    assert (whole.start, whole.end, whole.epoch.version) == (b"", b"", right.epoch.version + 2)
    group.tick(3)
    for store in range(3):
        assert group.nodes[STORES[store]].regions == (whole,)
        assert written(group, store, whole) == [b"a", b"z", b"b", b"y"]
    assert len({checksum(engine, whole) for engine in group.engines.values()}) == 1
    assert isinstance(group.put("y", "3", whole), tuple)


def test_versions_go_on_above_those_of_both() -> None:
    group, right = two_regions()
    node, floor = group.nodes[STORES[0]], (NOW_MS + 400) << LOGICAL_BITS
    node.propose(right.region, right.epoch, [put("y", "3")], "ahead", floor)
    group.run()
    merge(group, right)
    applied = node.replica(ONE).applied
    assert applied.mark.version == applied.given == floor
    answer = group.put("b", "3", group.region(ONE))
    assert isinstance(answer, tuple)
    assert answer[0].version == floor + 1


def test_what_is_sealed_takes_nothing_and_tells_nothing_new() -> None:
    group, right = two_regions()
    merge(group, right, Seal)
    send = MergeSend(right.region, Seal(right.epoch, ONE, group.nodes[STORES[0]].replica(ONE).merging.token))
    node = group.nodes[STORES[0]]
    node.read(right.region, right.epoch, "read before")
    sealed = step(group, send)
    assert isinstance(sealed, Sealed)
    assert step(group, send) == sealed
    with pytest.raises(UnavailableError, match="neighbour"):
        node.propose(right.region, sealed.region.epoch, [put("y", "3")], "put")
    with pytest.raises(UnavailableError, match="neighbour"):
        node.read(right.region, sealed.region.epoch, "read")


def test_what_is_sealed_or_awaits_keeps_its_members() -> None:
    group, right = two_regions()
    _, send = merge(group, right, Absorb)
    assert send is not None
    for region in (ONE, right.region):
        with pytest.raises(UnavailableError, match="neighbour"):
            group.nodes[STORES[0]].change(region, group.region(region).epoch, (), (), "change")


def test_a_seal_is_not_answered_while_a_store_does_not_have_it() -> None:
    group, right = two_regions()
    _, send = merge(group, right, Seal)
    assert send is not None
    group.cut_off = {STORES[2]}
    group.nodes[STORES[0]].merge(send.region, send.step, "seal")
    group.run()
    assert "seal" not in group.answers
    group.cut_off = set()
    group.tick(10)
    assert isinstance(group.answers["seal"], Sealed)


def test_a_merge_that_cannot_be_is_undone_and_both_go_on() -> None:
    group, right = two_regions()
    late = Region(**{**{name: getattr(right, name) for name in Region.__slots__}, "epoch": group.first.epoch})
    merger, _ = merge(group, late)
    assert isinstance(merger.outcome, RegionMovedError)
    now = group.region(right.region)
    assert now == right
    assert isinstance(group.put("y", "3", now), tuple)
    again, _ = merge(group, now)
    assert isinstance(again.outcome, Region)


def test_a_seal_in_doubt_is_kept_out_by_a_new_epoch() -> None:
    group, right = two_regions()
    merger, send = merge(group, right, Seal)
    assert send is not None
    merger.answered(send, OutcomeUnknownError(right.region))
    following = merger.answered(send, RegionMovedError(right.region, ()))
    while following is not None:
        following = merger.answered(following, step(group, following))
    assert group.region(right.region).epoch.version == right.epoch.version + 1
    assert isinstance(step(group, send), RegionMovedError)
    assert group.nodes[STORES[0]].replica(ONE).merging == NOT_MERGING


def test_whoever_leads_next_goes_on_with_a_merge() -> None:
    group, right = two_regions()
    merge(group, right, Seal)
    merging = group.nodes[STORES[1]].replica(ONE).merging
    merger = Merger.resume(ONE, merging)
    send: MergeSend | None = merger.begin(group.region(ONE), merging)
    while send is not None:
        send = merger.answered(send, step(group, send))
    assert isinstance(merger.outcome, Region)


def test_a_store_that_was_away_comes_to_the_same_with_its_log_or_with_the_state() -> None:
    for kept in (1000, 1):
        group, right = two_regions()
        merge(group, right, Seal)
        merger, send = merge_on(group, right)
        group.cut_off = {STORES[2]}
        assert send is not None
        merger.answered(send, step(group, send))
        for replica in group.nodes[STORES[0]].replicas.values():
            replica.kept_entries = replica.compact_step = kept
        whole = group.region(ONE)
        for number in range(5):
            group.put("y", str(number), whole)
        group.nodes[STORES[2]] = group.node(STORES[2])
        group.cut_off = set()
        group.tick(40)
        assert group.nodes[STORES[2]].regions == (whole,)
        assert len({checksum(engine, whole) for engine in group.engines.values()}) == 1
        assert load(group.engines[STORES[2]])[2] == {right.region}


def test_a_store_that_missed_a_merge_and_a_cut_after_it_comes_to_the_same() -> None:
    group, right = two_regions()
    group.put("q", "1", right)
    merge(group, right, Seal)
    merger, send = merge_on(group, right)
    group.cut_off = {STORES[2]}
    assert send is not None
    merger.answered(send, step(group, send))
    born = group.split("x", 20)  # inside of what was the right half
    group.nodes[STORES[0]].replica(born.region).tell(events.Campaign())
    group.run()
    for replica in group.nodes[STORES[0]].replicas.values():
        replica.kept_entries = replica.compact_step = 1
    for number in range(5):
        group.put("a", str(number), group.region(ONE))
        group.put("z", str(number), born)
    group.nodes[STORES[2]] = group.node(STORES[2])
    group.cut_off = set()
    group.tick(80)
    assert group.nodes[STORES[2]].regions == (group.region(ONE), group.region(born.region))
    for region in group.nodes[STORES[0]].regions:
        assert len({checksum(engine, region) for engine in group.engines.values()}) == 1
    assert load(group.engines[STORES[2]])[2] == {right.region}


def merge_on(group: Group, right: Region) -> tuple[Merger, MergeSend | None]:
    """Go on until both are ready to be one."""
    merging = group.nodes[STORES[0]].replica(ONE).merging
    merger = Merger.resume(ONE, merging)
    send = merger.begin(group.region(ONE), merging)
    assert send.region == right.region
    return merger, merger.answered(send, step(group, send))


def test_who_awaits_a_neighbour_is_not_cut_and_keeps_its_members() -> None:
    group, right = two_regions()
    merge(group, right, Seal)
    group.answers.clear()
    try:
        group.split("b")
    except (AssertionError, KeyError):
        assert isinstance(group.answers["split"], RegionMovedError)
    else:
        raise AssertionError("it was cut")
    assert step(group, MergeSend(ONE, Release(7))) is not None
    await_again = MergeSend(ONE, Await(group.region(ONE).epoch, RegionId(9), right.epoch))
    assert isinstance(step(group, await_again), RegionMovedError)
    assert isinstance(group.put("b", "3", group.region(ONE)), tuple)
    assert isinstance(group.answers["put b=3"], tuple)
    assert isinstance(group.answers["put b=3"][0], Outcome)


def test_steps_and_answers_of_merges_travel() -> None:
    _, right = two_regions()
    for answer in (Awaits(5), Sealed(right, 7), right, Done()):
        assert parse_merge_answer(render_merge_answer(answer)) == answer
    for merge_step in (
        Await(right.epoch, ONE, right.epoch),
        Seal(right.epoch, ONE, 5),
        Absorb(5, right, 7),
        Unseal(ONE, 5),
    ):
        assert parse_merge_step(render(merge_step)) == merge_step
    for content in (render(("region", 5)), render(right), b"x"):
        with pytest.raises(MalformedError):
            parse_merge_answer(content)
        with pytest.raises(MalformedError):
            parse_merge_step(content)
