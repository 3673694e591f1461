"""Checksums of all keys, and whose differ.

Members that applied the same log hold the same keys. One whose checksum differs from most others' has lost or changed
something that no checksum on its disk has noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hashed:
    """A checksum of one member.

    Attributes:
        revision: Up to which keys count.
        compacted: What is compacted there; checksums of members that are compacted differently say nothing.
    """

    checksum: int
    revision: int
    compacted: int


def differing(found: Mapping[int, Hashed]) -> list[int]:
    """Members whose keys differ from most of those that can be compared; all of them if no more than half agree."""
    groups: dict[tuple[int, int], dict[int, int]] = {}
    for member, each in found.items():
        groups.setdefault((each.revision, each.compacted), {})[member] = each.checksum
    odd: list[int] = []
    for members in groups.values():
        checksum, count = Counter(members.values()).most_common(1)[0]
        is_clear = 2 * count > len(members)
        if len(set(members.values())) > 1:
            odd += [member for member, each in members.items() if not is_clear or each != checksum]
    return sorted(odd)
