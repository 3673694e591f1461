"""Access keys for whoever verifies signatures: asked for once, kept, and forgotten as soon as iam says they changed.

    keys = AccessKeyCopy(runtime.peer("iam"), runtime.clock)
    runtime.tasks.create_task(keys.run(), name="follow access keys")
    known = await keys.find(signed.access_key_id)     # None: nobody's, disabled, expired

While iam is away, keys that are known go on to be good, and others are Unavailable.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ultracloud.api.iam.v1 import access_keys_pb2 as pb
from ultracloud.api.iam.v1.access_keys_rpc import AccessKeysClient
from ultracloud.api.rpc import Channel
from ultracloud.base.faults import Fault
from ultracloud.base.policy import Principal
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX, USER_PREFIX, service_account_principal, user_principal
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.streams import closing

KEYS_MAX = 100_000
"""Keys that are kept, some 300 bytes each; when there are more, all are asked for again."""
UNKNOWN_MAX = 10_000
"""Ids that are nobody's and are kept as such: guessing costs iam one call for each."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that may sign."""

    access_key_id: str
    secret: str
    principal: Principal
    expires_at_s: int


class AccessKeyCopy:
    """What is known of access keys."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._client = AccessKeysClient(channel)
        self._clock = clock
        self._known: dict[str, KnownKey | None] = {}
        self._unknown = 0
        self._age = 0
        self._asked: dict[str, asyncio.Future[KnownKey | None]] = {}

    async def find(self, access_key_id: str) -> KnownKey | None:
        """The key with this id, if it may sign now.

        Raises:
            UnavailableError: It is not known here, and iam does not answer.
        """
        if access_key_id in self._known:
            found = self._known[access_key_id]
        else:
            found = await self._ask(access_key_id)
        if found is not None and found.expires_at_s and found.expires_at_s * 1000 <= self._clock.now_ms():
            return None
        return found

    async def _ask(self, access_key_id: str) -> KnownKey | None:
        """Ask iam, once for all who want to know at the same time."""
        asked = self._asked.get(access_key_id)
        if asked is None:
            asked = asyncio.ensure_future(self._resolve(access_key_id))
            self._asked[access_key_id] = asked
            asked.add_done_callback(lambda _: self._asked.pop(access_key_id, None))
        # Whoever goes away must not take the answer from the others.
        return await asyncio.shield(asked)

    async def _resolve(self, access_key_id: str) -> KnownKey | None:
        age = self._age
        answer = await self._client.resolve(pb.ResolveAccessKeyRequest(access_key_id=access_key_id))
        found = _known(answer) if answer.usable else None
        # What changed while iam answered may be what it answered with.
        if age == self._age:
            self._unknown += found is None
            if len(self._known) >= KEYS_MAX or self._unknown > UNKNOWN_MAX:
                self._forget("")
            self._known[access_key_id] = found
        return found

    async def run(self) -> None:
        """Follow what changes, for ever."""
        pause_s = PAUSE_MIN_S
        while True:
            try:
                changes = self._client.watch_changes(pb.WatchAccessKeyChangesRequest())
                async with closing(changes) as watched:
                    async for change in watched:
                        pause_s = PAUSE_MIN_S
                        self._forget(change.access_key_id)
            except Fault:
                pass  # iam is away: what is known stays, and the first word of the next stream clears it
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    def _forget(self, access_key_id: str) -> None:
        self._age += 1
        if access_key_id:
            self._known.pop(access_key_id, None)
        else:
            self._known.clear()
            self._unknown = 0


def _known(answer: pb.ResolvedAccessKey) -> KnownKey:
    if answer.principal.startswith(USER_PREFIX):
        who = user_principal(answer.principal.removeprefix(USER_PREFIX), answer.organisation)
    else:
        account = answer.principal.removeprefix(SERVICE_ACCOUNT_PREFIX)
        who = service_account_principal(account, answer.organisation, answer.project)
    return KnownKey(answer.access_key_id, answer.secret_access_key, who, answer.expires_at_s)
