from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.history import CHUNK_RECORDS, History
from chainfire.core.keyvalue import NO_LEASE, Record, pack, revision_of


def history_of(sizes: list[int]) -> tuple[History, list[Record]]:
    """A history whose revisions, from 2 on, have these numbers of records."""
    history, records = History(), list[Record]()
    for revision, size in enumerate(sizes, start=2):
        records += [pack(b"%d" % number, revision, revision, 1, b"", NO_LEASE) for number in range(size)]
    for record in records:
        history.append(record)
    return history, records


SIZES = st.lists(st.sampled_from([1, 2, 100, CHUNK_RECORDS - 1, CHUNK_RECORDS, CHUNK_RECORDS + 1]), max_size=12)


@given(SIZES, st.integers(0, 14), st.integers(1, 2 * CHUNK_RECORDS))
def test_reading_in_steps_gives_whole_revisions_in_order(sizes: list[int], start: int, step: int) -> None:
    history, records = history_of(sizes)
    expected = [record for record in records if revision_of(record) >= start]
    more = True
    while more:
        found, more = history.read(start, step)
        assert found == expected[: len(found)]
        assert len(found) == len(expected) or revision_of(expected[len(found)]) > revision_of(found[-1])
        expected = expected[len(found) :]
        start = revision_of(found[-1]) + 1 if found else start
    assert expected == []


@given(SIZES, st.integers(0, 14), st.integers(2, 9), st.data())
def test_sweeping_removes_the_dead_up_to_its_revision_and_nothing_else(
    sizes: list[int], end: int, kept_each: int, data: st.DataObject
) -> None:
    history, records = history_of(sizes)
    dead = {id(record) for number, record in enumerate(records) if number % kept_each and revision_of(record) <= end}
    for _ in history.sweep(end, lambda record: id(record) in dead):
        pass
    left = [record for record in records if id(record) not in dead]
    assert [record for chunk in history.walk(99) for record in chunk] == left
    upto = data.draw(st.integers(0, 14))
    assert [r for chunk in history.walk(upto) for r in chunk] == [r for r in left if revision_of(r) <= upto]
    start = data.draw(st.integers(0, 14))
    assert history.read(start, 100_000)[0] == [r for r in left if revision_of(r) >= start]
    history.append(pack(b"k", 99, 99, 1, b"", NO_LEASE))
    assert revision_of(history.read(99, 1)[0][0]) == 99
