"""Clients of flaredb: they put, read, delete, compare and count, each at a store it draws, and write down what came.

What is asked and told is written as a history of etcd's words, so that the same checks judge it. A call goes to one
store; what that store has other stores do is judged by its own answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from sim.flaredb.clients import COUNTERS, KEYS
from tests.robustness.bed import Bed, Member
from tests.robustness.clients import CONNECT_S, OWN_CHOICE, REFUSED_S, Record
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import (
    CancelledError,
    FailedPreconditionError,
    Fault,
    OutOfRangeError,
    ResourceExhaustedError,
    UnavailableError,
)
from ultracloud.servicekit.channels import NotSentError, PeerChannel
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.streams import closing
from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Call,
    Compare,
    Delete,
    Get,
    Got,
    Kv,
    Lost,
    Put,
    Refused,
    Result,
    Txn,
    TxnDone,
)

NAMESPACE = "robust"
FIRST, AFTER = "k", "l"
"""The keys that clients read; counters and what only fills regions are elsewhere."""
TIMEOUT_S = 4.0
"""A call that takes longer is lost: a store tries for the caller until then."""
NOTHING_DONE = frozenset({"NOT_LEADER", "NO_QUORUM", "OVERLOADED", "STOPPING", "NO_REGION", "NO_LEADER"})
"""Reasons of UNAVAILABLE that say so."""


@dataclass(slots=True)
class Channels:
    """A connection to each store."""

    connect: Callable[[Member], PeerChannel]
    open: dict[str, PeerChannel] = field(default_factory=dict)

    def to(self, member: Member) -> PeerChannel:
        """The connection to a store."""
        return self.open.setdefault(member.target, self.connect(member))

    async def close(self) -> None:
        """End all."""
        for channel in self.open.values():
            await channel.close()


async def ask(record: Record, channel: PeerChannel, client: str, member: Member, op: Get | Txn) -> Call:
    """Ask a store, and write down what comes of it."""
    number, life, invoked_ms = next(record.numbers), member.life_name, record.now_ms()
    result: Result
    try:
        result = await _answer(KvClient(channel), op)
    except Fault as fault:
        result = _refusal(fault)
    except asyncio.CancelledError:
        record.calls.append(Call(number, client, life, op, invoked_ms, None, Lost("the client ended")))
        raise
    returned_ms = None if isinstance(result, Lost) else record.now_ms()
    call = Call(number, client, f"{life}#{number}", op, invoked_ms, returned_ms, result)
    record.calls.append(call)
    if returned_ms is not None and isinstance(result, TxnDone) and result.succeeded:
        record.accepted_ms.append(returned_ms)
    return call


class Client:
    """One that asks all the time."""

    def __init__(self, number: int, record: Record, random: Random, bed: Bed, identity: TlsIdentity) -> None:
        self._number = number
        self._name = f"c{number}"
        self._record = record
        self._random = random
        self._bed = bed
        self._channels = Channels(lambda member: bed.connect(member, identity))
        self._seen: dict[str, int] = {}
        self._count = 0

    async def run(self, pause_s: float) -> None:
        """Ask until it is quiet."""
        try:
            while not self._record.is_quiet.is_set():
                member = self._choose()
                if not await self._channels.to(member).is_connected(CONNECT_S):
                    continue
                call = await ask(self._record, self._channels.to(member), self._name, member, self._draw())
                if isinstance(call.result, Got):
                    self._seen.update({kv.key: kv.mod for kv in call.result.kvs})
                if isinstance(call.result, Refused):
                    await asyncio.sleep(REFUSED_S)
                await asyncio.sleep(pause_s * 2 * self._random.random())
        finally:
            await self._channels.close()

    def _choose(self) -> Member:
        members = self._bed.members
        if self._random.random() < OWN_CHOICE:
            return members[self._number % len(members)]
        return self._random.choice(members)

    def _draw(self) -> Get | Txn:
        """What to ask next."""
        key, other = self._random.sample(KEYS, 2)
        seen = self._seen.get(key, 0)
        condition = Compare(key, "mod", "=", seen) if seen else Compare(key, "version", "=", 0)
        choices: list[Get | Txn] = [
            Get(key),
            Get(key),
            Get(FIRST, AFTER),
            Txn((), (self._put(key),), ()),
            Txn((), (self._put(key),), ()),
            Txn((), (Delete(key),), ()),
            Txn((condition,), (self._put(key),), ()),
            Txn((condition,), (self._put(key),), ()),
            Txn((), (self._put(key), self._put(other)), ()),
            Txn((), (self._put(self._random.choice(COUNTERS)),), ()),
        ]
        return self._random.choice(choices)

    def _put(self, key: str) -> Put:
        self._count += 1
        return Put(key, f"{self._name}.{self._count}")


class Watcher:
    """One that watches all the time, at one store after the other.

    Attributes:
        position: Up to where it was told everything; set before it runs.
        told: Every change: version, key and value.
    """

    def __init__(self, bed: Bed, identity: TlsIdentity, random: Random) -> None:
        self.position = 0
        self.told: list[tuple[int, str, str | None]] = []
        self._bed = bed
        self._identity = identity
        self._random = random

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            channel = self._bed.connect(self._random.choice(self._bed.members), self._identity)
            try:
                await self._watch(KvClient(channel))
            except (UnavailableError, CancelledError):
                await asyncio.sleep(REFUSED_S)
            finally:
                await channel.close()

    async def _watch(self, kv: KvClient) -> None:
        request = pb.WatchRequest(
            namespace=NAMESPACE, start=FIRST.encode(), end=AFTER.encode(), from_version=self.position
        )
        async with closing(kv.watch(request)) as answers:
            async for answer in answers:
                for change in answer.changes:
                    if (key := change.key.decode()) in KEYS:
                        value = change.value.decode() if change.HasField("value") else None
                        self.told.append((change.version, key, value))
                self.position = answer.version


def check_watch(told: list[tuple[int, str, str | None]], begin: int, position: int, calls: Iterable[Call]) -> None:
    """Everything that was acknowledged after `begin` was told, once and in order, and nothing else.

    Raises:
        BrokenPromiseError: It was not.
    """
    versions = [version for version, _, _ in told]
    if versions != sorted(versions):
        raise BrokenPromiseError("a watch told changes out of order")
    changes = {(version, key): value for version, key, value in told}
    if len(changes) < len(told):
        raise BrokenPromiseError("a watch told a change twice")
    asked = {put.value for call in calls if isinstance(call.op, Txn) for put in call.op.success if isinstance(put, Put)}
    unknown = {value for value in changes.values() if value is not None} - asked
    if unknown:
        raise BrokenPromiseError(f"a watch told values that nobody put: {sorted(unknown)[:3]}")
    for call in calls:
        if not (isinstance(call.op, Txn) and isinstance(call.result, TxnDone) and call.result.succeeded):
            continue
        for put in call.op.success:
            if not isinstance(put, Put) or put.key not in KEYS or not begin < call.result.revision <= position:
                continue
            if changes.get((call.result.revision, put.key)) != put.value:
                raise BrokenPromiseError(f"a watch has not told what was acknowledged: {call}")


async def _answer(kv: KvClient, op: Get | Txn) -> Result:
    if isinstance(op, Txn):
        return await _txn(kv, op)
    if op.end:
        many = await kv.batch_get(pb.BatchGetRequest(namespace=NAMESPACE, keys=map(str.encode, KEYS)), TIMEOUT_S)
        return Got(many.read_version, tuple(map(_kv, many.kvs)), len(many.kvs))
    one = await kv.get(pb.GetRequest(namespace=NAMESPACE, key=op.key.encode()), TIMEOUT_S)
    found = (_kv(one.kv),) if one.HasField("kv") else ()
    return Got(one.read_version, found, len(found))


async def _txn(kv: KvClient, op: Txn) -> TxnDone:
    comparisons = [pb.Comparison(key=each.key.encode(), expected_version=int(each.operand)) for each in op.compare]
    writes = []
    for step in op.success:
        assert isinstance(step, Put | Delete), step
        key = step.key.encode()
        if isinstance(step, Delete):
            writes.append(pb.Write(key=key))
        elif step.key in COUNTERS:
            writes.append(pb.Write(key=key, increment=1))
        else:
            writes.append(pb.Write(key=key, value=step.value.encode()))
    answer = await kv.txn(pb.TxnRequest(namespace=NAMESPACE, comparisons=comparisons, writes=writes), TIMEOUT_S)
    done = op.success if answer.succeeded else op.failure
    return TxnDone(answer.version, answer.succeeded, tuple(Lost() for _ in done))  # type: ignore[misc]  # not told


def _kv(kv: pb.KeyValue) -> Kv:
    return Kv(kv.key.decode(), kv.value.decode(), 0, kv.version, 1)


def _refusal(fault: Fault) -> Result:
    """Either it did not happen and never will, or nobody knows."""
    is_refused = isinstance(fault, NotSentError | FailedPreconditionError | ResourceExhaustedError | OutOfRangeError)
    if is_refused or (isinstance(fault, UnavailableError) and fault.reason in NOTHING_DONE):
        return Refused(fault.public)
    return Lost(fault.public)
