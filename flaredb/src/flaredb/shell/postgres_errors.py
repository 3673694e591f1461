"""What callers and operators are told where PostgreSQL is the engine, and what its errors mean."""

from __future__ import annotations

import asyncpg

from flaredb.errors import damaged
from ultracloud.base.faults import AbortedError, Fault, InvalidArgumentError, ResourceExhaustedError, UnavailableError
from ultracloud.servicekit.errors import StartError

REASON = "DATABASE_AWAY"
LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""The session is gone, or of no use any more: what its last statement did is not known."""
SPOKEN = (asyncpg.PostgresError, *LOST)
"""All that a statement may raise."""


class DatabaseError(StartError):
    """PostgreSQL cannot be used, or not any more; the sentence says why and what to do."""


class SupersededError(DatabaseError):
    """Another flaredb has become the schema's writer; this one must end."""


def superseded(epoch: int) -> SupersededError:
    """The end of a writer that is one no more."""
    return SupersededError(
        f"another flaredb has taken over the schema since this one did (epoch {epoch}): this one ends; two of one "
        "schema are one too many"
    )


def away(detail: str) -> UnavailableError:
    """Nothing was read or written."""
    return UnavailableError(
        "the database behind flaredb does not answer; nothing was written, send it again later",
        detail=detail,
        hint="flaredb goes on by itself once PostgreSQL is back; its log has PostgreSQL's answer.",
        reason=REASON,
    )


def outcome_unknown(detail: str) -> AbortedError:
    """The session was lost under this very write."""
    return AbortedError(
        "the database was lost during this write: it may or may not have been kept; read again before repeating it",
        detail=detail,
        reason=REASON,
    )


def refused(detail: str) -> UnavailableError:
    """PostgreSQL said no to a statement of ours; nothing was written."""
    return UnavailableError(
        "the database behind flaredb refused this; nothing was written, send it again later",
        detail=detail,
        hint="Look at flaredb's log for PostgreSQL's answer.",
        reason="DATABASE_REFUSED",
    )


def full(detail: str) -> ResourceExhaustedError:
    """PostgreSQL found no room."""
    return ResourceExhaustedError(
        "the database's disk is full: writes are refused until there is room, reads continue",
        detail=detail,
        hint="Free space on the disk of the PostgreSQL server; no restart of flaredb is needed.",
        reason="DISK_FULL",
    )


def key_too_long(size_bytes: int, bytes_max: int) -> InvalidArgumentError:
    """An index of PostgreSQL does not take such a key."""
    return InvalidArgumentError(
        f"a key takes {size_bytes} bytes with its namespace, zero bytes counted twice; accepted on PostgreSQL: up to "
        f"{bytes_max}",
        reason="KEY_SIZE",
        metadata={"field": "key"},
    )


def fault_of(error: BaseException) -> Fault:
    """What a caller is told whose statement raised one of SPOKEN and did nothing."""
    match error:
        case asyncpg.DiskFullError():
            return full(str(error))
        case asyncpg.DataCorruptedError() | asyncpg.IndexCorruptedError():
            return damaged(str(error))
        case asyncpg.PostgresError() if not isinstance(error, LOST):
            return refused(str(error))
        case _:
            return away(f"{type(error).__name__}: {error}")
