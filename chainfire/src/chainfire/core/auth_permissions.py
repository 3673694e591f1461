"""What a user may read and write, all roles taken together.

The ranges of all permissions are merged into a few that neither touch nor overlap, so one bisection answers whether a
range of keys is allowed, also where it takes several permissions to cover it.

Source: etcd 3.5 semantics; there the ranges lie in an interval tree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainfire.core.auth_commands import Permission, PermissionKind
from chainfire.core.keyvalue import FROM_KEY

_LAST = b"\x00"
"""What a key is followed by: no key lies between k and k + NUL."""


class KeyRanges:
    """A set of keys, as ranges.

    Args:
        spans: Starts and ends, in any order; an end of None is past the last key.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[tuple[bytes, bytes | None]]) -> None:
        self._starts: list[bytes] = []
        self._ends: list[bytes | None] = []
        for start, end in sorted(spans, key=lambda span: span[0]):
            if end is not None and end <= start:
                continue
            last = self._ends[-1] if self._ends else b""
            if self._ends and (last is None or start <= last):
                if last is not None and (end is None or end > last):
                    self._ends[-1] = end
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __len__(self) -> int:
        return len(self._starts)

    def hold(self, key: bytes, end: bytes = b"") -> bool:
        """Whether every key from `key` to `end` is in the set; `end` follows etcd's conventions."""
        at = bisect_right(self._starts, key) - 1
        if at < 0:
            return False
        last = self._ends[at]
        if last is None:
            return True
        # A range that is empty, its end at or before its key, asks for its key alone.
        return end != FROM_KEY and key < last and end <= last


@dataclass(frozen=True, slots=True)
class Granted:
    """What one user may do.

    Attributes:
        is_root: It may do everything.
    """

    is_root: bool
    read: KeyRanges
    write: KeyRanges


def merged(permissions: Sequence[Permission], *, is_root: bool) -> Granted:
    """What all these permissions allow together."""
    return Granted(
        is_root,
        KeyRanges(span_of(each) for each in permissions if each.kind is not PermissionKind.WRITE),
        KeyRanges(span_of(each) for each in permissions if each.kind is not PermissionKind.READ),
    )


def span_of(permission: Permission) -> tuple[bytes, bytes | None]:
    """The start and end of a permission; the end None is past the last key."""
    if not permission.end:
        return permission.key, permission.key + _LAST
    return permission.key, None if permission.end == FROM_KEY else permission.end
