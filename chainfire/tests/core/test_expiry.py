from conversation import check_conversation
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.expiry import EXPIRED_PER_TICK_MAX, QUEUE_SLACK, Expiry
from chainfire.core.keyvalue import LeaseId
from chainfire.core.leases import Lease


def test_leases_die_as_the_golden_conversation_says() -> None:
    expiry = Expiry()

    def say(words: list[str]) -> str:
        now, verb, *rest = int(words[0]), *words[1:]
        match verb:
            case "grant":
                expiry.add(LeaseId(int(rest[0])), int(rest[1]), now)
            case "remove":
                expiry.remove(LeaseId(int(rest[0])))
            case "lead":
                expiry.lead(
                    [Lease(LeaseId(i), ttl, left) for i, ttl, left in (map(int, r.split(":")) for r in rest)], now
                )
            case "renew":
                return f"renewed: {expiry.renew(LeaseId(int(rest[0])), now)}"
            case "left":
                return f"{expiry.remaining_ms(LeaseId(int(rest[0])), now)} ms"
            case "expired":
                return f"{expiry.expired(now)}"
            case "order":
                return f"{expiry.by_deadline()}"
            case "checkpoints":
                return f"{expiry.checkpoints(now)}"
        return ""

    check_conversation("expiry", say)


def test_a_tick_reports_no_more_than_can_be_revoked() -> None:
    expiry = Expiry()
    for number in range(2 * EXPIRED_PER_TICK_MAX):
        expiry.add(LeaseId(number), 2, 0)
    first = expiry.expired(2000)
    for lease in first:
        expiry.remove(lease)
    assert len(first) == EXPIRED_PER_TICK_MAX
    assert not set(first) & set(expiry.expired(2000))


def test_leases_that_are_revoked_early_do_not_fill_the_queue() -> None:
    expiry = Expiry()
    for number in range(20 * QUEUE_SLACK):
        expiry.add(LeaseId(number), 1_000_000, 0)
        expiry.remove(LeaseId(number))
    assert len(expiry._queue) <= QUEUE_SLACK + 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "renew", "remove", "expired"]), st.integers(1, 4), st.integers(0, 3000)),
    max_size=50,
)


@given(STEPS)
def test_a_lease_never_dies_early_and_is_reported_once_its_time_is_up(steps: list[tuple[str, int, int]]) -> None:
    expiry, model, now = Expiry(), dict[int, int](), 0
    for verb, number, passed in steps:
        now += passed
        lease = LeaseId(number)
        if verb == "add" and number not in model:
            expiry.add(lease, 2 + number, now)
            model[number] = now + (2 + number) * 1000
        elif verb == "renew":
            alive = model.get(number, 0) > now
            assert expiry.renew(lease, now) == alive
            if alive:
                model[number] = now + (2 + number) * 1000
        elif verb == "remove":
            expiry.remove(lease)
            model.pop(number, None)
        else:
            assert set(expiry.expired(now)) == {n for n, deadline in model.items() if deadline <= now}
