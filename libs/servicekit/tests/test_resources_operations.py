"""Operations: how they go, who waits for them, who ends them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_store import flaredb_store

from ultracloud.api.operations.v1 import operations_pb2 as ops
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError, PermissionDeniedError
from ultracloud.servicekit.resources import Context, Resources
from ultracloud.servicekit.resources.operations import Operations, OperationsServer, operation_kind
from ultracloud.servicekit.resources.places import Place
from ultracloud.servicekit.resources.progress import ENDED, Cancelled, Failed, Moved, News, Succeeded, step
from ultracloud.servicekit.resources.records import milliseconds
from ultracloud.servicekit.resources.tidying import tidy_once
from ultracloud.servicekit.store import MemoryStore, Store
from ultracloud.servicekit.testing import (
    BLUE,
    DEVELOPER,
    OPERATOR,
    FakeCall,
    SetClock,
    account_principal,
    nobody_may,
    sample_authority,
)

KIND = operation_kind("plasmavmc")
STATUS = ops.OperationStatus
DEV = account_principal(DEVELOPER)
TARGET = f"organisations/{BLUE.organisation}/projects/{BLUE.id}/vms/vm-1"
NEWS: st.SearchStrategy[News] = st.one_of(
    st.builds(Moved, st.integers(-5, 120), st.text(max_size=3)),
    st.builds(Succeeded),
    st.builds(Failed, st.just("NoHost"), st.text(max_size=3)),
    st.builds(Cancelled),
)


@given(st.lists(NEWS, max_size=12))
def test_an_operation_only_moves_towards_its_end_and_ends_once(news: list[News]) -> None:
    status = STATUS(state=STATUS.PENDING)
    for now_ms, one in enumerate(news, 1):
        before, status = status, step(status, one, now_ms)
        assert status.state >= before.state
        assert before.progress_percent <= status.progress_percent <= 100
        if before.state in ENDED:
            assert status == before
        assert status.HasField("ended_at") == (status.state in ENDED)
    if news:
        assert milliseconds(status.started_at) == 1


class World:
    """A service that begins operations in project blue."""

    def __init__(self, store: Store) -> None:
        self.clock = SetClock()
        self.authority = sample_authority()
        self.resources = Resources(store, self.authority, self.clock, [KIND])
        self.server = OperationsServer(self.resources, KIND)
        self.operations = Operations(self.resources, KIND)

    def context(self) -> Context:
        place = Place(BLUE.id, BLUE.organisation, f"organisations/{BLUE.organisation}/projects/{BLUE.id}", "blue")
        return Context(self.resources, OPERATOR, place, self.clock)

    async def begin(self, key: str = "") -> ops.Operation:
        return (await self.operations.begin(self.context(), "migrate", TARGET, key)).message

    async def wait(self, ref: str, timeout_ms: int = 5000) -> ops.Operation:
        request = ops.WaitOperationRequest(project="blue", ref=ref, timeout_ms=timeout_ms)
        return await self.server.wait(request, FakeCall(principal=DEV))

    async def cancel(self, ref: str) -> ops.Operation:
        return await self.server.cancel(ops.CancelOperationRequest(project="blue", ref=ref), call())


def call() -> FakeCall:
    return FakeCall(principal=OPERATOR)


async def waits_until_it_ends(store: Store) -> None:
    world = World(store)
    begun = await world.begin()
    assert begun.status.state == STATUS.PENDING
    waiting = asyncio.create_task(world.wait(begun.metadata.id))
    await world.operations.report(begun.metadata.id, Moved(40, "copying memory"))
    assert not waiting.done()
    await world.operations.report(begun.metadata.id, Failed("NoHost", "no host has room"))
    ended = await waiting
    assert (ended.status.state, ended.status.error_reason) == (STATUS.FAILED, "NoHost")
    assert (ended.status.progress_percent, ended.status.error_message) == (40, "no host has room")
    assert await world.wait(begun.metadata.name) == ended


def test_a_wait_ends_with_the_operation() -> None:
    asyncio.run(waits_until_it_ends(MemoryStore()))


def test_the_same_in_flaredb(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with flaredb_store(tmp_path) as store:
            await waits_until_it_ends(store)

    asyncio.run(scenario())


def test_a_wait_ends_with_the_right_to_it() -> None:
    async def scenario() -> None:
        world = World(MemoryStore())
        begun = await world.begin()
        waiting = asyncio.create_task(world.wait(begun.metadata.id, 60_000))
        await asyncio.sleep(0)
        world.authority.replace(nobody_may())
        with pytest.raises(PermissionDeniedError):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())


def test_a_wait_that_is_over_answers_with_what_is() -> None:
    async def scenario() -> None:
        world = World(MemoryStore())
        begun = await world.begin()
        assert (await world.wait(begun.metadata.id, 0)).status.state == STATUS.PENDING
        with pytest.raises(InvalidArgumentError, match="timeout_ms is 60001; accepted: 0 to 60000"):
            await world.wait(begun.metadata.id, 60_001)

    asyncio.run(scenario())


def test_a_cancel_is_a_wish_that_the_one_who_works_answers() -> None:
    async def scenario() -> None:
        world = World(MemoryStore())
        begun = await world.begin()
        asked = await world.cancel(begun.metadata.id)
        assert (asked.spec.cancel, asked.metadata.generation) == (True, 2)
        assert await world.cancel(begun.metadata.id) == asked
        request = ops.UpdateOperationRequest(project="blue", ref=begun.metadata.id, update_mask=["cancel"])
        with pytest.raises(InvalidArgumentError, match="cannot be taken back"):
            await world.server.update(request, call())
        await world.operations.report(begun.metadata.id, Cancelled("stayed where it was"))
        assert (await world.wait(begun.metadata.id)).status.state == STATUS.CANCELLED
        await world.cancel(begun.metadata.id)

    asyncio.run(scenario())


def test_what_has_ended_cannot_be_cancelled_and_what_has_not_cannot_be_deleted() -> None:
    async def scenario() -> None:
        world = World(MemoryStore())
        begun = await world.begin()
        request = pb.DeleteRequest(project="blue", ref=begun.metadata.id)
        with pytest.raises(FailedPreconditionError, match="has not ended; cancel it and wait"):
            await world.server.delete(request, call())
        await world.operations.report(begun.metadata.id, Succeeded())
        with pytest.raises(FailedPreconditionError, match="has ended: SUCCEEDED"):
            await world.cancel(begun.metadata.id)
        await world.server.delete(request, call())
        with pytest.raises(NotFoundError):
            await world.wait(begun.metadata.id)

    asyncio.run(scenario())


def test_only_a_service_begins_one_and_the_same_request_begins_one() -> None:
    async def scenario() -> None:
        world = World(MemoryStore())
        request = ops.CreateOperationRequest(project="blue", name="mine", spec=ops.OperationSpec(verb="migrate"))
        with pytest.raises(FailedPreconditionError, match="an operation begins with what it is about"):
            await world.server.create(request, call())
        assert await world.begin("key") == await world.begin("key")
        with pytest.raises(PermissionDeniedError, match=r"plasmavmc\.operations\.cancel"):
            await world.server.cancel(ops.CancelOperationRequest(project="blue", ref="x"), FakeCall(principal=DEV))

    asyncio.run(scenario())


def test_those_that_run_are_found_by_state_and_target_and_old_ones_are_forgotten() -> None:
    async def scenario() -> None:
        world = World(MemoryStore())
        first, second = await world.begin(), await world.begin()
        await world.operations.report(first.metadata.id, Moved(1))
        request = pb.ListRequest(project="blue", filter=f"spec.target={TARGET},status.state in (PENDING,RUNNING)")
        page = await world.server.list(request, call())
        assert isinstance(page, ops.ListOperationsResponse)
        assert {one.metadata.id for one in page.items} == {first.metadata.id, second.metadata.id}
        await world.operations.report(first.metadata.id, Succeeded())
        world.clock.time_ms += 8 * 24 * 3600 * 1000
        await tidy_once(world.resources)
        assert [one.metadata.id for one in await world.resources.all(KIND)] == [second.metadata.id]

    asyncio.run(scenario())
