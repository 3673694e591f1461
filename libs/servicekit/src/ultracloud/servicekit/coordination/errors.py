"""What etcd's sentences mean: a reason a program can match on, whether the request was surely not done, where to turn.

Source: etcd 3.5, api/v3rpc/rpctypes/error.go (codes and sentences only).
"""

from __future__ import annotations

from collections.abc import Mapping

from ultracloud.base.faults import AbortedError, DeadlineExceededError, Fault, OutOfRangeError, UnavailableError
from ultracloud.servicekit.channels import NotSentError

PREFIX = "etcdserver: "

REASONS: Mapping[str, str] = {
    "mvcc: required revision has been compacted": "COMPACTED",
    "mvcc: required revision is a future revision": "FUTURE_REVISION",
    "mvcc: database space exceeded": "NO_SPACE",
    "requested lease not found": "LEASE_GONE",
    "lease already exists": "LEASE_EXISTS",
    "key not found": "KEY_NOT_FOUND",
    "no leader": "NO_LEADER",
    "not leader": "NOT_LEADER",
    "leader changed": "LEADER_CHANGED",
    "request timed out": "UNCERTAIN",
    "request timed out, possibly due to previous leader failure": "UNCERTAIN",
    "request timed out, possibly due to connection lost": "UNCERTAIN",
    "rpc not supported for learner": "LEARNER",
    "server stopped": "STOPPED",
    "too many requests": "TOO_MANY_REQUESTS",
    "unhealthy cluster": "UNHEALTHY",
    "invalid auth token": "TOKEN_INVALID",
    "revision of auth store is old": "TOKEN_OLD",
    "user name is empty": "TOKEN_MISSING",
    "permission denied": "PERMISSION_DENIED",
}
"""What follows the prefix in a sentence of the server's, and our word for it."""

NOT_DONE = frozenset({"NO_LEADER", "NOT_LEADER", "LEARNER"})
"""The server said so before it did anything: the request may go to another member, whatever it is."""
TOKEN = frozenset({"TOKEN_INVALID", "TOKEN_OLD", "TOKEN_MISSING"})
"""A new token may help; nothing was done."""


class CompactedError(OutOfRangeError):
    """The revision asked for is forgotten: read everything, then go on from that reading's revision.

    Attributes:
        compact_revision: The oldest that is still kept; 0 if the server did not say.
    """

    def __init__(self, wanted: int, compact_revision: int = 0) -> None:
        kept = f"; the oldest kept is {compact_revision}" if compact_revision else ""
        super().__init__(f"revision {wanted} is compacted{kept}; read again and go on from there", reason="COMPACTED")
        self.compact_revision = compact_revision


class LeaseLostError(AbortedError):
    """The lease is gone, or may be: what was done under it must be taken as somebody else's by now."""


def translate(fault: Fault) -> Fault:
    """The same fault, with the server's own sentence and our reason where it is one of etcd's."""
    sentence = next((text for text in (fault.public, fault.detail) if text.startswith(PREFIX)), "")
    if not sentence or isinstance(fault, CompactedError):
        return fault
    reason = REASONS.get(sentence.removeprefix(PREFIX), fault.reason if fault.reason != "PEER_DOWN" else "")
    made = type(fault)(sentence, reason=reason, hint=fault.hint, metadata=fault.metadata)
    made.__cause__ = fault
    return made


def is_not_done(fault: Fault) -> bool:
    """Whether the request surely had no effect and another member may do it."""
    return isinstance(fault, NotSentError) or fault.reason in NOT_DONE


def is_elsewhere(fault: Fault) -> bool:
    """Whether another member may do better."""
    return isinstance(fault, UnavailableError | DeadlineExceededError) or fault.reason in NOT_DONE
