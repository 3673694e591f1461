"""Issuing: whether this caller gets a token of that account, and what the token says.

A token is power: who issues one could use it, so it is given only to those who hold what the account holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from iam.core.admission import place_of
from iam.core.powers import require_powers
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.base.policy import Policy, Principal, ServiceAccount, decide, grants_of, require
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX
from ultracloud.base.tokens import Claims, check_ttl

PERMISSION = "iam.tokens.issue"


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
    require(decide(policy, caller, PERMISSION, place_of(policy, account)))
    if account.disabled:
        raise FailedPreconditionError(
            f"service account {account.name} is disabled and gets no tokens; enable it first",
            reason="SERVICE_ACCOUNT_DISABLED",
        )
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


def require_all_powers(policy: Policy, caller: Principal, principal: str, deed: str) -> None:
    """Return if `caller` holds whatever `principal` holds, wherever it does; the principal itself does.

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
    for place, grants in grants_of(policy, principal).items():
        for grant in grants:
            if not grant.binding.deny:
                require_powers(policy, caller, grant.patterns, place, deed)
