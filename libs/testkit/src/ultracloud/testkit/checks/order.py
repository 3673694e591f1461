"""Is there an order of all writes that explains every answer? With revisions it is nearly given, and found in one walk.

Each acknowledged write names its revision; a write that was lost is found by its value. What is left are revisions of
which nobody says who made them: lost deletions, writes that were overwritten unseen, leases that expired. There the
walk tries what can have been, and goes back when an answer contradicts it.

Linearizable here means: there is one order of writes such that every answer is that of the store at the revision it
names, and no answer is older than what anybody had been told before it was asked.

Source: Herlihy and Wing, "Linearizability" (1990); the use of revisions follows the idea of etcd's robustness tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ultracloud.testkit.checks.evidence import (
    Before,
    Evidence,
    Floor,
    LeaseHints,
    View,
    befores,
    check_real_time,
    floors,
    gather,
    views,
)
from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Call,
    Delete,
    Deleted,
    Event,
    Get,
    Got,
    Grant,
    History,
    Kv,
    LeaseDone,
    Lost,
    OpResult,
    Put,
    Refused,
    Renew,
    Result,
    Revoke,
    Txn,
    TxnDone,
    Wrote,
    has_written,
    revision_of,
    show,
)
from ultracloud.testkit.checks.model import Done, Store

TRIES_MAX = 200_000
"""Guesses of one walk: more means that too much of the history is unknown to be judged."""


class UndecidedError(Exception):
    """Too little is known: neither an order nor its impossibility was found."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A lease's time was up, so the store ended it by itself."""

    lease: int

    def __str__(self) -> str:
        return f"the end of lease {self.lease}"


@dataclass(frozen=True, slots=True)
class Step:
    """One revision: who made it, and what it changed."""

    revision: int
    cause: Call | Expiry
    changes: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """All that happened, one step a revision, from the first one after `first_revision`."""

    first_revision: int
    steps: tuple[Step, ...]

    @property
    def last_revision(self) -> int:
        """Of the last step."""
        return self.first_revision + len(self.steps)

    def at(self, revision: int) -> Step:
        """The step that made a revision."""
        return self.steps[revision - self.first_revision - 1]


def check_linearizable(history: History, store: Store | None = None) -> Order:
    """Find the order of writes that explains a history.

    Args:
        history: What was asked and told.
        store: What the store held before; it becomes what it holds after. Empty if not given.

    Raises:
        BrokenPromiseError: There is none; the sentence names the calls that cannot all be right.
        UndecidedError: TRIES_MAX guesses were not enough.
        ValueError: The history has values that are not unique.
    """
    found = gather(history)
    reached = floors(history)
    check_real_time(history, found, reached)
    store = Store() if store is None else store
    first = store.revision
    try:
        return _Walk(history, found, reached, views(history), befores(history), LeaseHints(history), store).run()
    except BrokenPromiseError:
        # If only a watch or a lease contradicts all the rest, it is that which is wrong, and its own check says how.
        assert store.revision == first, store.revision
        return _Walk(history, found, reached, (), {}, None, store).run()


@dataclass(slots=True)
class _Frame:
    """One revision being tried: what is left to try, and what was done last."""

    causes: Iterator[Call | Expiry]
    cause: Call | Expiry | None = None
    done: Done | None = None


@dataclass(slots=True)
class _Failure:
    revision: int = -1
    says: str = ""

    def note(self, revision: int, says: str) -> None:
        """Keep what is known of the furthest revision: guesses that fail earlier say less."""
        if revision > self.revision:
            self.revision, self.says = revision, says


@dataclass(slots=True)
class _Walk:
    history: History
    found: Evidence
    reached: Mapping[int, Floor]
    views: Sequence[View]
    before: Mapping[tuple[int, str], Before]
    hints: LeaseHints | None
    store: Store
    answers: dict[int, list[Call]] = field(default_factory=lambda: defaultdict(list))
    guesses: list[Call] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    failure: _Failure = field(default_factory=_Failure)

    def run(self) -> Order:
        """Walk through all revisions."""
        first, top = self.store.revision, self.history.revision_seen()
        self._sort_calls()
        says = self._before(first) or self._contradiction()
        if says:
            raise BrokenPromiseError(says)
        frames = [_Frame(self._causes(first + 1))] if top > first else []
        tries = 0
        while self.store.revision < top:
            if not frames:
                raise BrokenPromiseError(self.failure.says)
            tries += 1
            if tries > TRIES_MAX:
                raise UndecidedError(f"{TRIES_MAX} guesses, none fits; the best fails so: {self.failure.says}")
            if self._advance(frames[-1]):
                frames.append(_Frame(self._causes(self.store.revision + 1)))
            else:
                frames.pop()
        return Order(first, tuple(_step(first + place, frame) for place, frame in enumerate(frames, 1) if frame.done))

    def _before(self, first: int) -> str:
        """Which write says that it made a revision that was there before; empty if none does."""
        early = next((call for revision, call in self.found.written.items() if revision <= first), None)
        return f"a wrong answer: {early}; revision {first} was there before" if early else ""

    def _sort_calls(self) -> None:
        """Tell calls apart: those with an answer at a revision, and those of which it must be guessed."""
        placed = {call.number for call in self.found.written.values()}
        for call in self.history.calls:
            if isinstance(call.result, Lost):
                if call.number not in placed and isinstance(call.op, Put | Delete | Txn | Revoke):
                    self.guesses.append(call)
            elif not isinstance(call.result, Refused):
                self.answers[revision_of(call.result)].append(call)
                if isinstance(call.op, Revoke):
                    self.guesses.append(call)

    def _advance(self, frame: _Frame) -> bool:
        """Take back what the frame did last, and do the next that fits; False if nothing is left."""
        if frame.done is not None:
            self._undo(frame)
        revision, has_tried = self.store.revision + 1, False
        for cause in frame.causes:
            has_tried = True
            if self._does(frame, cause):
                return True
        if not has_tried:
            seen = "; ".join(f"{show(kv)} by {where}" for kv, where in self.found.shown.get(revision, {}).values())
            self.failure.note(
                revision, f"nothing that was asked explains revision {revision}: {seen or 'nobody saw it'}"
            )
        return False

    def _undo(self, frame: _Frame) -> None:
        assert frame.done is not None
        self.store.undo(frame.done)
        if isinstance(frame.cause, Call):
            self.used.discard(frame.cause.number)
        frame.done = None

    def _causes(self, revision: int) -> Iterator[Call | Expiry]:
        """Who can have made a revision."""
        known = self.found.written.get(revision)
        if known is not None:
            yield known
            return
        for call in self.guesses:
            told = revision_of(call.result)
            if call.number not in self.used and self.reached[call.number].revision < revision and told in (0, revision):
                yield call
        for lease in sorted(self.store.leases()):
            if self.hints is None or not self.hints.contradict(lease, revision):
                yield Expiry(lease)

    def _does(self, frame: _Frame, cause: Call | Expiry) -> bool:
        """Let `cause` make the next revision, if nothing contradicts it."""
        revision = self.store.revision + 1
        done = _do(self.store, cause)
        if done is None:
            return False
        frame.cause, frame.done = cause, done
        if isinstance(cause, Call):
            self.used.add(cause.number)
        says = "" if done.changes else f"a wrong answer: {cause}; right is {show(done.result)}"
        says = says or self._against(cause, done) or self._contradiction()
        if says:
            self.failure.note(revision, says)
            self._undo(frame)
        return not says

    def _against(self, cause: Call | Expiry, done: Done) -> str:
        """What contradicts that `cause` made the present revision; empty if nothing does."""
        if isinstance(cause, Call) and has_written(cause.result) and not agrees(cause.result, done.result):
            return f"a wrong answer: {cause}; right is {show(done.result)}{self._why(done)}"
        left = {event.kv.key: event.kv for event in done.changes}
        if self.store.revision not in self.found.written:
            for view in self.views:
                if view.contradicts(self.store.revision, left):
                    return f"revision {self.store.revision} is not {cause}: {view.watch} was told other changes"
        for event in done.changes:
            told = self.before.get((self.store.revision, event.kv.key))
            if told is not None and told.kv != event.previous:
                was = show(event.previous) if event.previous else "nothing"
                return (
                    f"a wrong change: revision {self.store.revision} finds {was} at {event.kv.key}, but {told.where} "
                    f"shows {show(told.kv)} as what was there before"
                )
        for key, (kv, where) in self.found.shown.get(self.store.revision, {}).items():
            if left.get(key) != kv:
                right = left.get(key)
                return (
                    f"a wrong change: revision {self.store.revision} is {cause} and leaves "
                    f"{show(right) if right else f'{key} alone'}, but {where} shows {show(kv)} "
                    f"({kv.create}, lease {kv.lease})"
                )
        return ""

    def _contradiction(self) -> str:
        """Which answer at the present revision is wrong; empty if none is."""
        for call in self.answers.get(self.store.revision, ()):
            if has_written(call.result) or call.number in self.used:
                continue
            done = self._expected(call)
            if done is None:
                continue
            if done.changes or not agrees(call.result, done.result):
                return f"a wrong answer: {call}; right is {show(done.result)}{self._why(done)}"
        return ""

    def _expected(self, call: Call) -> Done | None:
        """What a call that changed nothing should have been told, None if nothing can be said."""
        match call.op:
            case Get():
                return Done(self.store.read(call.op, self.store.revision), ())
            case Put() | Delete() | Txn():
                done = self.store.apply(call.op)
                self.store.undo(done)
                return done
            case Revoke():
                # It named this revision and did not make it: so it deleted nothing.
                done = self.store.expire(call.op.lease)
                self.store.undo(done)
                return done if done.changes else None
            case Grant() | Renew():
                return None

    def _why(self, done: Done) -> str:
        """Which calls last wrote what is in a right answer: they show why it is right."""
        shown: Sequence[int] = sorted({kv.mod for kv in _kvs(done.result)})
        causes = (self.found.written.get(revision) for revision in shown)
        return "".join(f"; {cause}" for cause in list(filter(None, causes))[-2:])


def agrees(told: Result, right: OpResult) -> bool:
    """Whether an answer is the right one. The revisions inside a txn are not told by every client, and not compared."""
    return not isinstance(told, LeaseDone | Refused | Lost) and _bare(told, told.revision) == _bare(
        right, right.revision
    )


def _bare(result: OpResult, revision: int) -> OpResult:
    if isinstance(result, TxnDone):
        return TxnDone(revision, result.succeeded, tuple(_bare(each, 0) for each in result.results))
    return replace(result, revision=revision)


def _kvs(result: OpResult) -> Iterator[Kv]:
    match result:
        case Got():
            yield from result.kvs
        case TxnDone():
            for each in result.results:
                yield from _kvs(each)
        case Wrote() | Deleted():
            return


def _do(store: Store, cause: Call | Expiry) -> Done | None:
    """Let a cause happen; None if it is of a kind that changes nothing."""
    if isinstance(cause, Expiry):
        return store.expire(cause.lease)
    match cause.op:
        case Put() | Delete() | Txn():
            return store.apply(cause.op)
        case Revoke():
            return store.expire(cause.op.lease)
        case Get() | Grant() | Renew():
            return None


def _step(revision: int, frame: _Frame) -> Step:
    assert frame.cause is not None
    assert frame.done is not None
    return Step(revision, frame.cause, frame.done.changes)
