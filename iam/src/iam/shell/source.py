"""The source of all policy copies: the policy as the store has it, in memory and, for a start without it, on disk.

It follows iam's namespace, but for what is derived there. Every change of a record or of the key ring makes a new
version, which is the store's; what comes in one batch makes one. Whoever watches is told the change, however large the
policy. Requests that have just written wait until their write has come back this way, so that whoever made a project
can use it in the next call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from iam.core.composition import admin_bindings, difference, is_news, with_admins
from iam.core.sweep import is_orphan
from iam.shell.changes import Changes
from iam.shell.codec import entity_of, is_record_key, revocation_of
from ultracloud.api.iam.v1 import iam_pb2, keys_pb2
from ultracloud.base.faults import UnavailableError
from ultracloud.base.policy import Binding, Delta, Entity, Policy, Revocation, Role
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.policy import FILE_NAME, Authority, PolicyCopy, Snapshot, leave_to_itself, open_copy
from ultracloud.servicekit.policy_file import PolicyFile
from ultracloud.servicekit.policy_wire import render_delta, render_parts
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
        may_have_orphans: Whether something has gone that others may name; who sweeps resets it.
    """

    def __init__(self, store: Store, clock: Clock, admins: Sequence[str], state_dir: Path) -> None:
        self._store = store
        self._clock = clock
        self._admins = tuple(admins)
        self._file = PolicyFile(state_dir / FILE_NAME)
        self._changes = Changes()
        kept = open_copy(state_dir).snapshot
        self._copy = PolicyCopy(Snapshot(with_admins(kept.policy, self._admins), kept.keys))
        self.ring = _NO_RING
        self.announced_admins = _NO_ADMINS
        self.is_loaded = False
        self.may_have_orphans = False
        self._seen = 0
        self._moved = asyncio.Event()

    @property
    def snapshot(self) -> Snapshot:
        """The newest there is; version 0 before the first."""
        return self._copy.snapshot

    def now_ms(self) -> int:
        """What time it is where the policy comes from."""
        return self._clock.now_ms()

    async def messages_since(self, version: int) -> AsyncIterator[iam_pb2.PolicySnapshot]:
        """What somebody who knows the policy at `version` is to be sent: its changes, or else all of it in parts."""
        change = self._changes.since(version)
        if change is not None:
            yield change
            return
        for part in render_parts(self.snapshot):
            yield part
            await asyncio.sleep(0)  # others are served between two parts, each of which takes some milliseconds to make

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
                    self.ring, self.announced_admins = _NO_RING, _NO_ADMINS
                    self._load(entries, version)
                    self.is_loaded = self.may_have_orphans = True
                    gate.open()
                case Changed(changes, version):
                    self._change(changes, version)
            self._seen = news.version
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def keep(self) -> None:
        """Write what changes to the disk, for ever; a full disk costs only that."""
        await self._file.run(self._clock)

    def _load(self, entries: Iterable[Entry], version: int) -> None:
        """Take in all there is. Who knows what was on disk is told only what has changed since."""
        before, after = self.snapshot.policy, Policy(version, bindings=admin_bindings(self._admins))
        for entry in entries:
            self._take_setting(entry.key, entry.value, entry.version)
            if entry.key.startswith(REVOKED):
                after.revoke((revocation_of(entry.value),))
            elif is_record_key(entry.key):
                after.put((entity_of(entry.value),))
        if before.version and before.version != version:
            delta = difference(before, after, self._admins)
            self._changes.append(render_delta(before.version, delta, self._keys()))
        leave_to_itself(after, instead_of=before)
        self._copy.replace(Snapshot(after, self._keys()))
        self._file.keep_whole(self.snapshot)

    def _change(self, changes: Iterable[Change], version: int) -> None:
        """Take in some changes; they make a version if somebody's rights or a key differ thereby."""
        policy = self.snapshot.policy
        put: list[Entity] = []
        removed: list[str] = []
        revocations: list[Revocation] = []
        is_news = False
        for change in changes:
            if self._take_setting(change.key, change.value, change.version):
                is_news = True
            elif change.key.startswith(REVOKED):
                revocations.extend(self._revoked(policy, change))
            elif is_record_key(change.key):
                self._take_record(policy, change, put, removed)
        if is_news or put or removed or revocations:
            self._publish(Delta(version, tuple(put), tuple(removed), tuple(revocations)))

    def _take_setting(self, key: bytes, value: bytes | None, version: int) -> bool:
        """Take in what is no record: the key ring, the operators; whether it was one of them."""
        if key not in (RING_KEY, ADMINS_KEY):
            return False
        entry = Entry(key, value or b"", 0 if value is None else version)
        if key == RING_KEY:
            self.ring = entry
        else:
            self.announced_admins = entry
        return True

    def _revoked(self, policy: Policy, change: Change) -> list[Revocation]:
        """The news of one revocation; that it was dropped from the store is none, for it ends by itself."""
        if change.value is None:
            return []
        revocation = revocation_of(change.value)
        return [revocation] if is_news(policy, revocation) else []

    def _take_record(self, policy: Policy, change: Change, put: list[Entity], removed: list[str]) -> None:
        """Sort one change of a record into `put` or `removed`, or neither, if it changes nobody's rights."""
        if change.value is None:
            identifier = change.key.rpartition(b"/")[2].decode()
            gone = policy.find(identifier) or next((one for one in put if one.id == identifier), None)
            if gone is not None:
                removed.append(identifier)
                self.may_have_orphans |= not isinstance(gone, (Binding, Role))
            return
        entity = entity_of(change.value)
        before = policy.find(entity.id)
        if before != entity or any(one.id == entity.id for one in put):
            put.append(entity)
            self.may_have_orphans |= isinstance(entity, Binding) and is_orphan(policy, entity)

    def _publish(self, delta: Delta) -> None:
        keys, before = self._keys(), self.snapshot.policy
        message = render_delta(before.version, delta, keys)
        policy = before.advanced(delta)
        policy.forget(self._clock.now_ms())
        self._copy.replace(Snapshot(policy, keys))
        self._changes.append(message)
        self._file.keep(message)
        if self._file.is_bloated:
            self._file.keep_whole(self.snapshot)

    def _keys(self) -> Mapping[str, bytes]:
        """The public keys of the ring: the same object while they are the same, for who caches what they verified."""
        ring = keys_pb2.KeyRing.FromString(self.ring.value)
        keys = {key.kid: key.ed25519_public for key in ring.keys}
        return self.snapshot.keys if self.snapshot.keys == keys else keys
