import pytest

from iam.core.issuing import Wanted, issue
from iam.testing import ACME_PATH, ADA, BLUE_PATH, BOSS, CI, MALLORY, OLD, RED_PATH, SECRET, WEB, bind, who, world
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, PermissionDeniedError
from ultracloud.base.policy import ServiceAccount, project_path

POLICY = world(
    bind("admin", CI, BLUE_PATH),
    bind("developer", WEB, BLUE_PATH),
    bind("owner", BOSS, ACME_PATH),
    bind("owner", ADA, ""),
    version=7,
)


def wanted(account: ServiceAccount, ttl_s: int = 600) -> Wanted:
    return Wanted(account, ttl_s, now_s=1000, token_id="token-1")


def test_a_token_says_who_until_when_and_at_which_policy():
    claims = issue(POLICY, who(CI), wanted(WEB))
    assert (claims.subject, claims.organisation, claims.project) == (WEB.id, "org-acme", "project-blue")
    assert (claims.issued_at_s, claims.expires_at_s) == (1000, 1600)
    assert (claims.token_id, claims.policy_version) == ("token-1", 7)


def test_without_a_lifetime_a_token_lives_an_hour():
    assert issue(POLICY, who(CI), wanted(WEB, ttl_s=0)).expires_at_s == 1000 + 3600


@pytest.mark.parametrize("ttl_s", [-1, 59, 86_401])
def test_a_lifetime_out_of_range_is_refused(ttl_s: int):
    with pytest.raises(InvalidArgumentError, match="60 to 86400"):
        issue(POLICY, who(ADA), wanted(WEB, ttl_s))


def test_a_developer_issues_no_tokens():
    with pytest.raises(PermissionDeniedError, match=r"no binding that gives iam\.tokens\.issue"):
        issue(POLICY, who(WEB), wanted(WEB))


def test_nobody_issues_a_token_with_more_power_than_their_own():
    with pytest.raises(PermissionDeniedError, match="issue a token for boss, whose powers exceed yours") as refusal:
        issue(POLICY, who(CI), wanted(BOSS))
    assert refusal.value.reason == "ESCALATION"


def test_power_counts_wherever_the_account_has_it():
    policy = world(bind("admin", CI, BLUE_PATH), bind("viewer", WEB, RED_PATH))
    with pytest.raises(PermissionDeniedError, match="on projects/red"):
        issue(policy, who(CI), wanted(WEB))


def test_what_another_organisation_binds_to_an_account_keeps_nobody_from_managing_it():
    theirs = project_path(SECRET)
    policy = world(bind("admin", CI, BLUE_PATH), bind("viewer", WEB, BLUE_PATH), bind("owner", WEB, theirs))
    assert issue(policy, who(CI), wanted(WEB))
    at_root = world(bind("admin", CI, BLUE_PATH), bind("viewer", WEB, "hosts/node-1"))
    with pytest.raises(PermissionDeniedError, match="on hosts/node-1"):
        issue(at_root, who(CI), wanted(WEB))


def test_what_is_denied_to_an_account_is_no_power_of_it():
    policy = world(bind("admin", CI, BLUE_PATH), bind("owner", WEB, RED_PATH, deny=True))
    assert issue(policy, who(CI), wanted(WEB))


def test_an_account_may_renew_itself_if_it_may_issue():
    assert issue(POLICY, who(BOSS), wanted(BOSS))


def test_a_disabled_account_gets_no_token():
    with pytest.raises(FailedPreconditionError, match="service account old is disabled"):
        issue(POLICY, who(ADA), wanted(OLD))


def test_another_tenants_account_gets_no_token():
    with pytest.raises(PermissionDeniedError):
        issue(POLICY, who(BOSS), wanted(MALLORY))
