"""Messages of `ultracloud.flaredb.v1` to words of the core and back."""

from __future__ import annotations

from flaredb.core.commands import AnyWrite, Change, DeleteRange, Outcome, Write
from flaredb.core.limits import RANGE_KEYS_MAX
from flaredb.core.visibility import Found
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError


def write_of(message: pb.Write) -> AnyWrite:
    """A write of a transaction.

    Raises:
        InvalidArgumentError: It asks for two things at once.
    """
    has_value = message.HasField("value")
    if not message.HasField("range_end"):
        return Write(message.key, message.value if has_value else None)
    if has_value:
        raise InvalidArgumentError(
            "a write has both 'value' and 'range_end'; accepted: one of them, or none to delete the key",
            reason="WRITE_AMBIGUOUS",
        )
    return DeleteRange(message.key, message.range_end, RANGE_KEYS_MAX)


def key_value(found: Found) -> pb.KeyValue:
    """A key that was read."""
    return pb.KeyValue(key=found.key, value=found.value, version=found.version)


def change(version: int, changed: Change) -> pb.Change:
    """A change that is watched."""
    return pb.Change(key=changed.key, value=changed.value, version=version)


def write_response(outcome: Outcome) -> pb.WriteResponse:
    """The answer to Put and Delete."""
    return pb.WriteResponse(version=outcome.version)


def compare_and_set_response(outcome: Outcome) -> pb.CompareAndSetResponse:
    """The answer to CompareAndSet."""
    if outcome.succeeded:
        return pb.CompareAndSetResponse(succeeded=True, version=outcome.version)
    return pb.CompareAndSetResponse(succeeded=False, version=outcome.failed[0].expected_version)


def txn_response(outcome: Outcome) -> pb.TxnResponse:
    """The answer to Txn."""
    failed = (pb.Comparison(key=c.key, expected_version=c.expected_version) for c in outcome.failed)
    return pb.TxnResponse(succeeded=outcome.succeeded, version=outcome.version, failed=failed, deleted=outcome.deleted)
