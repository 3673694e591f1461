"""Attenuation: the holder of a token makes a weaker one of it, without asking anybody. Pure.

An attenuable token is ``<JWT>~<block>~...~<secret>``. The JWT names a public key (claim ``cnf``); who holds its private
half, the secret at the end, may sign a block that says what is left and names the next public key. The new token ends
in that key's private half, and the old secret is nowhere in it. So whoever holds it can narrow it further, and cannot
take a block away again: the secret that would have to stand at the end then is gone.

Source: Biscuit (specification 3, "Cryptography": a chain of ephemeral keys, proof by the last private key); RFC 7515
(blocks are compact JWS); RFC 7800 (``cnf``); RFC 8037 (Ed25519 as JWK). ADR 0018.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.base.narrowing import Narrowing, make_narrowing

SEPARATOR = "~"
"""RFC 6750 allows it in a bearer token, and no part of a JWT has it."""
BLOCKS_MAX = 8
"""Narrowings of one token: each costs a signature check and some 300 characters of every request."""
KEY_BYTES = 32
CONFIRMATION = "cnf"
"""The claim with the first public key."""

_MALFORMED = "the token's narrowing is malformed"


class Curve(Protocol):
    """Ed25519, from whoever has it."""

    def public_of(self, secret: bytes) -> bytes:
        """The public half."""
        ...

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        ...

    def is_signed(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature holds; any bytes may be given."""
        ...


@dataclass(frozen=True, slots=True)
class Chain:
    """What follows the JWT: blocks, oldest first, and the secret that signs the next."""

    blocks: tuple[str, ...]
    secret: bytes


@dataclass(frozen=True, slots=True)
class Attenuation:
    """What the blocks of a chain leave; `expires_at_s` is the earliest of their ends, None where none says one."""

    narrowings: tuple[Narrowing, ...] = ()
    expires_at_s: int | None = None


def confirmation(public: bytes) -> dict[str, object]:
    """The claim ``cnf`` that makes a token attenuable."""
    return {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": encoded(public)}}


def split(token: str) -> tuple[str, Chain | None]:
    """The JWT, and the chain behind it; None for a plain JWT.

    Raises:
        UnauthenticatedError: The chain is too long, or no secret is at its end.
    """
    jwt, *rest = token.split(SEPARATOR, BLOCKS_MAX + 2)
    if not rest:
        return jwt, None
    *blocks, secret = rest
    if len(blocks) > BLOCKS_MAX:
        raise _malformed()
    return jwt, Chain(tuple(blocks), _key(secret))


def joined(jwt: str, chain: Chain) -> str:
    """The token that `split` takes apart."""
    return SEPARATOR.join((jwt, *chain.blocks, encoded(chain.secret)))


def walk(claims: Mapping[str, object], chain: Chain | None, curve: Curve) -> Attenuation:
    """What is left of a token whose JWT is verified.

    Args:
        claims: The JWT's.
        chain: What stands behind it.
        curve: Checks signatures.

    Raises:
        UnauthenticatedError: A block is forged or out of its place, or the end is missing: reason TOKEN_FORGED.
    """
    if CONFIRMATION not in claims and chain is None:
        return Attenuation()
    if CONFIRMATION not in claims or chain is None:
        raise _forged()
    public, narrowings, ends = _confirmed(claims[CONFIRMATION]), [], []
    for block in chain.blocks:
        message, _, signature = block.rpartition(".")
        if not curve.is_signed(public, message.encode(), decoded(signature)):
            raise _forged()
        narrowing, expires_at_s, public = _parse(message)
        narrowings.append(narrowing)
        if expires_at_s is not None:
            ends.append(expires_at_s)
    if curve.public_of(chain.secret) != public:
        raise _forged()
    return Attenuation(tuple(narrowings), min(ends, default=None))


def narrow(token: str, narrowing: Narrowing, expires_at_s: int | None, next_secret: bytes, curve: Curve) -> str:
    """A token that leaves no more than `narrowing`, and ends at `expires_at_s` at the latest.

    Args:
        token: An attenuable one; it stays as strong as it was.
        narrowing: What is left.
        expires_at_s: Seconds since 1970; None leaves the end as it is.
        next_secret: KEY_BYTES fresh random bytes.
        curve: Signs.

    Raises:
        InvalidArgumentError: The token cannot be narrowed (further).
    """
    assert len(next_secret) == KEY_BYTES, len(next_secret)
    try:
        jwt, chain = split(token)
    except UnauthenticatedError as error:
        raise InvalidArgumentError(error.public, reason="TOKEN_MALFORMED") from error
    if chain is None or len(chain.blocks) >= BLOCKS_MAX:
        why = "is not attenuable" if chain is None else f"has been narrowed {BLOCKS_MAX} times"
        raise InvalidArgumentError(f"the token {why}; log in for a new one", reason="TOKEN_NOT_ATTENUABLE")
    message = _render(narrowing, expires_at_s, curve.public_of(next_secret))
    block = f"{message}.{encoded(curve.sign(chain.secret, message.encode()))}"
    return joined(jwt, Chain((*chain.blocks, block), next_secret))


def encoded(raw: bytes) -> str:
    """Base64 as JOSE writes it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of `encoded`.

    Raises:
        UnauthenticatedError: They are written in another way; one token has one spelling.
    """
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _malformed() from None
    if encoded(raw) != text:
        raise _malformed()
    return raw


_HEADER = encoded(b'{"alg":"EdDSA","typ":"narrowing+jwt"}')
"""Of every block: what may vary in it could be confused."""


def _render(narrowing: Narrowing, expires_at_s: int | None, public: bytes) -> str:
    said: dict[str, object] = {"next": encoded(public)}
    if narrowing.place:
        said["res"] = narrowing.place
    if narrowing.permissions:
        said["ops"] = sorted(narrowing.permissions)
    if expires_at_s is not None:
        said["exp"] = expires_at_s
    return f"{_HEADER}.{encoded(json.dumps(said, separators=(',', ':')).encode())}"


def _parse(message: str) -> tuple[Narrowing, int | None, bytes]:
    """What a signed block says: what is left, until when, and who signs the next."""
    header, _, body = message.partition(".")
    try:
        said = json.loads(decoded(body))
    except (ValueError, RecursionError):
        raise _malformed() from None
    # What we do not understand may be a restriction: a block with it is refused whole.
    if header != _HEADER or not isinstance(said, dict) or not said.keys() <= {"next", "res", "ops", "exp"}:
        raise _malformed()
    expires_at_s = said.get("exp")
    if expires_at_s is not None and type(expires_at_s) is not int:
        raise _malformed()
    return parse_narrowing(said), expires_at_s, _key(said.get("next"))


def parse_narrowing(said: Mapping[str, object]) -> Narrowing:
    """What ``res`` and ``ops`` of a block, or of the claim ``cap``, leave.

    Raises:
        UnauthenticatedError: They are malformed.
    """
    place, permissions = said.get("res", ""), said.get("ops")
    is_list = isinstance(permissions, list) and permissions and all(isinstance(one, str) for one in permissions)
    if not isinstance(place, str) or not (permissions is None or is_list):
        raise _malformed()
    try:
        return make_narrowing(place, permissions if isinstance(permissions, list) else ())
    except InvalidArgumentError:
        raise _malformed() from None


def render_narrowing(narrowing: Narrowing) -> dict[str, object]:
    """The claim ``cap``: a narrowing that the issuer signs itself."""
    said: dict[str, object] = {"res": narrowing.place} if narrowing.place else {}
    return {**said, "ops": sorted(narrowing.permissions)} if narrowing.permissions else said


def _confirmed(claim: object) -> bytes:
    """The public key that ``cnf`` names."""
    jwk = claim.get("jwk") if isinstance(claim, dict) else None
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
        raise _malformed()
    return _key(jwk.get("x"))


def _key(text: object) -> bytes:
    raw = decoded(text) if isinstance(text, str) else b""
    if len(raw) != KEY_BYTES:
        raise _malformed()
    return raw


def _malformed() -> UnauthenticatedError:
    return UnauthenticatedError(_MALFORMED, hint="narrow the token anew", reason="TOKEN_MALFORMED")


def _forged() -> UnauthenticatedError:
    return UnauthenticatedError(
        "the token's narrowing does not verify: a part of it is missing, out of its place, or signed by somebody else",
        hint="narrow the token anew, or get a new one",
        reason="TOKEN_FORGED",
    )
