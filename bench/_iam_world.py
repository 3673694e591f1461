"""A large policy for bench/iam: tenants, projects, users in groups, and bindings to both; the same from each seed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base import ids
from ultracloud.base.policy import Binding, Group, Organisation, Policy, Principal, Project, User, project_path
from ultracloud.base.principals import user_principal
from ultracloud.servicekit.resources import layout
from ultracloud.servicekit.store import MemoryStore

ROLES = ("viewer", "developer", "admin")
PERMISSIONS = ("prismnet.vpcs.get", "prismnet.vpcs.create", "plasmavmc.vms.list", "plasmavmc.vms.start")
USERS_OF_AN_ORGANISATION, USERS_OF_A_PROJECT, USERS_OF_A_GROUP = 100, 10, 50
BATCH = 1000
"""Records written to the store at once."""
OWN_PLACE_PART = 0.8
"""Of all questions: about a place where the user has some binding; the rest is about anybody's."""


@dataclass(frozen=True, slots=True)
class World:
    """All of it."""

    organisations: list[Organisation]
    projects: list[Project]
    users: list[User]
    groups: list[Group]
    bindings: list[Binding]

    def policy(self) -> Policy:
        """The policy made of it."""
        return Policy(1, self.organisations, self.projects, (), (), self.bindings, users=self.users, groups=self.groups)


def make_world(bindings: int, users: int, seed: int = 1) -> World:
    """A tenth of the bindings name a group, and one in 50 is a deny."""
    random = Random(seed)

    def new(prefix: str) -> str:
        return ids.make_id(prefix, 1_700_000_000_000 + random.randrange(10**9), random.randbytes(ids.ENTROPY_BYTES))

    organisations = [Organisation(new("org"), f"o{number}") for number in range(max(1, users // 100))]
    projects = [
        Project(new("project"), f"p{number}", organisations[number % len(organisations)].id)
        for number in range(max(1, users // USERS_OF_A_PROJECT))
    ]
    people = [User(new("usr"), f"u{number}", organisations[number % len(organisations)].id) for number in range(users)]
    principals = [sys.intern(f"user:{user.id}") for user in people]
    groups = [
        Group(
            new("grp"), f"g{number}", organisations[number % len(organisations)].id, tuple(random.sample(principals, k))
        )
        for number in range(max(1, users // USERS_OF_A_PROJECT))
        for k in [min(USERS_OF_A_GROUP, users)]
    ]
    paths = [sys.intern(project_path(project)) for project in projects]
    made = []
    for number in range(bindings):
        named = sys.intern(f"group:{random.choice(groups).id}") if number % 10 == 0 else random.choice(principals)
        place, is_deny = random.choice(paths), number % 50 == 1
        made.append(Binding(new("binding"), ROLES[number % 3], (named,), place, is_deny, f"b{number}"))
    return World(organisations, projects, people, groups, made)


def questions(world: World, count: int, users: int, seed: int = 2) -> list[tuple[Principal, str, str]]:
    """Who, what, where, each with texts of its own, as requests have them; asked by the first `users`."""
    random = Random(seed)
    places: dict[str, list[str]] = {}
    for group in world.groups:
        for member in group.members:
            places.setdefault(member, [])
    for binding in world.bindings:
        for named in binding.principals:
            places.setdefault(named, []).append(binding.resource)
    everywhere = [project_path(project) for project in world.projects]
    asked = []
    for _ in range(count):
        user = world.users[random.randrange(users)]
        principal = replace(user_principal(user.id, user.organisation), session=_session(user.id))
        own = places.get(principal.id)
        place = random.choice(own) if own and random.random() < OWN_PLACE_PART else random.choice(everywhere)
        vm = ids.make_id("vm", 1, random.randbytes(ids.ENTROPY_BYTES))
        asked.append((principal, random.choice(PERMISSIONS), f"{place}/vms/{vm}"))
    return asked


def again(asked: list[tuple[Principal, str, str]], count: int, seed: int = 3) -> list[tuple[Principal, str, str]]:
    """`count` questions out of `asked`, as programs repeat theirs; each with texts of its own."""
    random = Random(seed)
    made = []
    for principal, permission, resource in random.choices(asked, k=count):
        user = principal.id.partition(":")[2]
        asker = replace(user_principal(user, principal.organisation), session=_session(user))
        made.append((asker, permission, "".join([resource[:9], resource[9:]])))
    return made


def _session(user: str) -> str:
    """The session that a user's token is of."""
    return f"ses-{user.rpartition('-')[2]}"


async def fill(store: MemoryStore, world: World) -> None:
    """Write the world as iam's records."""
    writes: dict[bytes, bytes | None] = {}
    for record in _records(world):
        writes[layout.record_key(record.kind.lower(), record.metadata.id)] = record.SerializeToString()
        place = record.metadata.project
        writes[layout.name_key(record.kind.lower(), place, record.metadata.name)] = record.metadata.id.encode()
        if len(writes) >= BATCH:
            await store.txn({}, writes)
            writes = {}
    await store.txn({}, writes)


def _records(world: World) -> Iterator[resource_pb2.Record]:
    for organisation in world.organisations:
        yield _record("Organisation", organisation.id, organisation.name, "", b"")
    for project in world.projects:
        yield _record("Project", project.id, project.name, project.organisation, b"")
    for user in world.users:
        yield _record("User", user.id, user.name, user.organisation, b"")
    for group in world.groups:
        spec = pb.GroupSpec(members=group.members)
        yield _record("Group", group.id, group.name, group.organisation, spec.SerializeToString())
    for one in world.bindings:
        bound = pb.BindingSpec(role=one.role, principals=one.principals, resource=one.resource, deny=one.deny)
        yield _record("Binding", one.id, one.name, one.resource.split("/")[1], bound.SerializeToString())


def _record(kind: str, identifier: str, name: str, place: str, spec: bytes) -> resource_pb2.Record:
    metadata = resource_pb2.Metadata(id=identifier, name=name, project=place, etag="1", generation=1)
    return resource_pb2.Record(kind=kind, metadata=metadata, spec=spec)
