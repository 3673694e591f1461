"""Bankers: they read some keys and write one or all if none has changed, which are often in several regions.

What they move between accounts comes from nowhere else, so the sum of all accounts never changes. Of a guarded pair
they write one key if the other one is as they read it: two that do so at once for both keys must not both succeed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.flaredb.clients import ACCOUNTS, GUARDED, MONEY, Client, Place
from ultracloud.testkit.checks.history import Compare, Get, Got, Kv, Put, Result, Txn, TxnDone

MOVES = 0.6
"""Part of what they do that moves money."""
DUELS = 0.5
"""Part of the rest in which both keys of a pair are asked to be written at once, each if the other has not changed."""
SPREAD, SPREADS = 5, 0.5
"""Accounts of a move from one to several, which may be in as many regions, and part of the moves that are."""
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
            count = SPREAD if random.random() < SPREADS else 2
            self._read(random.sample(ACCOUNTS, count), ())
        else:
            self._read(random.sample(random.choice(GUARDED), 2), ())

    def _read(self, keys: Sequence[str], known: tuple[Result, ...]) -> None:
        """Read all, one after the other: they may be of different moments."""
        if len(known) == len(keys):
            self._write(keys, known)
        else:
            self.client.ask(Get(keys[len(known)]), lambda result: self._read(keys, (*known, result)))

    def _write(self, keys: Sequence[str], known: tuple[Result, ...]) -> None:
        """Write the first, or all, if none has changed."""
        found = [next(iter(got.kvs), None) for got in known if isinstance(got, Got)]
        if len(found) < len(keys) or self.place.is_closing:
            self.begin()
            return
        compares = tuple(_as_read(key, kv) for key, kv in zip(keys, found, strict=True))
        number = len(self.place.calls) + 1
        one, other = keys[0], keys[1]
        puts: tuple[Put, ...] = (Put(one, f"{self.client.name}-{number}"),)
        if (one, other) in GUARDED and self.place.random.random() < DUELS:
            self.client.ask(Txn(compares, (Put(other, f"{self.client.name}-{number}d"),), ()), lambda _: None)
        if one in ACCOUNTS:
            balances = [balance(kv.value) for kv in found if kv is not None]
            if len(balances) < len(keys):
                self.begin()
                return
            amount = self.place.random.randint(1, MONEY)
            balances = [balances[0] - amount * (len(keys) - 1), *(each + amount for each in balances[1:])]
            puts = tuple(Put(key, f"{left}:{number}") for key, left in zip(keys, balances, strict=True))
        self.client.ask(Txn(compares, puts, ()), lambda _: self.begin())


def balance(value: str) -> int:
    """What is on an account whose value this is."""
    return int(value.partition(":")[0])


def _as_read(key: str, found: Kv | None) -> Compare:
    return Compare(key, "mod", "=", found.mod) if found is not None else Compare(key, "version", "=", 0)
