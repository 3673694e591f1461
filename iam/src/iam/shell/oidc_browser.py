"""What a browser carries between pages: a cookie that says who is logged in, one against forged forms, signed hints.

All are texts of ours under a MAC; nothing of them is kept here. Cookies are for this host alone and out of scripts'
reach.

Source: RFC 6265bis (``__Host-`` cookies, SameSite); OWASP CSRF cheat sheet (signed double submit).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from iam.core.pages import headers, page
from iam.shell.people import People
from iam.shell.secrets_of_users import UserSecrets
from iam.shell.sessions import SESSION_DAYS, Sessions
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.attenuation import encoded
from ultracloud.servicekit.clock import Clock
from ultracloud.wire import HttpReply, HttpRequest

HTML = "text/html; charset=utf-8"
CSRF_BYTES = 16
_SESSION = re.compile(r"(usr-[0-9a-z]{26})\.(ses-[0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is logged in in this browser, and by which session."""

    user: iam_pb2.User
    session: pb.SessionState


class Browser:
    """Reads and sets cookies, signs what goes into forms, and makes pages."""

    def __init__(
        self, sessions: Sessions, people: People, secrets: UserSecrets, issuer: Callable[[], str], clock: Clock
    ) -> None:
        self._sessions = sessions
        self._people = people
        self._secrets = secrets
        self._issuer = issuer
        self._clock = clock

    async def visitor(self, request: HttpRequest) -> Visitor | None:
        """Who is logged in; None if nobody is, or their session has ended."""
        found = _SESSION.fullmatch(self._cookie(request, "session"))
        if found is None:
            return None
        user_id, session_id, mac = found.groups()
        if not hmac.compare_digest(mac, await self.signed("cookie", f"{user_id}.{session_id}")):
            return None
        session, user = await self._sessions.find(user_id, session_id), await self._people.by_id(user_id)
        if session is None or user is None or user.spec.disabled or not session.is_browser:
            return None
        return Visitor(user, session)

    async def session_cookie(self, session: pb.SessionState) -> dict[str, str]:
        """The header that logs a browser in."""
        said = f"{session.user}.{session.id}"
        value = f"{said}.{await self.signed('cookie', said)}"
        return self._set("session", value, SESSION_DAYS * 86_400, "Lax")

    def no_session_cookie(self) -> dict[str, str]:
        """The header that logs it out."""
        return self._set("session", "", 0, "Lax")

    async def form(self, request: HttpRequest, hints: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The hidden fields of a form with these hints, and the header that belongs to it."""
        nonce = self._cookie(request, "form")
        if not re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce):
            nonce = encoded(self._clock.entropy(CSRF_BYTES))
        said = "\0".join((nonce, *(f"{name}={value}" for name, value in sorted(hints.items()))))
        hidden = {**hints, "csrf": await self.signed("form", said)}
        return hidden, self._set("form", nonce, 3600, "Lax")

    def binding(self, request: HttpRequest) -> str:
        """What this browser alone has, since it was shown a form; empty if it was shown none."""
        return self._cookie(request, "form")

    async def is_own_form(self, request: HttpRequest, fields: dict[str, str], names: tuple[str, ...]) -> bool:
        """Whether a form with the hints `names` was made for this browser and has not been changed."""
        origin = request.metadata.get("origin", "")
        if origin not in ("", "null", self._issuer()) or request.metadata.get("sec-fetch-site", "") == "cross-site":
            return False
        hints = {name: fields[name] for name in names if name in fields}
        nonce = self._cookie(request, "form")
        said = "\0".join((nonce, *(f"{name}={value}" for name, value in sorted(hints.items()))))
        return bool(nonce) and hmac.compare_digest(fields.get("csrf", ""), await self.signed("form", said))

    async def signed(self, purpose: str, text: str) -> str:
        """The MAC of a text of ours."""
        return encoded(hmac.digest(await self._secrets.mac_key(), f"{purpose}\0{text}".encode(), "sha256"))

    def reply(
        self, title: str, body: str, error: str = "", *, status: int = 200, more: dict[str, str] | None = None,
        redirect_uri: str = "", with_script: bool = False,
    ) -> HttpReply:  # fmt: skip
        """A page."""
        made = page(title, body, error, with_script=with_script)
        return HttpReply(status, made, HTML, {**headers(redirect_uri), **(more or {})})

    def _cookie(self, request: HttpRequest, name: str) -> str:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(request.metadata.get("cookie", "").replace(", ", "; "))
        except CookieError:
            return ""
        found = jar.get(self._name(name))
        return found.value if found else ""

    def _set(self, name: str, value: str, age_s: int, same_site: str) -> dict[str, str]:
        secure = "; Secure" if self._is_secure() else ""
        return {
            "set-cookie": f"{self._name(name)}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite={same_site}{secure}"
        }

    def _name(self, name: str) -> str:
        # Browsers take a __Host- cookie only over TLS and from this very host: no neighbour can plant one.
        return f"__Host-uc-{name}" if self._is_secure() else f"uc-{name}"

    def _is_secure(self) -> bool:
        return self._issuer().startswith("https:")


def redirect(uri: str, more: dict[str, str] | None = None) -> HttpReply:
    """Send the browser elsewhere, with GET."""
    fields = {"location": uri, "cache-control": "no-store", "referrer-policy": "no-referrer", **(more or {})}
    return HttpReply(303, b"", HTML, fields)
