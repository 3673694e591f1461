"""Replicas that are processes, over real stores: killed or stopped, and no work is lost or done twice."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from replica_service import LEASE_S, ROUNDS, VPC
from waiting import until

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.resources import ROOT, Context, NewResource, Resources
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.servicekit.testing import OPERATOR, sample_authority
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, serve, started

SERVICE = Path(__file__).parent / "replica_service.py"
VPCS = 40
DONE_S = 100
"""Until all work is done, on a machine that has other things to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One of a journal."""

    replica: int
    what: str
    vpc: str
    round: int
    at_ns: int


@dataclass(slots=True)
class Stage:
    """The replicas, their journals, and the records they work on."""

    resources: Resources
    replicas: list[Process]
    folder: Path

    async def make(self, names: str, count: int) -> None:
        """New VPCs."""
        context = Context(self.resources, OPERATOR, ROOT, self.resources.clock)
        for number in range(count):
            await self.resources.create(context, NewResource(VPC, f"{names}{number}", net.VpcSpec(), {}))

    async def is_done(self) -> bool:
        """Whether all rounds of all VPCs are done."""
        return all(one.message.status.vni == ROUNDS for one in await self.resources.all(VPC))

    def lines(self) -> list[Line]:
        """What all replicas have written down, in the order of time."""
        found = []
        for replica in range(len(self.replicas)):
            text = (self.folder / f"journal{replica}").read_text()
            # The last line of a killed one may be half.
            for line in text[: text.rfind("\n") + 1].splitlines():
                what, vpc, number, at_ns = line.split()
                found.append(Line(replica, what, vpc, int(number), int(at_ns)))
        return sorted(found, key=lambda line: line.at_ns)

    def is_working(self, replica: int) -> bool:
        """Whether a replica is in the middle of a round."""
        mine = [line for line in self.lines() if line.replica == replica]
        return bool(mine) and mine[-1].what == "begin"


@contextlib.asynccontextmanager
async def stage(folder: Path, replicas: int) -> AsyncGenerator[Stage, None]:
    """Everything runs; it ends with the block."""
    if not all(importlib.util.find_spec(name) for name in ("chainfire", "flaredb")):
        pytest.skip("chainfire or flaredb is not installed here")
    material = TlsMaterial(folder)
    flaredb, chainfire, me = folder / "flaredb.toml", folder / "chainfire.toml", material.service("demo")
    namespaces = f'namespaces = {{demo = ["{pki.service_identity("demo")}"]}}\n'
    flaredb.write_text('state_dir = "flaredb"\n' + namespaces + material.toml(material.service("flaredb")))
    chainfire.write_text('state_dir = "chainfire"\n' + material.toml(material.service("chainfire")))
    with contextlib.ExitStack() as running:
        store = running.enter_context(serve("flaredb", flaredb)).addresses[0]
        elections = running.enter_context(serve("chainfire", chainfire)).addresses[0]
        processes = []
        for number in range(replicas):
            (folder / f"journal{number}").touch()
            command = [sys.executable, str(SERVICE), store, elections, str(me.certificate), str(me.key), str(me.ca)]
            program = started([*command, str(folder / f"journal{number}")], folder / f"log{number}")
            processes.append(running.enter_context(program))
        channel = channels.connect(store, me, pki.service_identity("flaredb"), deadline_s=20)
        resources = Resources(FlaredbStore(channel, "demo"), sample_authority(), SystemClock(), [VPC])
        yield Stage(resources, processes, folder)
        await channel.close()


def overlaps(lines: list[Line], excused: int) -> list[tuple[Line, Line]]:
    """Rounds of one VPC that a replica began while another one had not ended its own; `excused` ends none."""
    under_way: dict[str, Line] = {}
    found = []
    for line in lines:
        other = under_way.get(line.vpc)
        if line.what != "begin":
            if other is not None and other.replica == line.replica:
                del under_way[line.vpc]
            continue
        if other is not None and other.replica not in (line.replica, excused):
            found.append((other, line))
        under_way[line.vpc] = line
    return found


def written_twice(lines: list[Line]) -> list[tuple[str, int]]:
    """Rounds that more than one attempt brought into the store."""
    done = Counter((line.vpc, line.round) for line in lines if line.what == "done")
    return [which for which, times in done.items() if times > 1]


async def keep_busy(play: Stage, are_busy: Callable[[Stage], Awaitable[bool]]) -> None:
    """Make VPCs until all replicas work on some: one may have done all that there was before another had started."""
    ends_at = time.monotonic() + DONE_S
    for number in itertools.count():
        await play.make(f"v{number}-", VPCS)
        try:
            await until(lambda: are_busy(play), 2)
        except TimeoutError:
            assert time.monotonic() < ends_at, "not all replicas got something to do"
        else:
            return


@pytest.mark.timeout(2 * DONE_S)
def test_a_replica_is_killed_and_the_others_do_all_of_its_work_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stage(tmp_path, 3) as play:
            await keep_busy(play, _all_busy)
            play.replicas[0].kill()
            killed_ns = time.monotonic_ns()
            await play.make("w", 5)
            await until(play.is_done, DONE_S)
            lines = play.lines()
        assert overlaps(lines, excused=0) == []
        assert written_twice(lines) == []
        left = {line.vpc for line in lines if line.replica == 0}
        taken_s = [(one.at_ns - killed_ns) / 1e9 for one in lines if one.replica and one.vpc in left]
        assert 0 < min(when for when in taken_s if when > 0) < LEASE_S + 3, (
            "shards move within the lease, or little more"
        )

    asyncio.run(scenario())


async def _all_busy(play: Stage) -> bool:
    return {line.replica for line in play.lines()} == {0, 1, 2} and play.is_working(0)


@pytest.mark.slow
@pytest.mark.timeout(4 * DONE_S)
def test_a_replica_that_stood_still_for_longer_than_its_lease_writes_nothing_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stage(tmp_path, 2) as play:
            await keep_busy(play, _both_busy)
            play.replicas[0].signal(signal.SIGSTOP)
            await until(play.is_done, DONE_S)
            assert all(line.replica == 1 for line in play.lines()[-VPCS:])
            woken_ns = time.monotonic_ns()
            play.replicas[0].signal(signal.SIGCONT)
            for number in range(50):
                await play.make(f"w{number}-", 10)
                await until(play.is_done, DONE_S)
                lines = play.lines()
                if any(line.replica == 0 and line.at_ns > woken_ns and line.what == "done" for line in lines):
                    break
            else:
                pytest.fail("it did not take part again")
        assert overlaps(lines, excused=0) == []
        assert written_twice(lines) == []

    asyncio.run(scenario())


async def _both_busy(play: Stage) -> bool:
    return {line.replica for line in play.lines()} == {0, 1} and play.is_working(0)
