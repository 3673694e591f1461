"""The README's second service: work that takes long, on the way, cancelled, deleted, and begun by one that died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import example_work
from example_work import OPERATION, VPC, Unwire, Wire, Wiring, work_on
from waiting import until

from ultracloud.api.operations.v1 import operations_pb2 as ops
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.readiness import Readiness
from ultracloud.servicekit.resources import KindServer, Reconciler, Resources
from ultracloud.servicekit.resources.conditions import find
from ultracloud.servicekit.resources.operations import OperationsServer
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import OPERATOR, FakeCall, sample_authority

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_shows_this_service() -> None:
    assert f"```python\n{Path(example_work.__file__).read_text()}```" in README.read_text()


class Held(Wiring):
    """Acts as often as it is let."""

    def __init__(self, resources: Resources, times: int) -> None:
        super().__init__(resources)
        self.let = asyncio.Semaphore(times)

    async def act(self, action: Wire | Unwire) -> None:
        await self.let.acquire()
        await super().act(action)


class Notes:
    """The service, and who uses it."""

    def __init__(self) -> None:
        self.resources = Resources(MemoryStore(), sample_authority(), SystemClock(), [VPC, OPERATION])
        self.vpcs = KindServer(self.resources, VPC)
        self.operations = OperationsServer(self.resources, OPERATION)

    @asynccontextmanager
    async def running(self, times: int = 1000) -> AsyncIterator[Held]:
        planner = Held(self.resources, times)
        reconciler = Reconciler(self.resources, [VPC, OPERATION], planner, affected=work_on)
        task = asyncio.create_task(reconciler.run(Readiness().gate("all")))
        yield planner
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def vpc(self) -> str:
        request = net.CreateVpcRequest(project="blue", name="web", spec=net.VpcSpec(cidr="10.0.0.0/16"))
        return (await self.vpcs.create(request, call())).metadata.id

    async def operation(self, vpc: str, percent: int = 0) -> ops.Operation:
        """The operation of a VPC, once it is so far."""

        async def found() -> ops.Operation | None:
            page = await self.operations.list(pb.ListRequest(project="blue", filter=f"spec.target={vpc}"), call())
            assert isinstance(page, ops.ListOperationsResponse)
            return next((one for one in page.items if one.status.progress_percent >= percent), None)

        await until(found)
        operation = await found()
        assert operation is not None
        return operation

    async def ended(self, vpc: str) -> tuple[str, int, str]:
        """How it ended: state, percent, and the reason that the VPC is as it is."""
        wait = ops.WaitOperationRequest(project="blue", ref=(await self.operation(vpc)).metadata.id, timeout_ms=5000)
        status = (await self.operations.wait(wait, call())).status
        stored = await self.resources.read(VPC, vpc)
        ready = find(stored.message, "Ready") if stored else None
        return ops.OperationStatus.State.Name(status.state), status.progress_percent, ready.reason if ready else ""


def call() -> FakeCall:
    return FakeCall(principal=OPERATOR)


def play(story: Callable[[Notes], Coroutine[Any, Any, None]]) -> None:
    async def tell() -> None:
        await asyncio.wait_for(story(Notes()), 20)

    asyncio.run(tell())


async def is_gone(notes: Notes, vpc: str) -> bool:
    return await notes.resources.read(VPC, vpc) is None


def test_it_ends_however_often_its_service_dies_on_the_way() -> None:
    async def story(notes: Notes) -> None:
        vpc = await notes.vpc()
        for percent in (0, 25, 50):
            async with notes.running(times=1):
                await notes.operation(vpc, percent)
        async with notes.running():
            assert await notes.ended(vpc) == ("SUCCEEDED", 100, "Wired")

    play(story)


def test_who_cancels_it_is_heard_and_it_is_not_begun_again() -> None:
    async def story(notes: Notes) -> None:
        vpc = await notes.vpc()
        async with notes.running(times=2) as planner:
            begun = await notes.operation(vpc, 25)
            request = ops.CancelOperationRequest(project="blue", ref=begun.metadata.id)
            assert (await notes.operations.cancel(request, call())).spec.cancel
            for _ in range(10):
                planner.let.release()
            state, percent, reason = await notes.ended(vpc)
            assert (state, percent < 100, reason) == ("CANCELLED", True, "Cancelled")
        assert len(await notes.resources.all(OPERATION)) == 1

    play(story)


def test_who_deletes_what_is_worked_on_ends_the_work_first() -> None:
    async def story(notes: Notes) -> None:
        vpc = await notes.vpc()
        async with notes.running(times=2) as planner:
            await notes.operation(vpc, 25)
            await notes.vpcs.delete(pb.DeleteRequest(project="blue", ref="web"), call())
            assert not await is_gone(notes, vpc)
            for _ in range(10):
                planner.let.release()
            assert (await notes.ended(vpc))[0] == "CANCELLED"
            await until(lambda: is_gone(notes, vpc))

    play(story)
