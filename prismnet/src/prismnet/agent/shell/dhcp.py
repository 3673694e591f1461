"""The DHCP server's I/O: frames of one VPC from a raw socket to the core, and answers back."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping

from prismnet.agent.core.dhcp.server import Binding, Served, serve

FRAME_BYTES_MAX = 2048
BATCH = 32
"""Frames read before others get their turn."""


class DhcpServer:
    """Answers the guests of one VPC.

    Args:
        opened: From `sockets.open_dhcp`; this object's from now on.
        source_mac: The router's.
        answered: Told of every answer.
    """

    def __init__(self, opened: socket.socket, source_mac: str, answered: Callable[[Served], None]) -> None:
        self.bindings: Mapping[str, Binding] = {}
        self._socket = opened
        self._source_mac = source_mac
        self._answered = answered
        self._log = logging.getLogger(__name__)
        asyncio.get_running_loop().add_reader(opened.fileno(), self._read)

    def close(self) -> None:
        """Stop answering."""
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _read(self) -> None:
        """Serve what waits, up to BATCH frames."""
        for _ in range(BATCH):
            try:
                frame = self._socket.recv(FRAME_BYTES_MAX)
                self._serve(frame)
            except BlockingIOError:
                return
            except OSError as error:
                # The link is down or gone; whoever rebuilds it opens a new socket. The error was read and is cleared.
                self._log.warning("dhcp socket: %s", error)
                return

    def _serve(self, frame: bytes) -> None:
        served = serve(frame, self.bindings, self._source_mac)
        if served is None:
            return
        self._socket.send(served.frame)
        self._log.debug("dhcp %s for %s", served.kind.name, served.port)
        self._answered(served)
