"""The Credentials service: invites, passwords, authenticator apps, security keys."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from iam.core.issuing import require_all_powers
from iam.core.passwords import check_password
from iam.core.totp import (
    SECRET_BYTES,
    matched_step,
    plain_recovery_code,
    recovery_codes,
    recovery_entropy_bytes,
    totp_uri,
)
from iam.shell.hashing import Hasher
from iam.shell.keep import Keep, digest
from iam.shell.logins import Logins, key_of
from iam.shell.people import People, address_of, path_of
from iam.shell.qr import qr_text
from iam.shell.secrets_of_users import UserSecrets
from iam.shell.security_keys import SecurityKeys
from iam.shell.sessions import Sessions
from iam.shell.source import Source
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.iam.v1 import identity_state_pb2 as state_pb
from ultracloud.api.rpc import Call
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from ultracloud.base.policy import Principal
from ultracloud.base.principals import USER_PREFIX
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.clock import Clock

INVITE_PREFIX = "uci_"
INVITE_TTL_S_MIN, INVITE_TTL_S_MAX, INVITE_TTL_S_DEFAULT = 300, 30 * 86_400, 3 * 86_400
INVITE_BYTES = 32

_audit = logging.getLogger("audit")


class CredentialsServer:
    """Serves ultracloud.iam.v1.Credentials."""

    def __init__(
        self,
        source: Source,
        keep: Keep,
        people: People,
        logins: Logins,
        sessions: Sessions,
        *,
        hasher: Hasher,
        secrets: UserSecrets,
        security_keys: SecurityKeys,
        issuer: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._source = source
        self._keep = keep
        self._people = people
        self._logins = logins
        self._sessions = sessions
        self._hasher = hasher
        self._secrets = secrets
        self._keys = security_keys
        self._issuer = issuer
        self._clock = clock

    # ---- invites and passwords ---------------------------------------------------------------------------------------

    async def invite(self, request: pb.InviteRequest, call: Call) -> pb.InviteResponse:
        """Make an invite: whoever has it becomes the user, so it takes all that the user holds."""
        with deadlines.inside(call):
            ttl_s = request.ttl_s or INVITE_TTL_S_DEFAULT
            if not INVITE_TTL_S_MIN <= ttl_s <= INVITE_TTL_S_MAX:
                raise InvalidArgumentError(
                    f"ttl_s {ttl_s} is out of range; accepted: {INVITE_TTL_S_MIN} to {INVITE_TTL_S_MAX} seconds",
                    reason="TTL_OUT_OF_RANGE",
                )
            if not request.ref:
                raise InvalidArgumentError("ref is empty; name the user to invite", reason="USER_NOT_FOUND")
            user = await self._people.other(call, "iam.credentials.invite", request.project, request.ref)
            self._require_all_powers(principal_of(call), user, "invite")
            token = INVITE_PREFIX + encoded(self._clock.entropy(INVITE_BYTES))
            ends_at_ms = self._clock.now_ms() + ttl_s * 1000
            ticket = state_pb.TicketState(user=user.metadata.id, ends_at_ms=ends_at_ms)
            await self._keep.change(_invite(token), state_pb.TicketState, lambda kept: kept.CopyFrom(ticket))
            url = f"{self._issuer()}/login/invite#{token}"  # behind the #, so that no log of a server has it
            self._told(call, "invite", user)
            return pb.InviteResponse(
                token=token, url=url, qr=qr_text(url), expires_at=Timestamp(seconds=ends_at_ms // 1000)
            )

    async def accept_invite(self, request: pb.AcceptInviteRequest, call: Call) -> pb.AcceptInviteResponse:
        """Set a password for an invite, which is good no more. Ends what sessions there were."""
        with deadlines.inside(call):
            login = await self.accept(request.token, request.password, address_of(call))
            return pb.AcceptInviteResponse(login=login)

    async def accept(self, token: str, password: str, source: str) -> str:
        """Set a password for an invite; gives what to log in with.

        Raises:
            UnauthenticatedError: The invite is unknown, used or expired.
            InvalidArgumentError: The password is too weak; the invite stays good.
        """
        refusal = UnauthenticatedError(
            "the invite is unknown, used or expired", hint="ask for a new one", reason="INVITE_INVALID"
        )
        kept = await self._keep.get(_invite(token), state_pb.TicketState)
        user = await self._people.by_id(kept.message.user) if kept.is_there else None
        if user is None:
            raise refusal
        login = self._people.login_of(user)
        check_password(password, login, user.metadata.name, user.spec.email)
        made = await self._hasher.make(password)
        if not await self._keep.write(kept, None):  # somebody else has just used it
            raise refusal
        await self._set_password(user, made)
        await self._sessions.end_all(user.metadata.id)
        _audit.info("accept invite of %s", path_of(user), extra={"source": source})
        return login

    async def set_password(self, request: pb.SetPasswordRequest, call: Call) -> pb.SetPasswordResponse:
        """Change one's password."""
        with deadlines.inside(call):
            user = await self._confirmed(call, "iam.credentials.setpassword", request.old_password)
            check_password(request.new_password, self._people.login_of(user), user.metadata.name, user.spec.email)
            await self._set_password(user, await self._hasher.make(request.new_password))
            await self._sessions.end_all(user.metadata.id, principal_of(call).session)
            self._told(call, "set password", user)
            return pb.SetPasswordResponse()

    async def describe(self, request: pb.DescribeCredentialsRequest, call: Call) -> pb.DescribeCredentialsResponse:
        """Say what somebody logs in with."""
        with deadlines.inside(call):
            user = await self._people.other(call, "iam.credentials.describe", request.project, request.ref)
            kept = (await self._keep.get(key_of(user.metadata.id), state_pb.UserCredentials)).message
            shown = pb.DescribeCredentialsResponse(
                has_password=bool(kept.password),
                has_totp=kept.totp.is_confirmed,
                recovery_codes_left=len(kept.recovery_codes),
                security_keys=[
                    pb.SecurityKey(id=one.id, name=one.name, created_at=_moment(one.created_at_ms))
                    for one in kept.security_keys
                ],
            )
            if kept.password_changed_at_ms:
                shown.password_changed_at.CopyFrom(_moment(kept.password_changed_at_ms))
            return shown

    # ---- second factors ----------------------------------------------------------------------------------------------

    async def enrol_totp(self, request: pb.EnrolTotpRequest, call: Call) -> pb.EnrolTotpResponse:
        """Begin with an authenticator app: it counts once a code of it has been seen."""
        with deadlines.inside(call):
            user = await self._confirmed(call, "iam.credentials.enroltotp", request.password)
            secret = base64.b32encode(self._clock.entropy(SECRET_BYTES)).decode()
            sealed = self._secrets.seal_totp(user.metadata.id, secret)

            def change(kept: state_pb.UserCredentials) -> None:
                if kept.totp.is_confirmed:
                    raise FailedPreconditionError(
                        "you have an authenticator app already; remove it first", reason="TOTP_EXISTS"
                    )
                kept.totp.CopyFrom(state_pb.TotpState(sealed_secret=sealed))

            await self._keep.change(key_of(user.metadata.id), state_pb.UserCredentials, change)
            uri = totp_uri(secret, self._people.login_of(user), "UltraCloud")
            return pb.EnrolTotpResponse(secret=secret, uri=uri, qr=qr_text(uri))

    async def confirm_totp(self, request: pb.ConfirmTotpRequest, call: Call) -> pb.ConfirmTotpResponse:
        """Make the app count, with a code of it; gives recovery codes."""
        with deadlines.inside(call):
            user = await self._people.oneself(call, "iam.credentials.confirmtotp")
            codes = recovery_codes(self._clock.entropy(recovery_entropy_bytes()))

            def change(kept: state_pb.UserCredentials) -> None:
                if kept.totp.is_confirmed or not kept.totp.sealed_secret:
                    raise FailedPreconditionError("there is no app to confirm; enrol one first", reason="TOTP_NONE")
                secret = self._secrets.open_totp(user.metadata.id, kept.totp.sealed_secret)
                step = matched_step(secret, request.code, self._clock.now_ms() // 1000, 0)
                if step is None:
                    raise InvalidArgumentError("the code is wrong; look at the clocks of both", reason="CODE_WRONG")
                kept.totp.is_confirmed, kept.totp.last_step = True, step
                kept.recovery_codes[:] = [bytes.fromhex(digest(plain_recovery_code(code))) for code in codes]

            async with self._logins.guess(user.metadata.id, address_of(call)):
                await self._keep.change(key_of(user.metadata.id), state_pb.UserCredentials, change)
            self._told(call, "add an authenticator app", user)
            return pb.ConfirmTotpResponse(recovery_codes=codes)

    async def remove_totp(self, request: pb.RemoveTotpRequest, call: Call) -> pb.RemoveTotpResponse:
        """Log in without the app from now on."""
        with deadlines.inside(call):
            user = await self._confirmed(call, "iam.credentials.removetotp", request.password)

            def change(kept: state_pb.UserCredentials) -> None:
                kept.ClearField("totp")
                kept.ClearField("recovery_codes")

            await self._keep.change(key_of(user.metadata.id), state_pb.UserCredentials, change)
            self._told(call, "remove the authenticator app", user)
            return pb.RemoveTotpResponse()

    async def begin_security_key(self, request: pb.BeginSecurityKeyRequest, call: Call) -> pb.BeginSecurityKeyResponse:
        """Begin with a security key."""
        with deadlines.inside(call):
            user = await self._confirmed(call, "iam.credentials.beginsecuritykey", request.password)
            state, options = await self._keys.begin_registration(user, self._people.login_of(user))
            return pb.BeginSecurityKeyResponse(state=state, options=options)

    async def finish_security_key(
        self, request: pb.FinishSecurityKeyRequest, call: Call
    ) -> pb.FinishSecurityKeyResponse:
        """Keep it."""
        with deadlines.inside(call):
            user = await self._people.oneself(call, "iam.credentials.finishsecuritykey")
            made = await self._keys.finish_registration(user.metadata.id, request.state, request.response, request.name)
            self._told(call, "add a security key", user)
            return pb.FinishSecurityKeyResponse(id=made)

    async def remove_security_key(
        self, request: pb.RemoveSecurityKeyRequest, call: Call
    ) -> pb.RemoveSecurityKeyResponse:
        """Forget one."""
        with deadlines.inside(call):
            user = await self._confirmed(call, "iam.credentials.removesecuritykey", request.password)

            def change(kept: state_pb.UserCredentials) -> None:
                left = [one for one in kept.security_keys if one.id != request.id]
                if len(left) == len(kept.security_keys):
                    raise NotFoundError(f"no security key {request.id[:80]!a}", reason="KEY_NOT_FOUND")
                del kept.security_keys[:]
                kept.security_keys.extend(left)

            await self._keep.change(key_of(user.metadata.id), state_pb.UserCredentials, change)
            self._told(call, "remove a security key", user)
            return pb.RemoveSecurityKeyResponse()

    async def reset_factors(self, request: pb.ResetFactorsRequest, call: Call) -> pb.ResetFactorsResponse:
        """Take the second factors of somebody who has lost them."""
        with deadlines.inside(call):
            user = await self._people.other(call, "iam.credentials.resetfactors", request.project, request.ref)
            if principal_of(call).id == f"{USER_PREFIX}{user.metadata.id}":
                raise PermissionDeniedError("nobody resets their own; remove them one by one", reason="ONESELF")
            self._require_all_powers(principal_of(call), user, "reset the second factors of")

            def change(kept: state_pb.UserCredentials) -> None:
                for field in ("totp", "recovery_codes", "security_keys"):
                    kept.ClearField(field)

            await self._keep.change(key_of(user.metadata.id), state_pb.UserCredentials, change)
            await self._sessions.end_all(user.metadata.id)
            self._told(call, "reset second factors", user)
            return pb.ResetFactorsResponse()

    # ---- what they have in common ------------------------------------------------------------------------------------

    async def _confirmed(self, call: Call, permission: str, password: str) -> iam_pb2.User:
        """The caller, who has typed the password again: a token that was left open does not change how one logs in."""
        user = await self._people.oneself(call, permission)
        async with self._logins.guess(user.metadata.id, address_of(call)):
            await self._logins.check_password(user, password)
        return user

    async def _set_password(self, user: iam_pb2.User, made: str) -> None:
        def change(kept: state_pb.UserCredentials) -> None:
            kept.password, kept.password_changed_at_ms = made, self._clock.now_ms()

        await self._keep.change(key_of(user.metadata.id), state_pb.UserCredentials, change)

    def _require_all_powers(self, caller: Principal, user: iam_pb2.User, deed: str) -> None:
        """Wherever the user holds something, the caller must hold it too: they could become the user."""
        deed = f"{deed} {user.metadata.name}, whose powers exceed yours"
        require_all_powers(self._source.snapshot.policy, caller, f"{USER_PREFIX}{user.metadata.id}", deed)

    def _told(self, call: Call, deed: str, user: iam_pb2.User) -> None:
        _audit.info(
            "%s: %s", deed, path_of(user), extra={"principal": principal_of(call).id, "source": address_of(call)}
        )


def _invite(token: str) -> bytes:
    return f"~t/invite/{digest(token)}".encode()


def _moment(at_ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(at_ms)
    return moment
