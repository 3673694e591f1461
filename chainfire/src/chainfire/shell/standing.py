"""What a member may answer where it stands: a learner little, and without a leader nothing for those who ask for one.

Source: etcd 3.5's interceptors as observed; the metadata that its clients send with `WithRequireLeader`.
"""

from __future__ import annotations

from chainfire.errors import LearnerRpcError, NoLeaderError
from chainfire.shell.node import Node
from ultracloud.api.rpc import Call
from ultracloud.wire import Interceptor

REQUIRE_LEADER_KEY, REQUIRE_LEADER = "hasleader", "true"
SERVED_BY_LEARNERS = frozenset(
    {
        "/etcdserverpb.Maintenance/Status",
        "/etcdserverpb.Maintenance/Snapshot",
        # Serializable ones; the others are refused where that is seen.
        "/etcdserverpb.KV/Range",
    }
)
_OURS = "/etcdserverpb."


def requires_leader(call: Call) -> bool:
    """Whether a client would rather have an error than wait for a leader."""
    return call.metadata.get(REQUIRE_LEADER_KEY) == REQUIRE_LEADER


class Standing(Interceptor):
    """Refuses what this member cannot answer now."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def admit(self, call: Call, /) -> None:
        """Let a call in.

        Raises:
            LearnerRpcError: A learner does not answer this.
            NoLeaderError: The client asks for a leader and there is none.
        """
        node = self._node
        if not node.has_leader and requires_leader(call):
            raise NoLeaderError
        if node.is_learner and call.path not in SERVED_BY_LEARNERS and call.path.startswith(_OURS):
            raise LearnerRpcError

    def done(self, call: Call, code: int, seconds: float, /) -> None:
        """Nothing to do at the end."""
