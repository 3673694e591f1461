"""Many callers at once over a store that loses answers: whatever the seed, the indexes agree with the records.

`SIM_SEEDS=17 pytest` runs one seed again, `SIM_SEEDS=-1000` many.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import IMAGES
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from ultracloud.servicekit.resources import (
    Condition,
    Context,
    Kind,
    KindServer,
    Resources,
    Truth,
    charging,
    indexes,
    trail,
)
from ultracloud.servicekit.resources.trail import LANES
from ultracloud.servicekit.store import Committed, Conflict, MemoryStore, Reading
from ultracloud.servicekit.testing import BLUE, OPERATOR, RED, FakeCall, SetClock, sample_authority
from ultracloud.testkit.seeds import seeds

EXPECTED = (
    UnavailableError,
    NotFoundError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    ResourceExhaustedError,
    AbortedError,
)
"""Faults that are answers."""
CALLERS, STEPS, SLOTS = 6, 25, 4


class Chaotic(MemoryStore):
    """Lets others run in the middle of everything, and loses every eighth answer of a transaction."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.is_calm = False

    async def pause(self) -> None:
        for _ in range(self.random.randint(0, 3)):
            await asyncio.sleep(0)

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        await self.pause()
        reading = await super().get_many(keys, at_version)
        await self.pause()
        return reading

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        await self.pause()
        is_lost = not self.is_calm and self.random.random() < 1 / 8
        if is_lost and self.random.random() < 1 / 2:
            raise UnavailableError("lost before")
        done = await super().txn(comparisons, writes)
        await self.pause()
        if is_lost:
            raise UnavailableError("lost after")
        return done


async def take_a_slot(context: Context, new: vmc.Image, old: vmc.Image | None) -> vmc.Image:
    """An image takes one of SLOTS slots when it is made, and another one when its cmdline asks for it."""
    if old is not None and old.spec.cmdline == new.spec.cmdline:
        return new
    taken = await context.claimed("slot/")
    free = [number for number in range(SLOTS) if f"slot/{number}" not in taken]
    if not free:
        raise ResourceExhaustedError("no free slot")
    new.status.size_bytes = free[0]
    return new


IMAGE = Kind(
    name="Image",
    prefix="img",
    service=IMAGES,
    message=vmc.Image,
    admit=take_a_slot,
    claims=lambda image: [f"slot/{image.status.size_bytes}"],
    guards=lambda image: [image.metadata.project],
    readable_by_all=lambda image: image.spec.public,
    finalizers=("cleaner",),
    owners=lambda image: image.spec.kernel_url.split(),
    costs=lambda image: {"images": 1, "bytes": 1 + image.status.size_bytes},
    indexed=("spec.cmdline", "status.size_bytes"),
)


class Caller:
    """Does one thing after the other, at random; a fault is an answer like any other."""

    def __init__(self, server: KindServer[vmc.Image], random: Random) -> None:
        self.server = server
        self.random = random
        self.project = random.choice(("blue", "red"))
        self.name = f"image{random.randint(0, 2)}"

    async def live(self) -> None:
        for _ in range(STEPS):
            deed = self.random.choice((self.create, self.update, self.delete, self.clean, self.report))
            try:
                await deed()
            except EXPECTED:
                continue

    def call(self) -> FakeCall:
        return FakeCall(principal=OPERATOR)

    async def spec(self) -> vmc.ImageSpec:
        others = [stored.metadata.id for stored in await self.server.resources.all(IMAGE)]
        owner = self.random.choice(["", *others])
        is_public = self.random.random() < 1 / 2
        return vmc.ImageSpec(public=is_public, cmdline=self.random.choice("ab"), kernel_url=owner)

    def labels(self) -> dict[str, str]:
        return {key: self.random.choice("xy") for key in "ab" if self.random.random() < 1 / 2}

    async def create(self) -> None:
        request = vmc.CreateImageRequest(
            project=self.project, name=self.name, spec=await self.spec(), labels=self.labels()
        )
        await self.server.create(request, self.call())

    async def update(self) -> None:
        request = vmc.UpdateImageRequest(
            project=self.project, ref=self.name, spec=await self.spec(), labels=self.labels()
        )
        await self.server.update(request, self.call())

    async def delete(self) -> None:
        await self.server.delete(pb.DeleteRequest(project=self.project, ref=self.name), self.call())

    async def clean(self) -> None:
        for stored in await self.server.resources.all(IMAGE):
            if stored.metadata.HasField("deleted_at"):
                await self.server.resources.remove_finalizer(IMAGE, stored.metadata.id, "cleaner")

    async def report(self) -> None:
        for stored in await self.server.resources.all(IMAGE):
            condition = Condition("Ready", self.random.choice((Truth.TRUE, Truth.FALSE)), "Said")
            await self.server.resources.write_status(IMAGE, stored.metadata.id, None, [condition])


async def index_expected(resources: Resources) -> dict[bytes, bytes]:
    """All index entries that the records ask for."""
    wanted: dict[bytes, bytes] = {}
    for stored in await resources.all(IMAGE):
        metadata, identifier = stored.metadata, stored.metadata.id.encode()
        assert stored.claims == (f"slot/{stored.message.status.size_bytes}",)
        entries = [(f"n/image/{metadata.project}/{metadata.name}".encode(), identifier)]
        entries += [(f"c/{claim}".encode(), identifier) for claim in stored.claims]
        if stored.message.spec.public:
            entries.append((f"p/image/{metadata.name}/{metadata.id}".encode(), identifier))
        entries += [(key, identifier) for key in indexes.entries(IMAGE, stored.message)]
        entries += [(f"o/{owner.id}/image/{metadata.id}".encode(), b"") for owner in metadata.owners]
        for key, value in entries:
            assert key not in wanted, f"two records have {key!r}"
            wanted[key] = value
    return wanted


async def end_deletions(server: KindServer[vmc.Image]) -> None:
    """All owners are there, and what is being deleted goes, without leaving anything behind."""
    resources = server.resources
    known = {stored.metadata.id for stored in await resources.all(IMAGE)}
    for stored in await resources.all(IMAGE):
        assert known.issuperset(owner.id for owner in stored.metadata.owners)
    for stored in await resources.all(IMAGE):
        request = pb.DeleteRequest(project=stored.metadata.project, ref=stored.metadata.id)
        await server.delete(request, FakeCall(principal=OPERATOR))
    for stored in await resources.all(IMAGE):
        await resources.remove_finalizer(IMAGE, stored.metadata.id, "cleaner")
    left = (await resources.store.scan(b"", b"", limit=10_000)).entries
    assert {entry.key[:2] for entry in left} <= {b"g/", b"m/", b"xq", b"y/"}
    await the_trail_is_whole(resources, known)


async def the_trail_is_whole(resources: Resources, known: set[str]) -> None:
    """Every chain verifies; whatever was there has been made once and deleted once."""
    trail = [record for lane in range(LANES) for record in await resources.trail.read(lane)]
    done = Counter((record.permission.rpartition(".")[2], record.resource.rpartition("/")[2]) for record in trail)
    for identifier in known:
        assert done["create", identifier] == done["delete", identifier] == 1
    assert all(done[verb, identifier] == 1 for verb, identifier in done if verb != "update")


@pytest.fixture
def _in_each_others_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both processes write to the same few lanes of the trail, and to the same few parts of a place's books."""
    monkeypatch.setattr(trail, "LANES", 2)
    monkeypatch.setattr(trail, "AT_ONCE", 2)
    monkeypatch.setattr(charging, "PARTS", 2)
    monkeypatch.setattr(charging, "AT_ONCE", 2)


async def books_are_right(resources: Resources) -> None:
    """What a place uses is what its records are counted for."""
    counted: dict[str, Counter[str]] = {BLUE.id: Counter(), RED.id: Counter()}
    for stored in await resources.all(IMAGE):
        counted[stored.metadata.project].update(IMAGE.costs(stored.message))
    for project, uses in counted.items():
        used = await resources.ledger.used(project)
        assert {what: amount for what, amount in used.items() if amount} == uses


@pytest.mark.usefixtures("_in_each_others_way")
@pytest.mark.parametrize("seed", seeds(25))
def test_indexes_agree_with_records(seed: int) -> None:
    async def scenario() -> None:
        random = Random(seed)  # noqa: S311 - a simulation repeats itself
        store = Chaotic(random)
        clock = SetClock()
        both = [KindServer(Resources(store, sample_authority(), clock, [IMAGE]), IMAGE) for _ in range(2)]
        server = both[0]
        await asyncio.gather(*(Caller(both[one % 2], random).live() for one in range(CALLERS)))
        store.is_calm = True
        everything = (await store.scan(b"", b"", limit=10_000)).entries
        found = {entry.key: entry.value for entry in everything if entry.key[:2] in (b"n/", b"c/", b"p/", b"x/", b"o/")}
        gates = {key: found.pop(key) for key in list(found) if key[:2] == b"o/" and key.endswith(b"/")}
        assert found == await index_expected(server.resources)
        assert set(gates) >= {key[: key.index(b"/", 2) + 1] for key in found if key[:2] == b"o/"}
        await books_are_right(server.resources)
        await end_deletions(server)
        await books_are_right(server.resources)

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", seeds(25))
def test_a_create_repeated_with_its_key_until_it_answers_makes_one(seed: int) -> None:
    async def scenario() -> None:
        random = Random(seed)  # noqa: S311 - a simulation repeats itself
        server = KindServer(Resources(Chaotic(random), sample_authority(), SetClock(), [IMAGE]), IMAGE)

        async def insist() -> vmc.Image:
            request = vmc.CreateImageRequest(project="blue", name="one", idempotency_key="k")
            while True:
                try:
                    return await server.create(request, FakeCall(principal=OPERATOR))
                except UnavailableError:
                    continue

        made = await asyncio.gather(*(insist() for _ in range(5)))
        assert len({image.metadata.id for image in made}) == 1

    asyncio.run(scenario())
