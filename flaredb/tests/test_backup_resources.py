"""A service's resources after their store was lost and restored: what the resource kit promises still holds."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VMS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AbortedError, InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.resources import Kind, KindServer, Resources
from ultracloud.servicekit.resources.trail import LANES
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.servicekit.testing import DEVELOPER, FakeCall, SetClock, account_principal, sample_authority
from ultracloud.testkit.processes import Process, serve

GAP = 1 << 32
VM = Kind(name="Vm", prefix="vm", service=VMS, message=vmc.Vm)
Vms = KindServer[vmc.Vm]


@contextlib.asynccontextmanager
async def serving(process: Process, clock: SetClock) -> AsyncIterator[Vms]:
    """The service of VMs, on a flaredb."""
    channel = connect(process.addresses[0])
    yield KindServer(Resources(FlaredbStore(channel, "plasmavmc"), sample_authority(), clock, [VM]), VM)
    await channel.close()


def call() -> FakeCall:
    return FakeCall(principal=account_principal(DEVELOPER))


async def make(vms: Vms, name: str, key: str = "") -> vmc.Vm:
    request = vmc.CreateVmRequest(
        project="blue", name=name, labels={"tier": name[:3]}, spec=vmc.VmSpec(vcpus=2), idempotency_key=key
    )
    made = await vms.create(request, call())
    assert isinstance(made, vmc.Vm)
    return made


async def listed(vms: Vms, **words: Any) -> vmc.ListVmsResponse:
    page = await vms.list(pb.ListRequest(project="blue", **words), call())
    assert isinstance(page, vmc.ListVmsResponse)
    return page


async def trail(vms: Vms) -> dict[int, list[pb.AuditRecord]]:
    """All audit records, whose chains verify."""
    return {lane: list(await vms.resources.trail.read(lane)) for lane in range(LANES)}


async def flaredb(process: Process, *words: object) -> None:
    command = [sys.executable, "-m", "flaredb", str(words[0]), "--endpoint", process.addresses[0], *map(str, words[1:])]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await child.wait() == 0


def config(folder: Path, first_version: int) -> Path:
    folder.mkdir()
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\nfirst_version = {first_version}\ndrain_s = 0.2\n')
    return path


async def check_restored(vms: Vms, old: vmc.Vm, token: str, seen: int) -> None:
    """What clients find that know the store from before."""
    found = await vms.get(pb.GetRequest(project="blue", ref="web1"), call())
    assert (found.metadata.id, found.spec, found.metadata.generation) == (
        old.metadata.id,
        old.spec,
        old.metadata.generation,
    )
    assert int(found.metadata.etag, 16) > int(old.metadata.etag, 16) + GAP
    change = vmc.UpdateVmRequest(project="blue", ref="web1", spec=vmc.VmSpec(vcpus=4), etag=old.metadata.etag)
    with pytest.raises(AbortedError):
        await vms.update(change, call())
    assert (await make(vms, "web1", "k1")).metadata.id == old.metadata.id
    assert [each.metadata.name for each in (await listed(vms, selector="tier=web")).items] == ["web1", "web2"]
    with pytest.raises(InvalidArgumentError, match="list again from the first page"):
        await listed(vms, page_size=1, page_token=token)
    with pytest.raises(OutOfRangeError):
        await anext(vms.watch(pb.WatchRequest(project="blue", from_version=seen), call()))


def test_resources_that_were_restored_are_as_they_were_and_nothing_old_passes_for_new(tmp_path: Path):
    path, clock = tmp_path / "all.backup", SetClock()

    async def body(old: Process, new: Process) -> None:
        async with serving(old, clock) as vms:
            made = [await make(vms, name, key) for name, key in (("web1", "k1"), ("web2", "k2"), ("db1", ""))]
            assert len((await listed(vms, selector="tier=web")).items) == 2  # its index is backed up too
            page = await listed(vms, page_size=1)
            records = await trail(vms)
            await flaredb(old, "backup", path)
            await make(vms, "lost")
            seen = (await listed(vms)).version
        await flaredb(new, "restore", path)
        async with serving(new, clock) as vms:
            assert await trail(vms) == records
            await check_restored(vms, made[0], page.next_page_token, seen)
            await make(vms, "lost")
            after = await trail(vms)
            assert sum(map(len, after.values())) == sum(map(len, records.values())) + 1

    with (
        serve("flaredb", config(tmp_path / "old", 1)) as old,
        serve("flaredb", config(tmp_path / "new", 2 * GAP)) as new,
    ):
        asyncio.run(body(old, new))
