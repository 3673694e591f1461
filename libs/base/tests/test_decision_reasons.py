"""What a decision rests on is one word of a closed list, and a refusal's fault says the same word."""

from dataclasses import replace

import pytest

from ultracloud.base.faults import PermissionDeniedError
from ultracloud.base.narrowing import make_narrowing
from ultracloud.base.policy import Binding, Policy, Revocation, User, Why, decide, require
from ultracloud.base.principals import spiffe_principal, user_principal

ADA, OLD, NOBODY = user_principal("usr-1", "org-a"), user_principal("usr-2", "org-a"), user_principal("usr-3", "org-a")
POLICY = Policy(
    1,
    users=[User("usr-1", "ada", "org-a"), User("usr-2", "old", "org-a", disabled=True)],
    bindings=[
        Binding("b-1", "viewer", (ADA.id,), "organisations/org-a"),
        Binding("b-2", "viewer", (ADA.id,), "organisations/org-b", deny=True),
    ],
    revocations=[Revocation("ses-1", ADA.id, 0, 10), Revocation("", ADA.id, 5, 10)],
)
FRESH = replace(ADA, issued_at_ms=6)
CASES = {
    Why.ALLOWED_BY_BINDING: (FRESH, "organisations/org-a"),
    Why.ALLOWED_BUILT_IN: (spiffe_principal("spiffe://ultracloud.local/service/plasmavmc"), ""),
    Why.DENIED_BY_BINDING: (FRESH, "organisations/org-b"),
    Why.NO_BINDING: (FRESH, "organisations/org-c"),
    Why.TOKEN_NARROWED: (replace(FRESH, narrowings=(make_narrowing("projects/p"),)), "organisations/org-a"),
    Why.PRINCIPAL_GONE: (NOBODY, ""),
    Why.PRINCIPAL_DISABLED: (OLD, ""),
    Why.SESSION_REVOKED: (replace(FRESH, session="ses-1"), "organisations/org-a"),
    Why.TOKENS_REVOKED: (ADA, "organisations/org-a"),
}


@pytest.mark.parametrize("why", list(Why))
def test_each_word_is_said_where_it_holds(why: Why):
    principal, resource = CASES[why]
    permission = "iam.policy.watch" if why is Why.ALLOWED_BUILT_IN else "iam.users.get"
    made = decide(POLICY, principal, permission, resource)
    assert made.why is why
    if not made.allowed:
        with pytest.raises(PermissionDeniedError) as refused:
            require(made)
        assert refused.value.reason == why.value
