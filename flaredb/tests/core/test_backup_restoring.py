from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flaredb.core import limits
from flaredb.core.backup_restoring import Left, Strange, batches, left_of, without_first_to_end
from flaredb.core.commands import Comparison, Txn, Write
from flaredb.core.visibility import Found

SIZES = st.lists(st.tuples(st.sampled_from([1, 4096]), st.sampled_from([0, 100, 1024 * 1024])), max_size=12)
A, B, ENDING = Found(b"a", b"1", 3), Found(b"b", b"2", 4), Found(b"e", b"3", 5, 1000)


@settings(deadline=None, max_examples=40)
@given(SIZES, st.integers(0, 1200))
def test_every_batch_is_a_transaction_that_is_accepted_and_none_is_left_out(sizes: list[tuple[int, int]], small: int):
    found = [Found(b"%d" % n + b"k" * (key - 1), b"v" * value, 1) for n, (key, value) in enumerate(sizes)]
    found = [Found(each.key[-limits.KEY_BYTES_MAX :], each.value, 1) for each in found]
    found += [Found(b"s%d" % n, b"", 1) for n in range(small)]
    made = list(batches(found))
    assert [each for batch in made for each in batch] == found
    for batch in made:
        comparisons = tuple(Comparison(each.key, 0) for each in batch)
        limits.check_txn(
            Txn("iam", comparisons, tuple(Write(each.key, each.value) for each in {e.key: e for e in batch}.values()))
        )


def test_what_the_server_has_already_is_not_written_again():
    assert left_of([A, B], {b"a": Found(b"a", b"1", 99)}, 0) == Left((B,), there_count=1, ended_count=0)
    assert left_of([A, B], {}, 0) == Left((A, B), 0, 0)


def test_what_has_ended_is_left_out():
    assert left_of([A, ENDING], {}, 999) == Left((A, ENDING), 0, 0)
    assert left_of([A, ENDING], {}, 1000) == Left((A,), 0, ended_count=1)


def test_anything_else_the_server_has_is_strange():
    assert left_of([A], {b"a": Found(b"a", b"other", 3)}, 0) == Strange(b"a", is_changed=True)
    assert left_of([ENDING], {b"e": Found(b"e", b"3", 5)}, 0) == Strange(b"e", is_changed=True)
    assert left_of([A], {b"b": B}, 0) == Strange(b"b", is_changed=False)


def test_the_first_to_end_goes_first():
    later = Found(b"z", b"", 1, 2000)
    assert without_first_to_end([A, later, ENDING]) == (A, later)
