"""Conditions: what a resource's status says to people and programs, one a type."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import Message

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources.records import conditions_of, timestamp

MESSAGE_LENGTH_MAX = 1000
"""Characters of a condition's sentence."""


class Truth(enum.Enum):
    """Whether a condition holds."""

    TRUE = pb.Condition.TRUE
    FALSE = pb.Condition.FALSE
    UNKNOWN = pb.Condition.UNKNOWN


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as a planner decides it.

    Attributes:
        type: ``Ready``, ``Placed``.
        reason: One word from the kind's closed list.
        message: One sentence for a person.
        observed_generation: The generation of spec this was decided on.
    """

    type: str
    status: Truth
    reason: str
    message: str = ""
    observed_generation: int = 0


def merge(old: Iterable[pb.Condition], new: Iterable[Condition], now_ms: int) -> list[pb.Condition]:
    """`old` with those of the same type replaced by `new`, in a stable order.

    The time of transition moves only when the status does: it tells since when. What was decided on an older generation
    than what is known replaces nothing; it comes from somebody who has not heard of the change yet.
    """
    merged = {condition.type: condition for condition in old}
    for condition in new:
        before = merged.get(condition.type)
        if before is not None and 0 < condition.observed_generation < before.observed_generation:
            continue
        stays = before is not None and before.status == condition.status.value
        message = pb.Condition(
            type=condition.type,
            status=condition.status.value,
            reason=condition.reason,
            message=condition.message[:MESSAGE_LENGTH_MAX],
            observed_generation=condition.observed_generation,
            last_transition_time=before.last_transition_time if before is not None and stays else timestamp(now_ms),
        )
        merged[condition.type] = message
    return [merged[name] for name in sorted(merged)]


def put(message: Message, now_ms: int, new: Iterable[Condition]) -> None:
    """Merge conditions into the status of a message that is about to be written: in `admit`, or in a status change."""
    target = conditions_of(message)
    merged = merge(target, new, now_ms)
    del target[:]
    target.extend(merged)


def find(message: Message, kind: str) -> pb.Condition | None:
    """The condition of one type; None if nothing has been said."""
    return next((one for one in conditions_of(message) if one.type == kind), None)


def holds(message: Message, kind: str) -> bool:
    """Whether a condition is true."""
    found = find(message, kind)
    return found is not None and found.status == pb.Condition.TRUE


def news(message: Message, new: Iterable[Condition]) -> list[Condition]:
    """Those that say what is not said already: who repeats a report need not write it again."""
    said = {(one.type, one.status, one.reason, one.message, one.observed_generation) for one in conditions_of(message)}
    return [
        one for one in new if (one.type, one.status.value, one.reason, one.message, one.observed_generation) not in said
    ]


def turns(old: Message | None, new: Message) -> list[pb.Condition]:
    """The conditions that became, or stopped being, true, or are so for another reason."""
    before = {one.type: (one.status, one.reason) for one in conditions_of(old)} if old is not None else {}
    return [one for one in conditions_of(new) if before.get(one.type) != (one.status, one.reason)]
