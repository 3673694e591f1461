"""What iam must be able to read again, sealed with the root key: secrets of authenticator apps, and the key of MACs."""

from __future__ import annotations

from iam.core.envelope import Context
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Store

MAC_KEY = b"~k"
"""Where the key is that refresh tokens, cookies and forms are under a MAC with."""
KEY_BYTES = 32
_MAC_CONTEXT = Context("mac key")


class UserSecrets:
    """Seals and opens them."""

    def __init__(self, store: Store, keys: RootKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._mac_key = b""

    def seal_totp(self, user: str, secret: str) -> bytes:
        """The secret of a user's app, sealed."""
        return self._keys.seal(Context("totp secret", path=user), secret.encode())

    def open_totp(self, user: str, sealed: bytes) -> str:
        """The secret of a user's app."""
        return self._keys.open(Context("totp secret", path=user), sealed).decode()

    async def mac_key(self) -> bytes:
        """The key of MACs, the same in every iam; made by the first.

        Raises:
            UnavailableError: The store or the root key is not there yet.
        """
        if not self._mac_key:
            entry = await self._store.get(MAC_KEY)
            if entry is None:
                sealed = pb.SealedMac(sealed=self._keys.seal(_MAC_CONTEXT, self._clock.entropy(KEY_BYTES)))
                await self._store.txn({MAC_KEY: 0}, {MAC_KEY: sealed.SerializeToString()})
                entry = await self._store.get(MAC_KEY)  # ours, or that of who was faster
            assert entry is not None
            self._mac_key = self._keys.open(_MAC_CONTEXT, pb.SealedMac.FromString(entry.value).sealed)
        return self._mac_key
