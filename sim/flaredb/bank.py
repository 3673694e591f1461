"""Bankers: they read two keys and write one or both if neither has changed, which are often in two regions.

What they move between accounts comes from nowhere else, so the sum of all accounts never changes. Of a guarded pair
they write one key if the other one is as they read it: two that do so at once for both keys must not both succeed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.flaredb.clients import ACCOUNTS, GUARDED, MONEY, Client, Place
from ultracloud.testkit.checks.history import Compare, Get, Got, Kv, Put, Result, Txn, TxnDone

MOVES = 0.6
"""Part of what they do that moves money."""
DUELS = 0.5
"""Part of the rest in which both keys of a pair are asked to be written at once, each if the other has not changed."""
OPEN_AGAIN_MS = 200
THINK_MS_MAX = 60


@dataclass(slots=True)
class Banker:
    """One of them: a call at a time."""

    place: Place
    client: Client

    def open(self) -> None:
        """Put money on every account, all at once; again until it is known that there is some."""
        if self.place.is_closing:
            return
        puts = tuple(Put(account, f"{MONEY}:{account}") for account in ACCOUNTS)
        compares = tuple(Compare(account, "version", "=", 0) for account in ACCOUNTS)

        def told(result: Result) -> None:
            if not self.place.is_closing and not isinstance(result, TxnDone):
                self.place.clock.call_later(OPEN_AGAIN_MS, self.open)

        # Values are written once, so that they tell who wrote them.
        number = len(self.place.calls)
        self.client.ask(Txn(compares, tuple(Put(put.key, f"{put.value}-{number}") for put in puts), ()), told)

    def begin(self) -> None:
        """Do the next thing after a while."""
        think_ms = min(self.place.settings.think_ms, THINK_MS_MAX)
        self.place.clock.call_later(int(self.place.random.expovariate(1 / think_ms)), self._act)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        random = self.place.random
        if random.random() < MOVES:
            one, other = random.sample(ACCOUNTS, 2)
        else:
            one, other = random.sample(random.choice(GUARDED), 2)
        self._read(one, other)

    def _read(self, one: str, other: str) -> None:
        """Read both, one after the other: they may be of different moments."""

        def second(first: Result) -> None:
            self.client.ask(Get(other), lambda result: self._write(one, other, first, result))

        self.client.ask(Get(one), second)

    def _write(self, one: str, other: str, first: Result, second: Result) -> None:
        if not isinstance(first, Got) or not isinstance(second, Got) or self.place.is_closing:
            self.begin()
            return
        from_kv, to_kv = (next(iter(got.kvs), None) for got in (first, second))
        compares = (_as_read(one, from_kv), _as_read(other, to_kv))
        number = len(self.place.calls) + 1
        puts: tuple[Put, ...] = (Put(one, f"{self.client.name}-{number}"),)
        if (one, other) in GUARDED and self.place.random.random() < DUELS:
            self.client.ask(Txn(compares, (Put(other, f"{self.client.name}-{number}d"),), ()), lambda _: None)
        if one in ACCOUNTS:
            if from_kv is None or to_kv is None:
                self.begin()
                return
            amount = self.place.random.randint(1, MONEY)
            puts = (
                Put(one, f"{balance(from_kv.value) - amount}:{number}"),
                Put(other, f"{balance(to_kv.value) + amount}:{number}"),
            )
        self.client.ask(Txn(compares, puts, ()), lambda _: self.begin())


def balance(value: str) -> int:
    """What is on an account whose value this is."""
    return int(value.partition(":")[0])


def _as_read(key: str, found: Kv | None) -> Compare:
    return Compare(key, "mod", "=", found.mod) if found is not None else Compare(key, "version", "=", 0)
