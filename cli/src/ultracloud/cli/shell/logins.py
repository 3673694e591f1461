"""Logins by our own API: a password, and personal access tokens; and how every kind of login is refreshed.

A personal access token is no access token: it is exchanged for one, which lives for minutes and is what services take.
"""

from __future__ import annotations

import socket
import time

from ultracloud.cli.core.ages import parse_moment
from ultracloud.cli.core.failures import DENIED, Failure
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.trees import Json, text_at
from ultracloud.cli.shell import oidc
from ultracloud.cli.shell.client import Client
from ultracloud.cli.shell.credentials import Credential, check_token, skew_of

LOGIN_PATH = "/v1/sessions:login"
REFRESH_PATH = "/v1/sessions:refresh"
EXCHANGE_PATH = "/v1/personaltokens:exchange"
PERSONAL_PREFIX = "ucp_"
CODE_REASONS = frozenset({"SECOND_FACTOR_NEEDED"})
"""What the server says to a right password that is not enough."""


def by_password(client: Client, login: str, password: str, code: str = "") -> Credential:
    """A session for a name and a password, with the code of an authenticator app where one is asked for."""
    said: dict[str, Json] = {"login": login, "password": password, "client": f"uc on {socket.gethostname()}"[:120]}
    answer = client.call(Request("POST", LOGIN_PATH, body={**said, **({"code": code} if code else {})}))
    return _credential(client, answer, text_at(answer, "refresh_token"), REFRESH_PATH)


def exchanged(client: Client, personal_token: str) -> Credential:
    """An access token for a personal one, which stands where others have a refresh token."""
    answer = client.call(Request("POST", EXCHANGE_PATH, body={"token": personal_token}, repeatable=True))
    return _credential(client, answer, personal_token, EXCHANGE_PATH)


def refresh(client: Client, credential: Credential) -> Credential:
    """A fresh credential, in the way that this one was got.

    Raises:
        Failure: The session has ended.
    """
    try:
        match credential.token_path:
            case path if path == EXCHANGE_PATH:
                return exchanged(client, credential.refresh_token)
            case path if path == REFRESH_PATH:
                answer = client.call(Request("POST", REFRESH_PATH, body={"refresh_token": credential.refresh_token}))
                return _credential(client, answer, text_at(answer, "refresh_token"), REFRESH_PATH)
            case _:
                return oidc.refresh(client, credential)
    except Refusal as refused:
        if refused.status in (400, 401, 403):
            raise Failure(
                f"the login has ended: {refused.sentence}", hint="run `uc login`", exit_code=DENIED
            ) from refused
        raise


def _credential(client: Client, answer: Json, refresh_token: str, path: str) -> Credential:
    ends = parse_moment(text_at(answer, "expires_at"))
    return Credential(
        server=client.link.target.server,
        access_token=check_token(text_at(answer, "access_token"), "the server's answer"),
        skew_s=skew_of(text_at(answer, "access_token")),
        expires_at_s=int(ends) if ends is not None else int(time.time()) + 60,
        refresh_token=refresh_token,
        token_path=path,
    )
