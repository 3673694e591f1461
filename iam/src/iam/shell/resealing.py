"""Replacing the root key: what an older line of its file has sealed is sealed anew with the first.

Signing keys, the authority and data keys are tended by those who keep them; this does the rest, and counts all, so that
an operator knows when the older lines may go. It compares versions, and goes on from whatever it finds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from iam.core.envelope import Context
from iam.shell.ca_codec import STATE_KEY
from iam.shell.data_keys import RINGS
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import ca_state_pb2, identity_state_pb2, sealed_pb2
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Store, prefix_end

PAGE = 200
LOOK_S, WAIT_S = 3600.0, 2.0
"""How often everything is looked at, and how long to wait for those who tend their own."""

Reseal = Callable[[RootKeys, bytes, bytes], bytes | None]
"""Of a key of the store and its value, the value sealed anew; None if it is already, or has nothing sealed."""


def _access_key(roots: RootKeys, key: bytes, value: bytes) -> bytes | None:
    kept = sealed_pb2.SealedAccessKey.FromString(value)
    if roots.is_current(kept.sealed_secret):
        return None
    context = Context("access key", kept.project, f"{kept.id}/{key.rpartition(b'/')[2].decode()}")
    kept.sealed_secret = roots.seal(context, roots.open(context, kept.sealed_secret))
    return kept.SerializeToString()


def _totp(roots: RootKeys, key: bytes, value: bytes) -> bytes | None:
    kept = identity_state_pb2.UserCredentials.FromString(value)
    if not kept.totp.sealed_secret or roots.is_current(kept.totp.sealed_secret):
        return None
    context = Context("totp secret", path=key.rpartition(b"/")[2].decode())
    kept.totp.sealed_secret = roots.seal(context, roots.open(context, kept.totp.sealed_secret))
    return kept.SerializeToString()


def _mac_key(roots: RootKeys, _key: bytes, value: bytes) -> bytes | None:
    kept = identity_state_pb2.SealedMac.FromString(value)
    if roots.is_current(kept.sealed):
        return None
    context = Context("mac key")
    kept.sealed = roots.seal(context, roots.open(context, kept.sealed))
    return kept.SerializeToString()


OURS: tuple[tuple[bytes, Reseal], ...] = ((b"keys/access/", _access_key), (b"~u/", _totp), (b"~k", _mac_key))


class Resealer:
    """Seals anew, and tells how much is left."""

    def __init__(
        self,
        store: Store,
        roots: RootKeys,
        root_keys: Callable[[], tuple[bytes, ...]],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._store = store
        self._roots = roots
        self._root_keys = root_keys
        self._clock = clock
        about = "Values that an older line of root_key_file has sealed; at 0 the older lines may go"
        self._left = Gauge("ultracloud_iam_sealed_with_older_root_keys", about, registry=registry)

    async def run(self) -> None:
        """Look at everything, again and again, while there is more than one root key."""
        while True:
            pause_s = LOOK_S
            try:
                if len(self._root_keys()) > 1:
                    left = await self.once()
                    self._left.set(left)
                    if not left:
                        logging.getLogger(__name__).warning(
                            "everything is sealed with the first key of root_key_file: its other lines may go"
                        )
                    pause_s = WAIT_S if left else LOOK_S
            except Fault as error:
                logging.getLogger(__name__).info("sealing anew waits: %s", error)
                pause_s = WAIT_S
            await self._clock.sleep(pause_s)

    async def once(self) -> int:
        """Seal anew what is ours; gives how much is still under older keys, of ours and of others."""
        left = 0
        for prefix, reseal in OURS:
            left += await self._over(prefix, reseal)
        return left + await self._over(RINGS, None) + await self._over(STATE_KEY, None)

    async def _over(self, prefix: bytes, reseal: Reseal | None) -> int:
        """All values below a prefix; gives how many are left under older keys."""
        start, left = prefix, 0
        while True:
            page = await self._store.scan(start, prefix_end(prefix), limit=PAGE)
            for entry in page.entries:
                if reseal is None:
                    left += not all(self._roots.is_current(sealed) for sealed in _sealed_in(entry.key, entry.value))
                    continue
                fresh = reseal(self._roots, entry.key, entry.value)
                if fresh is not None:
                    await self._store.txn({entry.key: entry.version}, {entry.key: fresh})
                    left += 1  # unless somebody was faster it is done: the next look knows
            if not page.more:
                return left
            start = page.entries[-1].key + b"\x00"


def _sealed_in(key: bytes, value: bytes) -> list[bytes]:
    """What others keep sealed in a value."""
    if key.startswith(RINGS):
        return [one.sealed_key for one in sealed_pb2.DataKeyRing.FromString(value).keys]
    if key == STATE_KEY:
        return [one.sealed_private for one in ca_state_pb2.CaState.FromString(value).roots]
    return []
