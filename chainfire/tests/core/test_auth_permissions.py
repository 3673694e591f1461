import itertools

from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.auth_commands import Permission, PermissionKind
from chainfire.core.auth_permissions import KeyRanges, merged, span_of
from chainfire.core.keyvalue import FROM_KEY, covers

ALPHABET = b"\x00ab\xff"
KEYS = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=3).map(bytes)
ENDS = st.one_of(st.just(b""), st.just(FROM_KEY), KEYS)
PERMISSIONS = st.lists(st.builds(Permission, st.sampled_from(PermissionKind), KEYS, ENDS), max_size=6)
ALL_KEYS = [bytes(key) for length in range(1, 5) for key in itertools.product(ALPHABET, repeat=length)]
"""Every key that the drawn ones can be told apart by."""


def allows(permissions: list[Permission], wanted: PermissionKind, key: bytes) -> bool:
    """The naive model: one permission after the other."""
    return any(
        each.kind in (wanted, PermissionKind.READWRITE) and covers(each.key, each.end, key) for each in permissions
    )


@given(PERMISSIONS, KEYS, ENDS)
def test_a_range_is_allowed_if_every_key_of_it_is(permissions: list[Permission], key: bytes, end: bytes) -> None:
    granted = merged(permissions, is_root=False)
    asked = [each for each in ALL_KEYS if covers(key, end, each)] or [key]
    for kind, ranges in ((PermissionKind.READ, granted.read), (PermissionKind.WRITE, granted.write)):
        expected = all(allows(permissions, kind, each) for each in asked)
        # Longer keys than the model looks at lie beyond the last one of an open range.
        if end == FROM_KEY:
            expected = expected and any(
                each.end == FROM_KEY for each in permissions if each.kind in (kind, PermissionKind.READWRITE)
            )
        assert ranges.hold(key, end) == expected, (kind, asked)


@given(PERMISSIONS)
def test_merged_ranges_neither_touch_nor_overlap(permissions: list[Permission]) -> None:
    ranges = KeyRanges(map(span_of, permissions))
    spans = list(zip(ranges._starts, ranges._ends, strict=True))
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert end is not None
        assert end < start


def test_a_range_may_take_several_permissions_to_cover() -> None:
    spans = [(b"a", b"c"), (b"c", b"f"), (b"f", b"f\x00"), (b"m", None)]
    ranges = KeyRanges(spans)
    assert ranges.hold(b"b", b"f\x00")
    assert not ranges.hold(b"b", b"f\x01")
    assert ranges.hold(b"z", FROM_KEY)
    assert not ranges.hold(b"a", FROM_KEY)
    assert len(ranges) == 2
