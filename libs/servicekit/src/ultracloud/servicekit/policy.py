"""The policy copy: iam's policy on this service's own disk and in its memory, and the decisions made from it.

A service decides alone: it keeps the newest snapshot, follows iam's stream for newer ones, and starts from the file
when iam is away. A caller who has just been given a right may arrive before the snapshot that says so; a refusal
therefore waits a moment for a newer snapshot before it is given.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1.iam_rpc import PolicyClient
from ultracloud.api.rpc import Channel
from ultracloud.base.conditions import Circumstances
from ultracloud.base.faults import Fault, NotFoundError, PermissionDeniedError, UnavailableError
from ultracloud.base.policy import (
    Decision,
    Organisation,
    Policy,
    Principal,
    Project,
    Why,
    decide,
    find_organisation,
    find_project,
    require,
)
from ultracloud.servicekit.clock import Clock, SystemClock
from ultracloud.servicekit.policy_file import FILE_NAME, PolicyFile
from ultracloud.servicekit.policy_wire import (
    Snapshot,
    entities_of,
    keys_of,
    parse_delta,
    parse_snapshot,
    revocations_of,
)
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.streams import closing

__all__ = [
    "FILE_NAME",
    "Authority",
    "PolicyCopy",
    "Snapshot",
    "authorise",
    "decision",
    "judge",
    "open_copy",
    "parse_snapshot",
    "resolve_organisation",
    "resolve_project",
]

PlaceT = TypeVar("PlaceT", Organisation, Project)

PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0
"""Between attempts to reach iam."""
SETTLE_S = 0.25
"""How long a refusal waits for a newer snapshot: iam's stream delivers within milliseconds."""
BEHIND_S = 2.0
"""How long it waits when the caller's token proves that there is a newer one."""
FINAL = frozenset({Why.SESSION_REVOKED, Why.TOKENS_REVOKED, Why.TOKEN_NARROWED})
"""Refusals that no newer policy takes back, so that nobody waits for one."""
_CLOCK = SystemClock()
LARGE_BINDINGS = 2_000
"""From which on a policy is worth keeping from the collector: some 10 ms of a full collection."""
WAITING_MAX = 256
"""Refusals that may wait at once; beyond, they are given at once, so that hostile callers cost no memory."""


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

    def __init__(self, snapshot: Snapshot | None = None, file: PolicyFile | None = None) -> None:
        self._snapshot = snapshot or Snapshot()
        self._file = file
        self._building: Policy | None = None
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
        async with asyncio.TaskGroup() as tasks:
            if self._file is not None:
                tasks.create_task(self._file.run(clock), name="keep the policy on disk")
            await self._follow(channel, clock, gate)

    async def _follow(self, channel: Channel, clock: Clock, gate: Gate | None) -> None:
        log = logging.getLogger(__name__)
        if self._snapshot.policy.version and gate:
            gate.open()
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                self._building = None
                request = pb.WatchPolicyRequest(known_version=self._snapshot.policy.version)
                async with closing(PolicyClient(channel).watch(request)) as messages:
                    async for message in messages:
                        pause_s = PAUSE_FIRST_S
                        if self.take(message, clock.now_ms()) and gate:
                            gate.open()
            except Fault as error:
                log.debug("policy stream ended", exc_info=error)
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    def take(self, message: pb.PolicySnapshot, now_ms: int) -> bool:
        """Take in a message of iam's stream; whether there is a newer policy thereby.

        Raises:
            UnavailableError: It is a change of a policy that is not here; everything must be asked for again.
        """
        policy = self._snapshot.policy
        if message.base_version:
            if message.base_version > policy.version or not policy.version:
                raise UnavailableError(f"a change of policy {message.base_version} came, and here is {policy.version}")
            policy = policy.advanced(parse_delta(message))
        elif not self._take_part(message):
            return False
        else:
            assert self._building is not None, message.version
            policy, self._building = self._building, None
            leave_to_itself(policy, instead_of=self._snapshot.policy)
        if policy.revocation_of:
            policy.forget(now_ms)
        keys = keys_of(message)
        # The same object while they are the same: who has verified tokens with them need not do so again.
        self.replace(Snapshot(policy, self._snapshot.keys if keys == self._snapshot.keys else keys))
        if self._file is not None and message.base_version:
            self._file.keep(message)
            if self._file.is_bloated:
                self._file.keep_whole(self._snapshot)
        return True

    def _take_part(self, message: pb.PolicySnapshot) -> bool:
        """Take in a part of a whole policy; whether it was the last one."""
        if self._building is None or self._building.version != message.version:
            self._building = Policy(version=message.version)
            if self._file is not None:
                self._file.begin()
        self._building.put(entities_of(message))
        self._building.revoke(revocations_of(message))
        if self._file is not None:
            self._file.keep(message)
        return not message.more


def open_copy(state_dir: Path) -> PolicyCopy:
    """The copy kept in `state_dir`; empty if there is none or it is unreadable (iam will send it again)."""
    path = state_dir / FILE_NAME
    file, log = PolicyFile(path), logging.getLogger(__name__)
    try:
        snapshot = file.read()
    except FileNotFoundError:
        return PolicyCopy(file=file)
    except (OSError, Fault) as error:
        log.warning("policy copy %s is unreadable, waiting for iam: %s", path, error)
        return PolicyCopy(file=file)
    if not snapshot.policy.version:
        log.warning("policy copy %s is damaged, waiting for iam", path)
    leave_to_itself(snapshot.policy)
    return PolicyCopy(snapshot, file)


def leave_to_itself(policy: Policy, instead_of: Policy | None = None) -> None:
    """Have the garbage collector look at a whole policy that has just been made no more, if it is large.

    A full collection looks at everything, and with a hundred thousand bindings that is a pause of a third of a second
    in the middle of a request. What a policy holds has no cycles but those that decisions make; they are cut in the one
    that it comes `instead_of`, which ends with its last reader.
    """
    if instead_of is not None:
        instead_of.uncompile_all()
    if len(policy.binding_of_id) >= LARGE_BINDINGS:
        gc.freeze()


async def authorise(
    authority: Authority,
    principal: Principal,
    permission: str,
    resource: str,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Return if `principal` may do `permission` on the path `resource`, which has these labels, if any.

    Raises:
        PermissionDeniedError: It may not; the sentence says why and what would change that.
        UnavailableError: The copy is older than the caller's token and does not catch up.
    """
    if not judge(authority, principal, permission, resource, labels).allowed:
        require(await decision(authority, principal, permission, resource, labels))


async def decision(
    authority: Authority,
    principal: Principal,
    permission: str,
    resource: str,
    labels: Mapping[str, str] | None = None,
) -> Decision:
    """The decision of the newest policy; a refusal that it may change first waits a moment for a newer one."""
    version = authority.snapshot.policy.version
    made = judge(authority, principal, permission, resource, labels)
    if (
        not made.allowed
        and made.why not in FINAL
        and await authority.wait_newer(version, BEHIND_S if made.stale else SETTLE_S)
    ):
        made = judge(authority, principal, permission, resource, labels)
    return made


def judge(
    authority: Authority,
    principal: Principal,
    permission: str,
    resource: str,
    labels: Mapping[str, str] | None = None,
) -> Decision:
    """The decision of the policy that is here, without waiting. Conditions are told the time and `labels`."""
    if labels:
        return decide(
            authority.snapshot.policy,
            principal,
            permission,
            resource,
            lambda: Circumstances(_CLOCK.now_ms(), labels),
        )
    return decide(authority.snapshot.policy, principal, permission, resource, _now)


def _now() -> Circumstances:
    return Circumstances(_CLOCK.now_ms())


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
