"""Transactions over several regions, two-phase, with nothing that only their coordinator knows.

Who calls what, in which order:

1. A router that finds, by its map, that a transaction is not of one region makes a `Coordinator` and does what it
   says. Each `Send` goes to the leader of its region: `RegionNode.step(region, epoch, step, token)` there, after
   `delay_ms`. The answer, or the fault, goes back into `answered`. Before that the router notes what a RegionMovedError
   or a NotLeaderError says of the map. A fault means that nothing was done, but for OutcomeUnknownError: a connection
   that is lost half-way is one. A `Send` goes out once: only the coordinator says it again.
2. As soon as `outcome` is set the caller is answered. The coordinator goes on until `is_done`: it unlocks what it has
   locked. If its process ends, others do that, see 3; a caller that was not answered does not know what became of it.
3. Whoever leads a region looks now and then at `overdue(replica.locks, now_ms)`. For a part that is locked for long it
   runs a `Settler`, for a decision of which parts may be unresolved a `Finisher`, in the same way as a coordinator.
   Several may run at once, also for the same transaction: they do not get in each other's way.

What happens (ADR 0011): `Prepare` in each region, in the order of keys, compares and locks. `Decide` in the region of
the first key commits, at a version above all that the parts were promised. `Resolve` in the others does what was
prepared, at that version. `Forget` drops the decision once all have. Who meets a lock waits in that region; `Settle`
asks the first region, which drops a transaction that is undecided for SILENT_MS_MAX. To drop needs no record: a
transaction of which the first region knows nothing was dropped, or is resolved everywhere. That holds because the first
region is asked first, each `Prepare` is sent once unless it is known that it did nothing, and only the coordinator
commits.

Strict serialisability: locks are held from before the decision until after it, on what is compared too. Its version is
above that of everything it saw, and what comes after in one of its regions gets a higher one. While a part is
unresolved, the region's mark stays below it: so who reads or watches at a version sees all of a transaction or nothing.

Source: Gray and Lamport, "Consensus on Transaction Commit" (2006), section 2 for two-phase commit; Peng and Dabek,
"Large-scale Incremental Processing Using Distributed Transactions" (2010), section 2.2 for the primary that decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flaredb.core.commands import Outcome, Txn
from flaredb.core.region import Region
from flaredb.core.region_entry import Decide, Forget, Prepare, Resolve, Settle, Span, Step, TxnId
from flaredb.core.region_errors import OutcomeUnknownError, RegionMovedError
from flaredb.core.region_locks import Decision, Intent, Locks
from flaredb.core.region_parts import LookUp, Part, merged, parts_of, regions_of
from flaredb.core.region_work import Answer, Done, Fate, Prepared, Verdict
from ultracloud.base.faults import AbortedError, Fault, UnavailableError

TXN_MS_MAX = 4000
"""What a transaction may take until it is decided: less than SILENT_MS_MAX, after which others drop it."""
RETRY_MS = 30
"""Before a step is sent again that could not be done: about what it takes to read a map, or to apply a split."""
TRIES_MAX = 100
"""Times that a step after the decision is tried: some elections. Then it is left to those who meet the lock."""
ASK_AFTER_MS = 1000
"""Age of a part at which its region's leader asks what became of it: long after a coordinator that lives is done."""
FINISH_AFTER_MS = 3000
"""The same of a decision."""


@dataclass(frozen=True, slots=True)
class Send:
    """A step for the leader of a region.

    Attributes:
        delay_ms: To wait before.
        tries: How often it has been tried.
    """

    region: Region
    step: Step
    delay_ms: int = 0
    tries: int = 0

    def again(self, region: Region) -> Send:
        """The same once more."""
        return Send(region, self.step, RETRY_MS, self.tries + 1)


class Coordinator:
    """One transaction over several regions.

    Attributes:
        outcome: What the caller is told, as soon as that is known; a fault says that nothing was done, but for
            OutcomeUnknownError.
        is_done: Nothing is left to be sent or waited for.
    """

    def __init__(self, txn: TxnId, whole: Txn, look_up: LookUp, ends_at_ms: int, floor: int = 0) -> None:
        """Make ready to run it.

        Args:
            txn: Never given to another one.
            whole: Within `limits.check_txn`, and it names something.
            look_up: The map, as it is whenever it is asked.
            ends_at_ms: When it is given up if it is not decided; at most TXN_MS_MAX from now.
            floor: Its version is to be at or above this one.
        """
        self.outcome: Outcome | Fault | None = None
        self._txn = txn
        self._look_up = look_up
        self._ends_at_ms = ends_at_ms
        self._asked_floor = self._floor = floor
        self._todo = deque(parts_of(whole, look_up))
        self._primary = self._todo[0].span[0]
        self._locked: list[tuple[Part, Outcome]] = []
        self._spans: list[Span] = []
        self._open: set[Send] = set()
        self._is_in_doubt = False
        self._ending: Finisher | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be sent or waited for."""
        return not self._open and (self._ending is None or self._ending.is_done)

    def begin(self) -> list[Send]:
        """What to send first."""
        return self._sent(self._prepare())

    def answered(self, send: Send, answer: Answer, now_ms: int) -> list[Send]:
        """What to send now that `send` is answered.

        Args:
            send: One that this gave.
            answer: Of the region, or why nobody has given one.
            now_ms: The clock that `ends_at_ms` is of.
        """
        if send not in self._open:
            return [] if self._ending is None else self._ending.answered(send, answer)
        self._open.discard(send)
        match send.step:
            case Prepare():
                return self._sent(self._prepared(send, answer, now_ms))
            case Decide():
                return self._sent(self._decided(send, answer, now_ms))
            case Settle():
                return self._sent(self._dropped(send, answer))
            case _:
                raise AssertionError(send)

    def _sent(self, sends: Iterable[Send]) -> list[Send]:
        found = list(sends)
        self._open.update(each for each in found if isinstance(each.step, Prepare | Decide | Settle))
        return found

    def _prepare(self) -> Iterator[Send]:
        """The next part, or the decision when all are locked."""
        if self._todo:
            part = self._todo[0]
            yield Send(part.region, Prepare(self._txn, self._primary, part.txn, self._asked_floor))
        else:
            decide = Decide(self._txn, self._primary, self._floor, tuple(self._spans))
            yield Send(self._look_up(self._primary), decide)

    def _prepared(self, send: Send, answer: Answer, now_ms: int) -> Iterator[Send]:
        """Go on after a part was asked to lock."""
        part = self._todo[0]
        match answer:
            case Prepared():
                self._todo.popleft()
                self._locked.append((part, answer.outcome))
                self._spans.append(part.span)
                self._floor = max(self._floor, answer.floor)
                yield from self._prepare()
            case (Outcome() as failed,):
                yield from self._drop(failed)
            case OutcomeUnknownError():
                # It may be locked, or be so later: it was not decided, so it does not happen.
                self._spans.append(part.span)
                yield from self._drop(_dropped(self._txn))
            case Fault() if not _is_worth_a_try(answer):
                yield from self._drop(answer)
            case Fault() if now_ms >= self._ends_at_ms:
                yield from self._drop(answer)
            case Fault():
                self._todo.popleft()
                again = parts_of(part.txn, self._look_up, part.places)
                self._todo.extendleft(reversed(again))
                first = self._todo[0]
                step = Prepare(self._txn, self._primary, first.txn, self._asked_floor)
                yield Send(first.region, step, RETRY_MS, send.tries + 1)
            case _:
                raise AssertionError(answer)

    def _decided(self, send: Send, answer: Answer, now_ms: int) -> Iterator[Send]:
        """Go on after the first region was asked to commit."""
        match answer:
            case Fate(verdict=Verdict.COMMITTED):
                self.outcome = merged(self._locked, answer.at)
                yield from self._end(answer.at, send.region)
            case Fate():
                self.outcome = OutcomeUnknownError(send.region.region) if self._is_in_doubt else _dropped(self._txn)
                yield from self._end(0)
            case Fault():
                self._is_in_doubt |= isinstance(answer, OutcomeUnknownError)
                is_late = now_ms >= self._ends_at_ms
                if is_late and self._is_in_doubt and self.outcome is None:
                    self.outcome = OutcomeUnknownError(send.region.region)
                if is_late and not self._is_in_doubt:
                    yield from self._drop(answer)
                elif send.tries < TRIES_MAX:
                    yield send.again(self._look_up(self._primary))
            case _:
                raise AssertionError(answer)

    def _drop(self, outcome: Outcome | Fault) -> Iterator[Send]:
        """Nothing is decided, and nothing will be: tell the first region, and then the others."""
        self.outcome = outcome
        if self._spans:
            yield Send(self._look_up(self._primary), Settle(self._txn, self._primary, is_forced=True))

    def _dropped(self, send: Send, answer: Answer) -> Iterator[Send]:
        """Go on after the first region was asked to drop."""
        match answer:
            case Fate(verdict=Verdict.GONE):
                yield from self._end(0)
            case Fault() if send.tries < TRIES_MAX:
                yield send.again(self._look_up(self._primary))
            case Fault():
                return
            case _:
                raise AssertionError(answer)

    def _end(self, at: int, decided: Region | None = None) -> Iterator[Send]:
        """Resolve the parts, but for what the first region did when it decided."""
        spans = [
            span for span in self._spans if decided is None or not (decided.covers(span[0]) and decided.covers(span[1]))
        ]
        self._ending = Finisher(self._txn, self._primary, at, spans, self._look_up)
        yield from self._ending.begin()


class Finisher:
    """Resolves the parts of a transaction that is decided, and has the decision forgotten.

    Attributes:
        is_done: Nothing is left to be sent or waited for.
    """

    def __init__(self, txn: TxnId, primary: bytes, at: int, spans: Iterable[Span], look_up: LookUp) -> None:
        self._txn, self._primary, self._at = txn, primary, at
        self._spans = tuple(spans)
        self._look_up = look_up
        self._open: set[Send] = set()
        self._has_failed = False
        self._has_begun = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be sent or waited for."""
        return self._has_begun and not self._open

    def begin(self) -> list[Send]:
        """What to send first."""
        self._has_begun = True
        regions = {region.region: region for span in self._spans for region in regions_of(span, self._look_up)}
        sends = [Send(region, Resolve(self._txn, self._at)) for region in regions.values()]
        return self._sent(sends or self._forget())

    def answered(self, send: Send, answer: Answer) -> list[Send]:
        """What to send now that `send` is answered."""
        if send not in self._open:
            return []
        self._open.discard(send)
        sends = [] if isinstance(answer, Done) else list(self._again(send, answer))
        if isinstance(send.step, Resolve) and not self._open and not sends:
            sends = self._forget()
        return self._sent(sends)

    def _sent(self, sends: list[Send]) -> list[Send]:
        self._open.update(sends)
        return sends

    def _again(self, send: Send, answer: Answer) -> Iterator[Send]:
        """Try again, where its keys are now."""
        if isinstance(send.step, Forget):
            return
        if send.tries >= TRIES_MAX:
            self._has_failed = True
        elif isinstance(answer, RegionMovedError):
            for span in self._spans:
                low, high = max(span[0], send.region.start), min(span[1], send.region.end or span[1])
                if low <= high:
                    yield from (send.again(region) for region in regions_of((low, high), self._look_up))
        else:
            yield send.again(send.region)

    def _forget(self) -> list[Send]:
        """The decision is needed no more, if there is one and all parts are resolved."""
        if not self._at or self._has_failed:
            return []
        return [Send(self._look_up(self._primary), Forget(self._txn))]


class Settler:
    """Finds out what became of a part that is locked for long, and resolves it.

    Attributes:
        is_done: Nothing is left to be sent or waited for.
    """

    def __init__(self, intent: Intent, look_up: LookUp) -> None:
        self._intent = intent
        self._look_up = look_up
        self._open: Send | None = None
        self._ending: Finisher | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be sent or waited for."""
        return self._open is None and (self._ending is None or self._ending.is_done)

    def begin(self) -> list[Send]:
        """What to send first."""
        intent = self._intent
        self._open = Send(self._look_up(intent.primary), Settle(intent.txn, intent.primary))
        return [self._open]

    def answered(self, send: Send, answer: Answer) -> list[Send]:
        """What to send now that `send` is answered. Whatever fails is tried at the next look."""
        if send != self._open:
            return [] if self._ending is None else self._ending.answered(send, answer)
        self._open = None
        if not isinstance(answer, Fate) or answer.verdict is Verdict.PENDING:
            return []
        self._ending = Finisher(
            self._intent.txn, self._intent.primary, answer.at, answer.spans or (_span_of(self._intent),), self._look_up
        )
        return self._ending.begin()


def overdue(locks: Locks, now_ms: int) -> tuple[list[Intent], list[Decision]]:
    """Parts and decisions of a region that nobody seems to look after: for a `Settler`, and for `finisher_of`."""
    return (
        [each for each in locks.intents.values() if now_ms - each.at_ms >= ASK_AFTER_MS],
        [each for each in locks.decisions.values() if now_ms - each.at_ms >= FINISH_AFTER_MS],
    )


def finisher_of(decision: Decision, look_up: LookUp) -> Finisher:
    """What finishes a transaction that is decided."""
    return Finisher(decision.txn, decision.primary, decision.at, decision.spans, look_up)


def _span_of(intent: Intent) -> Span:
    """The first and the last key that a part has locked."""
    keys = [*intent.compared, *intent.written, *(bound for span in intent.ranges for bound in span)]
    return min(keys), max(keys)


def _is_worth_a_try(fault: Fault) -> bool:
    """Whether the same may be done in a moment, or elsewhere."""
    return isinstance(fault, UnavailableError | RegionMovedError)


def _dropped(txn: TxnId) -> AbortedError:
    """It took too long and was dropped, or its region lost its leader."""
    return AbortedError(
        f"the transaction {txn.hex()} over several regions was dropped before it was decided; nothing was done",
        hint="Read again, then send it again.",
        reason="TXN_DROPPED",
    )
