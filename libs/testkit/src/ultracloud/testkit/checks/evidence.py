"""What answers and watches show of single writes: who wrote what at which revision, and when that was known.

A write that nobody was told about is found by its value. Whatever two answers say of the same key at the same revision
must be the same; a write may be there once at most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Call,
    Grant,
    History,
    Kv,
    LeaseDone,
    Lost,
    Refused,
    Renew,
    Watch,
    covers,
    has_written,
    is_linearizable,
    kvs_of,
    puts_of,
    revision_of,
    show,
)

SURE_MS_PER_S = 900
"""Of each promised second, what even a store with a fast clock keeps."""


@dataclass(slots=True)
class Evidence:
    """What is known of single writes.

    Attributes:
        shown: What each revision left of keys, as far as anybody saw it, with the place where it was seen.
        written: The call that made a revision, where that is known.
    """

    shown: dict[int, dict[str, tuple[Kv, object]]] = field(default_factory=dict)
    written: dict[int, Call] = field(default_factory=dict)


def gather(history: History) -> Evidence:
    """Put together what a history shows.

    Raises:
        BrokenPromiseError: Two answers contradict each other, a value comes from nowhere, a refused write is there, a
            write is there twice, or two writes have one revision.
        ValueError: Two calls put the same value at the same key, so the history cannot be judged.
    """
    found = Evidence()
    writers = _writers(history)
    for call in history.calls:
        if has_written(call.result):
            _place(found, revision_of(call.result), call)
    places: dict[int, tuple[int, object]] = {}
    for kv, where in _sightings(history):
        _show(found, kv, where)
        if kv.version:
            writer = writers.get((kv.key, kv.value))
            if writer is None:
                raise BrokenPromiseError(f"a value from nowhere: {where} shows {show(kv)}, and no call put it")
            _check_place(writer, kv, where, places)
            _place(found, kv.mod, writer)
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something was told; it becomes words only in an explanation."""

    watch: Watch
    at_ms: float

    def __str__(self) -> str:
        return f"{self.watch}, at {self.at_ms:g} ms"


@dataclass(frozen=True, slots=True)
class Floor:
    """A revision that had been reached, and by what one knows it."""

    revision: int
    known_by: object


def floors(history: History) -> dict[int, Floor]:
    """For each call, by number, the highest revision that anybody had been told before it was invoked."""
    told = _told_revisions(history)
    times: list[float] = []
    highest: list[Floor] = []
    for at_ms, revision, by in told:
        if not highest or revision > highest[-1].revision:
            times.append(at_ms)
            highest.append(Floor(revision, by))
    none = Floor(0, "")
    before = ((call.number, bisect_left(times, call.invoked_ms)) for call in history.calls)
    return {number: highest[count - 1] if count else none for number, count in before}


@dataclass(frozen=True, slots=True)
class View:
    """What one watch says of the revisions from `start` to `last`: which keys of its range each of them changed."""

    watch: Watch
    start: int
    last: int
    keys: dict[int, set[str]]

    def contradicts(self, revision: int, changed: Iterable[str]) -> bool:
        """Whether it was told something else than that a revision changed these keys."""
        if not self.start <= revision <= self.last:
            return False
        ours = {key for key in changed if covers(self.watch.key, self.watch.end, key)}
        return ours != self.keys.get(revision, set())


def views(history: History) -> list[View]:
    """What watches say of revisions of which nobody knows who made them."""
    found: list[View] = []
    for watch in history.watches:
        keys: dict[int, set[str]] = {}
        for message in watch.messages:
            for event in message.events:
                keys.setdefault(event.kv.mod, set()).add(event.kv.key)
        if keys and watch.created_revision is not None:
            found.append(View(watch, watch.start_revision or watch.created_revision + 1, max(keys), keys))
    return found


@dataclass(frozen=True, slots=True)
class Before:
    """What a watch told that a change found, and where it told so."""

    kv: Kv
    where: object


def befores(history: History) -> dict[tuple[int, str], Before]:
    """What watches say that changes found, by revision and key."""
    found: dict[tuple[int, str], Before] = {}
    for watch in history.watches:
        for message in watch.messages:
            for event in message.events:
                if event.previous is not None:
                    where = _Place(watch, message.at_ms)
                    found.setdefault((event.kv.mod, event.kv.key), Before(event.previous, where))
    return found


class LeaseHints:
    """Which leases cannot have ended at which revisions, if the store keeps its promises."""

    def __init__(self, history: History) -> None:
        self._until_ms: dict[int, float] = {}
        for call in history.calls:
            if isinstance(call.op, Grant | Renew) and isinstance(call.result, LeaseDone) and call.result.ttl_s:
                until_ms = call.invoked_ms + call.result.ttl_s * SURE_MS_PER_S
                self._until_ms[call.op.lease] = max(until_ms, self._until_ms.get(call.op.lease, 0))
        # When each revision was seen first, or a later one: the highest revision comes last.
        times: dict[int, float] = {}
        for at_ms, revision, _ in _told_revisions(history):
            times[revision] = min(at_ms, times.get(revision, at_ms))
        self._revisions = sorted(times)
        self._seen_ms = list(accumulate((times[revision] for revision in reversed(self._revisions)), min))[::-1]

    def contradict(self, lease: int, revision: int) -> bool:
        """Whether a revision was seen while a lease was promised to live."""
        place = bisect_left(self._revisions, revision)
        return place < len(self._seen_ms) and self._seen_ms[place] < self._until_ms.get(lease, 0)


def check_real_time(history: History, found: Evidence, reached: dict[int, Floor]) -> None:
    """Check that no answer is older than what had been told before it was asked, and no write is.

    Raises:
        BrokenPromiseError: A stale read, or a write before its time.
    """
    for call in history.calls:
        floor, at = reached[call.number], revision_of(call.result)
        if not at or not is_linearizable(call):
            continue
        if at < floor.revision:
            kind = "a write went back" if has_written(call.result) else "a stale read"
            raise BrokenPromiseError(f"{kind}: {call}, but revision {floor.revision} was told before: {floor.known_by}")
    for at, call in sorted(found.written.items()):
        floor = reached[call.number]
        if at <= floor.revision:
            raise BrokenPromiseError(
                f"a write in the past: revision {at} is {call}, but before it was asked revision {floor.revision} had "
                f"been told: {floor.known_by}"
            )


def _told_revisions(history: History) -> list[tuple[float, int, object]]:
    """Every revision that anybody was told, with the time and the place, in order of time."""
    told: list[tuple[float, int, object]] = [(each.ended_ms, revision_of(each.result), each) for each in history.calls]
    for watch in history.watches:
        told += [(message.at_ms, message.revision, _Place(watch, message.at_ms)) for message in watch.messages]
    return sorted((each for each in told if each[1] and each[0] != float("inf")), key=lambda each: each[:2])


def _writers(history: History) -> dict[tuple[str, str], Call]:
    writers: dict[tuple[str, str], Call] = {}
    for call in history.calls:
        for put in puts_of(call.op):
            if writers.setdefault((put.key, put.value), call) is not call:
                raise ValueError(f"two calls put {put.key}={put.value}; values must be unique: {call}")
    return writers


def _sightings(history: History) -> Iterator[tuple[Kv, object]]:
    """Every key that anybody was shown, and where."""
    for call in history.calls:
        for kv in kvs_of(call.result):
            yield kv, call
    for watch in history.watches:
        yield from _told(watch)


def _told(watch: Watch) -> Iterator[tuple[Kv, object]]:
    for message in watch.messages:
        where = _Place(watch, message.at_ms)
        for event in message.events:
            yield event.kv, where
            if event.previous is not None:
                yield event.previous, where


def _show(found: Evidence, kv: Kv, where: object) -> None:
    at = found.shown.setdefault(kv.mod, {})
    known, source = at.setdefault(kv.key, (kv, where))
    if known != kv:
        raise BrokenPromiseError(
            f"two histories: revision {kv.mod} left {show(known)} ({known.create}, lease {known.lease}) by {source}, "
            f"but {show(kv)} ({kv.create}, lease {kv.lease}) by {where}"
        )


def _check_place(writer: Call, kv: Kv, where: object, places: dict[int, tuple[int, object]]) -> None:
    """Check that a write may be at the revision where it was seen, and is at no other."""
    if isinstance(writer.result, Refused):
        raise BrokenPromiseError(f"a refused write is there: {where} shows {show(kv)}, but {writer}")
    at, by = places.setdefault(writer.number, (kv.mod, where))
    if not isinstance(writer.result, Lost):
        at, by = revision_of(writer.result), "its answer"
    if at != kv.mod:
        raise BrokenPromiseError(
            f"a write was applied twice: {writer} is at revision {at} by {by}, and at revision {kv.mod} by {where}"
        )


def _place(found: Evidence, revision: int, call: Call) -> None:
    other = found.written.setdefault(revision, call)
    if other is not call:
        raise BrokenPromiseError(f"two writes at revision {revision}: {other}; and {call}")
