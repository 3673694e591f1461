from __future__ import annotations

import pytest

from flaredb.core.explaining import Changed, Seen, describe, judge

WRITTEN = (Changed(5, 10), Changed(7, None), Changed(9, 20))


@pytest.mark.parametrize(
    ("seen", "expected", "says", "remedy"),
    [
        (
            Seen(9, 3, 12, WRITTEN),
            5,
            "it has version 9; since then deleted at 7, written at 9 (20 bytes).",
            "decide anew",
        ),
        (
            Seen(9, 3, 12, WRITTEN),
            0,
            "expects no value of it fails: it has version 9; since then",
            "Somebody has made it",
        ),
        (Seen(0, 3, 12, WRITTEN[:2]), 5, "there is none; since then deleted at 7.", "Read it again"),
        (Seen(2, 3, 12), 1, "it has version 2; history before version 3 is gone.", "Read it again"),
        (Seen(9, 3, 12, WRITTEN), 40, "it has version 9, and the newest of all is 12.", "of another store"),
        (Seen(9, 3, 12, WRITTEN), 10, "it has version 9.", "Read it again"),
    ],
)
def test_a_comparison_that_fails_says_what_happened_since(seen: Seen, expected: int, says: str, remedy: str):
    verdict = judge(seen, expected)
    assert not verdict.holds
    assert says in verdict.says
    assert remedy in verdict.remedy


@pytest.mark.parametrize(
    ("version", "says"), [(9, "It has version 9, as expected"), (0, "It has no value, as expected")]
)
def test_a_comparison_that_holds_says_so(version: int, says: str):
    verdict = judge(Seen(version, 3, 12, WRITTEN), version)
    assert (verdict.holds, verdict.remedy) == (True, "")
    assert says in verdict.says


def test_of_many_changes_the_newest_are_told():
    many = tuple(Changed(version, version) for version in range(100, 150))
    says = judge(Seen(149, 3, 150, many), 100).says
    assert "since then 49 changes, at last written at 140 (140 bytes)" in says
    assert describe(Changed(4, None)) == "deleted at 4"
