"""What a service finds when it is built: its clock, tasks, peers, policy, and a server to serve with."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ultracloud.api.rpc import Channel
from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.clock import Clock, SystemClock
from ultracloud.servicekit.doors import UNIX, Door, clear_socket, doors_of, parse_address, why
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.metrics import CONTENT_TYPE, Metrics, RpcMetrics
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.readiness import Gate, Readiness
from ultracloud.servicekit.settings import Settings

if TYPE_CHECKING:
    from ultracloud.servicekit.coordination import Coordination
    from ultracloud.servicekit.policy import PolicyCopy
    from ultracloud.servicekit.renewal import Issuer
    from ultracloud.servicekit.resources import Owners, Resources
    from ultracloud.servicekit.store import FlaredbStore
    from ultracloud.servicekit.store.several import SeveralChannel
    from ultracloud.wire import (
        AroundInterceptor,
        Endpoints,
        HttpReply,
        HttpRoute,
        Interceptor,
        Limits,
        Refusal,
        Server,
        Service,
        TlsFiles,
    )

CERTIFICATE_CHECK_S = 5.0
"""How often our own certificate's files are looked at."""
PEER_CHECK_S, PEER_RETRY_S = 5.0, 0.1
"""How often a peer that answers, or one that does not, is asked whether it is there."""


class Runtime:
    """One service's surroundings.

    Attributes:
        name: The service's.
        settings: Its configuration, as far as all services have it.
        tasks: Group of all its background tasks; one that fails ends the service.
        clock: Time and randomness.
        metrics: Registry for its own metrics.
        readiness: Gates it waits for; ``runtime.readiness.gate("disk recovery")``.
        log: Its logger.
        identity: Who it is to its peers; None in plaintext.
        addresses: Where it listens, once it does.
    """

    def __init__(self, name: str, settings: Settings, tasks: asyncio.TaskGroup, log: logging.Logger) -> None:
        self.name = name
        self.settings = settings
        self.tasks = tasks
        self.log = log
        self.clock: Clock = SystemClock()
        self.metrics = Metrics(name)
        self.readiness = Readiness()
        self.identity = identity_of(settings)
        if self.identity is not None:
            self.metrics.later(partial(_tell_expiry, self.metrics, self.identity))
        self.addresses: tuple[str, ...] = ()
        self._served: list[tuple[Server, RpcMetrics]] = []
        self._peers: dict[str, channels.PeerChannel] = {}
        self._coordination: Coordination | None = None
        self._several: SeveralChannel | None = None
        self._authority: PolicyCopy | None = None
        self._is_renewing = False
        self._before_drain: list[Callable[[], Awaitable[None]]] = []

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers that `serve` has started."""
        return tuple(server for server, _ in self._served)

    def heard(self) -> int:
        """What callers have asked so far, in events; see `SyncPlace`."""
        return sum(server.received_events for server, _ in self._served)

    def peer(self, service: str) -> channels.PeerChannel:
        """The channel to another service; it need not be up.

        Raises:
            ConfigError: ``peers.<service>`` is not set.
        """
        if service not in self._peers:
            target = getattr(self.settings.peers, service, "")
            if not target:
                raise ConfigError(f"peers.{service} is empty; set it to where {service} listens")
            expect = pki.service_identity(service) if self.identity else ""
            try:
                self._peers[service] = channels.connect(target, self.identity, expect)
            except Fault as error:
                raise ConfigError(f"peers.{service}: {error.public}") from error
        return self._peers[service]

    def coordination(self) -> Coordination:
        """The client of chainfire, whose members ``peers.chainfire`` lists; they need not be up.

        Raises:
            ConfigError: ``peers.chainfire`` is not set, or is no list of addresses.
        """
        from ultracloud.servicekit import coordination

        if self._coordination is None:
            targets = self.settings.peers.chainfire
            if not targets:
                raise ConfigError("peers.chainfire is empty; set it to where chainfire's members listen")
            expect = pki.service_identity("chainfire") if self.identity else ""
            try:
                self._coordination = coordination.connect(targets, self.identity, expect)
            except Fault as error:
                raise ConfigError(f"peers.chainfire: {error.public}") from error
        return self._coordination

    def authority(self) -> PolicyCopy:
        """The policy copy, followed from iam in the background; the service is ready once there is one."""
        from ultracloud.servicekit.policy import open_copy

        if self._authority is None:
            self._authority = open_copy(self.settings.state_dir)
            gate = self.readiness.gate("a policy from iam")
            follow = self._authority.run(self.peer("iam"), self.clock, gate)
            self.tasks.create_task(follow, name="follow policy")
        return self._authority

    def renew_certificate(self, issuer: Issuer | None = None) -> None:
        """Keep our certificate fresh and follow whom to trust, from now on; once is enough.

        Args:
            issuer: Who signs; iam, as ``peers.iam`` says, unless another is given.

        Raises:
            ConfigError: There is no certificate, or ``peers.iam`` is not set.
        """
        from ultracloud.servicekit.renewal import RemoteIssuer, Renewer

        if self._is_renewing:
            return
        if self.identity is None:
            raise ConfigError("tls.renew is set, but tls has no certificate; give certificate, key and ca")
        renewer = Renewer(self.identity, issuer or RemoteIssuer(self.peer("iam")), self.clock, self.metrics)
        self.tasks.create_task(renewer.run(), name="renew own certificate")
        self._is_renewing = True

    def store(self, namespace: str = "") -> FlaredbStore:
        """The service's namespace in flaredb (its own name, unless another is given); ready once it answers."""
        from ultracloud.servicekit.store import FlaredbStore

        store = FlaredbStore(self._stores(), namespace or self.name)
        gate = self.readiness.gate("flaredb")
        self.tasks.create_task(self._watch_store(store, gate), name="watch flaredb")
        return store

    def owners(self, resources: Resources, what: str) -> Owners:
        """Who reconciles what in this service, ``hosts``: its replicas, if ``peers.chainfire`` is set, or we alone.

        Raises:
            ConfigError: ``peers.chainfire`` is no list of addresses.
        """
        assert what.isidentifier(), f"{what} is a part of a metric's name"
        from prometheus_client import Gauge

        from ultracloud.servicekit.resources import Replicas, SoleOwner

        if not self.settings.peers.chainfire:
            return SoleOwner()
        replicas = Replicas(resources.store, self.coordination(), self.clock, f"{self.name}/{what}")
        about = "Shards of objects that this replica works on; over all replicas they are 32"
        gauge = Gauge(f"ultracloud_{what}_shards", about, registry=self.metrics.registry)
        gauge.set_function(lambda: len(replicas.shards))
        return replicas

    def _stores(self) -> Channel:
        """The channel to flaredb, of which ``peers.flaredb`` may list several stores."""
        from ultracloud.servicekit.store.several import connect_several

        targets = self.settings.peers.flaredb
        if "," not in targets:
            return self.peer("flaredb")
        if self._several is None:
            expect = pki.service_identity("flaredb") if self.identity else ""
            try:
                self._several = connect_several(targets, self.identity, expect)
            except Fault as error:
                raise ConfigError(f"peers.flaredb: {error.public}") from error
        return self._several

    async def serve(
        self,
        services: Sequence[Service],
        interceptors: Sequence[Interceptor | AroundInterceptor] = (),
        *,
        limits: Limits | None = None,
        require_client_certificate: bool = False,
        doors: Sequence[Door] | None = None,
        endpoints: Endpoints | None = None,
        refusal: Refusal | None = None,
    ) -> tuple[str, ...]:
        """Listen where the settings say, and give the addresses. Calls are served from now on.

        Args:
            services: Made by `ultracloud.wire.service`.
            interceptors: Run in this order, after the one that counts calls.
            limits: Bounds of each connection, if not the default.
            require_client_certificate: Refuse whoever shows none. Without, a bearer token will do.
            doors: Where to listen, instead of where the settings say; whoever names a door answers for its clear text.
            endpoints: Makes what answers plain HTTP requests besides the pages every service has, and before them.
            refusal: Makes the answers to those that the server itself refuses; without it, a line of text.

        Raises:
            StartError: An address is taken or is none.
        """
        from ultracloud.wire import Limits

        if doors is None:
            settings = self.settings.listen
            doors = doors_of(settings, self.identity, require_client_certificate=require_client_certificate)
            if self.identity is None:
                self.log.warning(
                    "no [tls]: plaintext on %s; only programs on this machine may be trusted", settings.address
                )
        streams = [one.path for each in services for one in each.descriptor.methods if one.server_streaming]
        rpc = RpcMetrics(self.metrics, streams)
        opened: dict[tuple[TlsFiles | None, bool], Server] = {}
        addresses: list[str] = []
        for door in doors:
            kind = (door.tls, door.pages_only)
            if kind not in opened:
                served = [] if door.pages_only else services
                inside = [rpc, *interceptors]
                opened[kind] = self._open(served, inside, limits or Limits(), door.tls, endpoints, refusal)
                self._served.append((opened[kind], rpc))
            addresses.append(await self._listen(opened[kind], door))
        self.addresses = (*self.addresses, *addresses)
        return tuple(addresses)

    def _open(
        self,
        services: Sequence[Service],
        interceptors: Sequence[Interceptor | AroundInterceptor],
        limits: Limits,
        tls: TlsFiles | None,
        endpoints: Endpoints | None,
        refusal: Refusal | None,
    ) -> Server:
        """A server that listens nowhere yet, and the tasks beside it."""
        from ultracloud.wire import Server, ServerOptions, plain_refusal

        is_whole = bool(services)
        options = ServerOptions(
            limits=limits, tls=tls, health=is_whole, reflection=is_whole, refusal=refusal or plain_refusal
        )
        try:
            server = Server(
                services=list(services),
                options=options,
                interceptors=interceptors,
                http_routes=self._pages(),
                endpoints=endpoints,
            )
        except OSError as error:
            raise StartError(f"{self.name}: cannot read its certificate: {error}; see [tls]") from error
        if tls is not None:
            self.tasks.create_task(self._renew(server, tls), name="renew certificate")
        self.tasks.create_task(self._tell_health(server), name="tell health")
        return server

    async def _listen(self, server: Server, door: Door) -> str:
        """Listen at a door, and give its address."""
        try:
            if door.address.startswith(UNIX):
                path = Path(door.address.removeprefix(UNIX))
                clear_socket(self.name, path)
                await server.listen_unix(str(path))
                return f"{UNIX}{path}"
            host, port = await server.listen(*parse_address(door.address))
        except OSError as error:
            place = door.address.removeprefix(UNIX)
            raise StartError(f"{self.name}: cannot listen on {place}: {why(error)}") from error
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _pages(self) -> dict[str, HttpRoute]:
        """The HTTP/1.1 pages every service has."""
        from ultracloud.wire import HttpReply

        def healthz() -> HttpReply:
            return HttpReply(200, b"ok\n")

        def readyz() -> HttpReply:
            waiting = self.readiness.waiting_for()
            if not waiting:
                return HttpReply(200, b"ready\n")
            return HttpReply(503, f"waiting for {', '.join(waiting)}\n".encode())

        def metrics() -> HttpReply:
            return HttpReply(200, self.metrics.render(), CONTENT_TYPE)

        return {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}

    async def _watch_store(self, store: FlaredbStore, gate: Gate) -> None:
        """Open the gate while flaredb answers."""
        while True:
            try:
                await store.scan(b"", b"", limit=1, keys_only=True)
            except Fault as error:
                self.log.debug("flaredb does not answer yet", exc_info=error)
                gate.close()
                await self.clock.sleep(PEER_RETRY_S)
            else:
                gate.open()
                await self.clock.sleep(PEER_CHECK_S)

    async def _renew(self, server: Server, tls: TlsFiles) -> None:
        """Use a certificate that was replaced on disk; a bad one is told and the old one stays."""
        files = [path for path in (tls.certificate, tls.key, tls.client_ca) if path is not None]
        stamp = pki.stamp_of(files)
        while True:
            await self.clock.sleep(CERTIFICATE_CHECK_S)
            now = pki.stamp_of(files)
            if now != stamp:
                stamp = now
                try:
                    server.reload_tls()
                except (OSError, ValueError, Fault) as error:
                    self.log.warning("new certificate refused, the old one stays: %s", error)
                else:
                    self.log.info("certificate renewed")

    async def _tell_health(self, server: Server) -> None:
        """Keep gRPC health equal to readiness."""
        while True:
            changed = self.readiness.changed
            server.health.set("", not self.readiness.waiting_for())
            await changed.wait()

    def before_drain(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done when the service is asked to stop, while it still serves: handing over, mostly."""
        self._before_drain.append(work)

    async def drain(self) -> None:
        """Do what is to be done before; then take no more calls, end streams, and let the other calls finish."""
        for work in self._before_drain:
            await work()
        drains = [asyncio.ensure_future(server.drain(self.settings.drain_s)) for server, _ in self._served]
        # Clients hear that this server goes before their streams end, or they would open them here again.
        await asyncio.sleep(0)
        for _, rpc in self._served:
            rpc.end_streams()
        await asyncio.gather(*drains)

    async def close(self) -> None:
        """Close the channels to peers."""
        for channel in self._peers.values():
            await channel.close()
        if self._coordination is not None:
            await self._coordination.close()
        if self._several is not None:
            await self._several.close()


def _tell_expiry(metrics: Metrics, identity: TlsIdentity) -> None:
    """Have it told when our certificate ends."""
    from ultracloud.servicekit.expiry import tell_expiry

    tell_expiry(metrics.registry, identity.certificate)


def identity_of(settings: Settings) -> TlsIdentity | None:
    """The identity the settings name; None without."""
    tls = settings.tls
    if tls.certificate is None or tls.key is None or tls.ca is None:
        return None
    for path in (tls.certificate, tls.key, tls.ca):
        if not os.access(path, os.R_OK):
            raise ConfigError(f"tls file {path} is missing or unreadable; `ultracloud.servicekit.pki` makes them")
    return TlsIdentity(tls.certificate, tls.key, tls.ca)
