"""Histories for the tests of the checks: short ones told by hand, random ones of a store that keeps its promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from ultracloud.testkit.checks.history import (
    Call,
    Compare,
    Delete,
    Get,
    Got,
    Grant,
    History,
    Kv,
    LeaseDone,
    Lost,
    Op,
    Put,
    Result,
    Told,
    Txn,
    Watch,
    covers,
)
from ultracloud.testkit.checks.model import Store, without_previous
from ultracloud.testkit.checks.order import Expiry, Step

KEYS = ("a", "b", "c")


def call(number: int, start: float, end: float | None, op: Op, result: Result | None = None) -> Call:
    """A call of a client of its own."""
    return Call(number, f"c{number}", "m1", op, start, end, Lost() if result is None else result)


def kv(key: str, value: str, mod: int, version: int = 1, create: int = 0, lease: int = 0) -> Kv:
    """A key as some write left it; created by that write if nothing else is said."""
    return Kv(key, value, create or mod, mod, version, lease)


def got(revision: int, *kvs: Kv) -> Got:
    """The answer to a read of all that it shows."""
    return Got(revision, kvs, len(kvs))


class Story:
    """Random calls at a store that does one after the other, each at some time between its question and its answer."""

    def __init__(self, seed: int, calls: int, lost: float = 0.1) -> None:
        self._random = Random(seed)  # noqa: S311 - a test repeats itself
        self._lost = lost
        self._store = Store()
        self.steps: list[Step] = []
        self.calls: list[Call] = []
        times = sorted(self._random.uniform(0, 1000) for _ in range(calls))
        for number, at_ms in enumerate(times, 1):
            self._do(number, at_ms)

    def history(self, watches: int = 3) -> History:
        """What was asked, with some watches."""
        return History(tuple(self.calls), tuple(self._watch(900 + number) for number in range(watches)))

    def _do(self, number: int, at_ms: float) -> None:
        random, op = self._random, self._op(number)
        if random.random() < self._lost / 2 and self._store.leases():
            lease = random.choice(sorted(self._store.leases()))
            done = self._store.expire(lease)
            self.steps.append(Step(self._store.revision, Expiry(lease), done.changes))
        start, end = at_ms - random.uniform(0, 60), at_ms + random.uniform(0, 60)
        fate = random.random()
        if fate < self._lost:
            asked = Call(number, f"c{number}", "m1", op, start, None, Lost())
            if fate < self._lost / 2:
                self._apply(asked)
        else:
            asked = Call(number, f"c{number}", "m1", op, start, end, Lost())
            asked = replace(asked, result=self._apply(asked))
        self.calls.append(asked)

    def _apply(self, asked: Call) -> Result:
        if isinstance(asked.op, Grant):
            return LeaseDone(self._store.revision, asked.op.ttl_s)
        assert isinstance(asked.op, Get | Put | Delete | Txn)
        done = self._store.apply(asked.op)
        if done.changes:
            self.steps.append(Step(self._store.revision, asked, done.changes))
        return done.result

    def _op(self, number: int) -> Op:
        random = self._random
        key, value = random.choice(KEYS), f"v{number}"
        put = Put(key, value, random.choice((0, 0, 0, 1, 2)), prev_kv=random.random() < 0.3)
        seen = self._store.newest(key)
        compare = random.choice(
            (
                Compare(key, "mod", "=", 0 if seen is None else seen.mod),
                Compare(key, "value", "=", "v1" if seen is None else seen.value),
                Compare(key, "version", random.choice("<>"), 1),
                Compare(random.choice(KEYS), "create", "=", 0),
            )
        )
        other = random.choice([each for each in KEYS if each != key])
        others: tuple[Op, ...] = (
            Get(key),
            Get(key, serializable=False, revision=random.randint(1, self._store.revision)),
            Delete(key, prev_kv=random.random() < 0.5),
            Delete("b", "d"),
            Txn((compare,), (put, Put(other, value + "'")), (Get(key),)),
            Txn((compare,), (Delete(key), Get("a", "z")), (Put(key, value + "!"),)),
        )
        return random.choice((put, Get("a", "z"), random.choice(others)))

    def _watch(self, number: int) -> Watch:
        random = self._random
        key, end = random.choice((("a", "z"), ("b", ""), ("b", "\0")))
        start = random.randint(2, max(2, len(self.steps)))
        prev_kv = random.random() < 0.5
        messages = tuple(self._messages(key, end, start, prev_kv=prev_kv))
        return Watch(number, "w", "m1", key, end, start, prev_kv, 0, 1, messages)

    def _messages(self, key: str, end: str, start: int, *, prev_kv: bool) -> Iterator[Told]:
        """Everything to the end, some revisions a message."""
        waiting: list[Told] = []
        for step in self.steps[start - 2 :]:
            events = tuple(e if prev_kv else without_previous(e) for e in step.changes if covers(key, end, e.kv.key))
            if events:
                waiting.append(Told(5000, step.revision, events))
            if waiting and self._random.random() < 0.5:
                yield Told(5000, step.revision, tuple(event for told in waiting for event in told.events))
                waiting = []
        yield from waiting
        yield Told(5000, len(self.steps) + 1)
