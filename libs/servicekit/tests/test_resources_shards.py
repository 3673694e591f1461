"""Who should work on what: every shard has one owner, everybody about as many, and few move."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.servicekit.resources.shards import SHARDS, shard_of, shares

REPLICAS = st.sets(st.text("abcdef0123456789", min_size=1, max_size=8), min_size=1, max_size=40)


@given(REPLICAS)
def test_every_shard_has_one_owner_and_nobody_more_than_an_even_share(replicas: set[str]) -> None:
    chosen = shares(sorted(replicas))
    assert sorted(chosen) == list(range(SHARDS))
    counts = Counter(chosen.values())
    assert set(counts) <= replicas
    assert max(counts.values()) <= -(-SHARDS // len(replicas))


@given(REPLICAS)
def test_everybody_computes_the_same(replicas: set[str]) -> None:
    assert shares(sorted(replicas)) == shares(sorted(replicas, reverse=True) + sorted(replicas))


def test_without_replicas_nobody_owns_anything() -> None:
    assert shares([]) == {}


def test_few_shards_move_that_need_not() -> None:
    before = shares(["a", "b", "c"])
    after = shares(["a", "b"])
    need = sum(owner == "c" for owner in before.values())
    moved = sum(before[shard] != after[shard] for shard in before)
    assert need <= moved <= need + SHARDS // 4


def test_objects_spread_over_all_shards_and_stay_there() -> None:
    spread = Counter(shard_of(f"vm-{number:026}") for number in range(3200))
    assert len(spread) == SHARDS
    assert max(spread.values()) < 2 * min(spread.values())
    assert (shard_of("vm-1"), shard_of("host-a")) == (29, 28), "replicas of two versions work side by side"
