"""What transactions see of PostgreSQL. `evaluate` asks and cannot wait: what it asks for is fetched, and it runs again.

`evaluate` is pure: run on a view that lacks something it does no harm. The view notes what was asked for and answers
"not there"; a run that was answered everything from what had been fetched is the one that counts. Most batches need two
runs, since what a transaction asks for seldom depends on an answer; writes without comparisons need one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from flaredb.core.commands import EncodedKey, Txn
from flaredb.core.evaluate import Evaluation, evaluate
from flaredb.core.limits import RANGE_KEYS_MAX
from flaredb.core.records import Mark
from flaredb.core.visibility import Standing

RANGE_FETCH_KEYS = RANGE_KEYS_MAX + 1
"""Keys of a range fetched at first: as many as one transaction may delete, and one to tell that there are more."""

Span = tuple[bytes, bytes]
FetchKeys = Callable[[Sequence[EncodedKey]], Awaitable[dict[EncodedKey, Standing]]]
FetchRange = Callable[[bytes, bytes, int], Awaitable[list[Standing]]]


@dataclass(slots=True)
class FetchedView:
    """What has been fetched, and what was asked for besides; see `flaredb.core.evaluate.View`.

    Attributes:
        keys: Fetched keys, None where nothing is stored.
        ranges: Fetched ranges: what stands at their beginning, and whether that is all.
        missing_keys: Asked for and not fetched.
        missing_ranges: The same of ranges, with how many keys to fetch.
    """

    keys: dict[EncodedKey, Standing | None] = field(default_factory=dict)
    ranges: dict[Span, tuple[list[Standing], bool]] = field(default_factory=dict)
    missing_keys: set[EncodedKey] = field(default_factory=set)
    missing_ranges: dict[Span, int] = field(default_factory=dict)

    def standing(self, encoded: EncodedKey, /) -> Standing | None:
        """What a key holds, None where it does not exist or was not fetched."""
        if encoded not in self.keys:
            self.missing_keys.add(encoded)
            return None
        return self.keys[encoded]

    def standings(self, lower: bytes, upper: bytes, /) -> Iterator[Standing]:
        """What the keys of a range hold, in order, as far as they were fetched."""
        found, is_all = self.ranges.get((lower, upper), ([], False))
        yield from found
        if not is_all:
            # Asked for more than there is: the batch itself may have written over the first of them.
            self.missing_ranges[lower, upper] = 2 * len(found) or RANGE_FETCH_KEYS

    async def fetch(self, fetch_keys: FetchKeys, fetch_range: FetchRange) -> bool:
        """Get what is missing; False if nothing is."""
        if not self.missing_keys and not self.missing_ranges:
            return False
        if self.missing_keys:
            wanted = sorted(self.missing_keys)
            found = await fetch_keys(wanted)
            self.keys.update((key, found.get(key)) for key in wanted)
        for (lower, upper), keys_max in self.missing_ranges.items():
            standings = await fetch_range(lower, upper, keys_max)
            self.ranges[lower, upper] = standings, len(standings) < keys_max
        self.missing_keys.clear()
        self.missing_ranges.clear()
        return True


async def evaluate_on(
    txns: Sequence[Txn], applied: Mark, now_ms: int, fetch_keys: FetchKeys, fetch_range: FetchRange
) -> Evaluation:
    """`flaredb.core.evaluate.evaluate` on what is stored elsewhere; raises what the fetches raise."""
    view = FetchedView()
    while True:
        evaluation = evaluate(txns, view, applied, now_ms)
        if not await view.fetch(fetch_keys, fetch_range):
            return evaluation
