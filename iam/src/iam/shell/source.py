"""The source of all policy copies: the policy as the store has it, in memory and, for a start without it, on disk.

It follows iam's namespace, but for what is derived there. Every change of a record or of the key ring makes a new
snapshot, whose version is the store's; what comes in one batch makes one. Requests that have just written wait until
their write has come back this way, so that whoever made a project can use it in the next call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from iam.core.composition import Register, with_admins
from iam.shell.codec import entity_of, is_record_key, render_snapshot, revocation_of
from ultracloud.api.iam.v1 import iam_pb2, keys_pb2
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.policy import FILE_NAME, Authority, PolicyCopy, Snapshot, open_copy
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.resources import layout
from ultracloud.servicekit.store import Change, Changed, Entry, Loaded, Store, follow

RING_KEY = b"keys/ring"
"""Where the sealed signing keys are."""
ADMINS_KEY = b"admins"
"""Where the configured operators are repeated: a change of the configuration thereby gets a version of its own."""
REVOKED = b"revoked/"
"""Where revocations are, each behind the id of its session or its principal."""
_NO_RING, _NO_ADMINS = Entry(RING_KEY, b"", 0), Entry(ADMINS_KEY, b"", 0)


class Source(Authority):
    """The policy at its origin; `run` keeps it current.

    Attributes:
        ring: The sealed signing keys as stored; version 0 where there are none.
        announced_admins: The operators as stored; version 0 likewise.
        is_loaded: Whether the store has been read since the start.
    """

    def __init__(self, store: Store, clock: Clock, admins: Sequence[str], state_dir: Path) -> None:
        self._store = store
        self._clock = clock
        self._admins = tuple(admins)
        self._file = state_dir / FILE_NAME
        kept = open_copy(state_dir).snapshot
        self._copy = PolicyCopy(Snapshot(with_admins(kept.policy, self._admins), kept.keys))
        self._register = Register()
        self.ring = _NO_RING
        self.announced_admins = _NO_ADMINS
        self.is_loaded = False
        self._seen = 0
        self._message: iam_pb2.PolicySnapshot | None = None
        self._moved = asyncio.Event()
        self._written = asyncio.Event()

    @property
    def snapshot(self) -> Snapshot:
        """The newest there is; version 0 before the first."""
        return self._copy.snapshot

    def message(self) -> iam_pb2.PolicySnapshot:
        """The snapshot as it is sent; made once for all who watch."""
        if self._message is None or self._message.version != self.snapshot.policy.version:
            self._message = render_snapshot(self.snapshot)
        return self._message

    async def wait_newer(self, version: int, timeout_s: float) -> bool:
        """See `Authority`."""
        return await self._copy.wait_newer(version, timeout_s)

    async def wait_other(self, version: int) -> None:
        """Wait until there is a snapshot and its version is not `version`."""
        while self.snapshot.policy.version in (0, version):
            await self._moved.wait()

    async def wait_moved(self) -> None:
        """Wait until something has been taken in from the store."""
        await self._moved.wait()

    async def wait_seen(self, version: int, timeout_s: float) -> None:
        """Wait until the store's `version` has been taken in.

        Raises:
            UnavailableError: It has not in time; what was written is written.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._seen < version:
                    await self._moved.wait()
        except TimeoutError:
            raise UnavailableError("the change is stored but not yet in the policy; read again in a moment") from None

    async def run(self, gate: Gate) -> None:
        """Follow the store for ever; `gate` opens once there is a policy to serve, be it from the disk."""
        if self.snapshot.policy.version:
            gate.open()
        async for news in follow(self._store, b"", layout.DERIVED, self._clock):
            match news:
                case Loaded(entries, version):
                    self._register = Register()
                    self.ring, self.announced_admins, self.is_loaded = _NO_RING, _NO_ADMINS, True
                    for entry in entries:
                        self._take(Change(entry.key, entry.value, entry.version))
                    self._publish(version)
                    gate.open()
                case Changed(changes, version):
                    taken = [self._take(change) for change in changes]
                    if any(taken):
                        self._publish(version)
            self._seen = news.version
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def keep(self) -> None:
        """Write each newest snapshot to the disk, for ever; a full disk costs only that."""
        while True:
            await self._written.wait()
            self._written.clear()
            try:
                await asyncio.to_thread(write_atomically, self._file, self.message().SerializeToString())
            except OSError as error:
                logging.getLogger(__name__).warning("policy not written to disk: %s", error.strerror)

    def _take(self, change: Change) -> bool:
        """Take in one change; whether the policy or the keys differ."""
        if change.key in (RING_KEY, ADMINS_KEY):
            entry = Entry(change.key, change.value or b"", 0 if change.value is None else change.version)
            if change.key == RING_KEY:
                self.ring = entry
            else:
                self.announced_admins = entry
            return True
        if change.key.startswith(REVOKED):
            if change.value is None:
                return self._register.remove(change.key.removeprefix(REVOKED).decode())
            return self._register.put(revocation_of(change.value))
        if not is_record_key(change.key):
            return False
        if change.value is None:
            return self._register.remove(change.key.rpartition(b"/")[2].decode())
        return self._register.put(entity_of(change.value))

    def _publish(self, version: int) -> None:
        ring = keys_pb2.KeyRing.FromString(self.ring.value)
        policy = self._register.policy(version, self._admins)
        self._copy.replace(Snapshot(policy, {key.kid: key.ed25519_public for key in ring.keys}))
        self._written.set()
