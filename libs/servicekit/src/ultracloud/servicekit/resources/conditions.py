"""Conditions: what a resource's status says to people and programs, one a type."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources.records import timestamp

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
