"""Hashes over ranges of keys: what two stores compare to find where they differ.

The tree has one shape everywhere: a root, 16, 256 and 4096 nodes, each over an even share of all *digests* of keys. So
stores need not agree on bounds, no range grows heavier than others whatever keys look like, and a change costs four
additions, not a walk. A node is the sum (exclusive or) over its keys of a hash of key and stamp; a stamp stands for the
value, since no two writes share one. It is kept in memory, 4369 numbers, and made anew at start by reading one small
row a key, so it cannot disagree with the disk for longer than a process lives.

Source: DeCandia et al., "Dynamo: Amazon's Highly Available Key-value Store", 2007, section 4.7.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_records import DIGEST_BYTES, Digest, render_stamp

FANOUT = 16
DEPTH = 3
"""Levels below the root: 4096 leaves. A leaf of a store with a million keys lists 250 of them, 8 KiB."""
HASH_BYTES = 16
PAST = Digest(b"\xff" * (DIGEST_BYTES + 1))
"""After every digest."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A place in the tree: level 0 is the root, DEPTH are the leaves; `index` counts from 0 within the level."""

    level: int
    index: int

    @property
    def is_leaf(self) -> bool:
        """Whether there is nothing below but keys."""
        return self.level == DEPTH

    @property
    def is_valid(self) -> bool:
        """Whether there is such a place."""
        return 0 <= self.level <= DEPTH and 0 <= self.index < FANOUT**self.level

    def children(self) -> tuple[Node, ...]:
        """The places below."""
        return tuple(Node(self.level + 1, self.index * FANOUT + each) for each in range(FANOUT))

    def span(self) -> Span:
        """The digests that it is over."""
        return Span(_first(self.level, self.index), _first(self.level, self.index + 1))


@dataclass(frozen=True, slots=True)
class Span:
    """Digests of [start, end)."""

    start: Digest
    end: Digest


ROOT = Node(0, 0)


class Tree:
    """The hashes of all keys of a store."""

    def __init__(self) -> None:
        self._levels = tuple([0] * FANOUT**level for level in range(DEPTH + 1))

    def change(self, digest: Digest, old: Stamp | None, new: Stamp | None) -> None:
        """Have a key with `new` in place of `old`; None is no key."""
        change = _hash(digest, old) ^ _hash(digest, new)
        leaf = int.from_bytes(digest[:2], "big") >> (16 - 4 * DEPTH)
        for level in range(DEPTH + 1):
            self._levels[level][leaf >> 4 * (DEPTH - level)] ^= change

    def hash(self, node: Node) -> bytes:
        """What all keys below a node come to."""
        return self._levels[node.level][node.index].to_bytes(HASH_BYTES, "big")


def _hash(digest: Digest, stamp: Stamp | None) -> int:
    if stamp is None:
        return 0
    return int.from_bytes(hashlib.blake2b(digest + render_stamp(stamp), digest_size=HASH_BYTES).digest(), "big")


def _first(level: int, index: int) -> Digest:
    """The lowest digest of a place; PAST after the last place."""
    if index == FANOUT**level:
        return PAST
    return Digest((index << (16 - 4 * level)).to_bytes(2, "big") + bytes(DIGEST_BYTES - 2))
