"""What is told to those who know an older policy."""

from hypothesis import given
from hypothesis import strategies as st

from iam.core.composition import ADMINS_BINDING, admin_bindings, difference, with_admins
from iam.testing import ACME, ADA, BLUE, BLUE_PATH, NETADMIN, RED, WEB, bind, world
from ultracloud.base.policy import Entity, Policy, Revocation

BOB = "spiffe://ultracloud.local/operator/bob"
ENTITIES: tuple[Entity, ...] = (ACME, BLUE, RED, WEB, NETADMIN, bind("viewer", WEB, BLUE_PATH), bind("owner", ADA, ""))
SOME = st.sets(st.sampled_from(range(len(ENTITIES)))).map(lambda chosen: tuple(ENTITIES[at] for at in chosen))


def made(version: int, entities: tuple[Entity, ...], admins: tuple[str, ...], *revocations: Revocation) -> Policy:
    policy = Policy(version, bindings=admin_bindings(admins), revocations=revocations)
    policy.put(entities)
    return policy


@given(SOME, SOME, st.sampled_from([(), (ADA,), (ADA, BOB)]), st.sampled_from([(), (ADA,)]))
def test_the_difference_makes_the_one_of_the_other(
    before: tuple[Entity, ...], after: tuple[Entity, ...], old: tuple[str, ...], new: tuple[str, ...]
):
    wanted = made(2, after, new, Revocation("session-1", "user:usr-1", 0, 9))
    delta = difference(made(1, before, old), wanted, new)
    assert made(1, before, old).advanced(delta) == wanted


def test_the_operators_are_told_even_where_they_seem_known():
    """A copy elsewhere may have those of an older configuration at the same version."""
    same = made(1, ENTITIES, (ADA,))
    assert [one.id for one in difference(same, made(2, ENTITIES, (ADA,)), (ADA,)).put] == [ADMINS_BINDING]
    assert difference(made(1, ENTITIES, ()), made(2, ENTITIES, ()), ()).removed == (ADMINS_BINDING,)


def test_the_configuration_has_the_last_word_on_operators():
    kept = with_admins(made(3, ENTITIES, (ADA,)), (BOB,))
    assert (kept.version, kept.binding_of_id[ADMINS_BINDING].principals) == (3, (BOB,))
    assert ADMINS_BINDING not in with_admins(world(), ()).binding_of_id
