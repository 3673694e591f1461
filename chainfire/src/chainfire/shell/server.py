"""All of it together: recovery, the node, the tasks beside it, and the RPCs in front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from chainfire.config import KIB, MIB, Auth, Config
from chainfire.core.compaction import Policy
from chainfire.errors import StorageError
from chainfire.shell import meters
from chainfire.shell.auth import AuthService
from chainfire.shell.claims import contradictions, refuse_foreign
from chainfire.shell.cluster import ClusterService
from chainfire.shell.corruption import CorruptionCheck
from chainfire.shell.elections import ElectionService
from chainfire.shell.encoded import answering_encoded
from chainfire.shell.founding import founding_of, unknown
from chainfire.shell.guard import Guard
from chainfire.shell.kv import REQUEST_MESSAGE_SLACK_BYTES, KvService
from chainfire.shell.leases import LeaseService
from chainfire.shell.listeners import doors_of
from chainfire.shell.locks import LockService
from chainfire.shell.maintenance import MaintenanceService
from chainfire.shell.node import Bounds, Node
from chainfire.shell.pages import Health, endpoints_of
from chainfire.shell.passwords import Passwords
from chainfire.shell.questions import Questions
from chainfire.shell.queues import Queues
from chainfire.shell.recovery import Founding, Recovered, recover
from chainfire.shell.replication import Replication, follow_leader, listen, listen_urls, peer_tls_of, publish, renew
from chainfire.shell.standing import Standing
from chainfire.shell.store_calls import Store
from chainfire.shell.tokens import Tokens, tokens_of
from chainfire.shell.watches import WatchService
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.etcd.election_rpc import ELECTION
from ultracloud.api.etcd.lock_rpc import LOCK
from ultracloud.api.etcd.rpc_rpc import AUTH, CLUSTER, KV, LEASE, MAINTENANCE, WATCH
from ultracloud.api.rpc import Call
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.raft.events import Campaign
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.runtime import Runtime
from ultracloud.wire import BUSY_POLL_S, Interceptor, Limits, Service, service

JSON_FACTOR = 2
"""The largest message as JSON takes four thirds, and its fields have names."""


@dataclass(slots=True)
class Chainfire:
    """A running member; `ultracloud.servicekit.lifecycle` stops it when no more calls come."""

    node: Node
    replication: Replication

    async def stop(self) -> None:
        """Give up the lead, make durable what was taken, and close the log."""
        await self.node.stop()
        await self.replication.peers.close()


async def build(config: Config, runtime: Runtime) -> Chainfire:
    """Recover the state, find the other members, and serve.

    Raises:
        StartError: The state folder cannot be used, an address is taken, or the cluster to join cannot be reached.
    """
    started_ms = runtime.clock.monotonic_ms()
    peer_urls = listen_urls(config)
    tls = peer_tls_of(config.cluster, runtime.identity, peer_urls)
    state = recovered(config, runtime, await founding_of(config, tls))
    node = Node(config.state_dir, state, bounds_of(config), runtime.clock.monotonic_ms, runtime.clock.entropy)
    runtime.log.info(
        "recovered",
        extra={
            "revision": node.revision,
            "index": node.machine.applied_index,
            "entries": len(state.restored.entries),
            "term": node.term,
            "milliseconds": runtime.clock.monotonic_ms() - started_ms,
        },
    )
    refuse_foreign(config, node)
    for sentence in contradictions(config, node):
        runtime.log.warning(sentence)
    replication = Replication(node, tls, config.state_dir, runtime.tasks, strict=config.cluster.strict)
    await listen(replication.peers, peer_urls)
    if tls is not None:
        runtime.tasks.create_task(renew(replication.peers, tls), name="renew peer certificates")
    start(node, replication, runtime)
    if config.cluster.compare_s:
        check = CorruptionCheck(node, replication.peers, config.cluster.compare_s)
        runtime.tasks.create_task(check.run(), name="compare members")
    await serve(config, runtime, node, replication)
    return Chainfire(node, replication)


def recovered(config: Config, runtime: Runtime, founding: Founding | None) -> Recovered:
    """Open the state folder.

    Raises:
        StartError: It cannot be used.
    """
    if config.cluster.force_new:
        runtime.log.warning("FORCE NEW CLUSTER: all other members are forgotten, and what only they had is lost")
    try:
        return recover(
            config.state_dir,
            config.storage.segment_mib * MIB,
            runtime.clock.entropy,
            unknown if founding is None else lambda: founding,
            force_new=config.cluster.force_new,
        )
    except StorageError as error:
        raise StartError(f"chainfire: {error}") from error
    except OSError as error:
        raise StartError(f"chainfire: {error.filename or config.state_dir}: {error.strerror}") from error


def start(node: Node, replication: Replication, runtime: Runtime) -> None:
    """Let time pass for the member."""
    runtime.tasks.create_task(node.storing.wait_crash(), name="crash")
    runtime.tasks.create_task(replication.peers.wait_crash(), name="peers")
    runtime.tasks.create_task(node.run_ticks(), name="ticks")
    runtime.tasks.create_task(node.run_housekeeping(), name="upkeep")
    runtime.tasks.create_task(node.housekeeping.run(), name="housekeeping")
    if has_no_others(node):
        # Nobody else can lead: there is nothing to wait for.
        node.tell(Campaign())


def has_no_others(node: Node) -> bool:
    """Whether a member is the only one, leading yet or not."""
    return node.replica.config.voters == {node.member_id}


async def serve(config: Config, runtime: Runtime, node: Node, replication: Replication) -> None:
    """Serve clients, and become one of the members."""
    gate = runtime.readiness.gate("a leader")
    message_bytes_max = int(config.request_kib * KIB) + REQUEST_MESSAGE_SLACK_BYTES
    health = Health(node)
    meters.install(runtime, node, replication.peers, health)
    addresses = await runtime.serve(
        services_of(config, node, replication.questions, runtime),
        interceptors_of(config, node, runtime),
        limits=Limits(
            message_bytes_max=message_bytes_max,
            body_bytes_max=JSON_FACTOR * message_bytes_max,
            busy_poll_s=BUSY_POLL_S if has_no_others(node) else 0.0,
        ),
        require_client_certificate=True,
        doors=doors_of(config),
        endpoints=partial(endpoints_of, health, message_bytes_max),
    )
    scheme = "https" if runtime.identity else "http"
    found = tuple(f"{scheme}://{address}" for address in addresses if not address.startswith("unix:"))
    # Never none: whoever has published any has taken part, which matters if its disk is lost (shell/newcomer.py).
    urls = config.client_urls or found or tuple(f"unix://{address.removeprefix('unix:')}" for address in addresses)
    joined = runtime.tasks.create_task(publish(node, config.name, lambda: urls), name="publish")
    runtime.tasks.create_task(follow_leader(node, replication.peers, gate, joined), name="leader")


def interceptors_of(config: Config, node: Node, runtime: Runtime) -> list[Interceptor]:
    """Who is let in, and to what; a member that is alone for good always leads."""
    found: list[Interceptor] = []
    if config.clients and runtime.identity:
        found.append(Admission(config.clients))
    if listen_urls(config):
        found.append(Standing(node))
    return found


def bounds_of(config: Config) -> Bounds:
    """The node's bounds, in its units."""
    storage, cluster = config.storage, config.cluster
    return Bounds(
        quota_bytes=int(storage.quota_mib * MIB),
        snapshot_log_bytes=storage.snapshot_mib * MIB,
        compaction=Policy(storage.history_revisions, int(storage.history_s * 1000)),
        progress_s=config.progress_s,
        tick_ms=cluster.heartbeat_ms,
        election_ticks=-(-cluster.election_ms // cluster.heartbeat_ms),
        request_bytes_max=int(config.request_kib * KIB),
        txn_operations_max=config.txn_operations,
    )


def services_of(config: Config, node: Node, questions: Questions, runtime: Runtime) -> list[Service]:
    """All of etcd's services that a member has.

    Raises:
        StartError: The keys of tokens cannot be used.
    """

    def header(revision: int) -> rpc_pb2.ResponseHeader:
        return rpc_pb2.ResponseHeader(
            cluster_id=node.cluster_id, member_id=node.member_id, revision=revision, raft_term=node.term
        )

    entropy = runtime.clock.entropy
    tokens, guard = guarded(config.auth, node, runtime)
    kv, watches = KvService(node, guard), WatchService(node, guard)
    leases = LeaseService(node, questions, guard, header, entropy)
    queues = Queues(Store(kv, leases, watches))
    return [
        service(answering_encoded(KV, "Range", "Put", "DeleteRange", "Txn", "Compact"), kv),
        service(answering_encoded(WATCH, "Watch"), watches),
        service(answering_encoded(LEASE, "LeaseKeepAlive"), leases),
        service(LOCK, LockService(queues)),
        service(ELECTION, ElectionService(queues)),
        service(MAINTENANCE, MaintenanceService(node, guard, header)),
        service(CLUSTER, ClusterService(node, questions, guard, header)),
        service(AUTH, AuthService(node, guard, tokens, Passwords(config.auth.bcrypt_cost), header)),
    ]


def guarded(auth: Auth, node: Node, runtime: Runtime) -> tuple[Tokens, Guard]:
    """How tokens are made, and who asks for them.

    Raises:
        StartError: The keys of tokens cannot be used.
    """
    clock = runtime.clock
    try:
        tokens = tokens_of(auth.jwt(), node.machine.auth, clock.entropy, lambda: clock.now_ms() / 1000)
    except OSError as error:
        raise StartError(f"chainfire: auth.token: {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"chainfire: auth.token: {error}") from error
    ttl_ms = auth.token_ttl_s * 1000
    guard = Guard(node, tokens, ttl_ms, is_certificate_enough=auth.by_certificate, now_ms=clock.monotonic_ms)
    runtime.tasks.create_task(guard.run(), name="tokens")
    return tokens, guard


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
