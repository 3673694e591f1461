"""A simulated network: messages are delayed, lost, doubled, overtaken and cut off, as one seed decides.

A message sent is gone: it arrives later, twice, or never. Nothing tells the sender which.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from ultracloud.testkit.sim.clock import SimClock

NodeT = TypeVar("NodeT", bound=Hashable)
MessageT = TypeVar("MessageT")


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to messages. Chances are 0 to 1; a delay is drawn evenly between its bounds.

    Attributes:
        delay_ms_min: Of each message on its own, so that messages overtake each other.
        delay_ms_max: The same.
        drop: Chance that a message is lost.
        duplicate: Chance that a message arrives twice.
        late: Chance that a message arrives only after up to `late_ms_max`, when the world has moved on.
        late_ms_max: The longest that any message is under way.
    """

    delay_ms_min: int = 1
    delay_ms_max: int = 10
    drop: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    late_ms_max: int = 10_000


class SimNetwork(Generic[NodeT, MessageT]):
    """Nodes and what goes between them.

    Attributes:
        faults: What happens to messages from now on; may be replaced at any time.
        sent, delivered, lost: Counts, so that a test can prove that its faults happened.
    """

    def __init__(self, clock: SimClock, seed: int, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.sent = self.delivered = self.lost = 0
        self._clock = clock
        self._random = Random(seed)  # noqa: S311 - a simulation repeats itself
        self._receivers: dict[NodeT, Callable[[NodeT, MessageT], None]] = {}
        self._blocked: set[tuple[NodeT, NodeT]] = set()

    def join(self, node: NodeT, receive: Callable[[NodeT, MessageT], None]) -> None:
        """Let `receive(sender, message)` get what is sent to `node`; again after a restart."""
        self._receivers[node] = receive

    def leave(self, node: NodeT) -> None:
        """Lose what is sent to `node`, also what is under way: it crashed."""
        self._receivers.pop(node, None)

    def send(self, source: NodeT, target: NodeT, message: MessageT, *, once: bool = False) -> None:
        """Send; what happens then is the network's. `once`: it may be lost, but never doubled."""
        self.sent += 1
        if self._random.random() < self.faults.drop:
            self.lost += 1
            return
        doubled = not once and self._random.random() < self.faults.duplicate
        for _ in range(1 + doubled):
            is_late = self.faults.late and self._random.random() < self.faults.late
            longest_ms = self.faults.late_ms_max if is_late else self.faults.delay_ms_max
            delay_ms = self._random.randint(self.faults.delay_ms_min, longest_ms)
            self._clock.call_later(delay_ms, lambda: self._deliver(source, target, message))

    def partition(self, *groups: Iterable[NodeT]) -> None:
        """Cut the nodes into groups that cannot reach each other, until `heal`. Nodes in no group reach everybody."""
        sides = [set(group) for group in groups]
        self._blocked = {
            (one, other) for side in sides for rest in sides if rest is not side for one in side for other in rest
        }

    def block(self, source: NodeT, target: NodeT) -> None:
        """Cut one direction: `target` no longer hears `source`."""
        self._blocked.add((source, target))

    def is_blocked(self, source: NodeT, target: NodeT) -> bool:
        """Whether `target` does not hear `source` now."""
        return (source, target) in self._blocked

    def heal(self) -> None:
        """End all cuts."""
        self._blocked.clear()

    def _deliver(self, source: NodeT, target: NodeT, message: MessageT) -> None:
        """Let a message arrive, unless it cannot any more."""
        receive = self._receivers.get(target)
        if receive is None or (source, target) in self._blocked:
            self.lost += 1
            return
        self.delivered += 1
        receive(source, message)
