"""What goes wrong in every simulation: power cuts, machines that stand still, broken networks, disks slow or full.

A simulation says which machines there are and what else may happen to them; a seed's draws are made in one order, so
nothing here may draw once more or once less without all seeds becoming others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from ultracloud.testkit.sim import Faults, SimClock, SimNetwork

QUICK = 0.4
"""Part of the machines that start again at once after they died."""
QUICK_MS = (0, 30)
CALM = Faults(delay_ms_min=1, delay_ms_max=5)
"""A network that works."""


class Disk(Protocol):
    """What can be wrong with a disk."""

    stalled_until_ms: int
    is_full: bool


class Machine(Protocol):
    """What faults happen to.

    Attributes:
        life: How often its process was started.
        is_stalled: The process stands still.
    """

    life: int
    is_stalled: bool

    @property
    def name(self) -> str:
        """What it is called in traces."""
        ...

    @property
    def disk(self) -> Disk:
        """Its disk."""
        ...

    def start(self) -> None:
        """Start the process on what the disk has."""
        ...

    def cut(self) -> None:
        """Take the power away."""
        ...

    def stall(self) -> None:
        """Let the process stand still."""
        ...

    def go_on(self) -> None:
        """Let it go on."""
        ...


class Settings(Protocol):
    """What a seed decided, as far as faults go."""

    @property
    def fault_every_ms(self) -> int:
        """Mean time between faults."""
        ...

    @property
    def network(self) -> Faults:
        """Loss, doubling and delay of messages while faults happen."""
        ...


class FaultyWorld(Protocol):
    """Where faults happen.

    Attributes:
        is_healed: Nothing is to go wrong any more.
    """

    clock: SimClock
    random: Random
    network: SimNetwork[Any, Any]
    is_healed: bool

    @property
    def settings(self) -> Settings:
        """What the seed decided."""
        ...

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        ...


PlaceT = TypeVar("PlaceT", bound=FaultyWorld)
MachineT = TypeVar("MachineT", bound=Machine)
Weighed = tuple[Callable[[], None], int]
"""A fault, and how often it is chosen among others."""


class CommonFaults(Generic[PlaceT, MachineT]):
    """Lets things go wrong until all is healed.

    Attributes:
        letter: Stands before a machine's place in the network, in traces.
        rest_ms: How long a machine stays dead, stands still, or is cut off, least and most.
    """

    letter = "s"
    rest_ms = (50, 4000)

    def __init__(self, place: PlaceT) -> None:
        self.place = place

    def faults(self) -> Sequence[Weighed]:
        """What may happen."""
        raise NotImplementedError

    def machines(self) -> dict[int, MachineT]:
        """Whom it may happen to, by their places in the network."""
        raise NotImplementedError

    def is_up(self, machine: MachineT) -> bool:
        """Whether its process was started, and did not die."""
        raise NotImplementedError

    def was_cut(self, machine: MachineT) -> None:
        """Change what a power cut changes besides."""

    def start(self, machine: MachineT) -> None:
        """Start a machine that nobody has started meanwhile."""
        if not self.is_up(machine):
            machine.start()

    def begin(self) -> None:
        """Let the next thing go wrong after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.fault_every_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def cut_one(self) -> None:
        """Take the power from somebody."""
        self.cut(self.anybody())

    def cut_all(self) -> None:
        """Take it from all at once."""
        for machine in [*self.machines().values()]:
            self.cut(machine)

    def cut(self, machine: MachineT) -> None:
        """Take the power from one, and give it back."""
        if not self.is_up(machine):
            return
        machine.cut()
        self.was_cut(machine)
        if self.place.random.random() < QUICK:
            # It forgets what it did not store before those have that it told.
            self.place.clock.call_later(self.place.random.randint(*QUICK_MS), lambda: self.start(machine))
        else:
            self.later(lambda: self.start(machine))

    def stall(self) -> None:
        """Let somebody stand still."""
        machine = self.anybody()
        if not self.is_up(machine) or machine.is_stalled:
            return
        self.place.note(f"{machine.name} stands still")
        machine.stall()
        life = machine.life
        self.later(lambda: machine.go_on() if machine.life == life and machine.is_stalled else None)

    def part(self) -> None:
        """Part the network in two."""
        names = list(self.machines())
        self.place.random.shuffle(names)
        at = self.place.random.randint(0, len(names))
        self.place.note(f"parted: {names[:at]} {names[at:]}")
        self.place.network.partition(names[:at], names[at:])

    def isolate(self, machine: MachineT, what: str) -> None:
        """Part one from the others for a while."""
        machines = self.machines()
        others = [name for name, each in machines.items() if each is not machine]
        self.place.note(f"parted: {machine.name}, {what}, from the others")
        self.place.network.partition([name for name, each in machines.items() if each is machine], others)
        self.later(self.heal)

    def block_one_way(self) -> None:
        """Let one hear nothing of another one, who hears it."""
        names = list(self.machines())
        if len(names) > 1:
            source, target = self.place.random.sample(names, 2)
            self.place.note(f"{self.letter}{target} hears nothing of {self.letter}{source}")
            self.place.network.block(source, target)

    def heal(self) -> None:
        """Let all hear each other."""
        self.place.note("healed")
        self.place.network.heal()

    def change_network(self) -> None:
        """Let the network work, or be as bad as the seed has it."""
        self.place.network.faults = self.place.random.choice((CALM, self.place.settings.network))

    def stall_disk(self) -> None:
        """Let a disk stand still."""
        machine = self.anybody()
        machine.disk.stalled_until_ms = self.place.clock.now_ms() + self.place.random.randint(*self.rest_ms)
        self.place.note(f"the disk of {machine.name} stands still")

    def fill_disk(self) -> None:
        """Let a disk be full."""
        machine = self.anybody()
        machine.disk.is_full = True
        self.place.note(f"the disk of {machine.name} is full")

        def free() -> None:
            machine.disk.is_full = False

        self.later(free)

    def anybody(self) -> MachineT:
        """One of them."""
        return self.place.random.choice(list(self.machines().values()))

    def later(self, action: Callable[[], None]) -> None:
        """Do something after as long as faults take."""
        self.place.clock.call_later(self.place.random.randint(*self.rest_ms), action)

    def _act(self) -> None:
        if self.place.is_healed:
            return
        faults = self.faults()
        chosen = self.place.random.choices([fault for fault, _ in faults], [weight for _, weight in faults])
        chosen[0]()
        self.begin()
