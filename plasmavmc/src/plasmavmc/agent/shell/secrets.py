"""What the secrets of this host's VMs held when each was last started: asked for at every start, kept for its guest.

A guest may ask for its metadata at any time, also while the control plane is away and after the agent was restarted. So
the values stay in a file that root alone reads, in the runtime folder, which is memory and ends with the host's power.
Nothing else has them: not the copy of the intent, no log, no report.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from plasmavmc.agent.core.actions import ActionFailedError
from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.core.place import Place
from plasmavmc.core.reasons import Reason
from ultracloud.base.faults import Fault
from ultracloud.servicekit.files import write_atomically

Named = tuple[tuple[str, str], ...]
"""See `DesiredVm.secrets`."""
NOTHING: Mapping[str, bytes] = {}
_REASONS = {"SECRET_NOT_FOUND": Reason.SECRET_NOT_FOUND, "SECRET_DENIED": Reason.SECRET_DENIED}
"""What the control plane says, in words of the closed list; after these, what was kept is not told any more."""


class KeptSecrets:
    """The values, by VM.

    Args:
        place: Where the files are.
        resolve: Asks the control plane what a VM's secrets hold now.
    """

    def __init__(self, place: Place, resolve: Callable[[VmId], Awaitable[Mapping[str, bytes]]]) -> None:
        self._place = place
        self._resolve = resolve
        self._kept: dict[VmId, Mapping[str, bytes]] = {}

    async def fetch(self, vm: VmId, secrets: Named) -> None:
        """Have what these hold now; if nobody can tell, what they held at the last start will do.

        Raises:
            ActionFailedError: One is gone, or may not be used, or there is nothing of it here.
        """
        try:
            values = await self._resolve(vm)
        except Fault as fault:
            reason = _REASONS.get(fault.reason)
            if reason is not None:
                self.forget(vm)
                raise ActionFailedError(reason, fault.public, fault.detail) from fault
            if self._read(vm)[0] == secrets:
                logging.getLogger(__name__).warning("%s: starts with the secrets of its last start: %s", vm, fault)
                return
            public = "nobody answers who could tell the VM's secrets"
            raise ActionFailedError(Reason.SECRET_UNAVAILABLE, public, str(fault)) from fault
        if {name for name, _ in secrets} - values.keys():
            # It has a newer record of the VM than we: the intent that follows from it is on its way.
            raise ActionFailedError(Reason.SECRET_UNAVAILABLE, "the VM is being changed")
        await asyncio.to_thread(self._write, vm, secrets, values)

    def of(self, vm: VmId) -> Mapping[str, bytes]:
        """What a VM's secrets held when it was last started; empty if that is not known."""
        if vm not in self._kept:
            self._kept[vm] = self._read(vm)[1]
        return self._kept[vm]

    def forget(self, vm: VmId) -> None:
        """Keep nothing of a VM."""
        self._kept.pop(vm, None)
        self._path(vm).unlink(missing_ok=True)

    def _write(self, vm: VmId, secrets: Named, values: Mapping[str, bytes]) -> None:
        told = {name: base64.b64encode(value).decode() for name, value in values.items()}
        try:
            write_atomically(self._path(vm), json.dumps({"secrets": secrets, "values": told}).encode(), 0o600)
        except OSError as error:
            public = f"the host's disk refuses: {error.strerror}"
            raise ActionFailedError(Reason.SECRET_UNAVAILABLE, public, str(error)) from error
        self._kept[vm] = dict(values)

    def _read(self, vm: VmId) -> tuple[Named, Mapping[str, bytes]]:
        """What a file says; nothing if there is none, or none that can be read."""
        try:
            kept = json.loads(self._path(vm).read_bytes())
            named = tuple((str(name), str(what)) for name, what in kept["secrets"])
            return named, {name: base64.b64decode(value) for name, value in kept["values"].items()}
        except FileNotFoundError:
            return (), NOTHING
        except (OSError, ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            logging.getLogger(__name__).warning("%s: its kept secrets cannot be read: %s", vm, type(error).__name__)
            return (), NOTHING

    def _path(self, vm: VmId) -> Path:
        return Path(self._place.secrets(vm))
