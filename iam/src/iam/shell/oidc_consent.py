"""What people have agreed to: which program may know what of them, or act for them.

Once agreed, a program that can keep a secret is let in without a question until it wants more, or a year later. Anybody
can pretend to be one that cannot, so about such a one people are asked each time.
"""

from __future__ import annotations

from iam.core.oauth import Client, Request, is_remembered, must_ask
from iam.shell.keep import Keep
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.servicekit.clock import Clock

AGREED_MS = 365 * 86_400_000
"""A year: who uses a program less often than that does not remember what they said."""


class Consents:
    """Keeps what was agreed to."""

    def __init__(self, keep: Keep, clock: Clock) -> None:
        self._keep = keep
        self._clock = clock

    async def is_asked(self, user: str, wanted: Request, *, is_fresh: bool) -> bool:
        """Whether the user must be asked first; `is_fresh`: has just logged in on a page that names the program."""
        kept = await self._keep.get(_key(user, wanted.client), pb.ConsentState)
        return must_ask(wanted, frozenset(kept.message.scopes), is_fresh=is_fresh)

    async def agree(self, user: str, wanted: Request) -> None:
        """Remember that the user has let a program have what it wanted."""
        if not is_remembered(wanted.client):
            return

        def change(kept: pb.ConsentState) -> None:
            kept.scopes[:] = sorted({*kept.scopes, *wanted.scope.split()})
            kept.ends_at_ms = self._clock.now_ms() + AGREED_MS

        await self._keep.change(_key(user, wanted.client), pb.ConsentState, change)


def _key(user: str, client: Client) -> bytes:
    return f"~c/{user}/{client.id}".encode()
