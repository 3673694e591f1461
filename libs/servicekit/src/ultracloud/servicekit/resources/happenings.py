"""Events of a resource: what happened to it, said once with a count, the newest few. Pure.

They are for people who ask why, and go with the resource. What programs act on is in conditions.

Source: Kubernetes, "Event v1": series and counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources.records import timestamp

EVENTS_MAX = 32
"""Events of one resource: what happened last; it is one value in the store, rewritten with each."""
MESSAGE_LENGTH_MAX = 1000
"""Characters of an event's sentence, as of a condition's."""
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")


def turned(known: Sequence[pb.ObjectEvent], conditions: Sequence[pb.Condition], now_ms: int) -> list[pb.ObjectEvent]:
    """`known`, and that conditions have turned; what says no sentence says which it is and how."""
    after = list(known)
    for one in conditions:
        word = pb.Condition.Status.Name(one.status).lower()
        after = happened(after, one.reason, one.message or f"{one.type} is {word}", now_ms)
    return after


def happened(known: Sequence[pb.ObjectEvent], reason: str, message: str, now_ms: int) -> list[pb.ObjectEvent]:
    """`known` and one more: the same reason and message count up, and the oldest beyond EVENTS_MAX go.

    `known` stays as it is. Oldest first, by when it happened last.
    """
    assert _REASON.fullmatch(reason), f"{reason} is no single word such as PlacementFailed"
    said, now = message[:MESSAGE_LENGTH_MAX], timestamp(now_ms)
    others = [one for one in known if (one.reason, one.message) != (reason, said)]
    same = next((one for one in known if (one.reason, one.message) == (reason, said)), None)
    newest = pb.ObjectEvent(
        reason=reason,
        message=said,
        count=same.count + 1 if same is not None else 1,
        first_time=same.first_time if same is not None else now,
        last_time=now,
    )
    return [*others, newest][-EVENTS_MAX:]
