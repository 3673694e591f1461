from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.history import CHUNK_RECORDS, History
from chainfire.core.keyvalue import NO_LEASE, KeyValue


def history_of(sizes: list[int]) -> tuple[History, list[KeyValue]]:
    """A history whose revisions, from 2 on, have these numbers of records."""
    history, records = History(), list[KeyValue]()
    for revision, size in enumerate(sizes, start=2):
        records += [KeyValue(b"%d" % number, revision, revision, 1, b"", NO_LEASE) for number in range(size)]
    for record in records:
        history.append(record)
    return history, records


SIZES = st.lists(st.sampled_from([1, 2, 100, CHUNK_RECORDS - 1, CHUNK_RECORDS, CHUNK_RECORDS + 1]), max_size=12)


@given(SIZES, st.integers(0, 14), st.integers(1, 2 * CHUNK_RECORDS))
def test_reading_in_steps_gives_whole_revisions_in_order(sizes: list[int], start: int, step: int) -> None:
    history, records = history_of(sizes)
    expected = [record for record in records if record.mod_revision >= start]
    more = True
    while more:
        found, more = history.read(start, step)
        assert found == expected[: len(found)]
        assert len(found) == len(expected) or expected[len(found)].mod_revision > found[-1].mod_revision
        expected = expected[len(found) :]
        start = found[-1].mod_revision + 1 if found else start
    assert expected == []


@given(SIZES, st.integers(0, 14), st.integers(2, 9), st.data())
def test_sweeping_removes_the_dead_up_to_its_revision_and_nothing_else(
    sizes: list[int], end: int, kept_each: int, data: st.DataObject
) -> None:
    history, records = history_of(sizes)
    dead = {id(record) for number, record in enumerate(records) if number % kept_each and record.mod_revision <= end}
    for _ in history.sweep(end, lambda record: id(record) in dead):
        pass
    left = [record for record in records if id(record) not in dead]
    assert [record for chunk in history.walk(99) for record in chunk] == left
    upto = data.draw(st.integers(0, 14))
    assert [r for chunk in history.walk(upto) for r in chunk] == [r for r in left if r.mod_revision <= upto]
    start = data.draw(st.integers(0, 14))
    assert history.read(start, 100_000)[0] == [r for r in left if r.mod_revision >= start]
    history.append(KeyValue(b"k", 99, 99, 1, b"", NO_LEASE))
    assert history.read(99, 1)[0][0].mod_revision == 99
