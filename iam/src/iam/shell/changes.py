"""The last changes of the policy, for those who know an older version and are to be told only what is new."""

from __future__ import annotations

from collections import deque

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.servicekit.policy_wire import merge_deltas

CHANGES_MAX = 4096
"""A watcher that is further behind is sent everything; at a hundred changes a second that is 40 s."""
BYTES_MAX = 8 << 20
"""Of all kept changes."""


class Changes:
    """A bounded run of changes, each of which begins at the version that the one before it makes."""

    def __init__(self) -> None:
        self._messages: deque[tuple[pb.PolicySnapshot, int]] = deque()
        self._number_of_base: dict[int, int] = {}
        self._first = 0
        self._bytes = 0

    def append(self, message: pb.PolicySnapshot) -> None:
        """Remember a change."""
        size = message.ByteSize()
        self._number_of_base[message.base_version] = self._first + len(self._messages)
        self._messages.append((message, size))
        self._bytes += size
        while len(self._messages) > CHANGES_MAX or self._bytes > BYTES_MAX:
            oldest, size = self._messages.popleft()
            del self._number_of_base[oldest.base_version]
            self._bytes -= size
            self._first += 1

    def since(self, version: int) -> pb.PolicySnapshot | None:
        """All changes of the policy at `version` as one; None if they are not all here, or there are none."""
        number = self._number_of_base.get(version)
        if number is None:
            return None
        skipped = number - self._first
        messages = [self._messages[at][0] for at in range(skipped, len(self._messages))]
        return messages[0] if len(messages) == 1 else merge_deltas(messages)
