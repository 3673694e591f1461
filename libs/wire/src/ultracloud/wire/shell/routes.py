"""From a path to the Python method that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from ultracloud.api.rpc import Method, ServiceDescriptor


@dataclass(frozen=True, slots=True)
class Route:
    """How one method is served.

    Attributes:
        serve: ``serve(request, call)`` of whichever shape the method has.
        parse: Makes the request message of bytes.
        response_type: What `serve` has to give.
        is_unary: One message in, one out.
    """

    path: str
    serve: Callable[..., object]
    parse: Callable[[bytes], Message]
    response_type: type[Message]
    client_streaming: bool
    server_streaming: bool
    is_unary: bool


@dataclass(frozen=True, slots=True)
class Service:
    """A service and the object that serves it."""

    descriptor: ServiceDescriptor
    routes: Mapping[str, Route]


def service(descriptor: ServiceDescriptor, implementation: object) -> Service:
    """Bind the methods of `implementation` to a service's paths. A method it lacks is answered with UNIMPLEMENTED."""
    routes = {}
    for method in descriptor.methods:
        serve = getattr(implementation, method.attribute, None)
        if serve is not None:
            routes[method.path] = _route(method, serve)
    return Service(descriptor, routes)


def route_table(services: Iterable[Service]) -> dict[str, Route]:
    """All routes of a server by path."""
    return {path: route for each in services for path, route in each.routes.items()}


def _route(method: Method, serve: Callable[..., object]) -> Route:
    """The route of one method."""
    return Route(
        path=method.path,
        serve=serve,
        parse=method.request_type.FromString,
        response_type=method.response_type,
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
        is_unary=not (method.client_streaming or method.server_streaming),
    )
