"""Clients: they put, read, delete, compare and hold leases, and write down what they were told.

Each value is unique. A call that was not answered in time is in doubt and not asked again; the client goes on at
another member.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sim.chainfire.member import Member, Outside
from sim.chainfire.serving import Reply, serve
from ultracloud.testkit.checks import history
from ultracloud.testkit.checks.history import (
    Call,
    Compare,
    Delete,
    Get,
    Got,
    Grant,
    LeaseDone,
    Lost,
    Op,
    Put,
    Renew,
    Result,
    Revoke,
    Txn,
)

KEYS = tuple(f"k{number}" for number in range(5))
TIMEOUT_MS = 2500
DELAY_MS_MAX = 3
"""Between a client and a member, each way."""
TTLS_S = (2, 2, 3, 8)


class Place(Outside, Protocol):
    """What clients have around them.

    Attributes:
        calls: Everything that was asked, in the order of asking.
        open_calls: Numbers of those without an answer.
        is_closing: No more calls are to be made.
    """

    calls: list[Call]
    open_calls: set[int]
    is_closing: bool

    def stamp(self) -> float:
        """Now, later than every earlier stamp."""
        ...

    def members_known(self) -> list[Member]:
        """Members that clients know."""
        ...


def ask(place: Place, client: str, member: Member, op: Op, then: Reply) -> None:
    """Ask a member, write down what comes of it, and go on with `then`."""
    number, asked, invoked_ms = len(place.calls) + 1, member.name, place.stamp()
    place.calls.append(Call(number, client, asked, op, invoked_ms, None, Lost()))

    def close(result: Result) -> None:
        if number in place.open_calls:
            place.open_calls.discard(number)
            returned_ms = None if isinstance(result, Lost) else place.stamp()
            place.calls[number - 1] = Call(number, client, asked, op, invoked_ms, returned_ms, result)
            place.note(place.calls[number - 1])
            then(result)

    def answered(result: Result) -> None:
        place.clock.call_later(place.random.randint(0, DELAY_MS_MAX), lambda: close(result))

    def arrive() -> None:
        if member.replica is None or member.name != asked:
            answered(history.Refused("nobody listens"))
            return
        member.on_death.append(lambda: answered(Lost("the connection broke")))
        member.take(lambda replica: serve(place, member, replica, op, answered))

    place.open_calls.add(number)
    place.clock.call_later(place.random.randint(0, DELAY_MS_MAX), arrive)
    place.clock.call_later(TIMEOUT_MS, lambda: close(Lost("no answer in time")))


@dataclass(slots=True)
class Client:
    """One client that does one thing after the other.

    Attributes:
        seen: The newest revision of each key that it was shown, for comparisons.
    """

    place: Place
    name: str
    seen: dict[str, int]
    member: Member | None = None
    count: int = 0

    def begin(self) -> None:
        """Do something after a while, until the run closes."""
        think_ms = int(self.place.random.expovariate(1 / self.place.settings.think_ms))
        self.place.clock.call_later(think_ms, self._act)

    def _act(self) -> None:
        if self.place.is_closing:
            return
        if self.member is None or self.place.random.random() < 0.1:  # noqa: PLR2004 - now and then somewhere else
            self.member = self.place.random.choice(self.place.members_known())
        ask(self.place, self.name, self.member, self._op(), self._answered)

    def _answered(self, result: Result) -> None:
        if isinstance(result, Lost | history.Refused):
            self.member = None
        for kv in history.kvs_of(result):
            self.seen[kv.key] = kv.mod
        self.begin()

    def _op(self) -> Op:
        random = self.place.random
        self.count += 1
        key, value = random.choice(KEYS), f"{self.name}.{self.count}"
        kind = random.random()
        if kind < 0.4:  # noqa: PLR2004 - four of ten
            return Put(key, value, prev_kv=random.random() < 0.2)  # noqa: PLR2004 - one of five
        if kind < 0.7:  # noqa: PLR2004 - three of ten
            return self._read(key)
        if kind < 0.8:  # noqa: PLR2004 - one of ten
            return Delete(key, random.choice(("", "", "k4")), prev_kv=random.random() < 0.5)  # noqa: PLR2004 - a coin
        return self._txn(key, value)

    def _read(self, key: str) -> Op:
        random = self.place.random
        past = max(self.seen.values(), default=0)
        return random.choice(
            (
                Get(key),
                Get("k0", "m"),
                Get("k1", "\0", limit=2),
                Get("k0", "m", serializable=True),
                Get("k0", "m", revision=max(0, past - random.randint(0, 5))),
                Txn((), (Get(key), Get("l", "m")), ()),
            )
        )

    def _txn(self, key: str, value: str) -> Op:
        random = self.place.random
        other = random.choice([each for each in KEYS if each != key])
        compare = random.choice(
            (
                Compare(key, "mod", "=", self.seen.get(key, 0)),
                Compare(key, "version", ">", 0),
                Compare(key, "create", "=", 0),
            )
        )
        branches = (
            ((Put(key, value),), (Get(key),)),
            ((Put(key, value), Put(other, value)), (Delete(key),)),
            ((Delete(key), Put(other, value), Get("k0", "m")), (Put(key, value + "!"),)),
        )
        return Txn((compare,), *random.choice(branches))


@dataclass(slots=True)
class Holder:
    """One client that takes leases, keeps them for a while, and lets them die."""

    place: Place
    name: str
    number: int
    member: Member | None = None
    count: int = 0
    ttl_s: int = 0
    renewals: int = 0

    @property
    def lease(self) -> int:
        """The lease it holds now."""
        return self.number * 1000 + self.count

    def begin(self) -> None:
        """Take the next lease."""
        self.count += 1
        self.ttl_s = self.place.random.choice(TTLS_S)
        self.renewals = self.place.random.choice((0, 2, 6, 12))
        self._later(300, lambda: self._ask(Grant(self.lease, self.ttl_s), self._granted))

    def _granted(self, result: Result) -> None:
        if isinstance(result, LeaseDone):
            self.ttl_s = result.ttl_s
            put = Put(f"l{self.name}", f"{self.name}.{self.count}", lease=self.lease)
            self._ask(put, lambda _: self._keep())
        else:
            self.begin()

    def _keep(self) -> None:
        """Renew often enough, or stop, and look whether it dies."""
        if self.renewals:
            self.renewals -= 1
            # The last ones may be too late.
            pace_ms = self.place.random.choice((300, 300, 700))
            self._later(self.ttl_s * pace_ms, lambda: self._ask(Renew(self.lease), self._renewed))
        elif self.place.random.random() < 0.3:  # noqa: PLR2004 - most leases die
            self._ask(Revoke(self.lease), lambda _: self.begin())
        else:
            self._look(self.place.clock.now_ms() + self.ttl_s * 1000 + 1500)

    def _renewed(self, result: Result) -> None:
        if isinstance(result, LeaseDone) and result.ttl_s == 0:
            self.begin()
        else:
            self._keep()

    def _look(self, until_ms: int) -> None:
        """Look at the key until it is gone, or time is over."""

        def seen(result: Result) -> None:
            is_gone = isinstance(result, Got) and not result.kvs
            if is_gone or self.place.clock.now_ms() > until_ms:
                self.begin()
            else:
                self._look(until_ms)

        self._later(self.ttl_s * 150, lambda: self._ask(Get(f"l{self.name}"), seen))

    def _ask(self, op: Op, then: Callable[[Result], None]) -> None:
        if self.place.is_closing:
            return
        if self.member is None or self.place.random.random() < 0.1:  # noqa: PLR2004 - now and then somewhere else
            self.member = self.place.random.choice(self.place.members_known())

        def answered(result: Result) -> None:
            if isinstance(result, Lost | history.Refused):
                self.member = None
            then(result)

        ask(self.place, self.name, self.member, op, answered)

    def _later(self, mean_ms: int, action: Callable[[], None]) -> None:
        self.place.clock.call_later(self.place.random.randint(mean_ms // 2, mean_ms * 3 // 2), action)
