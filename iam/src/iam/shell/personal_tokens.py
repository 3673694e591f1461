"""Personal access tokens: for scripts of a person. Only a digest is kept; iam gives an access token for one.

Services verify offline and know no digests, so a script (or the gateway for it) exchanges the token for an access token
of an hour. That carries the personal token's id as its session, so deleting the one ends the other at once, and its
scopes as a narrowing.
"""

from __future__ import annotations

import logging

from google.protobuf.timestamp_pb2 import Timestamp

from iam.shell.keep import Keep, digest
from iam.shell.people import People, path_of
from iam.shell.sessions import Sessions
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.iam.v1 import identity_state_pb2 as state_pb
from ultracloud.api.rpc import Call
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError, UnauthenticatedError
from ultracloud.base.ids import is_id
from ultracloud.base.narrowing import make_narrowing
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import PERSONAL_PREFIX, principal_of
from ultracloud.servicekit.clock import Clock, new_id

PREFIX = "pat"
"""Of the ids of personal access tokens."""
SECRET_BYTES = 32
TTL_S_MIN, TTL_S_MAX, TTL_S_DEFAULT = 3600, 366 * 86_400, 30 * 86_400
TOKENS_MAX = 50
"""Of one user."""
NAME_LENGTH_MAX = 100
USED_MS = 60_000
"""How exactly it is kept when a token was last used: a write a minute, not one a call."""

_audit = logging.getLogger("audit")


class PersonalTokensServer:
    """Serves ultracloud.iam.v1.PersonalTokens."""

    def __init__(self, keep: Keep, sessions: Sessions, people: People, clock: Clock) -> None:
        self._keep = keep
        self._sessions = sessions
        self._people = people
        self._clock = clock

    async def create(self, request: pb.CreatePersonalTokenRequest, call: Call) -> pb.CreatePersonalTokenResponse:
        """Make one; its text is in the answer and nowhere else."""
        with deadlines.inside(call):
            user = await self._people.oneself(call, "iam.personaltokens.create")
            if principal_of(call).narrowings:
                raise FailedPreconditionError(
                    "a token that has been narrowed makes no other; log in", reason="TOKEN_NARROWED"
                )
            identifier = user.metadata.id
            if len(await self._keep.list(_key(identifier, ""), state_pb.PersonalTokenState, TOKENS_MAX)) >= TOKENS_MAX:
                raise FailedPreconditionError(
                    f"you have {TOKENS_MAX} personal access tokens; delete one first", reason="TOO_MANY_TOKENS"
                )
            text = PERSONAL_PREFIX + encoded(self._clock.entropy(SECRET_BYTES))
            state = self._state(request, identifier, text)
            kept = await self._keep.get(_key(identifier, state.id), state_pb.PersonalTokenState)
            by_digest = {
                _digest_key(text): state_pb.PersonalTokenState(
                    id=state.id, user=identifier, ends_at_ms=state.ends_at_ms
                ).SerializeToString()
            }
            assert await self._keep.write(kept, state, by_digest), state.id
            _audit.info("make a personal token of %s", path_of(user), extra={"token": state.id})
            return pb.CreatePersonalTokenResponse(token=text, personal_token=_shown(state))

    async def list(self, request: pb.ListPersonalTokensRequest, call: Call) -> pb.ListPersonalTokensResponse:
        """Say which a user has."""
        with deadlines.inside(call):
            # Who may delete them may see them.
            user = await self._people.other(call, "iam.personaltokens.delete", request.project, request.ref)
            found = await self._keep.list(_key(user.metadata.id, ""), state_pb.PersonalTokenState, TOKENS_MAX)
            return pb.ListPersonalTokensResponse(items=[_shown(state) for state in found])

    async def delete(self, request: pb.DeletePersonalTokenRequest, call: Call) -> pb.DeletePersonalTokenResponse:
        """Delete one; what it was exchanged for is refused from now on."""
        with deadlines.inside(call):
            user = await self._people.other(call, "iam.personaltokens.delete", request.project, request.ref)
            identifier = user.metadata.id
            key = _key(identifier, request.id)
            is_one = is_id(request.id, PREFIX)
            state = await self._keep.take(key, state_pb.PersonalTokenState) if is_one else None
            if state is None:
                raise NotFoundError(f"no personal access token {request.id[:80]!a}", reason="TOKEN_NOT_FOUND")
            await self._sessions.revoke(identifier, [state.id])
            _audit.info("delete a personal token of %s", path_of(user), extra={"token": state.id})
            return pb.DeletePersonalTokenResponse()

    async def exchange(self, request: pb.ExchangePersonalTokenRequest, call: Call) -> pb.ExchangePersonalTokenResponse:
        """Give an access token for one."""
        with deadlines.inside(call):
            token, expires_at_s = await self.exchanged(request.token)
            return pb.ExchangePersonalTokenResponse(access_token=token, expires_at=Timestamp(seconds=expires_at_s))

    async def exchanged(self, text: str) -> tuple[str, int]:
        """An access token for a personal one, and when it ends.

        Raises:
            UnauthenticatedError: It is none, has expired or been deleted, or its user may not log in.
        """
        found = (await self._keep.get(_digest_key(text), state_pb.PersonalTokenState)).message
        kept = await self._keep.get(_key(found.user, found.id), state_pb.PersonalTokenState)
        user = await self._people.by_id(found.user) if kept.is_there else None
        if user is None or user.spec.disabled or not text.startswith(PERSONAL_PREFIX):
            raise UnauthenticatedError(
                "the personal access token is unknown, expired or deleted",
                hint="make a new one",
                reason="TOKEN_UNKNOWN",
            )
        state, now_ms = kept.message, self._clock.now_ms()
        if now_ms >= state.used_at_ms + USED_MS:
            state.used_at_ms = now_ms
            await self._keep.write(kept, state)  # lost to another use at the same time, which says the same
        narrowing = make_narrowing(state.place, state.scopes)
        narrowings = (narrowing,) if state.place or state.scopes else ()
        return self._sessions.access_token(user, state.id, narrowings)

    def _state(self, request: pb.CreatePersonalTokenRequest, user: str, text: str) -> state_pb.PersonalTokenState:
        ttl_s, now_ms = request.ttl_s or TTL_S_DEFAULT, self._clock.now_ms()
        if not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
            raise InvalidArgumentError(
                f"ttl_s {ttl_s} is out of range; accepted: {TTL_S_MIN} to {TTL_S_MAX} seconds",
                reason="TTL_OUT_OF_RANGE",
            )
        if not 0 < len(request.name) <= NAME_LENGTH_MAX or not request.name.isprintable():
            raise InvalidArgumentError(
                f"name is empty or over {NAME_LENGTH_MAX} printable characters; say what the token is for",
                reason="NAME_INVALID",
            )
        narrowing = make_narrowing(request.place, request.scopes)
        return state_pb.PersonalTokenState(
            id=new_id(self._clock, PREFIX),
            user=user,
            name=request.name,
            scopes=sorted(narrowing.permissions),
            place=narrowing.place,
            created_at_ms=now_ms,
            digest=bytes.fromhex(digest(text)),
            ends_at_ms=now_ms + ttl_s * 1000,
        )


def _key(user: str, identifier: str) -> bytes:
    return f"~p/{user}/{identifier}".encode()


def _digest_key(text: str) -> bytes:
    return f"~h/{digest(text)}".encode()


def _shown(state: state_pb.PersonalTokenState) -> pb.PersonalToken:
    shown = pb.PersonalToken(id=state.id, name=state.name, scopes=state.scopes, place=state.place)
    shown.created_at.FromMilliseconds(state.created_at_ms)
    shown.expires_at.FromMilliseconds(state.ends_at_ms)
    if state.used_at_ms:
        shown.used_at.FromMilliseconds(state.used_at_ms)
    return shown
