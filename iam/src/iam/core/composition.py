"""Composition: the records of the store and the operators of the configuration -> the policy everybody decides from."""

from __future__ import annotations

from collections.abc import Sequence

from ultracloud.base.policy import Binding, Delta, Policy, Revocation

ADMINS_BINDING = "builtin:admins"
"""Id of the binding that makes the configured operators owners of everything; it is in no store."""


def admin_bindings(admins: Sequence[str]) -> tuple[Binding, ...]:
    """The binding of the configured operators; none without operators."""
    return (Binding(ADMINS_BINDING, "owner", tuple(admins), "", deny=False, name="admins"),) if admins else ()


def with_admins(policy: Policy, admins: Sequence[str]) -> Policy:
    """`policy` with `admins` instead of the operators it was kept with: the configuration has the last word."""
    return policy.advanced(_announced(Delta(policy.version), admins))


def difference(before: Policy, after: Policy, admins: Sequence[str]) -> Delta:
    """What makes `after` of `before`.

    The operators' binding is always part of it: copies elsewhere may have one of an older configuration at the same
    version.
    """
    known = {one.id: one for one in before.entities()}
    put = tuple(one for one in after.entities() if known.pop(one.id, None) != one)
    known.pop(ADMINS_BINDING, None)
    revocations = tuple(one for key, one in after.revocation_of.items() if before.revocation_of.get(key) != one)
    return _announced(Delta(after.version, put, tuple(known), revocations), admins)


def is_news(policy: Policy, revocation: Revocation) -> bool:
    """Whether `revocation` revokes anything that is not revoked already."""
    return policy.revocation_of.get(revocation.session or revocation.principal) != revocation


def _announced(delta: Delta, admins: Sequence[str]) -> Delta:
    bindings = admin_bindings(admins)
    put = (*bindings, *(one for one in delta.put if one.id != ADMINS_BINDING))
    removed = delta.removed if bindings else (*delta.removed, ADMINS_BINDING)
    return Delta(delta.version, put, removed, delta.revocations)
