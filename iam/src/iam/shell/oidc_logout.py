"""Logging out: of this browser, and of a program that sends it here to do so.

A program proves whom it means with the ID token it has got. Without one, or with somebody else's, the person is asked:
else any page could log people out by linking here.

Source: OpenID Connect RP-Initiated Logout 1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import jwt

from iam.core.oauth import STATE_LENGTH_MAX, Client, OAuthError, fields_of, with_fields
from iam.shell.keys import Keys
from iam.shell.oidc_browser import Browser, Visitor, redirect
from iam.shell.oidc_clients import ClientBook
from iam.shell.oidc_forms import body_of
from iam.shell.sessions import Sessions
from ultracloud.wire import HttpReply, HttpRequest

LOGOUT = "/logout"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a request to log out says.

    Attributes:
        user: Whom the ID token is of; empty without a good one.
        session: The session it is of.
        target: Where to go afterwards; empty for nowhere.
    """

    user: str = ""
    session: str = ""
    target: str = ""


class LogoutPage:
    """Answers at /logout."""

    def __init__(
        self, sessions: Sessions, clients: ClientBook, browser: Browser, keys: Keys, issuer: Callable[[], str]
    ) -> None:
        self._sessions = sessions
        self._clients = clients
        self._browser = browser
        self._keys = keys
        self._issuer = issuer

    async def answer(self, request: HttpRequest) -> HttpReply:
        """End the browser's session and the program's, and go where it wants; or ask the person first."""
        try:
            fields = fields_of(body_of(request) if request.method == "POST" else request.query)
            is_answer = request.method == "POST" and await self._browser.is_own_form(request, fields, ("to",))
            query = fields["to"].partition("?")[2] if is_answer else request.query
            if request.method == "POST" and not is_answer:
                query = body_of(request)
            wish = await self._wish(fields_of(query))
        except OAuthError as error:
            return self._browser.reply("This does not work", "", error.description, status=400)
        visitor = await self._browser.visitor(request)
        if wish.user and wish.session:
            await self._sessions.end(wish.user, [wish.session])
        if visitor is not None and (is_answer or visitor.user.metadata.id == wish.user):
            await self._sessions.end(visitor.user.metadata.id, [visitor.session.id])
            visitor = None
        return await self._page(request, visitor, wish, query)

    async def _page(self, request: HttpRequest, visitor: Visitor | None, wish: _Wish, query: str) -> HttpReply:
        if visitor is None and wish.target:
            return redirect(wish.target, self._browser.no_session_cookie())
        if visitor is None:
            return self._browser.reply("You are logged out", "", more=self._browser.no_session_cookie())
        hidden, cookie = await self._browser.form(request, {"to": f"{LOGOUT}?{query}" if query else LOGOUT})
        fields = "".join(f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in hidden.items())
        body = f'<form method="post" action="{LOGOUT}">{fields}<button>Log out</button></form>'
        return self._browser.reply("Log out", body, more=cookie, redirect_uri=wish.target)

    async def _wish(self, fields: dict[str, str]) -> _Wish:
        """What the fields ask for.

        Raises:
            OAuthError: They send people to where the program may not.
        """
        user, session, client = await self._hinted(fields.get("id_token_hint", ""))
        named = fields.get("client_id", "")
        if client is not None and named not in ("", client.id):
            raise OAuthError("invalid_request", "id_token_hint is of another program than client_id")
        client = client or await self._clients.find(named)
        target, state = fields.get("post_logout_redirect_uri", ""), fields.get("state", "")
        if target and (client is None or target not in client.post_logout_redirect_uris):
            raise OAuthError("invalid_request", "post_logout_redirect_uri is not registered for this program")
        if len(state) > STATE_LENGTH_MAX:
            raise OAuthError("invalid_request", f"state has over {STATE_LENGTH_MAX} characters")
        return _Wish(user, session, with_fields(target, {"state": state}) if target else "")

    async def _hinted(self, text: str) -> tuple[str, str, Client | None]:
        """User, session and program of an ID token of ours, which may have expired; of any other text nobody's."""
        try:
            kid = jwt.get_unverified_header(text).get("kid")
            known = next(one for one in self._keys.public_keys() if one["kid"] == kid and one["alg"] == "ES256")
            key = jwt.PyJWK.from_dict(known)
            claims = jwt.decode(
                text,
                key,
                algorithms=["ES256"],
                issuer=self._issuer(),
                options={"verify_exp": False, "verify_aud": False, "require": ["sub", "sid", "aud"]},
            )
            client = await self._clients.find(str(claims["aud"]))
        except (jwt.InvalidTokenError, StopIteration):
            return "", "", None
        if client is None:
            return "", "", None
        return str(claims["sub"]), str(claims["sid"]), client
