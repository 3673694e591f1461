"""The token of each request: given, read from a file, or got by `uc login` and refreshed without a word.

A refresh token can be used once. So one command refreshes at a time, under a lock, and looks first whether another one
has done it meanwhile.

Source: RFC 6749 section 6; RFC 9700 section 4.14 (rotation of refresh tokens).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ultracloud.cli.core.failures import DENIED, Failure
from ultracloud.cli.core.trees import Json, number_at, text_at
from ultracloud.cli.shell.files import locked, read_secret, write_private
from ultracloud.cli.shell.places import credential_file

CREDENTIAL_BYTES_MAX = 64 << 10
TOKEN_BYTES_MAX = 16 << 10
EARLY_S = 30
"""A token that dies within this is refreshed first: the request is still on its way then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a login has got. Times are seconds since 1970; 0 is unknown.

    Attributes:
        server: The only one that it is for.
        token_path: Where it is refreshed.
        skew_s: How far the issuer's clock was before ours when it was issued.
    """

    server: str
    access_token: str
    expires_at_s: int = 0
    refresh_token: str = ""
    token_path: str = ""
    revocation_path: str = ""
    client_id: str = ""
    skew_s: int = 0

    def fresh(self, now_s: float) -> bool:
        """Whether it lives long enough for a request."""
        return self.expires_at_s == 0 or now_s < self.expires_at_s - EARLY_S


def load(context: str, server: str) -> Credential | None:
    """What is kept for a context; None if nothing is, or if it is for another server.

    Raises:
        Failure: The file is open to others or damaged.
    """
    path = credential_file(context or "default")
    content = read_secret(path, CREDENTIAL_BYTES_MAX)
    if not content:
        return None
    try:
        tree: Json = json.loads(content)
    except ValueError as error:
        raise Failure(f"{path} is damaged", hint="`uc logout`, then `uc login`") from error
    credential = Credential(
        server=text_at(tree, "server"),
        access_token=text_at(tree, "access_token"),
        expires_at_s=number_at(tree, "expires_at_s"),
        refresh_token=text_at(tree, "refresh_token"),
        token_path=text_at(tree, "token_path"),
        revocation_path=text_at(tree, "revocation_path"),
        client_id=text_at(tree, "client_id"),
        skew_s=number_at(tree, "skew_s"),
    )
    return credential if credential.server == server and credential.access_token else None


def store(context: str, credential: Credential) -> None:
    """Keep a credential for a context."""
    write_private(credential_file(context or "default"), json.dumps(asdict(credential), indent=1).encode() + b"\n")


def forget(context: str) -> bool:
    """Remove what is kept; whether there was anything."""
    path = credential_file(context or "default")
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def lock_path(context: str) -> Path:
    """What commands that refresh lock."""
    return credential_file(context or "default").with_suffix(".lock")


def from_file(path: str) -> str:
    """The token in a file that somebody else keeps fresh.

    Raises:
        Failure: There is none in it.
    """
    token = read_secret(Path(path).expanduser(), TOKEN_BYTES_MAX).decode(errors="replace").strip()
    return check_token(token, f"the token file {path}")


def check_token(token: str, where: str) -> str:
    """Give a token back if it can stand in a header.

    Raises:
        Failure: It is empty, too long, or has what no token has.
    """
    if not token or len(token) > TOKEN_BYTES_MAX or not token.isascii() or any(letter.isspace() for letter in token):
        raise Failure(f"{where} holds no token", exit_code=DENIED)
    return token


def skew_of(token: str) -> int:
    """How far the clock of a fresh token's issuer is before ours, by its claim `iat`; 0 if it says nothing."""
    body = token.partition("~")[0].split(".")[1:2]
    try:
        claims: Json = json.loads(base64.urlsafe_b64decode("".join(body) + "=="))
    except ValueError:
        return 0
    issued_at_s = number_at(claims, "iat")
    return issued_at_s - int(time.time()) if issued_at_s else 0


def renewed(context: str, stale: Credential, refresh: Callable[[Credential], Credential]) -> Credential:
    """A fresh credential in place of one that is stale, made by this command or by another one meanwhile."""
    with locked(lock_path(context)):
        kept = load(context, stale.server)
        if kept is not None and kept.access_token != stale.access_token and kept.fresh(time.time()):
            return kept
        fresh = refresh(kept or stale)
        store(context, fresh)
        return fresh
