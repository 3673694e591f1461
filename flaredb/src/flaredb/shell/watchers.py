"""Who waits for what: watchers that have seen all there is sleep here until a commit touches their range."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flaredb.core.commands import Commit
from flaredb.core.feed import Interest
from flaredb.errors import closing
from ultracloud.base.faults import ResourceExhaustedError

WATCHES_MAX = 10_000
"""Watches at once: one a service and kind, one an agent, with room for hundreds of hosts; each costs about 2 KiB."""


Push = Callable[[Sequence[Commit]], bool]
"""Tells a sleeping watcher all of a batch that it wants, at once; False if it must wake for that."""


def _wake(_commits: Sequence[Commit]) -> bool:
    """A watcher that is never told asleep."""
    return False


@dataclass(slots=True, eq=False)
class Place:
    """How far a watch is.

    Attributes:
        position: Up to which version it has been told everything.
        is_asleep: Whether nothing was left to tell it.
        push: How it is told while it sleeps.
    """

    position: int
    is_asleep: bool = False
    push: Push = _wake


class Watchers:
    """The watches that are open, and those of them that sleep.

    Attributes:
        count: How many are open.
        places: Where they are, as far as they say so.
    """

    def __init__(self) -> None:
        self._sleeping: dict[str, dict[asyncio.Future[tuple[int, bool]], tuple[Interest, Push]]] = {}
        self._is_closed = False
        self.count = 0
        self.places: set[Place] = set()

    def behind(self, newest: int) -> int:
        """By how many versions the slowest watch is behind."""
        return newest - min((place.position for place in self.places if not place.is_asleep), default=newest)

    def open(self) -> None:
        """Count one more watch; `leave` must follow.

        Raises:
            ResourceExhaustedError: There are WATCHES_MAX already.
            UnavailableError: The server stops.
        """
        if self._is_closed:
            raise closing()
        if self.count >= WATCHES_MAX:
            raise ResourceExhaustedError(
                f"{WATCHES_MAX} watches are open, which is as many as one server has; close some", reason="WATCHES_MAX"
            )
        self.count += 1

    def leave(self) -> None:
        """Count one less."""
        self.count -= 1

    def close(self) -> None:
        """End all watches with Unavailable: their callers resume elsewhere, or here later, from where they are."""
        self._is_closed = True
        for sleeping in self._sleeping.values():
            for future in sleeping:
                if not future.done():
                    future.set_exception(closing())

    def tell(self, commits: Sequence[Commit]) -> None:
        """Tell the watchers whose range is touched by a batch, without waking them where that can be."""
        if not self._sleeping:
            return
        touched: dict[str, list[bytes]] = {}
        for commit in commits:
            touched.setdefault(commit.namespace, []).extend(change.key for change in commit.changes)
        before = commits[0].version - 1
        for namespace, keys in touched.items():
            for future, (interest, push) in self._sleeping.get(namespace, {}).items():
                if not future.done() and any(map(interest.wants, keys)) and not push(commits):
                    future.set_result((before, True))

    async def wait_touched(
        self, interest: Interest, newest: Callable[[], int], timeout_s: float, push: Push = _wake
    ) -> tuple[int, bool]:
        """Sleep until a commit touches the range that `push` does not tell of, or for `timeout_s`.

        Call it only for a watcher that has seen everything up to `newest()`, with nothing awaited since.

        Returns:
            A version up to which nothing touched the range meanwhile, after which the watcher continues; and whether
            something touches it then.

        Raises:
            UnavailableError: The server stops.
        """
        if self._is_closed:
            raise closing()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[int, bool]] = loop.create_future()
        # The timer answers with the version of its own moment. Were it an exception, a commit between it and the
        # watcher's turn on the loop would be stepped over.
        timer = loop.call_later(timeout_s, _settle, future, newest)
        sleeping = self._sleeping.setdefault(interest.namespace, {})
        sleeping[future] = interest, push
        try:
            return await future
        finally:
            timer.cancel()
            del sleeping[future]
            if not sleeping:
                del self._sleeping[interest.namespace]


def _settle(future: asyncio.Future[tuple[int, bool]], newest: Callable[[], int]) -> None:
    if not future.done():
        future.set_result((newest(), False))
