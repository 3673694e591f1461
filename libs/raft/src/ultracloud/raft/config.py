"""The body of a CONFIG entry: which nodes' parts change, and bytes for the state machine.

Layout, little-endian: format (1 byte), number of changes (2 bytes), then for each its kind (1 byte) and node (8 bytes);
the rest is the context. No change at all means: leave the joint configuration.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.words import NOBODY, NodeId

FORMAT = 1
CHANGES_MAX = 1000
"""More nodes than any cluster has; a bound for what a hostile body makes us hold."""

_HEAD = struct.Struct("<BH")
_CHANGE = struct.Struct("<BQ")


class MalformedError(ValueError):
    """The bytes are no body of a CONFIG entry."""


def render(changes: Sequence[NodeChange], context: bytes = b"") -> bytes:
    """Write `changes`, at most CHANGES_MAX and each of another node, and `context`."""
    assert len(changes) <= CHANGES_MAX, f"{len(changes)} changes; at most {CHANGES_MAX}"
    parts = [_HEAD.pack(FORMAT, len(changes)), *(_CHANGE.pack(change.kind, change.node) for change in changes), context]
    return b"".join(parts)


def parse(body: bytes) -> tuple[tuple[NodeChange, ...], bytes]:
    """Read what `render` wrote: the changes and the context.

    Raises:
        MalformedError: It is too short, of another format, or a change names no node, no kind or a node twice.
    """
    if len(body) < _HEAD.size:
        raise MalformedError(f"{len(body)} bytes; the head alone has {_HEAD.size}")
    form, count = _HEAD.unpack_from(body)
    end = _HEAD.size + count * _CHANGE.size
    if form != FORMAT:
        raise MalformedError(f"format {form}; only {FORMAT} is known")
    if count > CHANGES_MAX:
        raise MalformedError(f"{count} changes; at most {CHANGES_MAX}")
    if len(body) < end:
        raise MalformedError(f"{len(body)} bytes; {count} changes need {end}")
    changes = tuple(_change(kind, node) for kind, node in _CHANGE.iter_unpack(body[_HEAD.size : end]))
    if len({change.node for change in changes}) != count:
        raise MalformedError("a node is changed twice")
    return changes, body[end:]


def _change(kind: int, node: int) -> NodeChange:
    """One change, checked."""
    if node == NOBODY:
        raise MalformedError("a change of node 0, which is nobody")
    try:
        return NodeChange(ChangeKind(kind), NodeId(node))
    except ValueError as error:
        raise MalformedError(f"kind of change {kind} is unknown") from error
