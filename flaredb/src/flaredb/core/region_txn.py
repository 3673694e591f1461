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

What happens (ADR 0011): the region of the last keys decides. `Prepare` in each of the others compares and locks. Once
all have, `Decide` in the last one compares, does its own part and commits, at a version above all that the others were
promised: nothing is ever locked there. `Resolve` in the others does what was prepared, at that version. `Forget` drops
the decision once all have.

Nobody waits in a circle: who waits in a region holds locks before it in the order of keys only. So the last one that is
prepared may wait for a lock, and so may the decision; those before it are asked at the same time, and refused where
they meet a lock. Then the attempt is given up, and the next one prepares one region after the other, each waiting.
Every attempt has another name, so nothing that is left of the one before can be taken for it.

A decision is made within SILENT_MS_MAX of the attempt's beginning, by the time of the deciding region, which never goes
back, or never: so after that a part whose decision is not there was dropped, or is resolved everywhere. To drop needs
no record. Until then whoever asks (`Settle`) is told to wait. That holds because each `Prepare` and each `Decide` is
sent once unless it is known that it did nothing.

Strict serialisability: locks are held from before the decision until after it, on what is compared too, and the
deciding part is compared and done in one. Its version is above that of everything it saw, and what comes after in one
of its regions gets a higher one. While a part is unresolved, the region's mark stays below it: so who reads or watches
at a version sees all of a transaction or nothing.

Source: Gray and Lamport, "Consensus on Transaction Commit" (2006), section 2 for two-phase commit; Peng and Dabek,
"Large-scale Incremental Processing Using Distributed Transactions" (2010), section 2.2 for the primary that decides;
Samaras et al., "Two-Phase Commit Optimizations in a Commercial Distributed Environment" (1995) for the last agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flaredb.core.commands import Outcome, Txn
from flaredb.core.region import Region
from flaredb.core.region_entry import Decide, Forget, Prepare, Resolve, Settle, Span, Step, TxnId
from flaredb.core.region_errors import LOCKED, OutcomeUnknownError, RegionMovedError
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
ATTEMPTS_MAX = 256
"""Names of attempts: with RETRY_MS between two, those of one transaction last for longer than it may take."""
ASK_AFTER_MS = 1000
"""Age of a part at which its region's leader asks what became of it: long after a coordinator that lives is done."""
FINISH_AFTER_MS = 3000
"""The same of a decision."""


@dataclass(frozen=True, slots=True, eq=False)
class Send:
    """A step for the leader of a region, itself only: what it says is long.

    Attributes:
        delay_ms: To wait before.
        tries: How often it has been tried.
        place: Of the part, in the order of keys.
    """

    region: Region
    step: Step
    delay_ms: int = 0
    tries: int = 0
    place: int = 0

    def again(self, region: Region) -> Send:
        """The same once more."""
        return Send(region, self.step, RETRY_MS, self.tries + 1, self.place)


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
            txn: Of its first attempt, see `region_entry.txn_id`; of further ones the last byte is another one.
            whole: Within `limits.check_txn`, and it names something.
            look_up: The map, as it is whenever it is asked.
            ends_at_ms: When it is given up if it is not decided; at most TXN_MS_MAX from now.
            floor: Its version is to be at or above this one.
        """
        self.outcome: Outcome | Fault | None = None
        self._whole = whole
        self._look_up = look_up
        self._ends_at_ms = ends_at_ms
        self._floor = floor
        self._next_txn = txn
        self._count = 0
        self._is_in_order = False
        self._attempt: _Attempt | None = None
        self._given_up: dict[Send, _Attempt] = {}
        self._ending: list[Finisher] = []

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be sent or waited for."""
        return self._attempt is None and not self._given_up and all(each.is_done for each in self._ending)

    def begin(self) -> list[Send]:
        """What to send first."""
        return self._try(0)

    def answered(self, send: Send, answer: Answer, now_ms: int) -> list[Send]:
        """What to send now that `send` is answered.

        Args:
            send: One that this gave.
            answer: Of the region, or why nobody has given one.
            now_ms: The clock that `ends_at_ms` is of.
        """
        if send in self._given_up:
            return self._unlocked(self._given_up.pop(send), send, answer)
        attempt = self._attempt
        if attempt is None or send not in attempt.open:
            return [each for ending in self._ending for each in ending.answered(send, answer)]
        attempt.open.discard(send)
        match send.step:
            case Prepare():
                return self._prepared(attempt, send, answer, now_ms)
            case Decide():
                return self._decided(attempt, send, answer, now_ms)
            case Settle():
                return self._settled(attempt, send, answer, now_ms)
            case _:
                raise AssertionError(send)

    def _try(self, delay_ms: int) -> list[Send]:
        """Begin an attempt: all parts but the last at once, or the first of them."""
        attempt = self._attempt = _Attempt(self._next_txn, parts_of(self._whole, self._look_up), self._floor)
        self._count += 1
        self._next_txn = TxnId(attempt.txn[:-1] + bytes((self._count % ATTEMPTS_MAX,)))
        if len(attempt.parts) == 1:
            return [attempt.decide(delay_ms)]
        if self._is_in_order:
            return [attempt.prepare(0, delay_ms, waits=True)]
        last = len(attempt.parts) - 2
        return [attempt.prepare(place, delay_ms, waits=place == last) for place in range(last + 1)]

    def _prepared(self, attempt: _Attempt, send: Send, answer: Answer, now_ms: int) -> list[Send]:
        """Go on after a part was asked to lock."""
        match answer:
            case Prepared():
                attempt.locked[send.place] = answer.outcome
                attempt.floor = max(attempt.floor, answer.floor)
                return self._go_on(attempt)
            case (Outcome() as failed,):
                return self._fail(attempt, failed)
            case OutcomeUnknownError():
                # It may be locked, or be so later: it was not decided, so it does not happen.
                attempt.in_doubt.add(send.place)
                return self._fail(attempt, _dropped(attempt.txn))
            case Fault() if not _is_worth_a_try(answer) or now_ms >= self._ends_at_ms:
                return self._fail(attempt, answer)
            case Fault() if answer.reason == LOCKED:
                self._is_in_order = True
                return self._fail(attempt, None)
            case Fault():
                return self._again(attempt, send)
            case _:
                raise AssertionError(answer)

    def _go_on(self, attempt: _Attempt) -> list[Send]:
        """Ask the next part, or for the decision when all are locked."""
        if attempt.open:
            return []
        place = len(attempt.locked)
        return [attempt.prepare(place, 0, waits=True) if place < len(attempt.parts) - 1 else attempt.decide(0)]

    def _fail(self, attempt: _Attempt, failure: Outcome | Fault | None, delay_ms: int = 0) -> list[Send]:
        """It will not be decided: unlock what is locked, and try once more where there is no reason not to."""
        self.outcome = failure
        self._given_up |= dict.fromkeys(attempt.open, attempt)
        sends = self._end(attempt, 0)
        return sends if failure is not None else sends + self._try(delay_ms)

    def _unlocked(self, attempt: _Attempt, send: Send, answer: Answer) -> list[Send]:
        """Unlock a part of an attempt that is over."""
        if not isinstance(answer, Prepared | OutcomeUnknownError):
            return []
        return self._finish(Finisher(attempt.txn, attempt.primary, 0, [attempt.parts[send.place].span], self._look_up))

    def _again(self, attempt: _Attempt, send: Send) -> list[Send]:
        """Send what has done nothing where its keys are now; where they are cut in another way, begin anew."""
        parts = parts_of(self._whole, self._look_up)
        if [each.txn for each in parts] == [each.txn for each in attempt.parts]:
            return [attempt.sent(send.again(parts[send.place].region))]
        return self._fail(attempt, None, RETRY_MS)

    def _decided(self, attempt: _Attempt, send: Send, answer: Answer, now_ms: int) -> list[Send]:
        """Go on after the last region was asked to commit."""
        match answer:
            case Fate(verdict=Verdict.COMMITTED):
                return self._committed(attempt, answer)
            case Fate():
                self.outcome = _dropped(attempt.txn)
            case (Outcome() as failed,):
                self.outcome = failed
            case OutcomeUnknownError():
                return [attempt.settle(self._look_up)]
            case Fault() if not _is_worth_a_try(answer) or now_ms >= self._ends_at_ms:
                self.outcome = answer
            case Fault():
                return self._again(attempt, send)
            case _:
                raise AssertionError(answer)
        return self._end(attempt, 0)

    def _settled(self, attempt: _Attempt, send: Send, answer: Answer, now_ms: int) -> list[Send]:
        """Go on after the last region was asked what became of it."""
        unknown = OutcomeUnknownError(send.region.region)
        match answer:
            case Fate(verdict=Verdict.COMMITTED):
                return self._committed(attempt, answer)
            case Fate(verdict=Verdict.GONE):
                # Dropped, or resolved and forgotten: whoever did that was not this one.
                self.outcome = self.outcome or unknown
                return self._end(attempt, 0)
            case Fate() | Fault():
                if now_ms >= self._ends_at_ms or send.tries >= TRIES_MAX:
                    self.outcome = self.outcome or unknown
                if send.tries < TRIES_MAX:
                    return [attempt.sent(send.again(self._look_up(attempt.primary)))]
                # Those who meet its locks find out.
                self._attempt = None
                return []
            case _:
                raise AssertionError(answer)

    def _committed(self, attempt: _Attempt, fate: Fate) -> list[Send]:
        """It has happened."""
        last = Outcome(True, fate.at, (), fate.deleted, b"", fate.counters)
        outcomes = [*(attempt.locked[place] for place in range(len(attempt.parts) - 1)), last]
        self.outcome = self.outcome or merged(list(zip(attempt.parts, outcomes, strict=True)), fate.at)
        return self._end(attempt, fate.at)

    def _end(self, attempt: _Attempt, at: int) -> list[Send]:
        """Resolve what is locked, or may be."""
        self._attempt = None
        spans = [attempt.parts[place].span for place in sorted({*attempt.locked, *attempt.in_doubt})]
        if not spans:
            return []
        return self._finish(Finisher(attempt.txn, attempt.primary, at, spans, self._look_up))

    def _finish(self, finisher: Finisher) -> list[Send]:
        self._ending.append(finisher)
        return finisher.begin()


class _Attempt:
    """One attempt at a transaction.

    Attributes:
        parts: In the order of keys; the last one decides.
        primary: A key of that.
        locked: Outcomes of those parts that are prepared, by place.
        in_doubt: Places of those that may be.
        open: What was sent and is not answered.
    """

    def __init__(self, txn: TxnId, parts: list[Part], floor: int) -> None:
        self.txn = txn
        self.parts = parts
        self.primary = parts[-1].span[0]
        self.asked_floor = self.floor = floor
        self.locked: dict[int, Outcome] = {}
        self.in_doubt: set[int] = set()
        self.open: set[Send] = set()

    def prepare(self, place: int, delay_ms: int, *, waits: bool) -> Send:
        """Have a part compared and locked."""
        part = self.parts[place]
        step = Prepare(self.txn, self.primary, part.txn, self.asked_floor, waits)
        return self.sent(Send(part.region, step, delay_ms, place=place))

    def decide(self, delay_ms: int) -> Send:
        """Have the last part compared and done, and the whole committed."""
        last = self.parts[-1]
        spans = tuple(part.span for part in self.parts[:-1])
        step = Decide(self.txn, self.primary, last.txn, self.floor, spans)
        return self.sent(Send(last.region, step, delay_ms, place=len(self.parts) - 1))

    def settle(self, look_up: LookUp) -> Send:
        """Ask what became of it."""
        return self.sent(Send(look_up(self.primary), Settle(self.txn, self.primary)))

    def sent(self, send: Send) -> Send:
        """Wait for its answer."""
        self.open.add(send)
        return send


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
        return [Send(self._look_up(self._primary), Forget((self._txn,)))]


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
