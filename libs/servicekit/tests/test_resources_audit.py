"""The audit trail: who did what, without secrets, in the transaction of the change, and nobody can take it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_store import flaredb_store

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VMS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.api.trail.v1 import trail_pb2 as trail_pb
from ultracloud.base.faults import DataLossError, Fault, InvalidArgumentError, PermissionDeniedError
from ultracloud.servicekit.resources import Context, Kind, KindServer, Resources, TrailServer, audit, layout
from ultracloud.servicekit.resources.trail import LANES
from ultracloud.servicekit.store import MemoryStore, Store
from ultracloud.servicekit.testing import (
    BLUE,
    DEVELOPER,
    OPERATOR,
    STRANGER,
    FakeCall,
    SetClock,
    account_principal,
    sample_authority,
)

DEV = account_principal(DEVELOPER)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def refuse_huge(_context: Context, new: vmc.Vm, _old: vmc.Vm | None) -> vmc.Vm:
    if new.spec.vcpus > 64:
        raise InvalidArgumentError("too many vcpus")
    return new


VM = Kind(name="Vm", prefix="vm", service=VMS, message=vmc.Vm, admit=refuse_huge, secret=frozenset({"user_data"}))


class Vms(KindServer[vmc.Vm]):
    """VMs with a verb of their own."""

    async def start(self, request: vmc.PowerRequest, call: Call) -> vmc.Vm:
        located = await self.locate(call, "start", request.project, request.ref)

        def running(vm: vmc.Vm) -> vmc.Vm:
            vm.spec.power = vmc.RUNNING
            return vm

        return (await self.resources.update(located.context, VM, located.stored.metadata.id, running)).message


def serving(store: Store, clock: SetClock | None = None) -> Vms:
    return Vms(Resources(store, sample_authority(), clock or SetClock(), [VM]), VM)


def call() -> FakeCall:
    return FakeCall(principal=DEV, metadata={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})


async def make(vms: Vms, name: str = "web", **spec: int | str) -> vmc.Vm:
    request = vmc.CreateVmRequest(project="blue", name=name, labels={"tier": "web"}, spec=vmc.VmSpec(**spec))
    return await vms.create(request, call())


async def trail(vms: Vms) -> list[pb.AuditRecord]:
    """All records, by time of commit where one call came after the other."""
    return [record for lane in range(LANES) for record in await vms.resources.trail.read(lane)]


async def a_life(vms: Vms) -> vmc.Vm:
    """A VM is made, changed, started and deleted."""
    made = await make(vms, vcpus=2, user_data="password: hunter2")
    mask, spec = ["vcpus", "user_data", "labels"], vmc.VmSpec(vcpus=4, user_data="password: hunter3")
    request = vmc.UpdateVmRequest(project="blue", ref="web", update_mask=mask, spec=spec, labels={"tier": "db"})
    await vms.update(request, call())
    await vms.start(vmc.PowerRequest(project="blue", ref="web"), call())
    await vms.delete(pb.DeleteRequest(project="blue", ref="web"), call())
    return made


def test_a_record_says_who_did_what_from_where_and_keeps_secrets_out() -> None:
    async def scenario() -> None:
        vms = serving(MemoryStore())
        made = await a_life(vms)
        records = await trail(vms)
        assert [record.permission.rpartition(".")[2] for record in records] == ["create", "update", "start", "delete"]
        path = f"organisations/{BLUE.organisation}/projects/{BLUE.id}/vms/{made.metadata.id}"
        for record in records:
            assert (record.principal, record.source, record.request) == (DEV.id, "127.0.0.1:50000", TRACE)
            assert (record.resource, record.HasField("time")) == (path, True)
        told = [(change.path, change.old, change.new, change.secret) for change in records[1].changes]
        assert told == [
            ("spec.vcpus", "2", "4", False),
            ("spec.user_data", "", "", True),
            ("labels.tier", "web", "db", False),
        ]
        assert b"hunter" not in b"".join(record.SerializeToString() for record in records)

    asyncio.run(scenario())


def test_the_same_in_flaredb(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with flaredb_store(tmp_path) as store:
            clock = SetClock()
            vms, again = serving(store, clock), serving(store, clock)
            await asyncio.gather(*(make(vms, f"vm{number}") for number in range(40)))
            await asyncio.gather(*(make(again, f"vm{number}") for number in range(40, 60)))
            records = await trail(again)
            assert len({record.resource for record in records}) == len(records) == 60
            assert len({record.lane for record in records}) > 1

    asyncio.run(scenario())


def test_what_changes_nothing_or_is_refused_leaves_no_record() -> None:
    async def scenario() -> None:
        vms = serving(MemoryStore())
        await make(vms, vcpus=2)
        await vms.update(vmc.UpdateVmRequest(project="blue", ref="web", spec=vmc.VmSpec(vcpus=2)), call())
        requests = (
            make(vms),
            make(vms, "huge", vcpus=65),
            vms.delete(pb.DeleteRequest(project="blue", ref="web", etag="old"), call()),
            vms.delete(pb.DeleteRequest(project="blue", ref="absent"), call()),
        )
        for request in requests:
            with pytest.raises(Fault):
                await request
        assert len(await trail(vms)) == 1

    asyncio.run(scenario())


def chain(length: int) -> list[bytes]:
    """A lane of some records, as they are stored."""
    stored: list[bytes] = []
    last = audit.START
    for number in range(length):
        one, last = audit.sealed(pb.AuditRecord(principal=f"p{number}"), 3, last)
        stored.append(one)
    return stored


def ends(stored: list[bytes]) -> pb.AuditMark:
    return audit.mark_of(len(stored), stored[-1]) if stored else audit.START


@given(st.integers(0, 8), st.integers(0, 8))
def test_a_chain_verifies_from_wherever_it_is_kept(length: int, dropped: int) -> None:
    stored = chain(length)
    kept = stored[dropped:]
    found = audit.verify(3, kept, ends(stored[:dropped]), ends(stored))
    assert [one.principal for one in found] == [f"p{number}" for number in range(dropped, length)]


@given(st.integers(2, 6), st.data())
def test_whatever_is_done_to_a_chain_is_seen(length: int, data: st.DataObject) -> None:
    stored = chain(length)
    at = data.draw(st.integers(0, length - 1))
    other = pb.AuditRecord.FromString(stored[at])
    other.principal = "somebody else"
    forged = other.SerializeToString(deterministic=True)
    for damaged in (
        [*stored[:at], *stored[at + 1 :]],
        [*stored[:at], forged, *stored[at + 1 :]],
        [*stored[:at], stored[at], stored[at], *stored[at + 1 :]],
        [*stored[:at], b"\xff\xff", *stored[at + 1 :]],
        [stored[-1], *stored[1:-1], stored[0]],
    ):
        with pytest.raises(DataLossError, match="of lane 3") as refused:
            audit.verify(3, damaged, audit.START, ends(stored))
        assert refused.value.reason == "AUDIT_CHAIN_BROKEN"
    with pytest.raises(DataLossError, match="lane 4"):
        audit.verify(4, stored, audit.START, ends(stored))


def test_a_record_altered_in_the_store_is_found() -> None:
    async def scenario() -> None:
        vms = serving(MemoryStore())
        await a_life(vms)
        lane = (await trail(vms))[0].lane
        store, key = vms.resources.store, layout.audit_key(lane, 2)
        entry = await store.get(key)
        assert entry is not None
        await store.txn({}, {key: entry.value.replace(b"labels.tier", b"labels.tear")})
        with pytest.raises(DataLossError, match=f"audit record 3 of lane {lane}: it does not follow the record before"):
            await trail(vms)

    asyncio.run(scenario())


def test_old_records_are_forgotten_and_the_rest_still_verifies() -> None:
    async def scenario() -> None:
        vms = serving(MemoryStore())
        clock = vms.resources.clock
        assert isinstance(clock, SetClock)
        await make(vms, "old")
        await make(vms, "older")
        clock.time_ms += 91 * 24 * 3600 * 1000
        await make(vms, "new")
        assert await vms.resources.forget_audit() == 2
        assert [record.sequence for record in await trail(vms)] == [3]
        clock.time_ms += 91 * 24 * 3600 * 1000
        assert await vms.resources.forget_audit() == 1
        assert await trail(vms) == []
        await make(vms, "newest")
        assert [record.sequence for record in await trail(vms)] == [4]

    asyncio.run(scenario())


def test_whoever_may_reads_the_trail_and_verifies_it_without_us() -> None:
    async def scenario() -> None:
        vms = serving(MemoryStore())
        await a_life(vms)
        server = TrailServer(vms.resources, "plasmavmc")
        lane = (await trail(vms))[0].lane
        request, records = trail_pb.AuditRequest(lane=lane, page_size=3), list[bytes]()
        while True:
            page = await server.audit(request, FakeCall(principal=OPERATOR))
            records += page.records
            if not page.more:
                break
            request.after_sequence = len(records)
        assert [one.sequence for one in audit.verify(lane, records, page.floor, page.head)] == [1, 2, 3, 4]
        with pytest.raises(PermissionDeniedError, match=r"plasmavmc\.trail\.audit"):
            await server.audit(request, call())
        request.lane = page.lanes
        with pytest.raises(InvalidArgumentError, match="accepted: lanes 0 to 63"):
            await server.audit(request, FakeCall(principal=OPERATOR))

    asyncio.run(scenario())


def test_events_are_told_to_those_who_may_read_the_resource() -> None:
    async def scenario() -> None:
        vms = serving(MemoryStore())
        made = await make(vms)
        await vms.resources.record_event(VM, made.metadata.id, "PlacementFailed", "no host has room")
        server = TrailServer(vms.resources, "plasmavmc")
        told = await server.events(trail_pb.EventsRequest(kind="vm", project="blue", ref="web"), call())
        assert [(one.reason, one.count) for one in told.events] == [("PlacementFailed", 1)]
        stranger = FakeCall(principal=account_principal(STRANGER))
        with pytest.raises(PermissionDeniedError):
            await server.events(trail_pb.EventsRequest(kind="vm", project="blue", ref="web"), stranger)
        with pytest.raises(InvalidArgumentError, match="kind 'car' is none of this service; accepted: vm"):
            await server.events(trail_pb.EventsRequest(kind="car"), call())

    asyncio.run(scenario())
