"""All of it together: recovery, the node, the tasks beside it, and the RPCs in front."""

from __future__ import annotations

from dataclasses import dataclass

from chainfire.config import MIB, Config
from chainfire.errors import StorageError
from chainfire.shell import meters
from chainfire.shell.encoded import answering_encoded
from chainfire.shell.kv import REQUEST_MESSAGE_BYTES_MAX, KvService
from chainfire.shell.leases import LeaseService
from chainfire.shell.listeners import doors_of
from chainfire.shell.maintenance import AuthService, ClusterService, MaintenanceService
from chainfire.shell.node import Bounds, Node
from chainfire.shell.recovery import recover
from chainfire.shell.watches import WatchService
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.etcd.rpc_rpc import AUTH, CLUSTER, KV, LEASE, MAINTENANCE, WATCH
from ultracloud.api.rpc import Call
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import Interceptor, Limits, Service, service


@dataclass(slots=True)
class Chainfire:
    """A running member; `ultracloud.servicekit.lifecycle` stops it when no more calls come."""

    node: Node

    async def stop(self) -> None:
        """Make durable what was taken, and close the log."""
        await self.node.stop()


async def build(config: Config, runtime: Runtime) -> Chainfire:
    """Recover the state and serve it.

    Raises:
        StartError: The state folder cannot be used, or an address is taken.
    """
    started_ms = runtime.clock.monotonic_ms()
    try:
        state = recover(config.state_dir, config.storage.segment_mib * MIB, runtime.clock.entropy)
    except StorageError as error:
        raise StartError(f"chainfire: {error}") from error
    except OSError as error:
        raise StartError(f"chainfire: {error.filename or config.state_dir}: {error.strerror}") from error
    node = Node(config.state_dir, state, bounds_of(config), runtime.clock.monotonic_ms)
    runtime.log.info(
        "recovered",
        extra={
            "revision": node.revision,
            "index": node.machine.applied_index,
            "replayed": state.replayed,
            "term": node.term,
            "milliseconds": runtime.clock.monotonic_ms() - started_ms,
        },
    )
    runtime.tasks.create_task(node.committer.wait_crash(), name="crash")
    runtime.tasks.create_task(node.run_ticks(), name="ticks")
    runtime.tasks.create_task(node.housekeeping.run(), name="housekeeping")
    meters.install(runtime.metrics, node)
    urls: list[str] = list(config.client_urls)
    addresses = await runtime.serve(
        services_of(node, config.name, urls, runtime),
        [Admission(config.clients)] if config.clients and runtime.identity else [],
        limits=Limits(message_bytes_max=REQUEST_MESSAGE_BYTES_MAX),
        require_client_certificate=True,
        doors=doors_of(config),
    )
    scheme = "https" if runtime.identity else "http"
    urls += [] if urls else [f"{scheme}://{address}" for address in addresses if not address.startswith("unix:")]
    return Chainfire(node)


def bounds_of(config: Config) -> Bounds:
    """The node's bounds, in its units."""
    storage = config.storage
    return Bounds(
        quota_bytes=int(storage.quota_mib * MIB),
        snapshot_log_bytes=storage.snapshot_mib * MIB,
        history_revisions=storage.history_revisions,
        progress_s=config.progress_s,
    )


def services_of(node: Node, name: str, client_urls: list[str], runtime: Runtime) -> list[Service]:
    """All of etcd's services that a member has; `client_urls` is read when a client asks."""

    def header(revision: int) -> rpc_pb2.ResponseHeader:
        return rpc_pb2.ResponseHeader(
            cluster_id=node.cluster_id, member_id=node.member_id, revision=revision, raft_term=node.term
        )

    def member() -> rpc_pb2.Member:
        return rpc_pb2.Member(ID=node.member_id, name=name, clientURLs=client_urls)

    return [
        service(answering_encoded(KV, "Range", "Put", "DeleteRange", "Txn", "Compact"), KvService(node)),
        service(answering_encoded(WATCH, "Watch"), WatchService(node)),
        service(answering_encoded(LEASE, "LeaseKeepAlive"), LeaseService(node, header, runtime.clock.entropy)),
        service(MAINTENANCE, MaintenanceService(node, header)),
        service(CLUSTER, ClusterService(header, member)),
        service(AUTH, AuthService(node, header)),
    ]


class Admission(Interceptor):
    """Lets in the clients that the configuration names.

    Args:
        patterns: SPIFFE identities, `*` at the end for all that begin so.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._exact = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
        self._prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))

    def admit(self, call: Call, /) -> None:
        """Let a call in if its client is named.

        Raises:
            PermissionDeniedError: It is not.
        """
        identity = call.peer.identity or ""
        if identity not in self._exact and not identity.startswith(self._prefixes or ("\x00",)):
            raise PermissionDeniedError(
                f"'{identity}' may not use this chainfire; name it in 'clients' of its configuration",
                reason="CLIENT_NOT_NAMED",
            )

    def done(self, call: Call, code: int, seconds: float, /) -> None:
        """Nothing to do at the end."""
