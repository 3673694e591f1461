"""A request before it is sent: made of an operation, printed by --dry-run and --curl, logged with secrets masked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

from ultracloud.cli.core.api import Operation
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.trees import Json

PLACE_LENGTH_MAX = 512
SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
SECRET_KEYS = re.compile(
    r"token|password|passwd|secret|device_code|^code$|verifier|private|credential|otp|assertion|^key$", re.IGNORECASE
)
MASK = "***"
JSON_TYPE = "application/json"
MERGE_PATCH = "application/merge-patch+json"
FORM_TYPE = "application/x-www-form-urlencoded"
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        path: Below the server, with places filled in.
        query: In order; empty values are left out by who makes it.
        body: JSON; None sends none.
        form: Sent as a form instead, to the endpoints of OAuth.
        headers: Besides those that every request has.
        repeatable: Whether it may be sent twice: it reads, or carries an idempotency key or an etag.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json = None
    form: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False

    @property
    def target(self) -> str:
        """Path with query."""
        return self.path + ("?" + urlencode(self.query) if self.query else "")

    def with_query(self, **values: str) -> Request:
        """With these parameters set anew."""
        kept = tuple(pair for pair in self.query if pair[0] not in values)
        return replace(self, query=kept + tuple((name, value) for name, value in values.items() if value))


def make(
    operation: Operation,
    places: Mapping[str, str],
    query: tuple[tuple[str, str], ...] = (),
    body: Json = None,
    headers: Mapping[str, str] | None = None,
    *,
    at_root: bool = False,
) -> Request:
    """The request of an operation; `at_root` sends it to the operation's path without an organisation.

    Raises:
        UsageFailure: A place is empty, too long, or would leave its part of the path.
    """
    path = operation.root_path if at_root else operation.path
    for name in places_of(path):
        path = path.replace("{" + name + "}", _place(name, places.get(name, "")), 1)
    given = dict(headers or {})
    if operation.method == "PATCH" and body is not None:
        given["Content-Type"] = MERGE_PATCH
    # A patch or a delete done twice leaves the same; a verb need not.
    repeatable = operation.method != "POST" or "Idempotency-Key" in given or "If-Match" in given
    return Request(operation.method, path, query, body, (), given, repeatable)


def places_of(path: str) -> tuple[str, ...]:
    """Names in braces, in order."""
    return tuple(part.partition("}")[0] for part in path.split("{")[1:])


def curl(
    request: Request, server: str, *, ca: str = "", certificate: str = "", key: str = "", authorised: bool = True
) -> str:
    """A line for a shell that sends the same; the token is `$TOKEN`.

    Args:
        request: What would be sent.
        server: `https://host:port`.
        ca: File for --cacert.
        certificate: File for --cert.
        key: File for --key.
        authorised: Whether a token goes with it.
    """
    words = ["curl", "-sS"]
    if request.method != "GET":
        words += ["-X", request.method]
    for flag, path in (("--cacert", ca), ("--cert", certificate), ("--key", key)):
        words += [flag, shell_quoted(path)] if path else []
    words.append(shell_quoted(server + request.target))
    if authorised:
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    for name, value in request.headers.items():
        words += ["-H", shell_quoted(f"{name}: {value}")]
    if request.body is not None:
        words += [] if "Content-Type" in request.headers else ["-H", "'Content-Type: application/json'"]
        words += ["-d", shell_quoted(json.dumps(request.body, ensure_ascii=False))]
    return " ".join(words)


def shell_quoted(text: str) -> str:
    """`text` as one word of a POSIX shell."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for a log: what authorises is masked, its scheme stays."""
    return {
        name: f"{value.partition(' ')[0]} {MASK}"
        if name.lower() in SECRET_HEADERS and " " in value
        else MASK
        if name.lower() in SECRET_HEADERS
        else value
        for name, value in headers.items()
    }


def masked(tree: Json) -> Json:
    """A body for a log: values of fields that sound like secrets are masked, however deep."""
    match tree:
        case dict():
            return {
                key: MASK if SECRET_KEYS.search(key) and not isinstance(value, bool | None) else masked(value)
                for key, value in tree.items()
            }
        case list():
            return [masked(value) for value in tree]
        case _:
            return tree


def _place(name: str, value: str) -> str:
    shown = "name" if name == "ref" else name.replace("_", " ")
    if not value:
        raise UsageFailure(f"the {shown} is empty; accepted: a name or an id")
    if len(value) > PLACE_LENGTH_MAX or value in (".", ".."):
        raise UsageFailure(f"the {shown} {value[:60]!r} is no name and no id")
    # A colon would end the path's last part: `{ref}:start` is a verb. Encoded, it cannot.
    return quote(value, safe="@")
