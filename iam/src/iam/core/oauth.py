"""OAuth 2.0 and OpenID Connect: what requests must say, and what is answered. Pure.

Only what is safe is here: codes with PKCE (S256), redirect addresses compared letter by letter, no implicit flow, no
passwords at the token endpoint.

Source: RFC 6749, RFC 7636 (PKCE), RFC 8252 7.3 (loopback redirects), RFC 8628 (device code), RFC 9700 (best current
practice), OpenID Connect Core 1.0.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ultracloud.base.attenuation import encoded

CLI_CLIENT = "ultracloud-cli"
"""Client of the command line: built in, public."""
CLIENT_PREFIX = "client"
"""Of ids of registered clients."""
API_SCOPE = "ultracloud"
OFFLINE_SCOPE = "offline_access"
SCOPES = ("openid", "profile", "email", "groups", OFFLINE_SCOPE, API_SCOPE)
FORM_BYTES_MAX = 64 * 1024
"""A security key's answer fits; a body does not fill the memory."""
FIELDS_MAX = 50
STATE_LENGTH_MAX = 2048
USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; no digits, so nothing looks like something else (RFC 8628 6.1)."""
USER_CODE_LENGTH = 8
LOOPBACK = ("127.0.0.1", "::1")

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class OAuthError(Exception):
    """What a client is told, in the words of RFC 6749 5.2.

    Args:
        error: The code, ``invalid_grant``.
        description: One sentence for a developer.
        status: Of HTTP.
    """

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """A program that people log in to.

    Attributes:
        id: What it names itself by.
        name: What people call it.
        organisation: Id of the one whose users may log in; empty for everybody.
        is_public: It can keep no secret.
        api_access: It may get tokens for our API.
        service_account: Id of whom it speaks for by itself; empty for nobody.
        is_trusted: Nobody is asked whether they want to let it in.
        post_logout_redirect_uris: Where it may send people once they have logged out.
    """

    id: str
    name: str
    organisation: str
    redirect_uris: tuple[str, ...]
    is_public: bool
    api_access: bool
    service_account: str = ""
    is_trusted: bool = False
    post_logout_redirect_uris: tuple[str, ...] = ()


BUILT_IN = {
    CLI_CLIENT: Client(
        CLI_CLIENT,
        "the command line",
        "",
        ("http://127.0.0.1/callback", "http://[::1]/callback"),
        is_public=True,
        api_access=True,
    )
}


@dataclass(frozen=True, slots=True)
class Request:
    """A good request for a code."""

    client: Client
    redirect_uri: str
    scope: str
    state: str
    nonce: str
    code_challenge: str
    prompt: frozenset[str]
    max_age_s: int | None


def fields_of(text: str) -> dict[str, str]:
    """The fields of a query or a form.

    Raises:
        OAuthError: There are too many, or one comes twice (RFC 6749 3.1).
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=FIELDS_MAX)
    except ValueError:
        raise OAuthError("invalid_request", "the parameters are malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "a parameter comes twice")
    return fields


def check_client(client: Client | None, fields: Mapping[str, str]) -> Client:
    """The client of a request for a code, if its answer may go where it says. What is wrong, the person is told alone.

    Raises:
        OAuthError: No such client, or a redirect address that is none of its own.
    """
    if client is None:
        raise OAuthError("invalid_client", "this program is not registered here; ask whoever sent you")
    uri = fields.get("redirect_uri", "")
    if not any(is_redirect_of(uri, known) for known in client.redirect_uris):
        raise OAuthError("invalid_request", f"redirect_uri {uri[:200]!a} is not registered for {client.name}")
    return client


def parse_request(client: Client, fields: Mapping[str, str]) -> Request:
    """The request of a client that `check_client` has passed. Errors go back to the client.

    Raises:
        OAuthError: Something in it is wrong.
    """
    if fields.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be 'code'")
    if fields.get("response_mode", "query") != "query" or "request" in fields or "request_uri" in fields:
        raise OAuthError("invalid_request", "request objects and other response modes are not supported")
    challenge = fields.get("code_challenge", "")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "PKCE is required: send code_challenge with code_challenge_method=S256")
    state, nonce = fields.get("state", ""), fields.get("nonce", "")
    if len(state) > STATE_LENGTH_MAX or len(nonce) > STATE_LENGTH_MAX:
        raise OAuthError("invalid_request", f"state or nonce has over {STATE_LENGTH_MAX} characters")
    age = fields.get("max_age", "")
    if age and not (age.isascii() and age.isdigit() and len(age) < 10):  # noqa: PLR2004 - 31 years
        raise OAuthError("invalid_request", "max_age is no number of seconds")
    return Request(
        client=client,
        redirect_uri=fields["redirect_uri"],
        scope=granted_scope(client, fields.get("scope", "")),
        state=state,
        nonce=nonce,
        code_challenge=challenge,
        prompt=frozenset(fields.get("prompt", "").split()),
        max_age_s=int(age) if age else None,
    )


def is_remembered(client: Client) -> bool:
    """Whether what people have agreed to for a client holds the next time: not if anybody can pretend to be it."""
    return not client.is_public


def must_ask(wanted: Request, agreed: frozenset[str], *, is_fresh: bool) -> bool:
    """Whether a person must be asked before a client gets what it wants.

    Args:
        wanted: What it wants.
        agreed: Scopes that they have let it have before.
        is_fresh: They have just logged in on a page that says for which program.
    """
    client = wanted.client
    if "consent" in wanted.prompt:
        return True
    if client.is_trusted or (client.id in BUILT_IN and is_fresh):
        return False
    return not is_remembered(client) or not agreed >= set(wanted.scope.split())


def granted_scope(client: Client, wanted: str) -> str:
    """What of the scopes a client asks for it gets; those we do not know are left out (RFC 6749 3.3).

    Raises:
        OAuthError: It may have no token for our API.
    """
    # The command line is there for the API, whether or not it says so.
    asked = [*wanted.split(), *([API_SCOPE] if client.id == CLI_CLIENT else [])]
    scopes = [scope for scope in dict.fromkeys(asked) if scope in SCOPES]
    if API_SCOPE in scopes and not client.api_access:
        raise OAuthError("invalid_scope", f"{client.name} may not have scope {API_SCOPE}: set api_access for it")
    return " ".join(scopes)


def is_redirect_of(uri: str, known: str) -> bool:
    """Whether `uri` is the registered address `known`; on this machine, the port may be any (RFC 8252 7.3)."""
    if uri == known:
        return True
    try:
        asked, registered = urlsplit(uri), urlsplit(known)
        port = asked.port
    except ValueError:
        return False
    if registered.scheme != "http" or registered.hostname not in LOOPBACK or registered.port is not None:
        return False
    host = f"[{asked.hostname}]" if ":" in (asked.hostname or "") else asked.hostname
    return uri == urlunsplit(registered._replace(netloc=f"{host}:{port}")) and asked.hostname == registered.hostname


def is_registrable(uri: str) -> bool:
    """Whether a client may register `uri`: https, or http on this machine; whole, and without a fragment."""
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    is_clean = uri.isascii() and uri.isprintable() and not set(uri) & set(" \"'<>\\;,") and "@" not in parts.netloc
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return bool(host) and is_clean and is_safe and "#" not in uri and len(uri) <= STATE_LENGTH_MAX


def is_verified(challenge: str, verifier: str) -> bool:
    """Whether `verifier` is what `challenge` was made of (RFC 7636 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = encoded(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(made, challenge)


def with_fields(uri: str, fields: Mapping[str, str]) -> str:
    """`uri` with more in its query; what is empty is left out."""
    parts = urlsplit(uri)
    more = urlencode({name: value for name, value in fields.items() if value})
    return urlunsplit(parts._replace(query=f"{parts.query}&{more}" if parts.query else more))


def user_code(entropy: bytes) -> str:
    """A code that people type, ``BCDF-GHJK``.

    Args:
        entropy: 16 random bytes.
    """
    number = int.from_bytes(entropy, "big")
    letters = ""
    for _ in range(USER_CODE_LENGTH):
        number, index = divmod(number, len(USER_CODE_ALPHABET))
        letters += USER_CODE_ALPHABET[index]
    return f"{letters[:4]}-{letters[4:]}"


def plain_user_code(text: str) -> str:
    """A code as it was made, however it was typed; empty if it cannot be one."""
    letters = "".join(letter for letter in text.upper() if letter.isalnum())
    if len(letters) != USER_CODE_LENGTH or not set(letters) <= set(USER_CODE_ALPHABET):
        return ""
    return f"{letters[:4]}-{letters[4:]}"


def left_half_hash(token: str) -> str:
    """The claim ``at_hash`` (OpenID Connect Core 3.1.3.6)."""
    return encoded(hashlib.sha256(token.encode()).digest()[:16])
