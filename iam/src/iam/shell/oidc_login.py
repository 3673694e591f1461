"""The login pages: from a program's request for a code to the code, and from a device's code to letting it in.

Source: OpenID Connect Core 1.0, 3.1.2 (authorisation endpoint); RFC 6749 4.1; RFC 8628 3.3; RFC 9207 (``iss``).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from html import escape

from iam.core.oauth import (
    OAuthError,
    Request,
    check_client,
    fields_of,
    parse_request,
    plain_user_code,
    with_fields,
)
from iam.core.pages import consent_form, device_form, elsewhere, factor_form, invite_form, login_form
from iam.shell.federation import Federation
from iam.shell.keep import Keep, digest
from iam.shell.logins import FEDERATED, ONE_TIME_CODE, PASSWORD, SECURITY_KEY, Authenticated, Logins, Proof, key_of
from iam.shell.oidc_browser import Browser, Visitor, redirect
from iam.shell.oidc_clients import ClientBook
from iam.shell.oidc_consent import Consents
from iam.shell.oidc_forms import body_of
from iam.shell.people import People, path_of
from iam.shell.security_keys import SecurityKeys
from iam.shell.sessions import Sessions, Wish
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import (
    Fault,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from ultracloud.servicekit.clock import Clock
from ultracloud.wire import HttpReply, HttpRequest

CODE_S = 60
"""A browser brings a code in a second or two."""
STEP_S = 300
"""For finding the phone."""
CODE_BYTES = 32
AUTHORIZE, DEVICE, LOGIN = "/oauth2/authorize", "/device", "/login"
FORM_STRANGE = "This form is too old, or comes from elsewhere. Try again."

_audit = logging.getLogger("audit")


class LoginPages:
    """Answers browsers."""

    def __init__(
        self,
        keep: Keep,
        people: People,
        logins: Logins,
        sessions: Sessions,
        *,
        keys: SecurityKeys,
        clients: ClientBook,
        browser: Browser,
        issuer: Callable[[], str],
        federation: Federation,
        accept_invite: Callable[[str, str, str], Awaitable[str]],
        source_of: Callable[[HttpRequest], str],
        clock: Clock,
    ) -> None:
        self._keep = keep
        self._people = people
        self._logins = logins
        self._sessions = sessions
        self._keys = keys
        self._clients = clients
        self._browser = browser
        self._issuer = issuer
        self._accept_invite = accept_invite
        self._federation = federation
        self._source_of = source_of
        self._clock = clock
        self._consents = Consents(keep, clock)

    # ---- a request for a code ----------------------------------------------------------------------------------------

    async def authorize(self, request: HttpRequest) -> HttpReply:
        """Answer a program's request: with a code at once, or with the login page first."""
        query = request.query if request.method == "GET" else body_of(request)
        try:
            fields = fields_of(query)
            client = check_client(await self._clients.find(fields.get("client_id", "")), fields)
        except OAuthError as error:
            return self._browser.reply("This does not work", "", error.description, status=400)
        try:
            answer = await self._at_once(request, parse_request(client, fields), f"{AUTHORIZE}?{query}")
        except OAuthError as error:
            said = {"error": error.error, "error_description": error.description, "state": fields.get("state", "")}
            return redirect(with_fields(fields["redirect_uri"], {**said, "iss": self._issuer()}))
        return answer or await self._login_page(request, f"{AUTHORIZE}?{query}")

    async def _at_once(self, request: HttpRequest, wanted: Request, to: str) -> HttpReply | None:
        """The code for who is logged in already; None if somebody must log in first.

        Raises:
            OAuthError: Somebody must, or must agree, and the program wants no page shown.
        """
        visitor = await self._browser.visitor(request)
        if visitor is not None and not self._must_login(wanted, visitor):
            return await self._agreed(request, wanted, visitor, to)
        if "none" in wanted.prompt:
            raise OAuthError("login_required", "nobody is logged in")
        return None

    def _must_login(self, wanted: Request, visitor: Visitor) -> bool:
        age_ms = self._clock.now_ms() - visitor.session.created_at_ms
        is_old = wanted.max_age_s is not None and age_ms > wanted.max_age_s * 1000
        is_strange = wanted.client.organisation not in ("", visitor.user.metadata.project)
        return is_old or is_strange or bool(wanted.prompt & {"login", "select_account"})

    async def _agreed(
        self, request: HttpRequest, wanted: Request, visitor: Visitor, to: str, *, is_fresh: bool = False
    ) -> HttpReply:
        """Send the browser back with a code, or ask the person first whether they want that.

        Raises:
            OAuthError: They must be asked, and the program wants no page shown.
        """
        _require_member(wanted, visitor)
        if not await self._consents.is_asked(visitor.user.metadata.id, wanted, is_fresh=is_fresh):
            return await self._with_code(wanted, visitor)
        if "none" in wanted.prompt:
            raise OAuthError("consent_required", "the user has not agreed to this yet")
        hidden, cookie = await self._browser.form(request, {"to": to})
        body = consent_form(hidden, self._people.login_of(visitor.user), wanted.client.name, wanted.scope.split())
        title = f"Let {wanted.client.name} in?"
        return self._browser.reply(title, body, more=cookie, redirect_uri=wanted.redirect_uri)

    async def consent(self, request: HttpRequest) -> HttpReply:
        """Take the answer to whether a program may be let in."""
        fields = fields_of(body_of(request)) if request.method == "POST" else {}
        visitor = await self._browser.visitor(request)
        if visitor is None or not await self._browser.is_own_form(request, fields, ("to",)):
            return await self._login_page(request, LOGIN, FORM_STRANGE, status=400)
        asked = fields_of(fields["to"].partition("?")[2])
        try:
            client = check_client(await self._clients.find(asked.get("client_id", "")), asked)
            wanted = parse_request(client, asked)
        except OAuthError as error:
            return self._browser.reply("This does not work", "", error.description, status=400)
        if fields.get("answer", "") != "yes":
            said = {"error": "access_denied", "error_description": "the user has refused", "state": wanted.state}
            return redirect(with_fields(wanted.redirect_uri, {**said, "iss": self._issuer()}))
        _require_member(wanted, visitor)
        await self._consents.agree(visitor.user.metadata.id, wanted)
        _audit.info("%s lets client %s have %s", path_of(visitor.user), client.id, wanted.scope)
        return await self._with_code(wanted, visitor)

    async def _with_code(self, wanted: Request, visitor: Visitor) -> HttpReply:
        """Send the browser back with a code."""
        code = encoded(self._clock.entropy(CODE_BYTES))
        ticket = pb.TicketState(
            user=visitor.user.metadata.id,
            client_id=wanted.client.id,
            redirect_uri=wanted.redirect_uri,
            code_challenge=wanted.code_challenge,
            scope=wanted.scope,
            nonce=wanted.nonce,
            authenticated_at_ms=visitor.session.created_at_ms,
            methods=visitor.session.methods,
            ends_at_ms=self._clock.now_ms() + CODE_S * 1000,
        )
        await self._keep.change(code_key(code), pb.TicketState, lambda kept: kept.CopyFrom(ticket))
        said = {"code": code, "state": wanted.state, "iss": self._issuer()}
        return redirect(with_fields(wanted.redirect_uri, said))

    # ---- login, step by step -----------------------------------------------------------------------------------------

    async def login(self, request: HttpRequest) -> HttpReply:
        """Take the form of one step, and show the next or go on to where the browser was going."""
        if request.method != "POST":
            return await self._welcome(request)
        fields = fields_of(body_of(request))
        if not await self._browser.is_own_form(request, fields, ("to", "ticket")):
            # Where it wants to go is not ours, so we do not go there.
            return await self._login_page(request, LOGIN, FORM_STRANGE, status=400)
        to = fields["to"]
        try:
            who = await (self._second_step if "ticket" in fields else self._first_step)(request, fields)
        except _FactorNeededError as needed:
            return await self._factor_page(request, to, needed.ticket, needed.user, needed.factors)
        except (UnauthenticatedError, ResourceExhaustedError, UnavailableError) as fault:
            return await self._again(request, fields, fault)
        return await self._logged_in(request, who, to)

    async def _welcome(self, request: HttpRequest) -> HttpReply:
        """Who is logged in, or the login page."""
        visitor = await self._browser.visitor(request)
        if visitor is None:
            return await self._login_page(request, LOGIN)
        text = f"<p>You are {escape(self._people.login_of(visitor.user))}.</p><p><a href=/logout>Log out</a></p>"
        return self._browser.reply("You are logged in", text)

    async def upstream(self, request: HttpRequest) -> HttpReply:
        """Send somebody to another issuer."""
        fields = fields_of(body_of(request)) if request.method == "POST" else {}
        if not await self._browser.is_own_form(request, fields, ("to",)):
            return await self._login_page(request, LOGIN, FORM_STRANGE, status=400)
        name = fields.get("upstream", "")
        try:
            uri = await self._federation.begin(name, fields["to"], self._browser.binding(request))
        except (UnauthenticatedError, UnavailableError) as fault:
            return await self._login_page(request, fields["to"], fault.public, status=400)
        return self._browser.reply("Log in elsewhere", elsewhere(uri, name))

    async def callback(self, request: HttpRequest) -> HttpReply:
        """Take somebody back from another issuer."""
        try:
            user, to = await self._federation.finish(fields_of(request.query), self._browser.binding(request))
        except (UnauthenticatedError, UnavailableError) as fault:
            _audit.info("login refused: %s", fault.reason, extra={"source": self._source_of(request)})
            return await self._login_page(request, LOGIN, fault.public, status=400)
        return await self._logged_in(request, Authenticated(user, (FEDERATED,), self._clock.now_ms()), to)

    async def _first_step(self, request: HttpRequest, fields: dict[str, str]) -> Authenticated:
        proof = Proof(fields.get("login", ""), fields.get("password", ""), "", self._source_of(request))
        try:
            return await self._logins.prove(proof)
        except UnauthenticatedError as fault:
            if fault.reason != "SECOND_FACTOR_NEEDED":
                raise
            user = await self._people.by_login(proof.login)
            if user is None:
                raise
            text = encoded(self._clock.entropy(CODE_BYTES))
            ticket = pb.TicketState(user=user.metadata.id, ends_at_ms=self._clock.now_ms() + STEP_S * 1000)
            await self._keep.change(_step_key(text), pb.TicketState, lambda kept: kept.CopyFrom(ticket))
            raise _FactorNeededError(text, user.metadata.id, fault.metadata["factors"].split()) from None

    async def _second_step(self, request: HttpRequest, fields: dict[str, str]) -> Authenticated:
        kept = await self._keep.get(_step_key(fields["ticket"]), pb.TicketState)
        user = await self._people.by_id(kept.message.user) if kept.is_there else None
        if user is None or user.spec.disabled:
            raise UnauthenticatedError("this took too long; begin again", reason="STEP_EXPIRED")
        identifier = user.metadata.id
        async with self._logins.guess(identifier, self._source_of(request)):
            if fields.get("response"):
                await self._keys.finish_assertion(identifier, fields.get("key_state", ""), fields["response"])
                method = SECURITY_KEY
            elif await self._logins.use_code(identifier, fields.get("code", "")):
                method = ONE_TIME_CODE
            else:
                raise UnauthenticatedError("the code is wrong, or has been used", reason="CODE_WRONG")
        if not await self._keep.write(kept, None):
            raise UnauthenticatedError("this took too long; begin again", reason="STEP_EXPIRED")
        return Authenticated(user, (PASSWORD, method), self._clock.now_ms())

    async def _logged_in(self, request: HttpRequest, who: Authenticated, to: str) -> HttpReply:
        source = self._source_of(request)
        session = await self._sessions.begin(who, Wish("browser", source, is_browser=True))
        _audit.info("login of %s", path_of(who.user), extra={"session": session.id, "source": source})
        cookie = await self._browser.session_cookie(session)
        path, _, query = to.partition("?")
        if path != AUTHORIZE:
            return redirect(to, cookie)
        fields = fields_of(query)
        try:
            client = check_client(await self._clients.find(fields.get("client_id", "")), fields)
            visitor = Visitor(who.user, session)
            answer = await self._agreed(request, parse_request(client, fields), visitor, to, is_fresh=True)
        except OAuthError as error:
            return self._browser.reply("This does not work", "", error.description, status=400, more=cookie)
        # A question that is asked first has a form too, whose cookie the browser already has: it has just sent one.
        return answer._replace(fields={**answer.fields, **cookie})

    async def _again(self, request: HttpRequest, fields: dict[str, str], fault: Fault) -> HttpReply:
        """The page of the same step, and what was wrong."""
        status = 429 if isinstance(fault, ResourceExhaustedError) else 400
        if "ticket" not in fields or fault.reason == "STEP_EXPIRED":
            return await self._login_page(request, fields["to"], fault.public, fields.get("login", ""), status)
        kept = await self._keep.get(_step_key(fields["ticket"]), pb.TicketState)
        credentials = await self._keep.get(key_of(kept.message.user), pb.UserCredentials)
        factors = (["totp"] if credentials.message.totp.is_confirmed else []) + (
            ["securitykey"] if credentials.message.security_keys else []
        )
        ticket, user = fields["ticket"], kept.message.user
        return await self._factor_page(request, fields["to"], ticket, user, factors, fault.public, status)

    async def _login_page(
        self, request: HttpRequest, to: str, error: str = "", login: str = "", status: int = 200
    ) -> HttpReply:
        fields = fields_of(to.partition("?")[2]) if to.startswith(AUTHORIZE) else {}
        client = await self._clients.find(fields.get("client_id", ""))
        hidden, cookie = await self._browser.form(request, {"to": to})
        shown = login or fields.get("login_hint", "")
        body = login_form(hidden, shown, client.name if client else "", self._federation.names())
        target = fields.get("redirect_uri", "") if client else ""
        return self._browser.reply("Log in", body, error, status=status, more=cookie, redirect_uri=target)

    async def _factor_page(
        self, request: HttpRequest, to: str, ticket: str, user: str, factors: list[str], error: str = "",
        status: int = 200,
    ) -> HttpReply:  # fmt: skip
        hidden, cookie = await self._browser.form(request, {"to": to, "ticket": ticket})
        options = ""
        if "securitykey" in factors:
            hidden["key_state"], options = await self._keys.begin_assertion(user)
        body = factor_form(hidden, has_code="totp" in factors, key_options=options)
        fields = fields_of(to.partition("?")[2]) if to.startswith(AUTHORIZE) else {}
        return self._browser.reply(
            "Log in", body, error, status=status, more=cookie, redirect_uri=fields.get("redirect_uri", ""),
            with_script=bool(options),
        )  # fmt: skip

    async def invite(self, request: HttpRequest) -> HttpReply:
        """Show the form of an invite, or take it."""
        error, fields = "", {}
        if request.method == "POST":
            try:
                fields = fields_of(body_of(request))
                if await self._browser.is_own_form(request, fields, ("to",)):
                    token, password = fields.get("token", ""), fields.get("password", "")
                    login = await self._accept_invite(token, password, self._source_of(request))
                    done = f"<p>You log in as {escape(login)}.</p><p><a href=/login>Log in</a></p>"
                    return self._browser.reply("Your password is set", done)
                error = FORM_STRANGE
            except OAuthError as refusal:
                error = refusal.description
            except (InvalidArgumentError, UnauthenticatedError, UnavailableError) as fault:
                error = fault.public
        hidden, cookie = await self._browser.form(request, {"to": LOGIN})
        body = invite_form(hidden, fields.get("token", ""))
        status = 400 if error else 200
        return self._browser.reply("Welcome", body, error, status=status, more=cookie, with_script=True)

    # ---- devices -----------------------------------------------------------------------------------------------------

    async def device(self, request: HttpRequest) -> HttpReply:
        """Let a device in, or not (RFC 8628 3.3)."""
        fields = fields_of(request.query if request.method == "GET" else body_of(request))
        code = plain_user_code(fields.get("user_code", ""))
        visitor = await self._browser.visitor(request)
        if visitor is None:
            return await self._login_page(request, f"{DEVICE}?user_code={code}" if code else DEVICE)
        if request.method == "POST" and not await self._browser.is_own_form(request, fields, ("to",)):
            return await self._device_page(request, code, "", visitor, FORM_STRANGE)
        try:
            device, client = await self._asking(code, fields.get("user_code", ""), visitor, self._source_of(request))
        except (UnauthenticatedError, ResourceExhaustedError) as fault:
            return await self._device_page(request, "", "", visitor, fault.public)
        answer = fields.get("answer", "") if request.method == "POST" else ""
        if answer not in ("yes", "no"):
            return await self._device_page(request, code, client, visitor)
        return await self._answered(device, visitor, is_yes=answer == "yes")

    async def _asking(self, code: str, typed: str, visitor: Visitor, source: str) -> tuple[str, str]:
        """The device that shows `code`, and the name of the client on it.

        Raises:
            UnauthenticatedError: None does that this user may let in; the sentence is empty where none was typed.
            ResourceExhaustedError: Too many were typed.
        """
        if not code:
            raise UnauthenticatedError("This is no code; it has eight letters." if typed else "")
        async with self._logins.guess(f"device/{visitor.user.metadata.id}", source):
            device, state = await self._waiting(code)
        client = await self._clients.find(state.client_id)
        if client is None or client.organisation not in ("", visitor.user.metadata.project):
            raise UnauthenticatedError("This program is for users of another organisation.")
        return device, client.name

    async def _answered(self, device: str, visitor: Visitor, *, is_yes: bool) -> HttpReply:
        """Write down what the user has said."""

        def change(kept: pb.DeviceState) -> None:
            if not kept.client_id or kept.user or kept.is_denied:
                raise OAuthError("invalid_request", "The code is unknown, used or expired.")
            kept.is_denied = not is_yes
            kept.user = visitor.user.metadata.id if is_yes else ""
            kept.authenticated_at_ms = visitor.session.created_at_ms
            kept.methods[:] = visitor.session.methods

        await self._keep.change(device_key(device), pb.DeviceState, change)
        _audit.info("device %s by %s", "let in" if is_yes else "refused", path_of(visitor.user))
        title = "The device is logged in" if is_yes else "The device was refused"
        return self._browser.reply(title, "<p>You can close this page.</p>")

    async def _waiting(self, code: str) -> tuple[str, pb.DeviceState]:
        """The device that shows `code`.

        Raises:
            UnauthenticatedError: None does.
        """
        by_code = await self._keep.get(user_code_key(code), pb.TicketState)
        found = by_code.message.challenge.decode()
        kept = await self._keep.get(device_key(found), pb.DeviceState)
        if not by_code.is_there or not kept.is_there or kept.message.user or kept.message.is_denied:
            raise UnauthenticatedError("the code is unknown, used or expired", reason="USER_CODE_INVALID")
        return found, kept.message

    async def _device_page(
        self, request: HttpRequest, code: str, client: str, visitor: Visitor, error: str = ""
    ) -> HttpReply:
        hidden, cookie = await self._browser.form(request, {"to": DEVICE})
        body = device_form(hidden, code, client, self._people.login_of(visitor.user))
        return self._browser.reply("Log a device in", body, error, status=400 if error else 200, more=cookie)


class _FactorNeededError(Exception):
    """The password was right, and a second factor is to follow; never leaves this module."""

    def __init__(self, ticket: str, user: str, factors: list[str]) -> None:
        super().__init__(user)
        self.ticket = ticket
        self.user = user
        self.factors = factors


def _require_member(wanted: Request, visitor: Visitor) -> None:
    """Refuse users of other organisations than the program's.

    Raises:
        OAuthError: The visitor is one.
    """
    if wanted.client.organisation not in ("", visitor.user.metadata.project):
        raise OAuthError("access_denied", "this program is for users of another organisation")


def code_key(code: str) -> bytes:
    """Where an authorisation code is."""
    return f"~t/code/{digest(code)}".encode()


def device_key(device: str) -> bytes:
    """Where a device is, by the digest of its code."""
    return f"~d/{device}".encode()


def user_code_key(code: str) -> bytes:
    """Where it is said which device shows a code."""
    return f"~e/{code}".encode()


def _step_key(ticket: str) -> bytes:
    return f"~t/step/{digest(ticket)}".encode()
