import pytest

from chainfire.core import calls
from chainfire.core.hashes import Hashed, differing


def same(checksum: int, compacted: int = 5) -> Hashed:
    """A checksum at one revision."""
    return Hashed(checksum, 9, compacted)


@pytest.mark.parametrize(
    ("found", "odd"),
    [
        ({1: same(7), 2: same(7), 3: same(7)}, []),
        ({1: same(7), 2: same(8), 3: same(7)}, [2]),
        ({1: same(8), 2: same(7), 3: same(7)}, [1]),
        ({1: same(7), 2: same(8)}, [1, 2]),
        ({1: same(7), 2: same(8, compacted=6), 3: same(7)}, []),
        ({1: same(7)}, []),
        ({}, []),
    ],
)
def test_who_differs_from_most_is_odd(found: dict[int, Hashed], odd: list[int]) -> None:
    assert differing(found) == odd


def test_a_checksum_is_read_as_it_was_told() -> None:
    found = Hashed(0xFFFFFFFF, 12, -1)
    assert calls.parse_hash(calls.render_hash(found)) == found
    with pytest.raises(calls.MalformedCallError):
        calls.parse_hash(b"short")
