"""What a txn may hold, against a plain reading of the rules."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core import checks
from chainfire.core.changed import NEVER, Spans
from chainfire.core.commands import DeleteRange, Operation, Put, Txn
from chainfire.core.keyvalue import FROM_KEY, covers
from chainfire.errors import DuplicateKeyError, TooManyOperationsError

KEYS = st.sampled_from([b"a", b"a\0", b"b", b"c", b"d"])
ENDS = st.sampled_from([b"", FROM_KEY, b"a", b"b", b"c", b"e"])
PLAIN = st.builds(lambda key: Put(key, b""), KEYS) | st.builds(DeleteRange, KEYS, ENDS)
TXNS = st.recursive(
    st.builds(lambda success: Txn((), tuple(success), ()), st.lists(PLAIN, max_size=3)),
    lambda inner: st.builds(
        lambda success, failure: Txn((), tuple(success), tuple(failure)),
        st.lists(PLAIN | inner, max_size=3),
        st.lists(PLAIN | inner, max_size=2),
    ),
    max_leaves=6,
)


def changes(operation: Operation) -> list[Operation]:
    """All puts and deletions below an operation."""
    if isinstance(operation, Txn):
        return [change for inner in (*operation.success, *operation.failure) for change in changes(inner)]
    return [operation]


def collide(one: Operation, other: Operation) -> bool:
    match one, other:
        case Put(), Put():
            return one.key == other.key
        case Put(), DeleteRange():
            return covers(other.key, other.end, one.key)
        case DeleteRange(), Put():
            return covers(one.key, one.end, other.key)
    return False


def is_refused(operations: tuple[Operation, ...]) -> bool:
    """Whether two operations of a branch, at any depth, change a key twice."""
    inner = [txn for txn in operations if isinstance(txn, Txn)]
    if any(is_refused(txn.success) or is_refused(txn.failure) for txn in inner):
        return True
    return any(
        collide(one, other)
        for at, first in enumerate(operations)
        for second in operations[at + 1 :]
        for one in changes(first)
        for other in changes(second)
    )


@given(TXNS)
def test_a_txn_that_changes_a_key_twice_is_refused_and_no_other(txn: Txn) -> None:
    refused = False
    try:
        checks.check_txn(txn)
    except DuplicateKeyError:
        refused = True
    assert refused == (is_refused(txn.success) or is_refused(txn.failure))


@given(st.lists(st.tuples(KEYS, st.sampled_from([b"a", b"b", b"c", b"e", b"f"]) | st.none())), KEYS)
def test_merged_ranges_cover_what_they_covered_apart(spans: list[tuple[bytes, bytes | None]], key: bytes) -> None:
    merged = Spans()
    for start, end in spans:
        merged.add(start, NEVER if end is None else (0, end))
    assert merged.covers(key) == any(start <= key and (end is None or key < end) for start, end in spans)
    starts = [start for start, _ in merged]
    assert starts == sorted(starts)


def test_a_wide_tree_of_operations_is_checked_at_once() -> None:
    def tree(kind: int, width: int) -> tuple[Operation, ...]:
        names = (b"%d/%d/%d/%d" % (kind, a, b, c) for a in range(width) for b in range(42) for c in range(42))
        leaves = [DeleteRange(name) if kind else Put(name, b"") for name in names]
        twigs = [Txn((), tuple(leaves[at : at + 42]), ()) for at in range(0, len(leaves), 42)]
        return tuple(Txn((), tuple(twigs[at : at + 42]), ()) for at in range(0, len(twigs), 42))

    wide = Txn((), (*tree(0, 3), *tree(1, 3)), ())
    began = time.process_time()
    checks.check_txn(wide)
    assert time.process_time() - began < 2


def test_operations_are_counted_along_the_deepest_way() -> None:
    put = Put(b"k", b"")
    nested = Txn((), (), (Txn((), (put,), ()),))
    checks.check_txn(nested, 2)
    with pytest.raises(TooManyOperationsError):
        checks.check_txn(nested, 1)
