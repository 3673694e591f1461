"""One round of flaredb's stores: a fresh cluster of several regions, clients, faults, peace, and the verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sim.flaredb.clients import COUNTERS, KEYS
from sim.flaredb.judge import check_counters, check_versions
from tests.robustness.bed import Bed, BedError, Member, bed
from tests.robustness.clients import Record
from tests.robustness.rounds import QUIET_S, RECOVERY_S, START_S, Plan
from tests.robustness.servers import CLIENT_PORT, MEETING_ADDRESS, Stores
from tests.robustness.store_clients import AFTER, FIRST, NAMESPACE, Channels, Client, Watcher, ask, check_watch
from tests.robustness.store_faults import (
    NEEDS_FIVE_REPLICAS,
    NEEDS_SPARE,
    NEEDS_WHOLE,
    STARTS_MOST,
    STORE_FAULTS,
    StoreScene,
)
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.servicekit import coordination, pki
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.testkit.checks import UndecidedError, check_keys, jsonl
from ultracloud.testkit.checks.history import Call, Get, Got, History, Lost, Put, Txn, TxnDone
from ultracloud.testkit.processes import serve

FILLING_BYTES, FILLINGS = 16_384, 40
"""Beside each key, so that keys are in different regions of 1 MiB."""
REGIONS_MIN = 3
UNDECIDED_MAX = 2
"""Keys of eight for which so many calls may be in doubt that no order is found: their versions are checked anyway."""
CATCH_UP_S = 40.0
"""From the last fault until all stores answer and watches have everything."""


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What a round came to.

    Attributes:
        summary: In figures, for people.
        recoveries_ms: Of each fault, how long after its end the next write was accepted.
        failovers_ms: Of each killing of a leader, how long after it.
    """

    summary: str
    recoveries_ms: tuple[tuple[str, float], ...]
    failovers_ms: tuple[float, ...]


async def play_stores(plan: Plan, folder: Path) -> StoreOutcome:
    """Play a round in an empty folder, which keeps the history and the stores' logs. Raises as `rounds.play`."""
    with bed(plan.server, folder, plan.members, beside=_chainfire) as made:
        game = _Round(plan, made, folder)
        try:
            await game.run()
        finally:
            game.save()
        return game.judge()


def _chainfire(made: Bed) -> AbstractContextManager[object]:
    """chainfire on the clients' host, where stores meet."""
    assert made.material is not None
    identity = made.material.service("chainfire")
    path = made.folder / "chainfire.toml"
    path.write_text(
        f"state_dir = '{made.folder / 'chainfire'}'\n[listen]\naddress = '{MEETING_ADDRESS}:{CLIENT_PORT}'\n"
        f"{made.material.toml(identity)}"
    )
    return serve("chainfire", path)


class _Round:
    """A round as it goes."""

    def __init__(self, plan: Plan, made: Bed, folder: Path) -> None:
        assert made.material is not None
        self._plan = plan
        self._bed = made
        self._folder = folder
        self._identity = made.material.service(NAMESPACE)
        self._random = Random(plan.seed)  # noqa: S311 - a round repeats its faults
        self._record = Record()
        replicas = plan.server.replicas if isinstance(plan.server, Stores) else 0
        chance = Random(plan.seed + 1)  # noqa: S311 - as above
        self._scene = StoreScene(made, chance, self._record.now_ms, _no_write, replicas=replicas)
        self._channels = Channels(lambda member: made.connect(member, self._identity))
        self._watchers = [Watcher(made, self._identity, Random(plan.seed + n)) for n in (2, 3)]  # noqa: S311 - as above
        self._recoveries: list[tuple[str, float]] = []
        self._last: dict[str, int] = {}
        self._begin = 0

    async def run(self) -> None:
        """Everything but the verdict."""
        self._scene.coordination = _coordination(self._bed)
        await self._wait_serving()
        await self._fill()
        self._begin = await self._read_all(self._bed.members[0])
        for watcher in self._watchers:
            watcher.position = self._begin
        watching = [asyncio.create_task(watcher.run()) for watcher in self._watchers]
        asking = [asyncio.create_task(self._client(number)) for number in range(self._plan.clients)]
        try:
            await self._strike(asking)
            await self._make_peace(asking, watching)
        finally:
            for task in (*asking, *watching):
                task.cancel()
            await asyncio.gather(*asking, *watching, return_exceptions=True)
            await self._channels.close()
            await self._scene.coordination.close()

    def save(self) -> None:
        """Write the history and what was done to the folder."""
        (self._folder / "history.jsonl").write_text(jsonl.dump(self._history()))
        lines = (f"{at_ms:10.1f} {text}\n" for at_ms, text in self._scene.notes)
        (self._folder / "notes.txt").write_text("".join(lines))

    def judge(self) -> StoreOutcome:
        """The verdict."""
        history = self._history()
        undecided = [key for key in KEYS if not _is_decided(history, key)]
        if len(undecided) > UNDECIDED_MAX:
            raise UndecidedError(f"too much is in doubt to judge {', '.join(undecided)}")
        check_versions(history)
        check_counters(history, self._last)
        for watcher in self._watchers:
            check_watch(watcher.told, self._begin, watcher.position, history.calls)
        done = sum(isinstance(call.result, TxnDone) for call in history.calls)
        lost = sum(isinstance(call.result, Lost) for call in history.calls)
        told = sum(len(watcher.told) for watcher in self._watchers)
        summary = f"{len(history.calls)} calls, {done} transactions, {lost} in doubt, {told} changes watched"
        summary += f"; no order was searched to its end for {', '.join(undecided)}" if undecided else ""
        return StoreOutcome(summary, tuple(self._recoveries), tuple(self._failovers()))

    def _history(self) -> History:
        return History(tuple(sorted(self._record.calls, key=lambda call: call.number)), ())

    def _failovers(self) -> Iterator[float]:
        accepted = sorted(self._record.accepted_ms)
        for killed_ms in self._scene.leaders_killed_ms:
            after = [each for each in accepted if each > killed_ms]
            if after:
                yield after[0] - killed_ms

    async def _client(self, number: int) -> None:
        random = Random(self._random.random())  # noqa: S311 - as above
        await Client(number, self._record, random, self._bed, self._identity).run(self._plan.pause_s)

    async def _wait_serving(self) -> None:
        """Wait until every region has its replicas, and each store answers."""
        await self._scene.wait_whole()
        for member in self._bed.members:
            await self._read_all(member)

    async def _fill(self) -> None:
        """Write so much between the keys that they come to be in several regions."""
        kv = KvClient(self._channels.to(self._bed.members[0]))
        for key in KEYS:
            for number in range(FILLINGS):
                filling = f"{key}/{number:03}".encode()
                request = pb.PutRequest(namespace=NAMESPACE, key=b"%b" % filling, value=bytes(FILLING_BYTES))
                await kv.put(request, START_S)
        ends_at = time.monotonic() + START_S
        while len(await self._scene.regions()) < REGIONS_MIN:
            if time.monotonic() > ends_at:
                raise BedError("no region was cut")
            await asyncio.sleep(0.2)

    async def _strike(self, asking: Sequence[asyncio.Task[None]]) -> None:
        """One fault after the other; after each, writes must be accepted again."""
        await asyncio.sleep(self._random.uniform(*QUIET_S))
        for name in self._plan.faults:
            if name in NEEDS_FIVE_REPLICAS and self._scene.replicas < 5:
                continue
            if name in NEEDS_SPARE and self._scene.replicas >= self._plan.members:
                continue
            if name in NEEDS_WHOLE:
                await self._scene.wait_whole()
            await STORE_FAULTS[name](self._scene)
            await self._wait_accepted(name)
            for task in asking:
                if task.done():
                    task.result()
            await asyncio.sleep(self._random.uniform(*QUIET_S))

    async def _wait_accepted(self, name: str) -> None:
        """Wait for the next write that is accepted."""
        mended_ms, had = self._record.now_ms(), len(self._record.accepted_ms)
        within_s = START_S if name in STARTS_MOST else RECOVERY_S
        ends_at = time.monotonic() + within_s
        while len(self._record.accepted_ms) == had:
            if time.monotonic() > ends_at:
                raise BedError(f"no write was accepted for {within_s:g} s after {name} was over{self._tails()}")
            await asyncio.sleep(0.01)
        self._recoveries.append((name, self._record.accepted_ms[had] - mended_ms))

    async def _make_peace(self, asking: Sequence[asyncio.Task[None]], watching: Sequence[asyncio.Task[None]]) -> None:
        """Let clients end and regions become whole; then read everything at every store, and let watches catch up."""
        self._record.is_quiet.set()
        await asyncio.gather(*asking)
        await self._scene.wait_whole()
        last = 0
        for member in self._bed.members:
            last = max(last, await self._read_all(member))
        await self._count()
        written = max(map(_written, self._record.calls))
        ends_at = time.monotonic() + CATCH_UP_S
        while any(watcher.position < written for watcher in self._watchers):
            for task in watching:
                if task.done():
                    task.result()
            if time.monotonic() > ends_at:
                raise BedError(f"watches are at {[one.position for one in self._watchers]}, {written} is written")
            await asyncio.sleep(0.05)

    async def _read_all(self, member: Member) -> int:
        """Read everything at a store; gives the version."""
        ends_at = time.monotonic() + CATCH_UP_S
        while True:
            call = await ask(self._record, self._channels.to(member), "end", member, Get(FIRST, AFTER))
            if isinstance(call.result, Got):
                return call.result.revision
            if time.monotonic() > ends_at:
                raise BedError(f"{member.name} answers no read in the end: {call.result}\n{member.tail()}")
            await asyncio.sleep(0.3)

    async def _count(self) -> None:
        """Read where the counters stand."""
        kv = KvClient(self._channels.to(self._bed.members[0]))
        for key in COUNTERS:
            answer = await kv.get(pb.GetRequest(namespace=NAMESPACE, key=key.encode()), START_S)
            self._last[key] = int(answer.kv.value or b"0")

    def _tails(self) -> str:
        return "".join(f"\n{member.name}:\n{member.tail()}" for member in self._bed.members)


def _coordination(made: Bed) -> coordination.Coordination:
    assert made.material is not None
    identity: TlsIdentity = made.material.operator()
    return coordination.connect(f"{MEETING_ADDRESS}:{CLIENT_PORT}", identity, pki.service_identity("chainfire"))


def _is_decided(history: History, key: str) -> bool:
    """Whether an order of a key's calls was found; raises BrokenPromiseError if there is none."""
    try:
        check_keys(history, [key])
    except UndecidedError:
        return False
    return True


def _written(call: Call) -> int:
    """The version at which a call has put something that is watched; 0 if it has not."""
    if not isinstance(call.op, Txn) or not isinstance(call.result, TxnDone) or not call.result.succeeded:
        return 0
    is_watched = any(isinstance(step, Put) and step.key in KEYS for step in call.op.success)
    return call.result.revision if is_watched else 0


async def _no_write(_member: Member) -> bool:
    """Nobody fills disks here."""
    return False
