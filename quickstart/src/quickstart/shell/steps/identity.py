"""Step 3: an organisation with two projects, an administrator, a service account with a token, and a refused call."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from quickstart.errors import QuickstartError
from quickstart.shell.cloud import Cloud, Iam, Tenant
from quickstart.shell.journal import Journal
from ultracloud.api.iam.v1.iam_pb2 import (
    BindingSpec,
    CreateBindingRequest,
    CreateOrganisationRequest,
    CreateProjectRequest,
    CreateServiceAccountRequest,
    CreateUserRequest,
    IssueTokenRequest,
    WhoAmIRequest,
)
from ultracloud.api.iam.v1.identity_pb2 import AcceptInviteRequest, InviteRequest
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.base.faults import PermissionDeniedError

ORGANISATION, PROJECT, OTHER_PROJECT, ACCOUNT = "demo", "blue", "green", "builder"
ROLE = "developer"
ADMINISTRATOR = "admin"
LOGIN = f"{ADMINISTRATOR}@{ORGANISATION}"
PASSWORD_BYTES = 12
"""96 bits: nobody guesses them, and a person can type them."""
TOKEN_SECONDS = 12 * 3600
"""A kept cloud is used for an afternoon."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes everything from here on.

    Attributes:
        token: Bearer token of the service account.
        tenant: Every service, called with it.
        principal: What the services know the account as.
        password: Of the person who owns the cloud, and logs in with `uc`.
    """

    token: str
    tenant: Tenant
    principal: str
    password: str


async def make(journal: Journal, cloud: Cloud) -> Identity:
    """Make organisation, projects, account and token, then show a refusal.

    Raises:
        StepFailedError: iam refused, or did not refuse what it should.
    """
    async with journal.step(
        "token issued", "making an organisation, two projects and a service account", "iam"
    ) as step:
        token = await _issue_token(cloud.operator())
        tenant = cloud.tenant(token)
        known = await tenant.iam.tokens.who_am_i(WhoAmIRequest())
        password = await _make_administrator(cloud.operator())
        step.detail = (
            f"organisation {ORGANISATION}, projects {PROJECT} and {OTHER_PROJECT}, a token for {ACCOUNT}, "
            f"administrator {LOGIN}"
        )
    async with journal.step("refused without rights", "calling without rights", "iam") as step:
        step.detail = f"refused: {await _refusal(tenant)}"
    return Identity(token, tenant, known.principal, password)


async def _issue_token(operator: Iam) -> str:
    """Everything the operator does; after this only the token is used."""
    organisation = await operator.organisations.create(
        CreateOrganisationRequest(name=ORGANISATION, idempotency_key="organisation")
    )
    for name in (PROJECT, OTHER_PROJECT):
        await operator.projects.create(
            CreateProjectRequest(project=organisation.metadata.id, name=name, idempotency_key=f"project-{name}")
        )
    account = await operator.service_accounts.create(
        CreateServiceAccountRequest(project=PROJECT, name=ACCOUNT, idempotency_key="account")
    )
    spec = BindingSpec(
        role=ROLE,
        principals=[f"serviceaccount:{account.metadata.id}"],
        resource=f"organisations/{organisation.metadata.id}",
    )
    await operator.bindings.create(
        CreateBindingRequest(project=organisation.metadata.id, name="builders", spec=spec, idempotency_key="binding")
    )
    issued = await operator.tokens.issue(
        IssueTokenRequest(project=PROJECT, service_account=ACCOUNT, ttl_s=TOKEN_SECONDS)
    )
    return issued.token


async def _make_administrator(operator: Iam) -> str:
    """A person who owns the whole cloud; gives the password."""
    organisation = await operator.organisations.get(GetRequest(ref=ORGANISATION))
    user = await operator.users.create(
        CreateUserRequest(project=organisation.metadata.id, name=ADMINISTRATOR, idempotency_key="administrator")
    )
    spec = BindingSpec(role="owner", principals=[f"user:{user.metadata.id}"], resource="")
    await operator.bindings.create(
        CreateBindingRequest(name=f"owner-{ADMINISTRATOR}", spec=spec, idempotency_key="administrators-binding")
    )
    invite = await operator.credentials.invite(InviteRequest(project=ORGANISATION, ref=ADMINISTRATOR))
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    await operator.credentials.accept_invite(AcceptInviteRequest(token=invite.token, password=password))
    return password


async def _refusal(tenant: Tenant) -> str:
    """Try something a developer may not, and give the reason of the refusal."""
    try:
        await tenant.iam.service_accounts.create(CreateServiceAccountRequest(project=PROJECT, name="intruder"))
    except PermissionDeniedError as error:
        return error.public
    raise QuickstartError(
        f"role {ROLE} could make a service account, which only an admin may",
        remedy="this is a defect of iam; please report it with the logs",
    )
