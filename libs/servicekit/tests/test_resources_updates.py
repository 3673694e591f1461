"""Updates: what a mask takes, when the generation rises, when nothing is written, what an etag holds off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nested_kind import THING, Spec, Thing

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PORTS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AbortedError, InvalidArgumentError
from ultracloud.servicekit.resources import Kind, KindServer, Resources, indexes
from ultracloud.servicekit.resources.masks import masked
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import OPERATOR, FakeCall, SetClock, sample_authority

PORT = Kind(name="Port", prefix="port", service=PORTS, message=net.Port)
WORD = st.sampled_from(["", "x", "y"])
INNER = st.fixed_dictionaries({}, optional={"a": WORD, "b": WORD})
SPECS = st.builds(
    lambda given: Spec(**given),
    st.fixed_dictionaries({"plain": WORD}, optional={"inner": INNER, "many": st.lists(INNER, max_size=2)}),
)
LABELS = st.dictionaries(st.sampled_from(["t", "a.b"]), WORD, max_size=2)
PATHS = st.sampled_from(["plain", "inner", "inner.a", "inner.b", "many", "labels", "labels.t", "labels.a.b"])


def value(message: Any, path: str) -> object:
    """What a path of a resource leads to."""
    if path.startswith("labels"):
        labels = dict(message.metadata.labels)
        return labels if path == "labels" else labels.get(path.removeprefix("labels."))
    found = message.spec
    for name in path.split("."):
        found = getattr(found, name)
    return found


@given(SPECS, LABELS, SPECS, LABELS, st.lists(PATHS, min_size=1, max_size=4))
def test_a_mask_takes_what_it_names_and_leaves_the_rest(
    old: Any, old_labels: dict[str, str], new: Any, new_labels: dict[str, str], mask: list[str]
) -> None:
    before = Thing(metadata=pb.Metadata(labels=old_labels), spec=old)
    wanted = Thing(metadata=pb.Metadata(labels=new_labels), spec=new)
    after = masked(THING, before, new, new_labels, mask)
    for path in ("plain", "inner.a", "inner.b", "many", "labels.t", "labels.a.b"):
        is_named = any(path == one or path.startswith(f"{one}.") for one in mask)
        assert value(after, path) == value(wanted if is_named else before, path)


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("plian", "accepted: plain, inner, many, labels"),
        ("inner.c", "accepted: inner.a, inner.b"),
        ("many.a", "accepted: many as a whole"),
        ("plain.a", "accepted: plain as a whole"),
        ("", "accepted: plain"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_those_that_do(path: str, accepted: str) -> None:
    with pytest.raises(InvalidArgumentError, match=accepted) as refused:
        masked(THING, Thing(), Spec(), {}, [path])
    assert refused.value.reason == "UPDATE_MASK_INVALID"


def test_a_field_within_a_message_or_a_list_of_them_is_indexed() -> None:
    spec = Spec(inner={"a": "x"}, many=[{"b": "y"}, {"b": "z"}])
    assert indexes.field_values(Thing(spec=spec), "spec.inner.a") == {"x"}
    assert indexes.field_values(Thing(spec=spec), "spec.many.b") == {"y", "z"}
    assert indexes.field_values(Thing(), "spec.many.b") == {""}


def call() -> FakeCall:
    return FakeCall(principal=OPERATOR)


class World:
    """One port, and ways to change it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.ports = KindServer(Resources(self.store, sample_authority(), SetClock(), [PORT]), PORT)

    async def make(self) -> net.Port:
        spec = net.PortSpec(subnet="s1", hostname="web")
        return await self.ports.create(net.CreatePortRequest(project="blue", name="p", spec=spec), call())

    async def update(self, etag: str = "", mask: tuple[str, ...] = (), **given: object) -> net.Port:
        labels: Any = given.pop("labels", {})
        spec: Any = given
        request = net.UpdatePortRequest(project="blue", ref="p", etag=etag, update_mask=mask, spec=spec, labels=labels)
        return await self.ports.update(request, call())

    async def version(self) -> int:
        return (await self.store.scan(b"", b"", limit=1)).read_version


def test_the_generation_rises_with_the_spec_alone() -> None:
    async def scenario() -> None:
        world = World()
        made = await world.make()
        labelled = await world.update(mask=("labels.tier",), labels={"tier": "web"})
        assert (labelled.metadata.generation, labelled.metadata.labels["tier"]) == (1, "web")
        assert labelled.metadata.etag != made.metadata.etag
        status = await world.ports.resources.write_status(PORT, made.metadata.id, net.PortStatus(address="10.0.0.1"))
        assert status is not None
        assert status.metadata.generation == 1
        assert (await world.update(mask=("hostname",), hostname="db")).metadata.generation == 2

    asyncio.run(scenario())


def test_an_update_to_the_same_values_writes_nothing() -> None:
    async def scenario() -> None:
        world = World()
        made = await world.make()
        await world.update(mask=("labels",), labels={"tier": "web"})
        before = await world.version()
        same = await world.update(subnet="s1", hostname="web", labels={"tier": "web"})
        assert await world.update(mask=("hostname", "labels.tier"), hostname="web", labels={"tier": "web"}) == same
        assert await world.ports.resources.write_status(PORT, made.metadata.id, net.PortStatus()) is not None
        assert await world.version() == before

    asyncio.run(scenario())


def test_a_change_under_an_etag_is_refused_once_anything_was_written() -> None:
    async def scenario() -> None:
        world = World()
        made = await world.make()
        await world.ports.resources.write_status(PORT, made.metadata.id, net.PortStatus(address="10.0.0.1"))
        request = pb.DeleteRequest(project="blue", ref="p", etag=made.metadata.etag)
        for refused in (world.update(made.metadata.etag, hostname="db"), world.ports.delete(request, call())):
            with pytest.raises(AbortedError, match="port 'p' has changed: its etag is") as told:
                await refused
            assert told.value.reason == "ETAG_MISMATCH"
        newest = await world.ports.get(pb.GetRequest(project="blue", ref="p"), call())
        await world.update(newest.metadata.etag, mask=("hostname",), hostname="db")

    asyncio.run(scenario())
