"""The policy copy: iam's policy on this service's own disk and in its memory, and the decisions made from it.

A service decides alone: it keeps the newest snapshot, follows iam's stream for newer ones, and starts from the file
when iam is away. A caller who has just been given a right may arrive before the snapshot that says so; a refusal
therefore waits a moment for a newer snapshot before it is given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1.iam_rpc import PolicyClient
from ultracloud.api.rpc import Channel
from ultracloud.base.faults import Fault, NotFoundError, PermissionDeniedError, UnavailableError
from ultracloud.base.policy import (
    Binding,
    Decision,
    Group,
    Organisation,
    Policy,
    Principal,
    Project,
    Revocation,
    Role,
    ServiceAccount,
    User,
    decide,
    find_organisation,
    find_project,
    require,
)
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.streams import closing

PlaceT = TypeVar("PlaceT", Organisation, Project)

FILE_NAME = "policy.bin"
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0
"""Between attempts to reach iam."""
SETTLE_S = 0.25
"""How long a refusal waits for a newer snapshot: iam's stream delivers within milliseconds."""
BEHIND_S = 2.0
"""How long it waits when the caller's token proves that there is a newer one."""
WAITING_MAX = 256
"""Refusals that may wait at once; beyond, they are given at once, so that hostile callers cost no memory."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A policy and the keys (kid -> raw Ed25519 public key) that tokens are verified with."""

    policy: Policy = field(default_factory=Policy)
    keys: Mapping[str, bytes] = field(default_factory=dict)


class Authority(Protocol):
    """Who decides. `PolicyCopy` in every service; iam has its own at the source."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest there is."""
        ...

    async def wait_newer(self, version: int, timeout_s: float) -> bool:
        """Wait until the snapshot's version differs from `version`; False if it does not in time."""
        ...


class PolicyCopy(Authority):
    """A watched copy. Make it with `open_copy`, keep it current with `run` in a task."""

    def __init__(self, snapshot: Snapshot | None = None, file: Path | None = None) -> None:
        self._snapshot = snapshot or Snapshot()
        self._file = file
        self._changed = asyncio.Event()
        self._waiting = 0

    @property
    def snapshot(self) -> Snapshot:
        """The newest there is; empty (version 0: denies all tenants) before the first."""
        return self._snapshot

    def replace(self, snapshot: Snapshot) -> None:
        """Decide from `snapshot` from now on; it is not written to disk."""
        self._snapshot = snapshot
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait_newer(self, version: int, timeout_s: float) -> bool:
        """See `Authority`."""
        if self._snapshot.policy.version != version:
            return True
        if self._waiting >= WAITING_MAX:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    async def run(self, channel: Channel, clock: Clock, gate: Gate | None = None) -> None:
        """Follow iam for ever; `gate` opens with the first snapshot, from disk or from iam."""
        log = logging.getLogger(__name__)
        if self._snapshot.policy.version and gate:
            gate.open()
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                request = pb.WatchPolicyRequest(known_version=self._snapshot.policy.version)
                async with closing(PolicyClient(channel).watch(request)) as messages:
                    async for message in messages:
                        pause_s = PAUSE_FIRST_S
                        self.replace(parse_snapshot(message))
                        if gate:
                            gate.open()
                        await self._keep(message)
            except Fault as error:
                log.debug("policy stream ended", exc_info=error)
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _keep(self, message: pb.PolicySnapshot) -> None:
        """Write the snapshot for the next start; a full disk costs only that."""
        if self._file is not None:
            try:
                await asyncio.to_thread(write_atomically, self._file, message.SerializeToString())
            except OSError as error:
                logging.getLogger(__name__).warning("policy copy not written: %s", error.strerror)


def open_copy(state_dir: Path) -> PolicyCopy:
    """The copy kept in `state_dir`; empty if there is none or it is unreadable (iam will send it again)."""
    file = state_dir / FILE_NAME
    try:
        return PolicyCopy(parse_snapshot(pb.PolicySnapshot.FromString(file.read_bytes())), file)
    except FileNotFoundError:
        return PolicyCopy(file=file)
    except (OSError, DecodeError, Fault) as error:
        logging.getLogger(__name__).warning("policy copy %s is unreadable, waiting for iam: %s", file, error)
        return PolicyCopy(file=file)


async def authorise(authority: Authority, principal: Principal, permission: str, resource: str) -> None:
    """Return if `principal` may do `permission` on the path `resource`.

    Raises:
        PermissionDeniedError: It may not; the sentence says why and what would change that.
        UnavailableError: The copy is older than the caller's token and does not catch up.
    """
    require(await decision(authority, principal, permission, resource))


async def decision(authority: Authority, principal: Principal, permission: str, resource: str) -> Decision:
    """The decision of the newest policy; a refusal first waits a moment for a newer one."""
    policy = authority.snapshot.policy
    made = decide(policy, principal, permission, resource)
    if not made.allowed and await authority.wait_newer(policy.version, BEHIND_S if made.stale else SETTLE_S):
        made = decide(authority.snapshot.policy, principal, permission, resource)
    return made


async def resolve_project(authority: Authority, principal: Principal, ref: str, permission: str) -> Project:
    """The project `ref` names, for a caller who wants `permission` there.

    Raises:
        PermissionDeniedError: A tenant has no such project or no right to know of it; the answer is the same.
        NotFoundError: No such project (told to services and operators).
        UnavailableError: The policy here is older than the caller's token.
    """
    return await _resolve(authority, principal, "project", ref, permission, find_project)


async def resolve_organisation(authority: Authority, principal: Principal, ref: str, permission: str) -> Organisation:
    """The organisation `ref` names; raises as `resolve_project`."""
    return await _resolve(authority, principal, "organisation", ref, permission, find_organisation)


async def _resolve(
    authority: Authority,
    principal: Principal,
    what: str,
    ref: str,
    permission: str,
    find: Callable[[Policy, Principal, str], PlaceT],
) -> PlaceT:
    """What `find` finds, now or in a snapshot that is about to come."""
    policy = authority.snapshot.policy
    try:
        return find(policy, principal, ref)
    except NotFoundError as error:
        refusal = error
    if await authority.wait_newer(policy.version, BEHIND_S if principal.policy_version > policy.version else SETTLE_S):
        policy = authority.snapshot.policy
        try:
            return find(policy, principal, ref)
        except NotFoundError as error:
            refusal = error
    raise _unknown_place(policy, principal, what, ref, permission, refusal)


def _unknown_place(
    policy: Policy, principal: Principal, what: str, ref: str, permission: str, error: NotFoundError
) -> Fault:
    """What a caller is told of a place that is not there, or is none of theirs."""
    if principal.policy_version > policy.version:
        return UnavailableError(
            "the policy here is older than your token; try again in a moment",
            detail=str(error),
            reason="POLICY_BEHIND",
        )
    if not principal.is_tenant or error.reason == "PROJECT_AMBIGUOUS":
        return error
    return PermissionDeniedError(
        f"you have no right to {permission} in {what} {ref[:200]!a}, or there is no such {what}",
        hint=f"check the {what}'s name, or ask an admin of it to bind a role with {permission} to you",
        reason="NO_BINDING",
        metadata={"permission": permission, what: ref[:200]},
    )


def parse_snapshot(message: pb.PolicySnapshot) -> Snapshot:
    """The message of iam as a policy."""
    policy = Policy(
        version=message.version,
        organisations=tuple(Organisation(one.id, one.name) for one in message.organisations),
        projects=tuple(
            Project(one.id, one.name, one.organisation, tuple(sorted(one.quotas.items()))) for one in message.projects
        ),
        service_accounts=tuple(
            ServiceAccount(one.id, one.name, one.project, one.disabled) for one in message.service_accounts
        ),
        roles=tuple(Role(one.id, one.name, one.organisation, tuple(one.permissions)) for one in message.roles),
        bindings=tuple(_binding(one) for one in message.bindings),
        users=tuple(User(one.id, one.name, one.organisation, one.disabled) for one in message.users),
        groups=tuple(Group(one.id, one.name, one.organisation, tuple(one.members)) for one in message.groups),
        revocations=tuple(
            Revocation(one.session, one.principal, one.not_before_ms, one.until_ms) for one in message.revocations
        ),
    )
    return Snapshot(policy, {key.kid: key.ed25519 for key in message.keys})


def _binding(one: pb.PolicyBinding) -> Binding:
    return Binding(one.id, one.role, tuple(one.principals), one.resource, one.deny, one.name, one.condition)
