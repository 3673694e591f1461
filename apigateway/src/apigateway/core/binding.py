"""A plain HTTP request as the request message of its RPC.

The path names the resource, the query narrows, the body wishes, and four header fields stand for fields of the request:
`Idempotency-Key`, `If-Match`, `Last-Event-ID`, and `If-None-Match`, which is answered here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from apigateway.core.query import decode_segment, read_query
from apigateway.core.reading import Reading, parse, read, single
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name
from ultracloud.api.rest.routes import ANYWHERE, MOUNT, PLACE, Route
from ultracloud.base.faults import InvalidArgumentError

JSON_TYPES = ("application/json", "application/merge-patch+json")
SPEC, MASK = "spec", "update_mask"


class MediaTypeError(InvalidArgumentError):
    """The body is of a type that is not read here."""


class Binding:
    """How requests of one route are read.

    Args:
        route: The route.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self._make = route.rpc.request_type
        self._names = route.template.variables
        self._is_plain = all(name in (PLACE, "ref") for name in self._names)
        fields = fields_by_name(descriptor_of(self._make))
        self._fields = fields
        self._query = {field.name: field for field in route.query_fields()}
        self._hidden = (*route.path_fields, *route.hidden)
        self._has_body = bool(route.body)
        self._patches = route.http_method == "PATCH"
        self._is_masked = self._patches and {SPEC, MASK} <= set(fields)
        self._headers = tuple(
            (header, name)
            for header, name in (("idempotency-key", "idempotency_key"), ("last-event-id", "from_version"))
            if name in fields
        )
        self._has_etag = "etag" in fields
        guards = {"if-match": self._has_etag, "idempotency-key": "idempotency_key" in fields}
        # PATCH and DELETE are harmless twice by themselves, so a key is no promise that is broken there.
        missing = ("if-match",) if route.http_method != "POST" else tuple(guards)
        self._missing = tuple(name for name in missing if not guards[name] and route.http_method != "GET")
        """Guards that a caller may think of and that are not there."""

    @property
    def reads_more(self) -> bool:
        """Whether a request of the route may be more than its path and query."""
        return self._has_body or self._has_etag or bool(self._headers)

    def bind(self, values: Sequence[str], query: str, headers: Mapping[str, str], body: bytes) -> tuple[Message, str]:
        """The request, and which service is asked if the path says so.

        Raises:
            InvalidArgumentError: Something of it cannot be read, or is not taken here.
        """
        request, asked = self._of_path(values)
        if query:
            read_query(query, self._query, request)
        if self._has_body:
            self._of_body(request, headers, body)
        elif body:
            raise InvalidArgumentError(f"{self.route.http_method} takes no body here", reason="BODY_INVALID")
        if self._has_etag and "if-match" in headers:
            self._take(request, "etag", etag_of(headers["if-match"]), "If-Match")
        for header in self._missing:
            if header in headers:
                raise InvalidArgumentError(
                    f"{header} guards nothing here: {self.route.operation} does not look at it",
                    hint="send it without, once you know that twice does no harm",
                    reason="HEADER_NOT_TAKEN",
                )
        for header, name in self._headers:
            if header in headers:
                self._take(request, name, headers[header], header)
        return request, asked

    def _of_path(self, values: Sequence[str]) -> tuple[Message, str]:
        """The request as far as the path says."""
        if self._is_plain:
            found = {name: decode_segment(value) for name, value in zip(self._names, values, strict=True)}
            if found.get(PLACE) == ANYWHERE:
                found[PLACE] = ""
            return self._make(**found), ""
        asked, request = "", self._make()
        for name, value in zip(self._names, values, strict=True):
            text = decode_segment(value)
            if name == MOUNT:
                asked = self._asked(text)
            else:
                kept = "" if name == PLACE and text == ANYWHERE else text
                setattr(request, name, single(self._fields[name], kept, name))
        return request, asked

    def _asked(self, service: str) -> str:
        if service not in self.route.backends:
            raise InvalidArgumentError(
                f"{service[:60]!a} has no {self.route.operation}; accepted: {', '.join(self.route.backends)}",
                reason="SERVICE_UNKNOWN",
            )
        return service

    def _of_body(self, request: Message, headers: Mapping[str, str], body: bytes) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind not in JSON_TYPES:
            raise MediaTypeError(
                f"the body is {kind[:60]!a}; accepted: application/json",
                hint="send 'Content-Type: application/json'",
                reason="MEDIA_TYPE_UNSUPPORTED",
            )
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise MediaTypeError(
                f"the body is encoded as {headers['content-encoding'][:60]!a}; accepted: as it is",
                hint="send it without Content-Encoding",
                reason="MEDIA_TYPE_UNSUPPORTED",
            )
        into = request if self.route.body == "*" else getattr(request, self.route.body)
        value = parse(body)
        reading = read(value, into, hidden=self._hidden if into is request else (), patches=self._patches)
        if self._is_masked and not getattr(request, MASK):
            getattr(request, MASK).extend(mask_of(reading))

    def _take(self, request: Message, name: str, value: str, header: str) -> None:
        """Put a header field's value where the request may have another one."""
        taken = single(self._fields[name], value, header)
        if getattr(request, name) not in (self._fields[name].default_value, taken):
            raise InvalidArgumentError(
                f"{header} and {name} say two things; give one of them", reason="HEADER_CONTRADICTS"
            )
        setattr(request, name, taken)


def mask_of(reading: Reading) -> list[str]:
    """The mask that a merge patch means: what it names of spec and of labels.

    Raises:
        InvalidArgumentError: It names nothing of them. To the service, no mask means all, which nobody asked for.
    """
    if SPEC in reading.named:
        raise InvalidArgumentError("spec cannot be cleared as a whole; name its fields", reason="FIELD_INVALID")
    paths = [path.removeprefix(f"{SPEC}.") for path in reading.named if path.startswith(f"{SPEC}.")]
    paths += [path for path in reading.named if path == "labels" or path.startswith("labels.")]
    if not paths:
        raise InvalidArgumentError(
            "the body names nothing to change", hint="name fields of spec, or labels", reason="FIELD_MISSING"
        )
    return paths


def etag_of(header: str) -> str:
    """The etag that `If-Match` names; empty for any.

    Raises:
        InvalidArgumentError: It names several, or a weak one, which never matches (RFC 9110 13.1.1).
    """
    text = header.strip()
    if text == "*":
        return ""
    if text.startswith("W/") or "," in text:
        raise InvalidArgumentError(
            "If-Match is weak or a list; give one ETag as it was answered", reason="ETAG_INVALID"
        )
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def is_known(header: str, etag: str) -> bool:
    """Whether `If-None-Match` names an etag (weak comparison, RFC 9110 13.1.2)."""
    return header.strip() == "*" or etag in (each.strip().removeprefix("W/").strip('"') for each in header.split(","))
