"""Between stored records, the policy, and the snapshot on the wire."""

from __future__ import annotations

from iam.core.composition import Entity
from iam.shell.kinds import BINDING, GROUP, ORGANISATION, PROJECT, ROLE, SERVICE_ACCOUNT, USER
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.policy import Binding, Group, Organisation, Policy, Project, Revocation, Role, ServiceAccount, User
from ultracloud.servicekit.policy import Snapshot
from ultracloud.servicekit.resources import layout

_PREFIXES = tuple(
    layout.record_prefix(kind.key) for kind in (ORGANISATION, PROJECT, SERVICE_ACCOUNT, USER, GROUP, ROLE, BINDING)
)


def is_record_key(key: bytes) -> bool:
    """Whether the key is that of a record that the policy is made of."""
    return key.startswith(_PREFIXES)


def entity_of(value: bytes) -> Entity:
    """What a stored record says to the policy."""
    record = resource_pb2.Record.FromString(value)
    identifier, name, place = record.metadata.id, record.metadata.name, record.metadata.project
    match record.kind:
        case ORGANISATION.name:
            entity: Entity = Organisation(identifier, name)
        case PROJECT.name:
            quotas = pb.ProjectSpec.FromString(record.spec).quotas
            entity = Project(identifier, name, place, tuple(sorted(quotas.items())))
        case SERVICE_ACCOUNT.name:
            account = pb.ServiceAccountSpec.FromString(record.spec)
            entity = ServiceAccount(identifier, name, place, account.disabled)
        case USER.name:
            entity = User(identifier, name, place, pb.UserSpec.FromString(record.spec).disabled)
        case GROUP.name:
            entity = Group(identifier, name, place, tuple(pb.GroupSpec.FromString(record.spec).members))
        case ROLE.name:
            role = pb.RoleSpec.FromString(record.spec)
            entity = Role(identifier, name, place, tuple(role.permissions))
        case _:
            assert record.kind == BINDING.name, record.kind
            spec = pb.BindingSpec.FromString(record.spec)
            principals = tuple(spec.principals)
            entity = Binding(identifier, spec.role, principals, spec.resource, spec.deny, name, spec.condition)
    return entity


def revocation_of(value: bytes) -> Revocation:
    """What a stored revocation says to the policy."""
    said = pb.PolicyRevocation.FromString(value)
    return Revocation(said.session, said.principal, said.not_before_ms, said.until_ms)


def render_snapshot(snapshot: Snapshot) -> pb.PolicySnapshot:
    """What the stream sends; `ultracloud.servicekit.policy.parse_snapshot` reads it."""
    policy: Policy = snapshot.policy
    return pb.PolicySnapshot(
        version=policy.version,
        keys=[pb.PublicKey(kid=kid, ed25519=raw) for kid, raw in snapshot.keys.items()],
        organisations=[pb.PolicyOrganisation(id=one.id, name=one.name) for one in policy.organisations],
        projects=[
            pb.PolicyProject(id=one.id, name=one.name, organisation=one.organisation, quotas=dict(one.quotas))
            for one in policy.projects
        ],
        service_accounts=[
            pb.PolicyServiceAccount(id=one.id, name=one.name, project=one.project, disabled=one.disabled)
            for one in policy.service_accounts
        ],
        roles=[
            pb.PolicyRole(id=one.id, name=one.name, organisation=one.organisation, permissions=one.permissions)
            for one in policy.roles
        ],
        bindings=[
            pb.PolicyBinding(
                id=one.id,
                role=one.role,
                principals=one.principals,
                resource=one.resource,
                deny=one.deny,
                name=one.name,
                condition=one.condition,
            )
            for one in policy.bindings
        ],
        users=[
            pb.PolicyUser(id=one.id, name=one.name, organisation=one.organisation, disabled=one.disabled)
            for one in policy.users
        ],
        groups=[
            pb.PolicyGroup(id=one.id, name=one.name, organisation=one.organisation, members=one.members)
            for one in policy.groups
        ],
        revocations=[
            pb.PolicyRevocation(
                session=one.session, principal=one.principal, not_before_ms=one.not_before_ms, until_ms=one.until_ms
            )
            for one in policy.revocations
        ],
    )
