from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.intervals import Intervals
from chainfire.core.keyvalue import covers

KEYS = st.sampled_from([b"", b"a", b"ab", b"b", b"ba", b"c", b"\xff"])
SPANS = st.tuples(KEYS, st.sampled_from([b"", b"\x00", b"ab", b"b", b"bb", b"c"])).filter(
    lambda span: not span[1] or span[1] == b"\x00" or span[0] < span[1]
)


@given(st.lists(st.tuples(st.booleans(), SPANS, st.integers(0, 3)), max_size=40), st.lists(KEYS, max_size=8))
def test_a_key_finds_exactly_the_members_whose_range_covers_it(
    steps: list[tuple[bool, tuple[bytes, bytes], int]], keys: list[bytes]
) -> None:
    intervals: Intervals[int] = Intervals()
    model: set[tuple[tuple[bytes, bytes], int]] = set()
    for adds, span, member in steps:
        if adds:
            intervals.add(*span, member)
            model.add((span, member))
        elif (span, member) in model:
            intervals.remove(*span, member)
            model.remove((span, member))
    assert bool(intervals) == bool(model)
    for key in keys:
        found = sorted(member for group in intervals.covering(key) for member in group)
        assert found == sorted(member for span, member in model if covers(*span, key))


@given(st.lists(st.tuples(SPANS, st.integers(0, 3)), max_size=20, unique=True))
def test_nothing_is_left_of_ranges_that_were_removed(added: list[tuple[tuple[bytes, bytes], int]]) -> None:
    intervals: Intervals[int] = Intervals()
    for span, member in added:
        intervals.add(*span, member)
    for span, member in added:
        intervals.remove(*span, member)
    assert intervals._bounds == [b""]
    assert not intervals
