"""Which agents are there, and what each said last: memory only, for every agent says it again when it connects.

An agent whose stream ends is not gone at once: it may be restarting, and so may we. Only after LOST_S is its host said
to be disconnected and gets no new VMs. What runs there goes on running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from plasmavmc.core.reasons import Word
from plasmavmc.core.status import Finding
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.servicekit.resources import HostFeed

LOST_S = 30.0
"""An agent restarts in a second, a host in a minute: no VM is placed on a host that is just rebooting."""


@dataclass(frozen=True, slots=True)
class _Said:
    """An agent's last report: of which intent, and which VMs it still has."""

    generation: int
    vms: frozenset[str]


class Presence:
    """What is known of agents since this server started."""

    def __init__(self, feed: HostFeed[pb.HostIntent], changed: Callable[[str], None]) -> None:
        """Make it; `changed` is called with a host's name when it comes or is lost."""
        self._feed = feed
        self._changed = changed
        self._streams: dict[str, int] = {}
        self._lost: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._said: dict[str, _Said] = {}

    def expect(self, hosts: Iterable[str]) -> None:
        """These hosts were there before we started; those that do not come back are lost."""
        for host in hosts:
            if not self._streams.get(host) and host not in self._timers and host not in self._lost:
                self._start_timer(host)

    def opened(self, host: str) -> None:
        """An agent opened its stream."""
        self._streams[host] = self._streams.get(host, 0) + 1
        timer = self._timers.pop(host, None)
        if timer is not None:
            timer.cancel()
        self._lost.discard(host)
        self._changed(host)

    def closed(self, host: str) -> None:
        """A stream ended."""
        self._streams[host] -= 1
        if not self._streams[host]:
            del self._streams[host]
            self._start_timer(host)

    def reported(self, host: str, generation: int, vms: Iterable[str]) -> None:
        """An agent said what it has."""
        self._said[host] = _Said(generation, frozenset(vms))

    def is_gone(self, host: str | None, vm: str) -> bool:
        """Whether the host has acted on an intent without `vm` and has nothing left of it."""
        said, intent = self._said.get(host or ""), self._feed.get(host or "")
        if said is None or intent is None or said.generation < intent.generation:
            return False
        return vm not in said.vms and all(one.id != vm for one in intent.vms)

    def finding(self, host: str) -> Finding | None:
        """What is to be said of a host; None while it may only be restarting."""
        if self._streams.get(host):
            return Finding("Ready", True, Word.CONNECTED.value)
        if host in self._lost:
            message = f"its agent has not been heard of for {LOST_S:.0f} s; VMs there go on as they were"
            return Finding("Ready", False, Word.DISCONNECTED.value, message)
        return None

    def close(self) -> None:
        """Stop waiting."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _start_timer(self, host: str) -> None:
        self._timers[host] = asyncio.get_running_loop().call_later(LOST_S, self._lose, host)

    def _lose(self, host: str) -> None:
        del self._timers[host]
        self._lost.add(host)
        self._changed(host)
