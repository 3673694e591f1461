"""What a member is told that is to join a running cluster: which cluster, which member it is, and where the others are.

It holds no secret: who may be a member is decided by certificates. It saves the joining member from asking, and a
person from copying three settings.
"""

from __future__ import annotations

import base64
import binascii
import json

from chainfire.core.calls import Roster
from chainfire.core.membership import Member

PREFIX = "chainfire-join-1."
"""Names the format and its version."""


class MalformedTokenError(ValueError):
    """Text that is no join token."""


def render(roster: Roster, joining: int) -> str:
    """The token for the member `joining`, which is one of the roster's."""
    told = {
        "cluster": f"{roster.cluster_id:x}",
        "member": f"{joining:x}",
        "members": [
            {"id": f"{each.member_id:x}", "name": each.name, "urls": list(each.peer_urls), "learner": each.is_learner}
            for each in roster.members
        ],
    }
    text = json.dumps(told, separators=(",", ":")).encode()
    return PREFIX + base64.urlsafe_b64encode(text).decode().rstrip("=")


def parse(token: str) -> tuple[Roster, int]:
    """The cluster and its members, and which of them the token is for.

    Raises:
        MalformedTokenError: It is no token of this version.
    """
    if not token.startswith(PREFIX):
        raise MalformedTokenError(f"a join token begins with {PREFIX}; 'chainfire member add' prints one")
    text = token[len(PREFIX) :].strip()
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        members = tuple(
            Member(int(each["id"], 16), each["name"], tuple(each["urls"]), is_learner=bool(each["learner"]))
            for each in told["members"]
        )
        return Roster(int(told["cluster"], 16), members), int(told["member"], 16)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise MalformedTokenError(
            "the join token is damaged; copy all of what 'chainfire member add' printed"
        ) from error
