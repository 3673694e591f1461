"""gRPC calls of SDKs, passed on to the service they are for, with the caller's token.

What is passed on is what has a REST path, and what would have one if a stream of requests could: everything else is
between services. RPCs that several services serve name the service in the metadata `ultracloud-service`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

from google.protobuf.message import Message

from apigateway.shell.backends import Backends, forwarded
from apigateway.shell.callers import ANYONE, Caller, Callers
from ultracloud.api.rest.routes import Route, all_routes
from ultracloud.api.rpc import Call, Headers
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.streams import closing
from ultracloud.wire import Interceptor, Service, service

SERVICE_KEY = "ultracloud-service"


class _Key:
    """Type of the context key."""


CALLER, SOURCE = _Key(), _Key()


class Doorkeeper(Interceptor):
    """Tells callers of gRPC calls, and counts them.

    Args:
        callers: Does both.
        own: Beginnings of paths that the gateway answers itself.
    """

    def __init__(
        self, callers: Callers, own: tuple[str, ...] = ("/grpc.health.v1.Health/", "/grpc.reflection.")
    ) -> None:
        self._callers = callers
        self._own = own
        self._open = frozenset(route.rpc.path for route in all_routes() if route.is_open)

    def admit(self, call: Call, /) -> None:
        """Let a call in.

        Raises:
            UnauthenticatedError, RateLimitedError: As `Callers`.
        """
        source = self._callers.source_of(call)
        self._callers.admit_source(source)
        call.context[SOURCE] = source
        if call.path in self._open:
            call.context[CALLER] = ANYONE
        elif not call.path.startswith(self._own):
            call.context[CALLER] = self._callers.admit(call.metadata.get("authorization", ""))

    def done(self, _call: Call, _code: int, _seconds: float, /) -> None:
        """Nothing is kept of a call."""


def passed_on(backends: Backends) -> list[Service]:
    """Every service, answered by the one behind."""
    routes: dict[str, dict[str, Route]] = {}
    for route in all_routes():
        routes.setdefault(route.service.name, {}).setdefault(route.rpc.name, route)
    made = []
    for methods in routes.values():
        served = SimpleNamespace(**{route.rpc.attribute: _method(backends, route) for route in methods.values()})
        made.append(service(next(iter(methods.values())).service, served))
    return made


def _method(backends: Backends, route: Route) -> Callable[..., Any]:
    """What serves an RPC."""
    rpc = route.rpc

    async def unary(request: Message, call: Call) -> Message:
        with deadlines.inside(call):
            channel = backends.for_caller(_service(route, call), _caller(call).token)
            source = _source(call)
            return await channel.unary(rpc.path, request, rpc.response_type, call.time_remaining(), source)

    async def stream(requests: Any, call: Call) -> AsyncIterator[Message]:
        channel = backends.of(_service(route, call), _caller(call).token)
        source = _source(call)
        answers = channel.stream(rpc.path, requests, rpc.response_type, call.time_remaining(), source)
        async with closing(answers):
            async for answer in answers:
                yield answer

    return stream if rpc.server_streaming or rpc.client_streaming else unary


def _caller(call: Call) -> Caller:
    """Who calls."""
    caller = call.context[CALLER]
    assert isinstance(caller, Caller), "a call came past the doorkeeper"
    return caller


def _source(call: Call) -> Headers:
    """Where a call comes from, to be passed on."""
    source = call.context[SOURCE]
    assert isinstance(source, str), "a call came past the doorkeeper"
    return forwarded(source)


def _service(route: Route, call: Call) -> str:
    """Which service is asked.

    Raises:
        InvalidArgumentError: Several serve it, and the call does not say.
    """
    if not route.is_mounted:
        return route.backends[0]
    asked = call.metadata.get(SERVICE_KEY, "")
    if asked not in route.backends:
        raise InvalidArgumentError(
            f"the metadata {SERVICE_KEY} is {asked[:60]!a}; accepted: {', '.join(route.backends)}",
            reason="SERVICE_UNKNOWN",
        )
    return asked
