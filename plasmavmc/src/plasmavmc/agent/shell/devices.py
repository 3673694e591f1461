"""Tells when the host's network devices change: the kernel says so, nobody asks.

Source: rtnetlink(7), group RTMGRP_LINK.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

_RTMGRP_LINK = 1
_DATAGRAM_BYTES_MAX = 65_536


async def watch(changed: Callable[[], None]) -> None:
    """Call `changed` on the loop whenever a device came, went or changed, for ever."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.setblocking(False)
        netlink.bind((0, _RTMGRP_LINK))
        loop = asyncio.get_running_loop()

        def drain() -> None:
            try:
                while netlink.recv(_DATAGRAM_BYTES_MAX):
                    pass
            except BlockingIOError:
                pass
            except OSError:
                # ENOBUFS: the kernel dropped messages. What they said is found by looking.
                pass
            changed()

        loop.add_reader(netlink.fileno(), drain)
        try:
            # A device that came between the last look and the subscription is not announced.
            changed()
            await loop.create_future()
        finally:
            loop.remove_reader(netlink.fileno())
