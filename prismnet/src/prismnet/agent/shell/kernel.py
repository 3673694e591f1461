"""The kernel as the planner knows it: `observe` reads a State, `apply` does actions.

All of it blocks, visits namespaces, and belongs to the thread that made the object.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from prismnet.agent.core.actions import Action
from prismnet.agent.core.state import LinkName, Owner, State
from prismnet.agent.shell.actuator import Actuator
from prismnet.agent.shell.namespaces import Namespaces
from prismnet.agent.shell.netlink import KernelError, Netlink
from prismnet.agent.shell.nft import NftError
from prismnet.agent.shell.reader import Reader

READINGS_MAX = 5
"""Interrupted readings are repeated; five in a row on a host where links change that fast are told as a failure."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """This host's network, seen from the namespace it was made in."""

    netlink: Netlink
    reader: Reader
    actuator: Actuator

    @classmethod
    def here(cls, folder: Path, uplink: LinkName | None) -> Kernel:
        """The calling thread's; it must make every later call too.

        Args:
            folder: Where namespaces have their names.
            uplink: The configured link to the outside, whether it exists or not.
        """
        netlink = Netlink(Namespaces(folder))
        return cls(netlink, Reader(netlink, uplink), Actuator(netlink))

    @property
    def namespaces(self) -> Namespaces:
        """For opening sockets in them."""
        return self.netlink.namespaces

    def observe(self) -> State:
        """All that is ours, and the names of what is not.

        Raises:
            KernelError: The kernel cannot be read.
        """
        for _ in range(READINGS_MAX):
            # Links that come or go while they are listed may be missing in the list.
            with contextlib.suppress(NetlinkDumpInterrupted):
                return self._read()
        raise KernelError(f"the host's network changed during each of {READINGS_MAX} readings")

    def _read(self) -> State:
        """One reading."""
        try:
            return self.reader.read()
        except NetlinkDumpInterrupted:
            raise
        except (NetlinkError, OSError, NftError) as error:
            raise KernelError(f"the host's network cannot be read: {error}") from error

    def apply(self, actions: Iterable[Action]) -> dict[Owner, str]:
        """Do `actions` in order; gives who failed, and why."""
        return self.actuator.apply(actions)

    def close(self) -> None:
        """Close every socket; what was built stays."""
        self.netlink.close()
