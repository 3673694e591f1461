"""Readiness: what a service still waits for, one gate each. ``/readyz`` is 200 while all are open."""

from __future__ import annotations

import asyncio


class Gate:
    """One thing the service needs; closed until it is there."""

    def __init__(self, readiness: Readiness, name: str) -> None:
        self._readiness = readiness
        self.name = name
        self.is_open = False

    def open(self) -> None:
        """It is there."""
        if not self.is_open:
            self.is_open = True
            self._readiness.look()

    def close(self) -> None:
        """It is gone."""
        if self.is_open:
            self.is_open = False
            self._readiness.look()


class Readiness:
    """All gates of a process."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        """Set, and replaced, whenever a gate moves."""
        self._gates: list[Gate] = []
        self._first = asyncio.Event()

    def gate(self, name: str) -> Gate:
        """A new gate, closed; `name` ends the sentence "waiting for ..."."""
        gate = Gate(self, name)
        self._gates.append(gate)
        return gate

    def waiting_for(self) -> tuple[str, ...]:
        """Names of the closed gates."""
        return tuple(gate.name for gate in self._gates if not gate.is_open)

    def look(self) -> None:
        """Notice a change of a gate."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
        if not self.waiting_for():
            self._first.set()

    async def wait_ready(self) -> None:
        """Wait until all gates have been open once; gates made later do not close it again."""
        self.look()
        await self._first.wait()
