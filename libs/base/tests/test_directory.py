"""A policy that was advanced change by change is the policy made whole of what is left, and decides like it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.base.policy import (
    Binding,
    Delta,
    Entity,
    Group,
    Organisation,
    Policy,
    Principal,
    PrincipalKind,
    Project,
    Revocation,
    Role,
    ServiceAccount,
    User,
    decide,
)

ORG, BLUE = "organisations/org-a", "organisations/org-a/projects/project-a"
VPC = f"{BLUE}/vpcs/vpc-1"
PRINCIPALS = (
    Principal("user:usr-a", PrincipalKind.USER, "org-a"),
    Principal("user:usr-b", PrincipalKind.USER, "org-a", session="session-1", issued_at_ms=50),
    Principal("serviceaccount:sa-a", PrincipalKind.SERVICE_ACCOUNT, "org-a", "project-a"),
    Principal("spiffe://ultracloud.local/operator/ada", PrincipalKind.OPERATOR),
)
NAMED = (*(one.id for one in PRINCIPALS), "group:grp-a", "group:grp-b")
IDS = st.sampled_from(["a", "b"])
ENTITIES = st.one_of(
    st.builds(lambda i: Organisation(f"org-{i}", i), IDS),
    st.builds(lambda i, o: Project(f"project-{i}", i, f"org-{o}"), IDS, IDS),
    st.builds(lambda i, d: ServiceAccount(f"sa-{i}", i, "project-a", d), IDS, st.booleans()),
    st.builds(lambda i, d: User(f"usr-{i}", i, "org-a", d), IDS, st.booleans()),
    st.builds(lambda i, m: Group(f"grp-{i}", i, "org-a", tuple(m)), IDS, st.sets(st.sampled_from(NAMED[:3]))),
    st.builds(
        lambda i, p: Role(f"role-{i}", i, "org-a", (p,)), IDS, st.sampled_from(["prismnet.*", "*.get", "iam.users.get"])
    ),
    st.builds(
        lambda i, r, p, w, d, c: Binding(f"binding-{i}", r, tuple(sorted(p)), w, d, "", c),
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from(["viewer", "owner", "role-a", "role-b", "role-gone"]),
        st.sets(st.sampled_from(NAMED), min_size=1),
        st.sampled_from(["", ORG, BLUE, VPC]),
        st.booleans(),
        st.sampled_from(["", "", "true", "false", "1 < principal"]),
    ),
)
CHANGES = st.lists(
    st.one_of(
        ENTITIES,
        st.sampled_from(["org-a", "project-a", "sa-a", "usr-a", "usr-b", "grp-a", "grp-b", "role-a", "binding-a"]),
        st.builds(
            Revocation, st.sampled_from(["", "session-1"]), st.just("user:usr-b"), st.integers(0, 99), st.just(9)
        ),
    ),
    max_size=25,
)


def answers(policy: Policy) -> list[bool]:
    return [
        decide(policy, principal, permission, resource).allowed
        for principal in PRINCIPALS
        for permission in ("prismnet.vpcs.get", "prismnet.vpcs.create", "iam.users.get")
        for resource in ("", ORG, BLUE, VPC)
    ]


def delta_of(version: int, change: Entity | Revocation | str) -> Delta:
    match change:
        case str():
            return Delta(version, removed=(change,))
        case Revocation():
            return Delta(version, revocations=(change,))
        case _:
            return Delta(version, put=(change,))


@settings(max_examples=150, deadline=None)
@given(CHANGES)
def test_a_policy_that_was_advanced_is_the_one_made_whole(changes: list[Entity | Revocation | str]):
    policy = Policy(1)
    for number, change in enumerate(changes, start=2):
        answers(policy)  # so that there is something compiled to be wrong
        policy = policy.advanced(delta_of(number, change))
    whole = Policy(policy.version, revocations=policy.revocations)
    whole.put(policy.entities())
    assert policy == whole
    assert answers(policy) == answers(whole)
    for name in Policy.__slots__:
        if name not in ("compiled", "decided", "grants", "version"):
            assert sorted(getattr(policy, name)) == sorted(getattr(whole, name)), name


def test_a_change_drops_only_what_it_concerns():
    users = [User(f"usr-{number}", f"u{number}", "org-a") for number in range(3)]
    policy = Policy(1, users=users, groups=[Group("grp-a", "devs", "org-a", ("user:usr-0", "user:usr-1"))])
    for user in users:
        decide(policy, Principal(f"user:{user.id}", PrincipalKind.USER, "org-a"), "prismnet.vpcs.get", BLUE)
    policy = policy.advanced(Delta(2, put=(Binding("binding-a", "viewer", ("group:grp-a",), BLUE),)))
    assert set(policy.compiled) == {"user:usr-2"}


def test_what_is_put_again_as_it_was_changes_nothing():
    binding = Binding("binding-a", "viewer", ("user:usr-a",), BLUE)
    policy = Policy(1, users=[User("usr-a", "ada", "org-a")], bindings=[binding])
    decide(policy, PRINCIPALS[0], "prismnet.vpcs.get", BLUE)
    assert policy.advanced(Delta(2, put=(binding,))).compiled


def test_revocations_end_with_the_tokens_they_are_of():
    policy = Policy(
        1, revocations=[Revocation("session-1", "user:usr-a", 0, 100), Revocation("", "user:usr-b", 5, 200)]
    )
    policy.forget(100)
    assert [one.principal for one in policy.revocations] == ["user:usr-b"]
