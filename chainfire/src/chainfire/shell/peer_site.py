"""What all connections of a member to its peers share: who it is, whom it tells, what is counted."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from chainfire.core.peerlink import LocalMember
from chainfire.shell.peer_tls import PeerContexts
from ultracloud.base.faults import Fault, InternalError
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.words import NodeId, SnapshotMark

if TYPE_CHECKING:
    from chainfire.shell.peer_protocol import PeerProtocol

PEERS_COUNTED_MAX = 256
"""Members over the life of a process, removed ones included."""

ResultT = TypeVar("ResultT")


class PeerCallbacks(Protocol):
    """Whom peers talk to here. None of this is called from inside a method of `Peers`."""

    def receive(self, messages: Sequence[Message], /) -> None:
        """Take Raft's messages of one read from one peer, in order. What it raises ends the process."""
        ...

    async def answer(self, sender: NodeId, kind: int, body: bytes, /) -> bytes:
        """Serve a peer's call, or raise a Fault. The sender is NOBODY if it is no member yet."""
        ...

    async def receive_snapshot(self, install: Install, chunks: AsyncIterator[bytes], /) -> None:
        """Store a snapshot, or raise a Fault, which its sender is told.

        The chunks end normally once all came and the checksum is right. They raise UnavailableError if the stream
        breaks, DataLossError if what came is not what was sent; then nothing of it may be used.
        """
        ...

    def unreachable(self, peer: NodeId, /) -> None:
        """A connection to `peer` was lost, could not be made, or is too full for messages."""
        ...

    def gone(self, peer: NodeId, /) -> None:
        """Nobody listens any more where `peer` does: its process has ended, or not yet begun."""
        ...

    def snapshot_sent(self, to: NodeId, mark: SnapshotMark, ok: bool, /) -> None:  # noqa: FBT001 - the one thing it says
        """A snapshot stream ended; `ok` if `to` has stored it."""
        ...


ROUND_TRIP_BOUNDS_S = tuple(0.0001 * 2**power for power in range(16))
"""Upper bounds of the counted round trips: etcd's."""


@dataclass(slots=True)
class Traffic:
    """What went to one peer and came from it since the start."""

    sent_bytes: int = 0
    received_bytes: int = 0
    sent_messages: int = 0
    received_messages: int = 0
    dropped_messages: int = 0
    connects: int = 0
    failures: int = 0
    snapshots_sent: int = 0
    snapshots_received: int = 0
    snapshots_failed: int = 0
    round_trips: list[int] = field(default_factory=lambda: [0] * (len(ROUND_TRIP_BOUNDS_S) + 1))
    round_trips_sum_s: float = 0.0

    def note_round_trip(self, seconds: float) -> None:
        """Count a round trip in the bounds of ROUND_TRIP_BOUNDS_S."""
        self.round_trips[bisect_left(ROUND_TRIP_BOUNDS_S, seconds)] += 1
        self.round_trips_sum_s += seconds


class Ground:
    """What a connection stands on.

    Attributes:
        traffic: Counters by peer.
        connections: All that are open, for ticks.
    """

    def __init__(self, me: LocalMember, contexts: PeerContexts | None, now_s: Callable[[], float]) -> None:
        self.me = me
        self.contexts = contexts
        self.now_s = now_s
        self.loop = asyncio.get_running_loop()
        self.traffic: dict[NodeId, Traffic] = {}
        self.connections: set[PeerProtocol] = set()

    def traffic_of(self, peer: NodeId) -> Traffic:
        """The counters of a peer; nobody can make us count for more than PEERS_COUNTED_MAX."""
        known = self.traffic.get(peer)
        if known is None:
            known = Traffic()
            if len(self.traffic) < PEERS_COUNTED_MAX:
                self.traffic[peer] = known
        return known


class Site(Ground):
    """A member: the ground of its connections, and whom they tell.

    Attributes:
        removed: Members that once were, and are refused.
        crash: Fails when something did that may not.
    """

    def __init__(
        self,
        me: LocalMember,
        contexts: PeerContexts | None,
        callbacks: PeerCallbacks,
        now_s: Callable[[], float],
    ) -> None:
        super().__init__(me, contexts, now_s)
        self.callbacks = callbacks
        self.removed: frozenset[NodeId] = frozenset()
        self.crash: asyncio.Future[None] = self.loop.create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._untold: set[NodeId] = set()

    def deliver(self, peer: NodeId, messages: tuple[Message, ...]) -> None:
        """Hand messages to the node."""
        self.traffic_of(peer).received_messages += len(messages)
        try:
            self.callbacks.receive(messages)
        except Exception as error:
            self.fail(error)
            raise

    def tell_unreachable(self, peer: NodeId) -> None:
        """Tell the node, in the next turn of the loop, once for all that was lost in this one."""
        if not self._untold:
            self.loop.call_soon(self._tell)
        self._untold.add(peer)

    def _tell(self) -> None:
        peers = sorted(self._untold)
        self._untold.clear()
        for peer in peers:
            self.callbacks.unreachable(peer)

    def start(self, work: Coroutine[Any, Any, ResultT], name: str) -> asyncio.Task[ResultT]:
        """Run `work` beside; what it raises is a defect and ends the process."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def fail(self, error: BaseException) -> None:
        """Let `crash` tell what may not happen."""
        if not self.crash.done():
            self.crash.set_exception(error)
            # Whoever does not wait for it must not be told a second time by the garbage collector.
            self.crash.exception()

    async def stop_tasks(self) -> None:
        """Cancel all work and wait for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def fault_of(self, task: asyncio.Task[Any]) -> Fault | None:
        """What the other side is told of a task of the node's that ended; None if all is well."""
        error = task.exception()
        if error is None or isinstance(error, Fault):
            return error
        self.loop.call_exception_handler({"message": f"{task.get_name()} failed", "exception": error, "task": task})
        return InternalError("the member has met a defect; its log says more")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                self.fail(error)
