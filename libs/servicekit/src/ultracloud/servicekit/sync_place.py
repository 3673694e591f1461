"""Where a batch waits for the disk: on the loop if it is a lone caller's and the disk is quick, else on a thread.

To hand a batch to a thread and back costs a lone caller 20 us, a fifth of a quick disk's sync: switches between threads
and a turn of the loop. But while the loop waits nobody else is served, so it does so only where nobody else asks for
anything, and only for a disk that was quick when it was last waited for. A disk that becomes slow from one moment to
the next stops the loop for one sync, and is then left to the thread for longer each time.
"""

from __future__ import annotations

QUICK_S = 0.001
"""A sync on the loop should take no longer: whoever asks meanwhile waits as long as that. Disks with a cache that
survives a power cut take a tenth of it; those without one are not waited for on the loop."""
PAUSE_MIN, PAUSE_MAX = 16, 1024
"""Batches that go to the thread after a sync that took longer: few where it was one of a hundred, many where all do."""


class SyncPlace:
    """Decides for one committer, batch by batch."""

    def __init__(self) -> None:
        self._asked = 0
        self._left = 0
        self._pause = PAUSE_MIN

    def is_here(self, asked: int, *, is_lone: bool) -> bool:
        """Whether to wait on the loop for the next batch.

        Args:
            asked: What callers have asked so far, of any kind.
            is_lone: Whether the batch is one caller's, and nobody waits for the next.
        """
        is_lone = is_lone and asked - self._asked <= 1
        self._asked = asked
        if self._left:
            self._left -= 1
            return False
        return is_lone

    def took(self, seconds: float, *, here: bool) -> None:
        """How long the disk took, and whether it was waited for on the loop."""
        if seconds > QUICK_S:
            self._left = self._pause
            if here:
                self._pause = min(2 * self._pause, PAUSE_MAX)
        elif here:
            self._pause = PAUSE_MIN
