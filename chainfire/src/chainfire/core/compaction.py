"""When a leader compacts by itself: by the number of revisions kept, or by their age.

Source: etcd 3.5's `--auto-compaction-mode`; its periodic mode keeps at least what was asked for, and so does this.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SLACK_PART = 10
"""A tenth over its bound makes a compaction worth its walk."""
SAMPLES_MAX = 100
"""Moments remembered of a period: a compaction may come late by a hundredth of it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept.

    Attributes:
        revisions: How many revisions; 0 does not count them.
        period_ms: For how long; 0 does not look at age.
    """

    revisions: int = 0
    period_ms: int = 0


class AutoCompaction:
    """Decides on the leader; a new one begins to remember anew, and so keeps longer."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._seen: deque[tuple[int, int]] = deque()

    def due(self, revision: int, compacted: int, now_ms: int) -> int:
        """The revision to compact at now; 0 if there is none."""
        policy = self._policy
        targets = [self._aged(revision, now_ms)]
        if policy.revisions and revision - max(compacted, 0) > policy.revisions + policy.revisions // SLACK_PART:
            targets.append(revision - policy.revisions)
        target = max(targets)
        return target if target > compacted else 0

    def _aged(self, revision: int, now_ms: int) -> int:
        """The newest revision that is older than the period; 0 if there is none."""
        period, seen = self._policy.period_ms, self._seen
        if not period:
            return 0
        if not seen or now_ms - seen[-1][0] >= period // SAMPLES_MAX:
            seen.append((now_ms, revision))
        found = 0
        while seen and now_ms - seen[0][0] >= period:
            found = seen.popleft()[1]
        return found
