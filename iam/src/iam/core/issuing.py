"""Issuing: whether this caller gets a token of that account, and what the token says.

A token is power: who issues one could use it, so it is given only to those who hold what the account holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from iam.core.admission import organisation_of
from iam.core.oauth import BUILT_IN, CLIENT_PREFIX
from iam.core.powers import require_powers
from ultracloud.base.accounts import WORKLOAD_PERMISSION, account_path
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.ids import is_id
from ultracloud.base.policy import Policy, Principal, PrincipalKind, ServiceAccount, decide, grants_of, require
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX
from ultracloud.base.tokens import AUDIENCE, Claims, check_ttl

PERMISSION = "iam.tokens.issue"
AUDIENCE_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token as asked for.

    Attributes:
        token_id: Fresh id for the claim ``jti``.
        key: Public key that the holder's first narrowing is signed with.
    """

    account: ServiceAccount
    ttl_s: int
    now_s: int
    token_id: str
    key: bytes = b""


def issue(policy: Policy, caller: Principal, wanted: Wanted) -> Claims:
    """The claims to sign.

    Raises:
        InvalidArgumentError: The lifetime is out of range.
        PermissionDeniedError: The caller may not issue tokens for this account, or holds less than it does.
        FailedPreconditionError: The account is disabled.
    """
    ttl_s = check_ttl(wanted.ttl_s)
    account = wanted.account
    require(decide(policy, caller, PERMISSION, account_path(policy, account)))
    _require_enabled(account)
    deed = f"issue a token for {account.name}, whose powers exceed yours"
    require_all_powers(policy, caller, f"{SERVICE_ACCOUNT_PREFIX}{account.id}", deed)
    return Claims(
        subject=account.id,
        organisation=policy.project_of_id[account.project].organisation,
        project=account.project,
        issued_at_s=wanted.now_s,
        expires_at_s=wanted.now_s + ttl_s,
        token_id=wanted.token_id,
        policy_version=policy.version,
        key=wanted.key,
    )


@dataclass(frozen=True, slots=True)
class WorkloadWanted:
    """A token for another system as asked for.

    Attributes:
        audience: Who is to believe it.
        issuer: The URL whose keys verify it.
        token_id: Fresh id for the claim ``jti``.
        workload: Id of what runs as the account, told by the service that runs it; empty where nobody says.
    """

    account: ServiceAccount
    audience: str
    ttl_s: int
    issuer: str
    now_s: int
    token_id: str
    workload: str = ""


def issue_workload(policy: Policy, caller: Principal, wanted: WorkloadWanted) -> dict[str, object]:
    """The claims of a token that proves to another system who an account is.

    It gives nothing here, so the caller need not hold what the account holds here; but what the account is given there
    is the caller's too, so it takes a permission of its own on the account.

    Raises:
        InvalidArgumentError: The lifetime, the audience or the workload is not accepted.
        PermissionDeniedError: The caller may not.
        FailedPreconditionError: The account is disabled.
    """
    account, audience = wanted.account, wanted.audience
    ttl_s = check_ttl(wanted.ttl_s)
    # What a program takes for an ID token of a person must not be had as one of a workload.
    is_ours = audience == AUDIENCE or audience in BUILT_IN or is_id(audience, CLIENT_PREFIX)
    if not 0 < len(audience) <= AUDIENCE_LENGTH_MAX or not audience.isprintable() or is_ours:
        raise InvalidArgumentError(
            f"audience {audience[:80]!a} is not accepted; accepted: the name of another system, 1 to "
            f"{AUDIENCE_LENGTH_MAX} characters",
            reason="AUDIENCE_INVALID",
        )
    if wanted.workload and (
        caller.kind is not PrincipalKind.SERVICE or not is_id(wanted.workload, wanted.workload.rpartition("-")[0])
    ):
        raise InvalidArgumentError(
            f"workload {wanted.workload[:80]!a} is not accepted; accepted: nothing, or from a service the id of "
            "what it runs",
            reason="WORKLOAD_INVALID",
        )
    require(decide(policy, caller, WORKLOAD_PERMISSION, account_path(policy, account)))
    _require_enabled(account)
    project = policy.project_of_id[account.project]
    said = {"workload": wanted.workload} if wanted.workload else {}
    return {
        **said,
        "iss": wanted.issuer,
        "sub": f"{SERVICE_ACCOUNT_PREFIX}{account.id}",
        "aud": audience,
        "iat": wanted.now_s,
        "exp": wanted.now_s + ttl_s,
        "jti": wanted.token_id,
        "organisation": project.organisation,
        "project": project.id,
        "project_name": project.name,
        "service_account_name": account.name,
    }


def _require_enabled(account: ServiceAccount) -> None:
    if account.disabled:
        raise FailedPreconditionError(
            f"service account {account.name} is disabled and gets no tokens; enable it first",
            reason="SERVICE_ACCOUNT_DISABLED",
        )


def require_all_powers(policy: Policy, caller: Principal, principal: str, deed: str) -> None:
    """Return if `caller` holds whatever `principal` holds at the root and in its organisation; itself it does.

    What other organisations have bound to it does not count: they have left it to the admins of its own who that
    is, and could otherwise, by binding it to something of theirs, keep those from managing it.

    Args:
        policy: The newest there is.
        caller: Who asks for something that makes them the principal.
        principal: Its id.
        deed: Completes "you may not ...".

    Raises:
        PermissionDeniedError: The principal holds more.
    """
    if caller.id == principal and not caller.narrowings:
        return
    home = _home_of(policy, principal)
    for place, grants in grants_of(policy, principal).items():
        for grant in grants if organisation_of(place) in ("", home) else ():
            if not grant.binding.deny:
                require_powers(policy, caller, grant.patterns, place, deed)


def _home_of(policy: Policy, principal: str) -> str:
    """Id of the organisation that a user or a service account belongs to."""
    user = policy.user_of_principal.get(principal)
    if user is not None:
        return user.organisation
    account = policy.account_of_principal.get(principal)
    project = policy.project_of_id.get(account.project) if account is not None else None
    return project.organisation if project is not None else ""
