"""Clients that watch: they go on at another member where a broken watch stopped, and write down all they were told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from chainfire.core.watch import Answer, Canceled, Changes, Created, Progress, Wanted, WatchStream
from sim.chainfire import speech
from sim.chainfire.clients import Place
from sim.chainfire.member import Member
from ultracloud.testkit.checks.history import Told, Watch
from ultracloud.testkit.checks.watches import resume_revision

DELAY_MS_MAX = 20
"""Between a member and a client; messages of one watch do not overtake each other."""
REOPEN_MS = (200, 4000)
"""How long a client stays with one watch, least and most."""
SPANS = (("k", "m"), ("k", "\0"), ("k1", ""), ("l", "m"))


class WatchPlace(Place, Protocol):
    """What watchers have around them: a place for what they were told."""

    watches: list[Watch]


@dataclass(slots=True)
class _Open:
    """One watch while it is open."""

    member: Member
    asked: str
    start: int
    opened_ms: float
    resumes: int
    created: int | None = None
    compacted: int = 0
    messages: list[Told] = field(default_factory=list)
    stream: WatchStream | None = None
    reads_at_ms: int = 0
    is_over: bool = False


@dataclass(slots=True)
class Watcher:
    """One client with one watch at a time.

    Attributes:
        stays: It ends no watch by itself any more.
        next_revision: Where it goes on; 0 is with what comes.
    """

    place: WatchPlace
    name: str
    key: str = "k"
    end: str = "m"
    prev_kv: bool = False
    stays: bool = False
    is_done: bool = False
    next_revision: int = 0
    before: int = 0
    now: _Open | None = None

    def begin(self, member: Member | None = None) -> None:
        """Open a watch at a member, any if none is given."""
        place = self.place
        member = member or place.random.choice(place.members_known())
        now = _Open(member, member.name, self.next_revision, place.stamp(), self.before)
        self.now = now
        place.clock.call_later(place.random.randint(0, DELAY_MS_MAX), lambda: self._arrive(now))
        place.clock.call_later(place.random.randint(*REOPEN_MS), lambda: None if self.stays else self._end(now))

    def close(self) -> None:
        """End the watch that is open, and open no other."""
        self.is_done = True
        if self.now is not None:
            self._end(self.now)

    def _arrive(self, now: _Open) -> None:
        member = now.member
        if member.replica is None or member.name != now.asked or member.is_stalled or member.hub is None:
            self._later(now, lambda: self._end(now))
            return
        stream = now.stream = WatchStream(member.hub)
        member.streams[stream] = None
        stream.create(Wanted(self.key.encode(), self.end.encode(), now.start, prev_kv=self.prev_kv))
        member.on_death.append(lambda: self._later(now, lambda: self._end(now)))
        member.published.append(lambda: self._wake(now))
        self._wake(now)

    def _wake(self, now: _Open) -> None:
        """The stream may have something: read some of it, after a while if the client is slow."""
        stream = now.stream
        if now.is_over or stream is None or not stream.has_answers:
            return
        delay_ms = self.place.random.choice((0, 0, 0, 60))
        if delay_ms:
            self.place.clock.call_later(delay_ms, lambda: self._drain(now))
        else:
            self._drain(now)

    def _drain(self, now: _Open) -> None:
        stream = now.stream
        while not now.is_over and stream is not None and now.member.name == now.asked and stream.has_answers:
            if now.member.replica is None:
                return
            for answer in stream.take():
                self._send(now, answer)
        if stream is not None and not now.is_over and self.place.random.random() < 0.05:  # noqa: PLR2004 - now and then
            stream.request_progress()

    def _send(self, now: _Open, answer: Answer) -> None:
        self._later(now, lambda: self._hear(now, answer))

    def _later(self, now: _Open, action: Callable[[], None]) -> None:
        """After the way to the client, behind everything that is on it already."""
        clock = self.place.clock
        now.reads_at_ms = max(now.reads_at_ms, clock.now_ms() + self.place.random.randint(0, DELAY_MS_MAX))
        clock.call_at(now.reads_at_ms, action)

    def _hear(self, now: _Open, answer: Answer) -> None:
        if now.is_over:
            return
        match answer:
            case Created():
                now.created = answer.revision
                if not self.next_revision:
                    self.next_revision = answer.revision + 1
            case Changes():
                # The object grows in the member's memory until it is taken, never after.
                now.messages.append(speech.told(answer, self.place.stamp()))
            case Progress():
                now.messages.append(Told(self.place.stamp(), answer.revision))
            case Canceled():
                now.compacted = answer.compacted
                self._end(now)

    def _end(self, now: _Open) -> None:
        """Write the watch down and go on where it stopped."""
        if now.is_over:
            return
        now.is_over = True
        if now.stream is not None and now.member.name == now.asked and now.member.replica is not None:
            now.stream.close()
            now.member.streams.pop(now.stream, None)
        number = 1 + len(self.place.watches)
        watch = Watch(
            number,
            self.name,
            now.asked,
            self.key,
            self.end,
            now.start,
            self.prev_kv,
            now.opened_ms,
            now.created,
            tuple(now.messages),
            now.compacted,
            now.resumes,
        )
        self.place.watches.append(watch)
        self.place.note(watch)
        self._go_on(watch)

    def _go_on(self, watch: Watch) -> None:
        if watch.messages:
            self.next_revision = max(self.next_revision, resume_revision(watch))
            self.before = watch.number
        if watch.compacted:
            self.next_revision, self.before = watch.compacted, 0
        if not self.is_done:
            self.begin()
