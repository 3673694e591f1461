"""What iam tells plasmavmc of workloads: tokens of who they are, and secrets that they refer to."""

from __future__ import annotations

from dataclasses import dataclass

from plasmavmc.shell.identities import IamIdentities, Identities
from plasmavmc.shell.secrets import IamSecrets, Secrets
from ultracloud.api.rpc import Channel


@dataclass(frozen=True, slots=True)
class Workloads:
    """Both."""

    identities: Identities
    secrets: Secrets


def of_iam(channel: Channel) -> Workloads:
    """The real ones."""
    return Workloads(IamIdentities(channel), IamSecrets(channel))
