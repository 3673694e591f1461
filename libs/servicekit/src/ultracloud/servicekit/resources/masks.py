"""Field masks: which part of a spec an update is about. Pure.

A path names a field of spec, ``egress_nat``, or one within it, ``source.image``; ``labels`` means all labels and
``labels.tier`` one. A field the mask names and the request leaves out is cleared. An empty mask means the whole spec,
and labels if any were sent: none sent is no wish to drop them.

Source: google.protobuf.FieldMask, AIP-134.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import copy, metadata_of, shaped, spec_of

PATHS_MAX = 100
"""Paths of one mask: more than any spec has fields."""
LABELS = "labels"


def masked(
    kind: Kind[MessageT], old: MessageT, spec: Message, labels: Mapping[str, str], mask: Sequence[str]
) -> MessageT:
    """A copy of `old` that has from `spec` and `labels` what `mask` names.

    Raises:
        InvalidArgumentError: The mask names a field that spec has not, or one that cannot change.
    """
    new = copy(old)
    if len(mask) > PATHS_MAX:
        raise InvalidArgumentError(
            f"update_mask has {len(mask)} paths; at most {PATHS_MAX} are accepted", reason="UPDATE_MASK_INVALID"
        )
    if not mask:
        shaped(new).spec.CopyFrom(spec)
        _take_labels(new, labels, LABELS if labels else "")
    for path in mask:
        if path == LABELS or path.startswith(f"{LABELS}."):
            _take_labels(new, labels, path)
        else:
            _check(kind, spec, path)
            _take(spec_of(new), spec, path.split("."))
    for name in sorted(kind.immutable):
        if getattr(spec_of(new), name) != getattr(spec_of(old), name):
            raise InvalidArgumentError(
                f"{name} of a {kind.key} cannot change; delete it and make a new one", reason="FIELD_IMMUTABLE"
            )
    return new


def _check(kind: Kind[MessageT], spec: Message, path: str) -> None:
    """Refuse a path that leads nowhere, or into a list or a map, where nobody could say which element is meant."""
    fields, passed = spec.DESCRIPTOR.fields_by_name, ""
    for name in path.split("."):
        if name not in fields:
            accepted = [f"{passed}{known}" for known in fields] or [f"{passed.rstrip('.')} as a whole"]
            raise InvalidArgumentError(
                f"update_mask has {path[:60]!a}, which is no field of {kind.name}.spec; "
                f"accepted: {', '.join(accepted if passed else [*accepted, LABELS])}",
                reason="UPDATE_MASK_INVALID",
            )
        inner = None if fields[name].is_repeated else fields[name].message_type
        fields, passed = inner.fields_by_name if inner is not None else {}, f"{passed}{name}."


def _take(target: Message, source: Message, path: Sequence[str]) -> None:
    """Make the field at `path` of `target` what it is in `source`."""
    name, *rest = path
    if rest and (target.HasField(name) or source.HasField(name)):
        _take(getattr(target, name), getattr(source, name), rest)
    elif not rest:
        target.ClearField(name)
        partial = copy(source)
        for other in source.DESCRIPTOR.fields_by_name:
            if other != name:
                partial.ClearField(other)
        target.MergeFrom(partial)


def _take_labels(target: MessageT, labels: Mapping[str, str], path: str) -> None:
    """Take all labels, or the one that the path names; nothing without a path."""
    mine = metadata_of(target).labels
    if path == LABELS:
        mine.clear()
        mine.update(labels)
    elif path:
        key = path.removeprefix(f"{LABELS}.")
        mine.pop(key, None)
        mine.update({key: labels[key]} if key in labels else {})
