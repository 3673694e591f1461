"""The OpenID Connect provider over HTTP: which path is what, and how faults are told there.

Programs get the errors of RFC 6749 as JSON; people get pages. Served on iam's own port, and passed on by the gateway.

Source: OpenID Connect Discovery 1.0, RFC 8414 (the same for OAuth), RFC 6750 3 (errors of userinfo).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from iam.core.oauth import SCOPES, OAuthError, fields_of
from iam.core.pages import SCRIPT, SCRIPT_PATH
from iam.shell.keys import Keys
from iam.shell.oidc_clients import ClientBook
from iam.shell.oidc_forms import body_of
from iam.shell.oidc_login import LoginPages
from iam.shell.oidc_logout import LogoutPage
from iam.shell.oidc_tokens import DEVICE_GRANT, EXCHANGE_GRANT, TokenEndpoint
from ultracloud.base.faults import ResourceExhaustedError, UnavailableError
from ultracloud.wire import HttpEndpoint, HttpReply, HttpRequest

JSON = "application/json"
NO_STORE = {"cache-control": "no-store"}
PUBLIC = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}
"""Keys and discovery: a next signing key is published well before that."""

Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


class Provider:
    """The endpoints of the provider."""

    def __init__(
        self,
        pages: LoginPages,
        logout: LogoutPage,
        tokens: TokenEndpoint,
        clients: ClientBook,
        keys: Keys,
        issuer: Callable[[], str],
        source_of: Callable[[HttpRequest], str],
    ) -> None:
        self._pages = pages
        self._logout = logout
        self._tokens = tokens
        self._clients = clients
        self._keys = keys
        self._issuer = issuer
        self._source_of = source_of

    def endpoints(self) -> dict[str, HttpEndpoint]:
        """What answers, by path."""
        return {
            "/.well-known/openid-configuration": self._discovery,
            "/.well-known/oauth-authorization-server": self._discovery,
            "/oauth2/jwks": self._jwks,
            "/oauth2/authorize": _page(self._pages.authorize),
            "/login": _page(self._pages.login),
            "/login/invite": _page(self._pages.invite),
            "/login/upstream": _page(self._pages.upstream),
            "/login/callback": _page(self._pages.callback),
            "/login/consent": _page(self._pages.consent),
            "/logout": _page(self._logout.answer),
            "/device": _page(self._pages.device),
            SCRIPT_PATH: self._script,
            "/oauth2/token": _program(self._token),
            "/oauth2/device_authorization": _program(self._device),
            "/oauth2/revoke": _program(self._revoke),
            "/oauth2/introspect": _program(self._introspect),
            "/oauth2/userinfo": _program(self._userinfo, methods=("GET", "POST")),
        }

    def _discovery(self, _request: HttpRequest) -> HttpReply:
        issuer = self._issuer()
        return _json(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/oauth2/authorize",
                "token_endpoint": f"{issuer}/oauth2/token",
                "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
                "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
                "jwks_uri": f"{issuer}/oauth2/jwks",
                "revocation_endpoint": f"{issuer}/oauth2/revoke",
                "introspection_endpoint": f"{issuer}/oauth2/introspect",
                "end_session_endpoint": f"{issuer}/logout",
                "scopes_supported": list(SCOPES),
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": [
                    *("authorization_code", "refresh_token", "client_credentials"),
                    *(DEVICE_GRANT, EXCHANGE_GRANT),
                ],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "claims_supported": [
                    *("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "name"),
                    *("preferred_username", "organisation", "email", "email_verified", "groups"),
                ],
                "prompt_values_supported": ["none", "login", "consent", "select_account"],
            },
            more=PUBLIC,
        )

    def _jwks(self, _request: HttpRequest) -> HttpReply:
        return _json({"keys": self._keys.public_keys()}, more=PUBLIC)

    def _script(self, _request: HttpRequest) -> HttpReply:
        return HttpReply(200, SCRIPT.encode(), "text/javascript; charset=utf-8", {"x-content-type-options": "nosniff"})

    async def _token(self, request: HttpRequest) -> HttpReply:
        fields = fields_of(body_of(request))
        client = await self._clients.authenticate(fields, request.metadata.get("authorization", ""))
        return _json(await self._tokens.grant(client, fields, self._source_of(request)))

    async def _device(self, request: HttpRequest) -> HttpReply:
        fields = fields_of(body_of(request))
        client = await self._clients.authenticate(fields, request.metadata.get("authorization", ""))
        return _json(await self._tokens.begin_device(client, fields, self._source_of(request)))

    async def _revoke(self, request: HttpRequest) -> HttpReply:
        fields = fields_of(body_of(request))
        client = await self._clients.authenticate(fields, request.metadata.get("authorization", ""))
        await self._tokens.revoke(client, fields)
        return HttpReply(200, b"", JSON, NO_STORE)

    async def _introspect(self, request: HttpRequest) -> HttpReply:
        fields = fields_of(body_of(request))
        client = await self._clients.authenticate(fields, request.metadata.get("authorization", ""))
        return _json(await self._tokens.introspect(client, fields))

    async def _userinfo(self, request: HttpRequest) -> HttpReply:
        scheme, _, token = request.metadata.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise OAuthError("invalid_token", "send 'Authorization: Bearer <access token>'", 401)
        return _json(await self._tokens.userinfo(token.strip()))


def _page(handler: Handler) -> HttpEndpoint:
    """A page for people: faults are sentences."""

    async def answer(request: HttpRequest) -> HttpReply:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpReply(405, b"only GET and POST are served here\n", fields={"allow": "GET, HEAD, POST"})
        try:
            return await handler(request)
        except OAuthError as error:
            return HttpReply(error.status, f"{error.description}\n".encode(), fields=NO_STORE)
        except (UnavailableError, ResourceExhaustedError) as fault:
            status = 503 if isinstance(fault, UnavailableError) else 429
            return HttpReply(status, f"{fault.public}\n".encode(), fields=NO_STORE)

    return answer


def _program(handler: Handler, methods: tuple[str, ...] = ("POST",)) -> HttpEndpoint:
    """An endpoint for programs: faults are JSON (RFC 6749 5.2)."""

    async def answer(request: HttpRequest) -> HttpReply:
        if request.method not in methods:
            more = {"allow": ", ".join(methods)}
            return _json({"error": "invalid_request", "error_description": "wrong method"}, 405, more)
        try:
            return await handler(request)
        except OAuthError as error:
            more = {}
            if error.status == 401:  # noqa: PLR2004 - RFC 6749 5.2, RFC 6750 3
                scheme = "Bearer" if error.error == "invalid_token" else "Basic"
                more = {"www-authenticate": f'{scheme} realm="ultracloud", error="{error.error}"'}
            return _json({"error": error.error, "error_description": error.description}, error.status, more)
        except ResourceExhaustedError as fault:
            more = {"retry-after": fault.metadata.get("retry_after_s", "1")}
            return _json({"error": "slow_down", "error_description": fault.public}, 429, more)
        except UnavailableError as fault:
            said = {"error": "temporarily_unavailable", "error_description": fault.public}
            return _json(said, 503, {"retry-after": "1"})

    return answer


def _json(said: Mapping[str, object], status: int = 200, more: Mapping[str, str] | None = None) -> HttpReply:
    return HttpReply(status, json.dumps(said).encode(), JSON, {**NO_STORE, **(more or {})})
