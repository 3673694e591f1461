"""The endpoint: a plain HTTP request becomes an RPC, its answer JSON, its fault a problem.

What can be told without waiting (no such path, no token, too often) is answered inline. What a service is asked is sent
inline too, and its answer passed on by a callback; only what has to wait for a connection, or to be sent again, and
streams take a task.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.message import Message

from apigateway.core import conversing, cors
from apigateway.core.binding import Binding, MediaTypeError, is_known
from apigateway.core.problems import PROBLEM_TYPE, problem_of
from apigateway.core.streaming import form_of
from apigateway.core.traffic import DEFAULT_TIMEOUTS_S, Traffic
from apigateway.core.writing import Write, Writers
from apigateway.shell.backends import AskingChannel, Backends, forwarded
from apigateway.shell.callers import ANYONE, Caller, Callers, RateLimitedError
from apigateway.shell.conversations import Conversation
from apigateway.shell.streams import Streams, Way
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name
from ultracloud.api.rest.routes import Route, all_routes
from ultracloud.api.rest.templates import Tree
from ultracloud.base.faults import Fault, NotFoundError, UnavailableError, UnimplementedError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.channels import DEADLINE_S
from ultracloud.wire import (
    CallFailedError,
    HttpAnswer,
    HttpLater,
    HttpReply,
    HttpRequest,
    HttpWork,
    WebSocketAnswer,
    wants_websocket,
)

JSON_TYPE = "application/json"
NO_BODY: Mapping[str, str] = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Fields of every answer: what is read here belongs to one caller, and is never anything but what it says."""


_names = random.Random()  # noqa: S311 - a request's name is no secret, and costs no system call


@dataclass(frozen=True, slots=True)
class Served:
    """A route, ready to serve."""

    route: Route
    binding: Binding
    write: Write
    backend: str
    has_metadata: bool
    status: int


class Gateway:
    """Answers `/v1/...`.

    Args:
        backends: The services behind it.
        callers: Who calls, and how often they may.
        traffic: What can change while it runs.
    """

    def __init__(self, backends: Backends, callers: Callers, traffic: Traffic) -> None:
        self._backends = backends
        self._callers = callers
        self._writers = Writers()
        self._tree: Tree[Served] = Tree()
        self.operations = frozenset(self._add(route) for route in all_routes())
        self.streams = Streams(self._writers)
        self.use(traffic)

    def use(self, traffic: Traffic) -> None:
        """Serve by other settings from now on."""
        self._traffic = traffic
        self._closed = frozenset(traffic.closed)
        self._timeouts_s: Mapping[str, float] = {**DEFAULT_TIMEOUTS_S, **traffic.timeouts_s}
        self._callers.use(traffic)
        self.streams.use(traffic.watches)

    def endpoint(self, request: HttpRequest) -> HttpWork:
        """Answer a request, inline if nobody has to be waited for."""
        headers = request.metadata
        trace = (deadlines.trace_of(headers) if "traceparent" in headers else "") or f"{_names.getrandbits(128):032x}"
        origin = headers.get("origin", "")
        source = self._callers.source_of(request)
        fields = {**NO_BODY, "x-request-id": trace}
        if origin:
            fields |= cors.answer_fields(origin, self._traffic.cors.origins)
        try:
            self._callers.admit_source(source)
            found = self._tree.find(request.path)
            if found is None:
                raise NotFoundError(
                    f"there is no {request.path[:200]!a}", hint="GET /openapi.json lists all", reason="PATH_UNKNOWN"
                )
            ends, values = found
            served = ends.get("GET" if request.method == "HEAD" else request.method)
            if served is None or (request.method == "HEAD" and served.route.rpc.server_streaming):
                return self._other_method(request, ends, fields)
            authorization = headers.get("authorization", "")
            is_handshake = "upgrade" in headers and wants_websocket(headers)
            if is_handshake:
                authorization = conversing.admitted(served.route, headers, self._traffic.cors.origins)
            caller = ANYONE if served.route.is_open else self._callers.admit(authorization)
            fields.update(caller.fields)
            if served.route.operation in self._closed:
                raise UnavailableError(f"{served.route.operation} is closed for now", reason="OPERATION_CLOSED")
            message, asked = served.binding.bind(values, request.query, headers, request.body)
        except Fault as fault:
            return self._problem(fault, trace, fields)
        channel = _Asked(served, caller, message, asked or served.backend, trace, source)
        if is_handshake:
            return self._converse(channel, request, fields)
        if served.route.rpc.server_streaming:
            return self._stream(channel, request, fields)
        return self._unary(channel, request, fields)

    def _unary(self, asked: _Asked, request: HttpRequest, fields: dict[str, str]) -> HttpWork:
        """Ask a service, and answer what it answers."""
        rpc = asked.served.route.rpc
        try:
            channel = self._backends.for_caller(asked.backend, asked.caller.token)
        except Fault as fault:
            return self._problem(fault, asked.trace, fields)
        timeout_s = self._timeouts_s.get(asked.served.route.operation, DEADLINE_S)
        source = forwarded(asked.source)
        waited = channel.ask(rpc.path, asked.message.SerializeToString(), timeout_s, asked.trace, source)
        if waited is None:
            return self._wait(channel, asked, request, fields, timeout_s)
        ends_at = time.monotonic() + timeout_s

        def finish(answered: asyncio.Future[bytes]) -> HttpReply | Awaitable[HttpAnswer]:
            error = answered.exception()
            try:
                if error is None:
                    answer = channel.parsed(rpc.path, answered.result(), rpc.response_type)
                    return self._answer(answer, asked.served, request, fields)
                if not isinstance(error, CallFailedError):
                    raise error
                left_s = ends_at - time.monotonic()
                if left_s > 0 and channel.may_repeat(rpc.path, error):
                    return self._wait(channel, asked, request, fields, left_s)
                return self._problem(channel.fault_of(error), asked.trace, fields)
            except Fault as fault:
                return self._problem(fault, asked.trace, fields)

        return HttpLater(waited, finish)

    async def _wait(
        self, channel: AskingChannel, asked: _Asked, request: HttpRequest, fields: dict[str, str], timeout_s: float
    ) -> HttpAnswer:
        """Ask a service that may have to be waited for, or asked again."""
        rpc = asked.served.route.rpc
        deadlines.TRACE.set(asked.trace)
        source = forwarded(asked.source)
        try:
            answer = await channel.unary(rpc.path, asked.message, rpc.response_type, timeout_s, source)
        except Fault as fault:
            return self._problem(fault, asked.trace, fields)
        return self._answer(answer, asked.served, request, fields)

    def _answer(self, answer: Message, served: Served, request: HttpRequest, fields: dict[str, str]) -> HttpReply:
        """A service's answer as the answer to a request."""
        if served.has_metadata:
            metadata: Any = getattr(answer, "metadata")  # noqa: B009 - which messages have it, only their protos say
            fields["etag"] = f'"{metadata.etag}"'
            if served.status == 201:  # noqa: PLR2004 - created
                fields["location"] = f"{request.path}/{metadata.id}"
            known = request.metadata.get("if-none-match")
            if known is not None and served.route.rpc.name == "Get" and is_known(known, metadata.etag):
                return HttpReply(304, b"", JSON_TYPE, fields)
        return HttpReply(served.status, served.write(answer).encode(), JSON_TYPE, fields)

    async def _stream(self, asked: _Asked, request: HttpRequest, fields: dict[str, str]) -> HttpAnswer:
        """Open a stream, and answer what comes."""
        rpc = asked.served.route.rpc
        deadlines.TRACE.set(asked.trace)
        form = form_of(request.metadata.get("accept", ""))
        try:
            channel = self._backends.of(asked.backend, asked.caller.token)
            requests = _only(asked.message) if rpc.client_streaming else asked.message
            source = forwarded(asked.source)
            messages = channel.stream(rpc.path, requests, rpc.response_type, None, source)
            way = Way(form, asked.caller.who, asked.trace, bool(getattr(asked.message, "from_version", 0)))
            return await self.streams.open(messages, rpc, way, fields)
        except Fault as fault:
            return self._problem(fault, asked.trace, fields)

    async def _converse(self, asked: _Asked, request: HttpRequest, fields: dict[str, str]) -> HttpAnswer:
        """Let a conversation begin."""
        route, rpc, source = asked.served.route, asked.served.route.rpc, forwarded(asked.source)
        offer = conversing.offer_of(request.metadata.get(conversing.PROTOCOLS, ""))
        try:
            channel = self._backends.of(asked.backend, asked.caller.token)
            conversation = Conversation(
                open=lambda requests: channel.stream(rpc.path, requests, rpc.response_type, None, source),
                first=asked.message,
                read=conversing.reader_of(route, offer.talk),
                write=conversing.writer_of(route, offer.talk, asked.served.write),
                talk=offer.talk,
                who=asked.caller.who,
                trace=asked.trace,
                streams=self.streams,
            )
        except Fault as fault:
            return self._problem(fault, asked.trace, fields)
        return WebSocketAnswer(conversation.serve, offer.protocol, conversing.MESSAGE_BYTES_MAX, fields)

    def _other_method(self, request: HttpRequest, ends: Mapping[str, Served], fields: dict[str, str]) -> HttpReply:
        """A preflight, or a method that the path does not take."""
        allowed = ", ".join(sorted({*ends, "OPTIONS"}))
        if request.method == "OPTIONS":
            origin = request.metadata.get("origin", "")
            fields |= cors.preflight_fields(origin, self._traffic.cors.origins, ends) if origin else {}
            return HttpReply(204, b"", JSON_TYPE, {**fields, "allow": allowed})
        fault = UnimplementedError(f"{request.path[:200]} takes no {request.method}; accepted: {allowed}")
        return self._problem(fault, fields["x-request-id"], {**fields, "allow": allowed}, status=405)

    def _problem(self, fault: Fault, trace: str, fields: Mapping[str, str], status: int = 0) -> HttpReply:
        """A fault as it is told."""
        problem = problem_of(fault, trace, 415 if isinstance(fault, MediaTypeError) else status)
        more = fault.fields if isinstance(fault, RateLimitedError) else {}
        return HttpReply(problem.status, problem.body, PROBLEM_TYPE, {**fields, **problem.fields, **more})

    def _add(self, route: Route) -> str:
        """Serve a route; its name."""
        answer = route.rpc.response_type
        served = Served(
            route=route,
            binding=Binding(route),
            write=self._writers.of(answer),
            backend="" if route.is_mounted else route.backends[0],
            has_metadata="metadata" in fields_by_name(descriptor_of(answer)),
            status=201 if route.rpc.name == "Create" else 200,
        )
        self._tree.add(route.http_method, route.template, served)
        return route.operation


class _Asked(NamedTuple):
    """What is asked of a service, for whom."""

    served: Served
    caller: Caller
    message: Message
    backend: str
    trace: str
    source: str


async def _only(message: Message) -> Any:
    """One request of a stream that waits for more until its answers end."""
    yield message
