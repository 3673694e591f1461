"""Plan, apply, remember. Lives in the kernel thread.

After a plan went through, the state it led to is what it asked for, so the next change is planned from memory and costs
what it changes. Memory is doubted after every failure and every `RESYNC_S` seconds: then the kernel is read again, and
whatever somebody else changed is put right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from prismnet.agent.core.actions import Action, CreateLink, CreateNamespace
from prismnet.agent.core.desired import HostSettings, desired_state
from prismnet.agent.core.planner import difference
from prismnet.agent.core.state import HOST, LinkName, NamespaceName, Owner, State, Tracked
from prismnet.agent.shell.kernel import Kernel
from prismnet.core.intent import HostIntent

RESYNC_S = 30.0
"""How long damage done by others may last; reading a host of 100 VPCs takes under a second."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one intent.

    Attributes:
        settings: With the uplink only if it exists.
        failed: Who failed, and why.
        rebuilt: Router namespaces that are new, or have new links: sockets in them must be opened again.
        steps: How many actions were done.
    """

    intent: HostIntent
    settings: HostSettings
    failed: dict[Owner, str]
    rebuilt: frozenset[NamespaceName]
    steps: int


class Converger:
    """Leads one kernel to one intent after another."""

    def __init__(self, kernel: Kernel, settings: HostSettings) -> None:
        self._kernel = kernel
        self._configured = settings
        self._known: State | None = None
        self._tracked: frozenset[Tracked] = frozenset()

    def converge(self, intent: HostIntent, *, look: bool) -> Outcome:
        """Do what `intent` asks; with `look`, read the kernel first.

        Raises:
            KernelError: The kernel cannot be read.
        """
        observed = self._observe() if look or self._known is None else self._known
        settings = self._settings(observed)
        desired = desired_state(intent, settings)
        steps = difference(desired, observed)
        failed = self._kernel.apply(steps)
        self._known = None if failed else replace(desired, foreign=observed.foreign)
        tracked = desired.namespaces[HOST].tracked
        self._tracked = self._tracked | tracked if failed else tracked
        return Outcome(intent, settings, failed, _rebuilt(steps), len(steps))

    def _observe(self) -> State:
        """The kernel's state, with what it does not tell: whose connections we had it track."""
        seen = self._kernel.observe()
        host = replace(seen.namespaces[HOST], tracked=self._tracked)
        return replace(seen, namespaces={**seen.namespaces, HOST: host})

    def _settings(self, observed: State) -> HostSettings:
        """The operator's, with an uplink only if there is one."""
        uplink: LinkName | None = self._configured.uplink
        return replace(self._configured, uplink=uplink if uplink in observed.foreign else None)


def _rebuilt(steps: Iterable[Action]) -> frozenset[NamespaceName]:
    """Namespaces in which links were made."""
    names = set()
    for step in steps:
        match step:
            case CreateNamespace(_, name):
                names.add(name)
            case CreateLink(_, _, link) if link.peer is not None:
                names.add(link.peer.namespace)
            case _:
                pass
    return frozenset(names)
