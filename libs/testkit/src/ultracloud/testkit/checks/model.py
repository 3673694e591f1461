"""etcd's data model in its simplest form: what one store that does one thing after the other would answer.

It can go back: the checks try orders of calls and take them back. Independent of any product's store, which it judges.

Source: etcd documentation, "Data model" and "API guarantees".
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import assert_never

from ultracloud.testkit.checks.history import (
    NO_LEASE,
    Compare,
    Delete,
    Deleted,
    Event,
    Get,
    Got,
    Kv,
    OpResult,
    Put,
    Txn,
    TxnDone,
    Wrote,
    covers,
)

FIRST_REVISION = 1
"""Of a store that nothing was written to."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one operation did: its answer, and the changes it made."""

    result: OpResult
    changes: tuple[Event, ...]


class Store:
    """Keys with all their versions.

    Attributes:
        revision: The newest.
    """

    def __init__(self, revision: int = FIRST_REVISION) -> None:
        self.revision = revision
        self._versions: dict[str, list[Kv]] = {}
        self._changes: list[Event] = []

    def apply(self, op: Get | Put | Delete | Txn) -> Done:
        """Do an operation at the next revision; one that changes nothing leaves the revision."""
        self._changes = []
        result = self._do(op, self.revision + 1)
        if self._changes:
            self.revision += 1
        return Done(result, tuple(self._changes))

    def expire(self, lease: int) -> Done:
        """End a lease: delete its keys at the next revision, if it has any."""
        self._changes = []
        keys = self.leased(lease)
        for key in keys:
            self._delete_one(key, self.revision + 1)
        if keys:
            self.revision += 1
        return Done(Deleted(self.revision, len(keys)), tuple(self._changes))

    def undo(self, done: Done) -> None:
        """Take back the last `apply` or `expire` that is not yet taken back."""
        for change in reversed(done.changes):
            versions = self._versions[change.kv.key]
            versions.pop()
            if not versions:
                del self._versions[change.kv.key]
        self.revision -= bool(done.changes)

    def newest(self, key: str) -> Kv | None:
        """The key now, None if it does not exist."""
        return self._as_of(key, self.revision + 1)

    def leased(self, lease: int) -> list[str]:
        """Keys of a lease, in order."""
        return sorted(key for key, versions in self._versions.items() if versions[-1].lease == lease)

    def leases(self) -> set[int]:
        """Leases that have keys."""
        return {versions[-1].lease for versions in self._versions.values()} - {NO_LEASE}

    def read(self, get: Get, now: int) -> Got:
        """A range as of its revision, or as of `now`."""
        at = get.revision or now
        keys = [get.key] if not get.end else sorted(k for k in self._versions if covers(get.key, get.end, k))
        kvs = [kv for kv in (self._as_of(key, at) for key in keys) if kv is not None]
        return Got(now, tuple(kvs[: get.limit or None]), len(kvs))

    def holds(self, compare: Compare) -> bool:
        """Whether a comparison holds now; a key that does not exist has zeros and no value."""
        kv = self.newest(compare.key)
        if compare.target == "value":
            # etcd: a key without a value equals nothing, so every comparison of a value fails.
            return kv is not None and _compare(kv.value, compare.sign, str(compare.operand))
        number = 0 if kv is None else int(getattr(kv, compare.target))
        return _compare(number, compare.sign, int(compare.operand))

    def _do(self, op: Get | Put | Delete | Txn, at: int) -> OpResult:
        match op:
            case Get():
                return self.read(op, self._now(at))
            case Put():
                previous = self._write(op.key, op.value, op.lease, at)
                return Wrote(at, previous if op.prev_kv else None)
            case Delete():
                return self._delete(op, at)
            case Txn():
                succeeded = all(map(self.holds, op.compare))
                results = tuple(self._do(step, at) for step in (op.success if succeeded else op.failure))
                return TxnDone(self._now(at), succeeded, results)
            case _:
                assert_never(op)

    def _now(self, at: int) -> int:
        """The revision that an answer names while the operation at `at` is being done."""
        return at if self._changes else at - 1

    def _write(self, key: str, value: str, lease: int, at: int) -> Kv | None:
        old = self._as_of(key, at)
        kv = Kv(key, value, at, at, 1, lease) if old is None else Kv(key, value, old.create, at, old.version + 1, lease)
        self._versions.setdefault(key, []).append(kv)
        self._changes.append(Event(kv, old))
        return old

    def _delete(self, op: Delete, at: int) -> Deleted:
        keys = [op.key] if not op.end else sorted(key for key in self._versions if covers(op.key, op.end, key))
        gone = [old for old in (self._delete_one(key, at) for key in keys) if old is not None]
        return Deleted(self._now(at), len(gone), tuple(gone) if op.prev_kv else ())

    def _delete_one(self, key: str, at: int) -> Kv | None:
        old = self._as_of(key, at)
        if old is not None:
            self._versions[key].append(Kv(key, "", 0, at, 0))
            self._changes.append(Event(Kv(key, "", 0, at, 0), old))
        return old

    def _as_of(self, key: str, revision: int) -> Kv | None:
        versions = self._versions.get(key)
        if not versions:
            return None
        newest = versions[-1]
        if newest.mod > revision:
            at = bisect_right(versions, revision, key=lambda kv: kv.mod)
            if not at:
                return None
            newest = versions[at - 1]
        return newest if newest.version else None


def without_previous(event: Event) -> Event:
    """A change as a watch tells it that did not ask for what was there before."""
    return replace(event, previous=None)


def _compare(actual: str | int, sign: str, operand: str | int) -> bool:
    # Both are text or both are numbers; a tuple lets them be compared without saying which.
    left, right = (actual,), (operand,)
    match sign:
        case "=":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right
        case _:
            raise ValueError(f"no sign {sign!r}; there are = != < >")
