"""Who VMs are: the service account a VM runs as, and the tokens that its host gets for it.

Whoever gives a VM an account, or decides what runs in a VM that has one, could be that account towards others: it takes
the same right as getting the account's tokens oneself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from plasmavmc.shell.records import on_host, runs_other
from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.iam.v1.iam_rpc import TokensClient
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.rpc import Channel
from ultracloud.base.accounts import WORKLOAD_PERMISSION, account_path, find_account
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.base.policy import Project
from ultracloud.servicekit.policy import authorise
from ultracloud.servicekit.resources import Context


@dataclass(frozen=True, slots=True)
class WorkloadToken:
    """A token for another system."""

    token: str
    expires_at: Timestamp


class Identities(Protocol):
    """Who gives tokens to workloads."""

    async def issue(self, vm: pb.Vm, audience: str, ttl_s: int) -> WorkloadToken:
        """A token of the service account that `vm` runs as.

        Raises:
            Fault: The account is disabled or gone, the audience is none, or iam is away.
        """
        ...


class IamIdentities:
    """The real one."""

    def __init__(self, channel: Channel) -> None:
        self._tokens = TokensClient(channel)

    async def issue(self, vm: pb.Vm, audience: str, ttl_s: int) -> WorkloadToken:
        """See `Identities`."""
        request = iam.IssueWorkloadTokenRequest(
            project=vm.metadata.project,
            service_account=vm.spec.service_account,
            audience=audience,
            ttl_s=ttl_s,
            workload=vm.metadata.id,
        )
        made = await self._tokens.issue_workload(request)
        return WorkloadToken(made.token, made.expires_at)


async def admit_account(context: Context, new: pb.VmSpec, old: pb.VmSpec | None) -> None:
    """Make an id of the service account in `new`, if the caller may let what runs there be it.

    Raises:
        NotFoundError: The project has no such account.
        PermissionDeniedError: The caller may not get workload tokens of it.
    """
    if not new.service_account:
        return
    if old is not None and new.service_account == old.service_account and not runs_other(new, old):
        return
    authority = context.resources.authority
    policy = authority.snapshot.policy
    project = policy.project_of_id.get(context.place.id) or Project(context.place.id, "", "")
    account = find_account(policy, project, new.service_account)
    new.service_account = account.id
    await authorise(authority, context.principal, WORKLOAD_PERMISSION, account_path(policy, account))


def account_of(vm: pb.Vm | None, host: str) -> pb.Vm:
    """`vm`, if it is on `host` and runs as an account.

    Raises:
        PermissionDeniedError: It does not; a host learns nothing of VMs elsewhere.
    """
    vm = on_host(vm, host)
    if not vm.spec.service_account:
        raise PermissionDeniedError(
            f"vm '{vm.metadata.name}' runs as nobody; set its service_account", reason="NO_SERVICE_ACCOUNT"
        )
    return vm
