from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core import evaluate as module
from flaredb.core.commands import (
    Comparison,
    DeleteRange,
    EncodedKey,
    Increment,
    Outcome,
    Refusal,
    RefusalReason,
    Txn,
    Write,
)
from flaredb.core.engine import Column
from flaredb.core.evaluate import Evaluation, evaluate, rows
from flaredb.core.keys import encode
from flaredb.core.records import START, Mark
from flaredb.core.visibility import Standing

BEFORE = Mark(10, 1000, 5, 50)


class Stored(dict[EncodedKey, Standing]):
    """Keys that are stored."""

    def standing(self, encoded: EncodedKey) -> Standing | None:
        return self.get(encoded)

    def standings(self, lower: bytes, upper: bytes) -> Iterator[Standing]:
        return (self[encoded] for encoded in sorted(self) if lower <= encoded < upper)


def run(*txns: Txn, stored: dict[bytes, int] | None = None, now_ms: int = 2000) -> Evaluation:
    keys = {encode("iam", key): version for key, version in (stored or {}).items()}
    view = Stored({encoded: Standing(encoded, version, b"") for encoded, version in keys.items()})
    return evaluate(txns, view, BEFORE, now_ms)


def put(key: bytes, value: bytes) -> Txn:
    return Txn("iam", (), (Write(key, value),))


def swap(key: bytes, expected: int, value: bytes | None) -> Txn:
    return Txn("iam", (Comparison(key, expected),), (Write(key, value),))


def test_each_commit_takes_the_next_version():
    done = run(put(b"a", b"1"), put(b"b", b"2"))
    assert [outcome.version for outcome in done.outcomes] == [11, 12]
    assert [commit.version for commit in done.commits] == [11, 12]
    assert done.applied == Mark(12, 2000, 7, 54)


def test_a_comparison_sees_what_the_batch_wrote_before():
    done = run(put(b"a", b"1"), swap(b"a", 11, b"2"), swap(b"a", 11, b"3"))
    assert done.outcomes[1] == Outcome(succeeded=True, version=12)
    assert done.outcomes[2] == Outcome(succeeded=False, version=12, failed=(Comparison(b"a", 12),))


def test_a_key_deleted_in_the_batch_does_not_exist_for_those_after():
    done = run(Txn("iam", (), (Write(b"a", None),)), swap(b"a", 0, b"2"), stored={b"a": 4})
    assert [outcome.succeeded for outcome in done.outcomes] == [True, True]


def test_a_failed_transaction_names_every_key_that_differs():
    txn = Txn("iam", (Comparison(b"a", 4), Comparison(b"b", 1), Comparison(b"c", 2)), (Write(b"d", b""),))
    done = run(txn, stored={b"a": 4, b"b": 7})
    assert done.outcomes == (Outcome(False, 10, (Comparison(b"b", 7), Comparison(b"c", 0))),)
    assert done.commits == ()


def test_deleting_what_does_not_exist_takes_no_version():
    done = run(Txn("iam", (), (Write(b"a", None),)))
    assert done == Evaluation((Outcome(succeeded=True, version=10),), (), BEFORE)
    assert list(rows(done)) == []


def test_a_transaction_that_only_compares_takes_no_version():
    assert run(Txn("iam", (Comparison(b"a", 0),), ())).outcomes == (Outcome(succeeded=True, version=10),)


def test_namespaces_do_not_meet():
    done = evaluate([put(b"a", b"1"), Txn("dns", (Comparison(b"a", 0),), ())], Stored(), START, 1)
    assert [outcome.succeeded for outcome in done.outcomes] == [True, True]


def test_a_clock_that_goes_backwards_is_held():
    assert run(put(b"a", b"1"), now_ms=999).applied.at_ms == 1000


def test_rows_hold_data_changes_and_counters():
    columns = [column for column, _, _ in rows(run(Txn("iam", (), (Write(b"a", b"1"), Write(b"b", b"2")))))]
    assert columns == [Column.DATA, Column.DATA, Column.CHANGES, Column.META]


def delete_range(start: bytes, end: bytes, keys_max: int = 100, *, may_stop: bool = True) -> Txn:
    return Txn("iam", (), (DeleteRange(start, end, keys_max, may_stop),))


def deleted(done: Evaluation) -> list[bytes]:
    assert all(change.value is None for commit in done.commits for change in commit.changes)
    return [change.key for commit in done.commits for change in commit.changes]


def test_a_range_is_deleted_with_its_start_and_without_its_end():
    done = run(delete_range(b"b", b"d"), stored=dict.fromkeys([b"a", b"b", b"b\0", b"c", b"d"], 3))
    assert deleted(done) == [b"b", b"b\0", b"c"]
    assert done.outcomes == (Outcome(succeeded=True, version=11, deleted=3),)


def test_a_range_sees_what_the_batch_wrote_before():
    erase = Txn("iam", (), (Write(b"c", None),))
    done = run(put(b"b", b""), erase, delete_range(b"", b""), stored={b"a": 1, b"c": 2})
    assert [change.key for change in done.commits[-1].changes] == [b"a", b"b"]


def test_an_empty_range_takes_no_version():
    assert run(delete_range(b"b", b"c"), stored={b"a": 1}).outcomes == (Outcome(succeeded=True, version=10),)


def test_a_range_that_may_stop_says_which_key_it_left():
    done = run(delete_range(b"", b"", 2), stored=dict.fromkeys([b"a", b"b", b"c"], 1))
    assert deleted(done) == [b"a", b"b"]
    assert done.outcomes == (Outcome(succeeded=True, version=11, deleted=2, next_start=b"c"),)


def test_a_range_that_may_not_stop_refuses_its_whole_transaction():
    txn = Txn("iam", (), (Write(b"x", b"1"), DeleteRange(b"a", b"d", 2)))
    done = run(txn, put(b"y", b"1"), stored=dict.fromkeys([b"a", b"b", b"c"], 1))
    assert done.outcomes[0] == Outcome(False, 10, refusal=Refusal(RefusalReason.RANGE_SIZE, b"a"))
    assert [commit.changes[0].key for commit in done.commits] == [b"y"]


def test_the_ranges_of_a_transaction_share_one_limit(monkeypatch: pytest.MonkeyPatch):
    txn = Txn("iam", (), (DeleteRange(b"a", b"b", 9), DeleteRange(b"b", b"c", 9)))
    stored = dict.fromkeys([b"a1", b"a2", b"b1"], 1)
    assert run(txn, stored=stored).outcomes[0].deleted == 3
    for limit, most in (("RANGE_KEYS_MAX", 2), ("RANGE_BYTES_MAX", 5)):
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, most)
            assert run(txn, stored=stored).outcomes[0].refusal == Refusal(RefusalReason.RANGE_SIZE, b"b")


def test_a_counter_counts_what_the_batch_counted_before():
    count = Txn("iam", (), (Increment(b"n", 2),))
    done = run(count, put(b"n", b"-7"), count, Txn("iam", (), (Write(b"n", None),)), count)
    assert [outcome.counters for outcome in done.outcomes] == [(2,), (), (-5,), (), (2,)]


def test_what_is_no_counter_refuses_its_whole_transaction():
    txn = Txn("iam", (), (Write(b"x", b"1"), Increment(b"n", 1)))
    done = run(put(b"n", b"text"), txn)
    assert done.outcomes[1] == Outcome(False, 11, refusal=Refusal(RefusalReason.NOT_A_COUNTER, b"n"))
    assert len(done.commits) == 1


KEYS = st.sampled_from([b"a", b"b", b"c"])
TXNS = st.builds(
    Txn,
    st.just("iam"),
    st.lists(st.builds(Comparison, KEYS, st.integers(0, 8)), max_size=2).map(tuple),
    st.lists(
        st.builds(Write, KEYS, st.none() | st.just(b"v")) | st.builds(Increment, KEYS, st.just(1)),
        max_size=2,
        unique_by=lambda w: w.key,
    ).map(tuple)
    | st.builds(DeleteRange, KEYS, KEYS, st.integers(1, 3), st.booleans()).map(lambda one: (one,)),
)


@given(st.lists(TXNS, max_size=12), st.integers(0, 12))
def test_a_batch_does_what_its_transactions_would_one_by_one(txns: list[Txn], cut: int):
    """However the same transactions are divided into batches, outcomes and commits are the same."""
    whole = _in_batches([txns])
    divided = _in_batches([txns[:cut], txns[cut:]])
    single = _in_batches([[txn] for txn in txns])
    assert whole == divided == single


def _in_batches(batches: list[list[Txn]]) -> tuple[object, ...]:
    stored = Stored()
    applied = START
    seen: list[object] = []
    for batch in batches:
        done = evaluate(batch, stored, applied, 7)
        applied = done.applied
        seen += [*done.outcomes, *done.commits]
        for commit in done.commits:
            for change in commit.changes:
                if change.value is None:
                    stored.pop(change.encoded, None)
                else:
                    stored[change.encoded] = Standing(change.encoded, commit.version, change.value)
    return tuple(sorted(map(repr, seen))), applied
