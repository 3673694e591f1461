"""Explanations: read as the golden file says, agree with the decision, and what they advise helps."""

import os
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.conditions import Circumstances
from ultracloud.base.explaining import Explanation, explain
from ultracloud.base.policy import (
    Binding,
    Delta,
    Group,
    Organisation,
    Policy,
    Principal,
    PrincipalKind,
    Project,
    Revocation,
    Role,
    User,
    decide,
)
from ultracloud.base.principals import spiffe_principal

GOLDEN = Path(__file__).parent / "golden" / "explanations.txt"
ACME = "organisations/org-acme"
BLUE, RED = f"{ACME}/projects/project-blue", f"{ACME}/projects/project-red"
NOON = Circumstances(43_200_000, {"tier": "web"})
USERS = ("ada", "bob", "eve", "old", "out", "nil")


def who(name: str) -> Principal:
    if "/" in name:
        return spiffe_principal(f"spiffe://ultracloud.local/{name}")
    return Principal(f"user:usr-{name}", PrincipalKind.USER, "org-acme", source="192.0.2.7:4444")


def bind(role: str, name: str, where: str, *, deny: bool = False, condition: str = "") -> Binding:
    principal = f"group:grp-{name}" if name in ("devs", "night") else who(name).id
    label = f"{name}-{role}{'-deny' if deny else ''}"
    return Binding(f"binding-{label}", role, (principal,), where, deny, label, condition)


TYPICAL = Policy(
    1,
    (Organisation("org-acme", "acme"),),
    (Project("project-blue", "blue", "org-acme"), Project("project-red", "red", "org-acme")),
    (),
    (Role("role-net", "netadmin", "org-acme", ("prismnet.*",)),),
    (
        bind("viewer", "ada", ACME),
        bind("role-net", "devs", BLUE),
        bind("developer", "night", BLUE, condition='context.now.toTime() > duration("20h")'),
        bind("operator", "eve", BLUE, condition='context.source_address.isInRange(ip("10.0.0.0/8"))'),
        bind("viewer", "eve", RED, deny=True, condition='context.labels.owner == "eve"'),
        bind("viewer", "eve", RED),
        bind("owner", "bob", ACME),
        bind("developer", "devs", RED, deny=True),
        bind("owner", "old", ACME),
        bind("owner", "out", ACME),
    ),
    users=[User(f"usr-{name}", name, "org-acme", name == "old") for name in USERS],
    groups=[
        Group("grp-devs", "devs", "org-acme", ("user:usr-ada", "user:usr-bob")),
        Group("grp-night", "night", "org-acme", ("user:usr-eve",)),
    ],
    revocations=[Revocation("", "user:usr-out", 1, 9)],
)


def told(made: Explanation) -> Iterator[str]:
    yield f"  {'yes' if made.decision.allowed else 'no'}: {made.decision.reason}"
    for one in made.considered:
        through = f" through {one.group}" if one.group else ""
        when = (
            f" if {one.binding.condition} -> {one.outcome.failure or one.outcome.is_true}"
            if one.binding.condition
            else ""
        )
        mark = "*" if made.decided_by == one else "-"
        yield f"  {mark} {one.binding.id}{through}{when}: {'counts' if one.counts else 'does not count'}"
    if made.context:
        yield f"  with {', '.join(f'{name} {value}' for name, value in made.context.items())}"
    if made.change:
        yield f"  change: {made.change.advice}"


def test_explanations_read_as_the_golden_file_says():
    lines: list[str] = []
    for line in GOLDEN.read_text().splitlines():
        if line.startswith("#"):
            lines.append(line)
        elif line and not line.startswith(" "):
            name, permission, where = line.split()
            path = (
                where.replace("acme", ACME, 1)
                .replace("blue", BLUE, 1)
                .replace("red", RED, 1)
                .replace("-", "", where == "-")
            )
            lines += ["", line, *told(explain(TYPICAL, who(name), permission, path, NOON))]
    said = "\n".join(lines) + "\n"
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(said)
    assert said == GOLDEN.read_text()


WHERE = st.sampled_from(["", ACME, BLUE, f"{BLUE}/vpcs/vpc-1"])
BINDINGS = st.lists(
    st.builds(
        lambda number, role, name, where, deny, condition: Binding(
            f"binding-{number}", role, (name,), where, deny, "", condition
        ),
        st.integers(0, 9),
        st.sampled_from(["viewer", "developer", "owner", "role-net"]),
        st.sampled_from(["user:usr-ada", "group:grp-devs"]),
        WHERE,
        st.booleans(),
        st.sampled_from(["", "", "true", "false", "1 < action"]),
    ),
    max_size=6,
)


@given(BINDINGS, st.sampled_from(["prismnet.vpcs.get", "prismnet.vpcs.create", "iam.users.get"]), WHERE)
def test_what_an_explanation_advises_is_what_helps(bindings: list[Binding], permission: str, where: str):
    policy = Policy(
        1,
        users=[User("usr-ada", "ada", "org-acme")],
        groups=[Group("grp-devs", "devs", "org-acme", ("user:usr-ada",))],
        roles=[Role("role-net", "netadmin", "org-acme", ("prismnet.*",))],
        bindings=bindings,
    )
    made = explain(policy, who("ada"), permission, where, NOON)
    assert made.decision.allowed == decide(policy, who("ada"), permission, where, lambda: NOON).allowed
    assert made.decision.allowed == (made.change is None)
    if made.change is not None:
        added = (
            (Binding("binding-new", made.change.role, (who("ada").id,), made.change.place),) if made.change.role else ()
        )
        removed = tuple(one.id for one in made.change.remove)
        after = policy.advanced(Delta(2, added, removed))
        assert decide(after, who("ada"), permission, where, lambda: NOON).allowed
