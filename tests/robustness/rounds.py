"""One round: a fresh cluster, clients, faults drawn from a seed one after the other, peace, and the verdict."""

from __future__ import annotations

import asyncio
import bisect
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.robustness import verdict
from tests.robustness.bed import Bed, BedError, Member, bed
from tests.robustness.clients import END, PREFIX, TIMEOUT_S, Channels, Client, Record, Watcher, ask
from tests.robustness.faults import FAULTS, NEEDS_ALL, STARTS_MOST, Scene, care_of, names, possible, statuses
from tests.robustness.servers import Server
from ultracloud.base.faults import Fault
from ultracloud.testkit.checks import jsonl
from ultracloud.testkit.checks.history import BrokenPromiseError, Call, Get, Got, History, Put, Wrote

START_S = 40.0
"""Until a fresh cluster writes; two cores shared by many tests make it that long."""
RECOVERY_S = 15.0
"""From the end of a fault to the next accepted write: elections take one, a busy machine several."""
CATCH_UP_S = 30.0
"""From the last fault until all members and watches have everything."""
WRITE_LARGE_BYTES = 200_000
LARGE_KEY = "large"
"""Not among those that clients read all the time."""
COMPACT_EVERY_S, COMPACT_KEEPS = 1.5, 100
QUIET_S = (0.4, 1.2)
"""Between two faults."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a round is.

    Attributes:
        faults: What strikes, in this order; `draw` makes one from a seed.
        pause_s: What each client waits between two calls, on average.
        reads_stale: Ask for stale reads and take them for new ones: proof that the verdict notices.
    """

    server: Server
    seed: int
    faults: tuple[str, ...]
    members: int = 3
    clients: int = 6
    watchers: int = 2
    pause_s: float = 0.02
    is_small: bool = False
    reads_stale: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round came to.

    Attributes:
        recoveries_ms: Of each fault, how long after its end the next write was accepted.
        failovers_ms: Of each killing of a leader, how long after it.
    """

    summary: verdict.Summary
    recoveries_ms: tuple[tuple[str, float], ...]
    failovers_ms: tuple[float, ...]


def draw(seed: int, count: int, only: Sequence[str] = ()) -> tuple[str, ...]:
    """Faults of a seed, of some or of all."""
    random = Random(seed)  # noqa: S311 - a round repeats its faults
    choices = only or tuple(FAULTS)
    return tuple(random.choice(choices) for _ in range(count))


async def play(plan: Plan, folder: Path) -> Outcome:
    """Play a round in an empty folder, which keeps the history and the members' logs.

    Raises:
        BrokenPromiseError: A promise is broken.
        BedError: It did not come back, or the bed itself failed.
    """
    with bed(plan.server, folder, plan.members, is_small=plan.is_small) as made:
        game = _Round(plan, made, folder)
        try:
            await game.run()
        finally:
            game.save()
        return game.judge()


class _Round:
    """A round as it goes."""

    def __init__(self, plan: Plan, made: Bed, folder: Path) -> None:
        self._plan = plan
        self._bed = made
        self._folder = folder
        self._random = Random(plan.seed)  # noqa: S311 - a round repeats its faults
        self._record = Record()
        self._scene = Scene(made, Random(plan.seed + 1), self._record.now_ms, self._write_large)  # noqa: S311 - as above
        self._channels = Channels(made.connect)
        self._watchers: list[Watcher] = []
        self._watching: list[asyncio.Task[None]] = []
        self._recoveries: list[tuple[str, float]] = []
        self._quiet_from_ms = 0.0

    async def run(self) -> None:
        """Everything but the verdict."""
        await self._wait_serving()
        self._watchers = [
            Watcher(f"w{n}", n + 1, self._record, self._bed.lasting_client()) for n in range(self._plan.watchers)
        ]
        self._watching = [asyncio.create_task(watcher.run()) for watcher in self._watchers]
        async with asyncio.timeout(START_S):
            await asyncio.gather(*(watcher.began.wait() for watcher in self._watchers))
        asking = [asyncio.create_task(self._client(number)) for number in range(self._plan.clients)]
        compacting = asyncio.create_task(self._compact())
        try:
            await self._strike(asking)
            await self._make_peace(asking)
        finally:
            for task in (*asking, *self._watching, compacting):
                task.cancel()
            await asyncio.gather(*asking, *self._watching, compacting, return_exceptions=True)
            await self._channels.close()

    def save(self) -> None:
        """Write the history and what was done to the folder."""
        (self._folder / "history.jsonl").write_text(jsonl.dump(self._history()))
        lines = (f"{at_ms:10.1f} {text}\n" for at_ms, text in self._scene.notes)
        (self._folder / "notes.txt").write_text("".join(lines))

    def judge(self) -> Outcome:
        """The verdict."""
        history = self._history()
        order = verdict.check(history, self._quiet_from_ms)
        figures = verdict.summary(history, order, sorted(self._record.accepted_ms))
        return Outcome(figures, tuple(self._recoveries), tuple(self._failovers()))

    def _failovers(self) -> Iterator[float]:
        """How long it took from each killing of a leader to the next accepted write."""
        accepted = sorted(self._record.accepted_ms)
        for killed_ms in self._scene.leaders_killed_ms:
            place = bisect.bisect_right(accepted, killed_ms)
            if place < len(accepted):
                yield accepted[place] - killed_ms

    def _history(self) -> History:
        return self._record.history(self._watchers)

    def _client(self, number: int) -> Coroutine[None, None, None]:
        random = Random(self._random.random())  # noqa: S311 - as above
        client = Client(number, self._record, random, self._bed, reads_stale=self._plan.reads_stale)
        return client.run(self._plan.pause_s)

    async def _compact(self) -> None:
        """Forget the past all the time, but what watches may still need."""
        while True:
            await asyncio.sleep(COMPACT_EVERY_S)
            kv = care_of(self._bed)
            revision = min(watcher.revision for watcher in self._watchers) - COMPACT_KEEPS
            with suppress(Fault):
                await kv.compact(revision)
            await kv.close()

    async def _strike(self, asking: Sequence[asyncio.Task[None]]) -> None:
        """One fault after the other; after each, writes must be accepted again."""
        await asyncio.sleep(self._random.uniform(*QUIET_S))
        for name in self._plan.faults:
            if name not in possible(self._bed):
                continue
            if name in NEEDS_ALL:
                await self._wait_together()
            await FAULTS[name](self._scene)
            await self._wait_accepted(name)
            if name in NEEDS_ALL:
                await self._wait_together()
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
                raise BedError(f"no write was accepted for {within_s:g} s after {name} was over: {await self._state()}")
            await asyncio.sleep(0.01)
        self._recoveries.append((name, self._record.accepted_ms[had] - mended_ms))

    async def _make_peace(self, asking: Sequence[asyncio.Task[None]]) -> None:
        """Let clients end, members come together, watches catch up; then read everything at every member."""
        self._quiet_from_ms = self._record.now_ms()
        self._record.is_quiet.set()
        async with asyncio.timeout(TIMEOUT_S * 3):
            await asyncio.gather(*asking)
        await self._wait_together()
        last = 0
        for member in self._bed.members:
            last = max(last, await self._read_all(member))
        await self._wait_told(last)
        await self._wait_same(last)

    async def _read_all(self, member: Member) -> int:
        """Read everything at a member; gives the revision."""
        for _ in range(10):
            call = await self._ask(member, Get(PREFIX, END))
            if isinstance(call.result, Got):
                return call.result.revision
            await asyncio.sleep(0.3)
        raise BedError(f"{member.name} answers no read in the end: {call.result}\n{member.tail()}")

    async def _ask(self, member: Member, op: Get | Put) -> Call:
        return await ask(self._record, self._channels.to(member), "end", member, op)

    async def _write_large(self, member: Member) -> bool:
        value = f"large.{next(self._record.numbers)}~{WRITE_LARGE_BYTES}"
        return isinstance((await self._ask(member, Put(LARGE_KEY, value))).result, Wrote)

    async def _wait_serving(self) -> None:
        """Wait until each member has written something."""
        for member in self._bed.members:
            ends_at = time.monotonic() + START_S
            count = 0
            while True:
                count += 1
                call = await self._ask(member, Put(f"{PREFIX}0", f"start.{member.name}.{count}"))
                if isinstance(call.result, Wrote):
                    break
                if time.monotonic() > ends_at or not member.is_running:
                    raise BedError(f"{member.name} does not serve: {call.result}\n{member.tail()}")
                await asyncio.sleep(0.1)

    async def _wait_together(self) -> None:
        """Wait until all members know the same leader and have done the same."""
        ends_at = time.monotonic() + CATCH_UP_S
        while not await self._is_together():
            if time.monotonic() > ends_at:
                raise BedError(f"members did not come together within {CATCH_UP_S:g} s: {await self._state()}")
            await asyncio.sleep(0.1)

    async def _is_together(self) -> bool:
        """Whether all lead and follow, and whoever lagged when asked has caught up with what was there then."""
        members = self._bed.members
        first = await statuses(self._bed)
        if len(first) < len(members):
            return False
        highest = max(status.revision for status in first.values())
        for _ in range(20):
            now = await statuses(self._bed)
            leaders = {status.leader for status in now.values()}
            is_agreed = len(now) == len(members) and len(leaders) == 1 and 0 not in leaders
            if is_agreed and min(status.revision for status in now.values()) >= highest:
                return True
            await asyncio.sleep(0.1)
        return False

    async def _wait_told(self, revision: int) -> None:
        """Wait until watches have told everything up to a revision."""
        ends_at = time.monotonic() + CATCH_UP_S
        wanted = self._last_change(revision)
        while any(watcher.revision < wanted for watcher in self._watchers):
            for task in self._watching:
                if task.done():
                    task.result()
            if time.monotonic() > ends_at:
                told = {watcher.watch.client: watcher.revision for watcher in self._watchers}
                raise BrokenPromiseError(f"watches have told up to {told}, and {wanted} was written long ago")
            await asyncio.sleep(0.05)

    def _last_change(self, revision: int) -> int:
        """The last revision up to `revision` that the last reading shows to have written a key."""
        final = self._record.calls[-1].result
        assert isinstance(final, Got), "the last call reads everything"
        return max((kv.mod for kv in final.kvs if kv.mod <= revision), default=0)

    async def _wait_same(self, revision: int) -> None:
        """Compare the members' own checksums as of a revision."""
        kv = self._bed.client()
        try:
            sums = {m.name: await kv.admin.checksum(place, revision) for place, m in enumerate(self._bed.members)}
        except Fault as fault:
            raise BedError(f"no checksum: {fault}") from fault
        finally:
            await kv.close()
        if len(set(sums.values())) > 1:
            raise BrokenPromiseError(f"members differ at revision {revision}: {sums}")

    async def _state(self) -> str:
        """What members say, for the report."""
        found = await statuses(self._bed)
        dead = [member for member in self._bed.members if not member.is_running]
        tails = "".join(f"\n{member.name} has ended:\n{member.tail()}" for member in dead)
        return f"{list(found.values())}; not running: {names(dead) or 'none'}{tails}"
