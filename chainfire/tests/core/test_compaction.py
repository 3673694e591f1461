from chainfire.core.compaction import AutoCompaction, Policy

HOUR_MS = 3_600_000


def test_nothing_is_compacted_unless_it_is_asked_for() -> None:
    assert AutoCompaction(Policy()).due(10**9, -1, 10**12) == 0


def test_by_number_it_waits_for_a_tenth_more_than_is_kept() -> None:
    by_number = AutoCompaction(Policy(revisions=100))
    assert by_number.due(110, -1, 0) == 0
    assert by_number.due(111, -1, 0) == 11
    assert by_number.due(120, 11, 0) == 0
    assert by_number.due(122, 11, 0) == 22


def test_by_age_everything_younger_than_the_period_is_kept() -> None:
    by_age = AutoCompaction(Policy(period_ms=HOUR_MS))
    compacted = -1
    for minute in range(180):
        # One revision a minute.
        target = by_age.due(minute + 1, compacted, minute * 60_000)
        if target:
            assert target <= minute + 1 - 60
            assert target >= minute + 1 - 62
            compacted = target
    assert compacted >= 115


def test_a_new_leader_keeps_longer_rather_than_shorter() -> None:
    by_age = AutoCompaction(Policy(period_ms=HOUR_MS))
    assert by_age.due(1000, -1, 50 * HOUR_MS) == 0
