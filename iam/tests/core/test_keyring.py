from random import Random

from hypothesis import given
from hypothesis import strategies as st

from iam.core.keyring import AHEAD_MS, KEYS_MAX, LINGER_MS, SigningKey, next_change_ms, plan_keys
from ultracloud.base.tokens import TTL_S_MAX

DAY_MS = 86_400_000
LIFETIME_MS = 30 * DAY_MS


def key(name: str, created_at_ms: int) -> SigningKey:
    return SigningKey(name, name.encode() * 32, created_at_ms)


def test_an_empty_ring_needs_a_key():
    plan = plan_keys([], 0, LIFETIME_MS)
    assert (plan.signing, plan.published, plan.is_due, plan.dropped) == (None, (), True, ())


def test_the_first_key_signs_at_once():
    plan = plan_keys([key("a", 1000)], 1000, LIFETIME_MS)
    assert (plan.signing, plan.published, plan.is_due) == ("a", ("a",), False)


def test_the_next_key_is_due_when_the_newest_has_lived():
    ring = [key("a", 0)]
    assert not plan_keys(ring, LIFETIME_MS - 1, LIFETIME_MS).is_due
    assert plan_keys(ring, LIFETIME_MS, LIFETIME_MS).is_due


def test_a_new_key_is_published_before_it_signs():
    ring = [key("a", 0), key("b", LIFETIME_MS)]
    before, after = (plan_keys(ring, LIFETIME_MS + wait, LIFETIME_MS) for wait in (AHEAD_MS - 1, AHEAD_MS))
    assert (before.signing, before.published) == ("a", ("a", "b"))
    assert (after.signing, after.published) == ("b", ("a", "b"))


def test_an_old_key_stays_until_its_last_token_has_expired():
    ring = [key("a", 0), key("b", LIFETIME_MS)]
    last_signature_ms = LIFETIME_MS + AHEAD_MS - 1
    while_alive = plan_keys(ring, last_signature_ms + TTL_S_MAX * 1000, LIFETIME_MS)
    gone = plan_keys(ring, LIFETIME_MS + AHEAD_MS + LINGER_MS, LIFETIME_MS)
    assert while_alive.published == ("a", "b")
    assert (gone.published, gone.dropped) == (("b",), ("a",))


def test_a_full_ring_gets_no_more_keys():
    ring = [key(f"k{number}", number) for number in range(KEYS_MAX)]
    assert not plan_keys(ring, DAY_MS, lifetime_ms=1).is_due


RINGS = st.lists(st.integers(0, 90 * DAY_MS), unique=True, max_size=6).map(
    lambda times: [key(f"k{moment}", moment) for moment in times]
)


@given(RINGS, st.integers(0, 200 * DAY_MS), st.randoms(use_true_random=False))
def test_the_order_of_the_ring_does_not_matter(ring: list[SigningKey], now_ms: int, random: Random):
    shuffled = list(ring)
    random.shuffle(shuffled)
    assert plan_keys(ring, now_ms, LIFETIME_MS) == plan_keys(shuffled, now_ms, LIFETIME_MS)


@given(RINGS, st.integers(0, 200 * DAY_MS))
def test_what_signs_is_published_and_what_is_dropped_is_not(ring: list[SigningKey], now_ms: int):
    plan = plan_keys(ring, now_ms, LIFETIME_MS)
    assert (plan.signing in plan.published) == bool(ring)
    assert not set(plan.dropped) & set(plan.published)
    assert set(plan.dropped) | set(plan.published) == {one.kid for one in ring}


@given(RINGS, st.integers(90 * DAY_MS, 200 * DAY_MS), st.integers(0, TTL_S_MAX * 1000))
def test_whoever_signed_is_still_published_when_the_token_expires(ring: list[SigningKey], now_ms: int, ttl_ms: int):
    signed_with = plan_keys(ring, now_ms, LIFETIME_MS).signing
    later = plan_keys(ring, now_ms + ttl_ms, LIFETIME_MS)
    assert signed_with is None or signed_with in later.published


@given(RINGS, st.integers(0, 200 * DAY_MS))
def test_nothing_changes_before_the_next_change(ring: list[SigningKey], now_ms: int):
    wake_ms = next_change_ms(ring, now_ms, LIFETIME_MS)
    assert wake_ms > now_ms
    assert plan_keys(ring, wake_ms - 1, LIFETIME_MS) == plan_keys(ring, now_ms, LIFETIME_MS)
