"""What a server can do with each of its connections, whatever they speak."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from ultracloud.base.faults import Fault
from ultracloud.wire.shell.busy_poll import BusyPoll


class Member(Protocol):
    """A connection, from its first byte to its end."""

    def tick(self, at_s: float) -> None:
        """Look at the clock: close what has been silent for too long."""
        ...

    def start_drain(self) -> None:
        """Tell the client that the end is near."""
        ...

    def finish_drain(self) -> None:
        """Take no more calls, finish those that are open, then close."""
        ...

    def stop(self, fault: Fault, /) -> list[asyncio.Future[Any]]:
        """Answer what is open with `fault`, then close; give the work that was cancelled."""
        ...

    def abort(self) -> None:
        """Close without waiting for the client to read."""
        ...


class Members:
    """The connections of a server.

    Attributes:
        received_bytes: What came over HTTP/2 since the start; `sent_bytes` what went.
        received_events: What came in events: calls, most of all.
    """

    def __init__(self) -> None:
        self.received_bytes = 0
        self.received_events = 0
        self.sent_bytes = 0
        self._members: set[Member] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._busy_poll: BusyPoll | None = None

    def __len__(self) -> int:
        return len(self._members)

    def all(self) -> list[Member]:
        """Those that are here now, in a list that stays as it is while they leave."""
        return list(self._members)

    def busy_poll(self, seconds: float) -> BusyPoll:
        """What keeps the loop awake for all of them; the first to ask says for how long."""
        if self._busy_poll is None:
            self._busy_poll = BusyPoll(seconds)
        return self._busy_poll

    def add(self, member: Member) -> None:
        """Enter a connection."""
        self._members.add(member)

    def discard(self, member: Member) -> None:
        """Let a connection go, if it is here."""
        self._members.discard(member)
        if not self._members and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def wait_gone(self, seconds: float) -> bool:
        """Wait until all are gone, at most `seconds`; whether they are."""
        if self._members and seconds > 0:
            self._emptied = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied, seconds)
        return not self._members
