"""Tokens: what a client shows after it authenticated, so that its password is checked once and not with every call.

Simple tokens are random, and known to all members by the log. JSON web tokens are signed: members know them by their
key, and nothing ends one before its time but a change of users or roles.

Source: etcd 3.5 semantics of `--auth-token`; RFC 7519 (JWT).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives import serialization

from chainfire.core.auth import AuthTable
from chainfire.core.commands import Caller
from chainfire.core.results import Authenticated
from chainfire.core.token_options import JwtOptions
from chainfire.errors import VerifyOnlyError

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PREFIX_LETTERS = 16
"""etcd's: 91 bits nobody guesses."""
KNOWN_MAX = 4096
"""Signed tokens that need no second look until they end: to verify one takes as long as several puts."""
REVISIONS_END = 1 << 63
"""More than users will ever change."""
_FAIR_BYTES = 256 // len(LETTERS) * len(LETTERS)
"""Bytes below this fall on every letter equally often."""


class Tokens(Protocol):
    """One way of making tokens."""

    def prefix(self) -> str:
        """What goes into the log, so that all members know the token; empty if they need not."""
        ...

    def give(self, granted: Authenticated) -> str:
        """The token of a user that was authenticated.

        Raises:
            VerifyOnlyError: This member cannot give any.
        """
        ...

    def caller(self, token: str) -> Caller | None:
        """Whom a token stands for; None if for nobody, or no longer."""
        ...


def tokens_of(
    options: JwtOptions | None, auth: AuthTable, entropy: Callable[[int], bytes], now_s: Callable[[], float]
) -> Tokens:
    """Tokens of the kind that is wanted; raises as `JwtTokens`."""
    return SimpleTokens(auth, entropy) if options is None else JwtTokens(options, now_s)


class SimpleTokens:
    """Random tokens.

    Args:
        auth: What knows them.
        entropy: Random bytes, as many as asked for.
    """

    def __init__(self, auth: AuthTable, entropy: Callable[[int], bytes]) -> None:
        self._auth = auth
        self._entropy = entropy

    def prefix(self) -> str:
        """Random letters."""
        letters = ""
        while len(letters) < PREFIX_LETTERS:
            drawn = self._entropy(PREFIX_LETTERS)
            letters += "".join(LETTERS[byte % len(LETTERS)] for byte in drawn if byte < _FAIR_BYTES)
        return letters[:PREFIX_LETTERS]

    def give(self, granted: Authenticated) -> str:
        """The token that the log knows."""
        return granted.token

    def caller(self, token: str) -> Caller | None:
        """Whom a token stands for; its time begins anew."""
        user = self._auth.tokens.use(token)
        return None if user is None else Caller(user, self._auth.revision)


class JwtTokens:
    """Signed tokens.

    Args:
        options: Where the keys are.
        now_s: Seconds since 1970.

    Raises:
        ValueError: A key is none of its method, or the two do not belong together.
        OSError: A file cannot be read.
    """

    def __init__(self, options: JwtOptions, now_s: Callable[[], float]) -> None:
        self._method = options.sign_method
        self._ttl_s = options.ttl_s
        self._now_s = now_s
        self._signing, self._verifying = _keys(options)
        self._known: dict[str, tuple[Caller, int]] = {}

    def prefix(self) -> str:
        """Members know signed tokens by their key."""
        return ""

    def give(self, granted: Authenticated) -> str:
        """Sign a token; raises as `Tokens.give`."""
        if self._signing is None:
            raise VerifyOnlyError
        expires = int(self._now_s() + self._ttl_s)
        claims = {"username": granted.user, "revision": granted.auth_revision, "exp": expires}
        return jwt.encode(claims, self._signing, self._method)

    def caller(self, token: str) -> Caller | None:
        """Whom a token says it stands for, if its signature and its time hold."""
        known = self._known.get(token)
        if known is not None and self._now_s() < known[1]:
            return known[0]
        try:
            claims = jwt.decode(token, self._verifying, [self._method], options={"verify_aud": False})
        except jwt.PyJWTError:
            return None
        user, revision = claims.get("username"), claims.get("revision")
        if not isinstance(user, str) or not isinstance(revision, int | float) or not 1 <= revision < REVISIONS_END:
            return None
        caller = Caller(user, int(revision))
        if "exp" in claims:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[token] = (caller, int(claims["exp"]))
        return caller


def _keys(options: JwtOptions) -> tuple[Any, Any]:
    """The key that signs, None without, and the one that verifies."""
    private = Path(options.private_key).read_bytes() if options.private_key else None
    if options.sign_method.startswith("HS"):
        return private, private
    public = serialization.load_pem_public_key(Path(options.public_key).read_bytes()) if options.public_key else None
    signing = None if private is None else serialization.load_pem_private_key(private, password=None)
    if signing is not None:
        if public is not None and public != signing.public_key():
            raise ValueError(f"{options.public_key} and {options.private_key} do not belong together")
        public = signing.public_key()
    algorithm = jwt.get_algorithm_by_name(options.sign_method)
    try:
        for key in (signing, public):
            if key is not None:
                algorithm.prepare_key(key)
    except (TypeError, jwt.InvalidKeyError) as error:
        raise ValueError(f"the key for tokens is none of {options.sign_method}: {error}") from error
    return signing, public
