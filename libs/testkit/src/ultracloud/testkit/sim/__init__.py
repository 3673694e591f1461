"""A world that does what we say: time that passes when we let it, a network that loses, a disk that forgets.

All of it is decided by one `random.Random`, so a seed makes the same world again.

- `clock`: time and timers
- `network`: messages between nodes
- `disk`: a real folder, and what a power cut would leave of it
"""

from ultracloud.testkit.sim.clock import SimClock, Timer
from ultracloud.testkit.sim.disk import SimDisk
from ultracloud.testkit.sim.network import Faults, SimNetwork

__all__ = ["Faults", "SimClock", "SimDisk", "SimNetwork", "Timer"]
