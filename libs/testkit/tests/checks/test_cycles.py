from __future__ import annotations

import pytest

from ultracloud.testkit.checks import BrokenPromiseError, History, check_cycles
from ultracloud.testkit.checks.history import Call, Compare, Get, Got, Kv, Lost, Put, Txn, TxnDone


def txn(number: int, at: tuple[float, float], compares: dict[str, int], puts: str, version: int) -> Call:
    op = Txn(tuple(Compare(key, "mod", "=", seen) for key, seen in compares.items()), _puts(puts, number), ())
    return Call(number, f"c{number}", "m", op, *at, TxnDone(version, True, (Lost(),) * len(puts)))  # type: ignore[arg-type]


def get(number: int, at: tuple[float, float], key: str, version: int) -> Call:
    kvs = (Kv(key, "x", 0, version, 1),) if version else ()
    return Call(number, f"c{number}", "m", Get(key), *at, Got(version, kvs, len(kvs)))


def _puts(keys: str, number: int) -> tuple[Put, ...]:
    return tuple(Put(key, f"{key}{number}") for key in keys)


def test_what_one_order_explains_passes() -> None:
    first = txn(1, (0, 10), {"a": 0}, "ab", 5)
    second = txn(2, (5, 20), {"a": 5, "b": 5}, "a", 7)
    check_cycles(History((first, second, get(3, (21, 22), "a", 7), get(4, (1, 8), "b", 0))))


def test_two_that_each_wrote_what_the_other_one_compared_are_a_cycle() -> None:
    one, other = txn(1, (0, 10), {"a": 0, "b": 0}, "a", 5), txn(2, (0, 10), {"a": 0, "b": 0}, "b", 6)
    with pytest.raises(BrokenPromiseError, match="before the next"):
        check_cycles(History((one, other)))


def test_a_read_that_misses_what_was_done_before_it_began_is_a_cycle() -> None:
    calls = (txn(1, (0, 10), {}, "a", 5), get(2, (11, 12), "a", 0))
    with pytest.raises(BrokenPromiseError):
        check_cycles(History(calls))
    check_cycles(History((calls[0], get(2, (9, 12), "a", 0))))


def test_half_of_a_transaction_is_a_cycle_for_who_reads_both_keys_in_turn() -> None:
    calls = (txn(1, (0, 100), {}, "ab", 5), get(2, (10, 11), "a", 5), get(3, (12, 13), "b", 0))
    with pytest.raises(BrokenPromiseError):
        check_cycles(History(calls))


def test_a_write_that_nobody_was_told_of_counts_once_somebody_has_seen_it() -> None:
    op = Txn((Compare("b", "version", "=", 0),), (Put("a", "a1"),), ())
    lost = Call(1, "c1", "m", op, 0, None, Lost())
    calls = (lost, get(2, (1, 2), "a", 5), txn(3, (3, 4), {"a": 5}, "b", 4))
    check_cycles(History(calls))
    with pytest.raises(BrokenPromiseError):
        check_cycles(History((*calls, get(4, (5, 6), "a", 0))), {("a", 5): "a1"})
