"""Which replica works on which objects: objects have shards, shards have replicas. Pure.

Everybody who knows the same list of replicas computes the same answer, so nobody has to hand out work. It only says who
stands for election; who is elected owns the shard, whatever a list said.

Source: Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous" (1996); with a bound on each replica's
share, as Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SHARDS = 32
"""Of each group of replicas: enough that three or five have about as much each, few enough for an election each. A
shard's key has two hexadecimal digits."""


def shard_of(identifier: str) -> int:
    """The shard of an object, 0 to SHARDS - 1; the same in every process and for ever."""
    return hashlib.blake2b(identifier.encode(), digest_size=2).digest()[0] % SHARDS


def shares(replicas: Sequence[str]) -> dict[int, str]:
    """Which replica should own each shard; empty where there is none.

    None has more than an even share, rounded up; when one comes or goes, few shards move that need not.
    """
    everybody = sorted(set(replicas))
    if not everybody:
        return {}
    most = -(-SHARDS // len(everybody))
    counts = dict.fromkeys(everybody, 0)
    chosen: dict[int, str] = {}
    for shard in range(SHARDS):
        best = max((one for one in everybody if counts[one] < most), key=lambda one: _score(shard, one))
        chosen[shard] = best
        counts[best] += 1
    return chosen


def _score(shard: int, replica: str) -> bytes:
    """How much a replica wants a shard."""
    return hashlib.blake2b(f"{shard}/{replica}".encode(), digest_size=8).digest()
