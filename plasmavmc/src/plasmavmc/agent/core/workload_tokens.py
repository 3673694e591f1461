"""What a guest asks for when it asks for a token of the account that its VM runs as. Pure.

    curl -H 'Metadata: true' 'http://169.254.169.254/ultracloud/token?audience=sts.example.org'

The header is what a web application that was talked into fetching a URL for its visitor does not send.

Source: Azure's Instance Metadata Service (the header); RFC 9110 for the query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

PATH = "/ultracloud/token"
HEADER = "metadata"
SEND_HEADER = "send the header 'Metadata: true'"
AUDIENCE_LENGTH_MAX = 255
TTL_S_DEFAULT = 3600
DIGITS_MAX = 6
"""Of a lifetime; the control plane knows how long is too long."""
FIELDS_MAX = 8


@dataclass(frozen=True, slots=True)
class TokenWish:
    """For whom a token is to be, and for how long."""

    audience: str
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a guest gets none."""

    status: int
    says: str


def is_token_path(target: str) -> bool:
    """Whether the target of a request is where tokens are."""
    return target.partition("?")[0] == PATH


def has_header(headers: Mapping[str, str]) -> bool:
    """Whether a request was meant for us; asked of all that is told to the guest alone."""
    return headers.get(HEADER, "").lower() == "true"


def parse_wish(target: str, headers: Mapping[str, str]) -> TokenWish | Refusal:
    """What a request for a token asks for."""
    if not has_header(headers):
        return Refusal(403, SEND_HEADER)
    try:
        pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        return Refusal(400, f"over {FIELDS_MAX} parameters")
    fields = dict(pairs)
    audience, ttl = fields.get("audience", ""), fields.get("ttl_s", str(TTL_S_DEFAULT))
    if len(fields) != len(pairs) or not set(fields) <= {"audience", "ttl_s"}:
        return Refusal(400, "accepted: audience and ttl_s, each once")
    if not 0 < len(audience) <= AUDIENCE_LENGTH_MAX or not audience.isprintable():
        return Refusal(400, f"audience is missing, or over {AUDIENCE_LENGTH_MAX} characters")
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= DIGITS_MAX):
        return Refusal(400, "ttl_s is no number of seconds")
    return TokenWish(audience, int(ttl))
