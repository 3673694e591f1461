"""What stored records say to the policy."""

from __future__ import annotations

from collections.abc import Mapping

from iam.shell.kinds import BINDING, ENVIRONMENT, GROUP, ORGANISATION, PROJECT, ROLE, SERVICE_ACCOUNT, USER
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.paths import ENVIRONMENT_LABEL
from ultracloud.base.policy import (
    Binding,
    Entity,
    Environment,
    Group,
    Organisation,
    Project,
    Revocation,
    Role,
    ServiceAccount,
    User,
)
from ultracloud.servicekit.resources import layout

_PREFIXES = tuple(
    layout.record_prefix(kind.key)
    for kind in (ORGANISATION, PROJECT, ENVIRONMENT, SERVICE_ACCOUNT, USER, GROUP, ROLE, BINDING)
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
            entity: Entity = Organisation(identifier, name, _quotas(pb.OrganisationSpec.FromString(record.spec).quotas))
        case PROJECT.name:
            entity = Project(identifier, name, place, _quotas(pb.ProjectSpec.FromString(record.spec).quotas))
        case ENVIRONMENT.name:
            entity = Environment(identifier, name, place)
        case SERVICE_ACCOUNT.name:
            account = pb.ServiceAccountSpec.FromString(record.spec)
            environment = record.metadata.labels.get(ENVIRONMENT_LABEL, "")
            entity = ServiceAccount(identifier, name, place, account.disabled, environment)
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


def _quotas(quotas: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(quotas.items()))
