"""Quotas: what a change costs is counted with it, never too far, given back, and provable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VMS
from ultracloud.api.quota.v1 import quota_pb2
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.faults import PermissionDeniedError, ResourceExhaustedError, UnavailableError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.resources import Kind, KindServer, QuotaServer, Resources, SetLimits, layout
from ultracloud.servicekit.resources.quota import PARTS
from ultracloud.servicekit.store import Committed, Conflict, MemoryStore, Store
from ultracloud.servicekit.store.interface import delete
from ultracloud.servicekit.testing import (
    BLUE,
    DEVELOPER,
    OPERATOR,
    STRANGER,
    FakeCall,
    account_principal,
    sample_authority,
)

DEV = account_principal(DEVELOPER)


def costs(vm: pb.Vm) -> Mapping[str, int]:
    return {"vms": 1, "vcpus": vm.spec.vcpus}


def kind(**named: Any) -> Kind[pb.Vm]:
    return Kind(name="Vm", prefix="vm", service=VMS, message=pb.Vm, **{"costs": costs, **named})


VM = kind()


@dataclass
class Cloud:
    """One process of a service over a store that others may share."""

    store: Store = field(default_factory=MemoryStore)
    limits: SetLimits = field(default_factory=SetLimits)
    vm: Kind[pb.Vm] = VM

    def __post_init__(self) -> None:
        self.resources = Resources(self.store, sample_authority(), SystemClock(), [self.vm], self.limits)
        self.vms = KindServer(self.resources, self.vm)
        self.quotas = QuotaServer(self.resources, "plasmavmc")

    async def make(self, name: str, vcpus: int = 2, key: str = "") -> pb.Vm:
        spec = pb.VmSpec(vcpus=vcpus)
        request = pb.CreateVmRequest(project="blue", name=name, spec=spec, idempotency_key=key)
        return await self.vms.create(request, FakeCall(principal=DEV))

    async def resize(self, name: str, vcpus: int) -> pb.Vm:
        request = pb.UpdateVmRequest(project="blue", ref=name, update_mask=["vcpus"], spec=pb.VmSpec(vcpus=vcpus))
        return await self.vms.update(request, FakeCall(principal=DEV))

    async def drop(self, name: str) -> None:
        await self.vms.delete(resource_pb2.DeleteRequest(project="blue", ref=name), FakeCall(principal=DEV))

    async def used(self) -> dict[str, int]:
        return await self.resources.ledger.used(BLUE.id)


def held(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(run())


def test_what_is_made_counts_what_changes_counts_anew_and_what_goes_is_given_back() -> None:
    async def scenario() -> None:
        cloud = Cloud()
        await cloud.make("a", 2)
        await cloud.make("b", 4)
        assert await cloud.used() == {"vcpus": 6, "vms": 2}
        await cloud.resize("b", 1)
        assert await cloud.used() == {"vcpus": 3, "vms": 2}
        for name in ("a", "b"):
            await cloud.drop(name)
        assert await cloud.used() == {"vcpus": 0, "vms": 0}

    held(scenario)


def test_what_waits_for_a_finalizer_counts_until_it_is_gone() -> None:
    async def scenario() -> None:
        cloud = Cloud(vm=kind(finalizers=("compute",)))
        made = await cloud.make("a")
        await cloud.drop("a")
        assert (await cloud.used())["vms"] == 1
        await cloud.resources.remove_finalizer(cloud.vm, made.metadata.id, "compute")
        assert (await cloud.used())["vms"] == 0

    held(scenario)


def test_beyond_a_limit_nothing_is_made_or_grown() -> None:
    async def scenario() -> None:
        cloud = Cloud(limits=SetLimits({"vcpus": 5}, {BLUE.id: {"vms": 2}}))
        await cloud.make("a", 2)
        with pytest.raises(ResourceExhaustedError, match="quota of vcpus: the limit is 5, 2 are used, and this asks"):
            await cloud.make("b", 4)
        await cloud.make("b", 2)
        with pytest.raises(ResourceExhaustedError, match="quota of vms: the limit is 2"):
            await cloud.make("c", 1)
        with pytest.raises(ResourceExhaustedError, match="4 are used, and this asks for 2 more"):
            await cloud.resize("b", 4)
        await cloud.drop("a")
        await cloud.resize("b", 5)
        assert await cloud.used() == {"vcpus": 5, "vms": 1}
        assert [one.metadata.name for one in await cloud.resources.all(VM)] == ["b"]

    held(scenario)


@pytest.mark.parametrize("processes", [1, 3])
def test_creates_that_race_fill_a_quota_and_no_more(processes: int) -> None:
    async def scenario() -> None:
        store, limits = MemoryStore(), SetLimits({"vms": 37, "vcpus": 60})
        clouds = [Cloud(store, limits) for _ in range(processes)]

        async def make(number: int) -> bool:
            try:
                await clouds[number % processes].make(f"vm{number}", 1 + number % 2)
            except ResourceExhaustedError:
                return False
            return True

        made = sum(await asyncio.gather(*(make(number) for number in range(80))))
        used = await clouds[0].used()
        stored = await clouds[0].resources.all(VM)
        assert used == {"vms": len(stored), "vcpus": sum(one.message.spec.vcpus for one in stored)}
        assert made == len(stored) <= 37
        assert used["vcpus"] <= 60
        assert used["vms"] == 37 or used["vcpus"] >= 59, "it is full"

    held(scenario)


def test_a_limit_that_changes_holds_from_the_next_change_on() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        small, large = (Cloud(store, SetLimits({"vms": limit})) for limit in (2, 4))
        for name in ("a", "b", "c", "d"):
            await large.make(name)
        for cloud in (small, large):
            with pytest.raises(ResourceExhaustedError):
                await cloud.make("e")
        for name in ("a", "b", "c"):
            await large.drop(name)
        await small.make("f")
        with pytest.raises(ResourceExhaustedError):
            await small.make("g")
        await large.make("g")

    held(scenario)


def test_the_same_create_sent_twice_counts_once_also_when_the_answer_was_lost() -> None:
    class Forgetful(MemoryStore):
        losses = 0

        async def txn(
            self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]
        ) -> Committed | Conflict:
            done = await super().txn(comparisons, writes)
            if self.losses:
                self.losses -= 1
                raise UnavailableError("the connection is gone")
            return done

    async def scenario() -> None:
        store = Forgetful()
        cloud = Cloud(store)
        await cloud.make("a", key="once")
        await cloud.make("a", key="once")
        store.losses = 1
        await cloud.make("b")
        assert await cloud.used() == {"vcpus": 4, "vms": 2}
        await cloud.make("c")
        assert await cloud.used() == {"vcpus": 6, "vms": 3}

    held(scenario)


def test_a_recount_finds_what_was_there_before_and_what_costs_something_else_now() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        before = Cloud(store, vm=Kind(name="Vm", prefix="vm", service=VMS, message=pb.Vm))
        for name in ("a", "b"):
            await before.make(name, 3)
        cloud = Cloud(store, SetLimits({"vms": 1}))
        done = await cloud.resources.recount(BLUE.id)
        assert (done.recharged, done.corrections) == (2, ())
        assert await cloud.used() == {"vcpus": 6, "vms": 2}
        await cloud.drop("a")
        with pytest.raises(ResourceExhaustedError):
            await cloud.make("c")
        assert (await cloud.resources.recount(BLUE.id)).recharged == 0

    held(scenario)


def test_a_recount_mends_books_that_are_wrong_while_changes_go_on() -> None:
    async def scenario() -> None:
        cloud = Cloud(limits=SetLimits({"vms": 50}))
        for number in range(20):
            await cloud.make(f"vm{number}")
        for part in range(PARTS):
            await delete(cloud.store, layout.quota_key(BLUE.id, part))
        recount, *_ = await asyncio.gather(
            cloud.resources.recount(BLUE.id),
            *(cloud.make(f"more{number}") for number in range(10)),
            *(cloud.drop(f"vm{number}") for number in range(5)),
        )
        assert {one.what: one.found - one.counted for one in recount.corrections} == {"vms": 20, "vcpus": 40}
        assert await cloud.used() == {"vms": 25, "vcpus": 50}
        assert (await cloud.resources.recount(BLUE.id)).corrections == ()
        with pytest.raises(ResourceExhaustedError):
            await asyncio.gather(*(cloud.make(f"last{number}") for number in range(26)))
        assert (await cloud.used())["vms"] == 50

    held(scenario)


def test_two_recounts_at_once_correct_once() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        one, other = Cloud(store), Cloud(store)
        await one.make("a")
        await one.make("b")
        for part in range(PARTS):
            await delete(store, layout.quota_key(BLUE.id, part))
        await asyncio.gather(*(cloud.resources.recount(BLUE.id) for cloud in (one, other, one, other)))
        assert await one.used() == {"vms": 2, "vcpus": 4}

    held(scenario)


def test_usage_and_limits_are_told_to_who_may_read_the_project() -> None:
    async def scenario() -> None:
        cloud = Cloud(limits=SetLimits({"vms": 3, "disks": 9}))
        await cloud.make("a", 2)
        usage = await cloud.quotas.usage(quota_pb2.UsageRequest(project="blue"), FakeCall(principal=DEV))
        told = [(one.what, one.used, one.limit if one.HasField("limit") else None) for one in usage.amounts]
        assert told == [("disks", 0, 9), ("vcpus", 2, None), ("vms", 1, 3)]
        stranger = FakeCall(principal=account_principal(STRANGER))
        with pytest.raises(PermissionDeniedError):
            await cloud.quotas.usage(quota_pb2.UsageRequest(project="blue"), stranger)
        with pytest.raises(PermissionDeniedError):
            await cloud.quotas.recount(quota_pb2.RecountRequest(project="blue"), FakeCall(principal=DEV))
        recount = quota_pb2.RecountRequest(project="blue")
        assert (await cloud.quotas.recount(recount, FakeCall(principal=OPERATOR))).recharged == 0

    held(scenario)
