"""The Sessions service: log in without a browser, renew, list, end."""

from __future__ import annotations

import logging

from google.protobuf.timestamp_pb2 import Timestamp

from iam.shell.logins import Logins, Proof
from iam.shell.people import People, address_of, path_of
from iam.shell.sessions import Issued, Sessions, Wish
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.iam.v1 import identity_state_pb2 as state_pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import Fault
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.resources.denials import note_asked

_audit = logging.getLogger("audit")


class SessionsServer:
    """Serves ultracloud.iam.v1.Sessions."""

    def __init__(self, logins: Logins, sessions: Sessions, people: People) -> None:
        self._logins = logins
        self._sessions = sessions
        self._people = people

    async def login(self, request: pb.LoginRequest, call: Call) -> pb.LoginResponse:
        """Begin a session."""
        with deadlines.inside(call):
            source = address_of(call)
            note_asked(call, "", request.login)
            try:
                who = await self._logins.prove(Proof(request.login, request.password, request.code, source))
            except Fault as fault:
                _audit.info("login refused: %s", fault.reason, extra={"login": request.login[:80], "source": source})
                raise
            session = await self._sessions.begin(who, Wish(request.client or "command line", source))
            extra = {"principal": f"user:{session.user}", "session": session.id, "source": source}
            _audit.info("login of %s", path_of(who.user), extra=extra)
            return _response(await self._sessions.issue(who.user, session))

    async def refresh(self, request: pb.RefreshRequest, call: Call) -> pb.LoginResponse:
        """Give new tokens for a refresh token."""
        with deadlines.inside(call):
            user, session = await self._sessions.refresh(request.refresh_token)
            return _response(await self._sessions.issue(user, session))

    async def list(self, request: pb.ListSessionsRequest, call: Call) -> pb.ListSessionsResponse:
        """Say where a user is logged in."""
        with deadlines.inside(call):
            # Who may end them may see them; that somebody reads everything else is no reason to show where people are.
            user = await self._people.other(call, "iam.sessions.revoke", request.project, request.ref)
            current = principal_of(call).session
            states = await self._sessions.list(user.metadata.id)
            return pb.ListSessionsResponse(items=[_session(state, current) for state in states])

    async def revoke(self, request: pb.RevokeSessionRequest, call: Call) -> pb.RevokeSessionResponse:
        """End one."""
        with deadlines.inside(call):
            user = await self._people.other(call, "iam.sessions.revoke", request.project, request.ref)
            await self._sessions.end_one(user.metadata.id, request.session)
            self._told(call, "end session", path_of(user))
            return pb.RevokeSessionResponse()

    async def revoke_all(self, request: pb.RevokeAllSessionsRequest, call: Call) -> pb.RevokeAllSessionsResponse:
        """End all, or all others."""
        with deadlines.inside(call):
            user = await self._people.other(call, "iam.sessions.revokeall", request.project, request.ref)
            current = principal_of(call).session if request.keep_current else ""
            ended = await self._sessions.end_all(user.metadata.id, current)
            self._told(call, "end all sessions", path_of(user))
            return pb.RevokeAllSessionsResponse(revoked=ended)

    def _told(self, call: Call, deed: str, path: str) -> None:
        _audit.info("%s of %s", deed, path, extra={"principal": principal_of(call).id, "resource": path})


def _response(issued: Issued) -> pb.LoginResponse:
    return pb.LoginResponse(
        access_token=issued.access_token,
        expires_at=Timestamp(seconds=issued.expires_at_s),
        refresh_token=issued.refresh_token,
        session=issued.session.id,
    )


def _session(state: state_pb.SessionState, current: str) -> pb.Session:
    shown = pb.Session(
        id=state.id,
        client=state.client,
        source=state.source,
        methods=state.methods,
        is_current=state.id == current,
    )
    shown.created_at.FromMilliseconds(state.created_at_ms)
    shown.used_at.FromMilliseconds(state.used_at_ms)
    shown.expires_at.FromMilliseconds(state.ends_at_ms)
    return shown
