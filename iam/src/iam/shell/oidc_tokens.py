"""The token endpoint and what belongs to it: grants, revocation, introspection, who a token is of.

Source: RFC 6749 (4.1.3, 4.4, 6), RFC 7009 (revocation), RFC 7662 (introspection), RFC 8628 (device code), RFC 8693
(exchange of personal access tokens), OpenID Connect Core 1.0 (2, 3.1.3, 5.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jwt

from iam.core.oauth import (
    API_SCOPE,
    OFFLINE_SCOPE,
    Client,
    OAuthError,
    granted_scope,
    is_verified,
    left_half_hash,
    plain_user_code,
    user_code,
)
from iam.core.session_tokens import parse_refresh
from iam.core.throttle import Rule
from iam.shell.keep import Keep, digest
from iam.shell.keys import Keys
from iam.shell.logins import Authenticated, Logins
from iam.shell.oidc_login import code_key, device_key, user_code_key
from iam.shell.people import People
from iam.shell.personal_tokens import PersonalTokensServer
from iam.shell.secrets_of_users import UserSecrets
from iam.shell.sessions import ACCESS_TTL_S, Issued, Sessions, Wish
from iam.shell.source import Source
from iam.shell.tokens import signed
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.attenuation import KEY_BYTES, encoded
from ultracloud.base.ed25519 import Ed25519
from ultracloud.base.faults import UnauthenticatedError
from ultracloud.base.policy import revocation
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX, USER_PREFIX
from ultracloud.base.tokens import Claims, principal_of_claims
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.clock import Clock, new_id

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
DEVICE_S, INTERVAL_S = 600, 5
PER_DEVICE_SOURCE = Rule(free=60, pause_ms_max=60_000)
"""Requests for a device code, which anybody may make, from one address in an hour."""
DEVICE_BYTES = 32
PROFILE_SCOPE = "openid profile email groups"
"""What our own logins, which ask for no scope, may know of themselves."""

Answer = dict[str, object]


class TokenEndpoint:
    """Answers programs."""

    def __init__(
        self,
        keep: Keep,
        people: People,
        logins: Logins,
        sessions: Sessions,
        *,
        personal_tokens: PersonalTokensServer,
        secrets: UserSecrets,
        source: Source,
        keys: Keys,
        issuer: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._keep = keep
        self._people = people
        self._logins = logins
        self._sessions = sessions
        self._personal = personal_tokens
        self._secrets = secrets
        self._source = source
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._authenticator = Authenticator(source, clock)

    async def grant(self, client: Client, fields: Mapping[str, str], source: str) -> Answer:
        """What a client gets for what it brings.

        Raises:
            OAuthError: Nothing.
        """
        match fields.get("grant_type", ""):
            case "authorization_code":
                return await self._by_code(client, fields, source)
            case "refresh_token":
                return await self._by_refresh(client, fields)
            case "client_credentials":
                return await self._by_credentials(client, fields)
            case grant if grant == DEVICE_GRANT:
                return await self._by_device(client, fields, source)
            case grant if grant == EXCHANGE_GRANT:
                return await self._by_exchange(client, fields)
            case other:
                raise OAuthError("unsupported_grant_type", f"no grant {other[:80]!a} here")

    # ---- grants ------------------------------------------------------------------------------------------------------

    async def _by_code(self, client: Client, fields: Mapping[str, str], source: str) -> Answer:
        refusal = OAuthError("invalid_grant", "the code is unknown, used, expired, or not for this client")
        kept = await self._keep.get(code_key(fields.get("code", "")), pb.TicketState)
        ticket = kept.message
        if not kept.is_there or ticket.client_id != client.id:
            raise refusal
        if ticket.session:  # RFC 6749 4.1.2: somebody has stolen it, or what was made of it
            await self._sessions.end(ticket.user, [ticket.session])
            raise refusal
        if ticket.redirect_uri != fields.get("redirect_uri", ""):
            raise OAuthError("invalid_grant", "redirect_uri differs from the one of the request")
        if not is_verified(ticket.code_challenge, fields.get("code_verifier", "")):
            raise OAuthError("invalid_grant", "code_verifier does not match the code_challenge")
        user = await self._user(ticket.user)
        who = Authenticated(user, tuple(ticket.methods), ticket.authenticated_at_ms)
        session = await self._sessions.begin(who, Wish(client.name, source, client.id, ticket.scope))
        ticket.session = session.id
        if not await self._keep.write(kept, ticket):
            await self._sessions.end(ticket.user, [session.id])
            raise refusal
        return await self._answer(client, user, session, ticket.nonce)

    async def _by_refresh(self, client: Client, fields: Mapping[str, str]) -> Answer:
        try:
            user, session = await self._sessions.refresh(fields.get("refresh_token", ""), client.id)
        except UnauthenticatedError as fault:
            raise OAuthError("invalid_grant", fault.public) from None
        wanted = fields.get("scope", "")
        if not set(wanted.split()) <= set(session.scope.split()):
            raise OAuthError("invalid_scope", "the session has fewer scopes than that")
        return await self._answer(client, user, session)

    async def _by_credentials(self, client: Client, fields: Mapping[str, str]) -> Answer:
        policy = self._source.snapshot.policy
        account = policy.account_of_principal.get(f"{SERVICE_ACCOUNT_PREFIX}{client.service_account}")
        if client.is_public or not client.api_access or account is None or account.disabled:
            raise OAuthError(
                "unauthorized_client", f"{client.name} speaks for no service account, or has no api_access"
            )
        scope = granted_scope(client, fields.get("scope", "") or API_SCOPE)
        if scope != API_SCOPE:
            raise OAuthError("invalid_scope", f"a service account gets scope {API_SCOPE} and no other")
        now_s, secret = self._clock.now_ms() // 1000, self._clock.entropy(KEY_BYTES)
        claims = Claims(
            subject=account.id,
            organisation=policy.project_of_id[account.project].organisation,
            project=account.project,
            issued_at_s=now_s,
            expires_at_s=now_s + ACCESS_TTL_S,
            token_id=new_id(self._clock, "token"),
            policy_version=policy.version,
            key=Ed25519().public_of(secret),
        )
        token = signed(self._keys, claims, secret)
        return {"access_token": token, "token_type": "Bearer", "expires_in": ACCESS_TTL_S, "scope": scope}

    async def _by_device(self, client: Client, fields: Mapping[str, str], source: str) -> Answer:
        key = device_key(digest(fields.get("device_code", "")))
        kept = await self._keep.get(key, pb.DeviceState)
        state, now_ms = kept.message, self._clock.now_ms()
        if not kept.is_there or state.client_id != client.id:
            raise OAuthError("expired_token", "the device code is unknown, used or expired; begin again")
        if state.is_denied:
            await self._keep.write(kept, None)
            raise OAuthError("access_denied", "the user has refused")
        if state.user:
            if not await self._keep.write(kept, None):
                raise OAuthError("expired_token", "the device code has been used")
            user = await self._user(state.user)
            who = Authenticated(user, tuple(state.methods), state.authenticated_at_ms)
            session = await self._sessions.begin(who, Wish(client.name, source, client.id, state.scope))
            return await self._answer(client, user, session)
        is_early = now_ms < state.asked_at_ms + state.interval_s * 1000
        state.asked_at_ms = now_ms
        state.interval_s += INTERVAL_S if is_early else 0
        await self._keep.write(kept, state)  # lost to who let it in: the next time is soon
        if is_early:
            raise OAuthError("slow_down", f"wait {state.interval_s} s between two questions")
        raise OAuthError("authorization_pending", "the user has not answered yet")

    async def _by_exchange(self, client: Client, fields: Mapping[str, str]) -> Answer:
        if not client.api_access:
            raise OAuthError("unauthorized_client", f"{client.name} has no api_access")
        if fields.get("subject_token_type", "") != ACCESS_TOKEN_TYPE:
            raise OAuthError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN_TYPE}")
        try:
            token, expires_at_s = await self._personal.exchanged(fields.get("subject_token", ""))
        except UnauthenticatedError as fault:
            raise OAuthError("invalid_grant", fault.public) from None
        lives_s = expires_at_s - self._clock.now_ms() // 1000
        said: Answer = {"access_token": token, "token_type": "Bearer", "expires_in": lives_s, "scope": API_SCOPE}
        return {**said, "issued_token_type": ACCESS_TOKEN_TYPE}

    # ---- what belongs to it ------------------------------------------------------------------------------------------

    async def begin_device(self, client: Client, fields: Mapping[str, str], source: str) -> Answer:
        """Codes for a device and for the person in front of it (RFC 8628 3.2)."""
        scope = granted_scope(client, fields.get("scope", ""))
        await self._logins.count(f"device-source/{source}", PER_DEVICE_SOURCE)
        device, code = encoded(self._clock.entropy(DEVICE_BYTES)), user_code(self._clock.entropy(16))
        ends_at_ms = self._clock.now_ms() + DEVICE_S * 1000
        state = pb.DeviceState(
            client_id=client.id, scope=scope, user_code=code, interval_s=INTERVAL_S, ends_at_ms=ends_at_ms
        )
        by_code = pb.TicketState(challenge=digest(device).encode(), ends_at_ms=ends_at_ms)
        assert plain_user_code(code) == code, code
        await self._keep.change(user_code_key(code), pb.TicketState, lambda kept: kept.CopyFrom(by_code))
        await self._keep.change(device_key(digest(device)), pb.DeviceState, lambda kept: kept.CopyFrom(state))
        page = f"{self._issuer()}/device"
        return {
            "device_code": device,
            "user_code": code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={code}",
            "expires_in": DEVICE_S,
            "interval": INTERVAL_S,
        }

    async def revoke(self, client: Client, fields: Mapping[str, str]) -> None:
        """End the session a token is of, if it is this client's; whatever it is, the answer is the same."""
        found = await self._session_of(client, fields.get("token", ""))
        if found is not None:
            await self._sessions.end(found.user, [found.id])

    async def introspect(self, client: Client, fields: Mapping[str, str]) -> Answer:
        """What a token of this client is worth."""
        if client.is_public:
            raise OAuthError("invalid_client", "a public client cannot ask", 401)
        found = await self._session_of(client, fields.get("token", ""))
        if found is None:
            return {"active": False}
        return {
            "active": True,
            "scope": found.scope,
            "client_id": client.id,
            "sub": found.user,
            "iss": self._issuer(),
            "sid": found.id,
        }

    async def userinfo(self, token: str) -> Answer:
        """Who a token is of.

        Raises:
            OAuthError: It is no good, or leaves nothing to know.
        """
        try:
            claims = self._claims(token)
            revoked = revocation(self._source.snapshot.policy, principal_of_claims(claims))
            session = await self._sessions.find(claims.subject, claims.session)
        except UnauthenticatedError as fault:
            raise OAuthError("invalid_token", fault.public, 401) from None
        if revoked is not None or session is None:
            raise OAuthError("invalid_token", "the session has ended", 401)
        scope = session.scope if session.client_id else PROFILE_SCOPE
        if "openid" not in scope.split() or claims.narrowings:
            raise OAuthError("insufficient_scope", "the token has no scope openid", 403)
        return self._profile(await self._user(session.user), scope)

    # ---- what is in the answers --------------------------------------------------------------------------------------

    async def _answer(self, client: Client, user: iam_pb2.User, session: pb.SessionState, nonce: str = "") -> Answer:
        scopes = session.scope.split()
        issued = await self._sessions.issue(user, session)
        if API_SCOPE not in scopes:
            token, expires_at_s = self._sessions.access_token(user, session.id, audience=self._userinfo())
            issued = Issued(token, expires_at_s, issued.refresh_token, session)
        answer: Answer = {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": issued.expires_at_s - self._clock.now_ms() // 1000,
            "scope": session.scope,
        }
        if OFFLINE_SCOPE in scopes:
            answer["refresh_token"] = issued.refresh_token
        if "openid" in scopes:
            answer["id_token"] = self._id_token(client, user, session, issued.access_token, nonce)
        return answer

    def _id_token(
        self, client: Client, user: iam_pb2.User, session: pb.SessionState, access_token: str, nonce: str
    ) -> str:
        now_s = self._clock.now_ms() // 1000
        said: Answer = {
            "iss": self._issuer(),
            "aud": client.id,
            "iat": now_s,
            "exp": now_s + ACCESS_TTL_S,
            "auth_time": session.created_at_ms // 1000,
            "amr": list(session.methods),
            "sid": session.id,
            "at_hash": left_half_hash(access_token),
            **self._profile(user, session.scope),
        }
        if nonce:
            said["nonce"] = nonce
        kid, private = self._keys.p256_signer()
        return jwt.encode(said, private, algorithm="ES256", headers={"kid": kid})

    def _profile(self, user: iam_pb2.User, scope: str) -> Answer:
        """What the scopes say may be known of a user."""
        scopes, said = scope.split(), Answer(sub=user.metadata.id)
        if "profile" in scopes:
            login = self._people.login_of(user)
            said |= {"name": user.spec.display_name or user.metadata.name, "preferred_username": login}
            said["organisation"] = user.metadata.project
        if "email" in scopes and user.spec.email:
            said |= {"email": user.spec.email, "email_verified": False}
        if "groups" in scopes:
            policy = self._source.snapshot.policy
            named = policy.groups_of_member.get(f"{USER_PREFIX}{user.metadata.id}", ())
            # Of their own organisation: who else counts them in, this program need not know.
            groups = [policy.group_of_principal[one] for one in named if one in policy.group_of_principal]
            said["groups"] = sorted(one.name for one in groups if one.organisation == user.metadata.project)
        return said

    def _claims(self, token: str) -> Claims:
        try:
            return self._authenticator.claims_of_token(token)
        except UnauthenticatedError as fault:
            if fault.reason != "TOKEN_WRONG_AUDIENCE":
                raise
            return self._authenticator.claims_of_token(token, self._userinfo())

    async def _session_of(self, client: Client, token: str) -> pb.SessionState | None:
        """The session that an access or refresh token of this client is of; None if it is no good."""
        refresh = parse_refresh(token, await self._secrets.mac_key())
        if refresh is not None:
            found = await self._sessions.find(refresh.user, refresh.session)
            is_newest = found is not None and found.generation == refresh.number
            return found if found is not None and is_newest and found.client_id == client.id else None
        try:
            claims = self._claims(token)
        except UnauthenticatedError:
            return None
        found = await self._sessions.find(claims.subject, claims.session)
        return found if found is not None and found.client_id == client.id else None

    async def _user(self, identifier: str) -> iam_pb2.User:
        user = await self._people.by_id(identifier)
        if user is None or user.spec.disabled:
            raise OAuthError("invalid_grant", "the user may not log in (any more)")
        return user

    def _userinfo(self) -> str:
        """Audience of tokens that are good for asking who somebody is, and for nothing else."""
        return f"{self._issuer()}/oauth2/userinfo"
