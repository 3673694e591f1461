"""Clients: they put, read, delete, compare, hold leases and watch, each at a member it draws, and write down what came.

A call is sent once, to one member; what it did is judged by its own answer. Watches are those of the coordination
client, which go on at another member by themselves: one watch here may have read from all members, and must still have
told everything once and in order.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from tests.robustness import speech
from tests.robustness.bed import Bed, Member
from ultracloud.base.faults import Fault
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.coordination import Coordination
from ultracloud.servicekit.streams import closing
from ultracloud.testkit.checks import history
from ultracloud.testkit.checks.history import Call, Compare, Delete, Get, Grant, Op, Put, Renew, Revoke, Txn, Watch

KEYS = 6
"""Few, so that clients meet."""
PREFIX, END = "k", "l"
TIMEOUT_S = 2.0
"""A call that takes longer is lost: elections are over by then, and a client that waits observes nothing."""
CONNECT_S = 0.2
"""A client that waits for a dead member observes nothing either."""
REFUSED_S = 0.1
"""What is refused once is mostly refused again."""
OWN_CHOICE = 0.7
"""Part of its calls that a client asks of its own member."""
PAST = 150
"""Revisions back that reads of the past go; some are compacted by then."""
LARGE_CHOICE, LARGE_BYTES = 0.2, 16_384
"""Part of the values that are large, and how large: snapshots and the rolling of logs come within a round."""
LEASE_S = 3
LEASE_CHOICE = 0.06
"""Part of the calls that are about leases."""


@dataclass(slots=True)
class Record:
    """What was asked and told so far, on one clock.

    Attributes:
        is_quiet: Clients stop to ask once it is set.
        accepted_ms: When each acknowledged write came back, in order.
    """

    calls: list[Call] = field(default_factory=list)
    accepted_ms: list[float] = field(default_factory=list)
    leases: dict[int, int] = field(default_factory=dict)
    is_quiet: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    began: float = field(default_factory=time.monotonic)

    def now_ms(self) -> float:
        """Milliseconds since it began."""
        return round((time.monotonic() - self.began) * 1000, 3)

    def history(self, watchers: Sequence[Watcher]) -> history.History:
        """As it is now."""
        calls = tuple(sorted(self.calls, key=lambda call: call.number))
        return history.History(calls, tuple(watcher.watch for watcher in watchers))


class Channels:
    """One connection to each member; a member that is new gets its own when it is first asked."""

    def __init__(self, connect: Callable[[Member], PeerChannel]) -> None:
        self._connect = connect
        self._open: dict[str, PeerChannel] = {}

    def to(self, member: Member) -> PeerChannel:
        """The connection to a member."""
        if member.target not in self._open:
            self._open[member.target] = self._connect(member)
        return self._open[member.target]

    async def close(self) -> None:
        """End all."""
        for channel in self._open.values():
            await channel.close()


async def ask(
    record: Record, channel: PeerChannel, client: str, member: Member, op: Op, asked: Op | None = None
) -> Call:
    """Ask a member, and write down what comes of it; `asked` is what it is really asked, if that is something else."""
    number, life, invoked_ms = next(record.numbers), member.life_name, record.now_ms()
    result: history.Result
    try:
        result = await speech.ask(channel, asked or op, TIMEOUT_S)
    except Fault as fault:
        result = speech.refusal(fault)
    except asyncio.CancelledError:
        record.calls.append(Call(number, client, life, op, invoked_ms, None, history.Lost("the client ended")))
        raise
    # Started again meanwhile: nobody knows which life answered, so it is one of its own.
    name = life if life == member.life_name else f"{life}-{member.life_name}#{number}"
    returned_ms = None if isinstance(result, history.Lost) else record.now_ms()
    call = Call(number, client, name, op, invoked_ms, returned_ms, result)
    record.calls.append(call)
    if returned_ms is not None and history.has_written(result):
        record.accepted_ms.append(returned_ms)
    return call


class Client:
    """One that asks all the time."""

    def __init__(
        self,
        number: int,
        record: Record,
        random: Random,
        bed: Bed,
        *,
        reads_stale: bool = False,
    ) -> None:
        self._number = number
        self._name = f"c{number}"
        self._record = record
        self._random = random
        self._bed = bed
        self._reads_stale = reads_stale
        self._channels = Channels(bed.connect)
        self._seen: dict[str, int] = {}
        self._count = 0

    async def run(self, pause_s: float) -> None:
        """Ask until it is quiet."""
        try:
            while not self._record.is_quiet.is_set():
                member = self._choose()
                if not await self._channels.to(member).is_connected(CONNECT_S):
                    continue
                op = self._draw()
                asked = replace(op, serializable=True) if self._reads_stale and isinstance(op, Get) else op
                call = await ask(self._record, self._channels.to(member), self._name, member, op, asked)
                self._learn(call)
                if isinstance(call.result, history.Refused):
                    await asyncio.sleep(REFUSED_S)
                await asyncio.sleep(pause_s * 2 * self._random.random())
        finally:
            await self._channels.close()

    def _choose(self) -> Member:
        """A member: mostly the client's own, so that others go on while its own hears nobody."""
        members = self._bed.members
        if self._random.random() < OWN_CHOICE:
            return members[self._number % len(members)]
        return self._random.choice(members)

    def _learn(self, call: Call) -> None:
        """Remember versions for comparisons, and leases that are there."""
        for kv in history.kvs_of(call.result):
            self._seen[kv.key] = kv.mod
        match call.op, call.result:
            case Put(), history.Wrote():
                self._seen[call.op.key] = call.result.revision
            case Grant(), history.LeaseDone():
                self._record.leases[call.op.lease] = call.result.ttl_s
            case Revoke(), history.LeaseDone() | history.Refused():
                self._record.leases.pop(call.op.lease, None)
            case Renew(), history.LeaseDone(ttl_s=0):
                self._record.leases.pop(call.op.lease, None)

    def _draw(self) -> Op:
        """What to ask next."""
        if self._random.random() < LEASE_CHOICE:
            return self._draw_of_lease()
        key = f"{PREFIX}{self._random.randrange(KEYS)}"
        choices: list[Op] = [
            Get(key),
            Get(key, serializable=True),
            Get(PREFIX, END),
            Get(PREFIX, END, revision=max(0, max(self._seen.values(), default=0) - self._random.randrange(PAST))),
            self._put(key),
            self._put(key),
            self._put(key),
            Delete(key, prev_kv=self._random.random() < 0.5),
            self._swap(key),
            self._swap(key),
            Txn((), (self._put(f"{PREFIX}0"), self._put(f"{PREFIX}1")), ()),
        ]
        return self._random.choice(choices)

    def _draw_of_lease(self) -> Op:
        leases = sorted(self._record.leases)
        if not leases or self._random.random() < 0.3:
            return Grant(self._random.randrange(1, 1 << 40), LEASE_S)
        lease = self._random.choice(leases)
        attached = Put(f"{PREFIX}leased{lease % 3}", self._value(), lease)
        return self._random.choice((Renew(lease), Renew(lease), attached, attached, Revoke(lease)))

    def _put(self, key: str) -> Put:
        return Put(key, self._value(), prev_kv=self._random.random() < 0.3)

    def _swap(self, key: str) -> Txn:
        """Write if the key is as it was last seen."""
        condition = Compare(key, "mod", "=", self._seen.get(key, 0))
        return Txn((condition,), (self._put(key), Get(key)), (Get(key),))

    def _value(self) -> str:
        self._count += 1
        room = self._random.randrange(LARGE_BYTES) if self._random.random() < LARGE_CHOICE else 0
        return f"{self._name}.{self._count}~{room}"


class Watcher:
    """One that watches all the time, through whatever happens to members.

    Attributes:
        began: Set once the store has said that the watch has begun.
    """

    def __init__(self, name: str, number: int, record: Record, kv: Coordination) -> None:
        self.began = asyncio.Event()
        self._name, self._number = name, number
        self._record = record
        self._kv = kv
        self._opened_ms = record.now_ms()
        self._created_revision = 0
        self._messages: list[history.Told] = []

    @property
    def watch(self) -> Watch:
        """What it was told so far."""
        return Watch(
            self._number,
            self._name,
            "any",
            PREFIX,
            END,
            0,
            prev_kv=False,
            opened_ms=self._opened_ms,
            created_revision=self._created_revision or None,
            messages=tuple(self._messages),
        )

    @property
    def revision(self) -> int:
        """Up to where it has told."""
        return self._messages[-1].revision if self._messages else self._created_revision

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with closing(self._kv.watch(PREFIX.encode(), end=END.encode())) as batches:
                async for batch in batches:
                    if self.began.is_set():
                        self._messages.append(speech.told(batch, self._record.now_ms()))
                    else:
                        self._created_revision = batch.revision
                        self.began.set()
        finally:
            await self._kv.close()
