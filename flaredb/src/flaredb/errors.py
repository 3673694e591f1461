"""What callers of flaredb are told, where a class of its own or a shared sentence is worth having.

The classes are those of `ultracloud.base.faults`; here stand the reasons that programs match on.
"""

from __future__ import annotations

from ultracloud.base.faults import (
    AbortedError,
    DataLossError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnavailableError,
)
from ultracloud.servicekit.errors import StartError

MIB = 1024 * 1024


class StoreDirectoryError(StartError):
    """The state directory cannot be used at start; the sentence says why and what to do."""


def compacted(version: int, floor: int) -> OutOfRangeError:
    """The history asked for is gone."""
    return OutOfRangeError(
        f"version {version} is compacted: history is kept after version {floor}",
        hint="Read the newest state again (at_version 0) and continue from its read_version.",
        reason="VERSION_COMPACTED",
        metadata={"version": str(version), "floor": str(floor)},
    )


def not_yet(version: int, applied: int) -> OutOfRangeError:
    """The version asked for has not been made here: the caller knows another store, or one from before a restore."""
    return OutOfRangeError(
        f"version {version} is newer than the newest, {applied}",
        hint="Read the newest state again (at_version 0) and continue from its read_version.",
        reason="VERSION_UNKNOWN",
        metadata={"version": str(version), "applied": str(applied)},
    )


def disk_full(free_bytes: int, reserve_bytes: int) -> ResourceExhaustedError:
    """Writes stop before RocksDB runs into the end of the disk."""
    return ResourceExhaustedError(
        f"the store's disk has {free_bytes // MIB} MiB free and {reserve_bytes // MIB} MiB are kept in reserve: "
        "writes are refused until there is more, reads continue",
        hint="Free space on the disk that holds flaredb's state directory; no restart is needed.",
        reason="DISK_FULL",
    )


def overloaded(waiting: int, waiting_bytes: int) -> UnavailableError:
    """More writes wait for the disk than may."""
    return UnavailableError(
        f"{waiting} writes of {waiting_bytes // MIB} MiB already wait for the disk; send this write again later",
        reason="OVERLOADED",
    )


def closing() -> UnavailableError:
    """The server is on its way out."""
    return UnavailableError("flaredb is stopping; send this write again", reason="STOPPING")


def write_refused(detail: str) -> UnavailableError:
    """An earlier write failed; nothing was done for this one."""
    return UnavailableError(
        "the store's disk failed an earlier write: writes are refused until it works again, reads continue",
        detail=detail,
        hint="Look at flaredb's log for the disk's answer.",
        reason="DISK_FAILED",
    )


def write_unknown(detail: str) -> AbortedError:
    """The disk failed under this very write; it may or may not be there after a restart."""
    return AbortedError(
        "the store's disk failed during this write: it may or may not have been kept; read again before repeating it",
        detail=detail,
        reason="DISK_FAILED",
    )


def damaged(detail: str) -> DataLossError:
    """Stored bytes do not match their checksum or their format."""
    return DataLossError(
        "the store holds damaged data where this request reads",
        detail=detail,
        hint="Restore flaredb's state directory from a backup; flaredb's log names the file.",
        reason="STORE_DAMAGED",
    )
