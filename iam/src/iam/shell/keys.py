"""The signing keys: opened with the root key, made when due, dropped when their last token has expired."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from iam.core.keyring import next_change_ms, plan_keys
from iam.errors import RootKeyError
from iam.shell.root_key import create_root_key, load_root_key
from iam.shell.sealing import make_sealed_key, open_sealed_key, signing_key
from iam.shell.source import RING_KEY, Source
from ultracloud.api.iam.v1 import keys_pb2 as pb
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Store

DAY_MS = 86_400_000


class Keys:
    """The ring, and what signs now."""

    def __init__(
        self, store: Store, source: Source, clock: Clock, root_key_file: Path, *, create: bool, lifetime_days: int
    ) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self._file = root_key_file
        self._create = create
        self._lifetime_ms = lifetime_days * DAY_MS
        self._root_key = load_root_key(root_key_file)
        self._opened: dict[str, Ed25519PrivateKey] = {}
        if self._root_key is None and not create:
            raise RootKeyError(
                f"root_key_file {root_key_file} does not exist; put back the one this cloud began with, or set "
                "create_root_key = true for a new cloud"
            )

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """The kid and the private key that sign now.

        Raises:
            UnavailableError: The ring has not been read since the start.
        """
        plan = plan_keys([signing_key(key) for key in self._ring().keys], self._clock.now_ms(), self._lifetime_ms)
        private = self._opened.get(plan.signing) if plan.signing else None
        if plan.signing is None or private is None:
            raise UnavailableError("the signing keys have not been read yet; try again in a moment")
        return plan.signing, private

    def root_keys(self) -> tuple[bytes, ...]:
        """What else in the store is sealed with; the first seals.

        Raises:
            UnavailableError: It is made when the store has been read for the first time.
        """
        if self._root_key is None:
            raise UnavailableError("there is no root key yet; try again in a moment")
        return (self._root_key,)

    async def tend(self) -> int:
        """Open new keys, make one if one is due, drop those that are done; gives when to come again, in milliseconds.

        Raises:
            RootKeyError: The root key is missing while there are keys, or does not open them.
            Fault: What the store raises.
        """
        ring, now_ms = self._ring(), self._clock.now_ms()
        root_key = self._require_root_key(ring)
        for key in ring.keys:
            if key.kid not in self._opened:
                self._opened[key.kid] = open_sealed_key(root_key, key)
        keys = [signing_key(key) for key in ring.keys]
        plan = plan_keys(keys, now_ms, self._lifetime_ms)
        if plan.is_due or plan.dropped:
            changed = pb.KeyRing(keys=[key for key in ring.keys if key.kid not in plan.dropped])
            if plan.is_due:
                changed.keys.append(make_sealed_key(root_key, now_ms))
                logging.getLogger(__name__).info("new signing key %s", changed.keys[-1].kid)
            # Lost to another writer: the ring comes back through the source, and this is called again.
            await self._store.txn({RING_KEY: self._source.ring.version}, {RING_KEY: changed.SerializeToString()})
        return next_change_ms(keys, now_ms, self._lifetime_ms)

    def _ring(self) -> pb.KeyRing:
        return pb.KeyRing.FromString(self._source.ring.value)

    def _require_root_key(self, ring: pb.KeyRing) -> bytes:
        """The root key; a new one only while nothing has been sealed."""
        if self._root_key is None and ring.keys:
            raise RootKeyError(
                f"root_key_file {self._file} does not exist, but this cloud's signing keys are sealed with it; "
                "put it back"
            )
        if self._root_key is None:
            assert self._create
            self._root_key = create_root_key(self._file)
            logging.getLogger(__name__).warning("made root key %s: keep a copy elsewhere", self._file)
        return self._root_key
