"""Secrets that VMs refer to: admitted for whoever may read them, and told to the VM's host when it starts the VM.

A record holds ids and versions and never a value. Values pass through here from iam to the agent of one host, and are
neither kept nor logged on the way. What iam says of a secret becomes one of three words: not found, denied, away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from plasmavmc.core.variables import USER_DATA, Variable, check_variables
from plasmavmc.shell.records import runs_other
from ultracloud.api.iam.v1 import secrets_pb2 as iam
from ultracloud.api.iam.v1.secrets_rpc import SecretsClient
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.api.rpc import Channel
from ultracloud.base.faults import (
    Fault,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from ultracloud.base.policy import environment_path, require
from ultracloud.servicekit.policy import authorise, decision, judge
from ultracloud.servicekit.resources import Context

ACCESS = "iam.secrets.access"
"""What it takes to refer to a secret: to read it, which whoever owns the guest can do from then on."""


class Secrets(Protocol):
    """What plasmavmc asks of whoever keeps secrets."""

    async def find(self, project: str, ref: str) -> iam.Secret:
        """The secret of a project with this name or id, without its value.

        Raises:
            NotFoundError: There is none.
        """
        ...

    async def resolve(self, project: str, ref: iam.SecretRef) -> bytes:
        """The value of a version; of the newest where its number is 0.

        Raises:
            NotFoundError: There is no such secret, or no such version.
            PermissionDeniedError: VMs may not use it.
        """
        ...


class IamSecrets:
    """The real ones."""

    def __init__(self, channel: Channel) -> None:
        self._secrets = SecretsClient(channel)

    async def find(self, project: str, ref: str) -> iam.Secret:
        """See `Secrets`."""
        return await self._secrets.get(GetRequest(project=project, ref=ref))

    async def resolve(self, project: str, ref: iam.SecretRef) -> bytes:
        """See `Secrets`."""
        answer = await self._secrets.resolve(iam.ResolveSecretsRequest(project=project, refs=[ref]))
        return answer.values[0].value


# ---- admission -------------------------------------------------------------------------------------------------------


async def admit_secrets(secrets: Secrets, context: Context, new: pb.VmSpec, old: pb.VmSpec | None) -> None:
    """Check the variables, and that the caller may use the secrets that are referred to; names become ids.

    Raises:
        InvalidArgumentError: A variable is not as it must be.
        PermissionDeniedError: The caller may not read a secret; said whether or not there is one.
        NotFoundError: There is no such secret, or no such version of it.
    """
    check_variables(Variable(each.name, each.value, each.secret.secret) for each in new.variables)
    if new.HasField("user_data_secret") and new.user_data:
        raise InvalidArgumentError(
            "user_data and user_data_secret are both given; give one of them", reason="VARIABLE_INVALID"
        )
    known = [] if old is None or runs_other(new, old) else [ref for _, ref in references(old)]
    for name, ref in references(new):
        if ref not in known:
            await _admit(secrets, context, name, ref)


async def _admit(secrets: Secrets, context: Context, name: str, ref: iam.SecretRef) -> None:
    """Check one reference, and write the id into it."""
    if not ref.secret or ref.number < 0:
        raise InvalidArgumentError(
            f"the secret of {shown(name)} is not named; give its name or id, and a number that is not negative",
            reason="SECRET_INVALID",
        )
    found = await _found(secrets, context, ref.secret)
    versions = {one.number for one in found.status.versions if not one.destroyed}
    if (ref.number or found.status.latest) not in versions:
        raise NotFoundError(
            f"secret {ref.secret[:80]!a} has no version {ref.number or 'yet'}", reason="SECRET_VERSION_NOT_FOUND"
        )
    ref.secret = found.metadata.id


async def _found(secrets: Secrets, context: Context, ref: str) -> iam.Secret:
    """The secret, if the caller may read it; who may not hears nothing of whether there is one."""
    authority, place, principal = context.resources.authority, context.place, context.principal
    try:
        found = await secrets.find(place.id, ref)
    except NotFoundError:
        await authorise(authority, principal, ACCESS, place.path)
        raise
    labels = found.metadata.labels
    path = f"{environment_path(authority.snapshot.policy, place.id, place.path, labels)}/secrets/{found.metadata.id}"
    made = await decision(authority, principal, ACCESS, path, labels)
    if not made.allowed:
        require(judge(authority, principal, ACCESS, place.path))
        require(made)
    return found


# ---- at a start ------------------------------------------------------------------------------------------------------


async def values_of(secrets: Secrets, vm: pb.Vm) -> list[pb.ResolvedVmSecret]:
    """What a VM's secrets hold now.

    Raises:
        NotFoundError: SECRET_NOT_FOUND: one is gone, or its version is.
        PermissionDeniedError: SECRET_DENIED: VMs may not use one.
        UnavailableError: Nobody answers.
    """
    project = vm.metadata.project
    return [
        pb.ResolvedVmSecret(name=name, value=await _value(secrets, project, name, ref))
        for name, ref in references(vm.spec)
    ]


async def _value(secrets: Secrets, project: str, name: str, ref: iam.SecretRef) -> bytes:
    try:
        return await secrets.resolve(project, ref)
    except NotFoundError as error:
        version = f"version {ref.number} of " if ref.number else ""
        sentence = f"{version}the secret of {shown(name)} is not there any more; refer to another"
        raise NotFoundError(sentence, reason="SECRET_NOT_FOUND", detail=str(error)) from error
    except PermissionDeniedError as error:
        sentence = f"iam does not let VMs use the secret of {shown(name)}"
        raise PermissionDeniedError(sentence, reason="SECRET_DENIED", detail=str(error)) from error
    except Fault as error:
        raise UnavailableError("the VM's secrets cannot be read now", detail=str(error)) from error


def references(spec: pb.VmSpec) -> Iterator[tuple[str, iam.SecretRef]]:
    """Each reference of a VM's, with the variable that it is of."""
    if spec.HasField("user_data_secret"):
        yield USER_DATA, spec.user_data_secret
    for each in spec.variables:
        if each.HasField("secret"):
            yield each.name, each.secret


def shown(name: str) -> str:
    """What a reference is of, for sentences."""
    return name if name != USER_DATA else "the user data"
