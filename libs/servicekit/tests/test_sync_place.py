from __future__ import annotations

from itertools import count

from ultracloud.servicekit.sync_place import PAUSE_MAX, PAUSE_MIN, QUICK_S, SyncPlace

QUICK, SLOW = QUICK_S / 2, QUICK_S * 2


def batches_until_here(place: SyncPlace, asked: count[int]) -> int:
    """How many batches of a lone caller go to the thread before one does not."""
    return next(number for number in count() if place.is_here(next(asked), is_lone=True))


def test_a_lone_caller_on_a_quick_disk_is_waited_for_here():
    place = SyncPlace()
    for asked in range(1, 100):
        assert place.is_here(asked, is_lone=True)
        place.took(QUICK, here=True)


def test_whoever_reads_beside_the_writer_is_not_kept_waiting():
    place = SyncPlace()
    assert place.is_here(1, is_lone=True)
    assert not place.is_here(3, is_lone=True)
    assert place.is_here(4, is_lone=True)


def test_a_batch_of_several_goes_to_the_thread():
    assert not SyncPlace().is_here(1, is_lone=False)


def test_a_disk_that_stays_slow_is_tried_ever_more_rarely():
    place, asked, waits = SyncPlace(), count(), []
    for _ in range(12):
        waits.append(batches_until_here(place, asked))
        place.took(SLOW, here=True)
    assert waits == [0, *(min(PAUSE_MIN * 2**n, PAUSE_MAX) for n in range(11))]


def test_a_slow_sync_among_quick_ones_costs_a_short_pause():
    place, asked = SyncPlace(), count()
    for _ in range(5):
        place.took(SLOW, here=True)
        place.took(QUICK, here=False)
        assert batches_until_here(place, asked) >= PAUSE_MIN
        place.took(QUICK, here=True)
    place.took(SLOW, here=True)
    assert batches_until_here(place, asked) == PAUSE_MIN


def test_a_slow_sync_on_the_thread_counts_too():
    place, asked = SyncPlace(), count()
    place.took(SLOW, here=False)
    assert batches_until_here(place, asked) == PAUSE_MIN
