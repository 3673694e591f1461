"""Lists and watches by label and by field: the same answer as looking at every record, and without looking at them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from real_store import flaredb_store

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PORTS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.resources import Kind, KindServer, Resources, indexes
from ultracloud.servicekit.resources.selectors import select
from ultracloud.servicekit.store import MemoryStore, Reading, Store
from ultracloud.servicekit.testing import BLUE, GREEN, OPERATOR, FakeCall, SetClock, sample_authority

PORT = Kind(
    name="Port",
    prefix="port",
    service=PORTS,
    message=net.Port,
    indexed=("spec.subnet", "spec.security_groups", "status.address"),
)
QUESTIONS = (
    ("tier=web", ""),
    ("tier in (web,db),zone", ""),
    ("tier!=web", ""),
    ("!tier", ""),
    ("tier,zone=a", ""),
    ("", "spec.subnet=s1"),
    ("", "spec.security_groups in (g1,g2)"),
    ("tier=db", "spec.subnet!=s1"),
    ("", "status.address="),
    ("zone", "status.address"),
)


class Counting(MemoryStore):
    """Counts the records that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.record_reads = 0

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        self.record_reads += sum(key.startswith(b"r/") for key in keys)
        return await super().get_many(keys, at_version)


def serving(store: Store, kind: Kind[net.Port] = PORT) -> KindServer[net.Port]:
    return KindServer(Resources(store, sample_authority(), SetClock(), [kind]), kind)


def call() -> FakeCall:
    return FakeCall(principal=OPERATOR)


async def make(ports: KindServer[net.Port], name: str, project: str = "blue", **given: object) -> net.Port:
    labels = given.pop("labels", {})
    request = net.CreatePortRequest(project=project, name=name, labels=labels, spec=net.PortSpec(**given))
    return await ports.create(request, call())


async def make_many(ports: KindServer[net.Port], count: int, seed: int = 7) -> None:
    random = Random(seed)  # noqa: S311 - a test repeats itself
    for number in range(count):
        labels = {"tier": random.choice(("web", "db")), "zone": random.choice("ab")}
        kept = {key: value for key, value in labels.items() if random.random() < 2 / 3}
        groups = random.sample(("g1", "g2", "g3"), random.randint(0, 2))
        project, subnet = random.choice(("blue", "acme/green")), random.choice(("s1", "s2"))
        made = await make(ports, f"p{number}", project, labels=kept, subnet=subnet, security_groups=groups)
        if random.random() < 1 / 2:
            await ports.resources.write_status(PORT, made.metadata.id, net.PortStatus(address=f"10.0.0.{number}"))


async def listed(ports: KindServer[net.Port], project: str, question: tuple[str, str], size: int) -> list[str]:
    """Names on all pages, with their project."""
    names: list[str] = []
    request = pb.ListRequest(project=project, page_size=size, selector=question[0], filter=question[1])
    while True:
        page = await ports.list(request, call())
        assert isinstance(page, net.ListPortsResponse)
        assert len(page.items) <= size
        names += [f"{port.metadata.project}/{port.metadata.name}" for port in page.items]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return names


async def agree(ports: KindServer[net.Port]) -> None:
    """Every question has the answer that looking at every record has."""
    everything = await ports.resources.all(PORT)
    for place, project in (("blue", BLUE.id), ("acme/green", GREEN.id), ("", "")):
        here = [one for one in everything if not project or one.metadata.project == project]
        for question in QUESTIONS:
            selection = select(*question, {}, PORT.indexed)
            meant = [one.metadata for one in here if indexes.is_met(selection, one.message)]
            expected = sorted(f"{one.project}/{one.name}" for one in meant)
            assert await shown(ports, place, question) == expected
            for size in (2, 1000):
                assert await listed(ports, place, question, size) == expected


async def shown(ports: KindServer[net.Port], project: str, question: tuple[str, str]) -> list[str]:
    """What a watch shows at first."""
    names: list[str] = []
    async for event in ports.watch(pb.WatchRequest(project=project, selector=question[0], filter=question[1]), call()):
        assert isinstance(event, net.PortEvent)
        if event.type == pb.BOOKMARK:
            break
        names.append(f"{event.object.metadata.project}/{event.object.metadata.name}")
    return sorted(names)


def test_a_list_or_a_watch_by_label_or_field_has_all_that_is_meant() -> None:
    async def scenario() -> None:
        ports = serving(MemoryStore())
        await make_many(ports, 40)
        await agree(ports)

    asyncio.run(scenario())


def test_the_same_in_flaredb(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with flaredb_store(tmp_path) as store:
            ports = serving(store)
            await make_many(ports, 12)
            await agree(ports)

    asyncio.run(scenario())


def test_a_page_by_label_reads_only_its_own_records() -> None:
    async def scenario() -> None:
        store = Counting()
        ports = serving(store)
        for number in range(60):
            await make(ports, f"p{number:02}", labels={"tier": "web" if number % 20 == 0 else "db", "all": "yes"})
        store.record_reads = 0
        assert len(await listed(ports, "blue", ("tier=web", ""), 5)) == 3
        assert len(await listed(ports, "blue", ("all=yes,tier=web", ""), 5)) == 3
        assert store.record_reads == 6

    asyncio.run(scenario())


def test_labels_and_status_move_a_record_in_the_index() -> None:
    async def scenario() -> None:
        ports = serving(MemoryStore())
        made = await make(ports, "p", labels={"tier": "web"}, subnet="s1")
        await ports.update(
            net.UpdatePortRequest(project="blue", ref="p", update_mask=["labels"], labels={"tier": "db"}), call()
        )
        await ports.resources.write_status(PORT, made.metadata.id, net.PortStatus(address="10.0.0.9"))
        asked = [("tier=web", ""), ("tier=db", ""), ("", "status.address=10.0.0.9"), ("", "status.address=")]
        assert [len(await listed(ports, "blue", one, 10)) for one in asked] == [0, 1, 1, 0]
        await ports.delete(pb.DeleteRequest(project="blue", ref="p"), call())
        left = (await ports.resources.store.scan(b"x/", b"x0")).entries
        assert left == ()

    asyncio.run(scenario())


def test_records_of_before_the_index_and_fields_declared_later_are_found() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        await make_many(serving(store, replace(PORT, indexed=("spec.host", "spec.subnet"))), 30)
        for entry in (await store.scan(b"x/", b"x0", limit=10_000)).entries:
            if b"/l/" in entry.key:
                await store.txn({}, {entry.key: None})
        before = serving(store, replace(PORT, indexed=("spec.host",)))
        await before.list(pb.ListRequest(project="blue", filter="spec.host=n1"), call())
        await agree(serving(store))
        left = (await store.scan(b"x/port/f/spec.host/", b"x/port/f/spec.host0")).entries
        assert left == ()

    asyncio.run(scenario())


def test_a_token_belongs_to_its_selector_and_filter() -> None:
    async def scenario() -> None:
        ports = serving(MemoryStore())
        for name in ("a", "b", "c"):
            await make(ports, name, labels={"tier": "web"}, subnet="s1")
        page = await ports.list(pb.ListRequest(project="blue", page_size=1, selector="tier=web"), call())
        assert isinstance(page, net.ListPortsResponse)
        for other in (pb.ListRequest(selector="tier=db"), pb.ListRequest(filter="spec.subnet=s1"), pb.ListRequest()):
            other.MergeFrom(pb.ListRequest(project="blue", page_size=1, page_token=page.next_page_token))
            with pytest.raises(
                InvalidArgumentError, match="belongs to a list with another project, selector or filter"
            ):
                await ports.list(other, call())

    asyncio.run(scenario())


def test_pages_by_label_stay_at_the_version_of_the_first() -> None:
    async def scenario() -> None:
        ports = serving(MemoryStore())
        for name in ("a", "b", "c"):
            await make(ports, name, labels={"tier": "web"})
        request = pb.ListRequest(project="blue", page_size=2, selector="tier=web")
        page = await ports.list(request, call())
        assert isinstance(page, net.ListPortsResponse)
        await ports.delete(pb.DeleteRequest(project="blue", ref="c"), call())
        await make(ports, "d", labels={"tier": "web"})
        request.page_token = page.next_page_token
        rest = await ports.list(request, call())
        assert isinstance(rest, net.ListPortsResponse)
        assert [port.metadata.name for port in rest.items] == ["c"]

    asyncio.run(scenario())


def test_a_watch_by_field_tells_when_a_record_begins_and_ceases_to_be_meant() -> None:
    async def scenario() -> None:
        ports = serving(MemoryStore())
        made = await make(ports, "p")
        watch = ports.watch(pb.WatchRequest(project="blue", filter="status.address=10.0.0.9"), call())
        told = [await anext(watch)]
        for address in ("10.0.0.9", "10.0.0.8"):
            await ports.resources.write_status(PORT, made.metadata.id, net.PortStatus(address=address))
            told.append(await anext(watch))
        assert [one.type for one in told if isinstance(one, net.PortEvent)] == [pb.BOOKMARK, pb.PUT, pb.DELETED]

    asyncio.run(scenario())
