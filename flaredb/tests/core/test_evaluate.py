from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.commands import Comparison, EncodedKey, Outcome, Txn, Write
from flaredb.core.engine import Column
from flaredb.core.evaluate import Evaluation, evaluate, rows
from flaredb.core.keys import encode
from flaredb.core.records import START, Mark

BEFORE = Mark(10, 1000, 5, 50)


def run(*txns: Txn, stored: dict[bytes, int] | None = None, now_ms: int = 2000) -> Evaluation:
    versions = {encode("iam", key): version for key, version in (stored or {}).items()}
    return evaluate(txns, lambda encoded: versions.get(encoded, 0), BEFORE, now_ms)


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
    done = evaluate([put(b"a", b"1"), Txn("dns", (Comparison(b"a", 0),), ())], lambda _: 0, START, 1)
    assert [outcome.succeeded for outcome in done.outcomes] == [True, True]


def test_a_clock_that_goes_backwards_is_held():
    assert run(put(b"a", b"1"), now_ms=999).applied.at_ms == 1000


def test_rows_hold_data_changes_and_counters():
    columns = [column for column, _, _ in rows(run(Txn("iam", (), (Write(b"a", b"1"), Write(b"b", b"2")))))]
    assert columns == [Column.DATA, Column.DATA, Column.CHANGES, Column.META]


KEYS = st.sampled_from([b"a", b"b", b"c"])
TXNS = st.builds(
    Txn,
    st.just("iam"),
    st.lists(st.builds(Comparison, KEYS, st.integers(0, 8)), max_size=2).map(tuple),
    st.lists(st.builds(Write, KEYS, st.none() | st.just(b"v")), max_size=2, unique_by=lambda w: w.key).map(tuple),
)


@given(st.lists(TXNS, max_size=12), st.integers(0, 12))
def test_a_batch_does_what_its_transactions_would_one_by_one(txns: list[Txn], cut: int):
    """However the same transactions are divided into batches, outcomes and commits are the same."""
    whole = _in_batches([txns])
    divided = _in_batches([txns[:cut], txns[cut:]])
    single = _in_batches([[txn] for txn in txns])
    assert whole == divided == single


def _in_batches(batches: list[list[Txn]]) -> tuple[object, ...]:
    versions: dict[EncodedKey, int] = {}
    applied = START
    seen: list[object] = []
    for batch in batches:
        done = evaluate(batch, lambda encoded, stored=dict(versions): stored.get(encoded, 0), applied, 7)
        applied = done.applied
        seen += [*done.outcomes, *done.commits]
        for commit in done.commits:
            versions |= {c.encoded: commit.version if c.value is not None else 0 for c in commit.changes}
    return tuple(sorted(map(repr, seen))), applied
