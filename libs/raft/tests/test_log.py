from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.raft.log import Log
from ultracloud.raft.words import Entry, EntryKind

TERMS = st.lists(st.integers(1, 5), max_size=12).map(sorted)


def entries_of(terms: list[int], after: int = 0) -> list[Entry]:
    """Entries with these terms."""
    return [Entry(after + place, term, EntryKind.NORMAL, b"%d" % term) for place, term in enumerate(terms, 1)]


def log_of(terms: list[int], base_index: int = 0, base_term: int = 0) -> Log:
    """A log with nothing committed beyond its base."""
    return Log(base_index, base_term, entries_of(terms, base_index), base_index, base_index)


@given(TERMS, TERMS, st.integers(0, 12), st.integers(0, 12))
def test_accept_makes_the_log_the_leaders_as_far_as_it_was_told(
    mine: list[int], leaders: list[int], prev: int, count: int
) -> None:
    """Figure 2, AppendEntries, steps 3 and 4, against plain lists."""
    log = log_of(mine)
    sent = entries_of(leaders)[prev : prev + count]
    if prev > len(leaders) or mine[:prev] != leaders[:prev]:
        return
    last = log.accept(prev, sent)
    told = leaders[: prev + len(sent)]
    conflicts = any(ours != theirs for ours, theirs in zip(mine, told, strict=False))
    expected = told if conflicts or len(told) > len(mine) else mine
    assert [entry.term for entry in log.slice(0, log.last_index)] == expected
    assert last == len(told)


@given(TERMS, st.integers(0, 14), st.integers(0, 6))
def test_meeting_point_is_the_last_entry_that_may_be_alike(terms: list[int], index: int, term: int) -> None:
    alike = [place for place in range(min(index, len(terms)) + 1) if ([0, *terms])[place] <= term]
    assert log_of(terms).meeting_point(index, term) == max(alike)


@given(st.data(), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_a_batch_is_bounded_but_never_empty(data: st.DataObject, sizes: list[int]) -> None:
    entries = [Entry(index, 1, EntryKind.NORMAL, bytes(size)) for index, size in enumerate(sizes, 1)]
    after, most = data.draw(st.integers(0, len(sizes) - 1)), data.draw(st.integers(1, 30))
    batch, size = Log(0, 0, entries, 0, 0).batch(after, most)
    assert size == sum(sizes[after : after + len(batch)])
    assert len(batch) == 1 or size <= most
    end = after + len(batch)
    assert end == len(sizes) or size + sizes[end] > most or size >= most


def test_what_was_cut_is_not_durable_though_it_was_written() -> None:
    """Entries 3 and 4 of Ready 1 are replaced before Ready 1 is durable: it then vouches for entry 2 only."""
    log = log_of([1, 1])
    log.accept(2, entries_of([2, 2], after=2))
    assert len(log.take_unstored(1)) == 2
    log.accept(2, entries_of([3], after=2))
    assert [entry.term for entry in log.take_unstored(2)] == [3]
    log.commit_to(3)
    log.persisted(1)
    assert (log.durable, log.emit()[-1].index) == (2, 2)
    log.persisted(2)
    assert [entry.term for entry in log.emit()] == [3]


def test_compaction_keeps_the_term_that_joins() -> None:
    log = log_of([1, 1, 2, 3])
    log.commit_to(4)
    log.emit()
    log.compact(3)
    assert (log.base_index, log.base_term, log.last_index, log.last_term) == (3, 2, 4, 3)
    assert [log.term(index) for index in (2, 3, 4, 5)] == [None, 2, 3, None]
    log.compact(2)
    assert log.base_index == 3
