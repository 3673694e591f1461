"""Between a policy and the messages of iam's stream, which are also what is on disk.

A message is a part of a whole policy (`more` until the last one), or what changed since an earlier version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.policy import (
    Binding,
    Delta,
    Entity,
    Environment,
    Group,
    Organisation,
    Policy,
    Project,
    Revocation,
    Role,
    ServiceAccount,
    User,
)

PART_ENTITIES_MAX = 4_000
PART_BYTES_MAX = 1 << 20
"""Of one message: some 20 ms to read, so that a service answers in between; far below what a channel lets through."""
_ENTITY_BYTES, _TEXT_BYTES = 200, 50
"""About what an entity takes, and each text of a list in it."""
_same = sys.intern
"""Principals, roles and places repeat from binding to binding: one text of each is kept, and compares at once."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A policy and the keys (kid -> raw Ed25519 public key) that tokens are verified with."""

    policy: Policy = field(default_factory=Policy)
    keys: Mapping[str, bytes] = field(default_factory=dict)


def parse_snapshot(message: pb.PolicySnapshot) -> Snapshot:
    """A whole policy of one message."""
    policy = Policy(version=message.version)
    policy.put(entities_of(message))
    policy.revoke(revocations_of(message))
    return Snapshot(policy, keys_of(message))


def parse_delta(message: pb.PolicySnapshot) -> Delta:
    """A change."""
    return Delta(message.version, tuple(entities_of(message)), tuple(message.removed), tuple(revocations_of(message)))


def keys_of(message: pb.PolicySnapshot) -> dict[str, bytes]:
    """The keys of a message, which are always all there are."""
    return {key.kid: key.ed25519 for key in message.keys}


def entities_of(message: pb.PolicySnapshot) -> Iterator[Entity]:
    """What has an id in a message."""
    for org in message.organisations:
        yield Organisation(org.id, org.name, tuple(sorted(org.quotas.items())))
    for project in message.projects:
        quotas = tuple(sorted(project.quotas.items()))
        yield Project(project.id, project.name, _same(project.organisation), quotas)
    for one_of in message.environments:
        yield Environment(one_of.id, one_of.name, _same(one_of.project))
    for account in message.service_accounts:
        environment = _same(account.environment)
        yield ServiceAccount(account.id, account.name, _same(account.project), account.disabled, environment)
    for user in message.users:
        yield User(user.id, user.name, _same(user.organisation), user.disabled)
    for group in message.groups:
        yield Group(group.id, group.name, _same(group.organisation), tuple(map(_same, group.members)))
    for role in message.roles:
        yield Role(role.id, role.name, _same(role.organisation), tuple(map(_same, role.permissions)))
    for one in message.bindings:
        principals, role_id, place = tuple(map(_same, one.principals)), _same(one.role), _same(one.resource)
        yield Binding(one.id, role_id, principals, place, one.deny, one.name, _same(one.condition))


def revocations_of(message: pb.PolicySnapshot) -> Iterator[Revocation]:
    """The revocations of a message."""
    for one in message.revocations:
        yield Revocation(one.session, one.principal, one.not_before_ms, one.until_ms)


def render_snapshot(snapshot: Snapshot) -> pb.PolicySnapshot:
    """A whole policy in one message, however large; `render_parts` makes several."""
    message = pb.PolicySnapshot(version=snapshot.policy.version, keys=_keys(snapshot.keys))
    for entity in snapshot.policy.entities():
        _append(message, entity)
    _append_revocations(message, snapshot.policy.revocations)
    return message


def render_parts(snapshot: Snapshot) -> Iterator[pb.PolicySnapshot]:
    """A whole policy in messages that may be sent: as it is now, whatever changes while they are made."""
    version, keys = snapshot.policy.version, _keys(snapshot.keys)
    entities, revocations = snapshot.policy.entities(), snapshot.policy.revocations
    message = pb.PolicySnapshot(version=version, keys=keys)
    count = size = 0
    for entity in entities:
        if count >= PART_ENTITIES_MAX or size >= PART_BYTES_MAX:
            message.more = True
            yield message
            message, count, size = pb.PolicySnapshot(version=version, keys=keys), 0, 0
        size += _append(message, entity)
        count += 1
    _append_revocations(message, revocations)
    yield message


def render_delta(base_version: int, delta: Delta, keys: Mapping[str, bytes]) -> pb.PolicySnapshot:
    """A change of the policy at `base_version`."""
    message = pb.PolicySnapshot(
        version=delta.version, base_version=base_version, keys=_keys(keys), removed=delta.removed
    )
    for entity in delta.put:
        _append(message, entity)
    _append_revocations(message, delta.revocations)
    return message


def merge_deltas(messages: Sequence[pb.PolicySnapshot]) -> pb.PolicySnapshot:
    """Several changes in a row as one: what it has removed is told last, so it must not have come back."""
    merged = pb.PolicySnapshot()
    removed: dict[str, None] = {}
    for message in messages:
        merged.ClearField("keys")
        merged.MergeFrom(message)
        for one in message.bindings:  # the configured operators' binding has the same id each time
            removed.pop(one.id, None)
        removed.update(dict.fromkeys(message.removed))
    merged.removed[:] = removed
    merged.base_version = messages[0].base_version
    return merged


def _keys(keys: Mapping[str, bytes]) -> list[pb.PublicKey]:
    return [pb.PublicKey(kid=kid, ed25519=raw) for kid, raw in keys.items()]


def _append_revocations(message: pb.PolicySnapshot, revocations: Iterable[Revocation]) -> None:
    for one in revocations:
        message.revocations.add(
            session=one.session, principal=one.principal, not_before_ms=one.not_before_ms, until_ms=one.until_ms
        )


def _append(message: pb.PolicySnapshot, entity: Entity) -> int:
    """Add `entity` to `message`; gives about how many bytes it takes."""
    match entity:
        case Binding():
            message.bindings.add(
                id=entity.id,
                role=entity.role,
                principals=entity.principals,
                resource=entity.resource,
                deny=entity.deny,
                name=entity.name,
                condition=entity.condition,
            )
            texts = len(entity.principals)
        case Organisation():
            message.organisations.add(id=entity.id, name=entity.name, quotas=dict(entity.quotas))
            texts = len(entity.quotas)
        case Project():
            message.projects.add(
                id=entity.id, name=entity.name, organisation=entity.organisation, quotas=dict(entity.quotas)
            )
            texts = len(entity.quotas)
        case Environment():
            message.environments.add(id=entity.id, name=entity.name, project=entity.project)
            texts = 0
        case ServiceAccount():
            message.service_accounts.add(
                id=entity.id,
                name=entity.name,
                project=entity.project,
                disabled=entity.disabled,
                environment=entity.environment,
            )
            texts = 0
        case User():
            message.users.add(
                id=entity.id, name=entity.name, organisation=entity.organisation, disabled=entity.disabled
            )
            texts = 0
        case Group():
            message.groups.add(id=entity.id, name=entity.name, organisation=entity.organisation, members=entity.members)
            texts = len(entity.members)
        case Role():
            message.roles.add(
                id=entity.id, name=entity.name, organisation=entity.organisation, permissions=entity.permissions
            )
            texts = len(entity.permissions)
        case _:
            assert_never(entity)
    return _ENTITY_BYTES + texts * _TEXT_BYTES
