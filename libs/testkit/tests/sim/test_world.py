from __future__ import annotations

import pytest

from ultracloud.testkit.seeds import seeds
from ultracloud.testkit.sim import Faults, SimClock, SimNetwork


def test_things_happen_in_order_of_time_then_of_asking() -> None:
    clock, seen = SimClock(), []
    clock.call_later(20, lambda: seen.append("late"))
    clock.call_later(10, lambda: seen.append("first"))
    clock.call_later(10, lambda: seen.append("second"))
    clock.call_later(5, lambda: seen.append("never")).cancel()
    assert clock.run_for(15) == 2
    assert (seen, clock.monotonic_ms()) == (["first", "second"], 15)


def test_a_condition_ends_the_wait() -> None:
    clock, seen = SimClock(), []
    for delay in (10, 20, 30):
        clock.call_later(delay, lambda delay=delay: seen.append(delay))
    assert clock.run_until(lambda: len(seen) == 2, 1000)
    assert clock.monotonic_ms() == 20
    assert not clock.run_until(lambda: len(seen) == 9, 1000)


def conversation(seed: int) -> list[tuple[int, str, str]]:
    clock = SimClock(seed)
    network: SimNetwork[str, str] = SimNetwork(clock, seed, Faults(drop=0.2, duplicate=0.2, delay_ms_max=50))
    heard: list[tuple[int, str, str]] = []
    for node in "abc":
        network.join(node, lambda _source, message, node=node: heard.append((clock.monotonic_ms(), node, message)))
    for number in range(50):
        network.send("a", "bc"[number % 2], str(number))
    clock.run_for(1000)
    assert network.sent == 50
    return heard


@pytest.mark.parametrize("seed", seeds(5))
def test_a_seed_makes_the_same_world_again(seed: int) -> None:
    assert conversation(seed) == conversation(seed)


def test_messages_are_lost_doubled_and_overtake_each_other() -> None:
    heard = [int(message) for _, _, message in conversation(1)]
    assert set(heard) < set(range(50))
    assert len(heard) > len(set(heard))
    assert heard != sorted(heard)


def test_a_partition_cuts_both_ways_until_it_heals() -> None:
    clock = SimClock()
    network: SimNetwork[str, str] = SimNetwork(clock, 0)
    heard: list[tuple[str, str]] = []
    for node in "abc":
        network.join(node, lambda source, _message, node=node: heard.append((source, node)))
    network.partition({"a"}, {"b"})
    for pair in ("ab", "ba", "ac", "cb"):
        network.send(*pair, "x")
    clock.run_for(100)
    assert sorted(heard) == [("a", "c"), ("c", "b")]
    network.heal()
    network.send("a", "b", "x")
    clock.run_for(100)
    assert heard[-1] == ("a", "b")


def test_a_node_that_left_hears_nothing_that_was_under_way() -> None:
    clock = SimClock()
    network: SimNetwork[str, str] = SimNetwork(clock, 0)
    heard: list[str] = []
    network.join("b", lambda _source, message: heard.append(message))
    network.send("a", "b", "x")
    network.leave("b")
    clock.run_for(100)
    assert (heard, network.lost) == ([], 1)
