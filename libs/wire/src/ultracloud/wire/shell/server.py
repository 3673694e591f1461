"""The server: listeners, their connections, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ultracloud.api.grpc.health.v1.health_rpc import HEALTH
from ultracloud.api.grpc.reflection.v1.reflection_rpc import SERVER_REFLECTION
from ultracloud.api.grpc.reflection.v1alpha.reflection_rpc import SERVER_REFLECTION as SERVER_REFLECTION_ALPHA
from ultracloud.api.rpc import Peer
from ultracloud.base.faults import UnavailableError
from ultracloud.wire.core.http1_heads import HeadReader
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.edge import Site
from ultracloud.wire.shell.health import Health
from ultracloud.wire.shell.heap import keep_freed_memory
from ultracloud.wire.shell.http1 import Http1Protocol
from ultracloud.wire.shell.http2 import Http2Protocol
from ultracloud.wire.shell.inner import Endpoints, InnerCalls
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.options import AroundInterceptor, HttpRoute, Interceptor, ServerOptions
from ultracloud.wire.shell.pages import Pages
from ultracloud.wire.shell.reflection import Catalogue, V1AlphaReflection, V1Reflection
from ultracloud.wire.shell.routes import Service, route_table, service
from ultracloud.wire.shell.sniff import Sniffer
from ultracloud.wire.shell.tls import TlsKeeper, common_name, spiffe_identity

BACKLOG = 1024
"""Connections the kernel holds while the loop is busy; a restart brings all clients back at once."""
HANDSHAKE_S = 10.0
"""A TLS handshake is two round trips; more is a client that does not mean it."""
TICK_S = 1.0
"""How often connections look at the clock; their patience is tens of seconds."""
DRAIN_WORD_S = 1.0
"""How long clients have to answer the first GOAWAY before their last stream is named without them."""
STOP_S = 1.0
"""How long cancelled calls and closing connections have at the end, past the grace."""


class Server:
    """Serves gRPC over HTTP/2, and pages over HTTP/1.1 and HTTP/2, on any number of listeners.

    Args:
        services: What `service` gave.
        options: Settings.
        interceptors: The first one's `admit` runs first, its `done` last.
        http_routes: Pages by path.
        endpoints: Makes, of a way to call the services from inside, what answers other plain HTTP requests, by path. A
            path that ends in a slash answers all below it. They go before pages.

    Raises:
        OSError: A TLS file cannot be read.
        ssl.SSLError: A TLS file is not what it should be.
    """

    def __init__(
        self,
        services: Sequence[Service],
        options: ServerOptions | None = None,
        interceptors: Sequence[Interceptor | AroundInterceptor] = (),
        http_routes: Mapping[str, HttpRoute] | None = None,
        endpoints: Endpoints | None = None,
    ) -> None:
        # hpack writes every header field it reads to its debug log, tokens too.
        logging.getLogger("hpack").setLevel(logging.INFO)
        self._options = options or ServerOptions()
        self.health = Health(each.descriptor.name for each in services)
        """What grpc.health.v1 tells."""
        everything = _with_standard_services(services, self._options, self.health)
        self._site = Site.make(route_table(everything), interceptors)
        inner = endpoints(InnerCalls(self._site)) if endpoints else {}
        self._pages = Pages(dict(http_routes or {}), inner, self._options.refusal)
        limits = self._options.limits
        self._heads = HeadReader()
        self._limits = limits if self._pages.takes_bodies else replace(limits, body_bytes_max=0)
        self._tls = TlsKeeper(self._options.tls) if self._options.tls else None
        self._listeners: list[asyncio.AbstractServer] = []
        self._unix_paths: list[Path] = []
        self._members = Members()
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def received_bytes(self) -> int:
        """What came over HTTP/2, gRPC's calls above all, since the start."""
        return self._members.received_bytes

    @property
    def received_events(self) -> int:
        """What came over HTTP/2 since the start, in events: a call without a stream is one, and most are calls."""
        return self._members.received_events

    @property
    def sent_bytes(self) -> int:
        """What went over HTTP/2 since the start."""
        return self._members.sent_bytes

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Listen on a TCP address; port 0 takes a free one. Gives the address that is bound.

        Raises:
            OSError: The address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(self._sniffer, host, port, backlog=BACKLOG, **self._tls_arguments())
        self._begin(listener)
        bound = listener.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def listen_unix(self, path: Path | str) -> None:
        """Listen on a unix socket. A socket that nobody listens on any more is replaced.

        Raises:
            OSError: The path is taken, by a living server or by something that is no socket.
        """
        where = Path(path)
        _clear_stale_socket(where)
        loop = asyncio.get_running_loop()
        listener = await loop.create_unix_server(self._sniffer, str(where), backlog=BACKLOG, **self._tls_arguments())
        self._unix_paths.append(where)
        self._begin(listener)

    def reload_tls(self) -> None:
        """Read the TLS files again; new handshakes use them, open connections stay. On an error nothing changes.

        Raises:
            OSError: A file cannot be read.
            ssl.SSLError: A file is not what it should be.
        """
        if self._tls is not None:
            self._tls.reload()

    async def drain(self, grace_s: float) -> None:
        """Stop: take no new connections and calls, finish what runs, then close.

        Calls that are still open after `grace_s` seconds are answered with UNAVAILABLE and cancelled.
        """
        self.health.stop()
        for listener in self._listeners:
            listener.close()
        for path in self._unix_paths:
            path.unlink(missing_ok=True)
        for member in self._members.all():
            member.start_drain()
        if not await self._members.wait_gone(min(grace_s, DRAIN_WORD_S)):
            for member in self._members.all():
                member.finish_drain()
            await self._members.wait_gone(grace_s - DRAIN_WORD_S)
        await self._stop()
        if self._ticking is not None:
            self._ticking.cancel()

    async def _stop(self) -> None:
        """End what has not ended."""
        fault = UnavailableError("the server is stopping; send it again")
        tasks: list[asyncio.Future[Any]] = []
        for member in self._members.all():
            tasks += member.stop(fault)
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        if not await self._members.wait_gone(STOP_S):
            for member in self._members.all():
                member.abort()

    def _sniffer(self) -> Sniffer:
        """The protocol of a connection that has said nothing yet."""
        patience_s = self._options.limits.keepalive_timeout_s
        return Sniffer(self._speak, patience_s, self._members, self._options.connections_max)

    def _speak(self, transport: asyncio.Transport, is_http2: bool) -> asyncio.Protocol:  # noqa: FBT001
        """The protocol of a connection that has."""
        peer = Peer(_address(transport), spiffe_identity(transport), common_name(transport))
        if not is_http2:
            return Http1Protocol(self._pages, peer, self._members, self._limits.body_bytes_max, self._heads)
        return Http2Protocol(self._limits, self._site, self._pages, peer, self._members)

    def _tls_arguments(self) -> dict[str, Any]:
        """What asyncio wants for a TLS listener."""
        if self._tls is None:
            return {}
        return {"ssl": self._tls.context, "ssl_handshake_timeout": HANDSHAKE_S}

    def _begin(self, listener: asyncio.AbstractServer) -> None:
        """Keep a new listener."""
        self._listeners.append(listener)
        if self._ticking is None:
            keep_freed_memory()
            self._tick()

    def _tick(self) -> None:
        """Let every connection look at the clock."""
        at_s = now_s()
        for member in self._members.all():
            member.tick(at_s)
        self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)


def _with_standard_services(services: Sequence[Service], options: ServerOptions, health: Health) -> list[Service]:
    """The services and, as the options say, health and reflection."""
    everything = list(services)
    if options.health:
        everything.append(service(HEALTH, health))
    if options.reflection:
        described = [each.descriptor for each in everything] + [SERVER_REFLECTION, SERVER_REFLECTION_ALPHA]
        catalogue = Catalogue(described)
        everything.append(service(SERVER_REFLECTION, V1Reflection(catalogue)))
        everything.append(service(SERVER_REFLECTION_ALPHA, V1AlphaReflection(catalogue)))
    return everything


def _address(transport: asyncio.Transport) -> str:
    """``host:port`` of the client, ``unix:`` for one on a unix socket."""
    name = transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unix:"


def _clear_stale_socket(path: Path) -> None:
    """Remove a socket that a killed server left behind.

    Raises:
        OSError: Somebody listens on it, or it is no socket.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError(errno.EADDRINUSE, "this is no socket; give another path", str(path))
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise OSError(errno.EADDRINUSE, "another process listens on this socket", str(path))
