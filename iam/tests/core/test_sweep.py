from dataclasses import replace

from iam.core.sweep import SWEEP_MAX, orphans
from iam.testing import ACME_PATH, ADA, BLUE, BLUE_PATH, CI, MALLORY, NETADMIN, RED, WEB, account_id, bind, who, world
from ultracloud.base.policy import Policy, ServiceAccount


def test_what_means_something_stays():
    policy = world(
        bind("owner", WEB, ACME_PATH),
        bind("owner", CI, f"{BLUE_PATH}/vms/vm-1"),
        bind("viewer", ADA, ""),
        bind("viewer", ADA, "hosts/node-1"),
        bind("role-gone", WEB, BLUE_PATH),
    )
    assert orphans(policy) == ()


def test_bindings_on_what_is_gone_go():
    on_project, below, on_organisation = (
        bind("owner", ADA, "organisations/org-acme/projects/project-gone"),
        bind("owner", ADA, "organisations/org-acme/projects/project-gone/vms/vm-1"),
        bind("owner", ADA, "organisations/org-gone"),
    )
    assert orphans(world(on_project, below, on_organisation)) == (on_project, below, on_organisation)


def test_a_binding_goes_with_its_last_account():
    gone = ServiceAccount(account_id("z"), "gone", BLUE.id)
    one = bind("viewer", gone, BLUE_PATH)
    two = replace(one, id="binding-2", principals=(who(gone).id, who(WEB).id))
    assert orphans(world(one, two)) == (one,)


def test_roles_go_with_their_organisation():
    policy = Policy(1, (), (RED,), (MALLORY,), (NETADMIN,))
    assert orphans(policy) == (NETADMIN,)


def test_a_round_is_bounded():
    bindings = [bind("viewer", ADA, f"organisations/org-gone{number}") for number in range(SWEEP_MAX + 5)]
    assert len(orphans(world(*bindings))) == SWEEP_MAX
