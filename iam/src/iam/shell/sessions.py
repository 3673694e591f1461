"""Sessions: one a login. What it gets are access tokens for an hour and a refresh token that is good once.

The session's id is in its tokens; ending it writes a revocation, which is part of the policy, so every service refuses
its tokens from the next request on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from iam.core.session_tokens import RefreshToken, Use, judge, parse_refresh, render_refresh
from iam.shell.keep import Keep
from iam.shell.keys import Keys
from iam.shell.logins import Authenticated
from iam.shell.people import People
from iam.shell.secrets_of_users import UserSecrets
from iam.shell.source import REVOKED, Source
from iam.shell.tokens import signed
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.attenuation import KEY_BYTES
from ultracloud.base.ed25519 import Ed25519
from ultracloud.base.faults import Fault, NotFoundError, UnauthenticatedError
from ultracloud.base.ids import is_id
from ultracloud.base.narrowing import Narrowing
from ultracloud.base.principals import USER_PREFIX
from ultracloud.base.tokens import AUDIENCE, CLOCK_SKEW_S, Claims
from ultracloud.servicekit.clock import Clock, new_id
from ultracloud.servicekit.store import Store, prefix_end
from ultracloud.servicekit.store.interface import PAGE_MAX

PREFIX = "ses"
"""Of the ids of sessions."""
ACCESS_TTL_S = 3600
SESSION_DAYS = 30
"""A laptop that is used every month stays logged in until then."""
SESSIONS_MAX = 100
"""Sessions of one user; the one unused for the longest gives way, or a script that logs in fills the store."""
CLIENT_LENGTH_MAX = 200
REVOKED_MS = (ACCESS_TTL_S + CLOCK_SKEW_S) * 1000
"""How long a revocation is kept: by then the last token has expired by itself."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What somebody is given: `refresh_token` is empty where there is none."""

    access_token: str
    expires_at_s: int
    refresh_token: str
    session: pb.SessionState


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session is to be.

    Attributes:
        client: What people call the program or computer.
        source: Address it is made from.
        client_id: OAuth client it is made for; empty for our own login.
        scope: What that asked for.
        is_browser: Good for getting codes and nothing else.
    """

    client: str
    source: str
    client_id: str = ""
    scope: str = ""
    is_browser: bool = False


class Sessions:
    """Makes, renews and ends sessions.

    Args:
        store: One whose writes are done when the policy has them.
    """

    def __init__(
        self, keep: Keep, store: Store, source: Source, keys: Keys, secrets: UserSecrets, people: People, clock: Clock
    ) -> None:
        self._keep = keep
        self._store = store
        self._source = source
        self._keys = keys
        self._secrets = secrets
        self._people = people
        self._clock = clock

    async def begin(self, who: Authenticated, wish: Wish) -> pb.SessionState:
        """A new session of who has just proved who they are."""
        now_ms = self._clock.now_ms()
        state = pb.SessionState(
            id=new_id(self._clock, PREFIX),
            user=who.user.metadata.id,
            client=wish.client[:CLIENT_LENGTH_MAX],
            source=wish.source,
            created_at_ms=who.at_ms,
            used_at_ms=now_ms,
            methods=who.methods,
            generation=1,
            rotated_at_ms=now_ms,
            client_id=wish.client_id,
            scope=wish.scope,
            is_browser=wish.is_browser,
            ends_at_ms=now_ms + SESSION_DAYS * 86_400_000,
        )
        await self._make_room(state.user)
        await self._keep.change(_key(state.user, state.id), pb.SessionState, lambda message: message.CopyFrom(state))
        return state

    async def issue(self, user: iam_pb2.User, session: pb.SessionState) -> Issued:
        """Tokens for the newest state of a session."""
        token, expires_at_s = self.access_token(user, session.id)
        refresh = RefreshToken(session.user, session.id, session.generation)
        return Issued(token, expires_at_s, render_refresh(refresh, await self._secrets.mac_key()), session)

    def access_token(
        self, user: iam_pb2.User, session: str, narrowings: tuple[Narrowing, ...] = (), audience: str = AUDIENCE
    ) -> tuple[str, int]:
        """A signed token of a user, and when it ends; for our API it can be narrowed.

        Raises:
            UnavailableError: The signing keys have not been read since the start.
        """
        now_s = self._clock.now_ms() // 1000
        secret = self._clock.entropy(KEY_BYTES) if audience == AUDIENCE else b""
        claims = Claims(
            subject=user.metadata.id,
            organisation=user.metadata.project,
            project="",
            issued_at_s=now_s,
            expires_at_s=now_s + ACCESS_TTL_S,
            token_id=new_id(self._clock, "token"),
            policy_version=self._source.snapshot.policy.version,
            session=session,
            audience=audience,
            narrowings=narrowings,
            key=Ed25519().public_of(secret) if secret else b"",
        )
        return signed(self._keys, claims, secret), claims.expires_at_s

    async def refresh(self, text: str, client_id: str = "") -> tuple[iam_pb2.User, pb.SessionState]:
        """The session whose refresh token this is, moved on to the next one.

        Raises:
            UnauthenticatedError: It is no good: forged, ended, of another client, or used before; then the session has
                ended now.
        """
        token = parse_refresh(text, await self._secrets.mac_key())
        if token is None:
            raise _refused()

        def turn(state: pb.SessionState) -> None:
            if state.id != token.session or state.client_id != client_id or state.is_browser:
                raise _refused()
            now_ms = self._clock.now_ms()
            match judge(token.number, state.generation, state.rotated_at_ms, now_ms):
                case Use.REUSED:
                    raise _ReusedError
                case Use.NEWEST:
                    state.generation, state.rotated_at_ms = token.number + 1, now_ms
                case Use.REPEATED:
                    pass
            state.used_at_ms = now_ms

        try:
            state = await self._keep.change(_key(token.user, token.session), pb.SessionState, turn)
        except _ReusedError:
            await self.end(token.user, [token.session])
            raise _refused("; it was used before, so its session has been ended: somebody else may have it") from None
        user = await self._people.by_id(token.user)
        if user is None or user.spec.disabled:
            raise _refused()
        return user, state

    async def find(self, user: str, session: str) -> pb.SessionState | None:
        """A session that has not ended."""
        if not is_id(session, PREFIX):
            return None
        kept = await self._keep.get(_key(user, session), pb.SessionState)
        return kept.message if kept.is_there else None

    async def list(self, user: str) -> list[pb.SessionState]:
        """All sessions of a user, the newest first."""
        return list(reversed(await self._keep.list(_key(user, ""), pb.SessionState, SESSIONS_MAX * 2)))

    async def end(self, user: str, sessions: Sequence[str]) -> None:
        """End sessions; their tokens are refused from now on, everywhere."""
        if sessions:
            await self.revoke(user, sessions)
            for session in sessions:
                await self._store.txn({}, {_key(user, session): None})

    async def end_all(self, user: str, but: str = "") -> int:
        """End all sessions of a user, but for one; gives how many."""
        ended = [state.id for state in await self.list(user) if state.id != but]
        await self.end(user, ended)
        return len(ended)

    async def end_one(self, user: str, session: str) -> None:
        """End one.

        Raises:
            NotFoundError: The user has none with this id.
        """
        if await self.find(user, session) is None:
            raise NotFoundError(f"no session {session[:80]!a}", reason="SESSION_NOT_FOUND")
        await self.end(user, [session])

    async def revoke(self, user: str, sessions: Sequence[str]) -> None:
        """Have tokens refused that carry these ids: of sessions, or of personal access tokens."""
        until_ms = self._clock.now_ms() + REVOKED_MS
        said = [
            iam_pb2.PolicyRevocation(session=session, principal=f"{USER_PREFIX}{user}", until_ms=until_ms)
            for session in sessions
        ]
        await self._store.txn({}, {REVOKED + one.session.encode(): one.SerializeToString() for one in said})

    async def sweep(self) -> None:
        """Remove revocations of tokens that have all expired, for ever."""
        while True:
            await self._clock.sleep(REVOKED_MS / 1000)
            try:
                await self.sweep_once()
            except Fault as error:
                logging.getLogger(__name__).info("the sweep waits for the store: %s", error)

    async def sweep_once(self) -> int:
        """Remove what revokes nothing any more; gives how many."""
        page = await self._store.scan(REVOKED, prefix_end(REVOKED), limit=PAGE_MAX)
        now_ms, removed = self._clock.now_ms(), 0
        for entry in page.entries:
            if iam_pb2.PolicyRevocation.FromString(entry.value).until_ms <= now_ms:
                await self._store.txn({entry.key: entry.version}, {entry.key: None})
                removed += 1
        return removed

    async def _make_room(self, user: str) -> None:
        states = await self.list(user)
        if len(states) >= SESSIONS_MAX:
            oldest = sorted(states, key=lambda state: state.used_at_ms)[: len(states) - SESSIONS_MAX + 1]
            await self.end(user, [state.id for state in oldest])


class _ReusedError(Exception):
    """A refresh token came a second time; never leaves this module."""


def _key(user: str, session: str) -> bytes:
    return f"~s/{user}/{session}".encode()


def _refused(why: str = "") -> UnauthenticatedError:
    return UnauthenticatedError(
        f"the refresh token is no good{why}", hint="log in again", reason="REFRESH_REUSED" if why else "REFRESH_INVALID"
    )
