"""HostConsole: a VM's serial console for plasmavmc, which relays it to whoever may see it.

Output is read from the log QEMU writes; keys go to QEMU's socket. The socket has room for one connection, so all
viewers of a VM share one, which also swallows the output QEMU sends on it: unread, it would stall the guest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.core.place import Place
from plasmavmc.agent.shell.console_log import LogReader, trim
from plasmavmc.agent.shell.inotify import FolderWatch
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleInput, ConsoleOutput
from ultracloud.api.rpc import Call
from ultracloud.base.faults import InvalidArgumentError, NotFoundError, ResourceExhaustedError
from ultracloud.base.ids import is_id
from ultracloud.servicekit.authn import require_service

VIEWERS_MAX = 64
"""Of one host: each costs a stream and a watch."""
FIRST_MESSAGE_S = 10.0
"""How long a caller gets to say which VM it wants."""
KEYS_S = 5.0
"""A guest that takes no key for this long has stopped reading; its keys are dropped."""
TRIM_S = 30.0
"""How often logs are looked at: a guest that prints without pause writes some 10 MiB in this time."""


class Console:
    """Serves consoles of this host's VMs."""

    def __init__(self, place: Place, is_here: Callable[[VmId], bool]) -> None:
        """Make it; `is_here` tells whether this host has a VM."""
        self._place = place
        self._is_here = is_here
        self._watch = FolderWatch()
        self._keyboards: dict[VmId, Keyboard] = {}
        self._viewer_count = 0

    def close(self) -> None:
        """Give the watch and the sockets back."""
        self._watch.close()
        for keyboard in self._keyboards.values():
            keyboard.close()

    async def attach(self, requests: AsyncIterator[ConsoleInput], call: Call, /) -> AsyncGenerator[ConsoleOutput, None]:
        """Send the backlog, then what is printed; type what is sent.

        Raises:
            NotFoundError: The VM is not on this host.
            ResourceExhaustedError: Too many watch already.
        """
        require_service(call, "plasmavmc")
        first = await _first(requests)
        vm = VmId(first.ref)
        if not is_id(vm, "vm") or not self._is_here(vm):
            raise NotFoundError(f"VM {first.ref[:80]!a} is not on this host")
        if self._viewer_count >= VIEWERS_MAX:
            raise ResourceExhaustedError(f"{VIEWERS_MAX} consoles are watched on this host already; close one")
        self._viewer_count += 1
        typing = asyncio.create_task(self._type(vm, first, requests), name=f"keys for {vm}")
        try:
            async with contextlib.aclosing(self._read(vm, first)) as output:
                async for chunk in output:
                    yield ConsoleOutput(text=chunk)
        finally:
            self._viewer_count -= 1
            typing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await typing

    async def trim_logs(self) -> None:
        """Keep all logs small, for ever."""
        while True:
            await asyncio.sleep(TRIM_S)
            await asyncio.to_thread(_trim_all, Path(self._place.folders))

    async def _read(self, vm: VmId, first: ConsoleInput) -> AsyncGenerator[bytes, None]:
        """The log of `vm`, from the backlog on."""
        log = Path(self._place.console_log(vm))
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        reader = LogReader(log)
        try:
            with self._watch.watching(log.parent) as changed:
                reader.seek_backlog(first.backlog_bytes)
                while True:
                    changed.clear()
                    for chunk in reader.chunks():
                        yield chunk
                    if first.no_follow or not log.parent.exists():
                        return
                    await changed.wait()
        finally:
            reader.close()

    async def _type(self, vm: VmId, first: ConsoleInput, requests: AsyncIterator[ConsoleInput]) -> None:
        """Type what comes, until the caller has no more to say."""
        if first.read_only:
            return
        keyboard = self._keyboards.setdefault(vm, Keyboard(Path(self._place.console_socket(vm))))
        keyboard.typist_count += 1
        try:
            if first.keys:
                await keyboard.type(first.keys)
            async for message in requests:
                await keyboard.type(message.keys)
        finally:
            keyboard.typist_count -= 1
            if not keyboard.typist_count:
                keyboard.close()
                self._keyboards.pop(vm, None)


class Keyboard:
    """The one connection to a VM's serial port, shared by all who type."""

    def __init__(self, path: Path) -> None:
        self.typist_count = 0
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._swallowing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def type(self, keys: bytes) -> None:
        """Send `keys` to the guest; they are lost while it is off or does not read."""
        async with self._lock:
            try:
                async with asyncio.timeout(KEYS_S):
                    writer = await self._connected()
                    writer.write(keys)
                    await writer.drain()
            except (OSError, TimeoutError) as error:
                logging.getLogger(__name__).debug("keys for %s are lost: %s", self._path.name, error)
                self.close()

    def close(self) -> None:
        """End the connection."""
        if self._swallowing is not None:
            self._swallowing.cancel()
            self._swallowing = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _connected(self) -> asyncio.StreamWriter:
        """The connection, made anew if QEMU was."""
        if self._writer is None or self._swallowing is None or self._swallowing.done():
            self.close()
            reader, self._writer = await asyncio.open_unix_connection(str(self._path))
            self._swallowing = asyncio.create_task(_swallow(reader), name="swallow console output")
        return self._writer


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Read and forget, until QEMU ends."""
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def _first(requests: AsyncIterator[ConsoleInput]) -> ConsoleInput:
    """The message that says which VM."""
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            return await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        raise InvalidArgumentError("the first message must name the VM in `ref`") from None


def _trim_all(folders: Path) -> None:
    """Trim every VM's log."""
    for folder in folders.iterdir() if folders.is_dir() else ():
        try:
            trim(folder / "console.log")
        except OSError as error:
            logging.getLogger(__name__).warning("console log of %s not trimmed: %s", folder.name, error)
