"""What a store of the simulation has around it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol, TypeAlias

from flaredb.core.region import Region, StoreId
from flaredb.core.region_node import Mail, RegionNode
from flaredb.core.region_work import Answer
from sim.flaredb.settings import Settings
from ultracloud.testkit.sim import SimClock

Token: TypeAlias = Callable[[Answer | int], None]
"""What is called with a proposal's answer; of a read, with the version to look at, or why not."""


class Reached(Protocol):
    """Another store that can be talked to."""

    @property
    def is_stalled(self) -> bool:
        """Whether its process stands still."""
        ...

    def take(self, action: Callable[[RegionNode[Token]], None]) -> None:
        """Let it take something, now or when it goes on."""
        ...


class Outside(Protocol):
    """What a store has around it."""

    clock: SimClock
    random: Random
    settings: Settings

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        ...

    def send(self, letter: Mail) -> None:
        """Send to another store, or lose."""
        ...

    def find(self, source: StoreId, target: StoreId) -> Reached | None:
        """Another store, if it runs and can be reached."""
        ...

    def compare(self, region: Region, index: int, total: int, who: str) -> None:
        """Hold the sum of a region's rows as of an index against that of others."""
        ...

    def look_up(self, key: bytes) -> Region:
        """A region that an encoded key belongs to, as some store has it."""
        ...
