from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.commands import (
    AnyWrite,
    Comparison,
    DeleteRange,
    Increment,
    Outcome,
    Refusal,
    RefusalReason,
    Txn,
    Write,
)
from flaredb.core.engine import Column
from flaredb.core.keys import encode
from flaredb.core.region import Region, RegionId
from flaredb.core.region_answers import StepAnswer, parse_answer, parse_step, render_answer
from flaredb.core.region_codec import MalformedError, render
from flaredb.core.region_entry import TXN_RANDOM_BYTES, Decide, Prepare, Resolve, Settle, TxnId, began_ms_of, txn_id
from flaredb.core.region_errors import OutcomeUnknownError
from flaredb.core.region_history import stored_commits
from flaredb.core.region_locks import Sought
from flaredb.core.region_parts import key_from, parts_of
from flaredb.core.region_rows import checksum
from flaredb.core.region_state import SILENT_MS_MAX
from flaredb.core.region_txn import Coordinator, Finisher, Send, Settler, finisher_of, overdue
from flaredb.core.region_work import Answer, Done, Fate, Prepared, Verdict
from flaredb.core.visibility import standing
from flaredb.testing_regions import NOW_MS, ONE, STORES, Group, encoded, put
from ultracloud.base.faults import AbortedError, Fault
from ultracloud.raft import events

T, U = (txn_id(NOW_MS, each * TXN_RANDOM_BYTES) for each in (b"t", b"u"))


def two_regions() -> tuple[Group, Region]:
    group = Group()
    right = group.split("m")
    group.nodes[STORES[0]].replica(right.region).tell(events.Campaign())
    group.run()
    return group, right


def look_up(group: Group) -> Callable[[bytes], Region]:
    def find(key: bytes) -> Region:
        region = group.nodes[STORES[0]].covering(key)
        assert region is not None
        return region

    return find


def step(group: Group, send: Send) -> Answer:
    """Do one step where its region is led."""
    node = group.nodes[STORES[0]]
    if send.region.region in node.replicas and not node.replica(send.region.region).is_leader:
        node.replica(send.region.region).tell(events.Campaign())
        group.run()
    token = repr(send)
    try:
        node.step(send.region.region, send.region.epoch, send.step, token)
    except Fault as fault:
        return fault
    group.run()
    answer = group.answers[token]
    assert isinstance(answer, tuple | Prepared | Fate | Done | Fault), answer
    return answer


def begin(group: Group, txn: Txn, name: TxnId = T) -> tuple[Coordinator, list[Send]]:
    coordinator = Coordinator(name, txn, look_up(group), NOW_MS + 1)
    return coordinator, coordinator.begin()


def drive(group: Group, machine: Coordinator | Finisher | Settler, sends: list[Send]) -> None:
    """Do what a machine says until it is done."""
    for _ in range(100):
        if not sends:
            return
        send = sends.pop(0)
        answer = step(group, send)
        is_timed = isinstance(machine, Coordinator)
        sends += machine.answered(send, answer, NOW_MS) if is_timed else machine.answered(send, answer)
    raise AssertionError("it never ends")


def prepared(group: Group, coordinator: Coordinator, sends: list[Send]) -> list[Send]:
    """Do what it says until the decision is due."""
    while not isinstance(sends[0].step, Decide):
        send = sends.pop(0)
        sends += coordinator.answered(send, step(group, send), NOW_MS)
    return sends


def run(group: Group, txn: Txn, name: TxnId = T) -> Outcome | Fault | None:
    coordinator, sends = begin(group, txn, name)
    drive(group, coordinator, sends)
    assert coordinator.is_done
    return coordinator.outcome


def txn(*writes: AnyWrite, compares: tuple[Comparison, ...] = ()) -> Txn:
    return Txn("ns", compares, writes)


def set_to(key: str, value: str | None) -> Write:
    return Write(key.encode(), None if value is None else value.encode())


def value(group: Group, key: str, store: int = 0) -> bytes | None:
    found = standing(group.engines[STORES[store]].cursor(Column.DATA), encode("ns", key.encode()))
    return None if found is None else found.value


def test_a_transaction_over_two_regions_happens_in_both_at_one_version() -> None:
    group, right = two_regions()
    outcome = run(group, txn(set_to("a", "1"), set_to("z", "2")))
    assert isinstance(outcome, Outcome)
    group.tick(2)
    for store in STORES:
        for region in (group.region(ONE), right):
            commits = list(stored_commits(group.engines[store], region, 0, 1 << 62))
            assert [commit.version for commit in commits] == [outcome.version]
            replica = group.nodes[store].replica(region.region)
            assert not replica.locks.intents
            assert not replica.locks.decisions


def test_a_comparison_that_fails_in_the_second_region_leaves_nothing_in_the_first() -> None:
    group, _ = two_regions()
    outcome = run(group, txn(set_to("a", "1"), compares=(Comparison(b"z", 7),)))
    assert isinstance(outcome, Outcome)
    assert (outcome.succeeded, outcome.failed) == (False, (Comparison(b"z", 0),))
    assert value(group, "a") is None
    assert isinstance(group.put("a", "2", group.region(ONE)), tuple)


def test_outcomes_of_parts_come_together_in_the_order_of_the_writes() -> None:
    group, right = two_regions()
    group.put("b", "x", group.region(ONE))
    group.put("n", "x", right)
    outcome = run(group, txn(Increment(b"z", 5), DeleteRange(b"b", b"o", 100), Increment(b"a", 3)))
    assert isinstance(outcome, Outcome)
    assert (outcome.counters, outcome.deleted) == ((5, 3), 2)
    assert [value(group, key) for key in ("a", "b", "n", "z")] == [b"3", None, None, b"5"]


def test_what_meets_a_lock_waits_for_it_and_sees_what_it_was_for() -> None:
    group, right = two_regions()
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")))
    sends = prepared(group, coordinator, sends)
    node = group.nodes[STORES[0]]
    node.propose(ONE, group.region(ONE).epoch, [put("a", "later")], "blocked")
    node.propose(ONE, group.region(ONE).epoch, [put("b", "free")], "free")
    node.propose(right.region, right.epoch, [put("z", "first")], "decides")
    node.read(ONE, group.region(ONE).epoch, "read")
    node.propose(ONE, group.region(ONE).epoch, [], "close")
    group.run()
    assert set(group.answers) & {"blocked", "free", "read", "close", "decides"} == {"free", "decides"}
    drive(group, coordinator, sends)
    assert set(group.answers) & {"blocked", "free", "read", "close"} == {"blocked", "free", "read", "close"}
    assert (value(group, "a"), value(group, "z")) == (b"later", b"2")


def test_who_waited_for_a_part_sees_it_though_later_ones_hold_the_mark() -> None:
    group, _ = two_regions()
    first, sends = begin(group, txn(set_to("a", "1"), set_to("z", "1")))
    sends = prepared(group, first, sends)
    node, epoch = group.nodes[STORES[0]], group.region(ONE).epoch
    node.read(ONE, epoch, "a", Sought((encoded("a"),)))
    node.read(ONE, epoch, "all")
    node.read(ONE, epoch, "b", Sought((encoded("b"),)))
    group.run()
    assert {"a", "all", "b"} & set(group.answers) == {"b"}
    second, others = begin(group, txn(set_to("b", "2"), set_to("z", "2")), U)
    others = prepared(group, second, others)
    group.now_ms += 50  # so that the first one's version is above what was promised to the second
    drive(group, first, sends)
    assert isinstance(first.outcome, Outcome)
    assert {"a", "all"} & set(group.answers) == {"a"}
    assert group.told["a"] == first.outcome.version > node.replica(ONE).applied.mark.version
    drive(group, second, others)
    assert isinstance(group.told["all"], int)
    assert group.told["all"] >= first.outcome.version


def test_the_mark_waits_for_an_unresolved_part_and_commits_come_in_order() -> None:
    group, _ = two_regions()
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")))
    sends = coordinator.answered(sends[0], step(group, sends[0]), NOW_MS)
    floor = group.nodes[STORES[0]].replica(ONE).locks.intents[T].floor
    group.put("b", "free", group.region(ONE))
    replica = group.nodes[STORES[2]].replica(ONE)
    group.tick(2)
    assert replica.applied.mark.version == floor - 1 < replica.applied.given
    drive(group, coordinator, sends)
    group.tick(2)
    assert replica.applied.mark.version == replica.applied.given
    commits = list(stored_commits(group.engines[STORES[2]], replica.region, 0, 1 << 62))
    assert [commit.changes[0].key for commit in commits] == [b"a", b"b"]


def test_a_transaction_whose_coordinator_is_silent_is_dropped_by_whoever_asks() -> None:
    group, _ = two_regions()
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")))
    sends = prepared(group, coordinator, sends)
    locks = group.nodes[STORES[0]].replica(ONE).locks
    (intent,), _ = overdue(locks, NOW_MS + SILENT_MS_MAX)
    for later_ms, left in ((NOW_MS + SILENT_MS_MAX - 1, 1), (NOW_MS + SILENT_MS_MAX, 0)):
        group.now_ms = later_ms
        settler = Settler(intent, look_up(group))
        drive(group, settler, settler.begin())
        assert len(locks.intents) == left
    group.now_ms = NOW_MS  # another leader, whose clock is behind
    assert isinstance(finish(group, coordinator, sends), AbortedError)
    assert value(group, "a") is value(group, "z") is None


def test_a_decision_is_finished_by_whoever_finds_it() -> None:
    group, right = two_regions()
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")))
    while not isinstance(sends[0].step, Resolve):
        sends = coordinator.answered(sends[0], step(group, sends[0]), NOW_MS)
    assert isinstance(coordinator.outcome, Outcome)
    deciding = group.nodes[STORES[0]].replica(right.region)
    _, (decision,) = overdue(deciding.locks, NOW_MS + SILENT_MS_MAX)
    finisher = finisher_of(decision, look_up(group))
    drive(group, finisher, finisher.begin())
    assert value(group, "a") == b"1"
    assert not group.nodes[STORES[0]].replica(ONE).locks.intents
    assert overdue(deciding.locks, 1 << 60) == ([], [])


def test_of_several_parts_only_the_last_waits_and_the_next_attempt_asks_in_order() -> None:
    group, _ = two_regions()
    group.split("f", 30)
    first, sends = begin(group, txn(set_to("a", "1"), set_to("z", "1")))
    sends = prepared(group, first, sends)
    second, others = begin(group, txn(set_to("a", "2"), set_to("g", "2"), set_to("z", "2")), U)
    assert [(each.step.waits, each.region.start) for each in others if isinstance(each.step, Prepare)] == [
        (False, b""),
        (True, encoded("f")),
    ]
    others = others[1:] + second.answered(others[0], step(group, others[0]), NOW_MS)
    assert [each.step.waits for each in others if isinstance(each.step, Prepare)] == [True, True]
    assert began_ms_of(others[1].step.txn) == NOW_MS
    assert others[1].step.txn != U
    drive(group, first, sends)
    assert isinstance(finish(group, second, others), Outcome)
    assert [value(group, key) for key in "agz"] == [b"2"] * 3
    assert not any(replica.locks.intents for replica in group.nodes[STORES[0]].replicas.values())


def test_many_decisions_at_once_on_one_key_come_one_after_the_other() -> None:
    group, right = two_regions()
    node, names = group.nodes[STORES[0]], [txn_id(NOW_MS, bytes([n]) * TXN_RANDOM_BYTES) for n in range(5)]
    for name in names:
        node.step(right.region, right.epoch, Decide(name, encoded("z"), txn(Increment(b"z", 1)), 0, ()), name.hex())
    group.run(60)
    answers = [group.answers[name.hex()] for name in names]
    assert [answer.counters for answer in answers if isinstance(answer, Fate)] == [(n + 1,) for n in range(5)]
    assert value(group, "z") == b"5"


def test_locks_survive_a_split_a_snapshot_and_a_start() -> None:
    group, _ = two_regions()
    group.cut_off = {STORES[2]}
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("f", "2"), set_to("z", "3")))
    sends = prepared(group, coordinator, sends)
    replica = group.nodes[STORES[0]].replica(ONE)
    replica.kept_entries = replica.compact_step = 1
    group.split("c", 30)
    for number in range(5):
        group.put("b", str(number), group.region(ONE))
    group.cut_off = set()
    group.tick(30)
    group.nodes = {store: group.node(store) for store in STORES}
    group.nodes[STORES[0]].replica(ONE).tell(events.Campaign())
    group.run()
    assert [each.written for each in group.nodes[STORES[2]].replica(ONE).locks.intents.values()] == [(encoded("a"),)]
    assert isinstance(finish(group, coordinator, sends), Outcome)
    group.tick(20)
    assert [[value(group, key, store) for key in "afz"] for store in range(3)] == [[b"1", b"2", b"3"]] * 3
    for region in group.nodes[STORES[0]].regions:
        assert len({checksum(engine, region) for engine in group.engines.values()}) == 1
        assert not group.nodes[STORES[1]].replica(region.region).locks.intents


def test_a_prepare_in_doubt_is_dropped_and_a_decision_in_doubt_is_asked_for() -> None:
    group, _ = two_regions()
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")))
    doubt = OutcomeUnknownError(ONE)
    late = coordinator.answered(sends[0], doubt, NOW_MS)
    assert isinstance(coordinator.outcome, AbortedError)
    drive(group, coordinator, late)
    coordinator, sends = begin(group, txn(set_to("a", "1"), Increment(b"z", 2)), U)
    sends = prepared(group, coordinator, sends)
    step(group, sends[0])
    sends = coordinator.answered(sends[0], doubt, NOW_MS)
    assert coordinator.outcome is None
    outcome = finish(group, coordinator, sends)
    assert isinstance(outcome, Outcome)
    assert outcome.counters == (2,)


def test_who_does_not_know_and_finds_nothing_says_that_it_does_not_know() -> None:
    group, right = two_regions()
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")))
    sends = prepared(group, coordinator, sends)
    step(group, sends[0])
    decisions = group.nodes[STORES[0]].replica(right.region).locks.decisions
    finisher = finisher_of(next(iter(decisions.values())), look_up(group))
    drive(group, finisher, finisher.begin())
    sends = coordinator.answered(sends[0], OutcomeUnknownError(ONE), NOW_MS)
    assert isinstance(coordinator.answered(sends[0], Fate(Verdict.PENDING), NOW_MS)[0].step, Settle)
    assert coordinator.outcome is None
    group.now_ms += SILENT_MS_MAX
    coordinator, sends = begin(group, txn(set_to("a", "1"), set_to("z", "2")), U)
    sends = coordinator.answered(sends[0], Prepared(1, Outcome(True, 1, (), 0, b"", ())), NOW_MS)
    sends = coordinator.answered(sends[0], OutcomeUnknownError(ONE), NOW_MS)
    assert isinstance(finish(group, coordinator, sends), OutcomeUnknownError)
    assert value(group, "a") == b"1"


@given(st.lists(st.binary(max_size=3), max_size=4), st.binary(max_size=3), st.binary(max_size=3))
def test_parts_of_a_range_are_the_range(cuts: list[bytes], start: bytes, end: bytes) -> None:
    group = Group((STORES[0],), (STORES[0],))
    bounds = sorted({b"", *(encode("ns", cut) for cut in cuts)})
    regions = [
        replace(group.first, region=RegionId(place + 1), start=bound, end=([*bounds, b""])[place + 1])
        for place, bound in enumerate(bounds)
    ]

    def find(key: bytes) -> Region:
        return next(region for region in regions if region.covers(key))

    whole = DeleteRange(start, end, 10)
    parts = parts_of(txn(whole), find)
    keys = [bytes(pair) for pair in itertools.product((0, 1, 97, 255), repeat=2)] + [b"", *cuts]
    for key in keys:
        is_in = start <= key and (not end or key < end)
        holders = [
            part.region
            for part in parts
            for write in part.txn.writes
            if isinstance(write, DeleteRange) and write.start <= key and (not write.end or key < write.end)
        ]
        assert holders == ([find(encode("ns", key))] if is_in else [])


@given(st.binary(max_size=6))
def test_the_first_key_at_a_bound_is_the_key_that_it_was_made_of(key: bytes) -> None:
    assert key_from(encode("ns", key), "ns") == key
    assert key_from(encode("ns", key)[:-2], "ns") == key
    assert key_from(encode("nr", key), "ns") == b""


def finish(group: Group, coordinator: Coordinator, sends: list[Send]) -> Outcome | Fault | None:
    drive(group, coordinator, sends)
    return coordinator.outcome


OUTCOMES = st.builds(
    Outcome,
    st.booleans(),
    st.integers(0, 1 << 60),
    st.tuples(st.builds(Comparison, st.binary(max_size=3), st.integers(0, 9))),
    st.integers(0, 9),
    st.binary(max_size=3),
    st.tuples(st.integers(-9, 9)),
    st.none() | st.builds(Refusal, st.sampled_from(RefusalReason), st.binary(max_size=3)),
)
FATES = st.builds(
    Fate,
    st.sampled_from(Verdict),
    st.integers(0, 9),
    st.tuples(st.tuples(st.binary(max_size=3), st.binary(max_size=3))),
)


@given(st.tuples(OUTCOMES) | st.builds(Prepared, st.integers(0, 9), OUTCOMES) | FATES | st.just(Done()))
def test_an_answer_to_a_step_travels(answer: StepAnswer) -> None:
    assert parse_answer(render_answer(answer)) == answer


def test_what_is_no_step_and_no_answer_is_told() -> None:
    for content in (b"", b"x" * 9, render(("prepared", b"no number", None)), render(("fate", "NO_SUCH", 1, ()))):
        with pytest.raises(MalformedError):
            parse_answer(content)
        with pytest.raises(MalformedError):
            parse_step(content)
    step = Resolve(T, 5)
    assert parse_step(render(step)) == step
