"""Intents of hosts: what one host must have, as a whole, with a generation that only grows.

The server's `HostFeed` holds the newest intent of each host and gives it to the agent that asks. The agent's `HostCopy`
keeps the last one on its disk: it is there when the host starts while the control plane is away, and an older one never
replaces a newer one. An intent's generation is the version of the store it was made from, so it grows over restarts.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from google.protobuf.message import DecodeError, Message

from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.streams import closing

MAGIC = b"ULTRACLOUD HOST COPY 1\n"
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0
"""Between attempts to reach the server."""
_CHECKSUM_BYTES = 4

IntentT = TypeVar("IntentT", bound=Message)


class _Intent(Protocol):
    """What every ``HostIntent`` has."""

    host: str
    generation: int


def generation_of(intent: Message) -> int:
    """The generation of any service's HostIntent."""
    return cast("_Intent", intent).generation


class HostCopy(Generic[IntentT]):
    """The host's own copy of its intent. `current` is None until there has ever been one."""

    def __init__(self, file: Path, message: type[IntentT]) -> None:
        self.current: IntentT | None = None
        self._file = file
        self._message = message
        self._changed = asyncio.Event()

    def load(self) -> IntentT | None:
        """Read the copy from disk; a missing or damaged one is None, and the server will send it again."""
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            logging.getLogger(__name__).warning("host copy cannot be read: %s", error)
            return None
        head = len(MAGIC) + _CHECKSUM_BYTES
        body = raw[head:]
        # Nothing has the checksum 0, so a file cut off behind its beginning would pass.
        is_whole = body and raw.startswith(MAGIC) and int.from_bytes(raw[len(MAGIC) : head], "big") == zlib.crc32(body)
        if is_whole:
            try:
                self.current = self._message.FromString(body)
            except DecodeError:
                self.current = None
        if self.current is None:
            logging.getLogger(__name__).warning("host copy %s is damaged; waiting for the server", self._file)
        return self.current

    def offer(self, intent: IntentT) -> bool:
        """Take `intent` and write it to disk, unless its generation is not newer; tells whether it was taken.

        Raises:
            OSError: The disk refuses. `current` is the new intent all the same: the host follows it now and asks for
                it again after a restart.
        """
        if self.current is not None and generation_of(intent) <= generation_of(self.current):
            if generation_of(intent) < generation_of(self.current):
                logging.getLogger(__name__).warning(
                    "refused intent of generation %d: have %d", generation_of(intent), generation_of(self.current)
                )
            return False
        self.current = intent
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        body = intent.SerializeToString(deterministic=True)
        checksum = zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "big")
        write_atomically(self._file, MAGIC + checksum + body)
        return True

    async def wait_newer(self, generation: int) -> IntentT:
        """Wait for an intent with a generation above `generation`, and give it."""
        while True:
            changed = self._changed
            if self.current is not None and generation_of(self.current) > generation:
                return self.current
            await changed.wait()

    async def run(self, subscribe: Callable[[int], AsyncIterator[IntentT]], clock: Clock) -> None:
        """Follow the server for ever.

        Args:
            subscribe: Opens the stream of intents newer than a generation, e.g.
                ``lambda known: hosts.watch_host(WatchHostRequest(host=host, known_generation=known))``.
            clock: For pauses while the server is away.
        """
        log, pause_s = logging.getLogger(__name__), PAUSE_FIRST_S
        while True:
            try:
                known = generation_of(self.current) if self.current is not None else 0
                async with closing(subscribe(known)) as intents:
                    async for intent in intents:
                        pause_s = PAUSE_FIRST_S
                        self._take(intent)
            except Fault as error:
                log.debug("intent stream ended", exc_info=error)
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    def _take(self, intent: IntentT) -> None:
        """`offer`, where a disk that refuses costs the copy only."""
        try:
            self.offer(intent)
        except OSError as error:
            logging.getLogger(__name__).warning("host copy not written: %s", error)


class HostFeed(Generic[IntentT]):
    """The server's newest intent of each host."""

    def __init__(self) -> None:
        self._intents: dict[str, IntentT] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def offer(self, intent: IntentT) -> bool:
        """Publish `intent` unless it says nothing new; `generation` alone is nothing new. Tells whether it did."""
        host = cast("_Intent", intent).host
        old = self._intents.get(host)
        if old is not None and _same(old, intent):
            return False
        assert old is None or generation_of(intent) > generation_of(old), "an intent's generation only grows"
        self._intents[host] = intent
        changed = self._changed.pop(host, None)
        if changed is not None:
            changed.set()
        return True

    def get(self, host: str) -> IntentT | None:
        """The newest intent of a host."""
        return self._intents.get(host)

    async def watch(self, host: str, known_generation: int) -> AsyncGenerator[IntentT, None]:
        """Yield the newest intent if it is not the known one, then each newer one, for ever.

        A host may know a later generation than this server does, right after a restore of the store from a backup:
        then nothing is sent until there is something newer.
        """
        while True:
            changed = self._changed.setdefault(host, asyncio.Event())
            intent = self._intents.get(host)
            if intent is not None and generation_of(intent) > known_generation:
                known_generation = generation_of(intent)
                yield intent
            else:
                await changed.wait()


def _same(one: Message, other: Message) -> bool:
    """Whether two intents differ in nothing but their generation."""
    copy = type(one)()
    copy.CopyFrom(one)
    cast("_Intent", copy).generation = generation_of(other)
    return copy == other
