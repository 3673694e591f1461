"""Identity: all that lets people in, put together; `server` serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import argon2

from iam.config import Upstream
from iam.shell.credentials_rpc import CredentialsServer
from iam.shell.federation import Federation
from iam.shell.forgetting import Forgetting
from iam.shell.hashing import Hasher
from iam.shell.keep import Keep
from iam.shell.keys import Keys
from iam.shell.logins import Logins
from iam.shell.oidc_browser import Browser
from iam.shell.oidc_clients import OIDC_CLIENT, ClientBook, OidcClientsServer
from iam.shell.oidc_http import Provider
from iam.shell.oidc_login import LoginPages
from iam.shell.oidc_logout import LogoutPage
from iam.shell.oidc_tokens import TokenEndpoint
from iam.shell.people import People, address_of
from iam.shell.personal_tokens import PersonalTokensServer
from iam.shell.root_keys import RootKeys
from iam.shell.secrets_of_users import UserSecrets
from iam.shell.security_keys import SecurityKeys
from iam.shell.sessions import Sessions
from iam.shell.sessions_rpc import SessionsServer
from iam.shell.source import Source
from ultracloud.api.iam.v1.identity_rpc import CREDENTIALS, OIDC_CLIENTS, PERSONAL_TOKENS, SESSIONS
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.resources import Kind, Resources
from ultracloud.servicekit.store import Store
from ultracloud.wire import HttpEndpoint, Service, service

IDENTITY_KINDS: tuple[Kind[Any], ...] = (OIDC_CLIENT,)
OPEN_PATHS = (
    "/ultracloud.iam.v1.Credentials/AcceptInvite",
    "/ultracloud.iam.v1.Sessions/Login",
    "/ultracloud.iam.v1.Sessions/Refresh",
    "/ultracloud.iam.v1.PersonalTokens/Exchange",
)
"""Calls that need no identity: what they bring is the proof of one."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What identity stands on.

    Attributes:
        store: The namespace itself.
        settled: The same, where a write is done when the policy has it.
        issuer: Gives the URL people reach us at.
    """

    store: Store
    settled: Store
    source: Source
    keys: Keys
    resources: Resources
    clock: Clock
    issuer: Callable[[], str]


class Identity:
    """The parts, and the services they are reached by."""

    def __init__(
        self, around: Surroundings, passwords: argon2.Parameters, upstreams: tuple[Upstream, ...] = ()
    ) -> None:
        source, clock = around.source, around.clock
        self.keep = Keep(around.store, clock)
        self.secrets = UserSecrets(around.store, RootKeys(around.keys.root_keys), clock)
        self.people = People(source, around.resources)
        self.forgetting = Forgetting(around.store, source, self.people, clock)
        self.hasher = Hasher(passwords)
        self.logins = Logins(self.keep, self.people, self.hasher, self.secrets, clock)
        self.sessions = Sessions(self.keep, around.settled, source, around.keys, self.secrets, self.people, clock)
        self.security_keys = SecurityKeys(self.keep, around.issuer, clock)
        self.personal_tokens = PersonalTokensServer(self.keep, self.sessions, self.people, clock)
        self._credentials = CredentialsServer(
            source,
            self.keep,
            self.people,
            self.logins,
            self.sessions,
            hasher=self.hasher,
            secrets=self.secrets,
            security_keys=self.security_keys,
            issuer=around.issuer,
            clock=clock,
        )

        self._federation = Federation(upstreams, self.keep, self.people, around.issuer, clock)
        self._clients = OidcClientsServer(around.resources, self.keep)
        self._provider = self._make_provider(around)

    def endpoints(self) -> dict[str, HttpEndpoint]:
        """What is served over HTTP."""
        return self._provider.endpoints()

    def _make_provider(self, around: Surroundings) -> Provider:
        issuer, clock = around.issuer, around.clock
        clients = ClientBook(around.resources, self.keep, clock)
        browser = Browser(self.sessions, self.people, self.secrets, issuer, clock)
        logout = LogoutPage(self.sessions, clients, browser, around.keys, issuer)
        pages = LoginPages(
            self.keep,
            self.people,
            self.logins,
            self.sessions,
            keys=self.security_keys,
            clients=clients,
            browser=browser,
            issuer=issuer,
            federation=self._federation,
            accept_invite=self._credentials.accept,
            source_of=address_of,
            clock=clock,
        )
        tokens = TokenEndpoint(
            self.keep,
            self.people,
            self.logins,
            self.sessions,
            personal_tokens=self.personal_tokens,
            secrets=self.secrets,
            source=around.source,
            keys=around.keys,
            issuer=issuer,
            clock=clock,
        )
        return Provider(pages, logout, tokens, clients, around.keys, issuer, address_of)

    def services(self) -> list[Service]:
        """What is served over gRPC."""
        return [
            service(CREDENTIALS, self._credentials),
            service(SESSIONS, SessionsServer(self.logins, self.sessions, self.people)),
            service(PERSONAL_TOKENS, self.personal_tokens),
            service(OIDC_CLIENTS, self._clients),
        ]

    async def run(self) -> None:
        """Remove what has ended, as long as iam lives."""
        try:
            await asyncio.gather(self.keep.sweep(), self.sessions.sweep(), self.forgetting.run())
        finally:
            self.hasher.close()
            await self._federation.close()
