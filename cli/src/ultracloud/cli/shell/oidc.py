"""Login by device code, refresh and revocation, at the endpoints that the gateway's discovery names.

Only the paths of the discovered endpoints are used: every request goes to the context's server, so that a wrong or
hostile discovery cannot make this program send a token elsewhere.

Source: RFC 8628 (device authorisation), OpenID Connect Discovery 1.0, RFC 6749 section 6 (refresh), RFC 7009
(revocation).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from ultracloud.cli.core.failures import DENIED, Failure, TimeoutFailure, UnreachableFailure
from ultracloud.cli.core.problems import Refusal, printable
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.trees import Json, number_at, text_at
from ultracloud.cli.shell.client import Client
from ultracloud.cli.shell.credentials import Credential, check_token, skew_of

CLIENT_ID = "ultracloud-cli"
SCOPE = "openid offline_access"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DISCOVERY_PATH = "/.well-known/openid-configuration"
INTERVAL_S, INTERVAL_S_MAX = 5, 60
DEVICE_S_MAX = 1800
"""A code lives as long as the server says, and no longer than this."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Paths below the server; empty where the server has none."""

    device: str
    token: str
    revocation: str
    issuer: str


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the person types, where, and what we ask with meanwhile."""

    device_code: str
    user_code: str
    uri: str
    uri_complete: str
    interval_s: int
    expires_in_s: int


def discover(client: Client) -> Endpoints:
    """The endpoints of login.

    Raises:
        Failure: The server has no device login.
    """
    document = client.call(Request("GET", DISCOVERY_PATH, repeatable=True))
    found = Endpoints(
        _path(document, "device_authorization_endpoint"),
        _path(document, "token_endpoint"),
        _path(document, "revocation_endpoint"),
        text_at(document, "issuer"),
    )
    if not found.device or not found.token:
        raise Failure("this server has no login by device code", hint="use `uc login --token-file FILE`")
    return found


def begin(client: Client, endpoints: Endpoints) -> DeviceCode:
    """Ask for a code."""
    answer = client.call(Request("POST", endpoints.device, form=(("client_id", CLIENT_ID), ("scope", SCOPE))))
    code = DeviceCode(
        text_at(answer, "device_code"),
        printable(text_at(answer, "user_code"))[:64],
        printable(text_at(answer, "verification_uri"))[:500],
        printable(text_at(answer, "verification_uri_complete"))[:500],
        min(max(number_at(answer, "interval") or INTERVAL_S, 1), INTERVAL_S_MAX),
        min(max(number_at(answer, "expires_in") or DEVICE_S_MAX, 1), DEVICE_S_MAX),
    )
    if not code.device_code or not code.user_code:
        raise Failure("the server's answer to the device login has no code")
    return code


def poll(client: Client, endpoints: Endpoints, code: DeviceCode) -> Credential:
    """Wait until the person has agreed.

    Raises:
        Failure: They refused.
        TimeoutFailure: The code is too old.
    """
    form = (("grant_type", DEVICE_GRANT), ("device_code", code.device_code), ("client_id", CLIENT_ID))
    ends_at, interval_s = time.monotonic() + code.expires_in_s, code.interval_s
    while time.monotonic() < ends_at:
        pause(interval_s)
        try:
            return _credential(client, endpoints, client.call(Request("POST", endpoints.token, form=form)), "")
        except Refusal as refused:
            match refused.reason:
                case "authorization_pending":
                    continue
                case "slow_down":
                    interval_s = min(interval_s + 5, INTERVAL_S_MAX)
                case "access_denied":
                    raise Failure("the login was refused in the browser", exit_code=DENIED) from refused
                case "expired_token":
                    break
                case _:
                    raise
        except UnreachableFailure:
            # RFC 8628 3.5: after a loss of connection, poll more slowly.
            interval_s = min(interval_s * 2, INTERVAL_S_MAX)
    raise TimeoutFailure("nobody entered the code in time", hint="run `uc login` again")


def pause(seconds: float) -> None:
    """Wait between two questions."""
    time.sleep(seconds)


def refresh(client: Client, credential: Credential) -> Credential:
    """A fresh credential for one with a refresh token.

    Raises:
        Failure: The session has ended.
    """
    form = (
        ("grant_type", "refresh_token"),
        ("refresh_token", credential.refresh_token),
        ("client_id", credential.client_id or CLIENT_ID),
    )
    endpoints = Endpoints("", credential.token_path, credential.revocation_path, "")
    try:
        # Not repeatable: a refresh token that is used twice ends the session.
        answer = client.call(Request("POST", credential.token_path, form=form))
    except Refusal as refused:
        if refused.reason in ("invalid_grant", "invalid_client"):
            raise Failure(
                f"the login has ended: {refused.sentence}", hint="run `uc login`", exit_code=DENIED
            ) from refused
        raise
    return _credential(client, endpoints, answer, credential.refresh_token)


def revoke(client: Client, credential: Credential) -> bool:
    """End the session at the server; whether it could be asked to."""
    if not credential.revocation_path or not (credential.refresh_token or credential.access_token):
        return False
    form = (
        ("token", credential.refresh_token or credential.access_token),
        ("client_id", credential.client_id or CLIENT_ID),
    )
    try:
        client.answer(Request("POST", credential.revocation_path, form=form))
    except Failure:
        return False
    return True


def _credential(client: Client, endpoints: Endpoints, answer: Json, refresh_token: str) -> Credential:
    expires_in_s = number_at(answer, "expires_in")
    return Credential(
        server=client.link.target.server,
        access_token=check_token(text_at(answer, "access_token"), "the server's answer"),
        skew_s=skew_of(text_at(answer, "access_token")),
        expires_at_s=int(time.time()) + expires_in_s if expires_in_s > 0 else 0,
        refresh_token=text_at(answer, "refresh_token") or refresh_token,
        token_path=endpoints.token,
        revocation_path=endpoints.revocation,
        client_id=CLIENT_ID,
    )


def _path(document: Json, name: str) -> str:
    """The path of a discovered endpoint; empty unless it is one."""
    parts = urlsplit(text_at(document, name))
    return parts.path + (f"?{parts.query}" if parts.query else "") if parts.path.startswith("/") else ""
