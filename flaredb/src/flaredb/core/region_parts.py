"""What of a transaction belongs to which region, and what the outcomes of its parts come to together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from flaredb.core.commands import AnyWrite, Comparison, DeleteRange, Increment, Outcome, Txn
from flaredb.core.keys import bounds, encode
from flaredb.core.region import Region, RegionId
from flaredb.core.region_entry import Span

LookUp: TypeAlias = Callable[[bytes], Region]
"""The region of an encoded key, as far as the caller knows; it may be wrong, but not for ever."""

_ZERO, _ESCAPED_ZERO, _TERMINATOR = b"\x00", b"\x00\xff", b"\x00\x01"


@dataclass(frozen=True, slots=True)
class Part:
    """What one region has of a transaction.

    Attributes:
        region: As the map had it.
        places: Of each of its writes among those of the whole.
    """

    region: Region
    txn: Txn
    places: tuple[int, ...]

    @property
    def span(self) -> Span:
        """The first and the last encoded key that it may name."""
        namespace = self.txn.namespace
        keys: list[bytes] = [encode(namespace, each.key) for each in self.txn.comparisons]
        for write in self.txn.writes:
            if isinstance(write, DeleteRange):
                keys += (encode(namespace, write.start), _last_of(namespace, write))
            else:
                keys.append(encode(namespace, write.key))
        return min(keys), max(keys)


def parts_of(txn: Txn, look_up: LookUp, places: Sequence[int] | None = None) -> list[Part]:
    """A transaction by regions, in the order of keys; ranges are cut where regions end.

    Args:
        txn: It names something.
        look_up: The map.
        places: Of its writes, if it is a part itself.
    """
    found: dict[RegionId, _Gathered] = {}

    def of(region: Region) -> _Gathered:
        return found.setdefault(region.region, _Gathered(region))

    for comparison in txn.comparisons:
        of(look_up(encode(txn.namespace, comparison.key))).comparisons.append(comparison)
    for place, write in zip(places or range(len(txn.writes)), txn.writes, strict=True):
        for region, own in _writes_of(txn.namespace, write, look_up):
            of(region).writes.append((place, own))
    ordered = sorted(found.values(), key=lambda each: each.region.start)
    return [each.part(txn.namespace) for each in ordered]


def regions_of(span: Span, look_up: LookUp) -> Iterator[Region]:
    """The regions that hold some of the keys from the first to the last of a span."""
    at, last = span
    while True:
        region = look_up(at)
        yield region
        if not region.end or region.end > last or region.end <= at:
            return
        at = region.end


def merged(parts: Sequence[tuple[Part, Outcome]], version: int) -> Outcome:
    """The outcome of a transaction whose parts were all prepared."""
    counted: dict[int, int] = {}
    for part, outcome in parts:
        increments = (
            place for place, write in zip(part.places, part.txn.writes, strict=True) if isinstance(write, Increment)
        )
        counted |= dict(zip(increments, outcome.counters, strict=True))
    deleted = sum(outcome.deleted for _, outcome in parts)
    return Outcome(True, version, (), deleted, b"", tuple(counted[place] for place in sorted(counted)))


@dataclass(slots=True)
class _Gathered:
    """A part in the making."""

    region: Region
    comparisons: list[Comparison] = field(default_factory=list)
    writes: list[tuple[int, AnyWrite]] = field(default_factory=list)

    def part(self, namespace: str) -> Part:
        writes = tuple(write for _, write in self.writes)
        return Part(
            self.region,
            Txn(namespace, tuple(self.comparisons), writes),
            tuple(place for place, _ in self.writes),
        )


def _writes_of(namespace: str, write: AnyWrite, look_up: LookUp) -> Iterator[tuple[Region, AnyWrite]]:
    """A write, or a range by regions."""
    if not isinstance(write, DeleteRange):
        yield look_up(encode(namespace, write.key)), write
        return
    first, upper = encode(namespace, write.start), bounds(namespace, b"", write.end)[1]
    for region in regions_of((first, max(first, upper)), look_up):
        if region.start >= upper:
            return
        start = write.start if region.covers(first) else key_from(region.start, namespace)
        is_cut = bool(region.end) and region.end < upper
        end = key_from(region.end, namespace) if is_cut else write.end
        if start < end or not end or region.covers(first):
            yield region, replace(write, start=start, end=end)


def key_from(bound: bytes, namespace: str) -> bytes:
    """The first key of a namespace that stands at or after a bound of a region; empty where that is before all."""
    head = namespace.encode() + _ZERO
    if not bound.startswith(head):
        return b""
    rest, ended, more = bound[len(head) :].partition(_TERMINATOR)
    if not ended and rest.endswith(_ZERO):
        rest = rest[:-1]
    key = rest.replace(_ESCAPED_ZERO, _ZERO)
    return key + _ZERO if more else key


def _last_of(namespace: str, write: DeleteRange) -> bytes:
    return max(encode(namespace, write.start), bounds(namespace, b"", write.end)[1])
