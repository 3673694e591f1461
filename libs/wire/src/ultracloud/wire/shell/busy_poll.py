"""Keeping the loop awake for a moment after an answer: who calls one call after the other sends the next one then.

To sleep and be woken costs a lone caller a third of its round trip, more on a virtual machine, and the processor more
than looking at the sockets again for so long. Once nobody has asked for that moment the loop sleeps as ever.

Source: the kernel's own way, `net.core.busy_poll`, which loopback and unix sockets do not have.
"""

from __future__ import annotations

import asyncio

from ultracloud.wire.shell.clock import now_s


class BusyPoll:
    """One for all connections of a server, on its loop.

    Args:
        seconds: How long the loop stays awake after `kick`.

    Attributes:
        is_awake: Whether it is kept from sleeping.
    """

    def __init__(self, seconds: float) -> None:
        self.is_awake = False
        self._seconds = seconds
        self._until_s = 0.0
        self._loop = asyncio.get_running_loop()

    def kick(self) -> None:
        """Stay awake from now on for a while."""
        self._until_s = now_s() + self._seconds
        if not self.is_awake:
            self.is_awake = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """A turn of the loop that finds something to do, so that it does not sleep."""
        if now_s() < self._until_s:
            self._loop.call_soon(self._look)
        else:
            self.is_awake = False
