"""The endpoint: a plain HTTP request becomes an RPC, its answer JSON, its fault a problem.

What can be told without waiting (no such path, no token, too often) is answered inline; what a service is asked,
`asking` sends; streams and conversations take a task.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, NamedTuple

from google.protobuf.message import Message

from apigateway.core import conversing, cors
from apigateway.core.answers import Answers
from apigateway.core.binding import Binding
from apigateway.core.streaming import form_of
from apigateway.core.traffic import Traffic
from apigateway.core.writing import Writers
from apigateway.shell.asking import CREATED, Asking, Question
from apigateway.shell.backends import Backends, forwarded
from apigateway.shell.callers import ANYONE, Caller, Callers
from apigateway.shell.conversations import Conversation
from apigateway.shell.streams import Streams, Way
from apigateway.shell.visits import JSON_TYPE, Served, Visit
from ultracloud.api.rest.routes import Route, all_routes
from ultracloud.api.rest.templates import Tree
from ultracloud.base.faults import Fault, NotFoundError, UnavailableError, UnimplementedError
from ultracloud.servicekit import deadlines
from ultracloud.wire import HttpAnswer, HttpReply, HttpRequest, HttpWork, WebSocketAnswer, wants_websocket

NO_BODY: Mapping[str, str] = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Fields of every answer: what is read here belongs to one caller, and is never anything but what it says."""
QUESTIONS_MAX, QUESTION_CHARS_MAX = 4096, 512
"""Questions that are remembered, and the length of the paths and queries that ask them: two MiB or so."""

_names = random.Random()  # noqa: S311 - a request's name is no secret, and costs no system call


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
        self._answers = Answers(self._writers)
        self._tree: Tree[Served] = Tree()
        self.operations = frozenset(self._add(route) for route in all_routes())
        self.streams = Streams(self._writers)
        self._asking = Asking(backends)
        self._questions: dict[tuple[str, str, str], Question] = {}
        """By method, path and query, where these three say all: who asks, and whether they may, is looked at anew."""
        self.use(traffic)

    def use(self, traffic: Traffic) -> None:
        """Serve by other settings from now on."""
        self._traffic = traffic
        self._closed = frozenset(traffic.closed)
        self._asking.use(traffic.timeouts_s)
        self._callers.use(traffic)
        self.streams.use(traffic.watches)

    def endpoint(self, request: HttpRequest) -> HttpWork:
        """Answer a request, inline if nobody has to be waited for."""
        headers = request.metadata
        trace = (deadlines.trace_of(headers) if "traceparent" in headers else "") or f"{_names.getrandbits(128):032x}"
        fields = {**NO_BODY, "x-request-id": trace}
        if "origin" in headers:
            fields |= cors.answer_fields(headers["origin"], self._traffic.cors.origins)
        visit = Visit(request, trace, self._callers.source_of(request), fields)
        try:
            self._callers.admit_source(visit.source)
            question = self._questions.get((request.method, request.path, request.query))
            if question is None or request.body or "upgrade" in headers:
                return self._serve(visit)
            caller = self._admit(visit, question.served.route, headers.get("authorization", ""))
            return self._asking.ask(visit, question, caller.token)
        except Fault as fault:
            return visit.problem(fault)

    def _serve(self, visit: Visit) -> HttpWork:
        """Answer a request that was not asked before.

        Raises:
            Fault: It cannot be served.
        """
        request, headers = visit.request, visit.request.metadata
        found = self._tree.find(request.path)
        if found is None:
            raise NotFoundError(
                f"there is no {request.path[:200]!a}", hint="GET /openapi.json lists all", reason="PATH_UNKNOWN"
            )
        ends, values = found
        served = ends.get("GET" if request.method == "HEAD" else request.method)
        if served is None or (request.method == "HEAD" and served.route.rpc.server_streaming):
            return self._other_method(visit, ends)
        authorization = headers.get("authorization", "")
        is_handshake = "upgrade" in headers and wants_websocket(headers)
        if is_handshake:
            authorization = conversing.admitted(served.route, headers, self._traffic.cors.origins)
        caller = self._admit(visit, served.route, authorization)
        message, asked = served.binding.bind(values, request.query, headers, request.body)
        backend = asked or served.backend
        if is_handshake:
            return self._converse(visit, _Asked(served, caller, message, backend))
        if served.route.rpc.server_streaming:
            return self._stream(visit, _Asked(served, caller, message, backend))
        question = Question(served, message.SerializeToString(), backend)
        self._remember(request, question)
        return self._asking.ask(visit, question, caller.token)

    def _admit(self, visit: Visit, route: Route, authorization: str) -> Caller:
        """Tell who calls, and let them in.

        Raises:
            Fault: It is nobody, or they called too often, or the operation is closed.
        """
        caller = ANYONE if route.is_open else self._callers.admit(authorization)
        visit.fields.update(caller.fields)
        if route.operation in self._closed:
            raise UnavailableError(f"{route.operation} is closed for now", reason="OPERATION_CLOSED")
        return caller

    def _remember(self, request: HttpRequest, question: Question) -> None:
        """Keep a question, if the address of a request is all that says it."""
        binding = question.served.binding
        if binding.reads_more or len(request.path) + len(request.query) > QUESTION_CHARS_MAX:
            return
        if len(self._questions) >= QUESTIONS_MAX:
            self._questions.clear()
        self._questions[request.method, request.path, request.query] = question

    async def _stream(self, visit: Visit, asked: _Asked) -> HttpAnswer:
        """Open a stream, and answer what comes."""
        rpc = asked.served.route.rpc
        deadlines.TRACE.set(visit.trace)
        form = form_of(visit.request.metadata.get("accept", ""))
        try:
            channel = self._backends.of(asked.backend, asked.caller.token)
            requests = _only(asked.message) if rpc.client_streaming else asked.message
            messages = channel.stream(rpc.path, requests, rpc.response_type, None, forwarded(visit.source))
            way = Way(form, asked.caller.who, visit.trace, bool(getattr(asked.message, "from_version", 0)))
            return await self.streams.open(messages, rpc, way, visit.fields)
        except Fault as fault:
            return visit.problem(fault)

    async def _converse(self, visit: Visit, asked: _Asked) -> HttpAnswer:
        """Let a conversation begin."""
        route, rpc, source = asked.served.route, asked.served.route.rpc, forwarded(visit.source)
        offer = conversing.offer_of(visit.request.metadata.get(conversing.PROTOCOLS, ""))
        try:
            channel = self._backends.of(asked.backend, asked.caller.token)
            conversation = Conversation(
                open=lambda requests: channel.stream(rpc.path, requests, rpc.response_type, None, source),
                first=asked.message,
                read=conversing.reader_of(route, offer.talk),
                write=conversing.writer_of(route, offer.talk, asked.served.write),
                talk=offer.talk,
                who=asked.caller.who,
                trace=visit.trace,
                streams=self.streams,
            )
        except Fault as fault:
            return visit.problem(fault)
        return WebSocketAnswer(conversation.serve, offer.protocol, conversing.MESSAGE_BYTES_MAX, visit.fields)

    def _other_method(self, visit: Visit, ends: Mapping[str, Served]) -> HttpReply:
        """A preflight, or a method that the path does not take."""
        request, allowed = visit.request, ", ".join(sorted({*ends, "OPTIONS"}))
        if request.method == "OPTIONS":
            origin = request.metadata.get("origin", "")
            told = cors.preflight_fields(origin, self._traffic.cors.origins, ends) if origin else {}
            return HttpReply(204, b"", JSON_TYPE, {**visit.fields, **told, "allow": allowed})
        fault = UnimplementedError(f"{request.path[:200]} takes no {request.method}; accepted: {allowed}")
        return visit.problem(fault, 405, {"allow": allowed})

    def _add(self, route: Route) -> str:
        """Serve a route; its name."""
        answer = route.rpc.response_type
        served = Served(
            route=route,
            binding=Binding(route),
            read=self._answers.of(answer),
            write=self._writers.of(answer),
            backend="" if route.is_mounted else route.backends[0],
            status=CREATED if route.rpc.name == "Create" else 200,
        )
        self._tree.add(route.http_method, route.template, served)
        return route.operation


class _Asked(NamedTuple):
    """What is asked of a service that streams, for whom."""

    served: Served
    caller: Caller
    message: Message
    backend: str


async def _only(message: Message) -> Any:
    """One request of a stream that waits for more until its answers end."""
    yield message
