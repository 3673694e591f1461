"""The signing keys: opened with the root key, made when due, dropped when their last token has expired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from iam.core.keyring import next_change_ms, plan_keys
from iam.errors import RootKeyError
from iam.shell.root_key import create_root_key, load_root_keys
from iam.shell.sealing import (
    make_sealed_key,
    make_sealed_p256_key,
    open_sealed_key,
    open_sealed_p256_key,
    resealed_key,
    signing_key,
)
from iam.shell.source import RING_KEY, Source
from ultracloud.api.iam.v1 import keys_pb2 as pb
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Store

PrivateKeyT = TypeVar("PrivateKeyT")

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
        self._root_keys = load_root_keys(root_key_file)
        self._opened: dict[str, Ed25519PrivateKey] = {}
        self._opened_p256: dict[str, ec.EllipticCurvePrivateKey] = {}
        if not self._root_keys and not create:
            raise RootKeyError(
                f"root_key_file {root_key_file} does not exist; put back the one this cloud began with, or set "
                "create_root_key = true for a new cloud"
            )

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """The kid and the private key that sign now.

        Raises:
            UnavailableError: The ring has not been read since the start.
        """
        return self._signing(self._ring().keys, self._opened)

    def p256_signer(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """The same for ID tokens and workload tokens: ES256."""
        return self._signing(self._ring().p256_keys, self._opened_p256)

    def public_keys(self) -> list[dict[str, str]]:
        """All that verifies what we sign, as JWKs (RFC 7517)."""
        ring = self._ring()
        ed25519 = [_jwk(key.kid, "EdDSA", kty="OKP", crv="Ed25519", x=key.ed25519_public) for key in ring.keys]
        p256 = [
            _jwk(key.kid, "ES256", kty="EC", crv="P-256", x=key.p256_public[1:33], y=key.p256_public[33:])
            for key in ring.p256_keys
        ]
        return [*p256, *ed25519]

    def _signing(self, keys: Sequence[pb.SealedKey], opened: Mapping[str, PrivateKeyT]) -> tuple[str, PrivateKeyT]:
        plan = plan_keys([signing_key(key) for key in keys], self._clock.now_ms(), self._lifetime_ms)
        private = opened.get(plan.signing) if plan.signing else None
        if plan.signing is None or private is None:
            raise UnavailableError("the signing keys have not been read yet; try again in a moment")
        return plan.signing, private

    def root_keys(self) -> tuple[bytes, ...]:
        """What else in the store is sealed with; the first seals.

        Raises:
            UnavailableError: It is made when the store has been read for the first time.
        """
        if not self._root_keys:
            raise UnavailableError("there is no root key yet; try again in a moment")
        return self._root_keys

    async def tend(self) -> int:
        """Open new keys, make one if one is due, drop those that are done; gives when to come again, in milliseconds.

        Raises:
            RootKeyError: The root key is missing while there are keys, or does not open them.
            Fault: What the store raises.
        """
        ring, now_ms = self._ring(), self._clock.now_ms()
        root_key = self._require_root_key(ring)
        ed25519 = [self._current(key) for key in ring.keys]
        p256 = [self._current(key) for key in ring.p256_keys]
        for key in ed25519:
            if key.kid not in self._opened:
                self._opened[key.kid] = open_sealed_key(root_key, key)
        for key in p256:
            if key.kid not in self._opened_p256:
                self._opened_p256[key.kid] = open_sealed_p256_key(root_key, key)
        changed = pb.KeyRing(
            keys=self._tended(ed25519, lambda: make_sealed_key(root_key, now_ms)),
            p256_keys=self._tended(p256, lambda: make_sealed_p256_key(root_key, now_ms)),
        )
        if changed != ring:
            # Lost to another writer: the ring comes back through the source, and this is called again.
            await self._store.txn({RING_KEY: self._source.ring.version}, {RING_KEY: changed.SerializeToString()})
        keys = [signing_key(key) for key in (*ring.keys, *ring.p256_keys)]
        return next_change_ms(keys, now_ms, self._lifetime_ms)

    def _current(self, key: pb.SealedKey) -> pb.SealedKey:
        """A key under the newest root key, wherever there is more than one."""
        return key if len(self._root_keys) == 1 else resealed_key(self._root_keys, key)

    def _tended(self, keys: Sequence[pb.SealedKey], make: Callable[[], pb.SealedKey]) -> list[pb.SealedKey]:
        """The keys that are still needed, and a new one if one is due."""
        plan = plan_keys([signing_key(key) for key in keys], self._clock.now_ms(), self._lifetime_ms)
        kept = [key for key in keys if key.kid not in plan.dropped]
        if plan.is_due:
            kept.append(make())
            logging.getLogger(__name__).info("new signing key %s", kept[-1].kid)
        return kept

    def _ring(self) -> pb.KeyRing:
        return pb.KeyRing.FromString(self._source.ring.value)

    def _require_root_key(self, ring: pb.KeyRing) -> bytes:
        """The root key; a new one only while nothing has been sealed."""
        if not self._root_keys and ring.keys:
            raise RootKeyError(
                f"root_key_file {self._file} does not exist, but this cloud's signing keys are sealed with it; "
                "put it back"
            )
        if not self._root_keys:
            assert self._create
            self._root_keys = (create_root_key(self._file),)
            logging.getLogger(__name__).warning("made root key %s: keep a copy elsewhere", self._file)
        return self._root_keys[0]


def _jwk(kid: str, algorithm: str, *, kty: str, crv: str, **coordinates: bytes) -> dict[str, str]:
    points = {name: encoded(value) for name, value in coordinates.items()}
    return {"kid": kid, "use": "sig", "alg": algorithm, "kty": kty, "crv": crv, **points}
