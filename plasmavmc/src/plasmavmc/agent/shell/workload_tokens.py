"""Tokens for guests: asked for at the control plane, and kept for half of their lives.

Without the control plane there are none but those that are kept: who may be whom is not the host's to say.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.core.workload_tokens import Refusal, TokenWish, parse_wish
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import Fault, InvalidArgumentError, PermissionDeniedError
from ultracloud.servicekit.clock import Clock

KEPT_MAX = 1024
"""Tokens of a host: some of each VM; beyond, all are asked for anew."""

Issue = Callable[[VmId, str, int], Awaitable[pb.IssueWorkloadTokenResponse]]
"""Gives a token for a VM, an audience and a lifetime in seconds."""


class WorkloadTokens:
    """Answers guests."""

    def __init__(self, issue: Issue, clock: Clock) -> None:
        self._issue = issue
        self._clock = clock
        self._kept: dict[tuple[VmId, TokenWish], tuple[int, bytes]] = {}

    async def answer(self, vm: VmId, target: str, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        """Status, body and content type for a VM's question."""
        wish = parse_wish(target, headers)
        if isinstance(wish, Refusal):
            return _told(wish.status, wish.says)
        now_ms = self._clock.now_ms()
        until_ms, body = self._kept.get((vm, wish), (0, b""))
        if now_ms < until_ms:
            return 200, body, "application/json"
        try:
            made = await self._issue(vm, wish.audience, wish.ttl_s)
        except InvalidArgumentError as fault:
            return _told(400, fault.public)
        except PermissionDeniedError:  # why is the tenant's to see at the control plane, not the guest's
            return _told(404, "this VM runs as no service account that gets tokens")
        except Fault:
            return _told(503, "no token can be had now; try again in a moment")
        expires_ms = made.expires_at.seconds * 1000
        body = json.dumps({"token": made.token, "expires_at": made.expires_at.ToJsonString()}).encode()
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[vm, wish] = ((now_ms + expires_ms) // 2, body)
        return 200, body, "application/json"


def _told(status: int, says: str) -> tuple[int, bytes, str]:
    return status, f"{says}\n".encode(), "text/plain"
