"""Forgetting: what is kept of users who are gone. It opens nothing, since ids never come back, but it is theirs."""

from __future__ import annotations

import logging

from iam.shell.people import People
from iam.shell.source import Source
from ultracloud.base.faults import Fault
from ultracloud.base.principals import USER_PREFIX
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Store, prefix_end

PREFIXES = (b"~u/", b"~s/", b"~p/", b"~c/")
"""What is kept under users' ids."""
PAUSE_S = 3600.0
PAGE = 1000


class Forgetting:
    """Removes it."""

    def __init__(self, store: Store, source: Source, people: People, clock: Clock) -> None:
        self._store = store
        self._source = source
        self._people = people
        self._clock = clock

    async def run(self) -> None:
        """Do so every hour, for ever."""
        while True:
            await self._clock.sleep(PAUSE_S)
            try:
                await self.once()
            except Fault as error:
                logging.getLogger(__name__).info("forgetting waits for the store: %s", error)

    async def once(self) -> int:
        """Remove what is left of users who are gone; gives how many keys."""
        removed, gone = 0, dict[str, bool]()
        for prefix in PREFIXES:
            start, more = prefix, True
            while more:
                page = await self._store.scan(start, prefix_end(prefix), limit=PAGE, keys_only=True)
                for entry in page.entries:
                    user = entry.key.split(b"/")[1].decode()
                    if user not in gone:
                        gone[user] = await self._is_gone(user)
                    if gone[user]:
                        await self._store.txn({}, {entry.key: None})
                        removed += 1
                start = page.entries[-1].key + b"\0" if page.entries else start
                more = page.more
        return removed

    async def _is_gone(self, user: str) -> bool:
        # The policy may be behind, so what it does not know is looked up.
        if f"{USER_PREFIX}{user}" in self._source.snapshot.policy.user_of_principal:
            return False
        return await self._people.by_id(user) is None
