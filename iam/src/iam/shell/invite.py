"""``iam invite``: the first person of a cloud, from a certificate: organisation, user, role and invite in one go.

What is there already stays, so that a lost invite is asked for anew with the same line. Later people are invited by
those who are in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1 import iam_rpc as rpc
from ultracloud.api.iam.v1 import identity_pb2, identity_rpc
from ultracloud.api.rpc import Channel
from ultracloud.base.faults import AlreadyExistsError, Fault
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.lifecycle import Command
from ultracloud.servicekit.pki import TlsIdentity


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "login", metavar="NAME@ORGANISATION", help="whom to invite; both are made if they are not there"
    )
    parser.add_argument("--role", default="owner", help="what they become in their organisation (owner)")
    parser.add_argument("--everywhere", action="store_true", help="give the role on the whole cloud, not there alone")
    parser.add_argument("--email", default="", help="their address, to log in with as well")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where iam listens")
    for name in ("certificate", "key", "ca"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="of an operator who owns the cloud")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Invite, and print where to go."""
    name, at, organisation = arguments.login.partition("@")
    if not (name and at and organisation):
        raise StartError(f"{arguments.login!a} is no login; write NAME@ORGANISATION, such as ada@acme")
    identity = TlsIdentity(arguments.certificate, arguments.key, arguments.ca)
    try:
        invite = asyncio.run(_invite(arguments, identity, name, organisation))
    except Fault as error:
        raise StartError(f"iam refuses: {error.public}") from error
    sys.stdout.write(
        f"{invite.qr}\n{invite.url}\n\n{arguments.login} sets a password there, once, before "
        f"{invite.expires_at.ToJsonString()}.\n"
    )
    return 0


async def _invite(
    arguments: argparse.Namespace, identity: TlsIdentity, name: str, organisation: str
) -> identity_pb2.InviteResponse:
    channel = channels.connect(arguments.target, identity, pki.service_identity("iam"))
    try:
        return await invite_first(
            channel, name, organisation, arguments.role, email=arguments.email, everywhere=arguments.everywhere
        )
    finally:
        await channel.close()


async def invite_first(
    channel: Channel, name: str, organisation: str, role: str, *, email: str = "", everywhere: bool = False
) -> identity_pb2.InviteResponse:
    """An invite for a user who has a role; makes what is not there.

    Raises:
        Fault: What iam says.
    """
    place = "" if everywhere else f"organisations/{organisation}"
    user = pb.UserSpec(email=email)
    binding = pb.BindingSpec(role=role, principals=[f"user:{name}@{organisation}"], resource=place)
    owner = "" if everywhere else organisation
    with contextlib.suppress(AlreadyExistsError):
        await rpc.OrganisationsClient(channel).create(pb.CreateOrganisationRequest(name=organisation))
    with contextlib.suppress(AlreadyExistsError):
        await rpc.UsersClient(channel).create(pb.CreateUserRequest(project=organisation, name=name, spec=user))
    with contextlib.suppress(AlreadyExistsError):
        bound = pb.CreateBindingRequest(project=owner, name=f"{role}-{name}", spec=binding)
        await rpc.BindingsClient(channel).create(bound)
    request = identity_pb2.InviteRequest(project=organisation, ref=name)
    return await identity_rpc.CredentialsClient(channel).invite(request)


COMMAND = Command("invite", "invite a person with an operator's certificate: how the first one gets in", configure)
