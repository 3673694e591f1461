from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.engine import Column
from flaredb.core.keys import encode, versioned
from flaredb.core.records import START, Mark, value_record
from flaredb.core.retention import History, is_mark_due, plan_floor, sweep
from flaredb.testing import MemoryEngine

HISTORY = History(age_ms=6400, changes=640, bytes=64_000)
MARKS = [Mark(10, 1000, 100, 1000), Mark(20, 2000, 200, 2000), Mark(30, 3000, 300, 3000)]


@pytest.mark.parametrize(
    ("applied", "now_ms", "floor"),
    [
        (Mark(35, 3000, 350, 3500), 3000, 0),
        (Mark(35, 3000, 350, 3500), 7401, 10),
        (Mark(35, 3000, 350, 3500), 8401, 20),
        (Mark(35, 3000, 350, 3500), 99_999, 30),
        (Mark(35, 3000, 841, 3500), 3000, 20),
        (Mark(35, 3000, 350, 65_001), 3000, 10),
    ],
    ids=["within", "age of one", "age of two", "age of all", "changes", "bytes"],
)
def test_the_floor_is_the_newest_mark_out_of_any_bound(applied: Mark, now_ms: int, floor: int):
    assert plan_floor(MARKS, applied, HISTORY, now_ms, 0) == floor


def test_the_floor_never_sinks():
    assert plan_floor(MARKS, MARKS[-1], HISTORY, 3000, 25) == 25


@pytest.mark.parametrize(
    ("applied", "due"),
    [
        (Mark(11, 1099, 109, 1999), False),
        (Mark(11, 1100, 109, 1999), True),
        (Mark(11, 1099, 110, 1999), True),
        (Mark(11, 1099, 109, 2000), True),
    ],
)
def test_a_mark_is_due_after_a_64th_of_any_bound(applied: Mark, due: bool):  # noqa: FBT001
    assert is_mark_due(MARKS[0], applied, HISTORY) is due


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 50), st.integers(1, 5000)), max_size=300))
def test_history_is_bounded_and_not_cut_short(steps: list[tuple[int, int, int]]):
    """Commits that come at any pace: what is kept is within the bounds, and within a 64th and one commit of them."""
    applied, floor, marks = START, 0, [START]
    trail = [START]
    for passed_ms, changes, size in steps:
        applied = Mark(applied.version + 1, applied.at_ms + passed_ms, applied.changes + changes, applied.bytes + size)
        trail.append(applied)
        if is_mark_due(marks[-1], applied, HISTORY):
            marks.append(applied)
        floor = plan_floor(marks, applied, HISTORY, applied.at_ms, floor)
    cut = next((mark for mark in trail if mark.version == floor), None)
    if cut is not None:
        assert (
            applied.at_ms - cut.at_ms > HISTORY.age_ms
            or applied.changes - cut.changes > HISTORY.changes
            or applied.bytes - cut.bytes > HISTORY.bytes
        )
    kept = [mark for mark in marks if mark.version > floor]
    assert len(kept) <= 3 * 64 + 3


VERSIONS = st.dictionaries(st.integers(2, 40), st.none() | st.just(b"v"), max_size=12)


@given(st.dictionaries(st.sampled_from([b"a", b"a\0", b"b"]), VERSIONS), st.integers(1, 20), st.integers(0, 20))
def test_a_sweep_changes_nothing_that_is_seen_at_its_end_or_after(
    keys: dict[bytes, dict[int, bytes | None]], swept: int, further: int
):
    through = swept + further
    before = _swept(keys, 0, swept)
    after = _swept(before, swept, through)
    for key, versions in keys.items():
        for at in range(through, 42):
            assert _seen(after.get(key, {}), at) == _seen(versions, at)
        left = [version for version in after.get(key, {}) if version <= through]
        assert len(left) <= 1
        assert all(versions[version] is not None for version in left)


def _seen(versions: dict[int, bytes | None], at: int) -> bytes | None:
    visible = [version for version in versions if version <= at]
    return versions[max(visible)] if visible else None


def _swept(
    keys: dict[bytes, dict[int, bytes | None]], swept: int, through: int
) -> dict[bytes, dict[int, bytes | None]]:
    engine = MemoryEngine()
    stored = {versioned(encode("iam", key), v): (key, v) for key, versions in keys.items() for v in versions}
    engine.write((Column.DATA, name, value_record(keys[key][v])) for name, (key, v) in stored.items())
    changed = [encode("iam", key) for key, versions in keys.items() if any(swept < v <= through for v in versions)]
    gone = {stored[name] for _, name, _ in sweep(engine.cursor(Column.DATA), changed, swept, through)}
    return {key: {v: value for v, value in vs.items() if (key, v) not in gone} for key, vs in keys.items()}
