"""Restores a backup into a running server, through its Kv as any client writes: nothing is overwritten unseen.

Every key is written on condition that it does not exist. What exists already is read beside the backup, both in order
of their keys: where it is the same, this restore was begun before and goes on; where it is not, it ends there. Eventual
namespaces are another matter: `backup_eventual`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass, field

from flaredb.core.backup import EventualRecords, Head, MalformedBackupError, Records, Trailer
from flaredb.core.backup_reading import Part, parts
from flaredb.core.backup_restoring import Strange, batches, left_of, without_first_to_end
from flaredb.core.limits import SCAN_LIMIT_MAX
from flaredb.core.visibility import Found
from flaredb.shell import backup_eventual
from flaredb.shell.backup_eventual import EventualRestore, EventualRestored
from flaredb.shell.backup_places import Source
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.errors import ConfigError, StartError

WRITES_AT_ONCE = 4
"""Transactions under way: enough that one is evaluated while another waits for the disk."""
VERSION_GAP = 1 << 32
"""Commits that the lost store may have made after its backup: at 10,000 a second, five days."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be restored.

    Attributes:
        names: Namespaces; empty for all that the backup has.
        into: Another name for the only one.
        replaces: Whether what the server has of them is deleted first.
        may_go_back: Whether the server's versions may be below the backup's.
    """

    names: tuple[str, ...] = ()
    into: str = ""
    replaces: bool = False
    may_go_back: bool = False

    def targets(self, head: Head) -> dict[str, str]:
        """Where each namespace goes.

        Raises:
            ConfigError: The backup has none of that name, or not just one to rename.
        """
        for name in self.names:
            if name not in head.all_namespaces:
                raise ConfigError(
                    f"the backup has no namespace '{name}'; it has {', '.join(head.all_namespaces) or 'none'}"
                )
        chosen = self.names or head.all_namespaces
        if self.into and len(chosen) != 1:
            raise ConfigError(f"--into names one namespace and {len(chosen)} are to be restored; name one with -n")
        return {name: self.into or name for name in chosen}


@dataclass(slots=True)
class Restored:
    """What became of each namespace's keys."""

    written: int = 0
    there: int = 0
    ended: int = 0


@dataclass(slots=True)
class Restore:
    """A restore under way.

    Attributes:
        told: What became of the keys so far, by the name of the namespace that they went to.
        seen: Called with keys, bytes and a namespace as they pass.
    """

    kv: KvClient
    eventual: EventualClient
    source: Source
    wanted: Wanted
    seen: Callable[[int, int, str], None]
    told: dict[str, Restored | EventualRestored] = field(default_factory=dict)

    async def check(self) -> tuple[Head, Trailer]:
        """Read all of the backup, and see that it may be restored; nothing is written.

        Raises:
            StartError: The backup is damaged, or the server has something else.
            Fault: What the server says.
        """
        head, trailer = None, None
        async for part in self._passes(writes=False):
            match part:
                case Head():
                    head = part
                case Trailer():
                    trailer = part
        assert head is not None
        assert trailer is not None
        return head, trailer

    async def write(self, checked: tuple[Head, Trailer] | None) -> Head:
        """Delete what is to be replaced, then write what is not there. Raises as `check`, whose answer is `checked`."""
        head: Head | None = None
        async for part in self._passes(writes=True, checked=checked):
            head = part if isinstance(part, Head) else head
        assert head is not None
        return head

    async def _passes(self, *, writes: bool, checked: tuple[Head, Trailer] | None = None) -> AsyncIterator[Part]:
        """Everything in the backup, after it was looked at or written."""
        under: _Under | None = None
        async for part in self._parts():
            if checked is not None and isinstance(part, Head | Trailer) and part not in checked:
                raise StartError("the backup was changed while it was restored")
            match part:
                case Head():
                    under = await self._begin(part, writes=writes)
                case Records() if under is not None and part.namespace in under.targets:
                    if under.beside is not None:
                        there = await under.beside.through(part)
                        await self._one(under.targets[part.namespace], part, there, writes=writes)
                    self._saw(part)
                case EventualRecords() if under is not None and part.namespace in under.eventual:
                    await under.eventual[part.namespace].write(part)
                    self._saw(part)
                case Trailer() if under is not None:
                    await under.end()
            yield part

    async def _begin(self, head: Head, *, writes: bool) -> _Under:
        """See that each namespace may go where it is to go, and delete what is to be replaced."""
        every = self.wanted.targets(head)
        await backup_eventual.check_targets(self.eventual, head, every)
        targets = {name: target for name, target in every.items() if name in head.namespaces}
        await self._check_version(head, targets.values())
        eventual: dict[str, EventualRestore] = {}
        if writes:
            for name in every.keys() - targets.keys():
                eventual[name] = EventualRestore(self.eventual, self.kv, every[name], replaces=self.wanted.replaces)
            self.told = {target: Restored() for target in targets.values()}
            self.told |= {every[name]: each.told for name, each in eventual.items()}
            await self._empty(targets.values())
        is_compared = writes or not self.wanted.replaces
        return _Under(targets, _Beside(self.kv, targets) if is_compared else None, eventual)

    def _saw(self, part: Records | EventualRecords) -> None:
        self.seen(len(part.found), sum(len(each.key) + len(each.value) for each in part.found), part.namespace)

    async def _parts(self) -> AsyncIterator[Part]:
        """What is in the backup, read by a thread."""
        found: Iterator[Part] = parts(self.source.read)
        try:
            while (part := await asyncio.to_thread(next, found, None)) is not None:
                yield part
        except MalformedBackupError as error:
            raise StartError(f"the backup cannot be used: {error}") from error

    async def _check_version(self, head: Head, targets: Collection[str]) -> None:
        """Pass if whoever knows the versions of the old store cannot take new ones for older."""
        if self.wanted.may_go_back or not targets:
            return
        answer = await self.kv.scan(pb.ScanRequest(namespace=next(iter(targets)), limit=1, keys_only=True))
        if answer.read_version < head.version:
            raise StartError(
                f"the server's versions are at {answer.read_version} and the backup is of {head.version}: services and "
                "agents that knew the old store would take what is new for old. Start the new store with "
                f"FLAREDB_FIRST_VERSION={head.version + VERSION_GAP} and an empty state_dir (or schema); or say "
                "--lower-versions, where nobody knows the old one"
            )

    async def _empty(self, targets: Collection[str]) -> None:
        """Delete what is to be replaced."""
        for target in targets if self.wanted.replaces else ():
            start, more = b"", True
            while more:
                answer = await self.kv.delete_range(pb.DeleteRangeRequest(namespace=target, start=start))
                start, more = answer.next_start, answer.more

    async def _one(self, target: str, part: Records, there: dict[bytes, Found], *, writes: bool) -> None:
        """Look at, or write, the records of a block."""
        left = left_of(part.found, there, _now_ms())
        if isinstance(left, Strange):
            raise _strange(target, left)
        if not writes:
            return
        told = self._told(target)
        told.there += left.there_count
        told.ended += left.ended_count
        waiting = deque(batches(left.found))
        while waiting:
            group = [waiting.popleft() for _ in range(min(WRITES_AT_ONCE, len(waiting)))]
            # All have ended before one's error goes up, so that what is told of was written.
            done = await asyncio.gather(*(self._batch(target, batch) for batch in group), return_exceptions=True)
            for error in done:
                if error is not None:
                    raise error

    def _told(self, target: str) -> Restored:
        told = self.told[target]
        assert isinstance(told, Restored), target
        return told

    async def _batch(self, target: str, batch: tuple[Found, ...]) -> None:
        """Write what is not there in one transaction."""
        told = self._told(target)
        while batch:
            try:
                answer = await self.kv.txn(_txn(target, batch))
            except InvalidArgumentError as error:
                if error.reason != "EXPIRY_RANGE":
                    raise
                # By the server's clock, which decides, something has ended that by ours had not.
                batch, told.ended = without_first_to_end(batch), told.ended + 1
                continue
            if answer.succeeded:
                told.written += len(batch)
                return
            keys = [failed.key for failed in answer.failed]
            found = await self.kv.batch_get(pb.BatchGetRequest(namespace=target, keys=keys))
            left = left_of(batch, {kv.key: _found(kv) for kv in found.kvs}, 0)
            if isinstance(left, Strange):
                raise _strange(target, left)
            told.there += left.there_count
            batch = left.found


@dataclass(frozen=True, slots=True)
class _Under:
    """A pass through a backup.

    Attributes:
        targets: Where each namespace goes, but eventual ones.
        beside: What the server has of them, if that matters.
        eventual: What restores each eventual namespace; nothing where nothing is written.
    """

    targets: dict[str, str]
    beside: _Beside | None
    eventual: dict[str, EventualRestore]

    async def end(self) -> None:
        """Everything was passed."""
        for each in self.eventual.values():
            await each.end()
        if self.beside is not None:
            await self.beside.end()


class _Beside:
    """What the server has of the namespaces, read in the order of the backup."""

    def __init__(self, kv: KvClient, targets: dict[str, str]) -> None:
        self._kv = kv
        self._targets = dict(targets)
        self._name = ""
        self._held: deque[Found] = deque()
        self._start: bytes | None = b""

    async def through(self, part: Records) -> dict[bytes, Found]:
        """What the server has up to the last key of a block, after that of the block before."""
        if part.namespace != self._name:
            await self._leave()
            self._name, self._held, self._start = part.namespace, deque(), b""
        last = part.found[-1].key if part.found else b""
        there: dict[bytes, Found] = {}
        while await self._has_more() and self._held[0].key <= last:
            found = self._held.popleft()
            there[found.key] = found
        return there

    async def end(self) -> None:
        """Pass if the server has nothing after what the backup has."""
        await self._leave()
        for name in list(self._targets):
            self._name, self._held, self._start = name, deque(), b""
            await self._leave()

    async def _leave(self) -> None:
        if self._name and await self._has_more():
            raise _strange(self._targets[self._name], Strange(self._held[0].key, is_changed=False))
        self._targets.pop(self._name, None)

    async def _has_more(self) -> bool:
        while not self._held and self._start is not None:
            request = pb.ScanRequest(namespace=self._targets[self._name], start=self._start, limit=SCAN_LIMIT_MAX)
            page = await self._kv.scan(request)
            self._held.extend(map(_found, page.kvs))
            self._start = page.kvs[-1].key + b"\x00" if page.more else None
        return bool(self._held)


def _strange(target: str, found: Strange) -> StartError:
    what = "with another value or end than the backup" if found.is_changed else "that the backup does not have"
    key = found.key.decode(errors="backslashreplace")
    return StartError(
        f"namespace '{target}' of the server has the key {key!a} {what}: restore into an empty namespace, or --replace "
        "what is there; if a service writes there, stop it first"
    )


def _txn(namespace: str, batch: tuple[Found, ...]) -> pb.TxnRequest:
    """Write keys that do not exist."""
    return pb.TxnRequest(
        namespace=namespace,
        comparisons=[pb.Comparison(key=each.key, expected_version=0) for each in batch],
        writes=[pb.Write(key=each.key, value=each.value, expires_at_ms=each.expires_at_ms) for each in batch],
    )


def _found(kv: pb.KeyValue) -> Found:
    return Found(kv.key, kv.value, kv.version, kv.expires_at_ms)


def _now_ms() -> int:
    return int(time.time() * 1000)
