import sys
from dataclasses import dataclass, field

import pytest
from conversation import check_conversation
from core.stores import StoreSpeaker
from core.watchers import WatchSpeaker, wanted
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfire.core.commands import Command, Compact, DeleteRange, Put, Txn
from chainfire.core.keyvalue import NO_LEASE, KeyValue, covers, unpack
from chainfire.core.watch import (
    BACKLOG_CHANGES_MAX,
    Change,
    Changes,
    Part,
    Progress,
    Wanted,
    WatchHub,
    WatchStream,
    parts,
)


def test_watches_answer_as_the_golden_conversation_says() -> None:
    check_conversation("watch", WatchSpeaker().say)


def drained(stream: WatchStream) -> list[Change]:
    found: list[Change] = []
    while stream.has_answers:
        found += [change for answer in stream.take() if isinstance(answer, Changes) for change in answer.changes]
    return found


def test_a_stalled_reader_costs_a_bounded_backlog_and_misses_nothing() -> None:
    speaker = StoreSpeaker()
    hub = WatchHub(speaker.machine.store)
    stalled = WatchStream(hub)
    stalled.create(wanted("k", ["--prefix"]))
    stalled.create(wanted("quiet", []))
    for number in range(3 * BACKLOG_CHANGES_MAX):
        speaker.apply(Put(b"k%d" % (number % 7), b""))
        hub.publish(speaker.machine.store.take_changes())
    assert sum(len(a.changes) for a in stalled.take() if isinstance(a, Changes)) == BACKLOG_CHANGES_MAX
    assert [c.record.mod_revision for c in drained(stalled)] == list(
        range(BACKLOG_CHANGES_MAX + 2, 3 * BACKLOG_CHANGES_MAX + 2)
    )


def test_a_synced_watch_that_falls_behind_is_not_canceled_by_an_old_compaction() -> None:
    speaker = StoreSpeaker()
    hub = WatchHub(speaker.machine.store)
    stream = WatchStream(hub)
    stream.create(Wanted(b"rare"))
    stream.create(Wanted(b"k"))
    for _ in range(BACKLOG_CHANGES_MAX + 1):
        speaker.apply(Put(b"k", b""))
        hub.publish(speaker.machine.store.take_changes())
        if speaker.machine.revision == BACKLOG_CHANGES_MAX:
            speaker.apply(Compact(speaker.machine.revision))
    speaker.apply(Put(b"rare", b""))
    hub.publish(speaker.machine.store.take_changes())
    assert [c.record.key for c in drained(stream)].count(b"rare") == 1


KEYS = st.sampled_from([b"a", b"ab", b"b", b"ba", b"c"])
COMMANDS = st.one_of(
    st.builds(Put, KEYS, st.binary(max_size=2)),
    st.builds(DeleteRange, KEYS, st.sampled_from([b"", b"\x00", b"b"])),
    st.builds(lambda keys: Txn((), tuple(Put(key, b"t") for key in sorted(keys)), ()), st.sets(KEYS)),
)
STEPS = st.lists(st.one_of(COMMANDS, st.sampled_from(["take", "publish", "progress"])), max_size=60)
RANGES = st.sampled_from([(b"a", b""), (b"a", b"b"), (b"ab", b"\x00"), (b"b", b"c")])


OTHER = 99
"""A watch of everything on the same stream, which fills it."""


@dataclass
class Watched:
    """A store with one watch that counts; what it wrote, what the watch saw, and how far it said it had come."""

    start: int
    span: tuple[bytes, bytes]
    backlog_max: int
    speaker: StoreSpeaker = field(default_factory=StoreSpeaker)
    written: list[KeyValue] = field(default_factory=list)
    seen: list[KeyValue] = field(default_factory=list)
    first: int = sys.maxsize

    def __post_init__(self) -> None:
        self.hub = WatchHub(self.speaker.machine.store, self.backlog_max, step_records=2)
        self.stream = WatchStream(self.hub)

    def open(self) -> None:
        self.publish()
        self.first = self.start or self.speaker.machine.revision + 1
        self.stream.create(Wanted(b"\x00", b"\x00", watch_id=OTHER))
        self.stream.create(Wanted(*self.span, start_revision=self.start))

    def do(self, step: Command | str) -> None:
        match step:
            case "take":
                self.take()
            case "publish":
                self.publish()
            case "progress":
                self.stream.request_progress()
            case command:
                assert not isinstance(command, str)
                self.speaker.apply(command)

    def publish(self) -> None:
        changes = self.speaker.machine.store.take_changes()
        self.written += map(unpack, changes)
        self.hub.publish(changes)

    def take(self) -> None:
        self.publish()
        for answer in self.stream.take():
            if isinstance(answer, Changes) and answer.watch_id != OTHER:
                self.seen += [change.record for change in answer.changes]
            if isinstance(answer, Progress):
                assert self.seen == self.expected(answer.revision)

    def expected(self, up_to: int) -> list[KeyValue]:
        return [r for r in self.written if covers(*self.span, r.key) and self.first <= r.mod_revision <= up_to]


@settings(max_examples=400)
@given(STEPS, STEPS, st.integers(0, 40), RANGES, st.integers(1, 5))
def test_a_watch_sees_every_change_of_its_range_once_in_order(
    before: list[Command | str], after: list[Command | str], start: int, span: tuple[bytes, bytes], backlog_max: int
) -> None:
    watched = Watched(start, span, backlog_max)
    for step in before:
        watched.do(step)
    watched.open()
    for step in after:
        watched.do(step)
    watched.take()
    while watched.stream.has_answers:
        watched.take()
    assert watched.seen == watched.expected(watched.speaker.machine.revision)


def change(revision: int, size: int) -> Change:
    return Change(KeyValue(b"k", 1, revision, 1, b"v" * size, NO_LEASE), None)


@pytest.mark.parametrize("fragment", [True, False])
def test_a_large_answer_is_sent_in_parts_that_split_a_revision_only_as_fragments(*, fragment: bool) -> None:
    changes = [change(2, 4), change(3, 4), change(3, 4), change(3, 4), change(4, 4)]
    answer = Changes(4, 0, fragment, changes)
    made = list(parts(answer, lambda c: len(c.record.value), 8))
    sizes = [(len(part.changes), part.fragment) for part in made]
    assert sizes == ([(2, True), (2, False), (1, False)] if fragment else [(4, False), (1, False)])
    assert [c for part in made for c in part.changes] == changes


def test_a_change_larger_than_a_part_is_a_part_of_its_own() -> None:
    answer = Changes(3, 0, fragment=False, changes=[change(2, 9), change(3, 9)])
    made = list(parts(answer, lambda c: len(c.record.value), 8))
    assert made == [Part(answer.changes[:1], fragment=False), Part(answer.changes[1:], fragment=False)]


def test_a_watch_of_the_future_that_falls_behind_still_waits_for_its_revision() -> None:
    speaker = StoreSpeaker()
    hub = WatchHub(speaker.machine.store, backlog_max=1)
    stream = WatchStream(hub)
    stream.create(Wanted(b"k", watch_id=1))
    stream.create(Wanted(b"k", watch_id=2, start_revision=6))
    for _ in range(2):
        speaker.apply(Put(b"k", b""))
        hub.publish(speaker.machine.store.take_changes())
    drained(stream)
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        speaker.apply(Put(b"k", b""))
        hub.publish(speaker.machine.store.take_changes())
        seen += [(a.watch_id, a.changes[0].record.mod_revision) for a in stream.take() if isinstance(a, Changes)]
    assert seen == [(1, 4), (1, 5), (1, 6), (2, 6)]
