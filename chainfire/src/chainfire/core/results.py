"""What applying a command or reading a range yields. `revision` is what the response header says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chainfire.core.commands import Alarm
from chainfire.core.keyvalue import KeyValue, LeaseId


@dataclass(frozen=True, slots=True)
class RangeResult:
    """Keys of a range.

    Attributes:
        more: The limit cut keys off.
        count: All keys in the range, whatever limit and filters.
    """

    revision: int
    kvs: tuple[KeyValue, ...]
    more: bool
    count: int


@dataclass(frozen=True, slots=True)
class PutResult:
    """A key was written; `previous` is what it replaced, if that was asked for."""

    revision: int
    previous: KeyValue | None = None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """Keys were deleted; `previous` is what they held, if that was asked for."""

    revision: int
    deleted: int
    previous: tuple[KeyValue, ...] = ()


@dataclass(frozen=True, slots=True)
class TxnResult:
    """One of the two lists was done."""

    revision: int
    succeeded: bool
    results: tuple[OperationResult, ...]


OperationResult: TypeAlias = RangeResult | PutResult | DeleteResult | TxnResult


@dataclass(frozen=True, slots=True)
class Done:
    """It is done, and there is nothing more to say."""

    revision: int


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """A lease was made."""

    revision: int
    lease: LeaseId
    ttl_s: int


@dataclass(frozen=True, slots=True)
class AlarmsResult:
    """Alarms that the action was about, as pairs of member and alarm."""

    revision: int
    alarms: tuple[tuple[int, Alarm], ...]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A user was given a token.

    Attributes:
        auth_revision: Of users and roles at that moment.
        token: Empty if the members need not agree on one.
    """

    revision: int
    user: str
    auth_revision: int
    token: str


Result: TypeAlias = OperationResult | Done | LeaseGranted | AlarmsResult | Authenticated
