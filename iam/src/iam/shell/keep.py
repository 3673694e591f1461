"""What iam keeps besides resources: credentials, sessions, tickets. Each a message under a key, changed by comparing.

| key | value |
|---|---|
| ``~u/<user>`` | UserCredentials |
| ``~a/<digest>`` | Attempts of one guesser |
| ``~s/<user>/<session>`` | SessionState |
| ``~p/<user>/<id>``, ``~h/<digest>`` | PersonalTokenState; the id of one by its token's digest |
| ``~t/<sort>/<digest>`` | TicketState: good once, by its token's digest |
| ``~d/<digest>``, ``~e/<user code>`` | DeviceState by its token's digest; that digest by the code |
| ``~o/<client>`` | ClientSecretState |
| ``~c/<user>/<client>`` | ConsentState |
| ``~l/<digest>`` | TicketState: the user whom somebody at another issuer is, and that a user is somebody there |
| ``~k`` | SealedMac: the key of MACs |

All of it stands behind what the policy follows (`layout.DERIVED`): it can be large and no service needs it. Several
iam share it, so every change compares the version that it was decided on.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.faults import AbortedError, Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Committed, Entry, Store, prefix_end

MessageT = TypeVar("MessageT", bound=Message)

ALL = b"~"
ATTEMPTS_MAX = 8
"""Times a change is tried against others; each failure means that somebody else's was made."""
SWEEP_S = 600.0
"""How often what has ended is removed; until then it is ignored."""
SWEEP_PAGE = 500


@dataclass(frozen=True, slots=True)
class Kept(Generic[MessageT]):
    """A message as it is in the store; an empty one where there is none."""

    key: bytes
    message: MessageT
    version: int
    is_there: bool


class Keep:
    """Reads and changes what is kept."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, key: bytes, kind: type[MessageT]) -> Kept[MessageT]:
        """What is at `key`; nothing, if it has ended."""
        return self._kept(key, kind, await self._store.get(key))

    async def list(self, prefix: bytes, kind: type[MessageT], limit: int) -> list[MessageT]:
        """What is behind `prefix`, at most `limit`."""
        page = await self._store.scan(prefix, prefix_end(prefix), limit=limit)
        found = [self._kept(entry.key, kind, entry) for entry in page.entries]
        return [one.message for one in found if one.is_there]

    async def write(self, kept: Kept[MessageT], message: MessageT | None, more: Mapping[bytes, bytes] = {}) -> bool:
        """Put `message` (None: nothing) in place of what was read, and `more` with it; False if somebody was faster."""
        value = None if message is None else message.SerializeToString()
        done = await self._store.txn({kept.key: kept.version}, {kept.key: value, **more})
        return isinstance(done, Committed)

    async def change(self, key: bytes, kind: type[MessageT], change: Callable[[MessageT], None]) -> MessageT:
        """Change what is at `key`, again if somebody was faster; `change` may raise to leave it. Gives the new state.

        Raises:
            AbortedError: Others were faster too often.
        """
        for _ in range(ATTEMPTS_MAX):
            kept = await self.get(key, kind)
            message = kind.FromString(kept.message.SerializeToString())
            change(message)
            if await self.write(kept, message):
                return message
        raise AbortedError("others change the same thing too fast; try again", reason="BUSY")

    async def take(self, key: bytes, kind: type[MessageT]) -> MessageT | None:
        """Remove what is at `key`, and give it; of several who try at once, one gets it."""
        kept = await self.get(key, kind)
        return kept.message if kept.is_there and await self.write(kept, None) else None

    async def sweep(self) -> None:
        """Remove what has ended, for ever."""
        while True:
            await self._clock.sleep(SWEEP_S)
            try:
                await self.sweep_once()
            except Fault as error:
                logging.getLogger(__name__).info("the sweep waits for the store: %s", error)

    async def sweep_once(self) -> int:
        """Remove what has ended; gives how many."""
        start, removed = ALL, 0
        while True:
            page = await self._store.scan(start, prefix_end(ALL), limit=SWEEP_PAGE)
            for entry in page.entries:
                if self._has_ended(entry.value):
                    done = await self._store.txn({entry.key: entry.version}, {entry.key: None})
                    removed += isinstance(done, Committed)
            if not page.more:
                return removed
            start = page.entries[-1].key + b"\0"
            await asyncio.sleep(0)

    def _kept(self, key: bytes, kind: type[MessageT], entry: Entry | None) -> Kept[MessageT]:
        if entry is None:
            return Kept(key, kind(), 0, is_there=False)
        # What has ended is as good as gone, but a write in its place must still compare its version.
        if self._has_ended(entry.value):
            return Kept(key, kind(), entry.version, is_there=False)
        return Kept(key, kind.FromString(entry.value), entry.version, is_there=True)

    def _has_ended(self, value: bytes) -> bool:
        ends_at_ms = pb.Ending.FromString(value).ends_at_ms
        return 0 < ends_at_ms <= self._clock.now_ms()


def digest(text: str) -> str:
    """What is kept of a token: its SHA-256. Tokens are random, so nothing slower is needed."""
    return hashlib.sha256(text.encode()).hexdigest()
