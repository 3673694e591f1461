"""Linearizability without revisions: a search for an order, key by key, by values alone.

It is the second opinion on `order`, which believes the revisions, and the way to judge a history that has none. What is
not linearizable for one key is not linearizable at all; the reverse does not hold for txns over several keys.

Source: Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with the cache of Lowe, "Testing for
linearizability" (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Compare,
    Delete,
    Deleted,
    Get,
    Got,
    History,
    Kv,
    Lost,
    Op,
    Put,
    Refused,
    Result,
    Txn,
    TxnDone,
    Wrote,
    covers,
    puts_of,
)
from ultracloud.testkit.checks.order import UndecidedError

STATES_MAX = 300_000
"""States of one key's search; a history of some hundred calls that overlap by tens needs some thousand."""

Value: TypeAlias = str | None
Effect: TypeAlias = Callable[[Value], tuple[Value, ...]]
"""What a key may hold after a call that found it so; nothing if the call's answer does not fit."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one call is to one key."""

    says: object
    invoked_ms: float
    ended_ms: float
    effect: Effect


def check_keys(history: History, keys: Iterable[str] = ()) -> None:
    """Search an order for each key of a history, or for some.

    Raises:
        BrokenPromiseError: A key has none.
        UndecidedError: STATES_MAX states were not enough.
    """
    for key in sorted(keys or {put.key for call in history.calls for put in puts_of(call.op)}):
        parts = [*_expiries(history, key)]
        for call in history.calls:
            effect = None if isinstance(call.result, Refused) else _effect(call.op, call.result, key)
            if effect is not None:
                parts.append(_Part(call, call.invoked_ms, call.ended_ms, effect))
        _search(key, sorted(parts, key=lambda part: part.invoked_ms))


def _search(key: str, parts: Sequence[_Part]) -> None:
    """Depth first: which call could be next, given what the key holds; each state once."""
    must = sum(1 << number for number, part in enumerate(parts) if part.ended_ms != float("inf"))
    seen: set[tuple[int, Value]] = set()
    best = 0
    stack: list[tuple[int, Value]] = [(0, None)]
    while stack:
        done, value = stack.pop()
        if done & must == must:
            return
        if (done, value) in seen:
            continue
        seen.add((done, value))
        if len(seen) > STATES_MAX:
            raise UndecidedError(f"key {key!r}: {STATES_MAX} states, and no order yet")
        best = max(best, done, key=lambda mask: (mask & must).bit_count())
        # Those that wait longest are tried first, so they are pushed last.
        following = list(_following(parts, done, value))
        stack.extend(reversed(following))
    left = [part for number, part in enumerate(parts) if not best >> number & 1 and must >> number & 1]
    says = "; ".join(str(part.says) for part in sorted(left, key=lambda part: part.ended_ms)[:2])
    raise BrokenPromiseError(f"no order explains key {key!r}; {best.bit_count()} calls fit, then none of: {says}")


def _following(parts: Sequence[_Part], done: int, value: Value) -> Iterator[tuple[int, Value]]:
    """States that one more call can lead to."""
    first_end = min(part.ended_ms for number, part in enumerate(parts) if not done >> number & 1)
    for number, part in enumerate(parts):
        if part.invoked_ms > first_end:
            return
        if not done >> number & 1:
            for after in part.effect(value):
                yield done | 1 << number, after


def _expiries(history: History, key: str) -> Iterator[_Part]:
    """Each put with a lease may be undone by its end, some time later."""
    for call in history.calls:
        for put in puts_of(call.op):
            if put.key == key and put.lease:
                # Otherwise the end of one lease would delete what another call put.
                yield _Part(f"the end of lease {put.lease}", call.invoked_ms, float("inf"), _ends(put.value))


def _ends(put_value: str) -> Effect:
    return lambda value: (None,) if value == put_value else ()


def _effect(op: Op, result: Result, key: str) -> Effect | None:
    """What a call is to `key`, None if nothing."""
    match op:
        case Get() if not op.serializable and not op.revision and not op.limit and covers(op.key, op.end, key):
            return _read(result, key)
        case Put() if op.key == key:
            return _write(op, result)
        case Delete() if covers(op.key, op.end, key):
            return _delete(op, result, key)
        case Txn():
            return _txn(op, result, key)
        case _:
            return None


def _read(result: Result, key: str) -> Effect | None:
    if not isinstance(result, Got):
        return None
    seen = _value_of(result.kvs, key)
    return lambda value: (value,) if value == seen else ()


def _write(op: Put, result: Result) -> Effect:
    previous = result.previous if isinstance(result, Wrote) else None
    if not op.prev_kv or not isinstance(result, Wrote):
        return lambda _: (op.value,)
    was = None if previous is None else previous.value
    return lambda value: (op.value,) if value == was else ()


def _delete(op: Delete, result: Result, key: str) -> Effect:
    if not isinstance(result, Deleted):
        return lambda _: (None,)
    if op.prev_kv:
        was = _value_of(result.previous, key)
        return lambda value: (None,) if value == was else ()
    if result.count == 0 or not op.end:
        return lambda value: (None,) if (value is not None) == bool(result.count) else ()
    return lambda _: (None,)


def _txn(op: Txn, result: Result, key: str) -> Effect | None:
    """A txn as far as one key tells: which branch was done is told, or may be either."""
    ours = [compare for compare in op.compare if compare.key == key and compare.target in ("value", "version")]
    if isinstance(result, TxnDone):
        run = _branch(op.success if result.succeeded else op.failure, result, key)
        is_decided = result.succeeded or len(op.compare) == len(ours) == 1
        return lambda value: run(value) if not is_decided or _hold(ours, value) in (None, result.succeeded) else ()
    yes, no = _branch(op.success, result, key), _branch(op.failure, result, key)
    if not isinstance(result, Lost):
        return None

    def either(value: Value) -> tuple[Value, ...]:
        holds = _hold(ours, value)
        if holds is False:
            return no(value)
        # Comparisons of other keys may have failed.
        is_all = holds is True and len(ours) == len(op.compare)
        return yes(value) if is_all else (*yes(value), *no(value))

    return either


def _branch(steps: Sequence[Get | Put | Delete | Txn], result: Result, key: str) -> Effect:
    """The steps of a branch, one after the other."""
    results: Sequence[Result] = result.results if isinstance(result, TxnDone) else [Lost()] * len(steps)
    pairs = zip(steps, results, strict=True)
    effects = [effect for step, told in pairs if (effect := _effect(step, told, key)) is not None]

    def run(value: Value) -> tuple[Value, ...]:
        values: tuple[Value, ...] = (value,)
        for effect in effects:
            values = tuple(after for before in values for after in effect(before))
        return values

    return run


def _hold(compares: Sequence[Compare], value: Value) -> bool | None:
    """Whether comparisons of one key hold; None if its value does not say."""
    answers = [_holds(compare, value) for compare in compares]
    if False in answers:
        return False
    return None if None in answers or not answers else True


def _holds(compare: Compare, value: Value) -> bool | None:
    if compare.target == "value":
        if compare.sign not in ("=", "!="):
            return None
        return value is not None and (value == compare.operand) == (compare.sign == "=")
    if value is None or compare.operand == 0:
        version = 0 if value is None else 1
        # Any version above 0 is as good as 1 when it is compared with 0.
        return {"=": version == compare.operand, "!=": version != compare.operand}.get(
            compare.sign, version < int(compare.operand) if compare.sign == "<" else version > int(compare.operand)
        )
    return None


def _value_of(kvs: Sequence[Kv], key: str) -> Value:
    return next((kv.value for kv in kvs if kv.key == key), None)
