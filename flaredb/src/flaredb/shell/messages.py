"""Messages of `ultracloud.flaredb.v1` to words of the core and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from flaredb.core import limits, octets
from flaredb.core.commands import AnyWrite, Change, DeleteRange, Increment, Outcome, Write
from flaredb.core.visibility import Found
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError

PageT = TypeVar("PageT", pb.ScanResponse, pb.BatchGetResponse)

_KINDS = ("value", "range_end", "increment")
"""Fields of a write of which one says what it does."""


def end_of(message: pb.PutRequest | pb.Write | pb.IncrementRequest, now_ms: int) -> tuple[int, int]:
    """After how many milliseconds, or when, what is written ends; zeros are never.

    Raises:
        InvalidArgumentError: That cannot be.
    """
    ttl_s, expires_at_ms = message.ttl_s, message.expires_at_ms
    if ttl_s or expires_at_ms:
        limits.check_end(ttl_s, expires_at_ms, now_ms)
    return ttl_s * 1000, expires_at_ms


def write_of(message: pb.Write, now_ms: int) -> AnyWrite:
    """A write of a transaction.

    Raises:
        InvalidArgumentError: It asks for two things at once, or for an end that cannot be.
    """
    has = message.HasField
    if has("value") and not (has("range_end") or has("increment") or message.ttl_s or message.expires_at_ms):
        return Write(message.key, message.value)  # what most writes are
    set_fields = [name for name in _KINDS if has(name)]
    ttl_ms, expires_at_ms = end_of(message, now_ms)
    if (ttl_ms or expires_at_ms) and set_fields not in (["value"], ["increment"]):
        raise InvalidArgumentError(
            "a write that deletes has an end; accepted: 'ttl_s' or 'expires_at_ms' beside 'value' or 'increment'",
            reason="WRITE_AMBIGUOUS",
        )
    match set_fields:
        case []:
            return Write(message.key, None)
        case ["value"]:
            return Write(message.key, message.value, ttl_ms, expires_at_ms)
        case ["range_end"]:
            return DeleteRange(message.key, message.range_end, limits.RANGE_KEYS_MAX)
        case ["increment"]:
            return Increment(message.key, message.increment, ttl_ms, expires_at_ms)
        case _:
            raise InvalidArgumentError(
                f"a write has {' and '.join(set_fields)}; accepted: one of them, or none to delete the key",
                reason="WRITE_AMBIGUOUS",
            )


def key_value(found: Found) -> pb.KeyValue:
    """A key that was read."""
    return pb.KeyValue(key=found.key, value=found.value, version=found.version, expires_at_ms=found.expires_at_ms)


def get_response(found: Found | None, read_version: int) -> pb.GetResponse:
    """The answer to Get."""
    response = pb.GetResponse(read_version=read_version)
    if found is not None:
        # In place, for the same reason as in `add_found`.
        kv = response.kv
        kv.key, kv.value, kv.version, kv.expires_at_ms = found
    return response


def add_found(response: PageT, found: Iterable[Found]) -> PageT:
    """An answer with these keys, in their order."""
    # In place: a list of messages handed to the constructor would be copied, which is a third of the work.
    add = response.kvs.add
    for key, value, version, expires_at_ms in found:
        add(key=key, value=value, version=version, expires_at_ms=expires_at_ms)
    return response


def namespaces_response(names: Sequence[str], limit: int, read_version: int) -> pb.NamespacesResponse:
    """The answer to Namespaces: up to `limit` of names, of which there is one more where more follow."""
    return pb.NamespacesResponse(namespaces=names[:limit], more=len(names) > limit, read_version=read_version)


def change(version: int, changed: Change) -> pb.Change:
    """A change that is watched."""
    return pb.Change(key=changed.key, value=changed.value, version=version, expires_at_ms=changed.expires_at_ms)


def write_response(outcome: Outcome) -> pb.WriteResponse:
    """The answer to Put and Delete."""
    return pb.WriteResponse(version=outcome.version)


def txn_octets(outcome: Outcome) -> bytes:
    """The answer to Txn, as bytes."""
    if outcome.succeeded and not outcome.deleted and not outcome.counters:
        return octets.txn_done(outcome.version)
    return txn_response(outcome).SerializeToString()


def write_octets(outcome: Outcome) -> bytes:
    """The same as bytes."""
    return octets.write_response(outcome.version)


def increment_response(outcome: Outcome) -> pb.IncrementResponse:
    """The answer to Increment."""
    return pb.IncrementResponse(value=outcome.counters[0], version=outcome.version)


def compare_and_set_response(outcome: Outcome) -> pb.CompareAndSetResponse:
    """The answer to CompareAndSet."""
    if outcome.succeeded:
        return pb.CompareAndSetResponse(succeeded=True, version=outcome.version)
    return pb.CompareAndSetResponse(succeeded=False, version=outcome.failed[0].expected_version)


def txn_response(outcome: Outcome) -> pb.TxnResponse:
    """The answer to Txn."""
    failed = (pb.Comparison(key=c.key, expected_version=c.expected_version) for c in outcome.failed)
    return pb.TxnResponse(
        succeeded=outcome.succeeded,
        version=outcome.version,
        failed=failed,
        deleted=outcome.deleted,
        counters=outcome.counters,
    )
