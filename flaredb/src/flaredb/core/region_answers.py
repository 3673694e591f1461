"""Answers to steps of transactions over several regions, and of merges, as bytes from store to store.

The steps themselves are `region_codec`'s.
"""

from __future__ import annotations

from flaredb.core.commands import Comparison, Outcome, Refusal, RefusalReason
from flaredb.core.region import Region
from flaredb.core.region_codec import MalformedError, parse, render
from flaredb.core.region_entry import (
    Absorb,
    Await,
    Clear,
    Decide,
    Forget,
    MergeStep,
    Prepare,
    Release,
    Resolve,
    Seal,
    Settle,
    Step,
    Unseal,
)
from flaredb.core.region_work import Awaits, Done, Fate, Prepared, Sealed, Verdict

StepAnswer = tuple[Outcome, ...] | Prepared | Fate | Done
"""What a `Step` may be answered with but for faults."""


MergeAnswer = Awaits | Sealed | Region | Done
"""What a `MergeStep` may be answered with but for faults."""


def render_answer(answer: StepAnswer) -> bytes:
    """Write an answer."""
    match answer:
        case Prepared():
            return render(("prepared", answer.floor, _plain(answer.outcome)))
        case Fate():
            return render(("fate", answer.verdict.value, answer.at, answer.spans, answer.deleted, answer.counters))
        case Done():
            return render(("done",))
        case _:
            return render(("outcome", *map(_plain, answer)))


def parse_answer(content: bytes) -> StepAnswer:
    """Read what `render_answer` wrote. Raises MalformedError."""
    try:
        return _answer(parse(content))
    except (ValueError, TypeError) as error:
        raise MalformedError(f"no answer to a step: {error}") from error


def parse_step(content: bytes) -> Step:
    """Read a step that `region_codec.render` wrote. Raises MalformedError."""
    found = parse(content)
    if not isinstance(found, Prepare | Decide | Settle | Resolve | Forget):
        raise MalformedError(f"no step: {type(found).__name__}")
    return found


def render_merge_answer(answer: MergeAnswer) -> bytes:
    """Write an answer to a step of a merge."""
    match answer:
        case Awaits():
            return render(("awaits", answer.token))
        case Sealed():
            return render(("sealed", answer.region, answer.index))
        case Done():
            return render(("done",))
        case _:
            return render(("region", answer))


def parse_merge_answer(content: bytes) -> MergeAnswer:
    """Read what `render_merge_answer` wrote. Raises MalformedError."""
    match parse(content):
        case ("awaits", int(token)):
            return Awaits(token)
        case ("sealed", Region() as region, int(index)):
            return Sealed(region, index)
        case ("done",):
            return Done()
        case ("region", Region() as region):
            return region
        case other:
            raise MalformedError(f"no answer to a step of a merge: {other}")


def parse_merge_step(content: bytes) -> MergeStep:
    """Read a step of a merge that `region_codec.render` wrote. Raises MalformedError."""
    found = parse(content)
    if not isinstance(found, Await | Seal | Absorb | Release | Unseal | Clear):
        raise MalformedError(f"no step of a merge: {type(found).__name__}")
    return found


def _answer(found: object) -> StepAnswer:
    match found:
        case ("prepared", int(floor), outcome):
            return Prepared(floor, _outcome(outcome))
        case ("fate", str(verdict), int(at), tuple(spans), int(deleted), tuple(counters)):
            return Fate(Verdict(verdict), at, spans, deleted, counters)
        case ("done",):
            return Done()
        case ("outcome", *outcomes):
            return tuple(map(_outcome, outcomes))
        case _:
            raise MalformedError(f"no answer: {found}")


def _plain(outcome: Outcome) -> tuple[object, ...]:
    refusal = None if outcome.refusal is None else (outcome.refusal.reason.value, outcome.refusal.key)
    return (
        outcome.succeeded,
        outcome.version,
        outcome.failed,
        outcome.deleted,
        outcome.next_start,
        outcome.counters,
        refusal,
    )


def _outcome(plain: object) -> Outcome:
    match plain:
        case (bool(succeeded), int(version), tuple(failed), int(deleted), bytes(next_start), tuple(counters), refusal):
            assert all(isinstance(each, Comparison) for each in failed), failed
            return Outcome(succeeded, version, failed, deleted, next_start, counters, _refusal(refusal))
        case _:
            raise MalformedError(f"no outcome: {plain}")


def _refusal(plain: object) -> Refusal | None:
    match plain:
        case None:
            return None
        case (str(reason), bytes(key)):
            return Refusal(RefusalReason(reason), key)
        case _:
            raise MalformedError(f"no refusal: {plain}")
