"""What a store knows of the others: who is there and heard of, whose clock is wrong, and what was compared with whom.

What was compared is on the disk (`eventual_records.Shared`) and decides what a store that was away for longer than
deletions are kept may do; see `eventual_repair`. The rest is as of the last seconds, and is forgotten with the process.
"""

from __future__ import annotations

from collections.abc import Iterable

from flaredb.core.eventual_clock import SKEW_MS_MAX
from flaredb.core.eventual_contents import Contents
from flaredb.core.eventual_records import Shared
from flaredb.core.region import StoreId

AWAY_MS = 10_000
"""A store that was not heard of for so long is away: nothing is sent to it but who is here."""
SKEW_MS = 10_000
"""How long it counts that somebody's clock was ahead."""
EXACT = 64
"""When another store was last compared with is known to a 64th of the time that deletions are kept."""
NOTHING_KNOWN = Shared(0, 0)
ALONE = Shared(0, 0, 1)
"""What a store remembers of itself that was alone once: it had all there was."""


class Others:
    """The other stores, as one store knows them.

    Args:
        store: Which one.
        contents: Has what was compared.
        tombstone_ms: How long deletions are kept.
    """

    def __init__(self, store: StoreId, contents: Contents, tombstone_ms: int) -> None:
        self._store = store
        self._contents = contents
        self._tombstone_ms = tombstone_ms
        self._members: frozenset[StoreId] = frozenset((store,))
        self._heard_ms: dict[StoreId, int] = {}
        self._ahead: dict[StoreId, tuple[int, int]] = {}
        self._told_ahead: dict[StoreId, tuple[int, int]] = {}

    @property
    def stores(self) -> list[StoreId]:
        """All but this one."""
        return sorted(self._members - {self._store})

    @property
    def is_whole(self) -> bool:
        """Whether this store has had all that some other had, or was alone."""
        return not self.stores or any(shared.their_version for shared in self._contents.shared.values())

    def set_members(self, stores: Iterable[StoreId]) -> None:
        """Say which there are; what is known of others is forgotten.

        If one of those comes back with the disk that it had, what it knows is enough: either side may know what was
        compared for what is deleted to stay so.
        """
        self._members = frozenset((*stores, self._store))
        if not self.stores and self._store not in self._contents.shared:
            self._contents.share(self._store, ALONE)
        for peer in [each for each in self._contents.shared if each not in self._members]:
            self._contents.share(peer, None)
        for peer in {*self._heard_ms, *self._told_ahead, *self._ahead} - self._members:
            self._heard_ms.pop(peer, None)
            self._told_ahead.pop(peer, None)
            self._ahead.pop(peer, None)

    def is_member(self, store: StoreId) -> bool:
        """Whether there is such a store."""
        return store in self._members

    def heard(self, peer: StoreId, now_ms: int) -> None:
        """It is there, and its clock is right."""
        self._heard_ms[peer] = now_ms
        self._ahead.pop(peer, None)

    def is_away(self, peer: StoreId, now_ms: int) -> bool:
        """Whether it was not heard of lately."""
        return now_ms - self._heard_ms.get(peer, 0) > AWAY_MS

    def is_ahead(self, peer: StoreId, ahead_ms: int, now_ms: int) -> None:
        """Its clock is too far ahead of this store's."""
        self._ahead[peer] = ahead_ms, now_ms

    def says_ahead(self, peer: StoreId, ahead_ms: int, now_ms: int) -> None:
        """It says that this store's clock is too far ahead of its own."""
        self._told_ahead[peer] = ahead_ms, now_ms

    def ahead(self, now_ms: int) -> dict[StoreId, int]:
        """Whose clocks are too far ahead, and by how many milliseconds."""
        return _lately(self._ahead, now_ms)

    def self_ahead_ms(self, now_ms: int) -> int:
        """How far this store's own clock is ahead, if most others say that it is too far; 0 otherwise."""
        said = _lately(self._told_ahead, now_ms)
        return max(said.values()) if 2 * len(said) > len(self.stores) else 0

    def shared(self, peer: StoreId) -> Shared:
        """What was compared with it."""
        return self._contents.shared.get(peer, NOTHING_KNOWN)

    def is_apart(self, peer: StoreId, now_ms: int) -> bool:
        """Whether the last comparison with it is longer ago than deletions are kept, as far as clocks tell."""
        return now_ms - self.shared(peer).at_ms > self._tombstone_ms - 2 * SKEW_MS_MAX

    def may_meet(self, peer: StoreId, now_ms: int) -> bool:
        """Whether it may be compared with: if it was before, or if most of those that were have been lately."""
        known = self._contents.shared.keys() - {self._store}
        if peer in known:
            return True
        near = 1 + sum(not self.is_apart(each, now_ms) for each in known)
        return 2 * near > 1 + len(known)

    def remember(self, peer: StoreId, version: int, at_ms: int, their_version: int = 0, their_at_ms: int = 0) -> None:
        """Note what was compared, on the disk too where that may matter after a restart. The words are `Shared`'s."""
        known = self.shared(peer)
        if their_at_ms < known.their_at_ms:
            their_version, their_at_ms = known.their_version, known.their_at_ms
        if at_ms < known.at_ms:
            version, at_ms = known.version, known.at_ms
        is_new = (version, their_version) != (known.version, known.their_version)
        if is_new or at_ms - known.at_ms > self._tombstone_ms // EXACT:
            self._contents.share(peer, Shared(version, at_ms, their_version, their_at_ms))


def _lately(said: dict[StoreId, tuple[int, int]], now_ms: int) -> dict[StoreId, int]:
    return {store: ahead_ms for store, (ahead_ms, at_ms) in said.items() if abs(now_ms - at_ms) < SKEW_MS}
