"""What of a cluster refuses writes, or soon may: stores that are silent, regions without a quorum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flaredb.core.why import Finding, Weight

NAMED_MAX = 5
"""Regions that a sentence names."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A region, and the stores whose votes it needs."""

    region: int
    voters: tuple[int, ...]


def judge_cluster(standings: Sequence[Standing], silent_s: Mapping[int, int], troubles: Sequence[str]) -> list[Finding]:
    """What is wrong with a cluster.

    Args:
        standings: Of all regions.
        silent_s: Stores that are down, and for how many seconds.
        troubles: What placement says that it cannot help.
    """
    return [*_without_quorum(standings, silent_s), *_silent(standings, silent_s)] or [*_troubled(troubles)]


def _without_quorum(standings: Sequence[Standing], silent_s: Mapping[int, int]) -> Iterator[Finding]:
    lost = [each for each in standings if 2 * sum(store in silent_s for store in each.voters) >= len(each.voters)]
    if lost:
        some = ", ".join(str(each.region) for each in lost[:NAMED_MAX]) + (", ..." if len(lost) > NAMED_MAX else "")
        needed = sorted({store for each in lost for store in each.voters if store in silent_s})
        stores = ", ".join(map(str, needed))
        yield Finding(
            Weight.REFUSED,
            "NO_QUORUM",
            f"{len(lost)} of {len(standings)} regions ({some}) have lost their quorum: stores {stores} are silent",
            "start these stores again; if their disks are gone for good, see operating.md, 'Most are lost'",
        )


def _silent(standings: Sequence[Standing], silent_s: Mapping[int, int]) -> Iterator[Finding]:
    for store, seconds in sorted(silent_s.items()):
        holds = any(store in each.voters for each in standings)
        back = "start it again; what it holds is made elsewhere after `lost_minutes`"
        gone = f"it holds nothing: `flaredb stores --forget {store}` strikes it off, if it is gone for good"
        said = f"store {store} has been silent for {seconds} s"
        yield Finding(Weight.RISK, "STORE_DOWN", said, back if holds else gone)


def _troubled(troubles: Sequence[str]) -> Iterator[Finding]:
    for each in troubles:
        yield Finding(Weight.RISK, "PLACEMENT", each, "see `flaredb stores` and `flaredb regions`")
