from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.commands import Expire
from flaredb.core.engine import Column
from flaredb.core.expiry import expiry_key, overdue
from flaredb.core.keys import encode, versioned
from flaredb.core.records import value_record
from flaredb.testing import MemoryEngine

KEYS = st.tuples(st.sampled_from(["iam", "iam-2", "dns"]), st.sampled_from([b"a", b"a\0", b"\0", b"b"]))
ENDS = st.lists(st.integers(1, 20), min_size=1, max_size=3)


def engine_of(keys: dict[tuple[str, bytes], list[int]]) -> MemoryEngine:
    """Each key was put once for each end; the last put is the one that counts."""
    engine = MemoryEngine()
    for (namespace, key), ends in keys.items():
        encoded = encode(namespace, key)
        for version, end in enumerate(ends, start=2):
            engine.write(
                [
                    (Column.DATA, versioned(encoded, version), value_record(b"v", end)),
                    (Column.EXPIRY, expiry_key(end, encoded), b""),
                ]
            )
    return engine


@given(st.dictionaries(KEYS, ENDS, max_size=8), st.integers(0, 21), st.integers(1, 5))
def test_slices_find_each_key_that_has_ended_and_each_row_that_is_void(
    keys: dict[tuple[str, bytes], list[int]], now_ms: int, keys_max: int
):
    engine = engine_of(keys)
    ended, stale, from_ms = set(), [], 0
    for _ in range(30):
        found = overdue(engine.cursor(Column.EXPIRY), engine.cursor(Column.DATA), from_ms, now_ms, keys_max)
        assert found.count == sum(len(txn.writes) for txn in found.txns) + len(found.stale) <= keys_max
        new = {(txn.namespace, write.key) for txn in found.txns for write in txn.writes if isinstance(write, Expire)}
        engine.write([*found.stale, *((Column.EXPIRY, expiry_key(keys[one][-1], encode(*one)), None) for one in new)])
        ended |= new
        stale += found.stale
        from_ms = found.through_ms + 1
    assert ended == {one for one, ends in keys.items() if ends[-1] <= now_ms}
    assert len(stale) == sum(len({end for end in ends[:-1] if end <= now_ms} - {ends[-1]}) for ends in keys.values())


def test_nothing_that_is_due_later_is_looked_at():
    engine = engine_of({("iam", b"a"): [5]})
    found = overdue(engine.cursor(Column.EXPIRY), engine.cursor(Column.DATA), 0, 4, 100)
    assert (found.txns, found.stale, found.count, found.through_ms) == ((), (), 0, 4)
