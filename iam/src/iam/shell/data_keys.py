"""Data keys: one ring for each project, sealed with the root key; what a project's secrets are sealed with.

A project's key is made with its first secret. Rotation puts a new one behind it, and a task seals the project's values
anew, one by one, comparing versions; when none is left under an old key, that key goes. Whatever stops it, it goes on
from what it finds. The root key is rotated the same way: rings sealed with an older one are sealed anew.
"""

from __future__ import annotations

import asyncio
import logging
import os

from iam.core.envelope import KEY_BYTES, NONCE_BYTES, Context, key_id_of, seal, unseal
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import sealed_pb2 as pb
from ultracloud.base.faults import AbortedError, DataLossError, FailedPreconditionError, Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Committed, Entry, Store, prefix_end

RINGS = b"keys/data/"
VALUES = b"keys/secrets/"
KEYS_MAX = 16
"""Data keys of a project at once: a rotation whose values are not sealed anew yet is followed by few others."""
RACES_MAX = 20
PAGE = 100
LOOK_S = 60.0
"""How often all rings are looked at; a rotation does not wait for it."""


class DataKeys:
    """Seals and opens the values of projects."""

    def __init__(self, store: Store, roots: RootKeys, clock: Clock) -> None:
        self._store = store
        self._roots = roots
        self._clock = clock
        self._wake = asyncio.Event()

    async def seal(self, context: Context, value: bytes) -> tuple[bytes, dict[bytes, int]]:
        """A value, sealed with the newest key of the context's project, which is made if there is none.

        With it comes what the transaction that writes it must compare: that there is no newer key. A value that came to
        be under an old key after its project was sealed anew would be lost with that key.

        Raises:
            UnavailableError: The store, or the root key, is not there.
        """
        ring, version = await self._ring(context.project)
        if not ring.keys:
            ring, version = await self._add(context.project)
        newest = ring.keys[-1]
        key = self._opened(context.project, newest)
        sealed = seal(key, newest.number, os.urandom(NONCE_BYTES), context, value)
        return sealed, {RINGS + context.project.encode(): version}

    async def open(self, context: Context, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            DataLossError: It was changed, belongs elsewhere, or its key is gone.
        """
        ring, _ = await self._ring(context.project)
        return self._open_with(ring, context, sealed)

    async def rotate(self, project: str) -> int:
        """Make a new key, with which everything is sealed from now on; gives its number.

        Raises:
            FailedPreconditionError: Earlier rotations are not done yet.
        """
        ring, _ = await self._add(project)
        number = ring.keys[-1].number
        self._wake.set()
        return number

    async def run(self) -> None:
        """Seal anew what older keys have sealed, for ever."""
        while True:
            self._wake.clear()
            try:
                await self.tend()
            except Fault as error:
                logging.getLogger(__name__).warning("values are not sealed anew: %s", error)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def tend(self) -> None:
        """Look at every ring once, and seal anew what is due."""
        start = RINGS
        while True:
            page = await self._store.scan(start, prefix_end(RINGS), limit=PAGE)
            for entry in page.entries:
                await self._tend_ring(entry)
            if not page.more:
                return
            start = page.entries[-1].key + b"\x00"

    async def _tend_ring(self, entry: Entry) -> None:
        """One project: first the ring under the newest root key, then the values under the newest data key."""
        project, ring = entry.key.removeprefix(RINGS).decode(), pb.DataKeyRing.FromString(entry.value)
        version = entry.version
        if not all(self._roots.is_current(key.sealed_key) for key in ring.keys):
            for key in ring.keys:
                key.sealed_key = self._roots.seal(_context(project, key.number), self._opened(project, key))
            done = await self._store.txn({entry.key: version}, {entry.key: ring.SerializeToString()})
            if not isinstance(done, Committed):
                return  # somebody was faster; the next look sees it
            version = done.version
        if len(ring.keys) > 1 and await self._reseal(project, ring):
            fresh = pb.DataKeyRing(keys=[ring.keys[-1]])
            await self._store.txn({entry.key: version}, {entry.key: fresh.SerializeToString()})
            logging.getLogger(__name__).info("all secrets of %s are under data key %d", project, ring.keys[-1].number)

    async def _reseal(self, project: str, ring: pb.DataKeyRing) -> bool:
        """Seal a project's values anew; whether none is left under an old key."""
        prefix, newest, is_done = value_prefix(project), ring.keys[-1], True
        start = prefix
        while True:
            page = await self._store.scan(start, prefix_end(prefix), limit=PAGE)
            for entry in page.entries:
                if key_id_of(entry.value) == newest.number:
                    continue
                context = value_context(entry.key)
                value = self._open_with(ring, context, entry.value)
                fresh = seal(self._opened(project, newest), newest.number, os.urandom(NONCE_BYTES), context, value)
                done = await self._store.txn({entry.key: entry.version}, {entry.key: fresh})
                is_done = is_done and isinstance(done, Committed)
            if not page.more:
                return is_done
            start = page.entries[-1].key + b"\x00"

    async def _ring(self, project: str) -> tuple[pb.DataKeyRing, int]:
        entry = await self._store.get(RINGS + project.encode())
        return (pb.DataKeyRing.FromString(entry.value), entry.version) if entry else (pb.DataKeyRing(), 0)

    async def _add(self, project: str) -> tuple[pb.DataKeyRing, int]:
        """Put a new key into a ring; gives the ring and its version."""
        for _ in range(RACES_MAX):
            ring, version = await self._ring(project)
            if len(ring.keys) >= KEYS_MAX:
                raise FailedPreconditionError(
                    f"the project has {KEYS_MAX} data keys; wait until its values are sealed anew",
                    reason="KEYS_TOO_MANY",
                )
            number = ring.keys[-1].number + 1 if ring.keys else 1
            sealed = self._roots.seal(_context(project, number), os.urandom(KEY_BYTES))
            ring.keys.append(pb.SealedDataKey(number=number, sealed_key=sealed, created_at_ms=self._clock.now_ms()))
            key = RINGS + project.encode()
            done = await self._store.txn({key: version}, {key: ring.SerializeToString()})
            if isinstance(done, Committed):
                return ring, done.version
        raise AbortedError("the project's keys change at the moment; try again", reason="CONTENDED")

    def _open_with(self, ring: pb.DataKeyRing, context: Context, sealed: bytes) -> bytes:
        number = key_id_of(sealed)
        for key in ring.keys:
            if key.number == number:
                return unseal(self._opened(context.project, key), context, sealed)
        raise DataLossError(f"data key {number} of the project is gone; restore it from a backup", reason="KEY_GONE")

    def _opened(self, project: str, key: pb.SealedDataKey) -> bytes:
        return self._roots.open(_context(project, key.number), key.sealed_key)


def value_key(project: str, secret: str, number: int) -> bytes:
    """Where a version's value is."""
    return value_prefix(project, secret) + b"%010d" % number


def value_prefix(project: str, secret: str = "") -> bytes:
    """Where the values of a project, or of one secret, are."""
    return VALUES + (f"{project}/{secret}/" if secret else f"{project}/").encode()


def value_context(key: bytes) -> Context:
    """What the value at a key of the store is bound to: moved to another key, it does not open."""
    project, secret, number = key.removeprefix(VALUES).decode().split("/")
    return Context("secret", project, f"{secret}/{int(number)}")


def _context(project: str, number: int) -> Context:
    return Context("data key", project, str(number))
