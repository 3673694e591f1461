from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.commands import Change, Commit, EncodedKey
from flaredb.core.newest import ENTRY_BYTES, ROW_BYTES_MAX, NewestRows

STEPS = st.lists(st.tuples(st.sampled_from("gkd"), st.integers(0, 9)), max_size=200)


@given(STEPS)
def test_what_is_kept_is_what_was_kept_last_and_not_dropped_since(steps: list[tuple[str, int]]) -> None:
    rows, wanted = NewestRows(10 * ENTRY_BYTES), dict[EncodedKey, bytes]()
    for number, (step, which) in enumerate(steps):
        key = EncodedKey(b"%d" % which)
        if step == "k":
            rows.keep(key, b"%d" % number)
            wanted[key] = b"%d" % number
        elif step == "d":
            rows.drop([Commit(number + 1, "iam", (Change(key, key, None),))])
            wanted.pop(key, None)
        else:
            assert rows.get(key) in (None, wanted.get(key))


def test_both_halves_together_stay_within_the_bound() -> None:
    rows = NewestRows(1000 * ENTRY_BYTES)
    for number in range(5000):
        rows.keep(EncodedKey(b"%04d" % number), b"r")

    kept = [number for number in range(5000) if rows.get(EncodedKey(b"%04d" % number)) is not None]

    assert 450 < len(kept) <= 1000
    assert kept[-1] == 4999


def test_what_is_read_again_outlives_what_is_not() -> None:
    rows = NewestRows(100 * ENTRY_BYTES)
    rows.keep(EncodedKey(b"often"), b"r")
    for number in range(1000):
        rows.keep(EncodedKey(b"%04d" % number), b"r")
        assert rows.get(EncodedKey(b"often")) == b"r"


def test_a_large_value_is_not_kept() -> None:
    rows = NewestRows()
    rows.keep(EncodedKey(b"large"), bytes(ROW_BYTES_MAX + 1))

    assert rows.get(EncodedKey(b"large")) is None
